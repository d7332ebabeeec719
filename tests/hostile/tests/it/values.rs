//! Values that the host must read without being hurt.

use longshore::model::{FaultKind, LimitName};
use longshore_hostile::Values;

use crate::ground::{Ground, attack, everything, stopped, turned_away};

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Values) {
    let target = match what {
        Values::NestedType => ground.component("nested", &nested()),
        Values::WideType => ground.component("wide", &wide()),
        other => ground.text(other.name()),
    };
    let input = match what {
        Values::ReallocNowhere | Values::CallWhileLeaving => "[\"hello\"]",
        _ => "[]",
    };
    let request = attack(&target, input, everything(10_000));
    match what {
        Values::NestedType => return turned_away(ground, &request, "nesting is too deep").await,
        Values::WideType => return turned_away(ground, &request, "type size").await,
        _ => {}
    }
    let ran = ground.run(&request).await;
    match what {
        Values::TextNowhere
        | Values::TextOf4Gib
        | Values::TextInvalid
        | Values::CharInvalid
        | Values::VariantInvalid
        | Values::ListMisaligned
        | Values::ReallocNowhere
        | Values::CallWhileLeaving => stopped(&ran, FaultKind::Trap, "LS-RUN-001"),
        Values::ListOfFlags => ran.hit(FaultKind::OutputSize, LimitName::HostCallBytes),
        Values::OutputTooLong | Values::Escapes => {
            ran.hit(FaultKind::OutputSize, LimitName::OutputBytes);
        }
        Values::NestedType | Values::WideType => unreachable!("turned away above"),
        Values::NamesInBacktrace => {
            stopped(&ran, FaultKind::Trap, "LS-RUN-001");
            let frames = &ran.fault().backtrace;
            assert!(!frames.is_empty());
            let control = |frame: &String| frame.chars().any(char::is_control);
            assert!(!frames.iter().any(control), "{frames:?}");
        }
    }
}

/// `attack` returns a tuple in a tuple, a hundred and twenty deep.
fn nested() -> String {
    let types: String = (1..=120).map(|n| format!("(type $t{n} (tuple $t{}))", n - 1)).collect();
    returning("$t120", &format!("(type $t0 u32) {types}"))
}

/// `attack` returns a type with a quarter of a million leaves, of twenty lines, and so do fifty others.
fn wide() -> String {
    let types: String =
        (1..=17).map(|n| format!("(type $t{n} (tuple $t{} $t{}))", n - 1, n - 1)).collect();
    returning("$t17", &format!("(type $t0 (tuple u8 u8)) {types}"))
}

fn returning(ty: &str, types: &str) -> String {
    let lift = format!(
        r#"(result {ty}) (canon lift (core func $i "attack") (memory (core memory $i "memory"))))"#
    );
    let more: String = (0..50).map(|n| format!("(func (export \"more-{n}\") {lift}\n")).collect();
    format!(
        r#"(component
          (core module $m
            (memory (export "memory") 64)
            (func (export "attack") (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          {types}
          (func (export "attack") {lift}
          {more})"#
    )
}
