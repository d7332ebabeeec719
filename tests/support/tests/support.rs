//! The test support itself: each helper does what the tests that lean on it believe.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use longshore_model::{Clock, Timestamp};
use longshore_test_support::clock::Fixed;
use longshore_test_support::hostile::{Artifact, Lie, Registry, Target};
use longshore_test_support::http::StaticSite;
use longshore_test_support::{cli, guests, servers};

/// Head and body of the answer to a `GET`, to the end of the connection or `patience`.
fn get(address: SocketAddr, target: &str, patience: Duration) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(patience)).expect("a time limit");
    let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("taken");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 4);
    let body = bytes.split_off(end);
    (String::from_utf8(bytes).expect("a head is text"), body)
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn a_site_serves_its_pages_and_counts_who_asked() {
    let site = StaticSite::of([("/a.txt", "hello")]);
    let (head, body) = get(site.address(), "/a.txt?x=1", LONG);
    assert!(head.starts_with("HTTP/1.1 200 ") && body == b"hello");
    assert!(get(site.address(), "/b", LONG).0.starts_with("HTTP/1.1 404 "));
    let targets: Vec<_> = site.requests().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/a.txt?x=1", "/b"]);

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("in")).expect("made");
    std::fs::write(folder.path().join("secret"), "out").expect("written");
    std::fs::write(folder.path().join("in/page"), "in").expect("written");
    let site = StaticSite::folder(folder.path().join("in"));
    assert_eq!(get(site.address(), "/page", LONG).1, b"in");
    assert!(get(site.address(), "/../secret", LONG).0.starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_hostile_registry_is_honest_but_for_its_lies() {
    let artifact = Artifact::wasm(b"layer");
    let layer = format!("/v2/a/blobs/{}", longshore_reference::Digest::of(b"layer"));
    let honest = Registry::start(artifact.clone(), []);
    assert_eq!(get(honest.address(), "/v2/a/manifests/1", LONG).1, artifact.manifest);
    assert_eq!(get(honest.address(), &layer, LONG).1, b"layer");
    assert_eq!(honest.requests().len(), 2);

    let told = |lie: Lie, patience| {
        let liar = Registry::start(artifact.clone(), [(Target::Layer, lie)]);
        assert_eq!(get(liar.address(), "/v2/a/manifests/1", LONG).1, artifact.manifest);
        get(liar.address(), &layer, patience)
    };
    assert_eq!(told(Lie::OtherBytes, LONG).1, b"m`xds");
    assert_eq!(told(Lie::Longer(3), LONG).1, b"layer   ");
    assert_eq!(told(Lie::Shorter, LONG).1, b"la");
    let (head, body) = told(Lie::BreakOff, LONG);
    assert!(head.contains("content-length: 5\r\n") && body == b"la");
    let (head, body) = told(Lie::Silence, Duration::from_millis(100));
    assert!(head.is_empty() && body.is_empty());
    let dripped = told(Lie::Drip(Duration::from_secs(1)), Duration::from_millis(200)).1;
    assert!(dripped.len() < 5);
    assert!(told(Lie::Status(503), LONG).0.starts_with("HTTP/1.1 503 "));
    assert!(told(Lie::LoginLoop, LONG).0.contains("www-authenticate: Bearer realm=\"http://"));
    assert_eq!(told(Lie::Huge(1 << 20), LONG).1.len(), 1 << 20);
    let away = told(Lie::Redirect("http://127.0.0.1:1/x".into()), LONG).0;
    assert!(away.contains("location: http://127.0.0.1:1/x\r\n"));
}

#[test]
fn both_registries_answer_and_stop() {
    let embedded = servers::embedded_registry();
    let address = embedded.address();
    assert!(get(address, "/v2/", LONG).0.starts_with("HTTP/1.1 200 "));
    drop(embedded);
    assert!(TcpStream::connect(address).is_err());
    let Some(docker) = servers::docker_registry() else { return };
    let address = docker.address();
    assert!(get(address, "/v2/", LONG).0.starts_with("HTTP/1.1 200 "));
    drop(docker);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_fixed_clock_moves_only_when_it_is_moved() {
    let clock = Fixed::at(Timestamp::from_unix_us(5));
    assert_eq!(clock.now(), clock.now());
    clock.advance(Duration::from_millis(1));
    assert_eq!(clock.now().unix_us(), 1_005);
    clock.set(Timestamp::from_unix_us(1));
    assert_eq!(clock.now().unix_us(), 1);
}

#[test]
fn a_home_is_empty_and_its_own() {
    let (one, two) = (cli::Home::new(), cli::Home::new());
    assert_ne!(one.path(), two.path());
    assert!(one.work().is_dir() && !one.longshore_home().exists());
}

#[test]
fn a_guest_is_built_once_and_is_a_component() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = "[package]\nname = \"support-probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                    [lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
    std::fs::create_dir(folder.path().join("src")).expect("made");
    std::fs::write(folder.path().join("Cargo.toml"), manifest).expect("written");
    std::fs::write(folder.path().join("src/lib.rs"), "").expect("written");
    let paths = std::thread::scope(|scope| {
        let build = || guests::build_in(folder.path(), "support-probe");
        let both = [scope.spawn(build), scope.spawn(build)];
        both.map(|thread| thread.join().expect("it builds"))
    });
    assert_eq!(paths[0], paths[1]);
    let bytes = std::fs::read(&paths[0]).expect("the component is there");
    // The preamble of a component: version 13, layer 1.
    assert_eq!(bytes.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]));
}
