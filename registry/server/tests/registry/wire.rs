//! An HTTP client that sends exactly what a test says, and shorthands for pushing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use longshore_reference::{Digest, media};
use longshore_registry_server::Config;
use longshore_test_support::servers::{
    EmbeddedRegistry, embedded_registry, embedded_registry_with,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The code of the one error in the body.
    pub(crate) fn error(&self) -> String {
        let errors = self.json();
        assert_eq!(errors["errors"].as_array().map(Vec::len), Some(1), "{errors}");
        assert!(errors["errors"][0]["message"].is_string());
        errors["errors"][0]["code"].as_str().expect("an error has a code").to_owned()
    }
}

/// Reads an answer to the end of the connection.
pub(crate) fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is the peer's way to refuse the rest of a body.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head came");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("the head is text");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.expect("a status came"),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the registry listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    stream
}

pub(crate) struct Registry {
    pub(crate) server: EmbeddedRegistry,
    folder: Option<TempDir>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        Self { server: embedded_registry(), folder: None }
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::new(folder.path().join("registry"));
        change(&mut config);
        Self { server: embedded_registry_with(config), folder: Some(folder) }
    }

    /// With its folder at `root`, which outlives it.
    pub(crate) fn at(root: &Path) -> Self {
        Self { server: embedded_registry_with(Config::new(root)), folder: None }
    }

    /// How many files there are in the folder of that name under the root.
    pub(crate) fn files(&self, name: &str) -> usize {
        let folder = self.folder.as_ref().expect("started with settings").path();
        std::fs::read_dir(folder.join("registry").join(name)).expect("the folder is there").count()
    }

    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let address = self.server.address();
        let mut stream = connect(address);
        let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("host: {address}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).expect("the head is taken");
        let _ = stream.write_all(body);
        read(&mut stream)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let target = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        assert_eq!(self.send("POST", &target, &[], bytes).status, 201);
        digest
    }

    /// Starts an upload and gives its location.
    pub(crate) fn upload(&self, name: &str) -> String {
        let answer = self.send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"");
        assert_eq!(answer.status, 202);
        answer.header("location").expect("an upload has a location").to_owned()
    }

    pub(crate) fn put(&self, name: &str, tag: &str, manifest: &[u8]) -> Answer {
        let target = format!("/v2/{name}/manifests/{tag}");
        let document: Value = serde_json::from_slice(manifest).unwrap_or_default();
        let kind = document["mediaType"].as_str().unwrap_or(media::OCI_MANIFEST).to_owned();
        self.send("PUT", &target, &[("content-type", &kind)], manifest)
    }

    /// Pushes an artifact with one layer; gives its manifest.
    pub(crate) fn push(&self, name: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
        self.push_blob(name, b"{}");
        self.push_blob(name, layer);
        let manifest = manifest(layer, None);
        assert_eq!(self.put(name, tag, &manifest).status, 201);
        manifest
    }
}

pub(crate) fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() })
}

/// A manifest with the empty config and one layer, about a subject.
pub(crate) fn manifest(layer: &[u8], subject: Option<&[u8]>) -> Vec<u8> {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": descriptor(media::OCI_EMPTY, b"{}"),
        "layers": [descriptor(media::WASM_LAYER, layer)],
    });
    if let Some(subject) = subject {
        manifest["subject"] = descriptor(media::OCI_MANIFEST, subject);
    }
    manifest.to_string().into_bytes()
}
