//! `--dry-run`: everything is decided and nothing is run.

use longshore::model::{GrantRecord, LIMITS};
use longshore::{Longshore, Request};
use serde_json::json;

use super::super::Done;
use super::super::verify::signer;
use crate::context::Context;
use crate::render::table;

/// Resolves, verifies, compiles, decides and links; then says what would be granted.
pub(super) async fn run(host: &Longshore, request: &Request, context: &Context) -> Done {
    let prepared = host.prepare(&request.target, &request.allow).await?;
    let compiled = prepared.ready().compiled();
    let function = compiled.function(request.function.as_deref())?;
    function.arguments(&request.input.0)?;
    let grant = prepared.ready().grant().record();
    let document = json!({
        "decision": "granted",
        "component": {
            "reference": compiled.name(),
            "digest": compiled.digest(),
            "manifest": compiled.manifest_digest(),
            "signers": compiled.signers(),
        },
        "function": function.path(),
        "grant": grant,
        "dependencies": prepared.dependencies(),
        "policy": prepared.policy(),
    });
    context.output.result(&document, || {
        let row = |name: &str, value: String| [name.to_owned(), value];
        let mut rows = vec![
            row("would run", compiled.name().to_owned()),
            row("digest", compiled.digest().to_string()),
            row("function", function.path().to_owned()),
        ];
        rows.extend(compiled.signers().iter().map(|s| row("signed by", signer(s))));
        rows.extend(granted(&grant));
        for dependency in prepared.dependencies() {
            let component = &dependency.component;
            rows.push(row("", String::new()));
            rows.push(row("would call", dependency.interface.clone()));
            rows.push(row("of", component.reference.clone()));
            rows.extend(component.signers.iter().map(|s| row("signed by", signer(s))));
            rows.extend(granted(&dependency.grant));
        }
        format!("{}\n\nnothing was run", table(&rows))
    })?;
    Ok(0)
}

/// A grant in words: scopes with their rules, settings, and limits that are not the usual ones.
fn granted(grant: &GrantRecord) -> Vec<[String; 2]> {
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows: Vec<_> = grant
        .scopes
        .iter()
        .map(|(scope, rule)| row("granted", format!("{scope}  by `{rule}`")))
        .collect();
    if rows.is_empty() {
        rows.push(row("granted", "nothing".to_owned()));
    }
    let modes = grant.modes.iter();
    rows.extend(modes.map(|(scope, mode)| row("mode", format!("{scope} = {mode}"))));
    let settings = grant.settings.iter();
    rows.extend(settings.map(|(name, value)| row("setting", format!("{name} = {value}"))));
    for &(name, unit, usual) in LIMITS {
        let value = grant.limits.get(name);
        if value != usual {
            rows.push(row("limit", format!("{name} = {value} {unit}")));
        }
    }
    rows
}
