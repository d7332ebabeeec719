//! The clients that people use, where they are installed.

use std::path::Path;
use std::process::Command;

use longshore_test_support::tools;

use crate::wire::Registry;

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("COSIGN_PASSWORD", "")
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}:\n{out}\n{error}");
    out
}

#[test]
fn oras_pushes_attaches_discovers_and_pulls() {
    let Some(oras) = tools::find("oras") else { return };
    let (registry, folder) = (Registry::start(), tempfile::tempdir().expect("a folder"));
    let at = folder.path();
    let repository = format!("{}/x/y", registry.server.address());
    let tagged = format!("{repository}:1.0.0");
    let large = vec![7_u8; 9 << 20];
    std::fs::write(at.join("a.wasm"), &large).expect("written");
    std::fs::write(at.join("note.txt"), "a note").expect("written");
    run(&oras, at, &["push", "--plain-http", &tagged, "a.wasm:application/wasm"]);
    let kind = "application/x-note";
    run(&oras, at, &["attach", "--plain-http", "--artifact-type", kind, &tagged, "note.txt"]);
    let found = run(&oras, at, &["discover", "--plain-http", "--format", "json", &tagged]);
    assert!(found.contains(kind), "{found}");
    // The API answered: no fallback tag was made.
    assert_eq!(run(&oras, at, &["repo", "tags", "--plain-http", &repository]).trim(), "1.0.0");
    run(&oras, at, &["pull", "--plain-http", "-o", "out", &tagged]);
    assert_eq!(std::fs::read(at.join("out/a.wasm")).expect("pulled"), large);
    let copy = format!("{}/copy:1", registry.server.address());
    run(&oras, at, &["cp", "--from-plain-http", "--to-plain-http", "-r", &tagged, &copy]);
    run(&oras, at, &["manifest", "delete", "--plain-http", "-f", &tagged]);
    assert_eq!(registry.get("/v2/x/y/manifests/1.0.0").status, 404);
    assert_eq!(registry.get("/v2/copy/manifests/1").status, 200);
}

#[test]
fn crane_appends_copies_lists_and_validates() {
    let Some(crane) = tools::find("crane") else { return };
    let (registry, folder) = (Registry::start(), tempfile::tempdir().expect("a folder"));
    let at = folder.path();
    std::fs::write(at.join("file"), vec![1; 100_000]).expect("written");
    let tar = Command::new("tar").args(["cf", "l.tar", "file"]).current_dir(at).status();
    assert!(tar.expect("tar runs").success());
    let address = registry.server.address();
    let (one, two) = (format!("{address}/one:1"), format!("{address}/b/two:2"));
    run(&crane, at, &["append", "--oci-empty-base", "-f", "l.tar", "-t", &one]);
    run(&crane, at, &["validate", "--remote", &one]);
    run(&crane, at, &["copy", &one, &two]);
    let digest = run(&crane, at, &["digest", &two]);
    assert_eq!(digest, run(&crane, at, &["digest", &one]));
    run(&crane, at, &["tag", &two, "three"]);
    assert_eq!(run(&crane, at, &["ls", &format!("{address}/b/two")]), "2\nthree\n");
    assert_eq!(run(&crane, at, &["catalog", &address.to_string()]), "b/two\none\n");
}

#[test]
fn cosign_signs_and_verifies() {
    let (Some(cosign), Some(oras)) = (tools::find("cosign"), tools::find("oras")) else { return };
    let (registry, folder) = (Registry::start(), tempfile::tempdir().expect("a folder"));
    let at = folder.path();
    std::fs::write(at.join("a.wasm"), "wasm").expect("written");
    let repository = format!("{}/signed", registry.server.address());
    let tagged = format!("{repository}:1.0.0");
    run(&oras, at, &["push", "--plain-http", &tagged, "a.wasm:application/wasm"]);
    let digest = registry.get("/v2/signed/manifests/1.0.0");
    let digest = digest.header("docker-content-digest").expect("a digest").to_owned();
    run(&cosign, at, &["generate-key-pair"]);
    run(&cosign, at, &["signing-config", "create", "--out", "sc.json"]);
    let pinned = format!("{repository}@{digest}");
    let key = ["sign", "--key", "cosign.key", "--signing-config", "sc.json", "--yes", &pinned];
    run(&cosign, at, &key);
    let key = ["verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", &tagged];
    run(&cosign, at, &key);
    let referrers = registry.get(&format!("/v2/signed/referrers/{digest}"));
    assert_eq!(referrers.json()["manifests"].as_array().map(Vec::len), Some(1));
}
