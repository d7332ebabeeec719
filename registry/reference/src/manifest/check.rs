//! What every part of a manifest must hold to, whether it was authored or came embedded. Pure
//! predicates.

use std::collections::BTreeSet;

use crate::authored::printable;
use crate::{Access, Scope};

use super::{Dependency, Kind, Manifest, Package, Request, Risk};

/// The longest text of a manifest, in bytes.
const MAX_TEXT: usize = 4096;
/// The most entries of any list of a manifest.
pub(super) const MAX_ENTRIES: usize = 256;

type Checked = Result<(), String>;

pub(super) fn manifest(manifest: &Manifest) -> Checked {
    package(&manifest.package)?;
    for length in [
        manifest.requests.len(),
        manifest.wcp.len(),
        manifest.dependencies.len(),
        manifest.settings.len(),
    ] {
        if length > MAX_ENTRIES {
            return Err(format!("a list has more than {MAX_ENTRIES} entries"));
        }
    }
    requests(&manifest.requests)?;
    for (name, value) in &manifest.limits {
        if *value == 0 || i64::try_from(*value).is_err() {
            return Err(format!("the limit `{name}` is out of range"));
        }
    }
    manifest.settings.check()?;
    manifest.wcp.iter().try_for_each(|id| wcp(id))?;
    if let Some(declared) = &manifest.risk {
        risk(declared, &manifest.requests)?;
    }
    dependencies(manifest.package.kind, &manifest.dependencies)
}

fn package(package: &Package) -> Checked {
    name(&package.name)?;
    if package.authors.len() > MAX_ENTRIES {
        return Err(format!("there are more than {MAX_ENTRIES} authors"));
    }
    let Package { description, license, source, revision, documentation, .. } = package;
    for line in [description, license, source, revision, documentation].into_iter().flatten() {
        text(line)?;
    }
    package.authors.iter().try_for_each(|author| text(author))
}

fn requests(requests: &[Request]) -> Checked {
    let mut seen = BTreeSet::new();
    for request in requests {
        scope(&request.scope)?;
        reason(&request.reason)?;
        if request.idempotency_key && !matches!(request.scope, Scope::Http(_)) {
            return Err(format!("`{}` has no `idempotency-key`: only HTTP has", request.scope));
        }
        if !seen.insert(key(&request.scope)) {
            return Err(format!("`{}` is asked for twice", request.scope));
        }
    }
    Ok(())
}

/// What may be asked for once: a directory counts by its path, whatever the access.
pub(super) fn key(scope: &Scope) -> String {
    match scope {
        Scope::Dir { path, .. } => format!("dir={path}"),
        // One folder for each path: a scratch folder cannot lie where a directory does.
        Scope::Scratch(path) => format!("dir={path}"),
        Scope::Keyvalue { name, .. } => format!("keyvalue={name}"),
        Scope::Blobstore { name, .. } => format!("blobstore={name}"),
        other => other.to_string(),
    }
}

fn scope(scope: &Scope) -> Checked {
    match scope {
        Scope::Env(name) => env_name(name),
        Scope::Dir { path, .. } | Scope::Scratch(path) => guest_path(path),
        Scope::Keyvalue { name, access } | Scope::Blobstore { name, access } => {
            if *access == Access::Create {
                return Err(format!("`{scope}`: `create` is for directories"));
            }
            store_name(name)
        }
        Scope::Secret(name) | Scope::Reveal(name) => store_name(name),
        // Their types hold what was checked when they were read.
        Scope::Clock
        | Scope::Random
        | Scope::Http(_)
        | Scope::Tcp(_)
        | Scope::Udp(_)
        | Scope::Dns(_)
        | Scope::Listen(_)
        | Scope::Exec(_) => Ok(()),
    }
}

fn dependencies(kind: Kind, dependencies: &[Dependency]) -> Checked {
    if kind == Kind::Action && !dependencies.is_empty() {
        return Err("an action has dependencies; only a workflow may".to_owned());
    }
    if !dependencies.is_sorted_by(|a, b| a.interface < b.interface) {
        return Err("dependencies are not in the order of their interfaces".to_owned());
    }
    for dependency in dependencies {
        interface(&dependency.interface)?;
        bare(&dependency.reference)?;
        if let Some(pin) = &dependency.pinned
            && !dependency.version.matches(&pin.version)
        {
            return Err(format!(
                "`{}` is pinned to `{}`, which is not `{}`",
                dependency.interface, pin.version, dependency.version
            ));
        }
    }
    Ok(())
}

/// A reference to a repository alone.
pub(super) fn bare(reference: &crate::Reference) -> Checked {
    if reference.tag().is_some() || reference.digest().is_some() {
        return Err(format!(
            "`{reference}` names a tag or digest; name the repository only, \
             the version is `version`"
        ));
    }
    Ok(())
}

/// Whether what is declared contradicts what is asked for.
pub(super) fn risk(risk: &Risk, requests: &[Request]) -> Checked {
    let leaves = |scope: &&Scope| {
        matches!(scope, Scope::Http(_) | Scope::Tcp(_) | Scope::Udp(_) | Scope::Exec(_))
    };
    let writes = |scope: &&Scope| match scope {
        Scope::Dir { access, .. }
        | Scope::Keyvalue { access, .. }
        | Scope::Blobstore { access, .. } => *access > Access::ReadOnly,
        Scope::Exec(_) => true,
        _ => false,
    };
    let asked = || requests.iter().map(|request| &request.scope);
    if let Some(scope) = asked().find(leaves).filter(|_| !risk.egress) {
        return Err(format!("`risk.egress` is `false`, but `{scope}` is asked for"));
    }
    if let Some(scope) = asked().find(writes).filter(|_| !risk.writes) {
        return Err(format!("`risk.writes` is `false`, but `{scope}` is asked for"));
    }
    Ok(())
}

/// Kebab-case, 64 characters at most.
pub(super) fn name(name: &str) -> Checked {
    if name.len() <= 64 && is_kebab(name) {
        return Ok(());
    }
    Err(format!("`{}` is not a name: lower-case words joined by `-`", printable(name)))
}

fn is_kebab(name: &str) -> bool {
    let word =
        |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(word)
}

/// One line or paragraph for people, without what a terminal would act on.
pub(super) fn text(text: &str) -> Checked {
    if text.len() > MAX_TEXT {
        return Err(format!("a text is longer than {MAX_TEXT} bytes"));
    }
    let deceives = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{200e}'..='\u{200f}')
    };
    match text.chars().find(|c| deceives(*c)) {
        Some(c) => Err(format!("a text contains the control character `{}`", c.escape_unicode())),
        None => Ok(()),
    }
}

/// A reason must say something.
pub(super) fn reason(reason: &str) -> Checked {
    if reason.trim().is_empty() {
        return Err("the reason is empty: say what the capability is needed for".to_owned());
    }
    text(reason)
}

/// The name of an environment variable as POSIX shells take it.
pub fn env_name(name: &str) -> Checked {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let ok = name.len() <= 255
        && name.bytes().next().is_some_and(first)
        && name.bytes().all(|b| first(b) || b.is_ascii_digit());
    if ok {
        return Ok(());
    }
    Err(format!(
        "`{}` is not the name of an environment variable: letters, digits and `_`, no digit first",
        printable(name)
    ))
}

/// The name of a bucket, a container or a secret.
pub fn store_name(name: &str) -> Checked {
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ok = name.len() <= 63
        && name.bytes().next().is_some_and(first)
        && name.bytes().all(|b| first(b) || b"-_.".contains(&b));
    if ok {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a name such as `sessions`: 63 lower-case letters, digits, `-`, `_` and `.`, a letter or digit first",
        printable(name)
    ))
}

/// An absolute path in its one spelling.
pub fn guest_path(path: &str) -> Checked {
    let fail = |why: &str| Err(format!("`{}` is not a guest path: {why}", printable(path)));
    let Some(rest) = path.strip_prefix('/') else { return fail("it must begin with `/`") };
    if path.len() > 1024 || path.contains(|c: char| c.is_control() || c == '\\' || c == ':') {
        return fail("it is too long, or has a control character, `\\` or `:`");
    }
    if rest.split('/').any(|part| part == "..") {
        return fail("it must not contain `..`");
    }
    if !rest.is_empty() && rest.split('/').any(|part| part.is_empty() || part == ".") {
        return fail("it must not contain `.`, `//` or a `/` at its end");
    }
    Ok(())
}

/// The id of a WCP capability.
pub(super) fn wcp(id: &str) -> Checked {
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    if id.len() <= 128 && id.contains('.') && id.split('.').all(part) {
        return Ok(());
    }
    Err(format!("`{}` is not a WCP capability id such as `cap.doc.chunk`", printable(id)))
}

/// `namespace:package/interface`, with a version or without.
pub fn interface(interface: &str) -> Checked {
    let (path, version) = match interface.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (interface, None),
    };
    let named = path.split_once(':').and_then(|(namespace, rest)| {
        let (package, name) = rest.split_once('/')?;
        Some([namespace, package, name].into_iter().all(is_kebab))
    });
    let version = version.is_none_or(|v| semver::Version::parse(v).is_ok());
    if interface.len() <= 256 && named == Some(true) && version {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a WIT interface such as `acme:text/chunk@1.0.0`",
        printable(interface)
    ))
}
