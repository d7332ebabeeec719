//! The real cosign reads our keys and our bundles. Needs `cosign` 3 on the path; where tests must not be skipped
//! (`LONGSHORE_REQUIRE_SERVERS=1`), its absence fails. No registry and no network.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use longshore_reference::Digest;
use longshore_trust::{PrivateKey, annotations_for, sign_component};

fn cosign(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("cosign")
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("COSIGN_PASSWORD", "pass word")
        .output()
        .unwrap()
}

fn available() -> bool {
    let there = Command::new("cosign").arg("version").output().is_ok_and(|o| o.status.success());
    // The one variable that tests read.
    #[allow(clippy::disallowed_methods)]
    let required = std::env::var("LONGSHORE_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    assert!(there || !required, "cosign is required and absent");
    if !there {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("SKIPPED: cosign is absent");
        }
    }
    there
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn cosign_opens_our_encrypted_keys() {
    if !available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = PrivateKey::generate(&[4; 32]).unwrap();
    let pem = key.to_encrypted_pem(b"pass word", &[6; 56]).unwrap();
    std::fs::write(folder.path().join("our.key"), pem.as_bytes()).unwrap();
    let output = cosign(folder.path(), &["public-key", "--key", "our.key"]);
    assert!(output.status.success(), "{}", said(&output));
    let public = String::from_utf8(output.stdout).unwrap();
    assert_eq!(public.trim_end(), key.public_key().to_pem().trim_end());
}

#[test]
fn cosign_verifies_our_bundles_and_only_for_what_they_are_about() {
    if !available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let key = PrivateKey::generate(&[4; 32]).unwrap();
    let at = "r.example/a/b:1.0.0".parse().unwrap();
    let bundle = sign_component(&key, Digest::of(b"manifest"), &annotations_for(&at)).unwrap();
    write("bundle.json", &bundle);
    write("manifest", b"manifest");
    write("another", b"another");
    write("our.pub", key.public_key().to_pem().as_bytes());
    let stranger = PrivateKey::generate(&[5; 32]).unwrap();
    write("stranger.pub", stranger.public_key().to_pem().as_bytes());
    let verify = |public: &str, blob: &str| {
        let kind = "https://sigstore.dev/cosign/sign/v1";
        let arguments = ["verify-blob-attestation", "--bundle", "bundle.json", "--key", public];
        let more = ["--type", kind, "--insecure-ignore-tlog=true", blob];
        cosign(folder.path(), &[&arguments[..], &more[..]].concat())
    };
    let good = verify("our.pub", "manifest");
    assert!(good.status.success(), "{}", said(&good));
    for (public, blob) in [("our.pub", "another"), ("stranger.pub", "manifest")] {
        assert!(!verify(public, blob).status.success(), "{public} {blob}");
    }
}
