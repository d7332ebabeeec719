//! Signatures that do not vouch for what was fetched: nothing of it runs, is compiled or journaled.

use longshore::engine::EngineConfig;
use longshore::reference::Digest;
use longshore::trust::TrustPolicy;
use longshore::{Class, Error, Request, Target};
use longshore_test_support::servers::{EmbeddedRegistry, embedded_registry};
use serde_json::json;

use crate::artifacts::wat;
use crate::components::ANSWER;
use crate::publish::{attach, key, only, policy, publish, push};
use crate::stage::{Stage, walk};

/// Runs `name` under `trust`, which must refuse it.
async fn distrusted(name: &str, trust: TrustPolicy) -> Error {
    let stage = Stage::with(|b| b.trust(trust));
    let error = stage.rejected(&Request::new(Target::parse(name).unwrap(), "")).await;
    assert_eq!(error.class(), Class::Trust, "{error:?}");
    let code = longshore::Home::new(stage.home()).code_cache();
    let compiled = walk(&code).iter().any(|path| path.extension().is_some_and(|e| e == "cwasm"));
    assert!(!compiled, "what is not trusted is not compiled either");
    error
}

fn name(registry: &EmbeddedRegistry, rest: &str) -> String {
    format!("{}/{rest}", registry.address())
}

#[tokio::test]
async fn what_is_unsigned_does_not_run() {
    let registry = embedded_registry();
    let name = name(&registry, "team/answer:1.0.0");
    push(&name, wat(ANSWER)).await;
    let error = distrusted(&name, only(&key(1))).await;
    assert_eq!(error.code(), "LS-TRU-001");
    assert!(error.to_string().contains("is not signed"), "{error}");
    // Nothing is trusted by default, signed or not.
    let error = distrusted(&name, TrustPolicy::default()).await;
    assert_eq!(error.code(), "LS-TRU-009");
}

#[tokio::test]
async fn a_signature_by_another_key_names_both_keys() {
    let registry = embedded_registry();
    let name = name(&registry, "team/answer:1.0.0");
    publish(&name, wat(ANSWER), &key(2)).await;
    let error = distrusted(&name, only(&key(1))).await;
    assert_eq!(error.code(), "LS-TRU-002");
    assert!(error.to_string().contains("is not signed by `release`"), "{error}");
}

#[tokio::test]
async fn a_signature_for_another_digest_does_not_carry_over() {
    let registry = embedded_registry();
    let name = name(&registry, "team/answer:1.0.0");
    let author = key(1);
    let pushed = push(&name, wat(ANSWER)).await;
    attach(&pushed, &author, Digest::of(b"an older version"), &name).await;
    let error = distrusted(&name, only(&author)).await;
    assert_eq!(error.code(), "LS-TRU-003");
    assert!(error.to_string().contains(&pushed.manifest.digest.to_string()), "{error}");
}

#[tokio::test]
async fn a_signature_for_another_repository_or_version_does_not_carry_over() {
    let registry = embedded_registry();
    let author = key(1);
    // The same bytes, copied with their signature to another repository.
    let copy = name(&registry, "team/other:1.0.0");
    let pushed = push(&copy, wat(ANSWER)).await;
    let signed_as = name(&registry, "team/answer:1.0.0");
    attach(&pushed, &author, pushed.manifest.digest, &signed_as).await;
    let error = distrusted(&copy, only(&author)).await;
    assert_eq!(error.code(), "LS-TRU-004");
    assert!(error.to_string().contains("team/answer"), "{error}");

    // An old version under a newer tag: a rollback.
    let newer = name(&registry, "team/rolled:2.0.0");
    let pushed = push(&newer, wat(ANSWER)).await;
    attach(&pushed, &author, pushed.manifest.digest, &name(&registry, "team/rolled:1.0.0")).await;
    let error = distrusted(&newer, only(&author)).await;
    assert_eq!(error.code(), "LS-TRU-005");
}

#[tokio::test]
async fn one_good_signature_among_bad_ones_is_enough_and_a_key_has_its_time() {
    let registry = embedded_registry();
    let reference = name(&registry, "team/answer:1.0.0");
    let author = key(1);
    let pushed = push(&reference, wat(ANSWER)).await;
    attach(&pushed, &key(9), pushed.manifest.digest, &reference).await;
    attach(&pushed, &author, Digest::of(b"another"), &reference).await;
    attach(&pushed, &author, pushed.manifest.digest, &reference).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    let ran = stage.sealed(stage.host.run(&reference, "").await.unwrap()).await;
    assert_eq!(ran.value(), 42);

    let requirement = |until: &str| {
        let key = json!({"data": author.public_key().to_pem()});
        json!({"type": "sigstore", "name": "release", "key": key, "trustedUntil": until})
    };
    let scope = format!("{}/team", registry.address());
    let error =
        distrusted(&reference, policy(json!({scope.clone(): [requirement("2020-12-31")]}))).await;
    assert_eq!(error.code(), "LS-TRU-013");
    assert!(error.to_string().contains("2020-12-31"), "{error}");
    let trust = policy(json!({scope.clone(): [requirement("2999-12-31")]}));
    let stage = Stage::with(|b| b.trust(trust));
    assert!(stage.host.run(&reference, "").await.unwrap().outcome.is_ok());
    // A scope beside it says nothing of it.
    let beside = format!("{}/teams", registry.address());
    let error = distrusted(&reference, policy(json!({beside: [requirement("2999-12-31")]}))).await;
    assert_eq!(error.code(), "LS-TRU-009");
    let error = distrusted(&reference, policy(json!({scope: [{"type": "reject"}]}))).await;
    assert_eq!(error.code(), "LS-TRU-008");
}

#[tokio::test]
async fn files_run_only_where_the_policy_lets_them() {
    let text =
        json!({"version": 1, "default": [{"type": "reject"}], "local": [{"type": "reject"}]});
    let trust = TrustPolicy::parse(&text.to_string(), |_| unreachable!()).unwrap();
    let stage = Stage::with(|b| b.trust(trust));
    let error = stage.rejected(&Request::new(stage.file("answer.wasm", wat(ANSWER)), "")).await;
    assert_eq!((error.code(), error.class()), ("LS-TRU-008", Class::Trust));
}

#[tokio::test]
async fn the_same_bytes_from_elsewhere_are_judged_and_recorded_as_what_they_are() {
    let registry = embedded_registry();
    let author = key(1);
    let here = name(&registry, "team/answer:1.0.0");
    let there = name(&registry, "evil/answer:1.0.0");
    publish(&here, wat(ANSWER), &author).await;
    publish(&there, wat(ANSWER), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    let file = stage.file("answer.wasm", wat(ANSWER));
    // All three are alive at once: none may answer for another.
    let mut kept = Vec::new();
    for (target, expected) in [
        (file, "answer.wasm"),
        (Target::parse(&here).unwrap(), "team/answer"),
        (Target::parse(&there).unwrap(), "evil/answer"),
    ] {
        kept.push(stage.host.prepare(&target, &Default::default()).await.unwrap());
        let ran = stage.run(&Request::new(target, "")).await;
        let component = ran.statement.predicate.component.clone().unwrap();
        assert!(component.reference.contains(expected), "{expected}: {}", component.reference);
        let signer = if expected == "answer.wasm" { "local" } else { "release" };
        assert_eq!(component.signers[0].name, signer);
    }
}

#[tokio::test]
async fn a_grant_for_one_component_does_not_serve_another() {
    let stage = Stage::new();
    let one = stage.file("one.wasm", wat(ANSWER));
    let two = stage.file("two.wasm", wat(&ANSWER.replace("42", "43")));
    let one = stage.host.prepare(&one, &Default::default()).await.unwrap();
    let two = stage.host.compile(&two).await.unwrap();
    let grant = std::sync::Arc::clone(one.ready().grant());
    let engine = longshore::engine::Engine::new(EngineConfig::default()).unwrap();
    let error = engine.link(&two, grant, Vec::new(), Default::default()).unwrap_err();
    assert_eq!(error.code(), "LS-ENG-011");
}
