//! Workflows: typed imports bound to the components that the manifest pins, each call in a sandbox and under a grant of its
//! own, and everything that can be wrong with that.

use longshore::model::{CapabilityKind, Event, FaultKind, LimitName};
use longshore::policy::Policy;
use longshore::reference::{Digest, Manifest, Pin};
use longshore::trust::PrivateKey;
use longshore::{Class, Error, Target};
use longshore_test_support::servers::{EmbeddedRegistry, embedded_registry};

use crate::artifacts::{ACTION, embedded, guest, wat, with_manifest};
use crate::publish::{key, only, publish, push};
use crate::stage::{Stage, allow, ask, both, ceiling};

const WORKFLOW: &str = r#"
[package]
name = "caller"
version = "1.0.0"
kind = "workflow"
[dependencies]
"fixtures:steps/steps@0.1.0" = { reference = "team/steps", version = "^1.0" }
"#;

/// A registry with `steps` in it, signed, and the workflow over it.
struct Scene {
    registry: EmbeddedRegistry,
    author: PrivateKey,
    stage: Stage,
    workflow: Target,
    steps: Digest,
}

/// The workflow, with its dependency pinned to `digest`.
fn pinned(digest: Digest) -> Vec<u8> {
    let mut manifest = Manifest::from_toml(WORKFLOW, "longshore.toml").unwrap();
    let version = "1.0.0".parse().unwrap();
    manifest.dependencies[0].pinned = Some(Pin { version, digest });
    embedded(&guest("caller"), &manifest)
}

async fn scene_with(steps: Vec<u8>) -> Scene {
    let registry = embedded_registry();
    let author = key(1);
    let name = format!("{}/team/steps:1.0.0", registry.address());
    let digest = publish(&name, steps, &author).await.manifest.digest;
    let name = format!("{}/team/caller:1.0.0", registry.address());
    publish(&name, pinned(digest), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    let workflow = Target::parse(&name).unwrap();
    Scene { registry, author, stage, workflow, steps: digest }
}

async fn scene() -> Scene {
    scene_with(with_manifest(&guest("steps"), ACTION)).await
}

#[tokio::test]
async fn a_workflow_calls_its_action_through_a_typed_import_and_each_call_is_journaled() {
    let scene = scene().await;
    let ran = scene.stage.run(&ask(&scene.workflow, "fourfold", "[5]")).await;
    assert_eq!(ran.value(), 20);
    assert_eq!(
        ran.names(),
        [
            "run-started",
            "call-started",
            "call-started",
            "call-ended",
            "call-started",
            "call-ended",
            "call-ended",
            "run-ended"
        ]
    );
    let calls: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::CallStarted(call) => Some((call.call, call.parent, call.function.clone())),
            _ => None,
        })
        .collect();
    let step = "fixtures:steps/steps@0.1.0#double".to_owned();
    assert_eq!(calls[1..], [(1, Some(0), step.clone()), (2, Some(0), step)]);
    // The dependency was found in the workflow's own registry, verified, and is in the receipt.
    let [dependency] = ran.statement.predicate.dependencies.as_slice() else { panic!() };
    assert_eq!(dependency.component.manifest, Some(scene.steps));
    assert_eq!(dependency.component.signers[0].name, "release");
    assert!(dependency.component.reference.starts_with(&scene.registry.address().to_string()));
    assert_eq!(ran.statement.subject.len(), 2);
    assert_eq!(ran.report.usage.calls, 2);
}

#[tokio::test]
async fn the_fault_of_an_action_is_told_to_the_workflow_as_a_failure() {
    let scene = scene().await;
    let policy = ceiling(LimitName::DeadlineMs, 600);
    for (how, expected) in [
        ("work", "ok 7"),
        ("fail", "Class::Retryable busy: try again"),
        ("trap", "Class::Fatal LS-RUN-001: the guest trapped"),
    ] {
        let request = ask(&scene.workflow, "try-step", format!("[\"{how}\"]"));
        let ran = scene.stage.run(&request.allow(policy.clone())).await;
        let told = ran.value();
        assert!(told.as_str().unwrap().starts_with(expected), "{how}: {told}");
    }
}

#[tokio::test]
async fn an_action_with_a_shorter_deadline_of_its_own_does_not_take_the_workflow_with_it() {
    // One that asks for nothing is bounded by its fuel instead.
    let asks = "[capabilities.clock]\nreason = \"to have one\"\n[limits]\ndeadline-ms = 200\n";
    let steps = with_manifest(&guest("steps"), &format!("{ACTION}{asks}"));
    let scene = scene_with(steps).await;
    let clock = allow(&["clock"]);
    let request = ask(&scene.workflow, "try-step", "[\"spin\"]");
    let ran = scene.stage.run(&request.allow(clock.clone())).await;
    let told = ran.value();
    assert!(told.as_str().unwrap().starts_with("Class::Retryable LS-RUN-002"), "{told}");
    // Where the workflow's own deadline passes, it is the workflow that ends.
    let request = ask(&scene.workflow, "try-step", "[\"spin\"]");
    let short = both(clock, ceiling(LimitName::DeadlineMs, 100));
    let ran = scene.stage.run(&request.allow(short)).await;
    ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
}

#[tokio::test]
async fn a_fault_that_the_import_has_no_word_for_ends_the_workflow_with_the_actions_backtrace() {
    let scene = scene().await;
    let ran = scene.stage.run(&ask(&scene.workflow, "must", "")).await;
    let fault = ran.fault();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.backtrace[0].contains("broken_step"), "{:?}", fault.backtrace);
}

#[tokio::test]
async fn the_budget_of_calls_ends_the_workflow() {
    let scene = scene().await;
    let ten = ceiling(LimitName::Calls, 10);
    let fine = scene.stage.run(&ask(&scene.workflow, "many", "[10]").allow(ten.clone())).await;
    assert_eq!(fine.report.usage.calls, 10);
    let over = scene.stage.run(&ask(&scene.workflow, "many", "[11]").allow(ten)).await;
    over.hit(FaultKind::Budget, LimitName::Calls);
    let flat = ceiling(LimitName::CallDepth, 0);
    let over = scene.stage.run(&ask(&scene.workflow, "many", "[1]").allow(flat)).await;
    over.hit(FaultKind::Budget, LimitName::CallDepth);
}

#[tokio::test]
async fn a_function_chosen_while_running_is_called_by_name_and_errors_are_words() {
    let scene = scene().await;
    let call = |interface: &str, function: &str, arguments: &str| {
        let input = serde_json::json!([interface, function, arguments]);
        ask(&scene.workflow, "by-name", input)
    };
    let steps = "fixtures:steps/steps@0.1.0";
    let ran = scene.stage.run(&call(steps, "double", r#"{"n": 21}"#)).await;
    assert_eq!(ran.value(), "42");
    assert_eq!(ran.report.usage.calls, 1);
    for (interface, function, arguments, word) in [
        ("acme:no/such@1.0.0", "f", "{}", "unknown-function"),
        (steps, "triple", "{}", "unknown-function"),
        (steps, "double", r#"{"n": "x"}"#, "bad-input"),
        (steps, "risky", r#"{"how": "fail"}"#, "failed"),
        (steps, "risky", r#"{"how": "trap"}"#, "LS-RUN-001"),
    ] {
        let ran = scene.stage.run(&call(interface, function, arguments)).await;
        let told = ran.failure();
        assert!(told.as_str().unwrap().starts_with(&format!("{word}: ")), "{function}: {told}");
    }
}

#[tokio::test]
async fn a_note_is_in_the_journal_and_the_run_knows_its_id() {
    let scene = scene().await;
    let ran = scene.stage.run(&ask(&scene.workflow, "note", "[\"half way\"]")).await;
    assert_eq!(ran.value(), ran.report.run.to_string());
    let noted =
        |e: &Event| matches!(e, Event::Logged(l) if l.kind == "note" && l.message == "half way");
    assert!(ran.events().any(noted));
}

#[tokio::test]
async fn an_action_of_another_type_than_the_import_is_refused_with_both_types() {
    let other = wat(r#"(component
      (core module $m (func (export "f") (param i64) (result i64) (local.get 0)))
      (core instance $i (instantiate $m))
      (func $f (param "n" u64) (result u64) (canon lift (core func $i "f")))
      (instance $steps (export "double" (func $f)))
      (export "fixtures:steps/steps@0.1.0" (instance $steps)))"#);
    let scene = scene_with(other).await;
    let error = scene.stage.rejected(&ask(&scene.workflow, "fourfold", "[5]")).await;
    assert!(["LS-ENG-010", "LS-ENG-008"].contains(&error.code()), "{error}");
    if error.code() == "LS-ENG-010" {
        let text = error.to_string();
        assert!(text.contains("u32") && text.contains("u64") && text.contains("double"), "{text}");
    }
}

#[tokio::test]
async fn a_workflow_that_was_not_pinned_or_whose_action_is_gone_does_not_run() {
    let scene = scene().await;
    let registry = scene.registry.address();
    let unpinned = with_manifest(&guest("caller"), WORKFLOW);
    let name = format!("{registry}/team/unpinned:1.0.0");
    publish(&name, unpinned, &scene.author).await;
    let error = scene.stage.rejected(&ask(&Target::parse(&name).unwrap(), "note", "[\"\"]")).await;
    assert_eq!((error.code(), error.class()), ("LS-REF-005", Class::Usage));
    assert!(error.to_string().contains("fixtures:steps/steps@0.1.0"), "{error}");

    let name = format!("{registry}/team/dangling:1.0.0");
    publish(&name, pinned(Digest::of(b"never published")), &scene.author).await;
    let error = scene.stage.rejected(&ask(&Target::parse(&name).unwrap(), "note", "[\"\"]")).await;
    assert_eq!(error.code(), "LS-REG-009", "{error}");

    // Without a manifest nobody serves its import.
    let bare = scene.stage.file("bare.wasm", guest("caller"));
    let error = scene.stage.rejected(&ask(&bare, "note", "[\"\"]")).await;
    assert_eq!(error.code(), "LS-ENG-007");
    assert!(error.to_string().contains("fixtures:steps/steps@0.1.0"), "{error}");

    // From a file, a relative dependency has no registry to be in.
    let file = scene.stage.file("pinned.wasm", pinned(scene.steps));
    let error = scene.stage.rejected(&ask(&file, "note", "[\"\"]")).await;
    assert_eq!(error.code(), "LS-REF-002");
}

#[tokio::test]
async fn an_action_that_nobody_vouches_for_stops_the_workflow_before_it_runs() {
    let registry = embedded_registry();
    let author = key(1);
    let steps = format!("{}/team/steps:1.0.0", registry.address());
    let digest = push(&steps, guest("steps")).await.manifest.digest;
    let name = format!("{}/team/caller:1.0.0", registry.address());
    publish(&name, pinned(digest), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    let error = stage.rejected(&ask(&Target::parse(&name).unwrap(), "note", "[\"\"]")).await;
    assert_eq!((error.code(), error.class()), ("LS-TRU-001", Class::Trust));
    assert!(error.to_string().contains("team/steps"), "{error}");
}

#[tokio::test]
async fn an_action_gets_a_grant_of_its_own_and_not_the_workflows() {
    let wants = format!("{ACTION}[capabilities.clock]\nreason = \"to date its result\"\n");
    let scene = scene_with(with_manifest(&guest("steps"), &wants)).await;
    let request = ask(&scene.workflow, "fourfold", "[5]");
    let (error, _) = scene.stage.refused(&request).await;
    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.refusal.denials[0].capability, CapabilityKind::Clock);
    assert!(refused.refusal.component.contains("team/steps"), "{}", refused.refusal.component);
    // The hint names the action, and to the letter it is enough.
    let longshore::policy::Hint::Operator { flag, policy } = &refused.refusal.denials[0].hint
    else {
        panic!("{error:?}")
    };
    assert!(flag.contains("fixtures:steps/steps@0.1.0::clock"), "{flag}");
    let file = Policy::from_toml(&format!("version = 1\n{policy}"), "policy.toml").unwrap();
    for allowed in [allow(&[flag]), file] {
        let ran = scene.stage.run(&request.clone().allow(allowed)).await;
        assert_eq!(ran.value(), 20);
        let predicate = &ran.statement.predicate;
        assert!(predicate.grant.as_ref().unwrap().scopes.is_empty(), "the workflow has none");
        assert_eq!(predicate.dependencies[0].grant.scopes.len(), 1);
    }
}

/// `acme:l<level>/f@1.0.0`, which calls the one below; level 0 gives 42.
fn level(level: usize) -> Vec<u8> {
    let below = level.wrapping_sub(1);
    let text = if level == 0 {
        r#"(component
          (core module $m (func (export "f") (result i32) (i32.const 42)))
          (core instance $m (instantiate $m))
          (func $f (result u32) (canon lift (core func $m "f")))
          (instance $i (export "f" (func $f)))
          (export "acme:l0/f@1.0.0" (instance $i)))"#
            .to_owned()
    } else {
        format!(
            r#"(component
              (import "acme:l{below}/f@1.0.0" (instance $below
                (export "f" (func (result u32)))))
              (core func $below (canon lower (func $below "f")))
              (core module $m
                (import "" "f" (func $f (result i32)))
                (func (export "f") (result i32) (call $f)))
              (core instance $m (instantiate $m
                (with "" (instance (export "f" (func $below))))))
              (func $f (result u32) (canon lift (core func $m "f")))
              (instance $i (export "f" (func $f)))
              (export "acme:l{level}/f@1.0.0" (instance $i)))"#
        )
    };
    wat(&text)
}

#[tokio::test]
async fn workflows_may_call_workflows_as_deep_as_the_limit_and_no_deeper() {
    let registry = embedded_registry();
    let author = key(1);
    let stage = Stage::with(|b| b.trust(only(&author)));
    let mut digest = None;
    for depth in 0..=9_usize {
        let toml = match depth {
            0 => ACTION.to_owned(),
            _ => format!(
                "[package]\nname = \"l{depth}\"\nversion = \"1.0.0\"\nkind = \"workflow\"\n\
                 [dependencies]\n\"acme:l{below}/f@1.0.0\" = \
                 {{ reference = \"team/l{below}\", version = \"^1.0\" }}\n",
                below = depth - 1
            ),
        };
        let mut manifest = Manifest::from_toml(&toml, "longshore.toml").unwrap();
        if let Some(digest) = digest {
            let version = "1.0.0".parse().unwrap();
            manifest.dependencies[0].pinned = Some(Pin { version, digest });
        }
        let name = format!("{}/team/l{depth}:1.0.0", registry.address());
        let bytes = embedded(&level(depth), &manifest);
        digest = Some(publish(&name, bytes, &author).await.manifest.digest);
        let request = ask(&Target::parse(&name).unwrap(), "f", "");
        if depth <= 8 {
            let ran = stage.run(&request).await;
            assert_eq!(ran.value(), 42);
            assert_eq!(ran.statement.predicate.counts.calls, depth as u64 + 1);
            assert_eq!(ran.statement.predicate.dependencies.len(), depth);
        } else {
            let error = stage.rejected(&request).await;
            assert_eq!((error.code(), error.class()), ("LS-REF-006", Class::Usage));
            assert!(error.to_string().contains("deeper than 8"), "{error}");
        }
    }
}
