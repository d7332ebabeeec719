//! From wasmtime's errors to the classes of fault that people and programs know.

use longshore_model::{Fault, FaultKind, LimitName};
use wasmtime::component::{ResourceTableError, Val};
use wasmtime::{Trap, WasmBacktrace};

use crate::Function;
use crate::call::Scene;
use crate::limiter::LimitHit;

/// Frames of a backtrace that are kept.
const MAX_FRAMES: usize = 32;
/// Characters of a function's name that are kept.
const MAX_NAME: usize = 160;

/// Raised by the epoch callback once the deadline has passed.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed")]
pub(crate) struct DeadlinePassed;

/// Raised by a host function that gives a whole fault, such as a call to an action that was stopped.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Raised(pub(crate) Fault);

/// The fault of a call whose deadline passed.
pub(crate) fn deadline(scene: &Scene) -> Fault {
    let limit = scene.grant.limits().deadline_ms;
    let message = format!("the call was stopped at its deadline of {limit} ms");
    Fault::limit(FaultKind::Deadline, LimitName::DeadlineMs, message)
}

/// The fault of a call whose events the journal did not take: the run's budget is used up, or the host failed.
pub(crate) fn unrecorded(error: &longshore_journal::Error) -> Fault {
    match error {
        longshore_journal::Error::EventLimit { .. } => {
            Fault::limit(FaultKind::Budget, LimitName::Events, error.to_string())
        }
        longshore_journal::Error::EntryTooLarge { .. } => {
            Fault::new(FaultKind::OutputSize, error.to_string())
        }
        other => Fault::new(FaultKind::Host, other.to_string()),
    }
}

/// What `error` means for the call: a fault, or for a command that left with status 0, its plain end. Once the guest was
/// `entered`, what has no other explanation is its doing: values that break the canonical ABI, for example.
pub(crate) fn classify(
    error: wasmtime::Error,
    scene: &Scene,
    function: &Function,
    entered: bool,
) -> Result<Vec<Val>, Fault> {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        if exit.0 == 0 && function.is_command() {
            return Ok(vec![Val::Result(Ok(None))]);
        }
        let message = format!("the guest left with status {}", exit.0);
        return Err(Fault::new(FaultKind::Exit, message));
    }
    if error.downcast_ref::<DeadlinePassed>().is_some() {
        return Err(deadline(scene));
    }
    let mut fault = if let Some(Raised(fault)) = error.downcast_ref::<Raised>() {
        return Err(fault.clone());
    } else if let Some(hit) = error.downcast_ref::<LimitHit>() {
        Fault::limit(kind_of(hit.name), hit.name, hit.to_string())
    } else if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        handles(scene)
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        of_trap(*trap, scene)
    } else {
        of_text(&error, scene, entered)
    };
    fault.backtrace = backtrace(&error);
    Err(fault)
}

fn handles(scene: &Scene) -> Fault {
    let limit = scene.grant.limits().handles;
    let message = format!("the call would have gone past its limit `handles` of {limit}");
    Fault::limit(FaultKind::Resources, LimitName::Handles, message)
}

fn kind_of(name: LimitName) -> FaultKind {
    match name {
        LimitName::MemoryBytes => FaultKind::Memory,
        LimitName::TableElements
        | LimitName::Instances
        | LimitName::Handles
        | LimitName::OpenFiles => FaultKind::Resources,
        LimitName::StdoutBytes | LimitName::StderrBytes => FaultKind::StreamSize,
        LimitName::HostCallBytes | LimitName::OutputBytes => FaultKind::OutputSize,
        LimitName::InputBytes => FaultKind::InputSize,
        LimitName::DeadlineMs => FaultKind::Deadline,
        _ => FaultKind::Budget,
    }
}

fn of_trap(trap: Trap, scene: &Scene) -> Fault {
    match trap {
        Trap::StackOverflow => {
            Fault::new(FaultKind::Stack, "the guest used up its call stack".to_owned())
        }
        Trap::Interrupt => deadline(scene),
        Trap::OutOfFuel => {
            let limit = scene.grant.limits().fuel;
            let message = format!("the call used up its limit `fuel` of {limit} instructions");
            Fault::limit(FaultKind::Budget, LimitName::Fuel, message)
        }
        other => Fault::new(FaultKind::Trap, format!("the guest trapped: {other}")),
    }
}

/// wasmtime raises these as text only; the version is pinned and `tests/e2e` hits each of them.
fn of_text(error: &wasmtime::Error, scene: &Scene, entered: bool) -> Fault {
    let text = format!("{error:#}");
    let limits = scene.grant.limits();
    if text.contains("fuel allocated for hostcalls") {
        let limit = limits.host_call_bytes;
        let message =
            format!("the call would have gone past its limit `host-call-bytes` of {limit}");
        return Fault::limit(FaultKind::OutputSize, LimitName::HostCallBytes, message);
    }
    // Of its own resources, or of what it lends to one host call.
    if text.contains("store handle limit exceeded") {
        return handles(scene);
    }
    // Instances, and the memories and tables that so many instances may have.
    if text.contains("count too high at") {
        let limit = limits.instances;
        let message = format!("the call would have gone past its limit `instances` of {limit}");
        return Fault::limit(FaultKind::Resources, LimitName::Instances, message);
    }
    let kind = if entered || error.downcast_ref::<WasmBacktrace>().is_some() {
        FaultKind::Trap
    } else {
        FaultKind::Host
    };
    Fault::new(kind, format!("the call failed: {}", error.root_cause()))
}

/// Whether a character only ever stands for itself: no control, and none of Unicode's marks of direction.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    trace
        .frames()
        .iter()
        .take(MAX_FRAMES)
        .map(|frame| {
            let mut name = frame.func_name().map_or_else(
                || format!("function {}", frame.func_index()),
                // The alternate form leaves out the hash that the compiler appends.
                |name| format!("{:#}", rustc_demangle::demangle(name)),
            );
            // The guest chose its names: what a terminal would obey, or what turns text around, is not shown.
            name = name.chars().take(MAX_NAME).map(|c| if is_plain(c) { c } else { '?' }).collect();
            match frame.module_offset() {
                Some(offset) => format!("{name} at 0x{offset:x}"),
                None => name,
            }
        })
        .collect()
}
