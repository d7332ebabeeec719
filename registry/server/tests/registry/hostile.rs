//! Peers that lie, stall, flood or try to get out of the folder, and whoever has no business here.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use longshore_reference::{Access, Digest};
use longshore_registry_server::{Config, Server, User};

use crate::wire::{Registry, connect, read};

#[test]
fn names_tags_and_digests_cannot_leave_the_folder() {
    let registry = Registry::start();
    for (target, code) in [
        ("/v2/../../etc/tags/list", "NAME_INVALID"),
        ("/v2/a/../../b/tags/list", "NAME_INVALID"),
        ("/v2/a%2f..%2fb/tags/list", "NAME_INVALID"),
        ("/v2/a/_layers/tags/list", "NAME_INVALID"),
        ("/v2/A/tags/list", "NAME_INVALID"),
        ("/v2/a/manifests/..", "MANIFEST_INVALID"),
        ("/v2/a/manifests/sha256:../../x", "UNSUPPORTED"),
        ("/v2/a/blobs/sha256:..", "DIGEST_INVALID"),
    ] {
        let answer = registry.get(target);
        assert!((400..=404).contains(&answer.status), "{target}");
        assert_eq!(answer.error(), code, "{target}");
    }
    let long = format!("/v2/{}/tags/list", "a".repeat(256));
    assert_eq!(registry.get(&long).error(), "NAME_INVALID");
}

#[test]
fn a_blob_or_a_manifest_beyond_its_limit_is_refused_and_leaves_nothing() {
    let registry = Registry::with(|config| {
        config.limits.blob_bytes = 1_000;
        config.limits.manifest_bytes = 1_000;
    });
    let (large, digest) = (vec![0; 1_001], Digest::of(&[0; 1_001]));
    let target = format!("/v2/a/blobs/uploads/?digest={digest}");
    let answer = registry.send("POST", &target, &[], &large);
    assert_eq!((answer.status, answer.error().as_str()), (413, "SIZE_INVALID"));
    // Without a length that gives it away, and in pieces.
    let mut stream = connect(registry.server.address());
    let head =
        format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the head is taken");
    for _ in 0..11 {
        let _ = stream.write_all(b"64\r\n").and_then(|()| stream.write_all(&[0; 100]));
        let _ = stream.write_all(b"\r\n");
    }
    assert_eq!(read(&mut stream).status, 413);
    let location = registry.upload("a");
    assert_eq!(registry.send("PATCH", &location, &[], &[0; 600]).status, 202);
    assert_eq!(registry.send("PATCH", &location, &[], &[0; 600]).status, 413);
    assert_eq!(registry.get(&location).status, 404);
    assert_eq!(registry.files("uploads"), 0);
    assert_eq!(registry.put("a", "1", &large).status, 413);
}

#[test]
fn uploads_are_counted_and_expire() {
    let registry = Registry::with(|config| {
        config.limits.uploads = 2;
        config.limits.upload_idle = Duration::from_millis(300);
    });
    let first = registry.upload("a");
    registry.upload("a");
    let third = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!((third.status, third.error().as_str()), (429, "TOOMANYREQUESTS"));
    let until = Instant::now() + Duration::from_secs(10);
    // Asking how an upload stands is using it, so only the files are looked at.
    while registry.files("uploads") > 0 {
        assert!(Instant::now() < until, "uploads expire");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(registry.get(&first).status, 404);
    registry.upload("a");
}

#[test]
fn slow_heads_silent_bodies_and_idle_connections_are_cut() {
    let registry = Registry::with(|config| {
        config.limits.head = Duration::from_millis(200);
        config.limits.body_idle = Duration::from_millis(200);
    });
    let address = registry.server.address();
    let start = Instant::now();
    for head in ["", "GET /v2/ HTT", "GET /v2/ HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut stream = connect(address);
        stream.write_all(head.as_bytes()).expect("taken");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let mut idle = connect(address);
    idle.write_all(b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("taken");
    assert_eq!(read(&mut idle).status, 200);
    let digest = Digest::of(b"x");
    let mut stream = connect(address);
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: localhost\r\n\
         content-length: 100\r\n\r\nhalf"
    );
    stream.write_all(head.as_bytes()).expect("taken");
    assert_eq!(read(&mut stream).status, 408);
    assert_eq!(registry.files("uploads"), 0);
    assert!(start.elapsed() < Duration::from_secs(10), "each was cut in time");
}

#[test]
fn a_reader_that_stops_reading_does_not_keep_its_connection() {
    let registry = Registry::with(|config| {
        config.limits.body_idle = Duration::from_millis(200);
        config.limits.connections = 1;
    });
    let blob = vec![7; 32 << 20];
    let digest = registry.push_blob("a", &blob);
    let mut stuck = connect(registry.server.address());
    let head = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stuck.write_all(head.as_bytes()).expect("taken");
    // The only connection is taken: this waits for it, and gets it.
    assert_eq!(registry.get("/v2/").status, 200);
    let mut rest = Vec::new();
    let _ = stuck.read_to_end(&mut rest);
    assert!(rest.len() < blob.len());
}

#[test]
fn web_pages_and_rebound_names_are_kept_out() {
    let registry = Registry::with(|config| config.hosts = vec!["registry.example".into()]);
    let ping = |headers: &[(&str, &str)]| registry.send("GET", "/v2/", headers, b"").status;
    assert_eq!(ping(&[("host", "localhost:5000")]), 200);
    assert_eq!(ping(&[("host", "[::1]:5000")]), 200);
    assert_eq!(ping(&[("host", "Registry.example")]), 200);
    assert_eq!(ping(&[("host", "attacker.example")]), 403);
    assert_eq!(ping(&[("host", "127.0.0.1.attacker.example")]), 403);
    assert_eq!(ping(&[("origin", "http://attacker.example")]), 403);
    assert_eq!(ping(&[("sec-fetch-site", "cross-site")]), 403);
}

#[test]
fn a_read_only_registry_is_not_written_to() {
    let registry = Registry::with(|config| config.read_only = true);
    assert_eq!(registry.get("/v2/").status, 200);
    for (method, target) in [
        ("POST", "/v2/a/blobs/uploads/".to_owned()),
        ("PUT", "/v2/a/manifests/1".to_owned()),
        ("DELETE", "/v2/a/manifests/1".to_owned()),
        ("DELETE", format!("/v2/a/blobs/{}", Digest::of(b"x"))),
    ] {
        let answer = registry.send(method, &target, &[], b"");
        assert_eq!((answer.status, answer.error().as_str()), (405, "UNSUPPORTED"));
    }
}

#[test]
fn users_do_what_they_may_and_nobody_else_does_anything() {
    let user = |name: &str, password: &str, access| User {
        name: name.into(),
        password: password.into(),
        access,
    };
    let users = vec![user("ann", "p:w", Access::ReadWrite), user("bob", "pull", Access::ReadOnly)];
    assert!(!format!("{users:?}").contains("pull"));
    // base64 of `ann:p:w`, `bob:pull`, `ann:pull`.
    let (ann, bob, wrong) = ("Basic YW5uOnA6dw==", "Basic Ym9iOnB1bGw=", "Basic YW5uOnB1bGw=");
    for anonymous in [false, true] {
        let registry = Registry::with(|config| {
            config.users = users.clone();
            config.anonymous_read = anonymous;
        });
        let send = |method: &str, target: &str, authorization: Option<&str>| {
            let header = authorization.map(|value| ("authorization", value));
            let header: Vec<_> = header.into_iter().collect();
            registry.send(method, target, &header, b"")
        };
        let ping = send("GET", "/v2/", None);
        assert_eq!((ping.status, ping.error().as_str()), (401, "UNAUTHORIZED"));
        assert!(ping.header("www-authenticate").is_some_and(|text| text.starts_with("Basic ")));
        assert_eq!(send("GET", "/v2/", Some(ann)).status, 200);
        for bad in [wrong, "Basic !!", "Bearer x", "Basic"] {
            assert_eq!(send("GET", "/v2/_catalog", Some(bad)).status, 401);
        }
        let uploads = "/v2/a/blobs/uploads/";
        assert_eq!(send("POST", uploads, None).status, 401);
        assert_eq!(send("POST", uploads, Some(bob)).status, 403);
        assert_eq!(send("POST", uploads, Some(ann)).status, 202);
        assert_eq!(send("GET", "/v2/_catalog", Some(bob)).status, 200);
        let expected = if anonymous { 200 } else { 401 };
        assert_eq!(send("GET", "/v2/_catalog", None).status, expected);
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_do_not_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config::new(folder.path().join("registry"));
    let mut remote = config.clone();
    remote.listen = ([0, 0, 0, 0], 0).into();
    let error = Server::bind(remote.clone()).await.expect_err("not loopback");
    assert_eq!(error.code(), "LS-SRV-001");
    remote.allow_remote = true;
    drop(Server::bind(remote).await.expect("allowed"));

    let first = Server::bind(config.clone()).await.expect("the folder is free");
    let error = Server::bind(config.clone()).await.expect_err("the folder is taken");
    assert_eq!(error.code(), "LS-SRV-004");
    drop(first);
    let foreign = Config::new(folder.path());
    assert_eq!(Server::bind(foreign).await.expect_err("not ours").code(), "LS-SRV-005");
    let mut nameless = config;
    nameless.users =
        vec![User { name: "a:b".into(), password: "x".into(), access: Access::ReadOnly }];
    assert_eq!(Server::bind(nameless).await.expect_err("no such user").code(), "LS-SRV-006");
}
