//! The operator's side: rules, settings and ceilings, read from a policy file and from flags. It
//! decides nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use longshore_model::{CapabilityKind, LIMITS, LimitName, Limits, Scope, Timestamp};
use longshore_reference::authored::{Item, Table, read};
use longshore_reference::{
    Digest, Hasher, canonical, check_env_name, check_guest_path, read_access, read_limits,
};
use serde_json::{Value, json};

use crate::cedar::{
    self, Circumstances, Decision, Effect, Environment, Finding, Group, Kept, Principal, Statement,
    Written,
};
use crate::parameter::read_exec;
use crate::profile;
use crate::rule::{Private, Rule, Target, beside, check_host, private_host};
use crate::{Approvals, Error, Mode, Parameter, SecretBinding, secret};

/// The largest policy file that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Where the operator sets no ceiling, a manifest may raise a limit to this many times its default.
pub const CEILING_FACTOR: u64 = 4;

/// What an operator allows. The default allows nothing.
#[derive(Clone, Default, PartialEq)]
pub struct Policy {
    /// In the order of their strength: the later is the stronger.
    statements: Arc<Vec<Arc<Statement>>>,
    kept: Arc<Kept>,
    circumstances: Circumstances,
    /// What the circumstances are remembered by.
    under: OnceLock<Digest>,
    pub(crate) settings: Vec<SettingRule>,
    pub(crate) secrets: BTreeMap<String, Arc<SecretBinding>>,
    pub(crate) private: Vec<Private>,
    mode: Option<Mode>,
    ceilings: BTreeMap<LimitName, u64>,
    pub(crate) approvals: Approvals,
}

/// A policy as it is shown.
#[derive(Clone, Debug)]
pub struct Entry<'p> {
    /// What decisions call it.
    pub id: &'p str,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// For whom it is and what about, in a few words.
    pub summary: String,
    /// Its text in Cedar.
    pub cedar: String,
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
            .field("policies", &self.statements)
            .field("circumstances", &self.circumstances)
            .field("settings", &settings)
            .field("secrets", &self.secrets.keys())
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

    /// Reads policies in Cedar; `file` is its name for messages, and host folders are relative to
    /// its folder.
    ///
    /// # Errors
    ///
    /// The first mistake in the text; [`Policy::examine`] tells them all.
    pub fn from_cedar(text: &str, file: &str) -> Result<Self, Error> {
        let (statements, findings) = cedar::read(text, file);
        let mistake =
            |finding| if let Finding::Mistake(error) = finding { Some(error) } else { None };
        if let Some(error) = findings.into_iter().find_map(mistake) {
            return Err(error);
        }
        let mut policy = Self::default();
        policy.add(statements);
        Ok(policy)
    }

    /// Reads a policy file in Cedar or TOML, as its name says, and tells everything that is found in
    /// it: with a mistake, what is left is not to be used.
    #[must_use]
    pub fn examine(text: &str, file: &str) -> (Self, Vec<Finding>) {
        if file.ends_with(".cedar") {
            let (statements, findings) = cedar::read(text, file);
            let mut policy = Self::default();
            policy.add(statements);
            return (policy, findings);
        }
        match Self::from_toml(text, file) {
            Ok(policy) => (policy, Vec::new()),
            Err(error) => (Self::default(), vec![Finding::Mistake(error)]),
        }
    }

    /// The policies that are shipped for `environment`; it is what the host is for, too.
    #[must_use]
    pub fn profile(environment: Environment) -> Self {
        profile::policy(environment)
    }

    /// Decides under these circumstances from now on.
    pub fn set_circumstances(&mut self, circumstances: Circumstances) {
        self.circumstances = circumstances;
        self.under = OnceLock::new();
    }

    /// Decides for data with this label from now on.
    pub fn set_label(&mut self, label: impl Into<String>) {
        self.circumstances.label = label.into();
        self.under = OnceLock::new();
    }

    /// Decides as of `now` from now on.
    pub fn set_time(&mut self, now: Timestamp) {
        self.circumstances.time = now;
        self.under = OnceLock::new();
    }

    /// The circumstances under which it decides.
    #[must_use]
    pub const fn circumstances(&self) -> &Circumstances {
        &self.circumstances
    }

    /// How many policies there are; a rule of a flag or a TOML file is one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The policies, the weakest first.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.statements.iter().map(|statement| Entry {
            id: &statement.id,
            effect: match statement.effect {
                Effect::Permit => "permit",
                Effect::Forbid => "forbid",
            },
            summary: statement.summary(),
            cedar: statement.to_cedar(),
        })
    }

    pub(crate) fn statements(&self) -> &[Arc<Statement>] {
        &self.statements
    }

    /// Decides one request of `principal`. The same question is decided once and then remembered.
    #[must_use]
    pub fn judge(&self, principal: &Principal, asked: &Scope) -> Arc<Decision> {
        let under = *self.under.get_or_init(|| {
            let timed = self.statements.iter().any(|statement| statement.reads_time());
            self.circumstances.identity(timed)
        });
        self.kept
            .or_decide((principal.identity(), under), asked, || self.judge_anew(principal, asked))
    }

    /// As [`Policy::judge`], remembering nothing.
    #[must_use]
    pub fn judge_anew(&self, principal: &Principal, asked: &Scope) -> Decision {
        let for_it = |rule: &&Private| match Group::of_target(&rule.target) {
            Some(group) => principal.is_in(&group),
            None => true,
        };
        let private = self.private.iter().filter(for_it).map(|rule| rule.host.clone());
        let private: Vec<_> = private.collect();
        cedar::judge(&self.statements, principal, &self.circumstances, &private, asked)
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
            Some(private) => {
                self.private.push(private?);
                self.kept = Arc::default();
            }
            None => self.add([Statement::of_rule(Rule::from_flag(flag)?)]),
        }
        Ok(())
    }

    fn add(&mut self, statements: impl IntoIterator<Item = Statement>) {
        Arc::make_mut(&mut self.statements).extend(statements.into_iter().map(Arc::new));
        self.kept = Arc::default();
        self.under = OnceLock::new();
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

    /// Adds the binding of a `--secret` flag: `NAME=SOURCE[@URL[#HEADER]]`, where the secret is kept and where it may be
    /// put. That it may be used at all takes a rule of its own, `secret=NAME`.
    ///
    /// # Errors
    ///
    /// [`Error::Secret`], without the text of the flag.
    pub fn secret_flag(&mut self, flag: &str) -> Result<(), Error> {
        let (name, binding) = secret::from_flag(flag).map_err(|reason| Error::Secret { reason })?;
        self.secrets.insert(name, Arc::new(binding));
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

    /// Adds all of `other` but its circumstances: its policies and settings are the stronger ones,
    /// of two ceilings the lower holds.
    pub fn merge(&mut self, other: Self) {
        if !other.statements.is_empty() {
            Arc::make_mut(&mut self.statements).extend(other.statements.iter().cloned());
            self.kept = Arc::default();
            self.under = OnceLock::new();
        }
        self.settings.extend(other.settings);
        if !other.private.is_empty() {
            self.private.extend(other.private);
            self.kept = Arc::default();
        }
        self.secrets.extend(other.secrets);
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
        let meaning = |statement: &Arc<Statement>| match &statement.source {
            Written::Rule(r) => json!([r.target.to_string(), r.scope, r.parameter.meaning()]),
            Written::Cedar(text) => json!([text]),
        };
        let rules: Vec<_> = self.statements.iter().map(meaning).collect();
        let settings: BTreeSet<_> =
            self.settings.iter().map(|s| (s.target.to_string(), s.name.as_str())).collect();
        let secrets: BTreeMap<_, _> =
            self.secrets.iter().map(|(name, binding)| (name, binding.meaning())).collect();
        let private: Vec<_> =
            self.private.iter().map(|p| json!([p.target.to_string(), p.host])).collect();
        let mut meaning =
            json!({"rules": rules, "settings": settings, "ceilings": self.ceilings()});
        // Left out where they are not used, so that policies keep their digests.
        let Circumstances { environment, label, tenant, .. } = &self.circumstances;
        if *environment != Environment::default() {
            meaning["environment"] = json!(environment.as_str());
        }
        for (name, text) in [("label", label), ("tenant", tenant)] {
            if !text.is_empty() {
                meaning[name] = json!(text);
            }
        }
        if !private.is_empty() {
            meaning["private"] = json!(private);
        }
        if !secrets.is_empty() {
            meaning["secrets"] = json!(secrets);
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
    root.only(&["version", "mode", "allow", "settings", "secrets", "ceilings"]);
    if let Some(item) = root.need("version")
        && item.positive().is_some_and(|version| version != 1)
    {
        item.fail("this version of Longshore reads policies of version 1");
    }
    let mode = root.get("mode").and_then(|item| item.parsed());
    let mut policy = Policy { mode, ..Policy::default() };
    for table in root.tables("allow") {
        let (rules, private) = allow(&table, file);
        policy.add(rules.into_iter().map(Statement::of_rule));
        policy.private.extend(private);
    }
    for (pattern, item) in root.table("settings").map(|t| t.entries()).unwrap_or_default() {
        policy.settings.extend(settings(pattern, &item));
    }
    if let Some(table) = root.table("secrets") {
        let bindings = secret::from_toml(&table, file).into_iter();
        policy.secrets = bindings.map(|(name, binding)| (name, Arc::new(binding))).collect();
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
