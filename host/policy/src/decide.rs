//! The decision itself: requested ∩ allowed, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::{Access, CapabilityKind, HttpScope, LIMITS, Limits, Scope};
use longshore_reference::{Request, SettingsError, SettingsSchema};
use serde_json::Value;

use crate::needs::guarded;
use crate::policy::SettingValue;
use crate::rule::{Rule, Target};
use crate::{Denial, DirGrant, Grant, Hint, HttpGrant, Lowered, Needs, Policy, Refusal, Role};

impl Policy {
    /// Decides what the component of `needs` is granted.
    ///
    /// With a manifest, each of its requests is met with the rules that are for the component.
    /// Without one, what the rules name is what is asked for, as far as the component's imports can
    /// use it: for the root all rules, for a dependency only those that name it. Of two folders for
    /// one guest path the one of the narrower rule is taken, then of the later.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with every request that is not optional and gets nothing, every import of
    /// `wasi:clocks`, `wasi:random` (but `insecure-seed`) and `wasi:http` that neither a grant nor
    /// an optional request explains, and the first setting that does not fit.
    pub fn decide(&self, needs: &Needs) -> Result<Grant, Refusal> {
        let case = Case::new(self, needs);
        let (limits, lowered) = self.limits(needs);
        let mut grant = Grant {
            component: needs.component,
            clock: None,
            random: None,
            env: BTreeMap::new(),
            dirs: Vec::new(),
            http: Vec::new(),
            settings: BTreeMap::new(),
            secrets: BTreeSet::new(),
            limits,
            lowered,
        };
        let requests = case.requests();
        let mut denials = Vec::new();
        for request in &requests {
            if !case.meet(&request.scope, &mut grant) && !request.optional {
                denials.push(case.denial(request));
            }
        }
        case.explain(&requests, &grant, &mut denials);
        let settings = match self.settings_of(needs) {
            Ok((settings, secrets)) => {
                (grant.settings, grant.secrets) = (settings, secrets);
                None
            }
            Err(error) => Some(error),
        };
        if denials.is_empty() && settings.is_none() {
            return Ok(grant);
        }
        Err(Refusal { component: needs.source.to_string(), denials, settings })
    }

    fn limits(&self, needs: &Needs) -> (Limits, Vec<Lowered>) {
        let wanted = needs.manifest.as_ref().map(|m| m.wanted_limits()).unwrap_or_default();
        let granted = wanted.min(&self.ceilings());
        let differs = |&(name, ..): &(_, _, _)| {
            let asked = needs.manifest.as_ref()?.limits.contains_key(&name);
            let (wanted, granted) = (wanted.get(name), granted.get(name));
            (asked && granted < wanted).then_some(Lowered { name, wanted, granted })
        };
        let lowered = LIMITS.iter().filter_map(differs).collect();
        (granted, lowered)
    }

    /// The settings in force and the names of the secret ones. A value without a pattern is for the
    /// root.
    fn settings_of(
        &self,
        needs: &Needs,
    ) -> Result<(BTreeMap<String, Value>, BTreeSet<String>), SettingsError> {
        let none = SettingsSchema::default();
        let schema = needs.manifest.as_ref().map_or(&none, |manifest| &manifest.settings);
        let mut values = BTreeMap::new();
        for rule in &self.settings {
            let for_it = match rule.target {
                Target::Any => needs.role == Role::Root,
                ref target => target.matches(needs),
            };
            if for_it {
                values.insert(rule.name.clone(), &rule.value);
            }
        }
        let mut typed = BTreeMap::new();
        for (name, value) in values {
            let value = match value {
                SettingValue::Typed(value) => value.clone(),
                SettingValue::Text(text) => schema.read(&name, text)?,
            };
            typed.insert(name, value);
        }
        let secrets = schema.iter().filter(|(_, s)| s.secret).map(|(n, _)| n.to_owned()).collect();
        Ok((schema.resolve(&typed)?, secrets))
    }
}

/// One component before the policy.
struct Case<'c> {
    policy: &'c Policy,
    needs: &'c Needs,
    /// The rules that are for it, weakest first.
    rules: Vec<&'c Rule>,
}

impl<'c> Case<'c> {
    fn new(policy: &'c Policy, needs: &'c Needs) -> Self {
        let anonymous = needs.manifest.is_none() && needs.role != Role::Root;
        let for_it =
            |rule: &&Rule| rule.target.matches(needs) && !(anonymous && rule.target == Target::Any);
        let mut rules: Vec<_> = policy.rules.iter().filter(for_it).collect();
        rules.sort_by_key(|rule| rule.target != Target::Any);
        Self { policy, needs, rules }
    }

    fn requests(&self) -> Vec<Request> {
        if let Some(manifest) = &self.needs.manifest {
            return manifest.requests.clone();
        }
        let usable = self.rules.iter().filter(|rule| self.needs.uses(rule.scope.kind()));
        let request = |rule: &&Rule| Request {
            scope: rule.scope.clone(),
            reason: String::new(),
            optional: false,
        };
        usable.map(request).collect()
    }

    /// Adds to `grant` what the rules allow of `scope`; whether that is anything.
    fn meet(&self, scope: &Scope, grant: &mut Grant) -> bool {
        let same = || self.rules.iter().rev().find(|rule| rule.scope == *scope);
        match scope {
            Scope::Clock => same().map(|r| grant.clock = Some(r.origin.clone())).is_some(),
            Scope::Random => same().map(|r| grant.random = Some(r.origin.clone())).is_some(),
            Scope::Env(name) => {
                let rule = same();
                rule.map(|r| grant.env.insert(name.clone(), r.origin.clone())).is_some()
            }
            Scope::Dir { path, access } => self.meet_dir(path, *access, grant),
            Scope::Http(scope) => self.meet_http(scope, grant),
        }
    }

    fn meet_dir(&self, guest: &str, wanted: Access, grant: &mut Grant) -> bool {
        let serves = |rule: &&Rule| {
            let folder = rule.host.clone()?;
            match &rule.scope {
                Scope::Dir { path, access } if path == guest && *access >= wanted => {
                    Some((folder, rule.origin.clone()))
                }
                _ => None,
            }
        };
        let Some((host, rule)) = self.rules.iter().rev().find_map(serves) else { return false };
        grant.dirs.retain(|dir| dir.guest != guest);
        grant.dirs.push(DirGrant { guest: guest.to_owned(), host, access: wanted, rule });
        true
    }

    fn meet_http(&self, wanted: &HttpScope, grant: &mut Grant) -> bool {
        let mut any = false;
        for rule in &self.rules {
            let Scope::Http(allowed) = &rule.scope else { continue };
            let Some(scope) = wanted.intersect(allowed) else { continue };
            any = true;
            let new = HttpGrant { scope, exact: allowed.is_exact(), rule: rule.origin.clone() };
            match grant.http.iter_mut().find(|old| old.scope == new.scope) {
                Some(old) if new.exact && !old.exact => *old = new,
                Some(_) => {}
                None => grant.http.push(new),
            }
        }
        any
    }

    /// Denies every guarded import that neither the grant, nor an optional request, nor an earlier
    /// denial explains.
    fn explain(&self, requests: &[Request], grant: &Grant, denials: &mut Vec<Denial>) {
        let mut seen = BTreeSet::new();
        for import in &self.needs.imports {
            let Some(kind) = guarded(import) else { continue };
            let granted = match kind {
                CapabilityKind::Clock => grant.clock(),
                CapabilityKind::Random => grant.random(),
                CapabilityKind::Http => !grant.http.is_empty(),
                CapabilityKind::Env | CapabilityKind::Dir => true,
            };
            let asked = requests.iter().any(|request| request.scope.kind() == kind);
            if granted || asked || !seen.insert(kind) {
                continue;
            }
            let (rule, hint) = match self.needs.manifest {
                Some(_) => ("its manifest does not ask for it".to_owned(), author(kind)),
                None => (self.refused_by(kind), self.operator(&stand_in(kind))),
            };
            let import = Some(import.clone());
            denials.push(Denial {
                capability: kind,
                import,
                scope: None,
                reason: None,
                rule,
                hint,
            });
        }
    }

    fn denial(&self, request: &Request) -> Denial {
        let capability = request.scope.kind();
        Denial {
            capability,
            import: self.needs.import_of(capability).map(str::to_owned),
            scope: Some(request.scope.clone()),
            reason: Some(request.reason.clone()),
            rule: self.refused_by(capability),
            hint: self.operator(&request.scope),
        }
    }

    /// The rules that came nearest.
    fn refused_by(&self, kind: CapabilityKind) -> String {
        let of_kind = |rule: &&&Rule| rule.scope.kind() == kind;
        let near: Vec<_> = self.rules.iter().filter(of_kind).take(3).collect();
        if !near.is_empty() {
            let words = near.iter().map(|r| format!("`{}` allows only `{}`", r.origin, r.scope));
            return words.collect::<Vec<_>>().join(", ");
        }
        let other = self.policy.rules.iter().find(|rule| rule.scope.kind() == kind);
        match other {
            Some(Rule { origin, target: Target::Any, .. }) => {
                format!(
                    "`{origin}` names no component; \
                 a dependency without a manifest must be named"
                )
            }
            Some(rule) => format!("`{}` is for `{}` only", rule.origin, rule.target),
            None => "no rule allows it".to_owned(),
        }
    }

    fn operator(&self, scope: &Scope) -> Hint {
        let (argument, line) = match scope {
            Scope::Clock => ("clock".to_owned(), "clock = true".to_owned()),
            Scope::Random => ("random".to_owned(), "random = true".to_owned()),
            Scope::Env(name) => (format!("env={name}"), format!("env = [{}]", quoted(name))),
            Scope::Http(scope) => {
                (format!("http={scope}"), format!("http = [{}]", quoted(&scope.to_string())))
            }
            Scope::Dir { path, access } => {
                let (host, access) = (format!(".{path}"), access.as_str());
                let table = format!(
                    "dir = [{{ guest = {}, host = {}, access = \"{access}\" }}]",
                    quoted(path),
                    quoted(&host)
                );
                (format!("dir={path}={host}:{access}"), table)
            }
        };
        let flag = match &self.needs.role {
            Role::Root => argument,
            Role::Dependency { interface } => format!("{interface}::{argument}"),
        };
        let policy = format!("[[allow]]\ncomponent = {}\n{line}", quoted(&self.needs.pattern()));
        Hint::Operator { flag, policy }
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The scope to suggest where none was asked for.
fn stand_in(kind: CapabilityKind) -> Scope {
    match kind {
        CapabilityKind::Random => Scope::Random,
        CapabilityKind::Http => "https://HOST".parse().map_or(Scope::Clock, Scope::Http),
        CapabilityKind::Clock | CapabilityKind::Env | CapabilityKind::Dir => Scope::Clock,
    }
}

fn author(kind: CapabilityKind) -> Hint {
    let manifest = match kind {
        CapabilityKind::Http => {
            "[[capabilities.http]]\nscope = \"https://HOST\"\nreason = \"…\"".to_owned()
        }
        other => format!("[capabilities.{other}]\nreason = \"…\""),
    };
    Hint::Author { manifest }
}
