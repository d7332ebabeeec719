//! From the text of `longshore.toml` to a [`Manifest`]: every key known, every mistake at its
//! place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};

use crate::authored::{Item, Table, closest, did_you_mean};
use crate::{Access, CapabilityKind, LIMITS, LimitName, Reference, Scope, ScopeError};

use super::{
    Build, Dependency, Kind, Manifest, Package, Request, Risk, Setting, SettingKind,
    SettingsSchema, check,
};

const SECTIONS: &[&str] =
    &["package", "capabilities", "limits", "settings", "wcp", "risk", "dependencies", "build"];

/// Reads the whole file.
pub(super) fn manifest(root: &Table<'_>) -> Option<Manifest> {
    root.only(SECTIONS);
    let package = root.need("package").and_then(|item| package(&item.table()?));
    let requests = root.table("capabilities").map(|t| requests(&t)).unwrap_or_default();
    let limits = root.table("limits").map(|t| limits(&t)).unwrap_or_default();
    let settings = root.table("settings").map(|t| settings(&t)).unwrap_or_default();
    let wcp = root.table("wcp").map(|t| wcp(&t)).unwrap_or_default();
    let risk = root.table("risk").and_then(|t| risk(&t, &requests));
    let dependencies = root.get("dependencies");
    let kind = package.as_ref().map(|package| package.kind);
    if let Some(item) = dependencies.as_ref().filter(|_| kind == Some(Kind::Action)) {
        item.fail_key("only a workflow has dependencies; this package is an action", None);
    }
    let dependencies = dependencies.and_then(|i| i.table()).map(|t| dependencies_of(&t));
    let build = root.table("build").map(|t| build(&t));
    let manifest = Manifest {
        package: package?,
        requests,
        limits,
        settings,
        wcp,
        risk,
        dependencies: dependencies.unwrap_or_default(),
        build,
    };
    // Whatever has no better place: the count of entries, for example.
    if root.is_sound()
        && let Err(reason) = check::manifest(&manifest)
    {
        root.fail(reason);
    }
    Some(manifest)
}

fn package(table: &Table<'_>) -> Option<Package> {
    table.only(&[
        "name",
        "version",
        "kind",
        "description",
        "authors",
        "license",
        "source",
        "revision",
        "documentation",
    ]);
    let name = table.need("name").and_then(|item| checked(&item, check::name));
    let version = table.need("version").and_then(|item| version(&item));
    let kind = table.need("kind").and_then(|item| match item.string()? {
        "action" => Some(Kind::Action),
        "workflow" => Some(Kind::Workflow),
        other => {
            let near = closest(other, ["action", "workflow"]).map(did_you_mean);
            item.fail_with("`package.kind` must be `action` or `workflow`", near);
            None
        }
    });
    let text = |key: &str| table.get(key).and_then(|item| checked(&item, check::text));
    let authors = table.strings("authors");
    Some(Package {
        description: text("description"),
        authors: authors.iter().filter_map(|item| checked(item, check::text)).collect(),
        license: text("license"),
        source: text("source"),
        revision: text("revision"),
        documentation: text("documentation"),
        name: name?,
        version: version?,
        kind: kind?,
    })
}

fn checked(item: &Item<'_>, check: fn(&str) -> Result<(), String>) -> Option<String> {
    let text = item.string()?;
    item.check(check(text))?;
    Some(text.to_owned())
}

fn version(item: &Item<'_>) -> Option<semver::Version> {
    let text = item.string()?;
    let parsed = semver::Version::parse(text);
    item.check(
        parsed.map_err(|why| format!("`{}` is not a version such as `1.0.0`: {why}", item.name())),
    )
}

fn requests(table: &Table<'_>) -> Vec<Request> {
    table.only(&CapabilityKind::ALL.map(CapabilityKind::as_str));
    let mut requests = Vec::new();
    let mut seen = BTreeSet::new();
    for kind in CapabilityKind::ALL {
        if matches!(kind, CapabilityKind::Clock | CapabilityKind::Random) {
            if let Some(table) = table.table(kind.as_str()) {
                table.only(&["reason", "optional"]);
                requests.extend(request(&table, Scope::of(kind, None).ok()));
            }
            continue;
        }
        for table in table.tables(kind.as_str()) {
            let scope = scope(kind, &table);
            if let Some(scope) = scope.as_ref().filter(|scope| !seen.insert(check::key(scope))) {
                table.fail(format!("`{scope}` is asked for twice"));
            }
            requests.extend(request(&table, scope));
        }
    }
    requests
}

/// The scope of one `[[capabilities.KIND]]`.
fn scope(kind: CapabilityKind, table: &Table<'_>) -> Option<Scope> {
    use CapabilityKind as K;
    let keys: &[&str] = match kind {
        K::Clock | K::Random => &[],
        K::Env | K::Secret | K::Reveal => &["name"],
        K::Dir => &["path", "access"],
        K::Scratch => &["path"],
        K::Keyvalue | K::Blobstore => &["name", "access"],
        K::Http => &["scope", "idempotency-key"],
        K::Tcp | K::Udp | K::Dns | K::Listen => &["scope"],
        K::Exec => &["program", "arguments"],
    };
    let known: Vec<_> = keys.iter().copied().chain(["reason", "optional"]).collect();
    table.only(&known);
    let name = |check| table.need("name").and_then(|item| checked(&item, check));
    let path = || table.need("path").and_then(|item| checked(&item, check::guest_path));
    let access = || match table.get("access") {
        Some(item) => access(&item),
        None => Some(Access::ReadOnly),
    };
    Some(match kind {
        K::Clock => Scope::Clock,
        K::Random => Scope::Random,
        K::Env => Scope::Env(name(check::env_name)?),
        K::Secret => Scope::Secret(name(check::store_name)?),
        K::Reveal => Scope::Reveal(name(check::store_name)?),
        K::Scratch => Scope::Scratch(path()?),
        K::Dir => {
            let (path, access) = (path(), access());
            Scope::Dir { path: path?, access: access? }
        }
        K::Keyvalue => {
            let (name, access) = (name(check::store_name), access());
            Scope::Keyvalue { name: name?, access: access? }
        }
        K::Blobstore => {
            let (name, access) = (name(check::store_name), access());
            Scope::Blobstore { name: name?, access: access? }
        }
        K::Http => Scope::Http(table.need("scope")?.parsed()?),
        K::Tcp => Scope::Tcp(table.need("scope")?.parsed()?),
        K::Udp => Scope::Udp(table.need("scope")?.parsed()?),
        K::Listen => Scope::Listen(table.need("scope")?.parsed()?),
        K::Dns => Scope::Dns(table.need("scope")?.parsed()?),
        K::Exec => {
            let program = table.need("program")?;
            let mut words = vec![program.string()?.to_owned()];
            for argument in table.strings("arguments") {
                let word = argument.string()?;
                // In the scope's one text a space ends an argument.
                if word.is_empty() || word.contains(char::is_whitespace) {
                    argument.fail("an argument is a word without spaces, `*` or a last `**`");
                    return None;
                }
                words.push(word.to_owned());
            }
            Scope::Exec(
                program.check(words.join(" ").parse().map_err(|e: ScopeError| e.to_string()))?,
            )
        }
    })
}

/// `ro`, `create` or `rw`.
pub fn access(item: &Item<'_>) -> Option<Access> {
    let access = Access::parse(item.string()?);
    if access.is_none() {
        item.fail(format!("`{}` must be `ro`, `create` or `rw`", item.name()));
    }
    access
}

fn request(table: &Table<'_>, scope: Option<Scope>) -> Option<Request> {
    let reason = table.need("reason").and_then(|item| checked(&item, check::reason));
    let optional = table.boolean("optional", false);
    let idempotency_key = table.boolean("idempotency-key", false);
    Some(Request { scope: scope?, reason: reason?, optional, idempotency_key })
}

/// Limits by name, as manifests want them and policies cap them.
pub fn limits(table: &Table<'_>) -> BTreeMap<LimitName, u64> {
    let names: Vec<_> = LIMITS.iter().map(|(name, ..)| name.as_str()).collect();
    table.only(&names);
    let limit = |(key, item): (&str, Item<'_>)| Some((LimitName::parse(key)?, item.positive()?));
    table.entries().into_iter().filter_map(limit).collect()
}

fn settings(table: &Table<'_>) -> SettingsSchema {
    let mut settings = BTreeMap::new();
    for (name, item) in table.entries() {
        if let Err(why) = check::name(name) {
            item.fail_key(why, None);
        }
        if let Some(setting) = item.table().and_then(|table| setting(&table)) {
            settings.insert(name.to_owned(), setting);
        }
    }
    SettingsSchema::new(settings)
}

fn setting(table: &Table<'_>) -> Option<Setting> {
    table.only(&[
        "type",
        "description",
        "default",
        "locked",
        "secret",
        "required",
        "minimum",
        "maximum",
        "enum",
    ]);
    let kind = table.need("type").and_then(|item| {
        let word = item.string()?;
        let kind = SettingKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        if kind.is_none() {
            let words = SettingKind::ALL.map(SettingKind::as_str);
            let message = format!("`{}` must be one of `{}`", item.name(), words.join("`, `"));
            item.fail_with(message, closest(word, words).map(did_you_mean));
        }
        kind
    });
    let number = |key: &str| table.get(key).and_then(|item| number(&item));
    let choices = table.get("enum").and_then(|item| item.items()).unwrap_or_default();
    let setting = Setting {
        description: table.string("description"),
        default: table.get("default").and_then(|item| item.json()),
        locked: table.boolean("locked", false),
        secret: table.boolean("secret", false),
        required: table.boolean("required", false),
        minimum: number("minimum"),
        maximum: number("maximum"),
        choices: choices.iter().filter_map(Item::json).collect(),
        kind: kind?,
    };
    if let Some((key, why)) = setting.flaw() {
        match table.get(key) {
            Some(item) => item.fail(why),
            None => table.fail(why),
        }
    }
    Some(setting)
}

fn number(item: &Item<'_>) -> Option<Number> {
    match item.json()? {
        Value::Number(number) => Some(number),
        _ => {
            item.fail(format!("`{}` must be a number", item.name()));
            None
        }
    }
}

fn wcp(table: &Table<'_>) -> Vec<String> {
    table.only(&["capabilities"]);
    let ids = table.strings("capabilities");
    ids.iter().filter_map(|item| checked(item, check::wcp)).collect()
}

fn risk(table: &Table<'_>, requests: &[Request]) -> Option<Risk> {
    table.only(&["egress", "writes", "reversible"]);
    let flag = |key: &str| table.need(key).and_then(|item| item.boolean());
    let (egress, writes, reversible) = (flag("egress"), flag("writes"), flag("reversible"));
    let risk = Risk { egress: egress?, writes: writes?, reversible: reversible? };
    if let Err(why) = check::risk(&risk, requests) {
        table.fail(why);
    }
    Some(risk)
}

fn dependencies_of(table: &Table<'_>) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (interface, item) in table.entries() {
        if let Err(why) = check::interface(interface) {
            item.fail_key(why, None);
        }
        dependencies.extend(item.table().and_then(|table| dependency(interface, &table)));
    }
    dependencies.sort_by(|a, b| a.interface.cmp(&b.interface));
    dependencies
}

fn dependency(interface: &str, table: &Table<'_>) -> Option<Dependency> {
    table.only(&["reference", "version"]);
    let reference = table.need("reference").and_then(|item| {
        let reference: Reference = item.parsed()?;
        item.check(check::bare(&reference))?;
        Some(reference)
    });
    let version = table.need("version").and_then(|item| {
        let parsed = semver::VersionReq::parse(item.string()?);
        let name = item.name();
        item.check(
            parsed.map_err(|w| format!("`{name}` is not a version range such as `^1.0`: {w}")),
        )
    });
    let interface = interface.to_owned();
    Some(Dependency { interface, reference: reference?, version: version?, pinned: None })
}

fn build(table: &Table<'_>) -> Build {
    table.only(&["command", "component"]);
    let command =
        table.strings("command").into_iter().filter_map(|i| i.string()).map(str::to_owned);
    let build = Build { command: command.collect(), component: table.string("component") };
    if let Some(item) = table.get("component")
        && let Some(path) = &build.component
        && (path.is_empty()
            || path.starts_with(['/', '\\'])
            || path.split(['/', '\\']).any(|p| p == ".."))
    {
        item.fail("`build.component` must be a path within the manifest's folder");
    }
    if let Some(item) = table.get("command").filter(|_| build.command.is_empty()) {
        item.fail("`build.command` names no program");
    }
    if table.get("command").is_some() && build.component.is_none() {
        table.fail("`build.command` needs `build.component`: where the component lies afterwards");
    }
    build
}
