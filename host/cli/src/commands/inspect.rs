//! `longshore inspect`: what a component is, offers and asks for; nothing is run, nobody is trusted.

mod imports;
mod signatures;

use std::fmt::Write as _;
use std::sync::Arc;

use longshore::Target;
use longshore::engine::{Compiled, Function};
use longshore::reference::{Manifest, Source};
use serde_json::{Value, json};

use self::imports::Import;
use self::signatures::Signatures;
use super::{Done, verify};
use crate::component::{self, Looked};
use crate::context::Context;
use crate::error::Error;
use crate::render::{size, table};

const EXAMPLES: &str = "\
Examples:
  longshore inspect hello.wasm
  longshore inspect 127.0.0.1:5000/hello:0.1.0 --key longshore.pub
  longshore inspect hello.wasm --schema greet        JSON Schema of what `greet` takes and gives
  longshore inspect hello.wasm --json

Every import is shown with what explains it: a capability that the manifest asks for, with its
reason, a component that serves it, or nothing: then it is unexplained.";

/// Show what a component exports, imports and asks for, and who signed it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to look at: a reference, a component file, or a folder to build
    #[arg(value_name = "TARGET")]
    target: String,
    /// Print the JSON Schema (2020-12) of a function, or of all
    #[arg(long, value_name = "FUNCTION", num_args = 0..=1, default_missing_value = "")]
    schema: Option<String>,
    #[command(flatten)]
    trust: verify::Trust,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let target = component::target(&args.target, context)?;
    let host = context.looker()?;
    let looked = component::look(&host, &target, context).await?;
    if let Some(function) = &args.schema {
        context.output.document(&schemas(&looked.compiled, function)?)?;
        return Ok(0);
    }
    let signatures = match target {
        Target::Reference(_) => {
            let trust = context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref());
            Some(Signatures::of(&looked, trust, context.now()))
        }
        Target::File(_) => None,
    };
    let imports = imports::explain(&looked.compiled);
    let document = document(&looked, &imports, signatures.as_ref());
    context.output.result(&document, || text(&looked, &imports, signatures.as_ref()))?;
    Ok(0)
}

/// The schema of one function, or of all that JSON can call.
fn schemas(compiled: &Compiled, function: &str) -> Result<Value, Error> {
    if !function.is_empty() {
        return schema(compiled.function(Some(function))?);
    }
    if let [only] = compiled.functions() {
        return schema(only);
    }
    let all: Result<Vec<_>, _> =
        compiled.functions().iter().filter(|f| !f.is_command()).map(schema).collect();
    Ok(Value::Array(all?))
}

fn schema(function: &Arc<Function>) -> Result<Value, Error> {
    let signature = function.signature()?;
    let (output, failure) = signature.outcome_schemas();
    let mut document = json!({
        "function": function.path(),
        "input": signature.input_schema(),
        "output": output,
    });
    if let Some(failure) = failure {
        document["failure"] = failure;
    }
    Ok(document)
}

fn signature(function: &Function) -> String {
    if function.is_command() {
        return "func() -> result".to_owned();
    }
    match function.signature() {
        Ok(signature) => signature.to_string(),
        Err(error) => format!("func(…): {error}"),
    }
}

fn document(looked: &Looked, imports: &[Import], signatures: Option<&Signatures>) -> Value {
    let compiled = &looked.compiled;
    let export = |f: &Arc<Function>| {
        json!({
            "interface": f.interface(),
            "function": f.name(),
            "path": f.path(),
            "signature": signature(f),
            "command": f.is_command(),
        })
    };
    json!({
        "name": compiled.name(),
        "digest": compiled.digest(),
        "bytes": looked.fetched.bytes().len(),
        "oci-manifest": compiled.manifest_digest(),
        "manifest": compiled.manifest(),
        "exports": compiled.functions().iter().map(export).collect::<Vec<_>>(),
        "imports": imports,
        "signatures": signatures,
    })
}

fn text(looked: &Looked, imports: &[Import], signatures: Option<&Signatures>) -> String {
    let compiled = &looked.compiled;
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut head = vec![
        row("component", compiled.name().to_owned()),
        row("digest", compiled.digest().to_string()),
        row("size", size(looked.fetched.bytes().len() as u64)),
    ];
    match compiled.manifest() {
        Some(manifest) => head.extend(package(manifest)),
        None => head.push(row("manifest", "none: it gets what the operator allows".to_owned())),
    }
    if let Source::File(_) = compiled.source() {
        head.push(row("signatures", "none: files carry none".to_owned()));
    }
    let mut text = table(&head);
    text.push_str("\n\nexports\n");
    let mut last = None;
    for function in compiled.functions() {
        let interface = function.interface();
        if interface != last {
            let _ = writeln!(text, "  {}", interface.unwrap_or_default());
            last = interface;
        }
        let depth = if interface.is_some() { "    " } else { "  " };
        let _ = writeln!(text, "{depth}{}: {}", function.name(), signature(function));
    }
    text.push_str("\nimports\n");
    let rows: Vec<_> = imports.iter().map(|i| [format!("  {}", i.name), i.sentence()]).collect();
    text.push_str(if rows.is_empty() { "  nothing" } else { "" });
    text.push_str(&table(&rows));
    if let Some(manifest) = compiled.manifest() {
        text.push_str(&wishes(manifest));
    }
    if let Some(signatures) = signatures {
        let _ = write!(text, "\n\nsignatures\n{}", signatures.text());
    }
    text
}

fn package(manifest: &Manifest) -> Vec<[String; 2]> {
    let package = &manifest.package;
    let kind = match package.kind {
        longshore::reference::Kind::Action => "action",
        longshore::reference::Kind::Workflow => "workflow",
    };
    let mut rows = vec![[kind.to_owned(), format!("{} {}", package.name, package.version)]];
    let optional = [
        ("description", package.description.clone()),
        ("authors", (!package.authors.is_empty()).then(|| package.authors.join(", "))),
        ("licence", package.license.clone()),
        ("source", package.source.clone()),
        ("revision", package.revision.clone()),
        ("capabilities", (!manifest.wcp.is_empty()).then(|| manifest.wcp.join(", "))),
        ("risk", manifest.risk.map(risk)),
    ];
    rows.extend(optional.into_iter().filter_map(|(n, v)| Some([n.to_owned(), v?])));
    rows
}

fn risk(risk: longshore::reference::Risk) -> String {
    let word = |yes: bool, word: &str| if yes { word.to_owned() } else { format!("no {word}") };
    format!(
        "{}, {}, {}",
        word(risk.egress, "egress"),
        word(risk.writes, "writes"),
        if risk.reversible { "reversible" } else { "not reversible" }
    )
}

/// What the manifest asks for besides imports: scopes with reasons, limits, settings.
fn wishes(manifest: &Manifest) -> String {
    let mut text = String::new();
    let mut section = |name: &str, rows: Vec<[String; 2]>| {
        if !rows.is_empty() {
            let _ = write!(text, "\n\n{name}\n{}", table(&rows));
        }
    };
    let asked = manifest.requests.iter().map(|request| {
        let optional = if request.optional { " (optional)" } else { "" };
        [format!("  {}{optional}", request.scope), request.reason.clone()]
    });
    section("asks for", asked.collect());
    let limits = manifest.limits.iter().map(|(name, n)| [format!("  {name}"), n.to_string()]);
    section("limits", limits.collect());
    let settings = manifest.settings.iter().map(|(name, setting)| {
        let value = serde_json::to_value(setting).unwrap_or_default();
        [format!("  {name}"), value.to_string()]
    });
    section("settings", settings.collect());
    text
}
