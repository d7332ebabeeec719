//! What a restart finds: everything that was acknowledged, and nothing that was not.

use std::io::Write as _;
use std::time::{Duration, Instant};

use longshore_reference::Digest;
use longshore_registry_server::Config;
use longshore_test_support::servers::embedded_registry_with;

use crate::wire::{Registry, connect, read};

#[test]
fn a_restart_keeps_what_was_pushed_and_clears_what_was_not_finished() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("registry");
    let first = Registry::at(&root);
    let manifest = first.push("a", "1", b"layer");
    let orphan = first.push_blob("a", b"deleted");
    first.send("DELETE", &format!("/v2/a/blobs/{orphan}"), &[], b"");
    let location = first.upload("a");
    first.send("PATCH", &location, &[], b"half");
    drop(first);
    // What a crash in the middle of an upload leaves.
    std::fs::write(root.join("uploads/left"), b"half").expect("written");
    let hex = orphan.hex();
    let path = root.join("blobs/sha256").join(&hex[..2]).join(&hex);
    assert!(path.exists());

    let second = Registry::at(&root);
    assert_eq!(second.get("/v2/a/manifests/1").body, manifest);
    assert_eq!(second.get(&format!("/v2/a/blobs/{}", Digest::of(b"layer"))).body, b"layer");
    assert_eq!(second.get(&location).status, 404);
    assert_eq!(std::fs::read_dir(root.join("uploads")).expect("a folder").count(), 0);
    assert!(!path.exists(), "what no repository has is removed");
}

#[test]
fn an_upload_that_broke_off_goes_on_where_it_ended() {
    let registry = Registry::start();
    let location = registry.upload("a");
    let mut stream = connect(registry.server.address());
    let head =
        format!("PATCH {location} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("taken");
    stream.write_all(b"hello").expect("taken");
    drop(stream);
    let until = Instant::now() + Duration::from_secs(10);
    let offset = loop {
        let standing = registry.get(&location);
        // 409 while the registry has not noticed yet.
        if standing.status == 204 && standing.header("range") == Some("0-4") {
            break 5;
        }
        assert!(Instant::now() < until, "the upload can be asked about");
        std::thread::sleep(Duration::from_millis(10));
    };
    let digest = Digest::of(b"hello world");
    let rest = &b"hello world"[offset..];
    let put = registry.send("PUT", &format!("{location}?digest={digest}"), &[], rest);
    assert_eq!(put.status, 201);
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).body, b"hello world");
}

#[test]
fn a_damaged_manifest_is_an_error_and_never_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("registry");
    let registry = Registry::at(&root);
    let manifest = registry.push("a", "1", b"layer");
    let hex = Digest::of(&manifest).hex();
    let path = root.join("blobs/sha256").join(&hex[..2]).join(&hex);
    std::fs::write(&path, b"{}").expect("written");
    let answer = registry.get("/v2/a/manifests/1");
    assert_eq!((answer.status, answer.error().as_str()), (500, "UNKNOWN"));
    assert!(!String::from_utf8_lossy(&answer.body).contains("registry/blobs"), "no paths of ours");
    // Pushing it again heals it.
    assert_eq!(registry.put("a", "1", &manifest).status, 201);
    assert_eq!(registry.get("/v2/a/manifests/1").body, manifest);
}

#[test]
fn a_stop_lets_the_open_request_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = embedded_registry_with(Config::new(folder.path().join("registry")));
    let digest = Digest::of(b"0123456789");
    let mut stream = connect(server.address());
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: localhost\r\n\
         expect: 100-continue\r\ncontent-length: 10\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("taken");
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut interim).expect("the request is being served");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let stopping = std::thread::spawn(move || drop(server));
    stream.write_all(b"01234").expect("taken");
    stream.write_all(b"56789").expect("taken");
    assert_eq!(read(&mut stream).status, 201);
    stopping.join().expect("it stopped");
}
