//! Registries that are down, do not know, or lie: each lie has its own code, and nothing of it is
//! kept.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use longshore_test_support::hostile::{Artifact, Lie, Registry, Target};
use longshore_test_support::servers;

use crate::artifacts::answer;
use crate::desk::{Desk, files};

#[test]
fn what_a_registry_does_not_have_is_named() {
    let (desk, registry) = (Desk::new(), servers::embedded_registry());
    desk.write("answer.wasm", answer());
    let reference = format!("{}/team/answer:1.0.0", registry.address());
    desk.does(&["push", "answer.wasm", &reference]);
    for absent in ["team/answer:2.0.0", "team/none:1.0.0"] {
        let absent = format!("{}/{absent}", registry.address());
        let refused = desk.refuses(5, "LS-REG-009", &["run", &absent]);
        assert!(refused.hint().contains("tag"), "{}", refused.hint());
        desk.refuses(5, "LS-REG-009", &["sign", &absent, "--key", &key(&desk)]);
    }
    assert!(desk.runs().is_empty());
}

fn key(desk: &Desk) -> String {
    if !desk.at("k.key").exists() {
        desk.key("k");
    }
    "k.key".to_owned()
}

#[test]
fn a_registry_that_is_down_is_told_soon_and_by_name() {
    let desk = Desk::new();
    desk.write("answer.wasm", answer());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let began = Instant::now();
    let reference = format!("{address}/team/answer:1.0.0");
    let refused = desk.refuses(5, "LS-REG-004", &["run", &reference]);
    assert!(refused.message().contains(&address.to_string()), "{}", refused.message());
    desk.refuses(5, "LS-REG-004", &["push", "answer.wasm", &reference]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(desk.runs().is_empty());
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure must tell which lie it was")]
fn every_lie_has_its_code_and_leaves_no_component_behind() {
    let component = answer();
    let artifact = Artifact::wasm(&component);
    let elsewhere = "http://169.254.169.254/secret".to_owned();
    for (target, lie, code) in [
        (Target::Layer, Lie::OtherBytes, "LS-REG-015"),
        (Target::Layer, Lie::Longer(1000), "LS-REG-018"),
        (Target::Layer, Lie::Shorter, "LS-REG-017"),
        (Target::Layer, Lie::BreakOff, "LS-REG-019"),
        (Target::Layer, Lie::Status(404), "LS-REG-009"),
        (Target::Layer, Lie::Redirect(elsewhere.clone()), "LS-REG-031"),
        (Target::Manifest, Lie::OtherDigestHeader, "LS-REG-016"),
        (Target::Manifest, Lie::Huge(1 << 30), "LS-REG-014"),
        (Target::Manifest, Lie::NotJson, "LS-REG-016"),
        (Target::Manifest, Lie::Deep(100_000), "LS-REG-020"),
        (Target::Manifest, Lie::Index, "LS-REG-021"),
        (Target::Everything, Lie::LoginLoop, "LS-REG-007"),
        // Its token service is not there.
        (Target::Manifest, Lie::LoginLoop, "LS-REG-012"),
        (Target::Manifest, Lie::Status(403), "LS-REG-008"),
        (Target::Manifest, Lie::Status(429), "LS-REG-010"),
        (Target::Manifest, Lie::Status(503), "LS-REG-011"),
        (Target::Manifest, Lie::Status(418), "LS-REG-012"),
        (Target::Manifest, Lie::Redirect(elsewhere), "LS-REG-031"),
        (Target::Referrers, Lie::Status(500), "LS-REG-011"),
        (Target::Referrers, Lie::NotJson, "LS-REG-013"),
    ] {
        let shown = format!("{target:?} {lie:?}");
        let desk = Desk::new();
        let registry = Registry::start(artifact.clone(), [(target, lie)]);
        let reference = registry.reference("team/answer:1.0.0");
        let pull = ["pull", &reference, "--insecure-unverified", "-o", "out.wasm"];
        eprintln!("{shown}");
        let refused = desk.refuses(5, code, &pull);
        let host = registry.address().to_string();
        assert!(refused.message().contains(&host), "{shown}: {}", refused.message());
        assert!(!desk.at("out.wasm").exists(), "{shown}");
        let kept = files(&desk.state());
        let kept = kept.iter().find(|path| std::fs::read(path).is_ok_and(|b| b == component));
        let told_the_layer = target == Target::Referrers;
        assert!(kept.is_none() || told_the_layer, "{shown}: {kept:?} was kept");
    }
}

#[test]
fn the_same_registry_without_a_lie_is_believed() {
    let (desk, component) = (Desk::new(), answer());
    let registry = Registry::start(Artifact::wasm(&component), []);
    let reference = registry.reference("team/answer:1.0.0");
    desk.does(&["pull", &reference, "--insecure-unverified", "-o", "out.wasm"]);
    assert!(std::fs::read(desk.at("out.wasm")).unwrap() == component);
    // What is there is not overwritten, unless that is asked for.
    let pull = ["pull", &reference, "--insecure-unverified", "-o", "out.wasm"];
    desk.refuses(2, "LS-CLI-004", &pull);
    desk.does(&[&pull[..], &["--force"]].concat());
}

#[test]
fn a_registry_that_moved_a_tag_back_is_believed_only_as_far_as_its_signature_goes() {
    // A registry may serve an old, signed version under a new tag: the version is signed too.
    let (desk, registry) = (Desk::new(), servers::embedded_registry());
    desk.write("answer.wasm", answer());
    desk.key("publisher");
    let old = format!("{}/team/answer:1.0.0", registry.address());
    let new = format!("{}/team/answer:1.1.0", registry.address());
    desk.does(&["publish", "answer.wasm", &old, "--key", "publisher.key"]);
    desk.does(&["push", "answer.wasm", &new]);
    desk.refuses(3, "LS-TRU-005", &["run", &new, "--key", "publisher.pub"]);
}
