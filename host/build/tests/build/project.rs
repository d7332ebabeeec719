//! What the tests build: folders with any component in them, by a toolchain that copies it into place.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use longshore_build::{BuildOptions, Built, Result, build};
use longshore_client::{Artifact, ClientConfig, Registry};
use longshore_reference::{Digest, Reference};
use longshore_test_support::servers::{EmbeddedRegistry, embedded_registry};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// A component of the world `w` in `wit`, as any toolchain might make it: all its functions trap.
pub(crate) fn component(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// An action that exports `acme:text/chunk@1.0.0`, which uses a type of another interface.
pub(crate) const CHUNK: &str = "package acme:chunker;
world w { export acme:text/chunk@1.0.0; }
package acme:text@1.0.0 {
  interface shapes { record piece { text: string, at: u32 } record unused { a: u8 } }
  interface chunk { use shapes.{piece}; split: func(text: string) -> list<piece>; }
}";

/// A workflow that imports it, and an interface of the host.
pub(crate) const FLOW: &str = "package acme:flow;
world w { import acme:text/chunk@1.0.0; import wasi:clocks/wall@0.2.0; export run: func(); }
package acme:text@1.0.0 {
  interface shapes { record piece { text: string, at: u32 } record unused { a: u8 } }
  interface chunk { use shapes.{piece}; split: func(text: string) -> list<piece>; }
}
package wasi:clocks@0.2.0 { interface wall { now: func() -> u64; } }";

/// A package table and what follows it.
pub(crate) fn manifest(kind: &str, rest: &str) -> String {
    format!("[package]\nname = \"thing\"\nversion = \"1.2.3\"\nkind = \"{kind}\"\n{rest}\n")
}

/// How every [`Project`] that is not cargo's is built.
pub(crate) const COPY: &str =
    "[build]\ncommand = [\"cp\", \"made.wasm\", \"out.wasm\"]\ncomponent = \"out.wasm\"\n";

/// An author's folder.
pub(crate) struct Project(TempDir);

impl Project {
    /// With this manifest, and `made.wasm` for [`COPY`] to copy.
    pub(crate) fn new(manifest: &str, made: &[u8]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write("longshore.toml", manifest.as_bytes());
        project.write("made.wasm", made);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path().join(name)).ok()
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.path().join("target/longshore/thing.wasm")
    }

    pub(crate) async fn build(&self, options: &BuildOptions<'_>) -> Result<Built> {
        build(self.path(), options, &mut |_| {}).await
    }

    /// Every file in the folder, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut left = vec![self.path().to_owned()];
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    left.push(path);
                } else {
                    let path = path.strip_prefix(self.path()).unwrap();
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

/// A registry with the chunker in it.
pub(crate) struct Shelf {
    server: EmbeddedRegistry,
    pub(crate) client: Registry,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self { server: embedded_registry(), client: Registry::new(ClientConfig::default()) }
    }

    pub(crate) fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// Puts `bytes` at `reference`; says the manifest's digest.
    pub(crate) async fn push(&self, reference: &str, bytes: Vec<u8>) -> Digest {
        let reference: Reference = reference.parse().unwrap();
        let reference = reference.in_registry(&self.host());
        let created = "2026-01-01T00:00:00Z".to_owned();
        let artifact = Artifact { title: "x.wasm".to_owned(), created, ..Artifact::default() };
        self.client.push(&reference, Bytes::from(bytes), &artifact).await.unwrap().manifest.digest
    }

    pub(crate) fn options(&self) -> BuildOptions<'_> {
        BuildOptions {
            registry: Some(&self.client),
            default_registry: Some(self.host()),
            ..BuildOptions::default()
        }
    }
}

/// A workflow on the chunker, in this range.
pub(crate) fn flow(range: &str) -> Project {
    let dependency = format!(
        "[dependencies]\n\"acme:text/chunk@1.0.0\" = {{ reference = \"acme/chunk\", version = \
         \"{range}\" }}\n{COPY}"
    );
    Project::new(&manifest("workflow", &dependency), &component(FLOW))
}
