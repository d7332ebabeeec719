//! A receipt in words.

use longshore::receipt::{Content, Statement};

use crate::commands::verify::signer;
use crate::render::{duration, size, table};

/// What the statement says, a line for each thing.
pub(super) fn text(statement: &Statement) -> String {
    let predicate = &statement.predicate;
    let row = |name: &str, value: String| [name.to_owned(), value];
    let content = |c: &Content| format!("{}, {}", c.digest, size(c.bytes));
    let mut rows = vec![row("run", predicate.run.to_string())];
    let outcome = &predicate.outcome;
    rows.push(match &outcome.fault {
        Some(fault) => {
            let limit = fault.limit.map(|l| format!(" at the limit `{l}`")).unwrap_or_default();
            row("outcome", format!("{}, {}{limit}", outcome.word, fault.code))
        }
        None => row("outcome", outcome.word.clone()),
    });
    if let Some(component) = &predicate.component {
        rows.push(row("component", component.reference.clone()));
        rows.push(row("digest", component.digest.to_string()));
        rows.extend(component.signers.iter().map(|s| row("signed by", signer(s))));
    }
    rows.extend(predicate.function.iter().map(|f| row("function", f.clone())));
    rows.extend(predicate.input.iter().map(|c| row("input", content(c))));
    rows.extend(outcome.output.iter().map(|c| row("output", content(c))));
    if let Some(grant) = &predicate.grant {
        let scopes = grant.scopes.iter();
        rows.extend(scopes.map(|(s, rule)| row("granted", format!("{s}  by `{rule}`"))));
        let modes = grant.modes.iter();
        rows.extend(modes.map(|(s, mode)| row("mode", format!("{s} = {mode}"))));
    }
    rows.extend(predicate.policy.iter().map(|p| row("policy", p.to_string())));
    for dependency in &predicate.dependencies {
        let component = &dependency.component;
        let name = format!("{} of {}", dependency.interface, component.reference);
        rows.push(row("calls", name));
        rows.extend(component.signers.iter().map(|s| row("", format!("signed by {}", signer(s)))));
        let scopes = dependency.grant.scopes.iter();
        rows.extend(scopes.map(|(s, rule)| row("", format!("granted {s}  by `{rule}`"))));
    }
    let took =
        predicate.finished.unix_us.unix_us().saturating_sub(predicate.started.unix_us.unix_us());
    let counts = &predicate.counts;
    rows.extend([
        row("started", predicate.started.time.clone()),
        row("finished", format!("{}, after {}", predicate.finished.time, duration(took))),
        row(
            "counted",
            format!(
                "{} calls, {} effects, {} denials",
                counts.calls, counts.effects, counts.denials
            ),
        ),
        row("memory", size(predicate.usage.memory_bytes)),
    ]);
    rows.extend(predicate.engine.iter().map(|e| row("engine", e.clone())));
    let journal = &predicate.journal;
    rows.push(row("journal", format!("{} entries, {}", journal.entries, journal.head)));
    let previous = predicate.previous.map_or_else(|| "none".to_owned(), |p| p.to_string());
    rows.push(row("previous", previous));
    table(&rows)
}
