//! The operator's side: rules, settings and ceilings, read from a policy file and from flags. It
//! decides nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use longshore_model::{CapabilityKind, LIMITS, LimitName, Limits, Scope};
use longshore_reference::authored::{Item, Table, read};
use longshore_reference::{
    Digest, Hasher, canonical, check_env_name, check_guest_path, read_access, read_limits,
};
use serde_json::{Value, json};

use crate::parameter::read_exec;
use crate::rule::{Private, Rule, Target, beside, check_host, private_host};
use crate::{Approvals, Error, Mode, Parameter};

/// The largest policy file that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Where the operator sets no ceiling, a manifest may raise a limit to this many times its default.
pub const CEILING_FACTOR: u64 = 4;

/// What an operator allows. The default allows nothing.
#[derive(Clone, Default, PartialEq)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) settings: Vec<SettingRule>,
    pub(crate) private: Vec<Private>,
    mode: Option<Mode>,
    ceilings: BTreeMap<LimitName, u64>,
    pub(crate) approvals: Approvals,
}

/// The value of one setting for some components.
#[derive(Clone, PartialEq)]
pub(crate) struct SettingRule {
    pub(crate) target: Target,
    pub(crate) name: String,
    pub(crate) value: SettingValue,
}

/// A value from a file has a type; one from a flag gets it from the component's schema.
#[derive(Clone, PartialEq)]
pub(crate) enum SettingValue {
    Typed(Value),
    Text(String),
}

/// Values of settings may be secret: only their names are shown.
impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<_> =
            self.settings.iter().map(|s| format!("{}::{}", s.target, s.name)).collect();
        f.debug_struct("Policy")
            .field("rules", &self.rules)
            .field("settings", &settings)
            .field("private", &self.private)
            .field("mode", &self.mode)
            .field("ceilings", &self.ceilings)
            .field("approvals", &self.approvals)
            .finish()
    }
}

impl Policy {
    /// Reads a policy file; `file` is its name for messages, and host folders are relative to its
    /// folder.
    ///
    /// # Errors
    ///
    /// [`Error::Text`] with the first mistake in the text.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, Error> {
        read(text, file, MAX_BYTES, |root| Some(policy(root, file))).map_err(Error::Text)
    }

    /// Adds the rule of an `--allow` flag: `clock`, `random`, `env=NAME`, `dir=/guest=./host:rw`,
    /// `http=SCOPE`, or one of them after `PATTERN::` for the components of that repository or
    /// interface. It is stronger than what was there before. `private=HOST` is no capability: it lets
    /// a name that is allowed lead to private addresses.
    ///
    /// # Errors
    ///
    /// [`Error::Flag`], with the syntax as its hint.
    pub fn allow_flag(&mut self, flag: &str) -> Result<(), Error> {
        match Private::from_flag(flag) {
            Some(private) => self.private.push(private?),
            None => self.rules.push(Rule::from_flag(flag)?),
        }
        Ok(())
    }

    /// Adds the value of a `--set` flag: `name=value` for the root, `PATTERN::name=value` for the
    /// components of that pattern.
    ///
    /// # Errors
    ///
    /// [`Error::Set`]; whether the setting exists and takes the value is found by
    /// [`Policy::decide`].
    pub fn set_flag(&mut self, flag: &str) -> Result<(), Error> {
        let fail = |reason: &str| Error::Set { reason: reason.to_owned() };
        let (name, value) = flag.split_once('=').ok_or_else(|| fail("it has no `=`"))?;
        let (target, name) = match name.rsplit_once("::") {
            Some((pattern, name)) => {
                (Target::parse(pattern).map_err(|reason| Error::Set { reason })?, name)
            }
            None => (Target::Any, name),
        };
        if name.is_empty() {
            return Err(fail("it names no setting"));
        }
        let value = SettingValue::Text(value.to_owned());
        self.settings.push(SettingRule { target, name: name.to_owned(), value });
        Ok(())
    }

    /// Sets how strictly components are held to their manifests.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = Some(mode);
    }

    /// How strictly components are held to their manifests.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or_default()
    }

    /// Caps the limit `name` at `value`; a lower ceiling that is there stays.
    pub fn ceiling(&mut self, name: LimitName, value: u64) {
        let ceiling = self.ceilings.entry(name).or_insert(value);
        *ceiling = value.min(*ceiling);
    }

    /// Adds all of `other`: its rules and settings are the stronger ones, of two ceilings the lower
    /// holds.
    pub fn merge(&mut self, other: Self) {
        self.rules.extend(other.rules);
        self.settings.extend(other.settings);
        self.private.extend(other.private);
        self.mode = other.mode.or(self.mode);
        for (name, value) in other.ceilings {
            self.ceiling(name, value);
        }
        for approval in other.approvals.all() {
            self.approvals.accept(approval.clone());
        }
    }

    /// The ceilings in force.
    #[must_use]
    pub fn ceilings(&self) -> Limits {
        let mut limits = Limits::default();
        for &(name, _, default) in LIMITS {
            let ceiling = self.ceilings.get(&name).copied();
            limits.set(name, ceiling.unwrap_or(default.saturating_mul(CEILING_FACTOR)));
        }
        limits
    }

    /// The digest of what the policy means: the same whether a rule came from a file or a flag.
    /// Values of settings are left out, since a secret could be guessed against it; those that are
    /// not secret are in the record of the grant.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|r| json!([r.target.to_string(), r.scope, r.parameter.meaning()]))
            .collect();
        let settings: BTreeSet<_> =
            self.settings.iter().map(|s| (s.target.to_string(), s.name.as_str())).collect();
        let private: Vec<_> =
            self.private.iter().map(|p| json!([p.target.to_string(), p.host])).collect();
        let mut meaning =
            json!({"rules": rules, "settings": settings, "ceilings": self.ceilings()});
        // Left out where they are not used, so that policies keep their digests.
        if !private.is_empty() {
            meaning["private"] = json!(private);
        }
        if self.mode() != Mode::Enforce {
            meaning["mode"] = json!(self.mode());
        }
        if !self.approvals.all().is_empty() {
            meaning["approvals"] = json!(self.approvals.all());
        }
        let mut hasher = Hasher::new();
        hasher.update(b"longshore policy v1\n");
        hasher.update(
            &canonical::to_vec(&meaning).expect("rules, names and numbers have a JSON form"),
        );
        hasher.finish()
    }
}

fn policy(root: &Table<'_>, file: &str) -> Policy {
    root.only(&["version", "mode", "allow", "settings", "ceilings"]);
    if let Some(item) = root.need("version")
        && item.positive().is_some_and(|version| version != 1)
    {
        item.fail("this version of Longshore reads policies of version 1");
    }
    let mode = root.get("mode").and_then(|item| item.parsed());
    let mut policy = Policy { mode, ..Policy::default() };
    for table in root.tables("allow") {
        let (rules, private) = allow(&table, file);
        policy.rules.extend(rules);
        policy.private.extend(private);
    }
    for (pattern, item) in root.table("settings").map(|t| t.entries()).unwrap_or_default() {
        policy.settings.extend(settings(pattern, &item));
    }
    policy.ceilings = root.table("ceilings").map(|t| read_limits(&t)).unwrap_or_default();
    policy
}

fn settings(pattern: &str, item: &Item<'_>) -> Vec<SettingRule> {
    let target = match Target::parse(pattern) {
        Ok(Target::Any) => {
            Err("settings belong to one component: name it instead of `*`".to_owned())
        }
        other => other,
    };
    let target = match target {
        Ok(target) => target,
        Err(why) => {
            item.fail_key(why, None);
            return Vec::new();
        }
    };
    let values = item.table().map(|table| table.entries()).unwrap_or_default();
    let rule = |(name, item): (&str, Item<'_>)| {
        let value = SettingValue::Typed(item.json()?);
        Some(SettingRule { target: target.clone(), name: name.to_owned(), value })
    };
    values.into_iter().filter_map(rule).collect()
}

fn allow(table: &Table<'_>, file: &str) -> (Vec<Rule>, Vec<Private>) {
    let kinds = CapabilityKind::ALL.map(CapabilityKind::as_str);
    let known: Vec<_> = ["component", "private"].into_iter().chain(kinds).collect();
    table.only(&known);
    let target = match table.get("component") {
        Some(item) => match item.string().and_then(|text| item.check(Target::parse(text))) {
            Some(target) => target,
            // The mistake is reported; the policy as a whole is refused.
            None => return Default::default(),
        },
        None => Target::Any,
    };
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let rule = |line: usize, scope: Scope, parameter| Rule {
        target: target.clone(),
        scope,
        parameter,
        origin: format!("{name}:{line}"),
    };
    let mut rules = Vec::new();
    for kind in CapabilityKind::ALL {
        let key = kind.as_str();
        match kind {
            CapabilityKind::Clock | CapabilityKind::Random => {
                if let Some(item) = table.get(key)
                    && let Some(parameter) = mode(kind, &item)
                    && let Ok(scope) = Scope::of(kind, None)
                {
                    rules.push(rule(item.line(), scope, parameter));
                }
            }
            CapabilityKind::Dir => {
                for table in table.tables(key) {
                    if let Some((scope, host)) = dir(&table) {
                        let folder = Parameter::Folder(beside(file, &host));
                        rules.push(rule(table.line(), scope, folder));
                    }
                }
            }
            CapabilityKind::Exec => {
                for item in table.strings(key) {
                    let read = item.string().and_then(|text| item.check(read_exec(text)));
                    if let Some((scope, parameter)) = read {
                        rules.push(rule(item.line(), scope, parameter));
                    }
                }
            }
            _ => {
                for item in table.strings(key) {
                    let Some(text) = item.string() else { continue };
                    if kind == CapabilityKind::Env && item.check(check_env_name(text)).is_none() {
                        continue;
                    }
                    let scope = Scope::of(kind, Some(text)).map_err(|why| why.to_string());
                    if let Some(scope) = item.check(scope) {
                        rules.push(rule(item.line(), scope, Parameter::None));
                    }
                }
            }
        }
    }
    let private = private(table, &target, name);
    // Not where a misspelt key is why: that mistake is told.
    if rules.is_empty() && private.is_empty() && table.is_sound() {
        table.fail("this `[[allow]]` allows nothing");
    }
    (rules, private)
}

fn private(table: &Table<'_>, target: &Target, file: &str) -> Vec<Private> {
    let read = |item: Item<'_>| {
        let host = item.check(private_host(item.string()?))?;
        let origin = format!("{file}:{}", item.line());
        Some(Private { target: target.clone(), host, origin })
    };
    table.strings("private").into_iter().filter_map(read).collect()
}

/// `true`, or the mode of clocks or entropy; nothing for `false`.
fn mode(kind: CapabilityKind, item: &Item<'_>) -> Option<Parameter> {
    match item.json() {
        Some(Value::String(text)) => item.check(Parameter::read_mode(kind, &text)),
        _ => item.boolean()?.then_some(Parameter::None),
    }
}

fn dir(table: &Table<'_>) -> Option<(Scope, String)> {
    table.only(&["guest", "host", "access"]);
    let guest = table.need("guest").and_then(|item| {
        let path = item.string()?;
        item.check(check_guest_path(path))?;
        Some(path.to_owned())
    });
    let host = table.need("host").and_then(|item| {
        let host = item.string()?;
        item.check(check_host(host))?;
        Some(host.to_owned())
    });
    let access = match table.get("access") {
        Some(item) => read_access(&item),
        None => Some(longshore_model::Access::ReadOnly),
    };
    Some((Scope::Dir { path: guest?, access: access? }, host?))
}
