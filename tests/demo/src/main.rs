//! The main job, from nothing, with nothing but this machine: what `just demo` runs.
//!
//! Starts an embedded registry and a loopback web server, builds, signs and publishes six components, empties the cache, runs
//! the workflow by its reference over this repository's own documents, checks the receipt, and shows three refusals. Every
//! step is a command that a user could type; each is printed before it runs, and a step that does not end as it must ends the
//! demo with a failure.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod shell;

use std::path::{Path, PathBuf};

use longshore_test_support::{http::StaticSite, workspace};
use serde_json::{Value, json};

use crate::shell::{Failure, Shell, title};

/// The documents of this repository that are ingested.
const PAGES: &[&str] = &["README.md", "ARCHITECTURE.md", "docs/errors.md", "plugins/README.md"];

/// The five actions and, after them, the workflow that calls them.
const COMPONENTS: &[&str] = &["fetch", "chunk", "embed", "hash", "register", "ingest"];

fn main() -> Result<(), Failure> {
    let root = workspace();
    let site = StaticSite::folder(&root);
    let shell = Shell::new(&root)?;
    println!("the documents of this repository are at {}", site.url("/"));

    let _lockfile = SetAside::file(root.join("plugins/ingest/longshore.lock"));
    publish(&shell, &root)?;
    let run = ingest(&shell, &site)?;
    receipt(&shell, &run)?;
    refusals(&shell, &site)?;
    title("done: one workflow, five actions, one receipt, three refusals");
    Ok(())
}

/// A file that is out of the way until this is dropped: the author's lockfile, since the demo pins digests in a registry
/// that lives no longer than itself.
struct SetAside(PathBuf, Option<Vec<u8>>);

impl SetAside {
    fn file(path: PathBuf) -> Self {
        let content = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        Self(path, content)
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        let _ = match &self.1 {
            Some(content) => std::fs::write(&self.0, content),
            None => std::fs::remove_file(&self.0),
        };
    }
}

/// Builds, signs and publishes the six components, and trusts their key.
fn publish(shell: &Shell, root: &Path) -> Result<(), Failure> {
    title("1. a key, and a policy that trusts it for `plugins/`");
    shell.longshore(&["key", "generate", "--out", "publisher"], 0)?;
    shell.write(
        "trust.json",
        &json!({
            "version": 1,
            "default": [{ "type": "reject" }],
            "scopes": {
                format!("{}/plugins", shell.registry()): [{
                    "type": "sigstore",
                    "name": "publisher",
                    "key": { "path": "publisher.pub" },
                }],
            },
        }),
    )?;
    title("2. build, sign and publish six components");
    for name in COMPONENTS {
        let folder = root.join("plugins").join(name);
        let reference = format!("{}/plugins/{name}:1.0.0", shell.registry());
        let folder = folder.display().to_string();
        shell.longshore(&["publish", &folder, &reference, "--key", "publisher.key"], 0)?;
    }
    Ok(())
}

/// Runs the workflow by its reference; gives the id of the run.
fn ingest(shell: &Shell, site: &StaticSite) -> Result<String, Failure> {
    title("3. empty the cache, then run the workflow by its reference");
    shell.empty_cache()?;
    let urls: Vec<_> = PAGES.iter().map(|page| site.url(&format!("/{page}"))).collect();
    shell.write("input.json", &json!({ "request": { "urls": urls, "max-tokens": null } }))?;
    let reference = format!("{}/plugins/ingest:1.0.0", shell.registry());
    let http = format!("http=http://{}", site.address());
    let store = format!("dir=/store={}:rw", shell.folder("store")?.display());
    let arguments = [
        "run",
        &reference,
        "--trust",
        "trust.json",
        "--allow",
        &http,
        "--allow",
        &store,
        "--input",
        "@input.json",
        "--json",
    ];
    let answer: Value = serde_json::from_str(&shell.longshore(&arguments, 0)?)?;
    let report = &answer["outcome"]["ok"];
    let documents = report["documents"].as_u64();
    if documents != Some(PAGES.len() as u64) || report["new"].as_u64() < Some(1) {
        return Err(format!("the workflow ingested too little: {answer:#}").into());
    }
    println!("\nthe report:\n{report:#}");
    let stored = std::fs::read_dir(shell.folder("store")?)?.count();
    println!("\n{stored} chunks are in the store");
    let run = answer["run"].as_str().ok_or("the answer names no run")?.to_owned();
    title("4. the timeline of its steps");
    shell.longshore(&["runs", "show", &run], 0)?;
    Ok(run)
}

/// Shows the receipt and verifies it with nothing but the public key.
fn receipt(shell: &Shell, run: &str) -> Result<(), Failure> {
    title("5. the receipt, verified offline with only the public key");
    shell.longshore(&["receipt", "export", run, "-o", "receipt.json"], 0)?;
    let key = shell.home().join("keys/receipt.pub").display().to_string();
    shell.longshore(&["receipt", "verify", "receipt.json", "--key", &key], 0)?;
    Ok(())
}

/// A tampered component, an unsigned one, a host outside the grant.
fn refusals(shell: &Shell, site: &StaticSite) -> Result<(), Failure> {
    title("6. refused: someone changed one byte of `hash` in the registry");
    let reference = |name: &str| format!("{}/plugins/{name}:1.0.0", shell.registry());
    tamper(&shell.storage(), &std::fs::read(shell.built("hash"))?)?;
    shell.empty_cache()?;
    let input = r#"{"texts":["abc"]}"#;
    let run = ["run", &reference("hash"), "--trust", "trust.json", "--input", input];
    shell.refused(&run, 5, "LS-REG-015")?;

    title("7. refused: a component that nobody signed");
    let unsigned = format!("{}/plugins/unsigned:1.0.0", shell.registry());
    let component = shell.built("embed").display().to_string();
    shell.longshore(&["push", &component, &unsigned], 0)?;
    let run = ["run", &unsigned, "--trust", "trust.json", "--input", input];
    shell.refused(&run, 3, "LS-TRU-001")?;

    title("8. refused: a host outside the grant");
    let http = format!("http=http://{}", site.address());
    let input = r#"{"url":"http://169.254.169.254/latest/meta-data/"}"#;
    let run =
        ["run", &reference("fetch"), "--trust", "trust.json", "--allow", &http, "--input", input];
    shell.refused(&run, 1, "http-denied")?;
    Ok(())
}

/// Flips the last byte of the stored blob with these bytes.
fn tamper(storage: &Path, component: &[u8]) -> Result<(), Failure> {
    let blob = find(storage, component)?.ok_or("the registry does not hold the component")?;
    let mut bytes = component.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Ok(std::fs::write(blob, bytes)?)
}

fn find(folder: &Path, content: &[u8]) -> Result<Option<PathBuf>, Failure> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if let Some(found) = find(&path, content)? {
                return Ok(Some(found));
            }
        } else if kind.is_file()
            && entry.metadata()?.len() == content.len() as u64
            && std::fs::read(&path)? == content
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
