//! Registries, honest and hostile: publish and run on two of them, and every way in which one can be wrong.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use longshore::client::{ClientConfig, Sizes, Timeouts};
use longshore::reference::Reference;
use longshore::trust::TrustPolicy;
use longshore::{Class, Request, Target};
use longshore_test_support::hostile::{self, Artifact, Lie};
use longshore_test_support::servers;

use crate::artifacts::{guest, wat};
use crate::components::ANSWER;
use crate::publish::{key, only, publish};
use crate::stage::Stage;

async fn publishes_signs_and_runs(registry: std::net::SocketAddr) {
    let author = key(1);
    let name = format!("{registry}/team/answer:1.0.0");
    let pushed = publish(&name, wat(ANSWER), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)).default_registry(registry.to_string()));
    // By tag, by digest, and relative to the default registry.
    let by_digest = format!("{registry}/team/answer@{}", pushed.manifest.digest);
    for reference in [name.as_str(), &by_digest, "team/answer:1.0.0"] {
        let report = stage.host.run(reference, "").await.unwrap();
        let ran = stage.sealed(report).await;
        assert_eq!(ran.value(), 42);
        let component = ran.statement.predicate.component.as_ref().unwrap();
        assert_eq!(component.manifest, Some(pushed.manifest.digest));
        assert_eq!(component.signers.len(), 1);
        assert_eq!(component.signers[0].name, "release");
        assert_eq!(component.signers[0].key, Some(author.public_key().key_id()));
        assert!(component.reference.contains("team/answer"), "{}", component.reference);
    }
}

#[tokio::test]
async fn the_embedded_registry_serves_what_was_published_to_it() {
    let registry = servers::embedded_registry();
    publishes_signs_and_runs(registry.address()).await;
}

#[tokio::test]
async fn debians_registry_serves_what_was_published_to_it() {
    let Some(registry) = servers::docker_registry() else { return };
    publishes_signs_and_runs(registry.address()).await;
}

#[tokio::test]
async fn what_was_fetched_once_runs_without_the_registry() {
    let registry = servers::embedded_registry();
    let author = key(1);
    let name = format!("{}/team/answer:1.0.0", registry.address());
    publish(&name, wat(ANSWER), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    assert_eq!(stage.host.run(&name, "").await.unwrap().outcome.word(), "ok");
    drop(registry);
    let error = stage.rejected(&Request::new(Target::parse(&name).unwrap(), "")).await;
    assert_eq!(error.code(), "LS-REG-004", "a tag may have moved: it must be asked for");

    let offline = ClientConfig {
        cache: Some(longshore::Home::new(stage.home()).registry_cache()),
        offline: true,
        ..ClientConfig::default()
    };
    let other = Stage::with(|b| b.trust(only(&author)).registry(offline));
    let report = other.host.run(&name, "").await.unwrap();
    assert_eq!(other.sealed(report).await.value(), 42);
}

#[tokio::test]
async fn names_that_are_not_references_or_lead_nowhere_are_told_apart() {
    let registry = servers::embedded_registry();
    let stage = Stage::with(|b| b.trust(TrustPolicy::insecure_accept_anything()));
    for name in ["", "UPPER/case:1", "a b", "http://example.com/a:1", "a/b:tag with space"] {
        let error = stage.host.run(name, "").await.unwrap_err();
        assert_eq!((error.code(), error.class()), ("LS-REF-001", Class::Usage), "{name}");
    }
    let error = stage.host.run("team/answer:1.0.0", "").await.unwrap_err();
    assert_eq!(error.code(), "LS-REF-002");
    assert!(error.to_string().contains("`team/answer:1.0.0` names no registry"));
    for rest in ["nobody/nothing:1.0.0".to_owned(), format!("a/b@sha256:{}", "0".repeat(64))] {
        let name = format!("{}/{rest}", registry.address());
        let error = stage.rejected(&Request::new(Target::parse(&name).unwrap(), "")).await;
        assert_eq!((error.code(), error.class()), ("LS-REG-009", Class::Registry), "{error}");
        assert!(error.to_string().contains(&registry.address().to_string()), "{error}");
        assert!(error.hint().is_some());
    }
}

/// A client that does not wait long and takes no more than 1 MiB.
fn impatient() -> ClientConfig {
    let short = Duration::from_millis(400);
    ClientConfig {
        timeouts: Timeouts {
            connect: short,
            read: short,
            request: Duration::from_millis(900),
            blob: Duration::from_millis(900),
            helper: short,
            backoff: Duration::from_millis(10),
        },
        sizes: Sizes { component: 1 << 20, ..Sizes::default() },
        ..ClientConfig::default()
    }
}

#[tokio::test]
async fn a_registry_that_is_down_is_said_to_be_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stage = Stage::with(|b| b.registry(impatient()));
    let target = Target::parse(&format!("{free}/a/b:1")).unwrap();
    let error = stage.rejected(&Request::new(target, "")).await;
    assert_eq!((error.code(), error.class()), ("LS-REG-004", Class::Registry));
    assert!(error.to_string().contains(&format!("no connection to `{free}`")), "{error}");
}

#[tokio::test]
async fn no_lie_of_a_registry_gets_anything_run_or_cached() {
    let artifact = || Artifact::wasm(&wat(ANSWER));
    let drip = Duration::from_millis(150);
    for (what, lie, codes) in [
        (hostile::Target::Manifest, Lie::OtherBytes, &["LS-REG-015", "LS-REG-016"][..]),
        (hostile::Target::Manifest, Lie::OtherDigestHeader, &["LS-REG-016"]),
        (hostile::Target::Manifest, Lie::NotJson, &["LS-REG-016", "LS-REG-020", "LS-REG-013"]),
        (hostile::Target::Manifest, Lie::Index, &["LS-REG-021", "LS-REG-016"]),
        (hostile::Target::Manifest, Lie::Deep(50_000), &["LS-REG-020", "LS-REG-016", "LS-REG-013"]),
        (hostile::Target::Manifest, Lie::Huge(64 << 20), &["LS-REG-014"]),
        (hostile::Target::Manifest, Lie::Silence, &["LS-REG-006"]),
        (hostile::Target::Manifest, Lie::Drip(drip), &["LS-REG-006"]),
        (hostile::Target::Everything, Lie::LoginLoop, &["LS-REG-007", "LS-REG-030"]),
        (hostile::Target::Manifest, Lie::Status(403), &["LS-REG-008"]),
        (hostile::Target::Manifest, Lie::Status(429), &["LS-REG-010"]),
        (hostile::Target::Manifest, Lie::Status(500), &["LS-REG-011"]),
        (hostile::Target::Manifest, Lie::Status(418), &["LS-REG-012"]),
        (hostile::Target::Layer, Lie::OtherBytes, &["LS-REG-015"]),
        (hostile::Target::Layer, Lie::Longer(1), &["LS-REG-018"]),
        (hostile::Target::Layer, Lie::Shorter, &["LS-REG-017"]),
        (hostile::Target::Layer, Lie::BreakOff, &["LS-REG-019", "LS-REG-017"]),
        (hostile::Target::Layer, Lie::Silence, &["LS-REG-006"]),
        (hostile::Target::Layer, Lie::Drip(drip), &["LS-REG-006"]),
        (hostile::Target::Layer, Lie::Huge(64 << 20), &["LS-REG-018", "LS-REG-014"]),
        (hostile::Target::Layer, Lie::Status(503), &["LS-REG-011"]),
    ] {
        let registry = hostile::Registry::start(artifact(), [(what, lie.clone())]);
        let trust = TrustPolicy::insecure_accept_anything();
        let stage = Stage::with(|b| b.registry(impatient()).trust(trust));
        let target = Target::parse(&registry.reference("a/b:1")).unwrap();
        let before = Instant::now();
        let error = stage.rejected(&Request::new(target, "")).await;
        assert!(codes.contains(&error.code()), "{lie:?}: {} {error}", error.code());
        assert_eq!(error.class(), Class::Registry, "{lie:?}");
        assert!(before.elapsed() < Duration::from_secs(20), "{lie:?}");
        let cached = stage.host.registry().cache_stats().await.unwrap();
        assert_eq!(cached.blobs, 0, "{lie:?}: something was kept");
    }
    // The same registry without a lie.
    let registry = hostile::Registry::start(artifact(), []);
    let trust = TrustPolicy::insecure_accept_anything();
    let stage = Stage::with(|b| b.registry(impatient()).trust(trust));
    let report = stage.host.run(&registry.reference("a/b:1"), "").await.unwrap();
    assert_eq!(stage.sealed(report).await.value(), 42);
}

#[tokio::test]
async fn a_component_larger_than_the_client_takes_is_not_even_asked_for() {
    let mut large = guest("echo");
    large.resize(2 << 20, 0);
    let registry = hostile::Registry::start(Artifact::wasm(&large), []);
    let trust = TrustPolicy::insecure_accept_anything();
    let stage = Stage::with(|b| b.registry(impatient()).trust(trust));
    let target = Target::parse(&registry.reference("a/b:1")).unwrap();
    let error = stage.rejected(&Request::new(target, "")).await;
    assert_eq!(error.code(), "LS-REG-025", "{error}");
    assert!(!registry.requests().iter().any(|request| request.contains("/blobs/")));
}

#[tokio::test]
async fn what_a_digest_names_is_what_runs_whatever_the_tag_says() {
    let registry = servers::embedded_registry();
    let author = key(1);
    let name = format!("{}/team/answer:1.0.0", registry.address());
    let first = publish(&name, wat(ANSWER), &author).await;
    publish(&name, wat(&ANSWER.replace("42", "43")), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    assert_eq!(stage.sealed(stage.host.run(&name, "").await.unwrap()).await.value(), 43);
    let pinned: Reference = name.parse::<Reference>().unwrap().pinned(first.manifest.digest);
    let ran = stage.run(&Request::new(Target::Reference(pinned), "")).await;
    assert_eq!(ran.value(), 42);
}
