//! `longshore diff`: what one version of a component asks for that another did not; nothing is run, nobody is trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use longshore::engine::Compiled;
use longshore::model::{LIMITS, LimitName};
use longshore::policy::{Asked, scopes_of, widening};
use longshore::reference::Manifest;
use serde::Serialize;

use super::Done;
use crate::component;
use crate::context::Context;
use crate::render::table;

const EXAMPLES: &str = "\
Examples:
  longshore diff registry.example.com/team/fetch:1.0.0 registry.example.com/team/fetch:1.1.0
  longshore diff fetch-old.wasm fetch-new.wasm --json
  longshore diff OLD NEW --exit-code                    exit status 4 when NEW asks for more

Shown are the capabilities, limits, imports and dependencies that differ. What widens is marked `+`,
what narrows `-`. `longshore approve NEW` accepts a widening.";

/// Show what a version of a component asks for beyond another
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What it was: a reference, a component file, or a folder to build
    #[arg(value_name = "OLD")]
    old: String,
    /// What it is to be
    #[arg(value_name = "NEW")]
    new: String,
    /// End with exit status 4 when NEW asks for more
    #[arg(long)]
    exit_code: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let host = context.looker()?;
    let old = component::target(&args.old, context).await?;
    let old = component::look(&host, &old, context).await?;
    let new = component::target(&args.new, context).await?;
    let new = component::look(&host, &new, context).await?;
    let changes = Changes::between((&args.old, &old.compiled), (&args.new, &new.compiled));
    context.output.result(&changes, || changes.text())?;
    Ok(if args.exit_code && changes.widens() { 4 } else { 0 })
}

/// What differs between two versions of a component.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Changes {
    old: String,
    new: String,
    /// What the new one asks for beyond the old one.
    widened: Vec<Asked>,
    /// What the old one asked for beyond the new one.
    narrowed: Vec<Asked>,
    limits: Vec<Limit>,
    imports: Difference,
    dependencies: Difference,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Limit {
    name: LimitName,
    old: Option<u64>,
    new: Option<u64>,
}

/// Names that only one of the two has.
#[derive(Debug, Default, Serialize)]
struct Difference {
    added: Vec<String>,
    removed: Vec<String>,
}

impl Difference {
    fn of(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Self {
        let only = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect();
        Self { added: only(new, old), removed: only(old, new) }
    }

    fn lines(&self, what: &str) -> Vec<[String; 2]> {
        let line = |sign, name: &String| [format!("{sign} {what}"), name.clone()];
        let added = self.added.iter().map(|name| line('+', name));
        added.chain(self.removed.iter().map(|name| line('-', name))).collect()
    }
}

impl Changes {
    fn between((old_name, old): (&str, &Compiled), (new_name, new): (&str, &Compiled)) -> Self {
        let requests = |c: &Compiled| c.manifest().map_or_else(Vec::new, |m| m.requests.clone());
        let imports = |c: &Compiled| c.imports().iter().cloned().collect();
        let dependencies = |c: &Compiled| c.manifest().map(needed).unwrap_or_default();
        Self {
            old: old_name.to_owned(),
            new: new_name.to_owned(),
            widened: widening(&scopes_of(old.manifest()), &requests(new)),
            narrowed: widening(&scopes_of(new.manifest()), &requests(old)),
            limits: limits(old.manifest(), new.manifest()),
            imports: Difference::of(&imports(old), &imports(new)),
            dependencies: Difference::of(&dependencies(old), &dependencies(new)),
        }
    }

    /// Whether the new one asks for more: a scope, or another component to call.
    fn widens(&self) -> bool {
        !self.widened.is_empty() || !self.dependencies.added.is_empty()
    }

    fn text(&self) -> String {
        let mut rows: Vec<[String; 2]> = Vec::new();
        rows.extend(self.widened.iter().map(|asked| [format!("+ {}", asked.scope), why(asked)]));
        rows.extend(self.narrowed.iter().map(|asked| {
            let now = asked.instead_of.as_ref().map(|now| format!("now only `{now}`"));
            [format!("- {}", asked.scope), now.unwrap_or_else(|| "no longer asked for".to_owned())]
        }));
        rows.extend(self.limits.iter().map(|limit| {
            let number = |n: Option<u64>| n.map_or_else(|| "default".to_owned(), |n| n.to_string());
            let usual = LIMITS.iter().find(|(name, ..)| *name == limit.name).map(|l| l.2);
            let sign = if limit.new.or(usual) > limit.old.or(usual) { '+' } else { '-' };
            let change = format!("{} → {}", number(limit.old), number(limit.new));
            [format!("{sign} limit {}", limit.name), change]
        }));
        rows.extend(self.imports.lines("import"));
        rows.extend(self.dependencies.lines("dependency"));
        let mut text = table(&rows);
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        let verdict = match self.widens() {
            true => format!("`{}` asks for more than `{}`", self.new, self.old),
            false => format!("`{}` asks for no more than `{}`", self.new, self.old),
        };
        let _ = write!(text, "{verdict}");
        text
    }
}

/// The author's reason, and what it was before.
pub(crate) fn why(asked: &Asked) -> String {
    let mut text = asked.reason.clone();
    if asked.optional {
        text.push_str(" (optional)");
    }
    if let Some(before) = &asked.instead_of {
        let _ = write!(text, "; was `{before}`");
    }
    text
}

/// What a workflow calls: interface and pinned component.
fn needed(manifest: &Manifest) -> BTreeSet<String> {
    let one = |dependency: &longshore::reference::Dependency| {
        let repository = dependency.reference.repository();
        format!("{} from {repository} {}", dependency.interface, dependency.version)
    };
    manifest.dependencies.iter().map(one).collect()
}

fn limits(old: Option<&Manifest>, new: Option<&Manifest>) -> Vec<Limit> {
    let none = BTreeMap::new();
    let of = |manifest: Option<&Manifest>| manifest.map_or(&none, |m| &m.limits).clone();
    let (old, new) = (of(old), of(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let limit = |name| Limit { name, old: old.get(&name).copied(), new: new.get(&name).copied() };
    names.into_iter().map(limit).filter(|limit| limit.old != limit.new).collect()
}
