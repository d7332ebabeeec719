//! The change that would allow what was denied, in the operator's words and in the author's. Pure text.

use longshore_model::{CapabilityKind, Scope};

use crate::{Hint, Role};

/// What the operator would add for a component of `pattern` that plays `role`.
pub(crate) fn operator(scope: &Scope, role: &Role, pattern: &str) -> Hint {
    let kind = scope.kind();
    let text = scope.to_string();
    let value = text.split_once('=').map_or("", |(_, value)| value);
    let (argument, line) = match scope {
        Scope::Clock | Scope::Random => (text.clone(), format!("{kind} = true")),
        Scope::Dir { path, access } => {
            let (host, access) = (format!(".{path}"), access.as_str());
            let table = format!(
                "dir = [{{ guest = {}, host = {}, access = \"{access}\" }}]",
                quoted(path),
                quoted(&host)
            );
            (format!("dir={path}={host}:{access}"), table)
        }
        _ => (text.clone(), format!("{kind} = [{}]", quoted(value))),
    };
    rule(&argument, &line, role, pattern)
}

/// What the operator would add so that the name `host` may lead to private addresses.
pub(crate) fn private(host: &str, role: &Role, pattern: &str) -> Hint {
    rule(&format!("private={host}"), &format!("private = [{}]", quoted(host)), role, pattern)
}

fn rule(argument: &str, line: &str, role: &Role, pattern: &str) -> Hint {
    let flag = match role {
        Role::Root => argument.to_owned(),
        Role::Dependency { interface } => format!("{interface}::{argument}"),
    };
    let policy = format!("[[allow]]\ncomponent = {}\n{line}", quoted(pattern));
    Hint::Operator { flag, policy }
}

/// What a policy lacks that does not say where the secret `name` is kept; its upper-case words stand for what the operator
/// puts there.
pub(crate) fn kept(name: &str) -> String {
    format!("\n\n[secrets.{}]\nsource = \"env:VARIABLE\"\nhosts = [\"https://HOST\"]", quoted(name))
}

/// The section of `longshore.toml` that asks for `scope`, with an ellipsis for the author's reason.
#[must_use]
pub fn manifest_entry(scope: &Scope) -> String {
    let keys = match scope {
        Scope::Clock | Scope::Random => String::new(),
        Scope::Env(name) | Scope::Secret(name) | Scope::Reveal(name) => key("name", name),
        Scope::Scratch(path) => key("path", path),
        Scope::Dir { path, access } => key("path", path) + &key("access", access.as_str()),
        Scope::Keyvalue { name, access } | Scope::Blobstore { name, access } => {
            key("name", name) + &key("access", access.as_str())
        }
        Scope::Http(scope) => key("scope", &scope.to_string()),
        Scope::Tcp(scope) | Scope::Udp(scope) | Scope::Listen(scope) => {
            key("scope", &scope.to_string())
        }
        Scope::Dns(host) => key("scope", host.as_str()),
        Scope::Exec(scope) => {
            let arguments = toml::Value::from(scope.arguments().to_vec());
            key("program", scope.program()) + &format!("arguments = {arguments}\n")
        }
    };
    entry(scope.kind(), &keys)
}

/// The section for a capability of which nothing more is known.
pub(crate) fn author(kind: CapabilityKind) -> Hint {
    let keys = match kind {
        CapabilityKind::Http => "scope = \"https://HOST\"\n",
        CapabilityKind::Keyvalue | CapabilityKind::Blobstore => "name = \"default\"\n",
        CapabilityKind::Secret => "name = \"NAME\"\n",
        CapabilityKind::Exec => "program = \"PROGRAM\"\n",
        _ => "",
    };
    Hint::Author { manifest: entry(kind, keys) }
}

fn entry(kind: CapabilityKind, keys: &str) -> String {
    let (open, close) = if keys.is_empty() { ("[", "]") } else { ("[[", "]]") };
    format!("{open}capabilities.{kind}{close}\n{keys}reason = \"…\"")
}

fn key(name: &str, value: &str) -> String {
    format!("{name} = {}\n", quoted(value))
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
