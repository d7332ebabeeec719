//! What explains each import of a component. For people to read: `host/policy` decides, and is asked
//! here which capability an interface needs.

use longshore::engine::Compiled;
use longshore::policy::{Needs, Policy, Role};
use longshore::reference::{CapabilityKind, Dependency, Manifest};
use serde::Serialize;

use crate::render::table;

/// An import and what explains it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Import {
    /// The interface.
    pub(super) name: String,
    #[serde(flatten)]
    explanation: Explanation,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "explained-by")]
enum Explanation {
    /// A capability that the manifest asks for, with the author's reasons.
    Request { capability: CapabilityKind, scopes: Vec<String>, reasons: Vec<String> },
    /// A component that serves it.
    Dependency { reference: String, version: String, pinned: Option<String> },
    /// The host serves it to everyone; it reaches nothing without a grant.
    Host,
    /// There is no manifest: the operator alone decides.
    Operator { capability: CapabilityKind },
    /// Nothing.
    Unexplained { why: &'static str },
}

/// Explains the imports of a component, in its order.
pub(super) fn explain(compiled: &Compiled) -> Vec<Import> {
    let each = |name: &String| Import { name: name.clone(), explanation: one(name, compiled) };
    compiled.imports().iter().map(each).collect()
}

fn one(name: &str, compiled: &Compiled) -> Explanation {
    let manifest = compiled.manifest();
    if let Some(dependency) = manifest.and_then(|m| m.dependency(name)) {
        return served(dependency);
    }
    if compiled.unmet().iter().any(|unmet| unmet == name) {
        return Explanation::Unexplained { why: "nobody provides it" };
    }
    match (guarded(name, compiled), manifest) {
        (Some(capability), None) => Explanation::Operator { capability },
        (Some(capability), Some(manifest)) => requested(capability, manifest)
            .unwrap_or(Explanation::Unexplained { why: "the manifest does not ask for it" }),
        (None, manifest) => usual(name)
            .and_then(|capability| requested(capability, manifest?))
            .unwrap_or(Explanation::Host),
    }
}

fn served(dependency: &Dependency) -> Explanation {
    let pinned = dependency.pinned.as_ref().map(|pin| format!("{}@{}", pin.version, pin.digest));
    Explanation::Dependency {
        reference: dependency.reference.to_string(),
        version: dependency.version.to_string(),
        pinned,
    }
}

/// The capability without which the interface is refused: what an empty policy denies.
fn guarded(name: &str, compiled: &Compiled) -> Option<CapabilityKind> {
    let needs = Needs {
        component: compiled.digest(),
        source: compiled.source().clone(),
        role: Role::Root,
        imports: vec![name.to_owned()],
        manifest: None,
        signers: Vec::new(),
    };
    let refusal = Policy::default().decide(&needs).err()?;
    refusal.denials.first().map(|denial| denial.capability)
}

/// The capability that gives an interface something to reach, where it is served without one too.
fn usual(name: &str) -> Option<CapabilityKind> {
    let starts = |prefix: &str| name.starts_with(prefix);
    match () {
        () if starts("wasi:filesystem/") => Some(CapabilityKind::Dir),
        () if starts("wasi:cli/environment@") => Some(CapabilityKind::Env),
        () if starts("wasi:sockets/ip-name-lookup@") => Some(CapabilityKind::Dns),
        () if starts("wasi:sockets/udp") => Some(CapabilityKind::Udp),
        () if starts("wasi:sockets/tcp") => Some(CapabilityKind::Tcp),
        () => None,
    }
}

fn requested(capability: CapabilityKind, manifest: &Manifest) -> Option<Explanation> {
    let requests: Vec<_> =
        manifest.requests.iter().filter(|r| r.scope.kind() == capability).collect();
    let scopes = requests.iter().map(|r| r.scope.to_string()).collect();
    let mut reasons: Vec<_> = requests.iter().map(|r| r.reason.clone()).collect();
    reasons.dedup();
    (!requests.is_empty()).then_some(Explanation::Request { capability, scopes, reasons })
}

/// The imports in words, a line each; those that reach nothing by themselves together, by package.
pub(super) fn text(imports: &[Import]) -> String {
    let is_plain = |import: &&Import| matches!(import.explanation, Explanation::Host);
    let rows = imports.iter().filter(|import| !is_plain(import));
    let mut rows: Vec<_> = rows.map(|i| [format!("  {}", i.name), i.sentence()]).collect();
    let mut packages: Vec<(&str, usize)> = Vec::new();
    for import in imports.iter().filter(is_plain) {
        let package = import.name.split('/').next().unwrap_or_default();
        match packages.iter_mut().find(|(name, _)| *name == package) {
            Some((_, count)) => *count += 1,
            None => packages.push((package, 1)),
        }
    }
    rows.extend(packages.into_iter().map(|(package, count)| {
        let interfaces = if count == 1 { "interface" } else { "interfaces" };
        let sentence = format!("{count} {interfaces} that reach nothing without a grant");
        [format!("  {package}"), sentence]
    }));
    if rows.is_empty() { "  nothing".to_owned() } else { table(&rows) }
}

impl Import {
    /// The explanation in words.
    pub(super) fn sentence(&self) -> String {
        match &self.explanation {
            Explanation::Request { scopes, reasons, .. } => {
                format!("{}: {}", scopes.join(", "), reasons.join("; "))
            }
            Explanation::Dependency { reference, version, pinned } => {
                let pinned = pinned.as_ref().map_or_else(
                    || "not pinned".to_owned(),
                    |pin| format!("pinned to {}", pin.get(..32).unwrap_or(pin)),
                );
                format!("served by {reference} {version}, {pinned}")
            }
            Explanation::Host => "reaches nothing without a grant".to_owned(),
            Explanation::Operator { capability } => {
                format!("needs `{capability}` to be allowed; no manifest says why")
            }
            Explanation::Unexplained { why } => format!("unexplained: {why}"),
        }
    }
}
