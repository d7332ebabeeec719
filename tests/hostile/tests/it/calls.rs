//! Calls between components: a root that calls a middle that calls a leaf, each in a sandbox of its own, all in one run.

use longshore::model::{FaultKind, LimitName};
use longshore::reference::{Digest, Manifest, Pin};
use longshore::{Request, Target};
use longshore_hostile::Calls;
use longshore_test_support::servers::embedded_registry;

use crate::artifacts::{embedded, wat};
use crate::ground::{Ground, attack};
use crate::publish::{key, only, publish};
use crate::stage::{Stage, both, ceiling};

/// A component that exports `hostile:<name>/calls` with `go`, made of `body`; `import` is what it calls, as `$go`, pinned.
fn component(name: &str, import: Option<(&str, Digest)>, body: &str, export: &str) -> Vec<u8> {
    let (imports, with, function) = match import {
        None => (String::new(), "", ""),
        Some((other, _)) => (
            format!(
                r#"(import "hostile:{other}/calls@1.0.0" (instance $other
                     (export "go" (func (result u32)))))
                   (core func $go (canon lower (func $other "go")))"#
            ),
            r#"(with "" (instance (export "go" (func $go))))"#,
            r#"(import "" "go" (func $go (result i32)))"#,
        ),
    };
    let text = format!(
        r#"(component
          {imports}
          (core module $m {function}
            (func (export "go") (result i32) (local i32) {body}))
          (core instance $i (instantiate $m {with}))
          (func $lifted (result u32) (canon lift (core func $i "go")))
          {export})"#
    );
    let dependencies = import.map_or_else(String::new, |(other, _)| {
        format!(
            "[dependencies]\n\"hostile:{other}/calls@1.0.0\" = {{ reference = \"team/{other}\", \
             version = \"^1.0\" }}\n"
        )
    });
    let kind = if import.is_some() { "workflow" } else { "action" };
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nkind = \"{kind}\"\n{dependencies}"
    );
    let mut manifest = Manifest::from_toml(&manifest, "longshore.toml").unwrap();
    if let Some((_, digest)) = import {
        let version = "1.0.0".parse().unwrap();
        manifest.dependencies[0].pinned = Some(Pin { version, digest });
    }
    embedded(&wat(&text), &manifest)
}

fn exported(name: &str) -> String {
    format!(
        r#"(instance $out (export "go" (func $lifted)))
           (export "hostile:{name}/calls@1.0.0" (instance $out))"#
    )
}

const FOR_EVER: &str = "(loop $l (drop (call $go)) (br $l)) (i32.const 0)";
const THIRTY_TIMES: &str = "(local.set 0 (i32.const 30)) (loop $l (drop (call $go)) \
    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 0)";
const ONCE: &str = "(call $go)";

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Calls) {
    let (root, middle, leaf) = match what {
        Calls::ForkBomb => (FOR_EVER, ONCE, "(i32.const 1)"),
        Calls::ForkBombBelow => (THIRTY_TIMES, THIRTY_TIMES, "(i32.const 1)"),
        Calls::LeafSpins => (ONCE, ONCE, "(loop $l (br $l)) (i32.const 0)"),
        Calls::LeafTraps => (ONCE, ONCE, "(unreachable)"),
    };
    let registry = embedded_registry();
    let name = |short: &str| format!("{}/team/{short}:1.0.0", registry.address());
    let author = key(1);
    let leaf = component("leaf", None, leaf, &exported("leaf"));
    let digest = publish(&name("leaf"), leaf, &author).await.manifest.digest;
    let middle = component("middle", Some(("leaf", digest)), middle, &exported("middle"));
    let digest = publish(&name("middle"), middle, &author).await.manifest.digest;
    let lifted = r#"(export "attack" (func $lifted))"#;
    let root = component("root", Some(("middle", digest)), root, lifted);
    publish(&name("root"), root, &author).await;

    let stage = Stage::with(|b| b.trust(only(&author)).allocation(ground.allocation));
    let target = Target::parse(&name("root")).unwrap();
    let policy =
        both(ceiling(LimitName::Calls, 100), ceiling(LimitName::DeadlineMs, deadline(what)));
    let request: Request = attack(&target, "[]", policy);
    stage.host.prepare(&request.target, &request.allow).await.unwrap();
    let ran = stage.run(&request).await;
    match what {
        Calls::ForkBomb | Calls::ForkBombBelow => {
            ran.hit(FaultKind::Budget, LimitName::Calls);
            assert!(ran.statement.predicate.counts.calls <= 101, "{:?}", ran.statement.predicate);
        }
        Calls::LeafSpins => ran.hit(FaultKind::Deadline, LimitName::DeadlineMs),
        Calls::LeafTraps => crate::ground::stopped(&ran, FaultKind::Trap, "LS-RUN-001"),
    }
}

fn deadline(what: Calls) -> u64 {
    if what == Calls::LeafSpins { 500 } else { 20_000 }
}
