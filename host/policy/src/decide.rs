//! The decision itself: requested ∩ allowed, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::{CapabilityKind, HostPattern, LIMITS, Limits, Scope};
use longshore_reference::{Request, SettingsError, SettingsSchema};
use serde_json::Value;

use crate::grant::Asker;
use crate::hint;
use crate::needs::guarded;
use crate::policy::SettingValue;
use crate::rule::{Rule, Target};
use crate::{Denial, Grant, Granted, Hint, Lowered, Mode, Needs, Parameter, Policy, Refusal, Role};

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
    /// a guarded interface (clocks, randomness but `insecure-seed`, HTTP, keyvalue, blobstore,
    /// secrets, processes) that neither a grant nor an optional request explains, and the first setting that does not fit.
    pub fn decide(&self, needs: &Needs) -> Result<Grant, Refusal> {
        let case = Case::new(self, needs);
        let (limits, lowered) = self.limits(needs);
        let mut grant = Grant {
            component: needs.component,
            scopes: Vec::new(),
            settings: BTreeMap::new(),
            secrets: BTreeSet::new(),
            limits,
            lowered,
            private: case.private(),
            asker: Asker::of(needs),
        };
        let requests = case.requests();
        let mut denials = Vec::new();
        for request in &requests {
            if !case.meet(&request.scope, &mut grant) && !request.optional {
                denials.push(case.denial(request));
            }
        }
        if self.mode() == Mode::Count {
            case.count(&mut grant);
        }
        case.explain(&requests, &grant, &mut denials);
        // What was refused above is told once.
        let told = |held: &Denial| denials.iter().all(|denial| denial.scope != held.scope);
        let held: Vec<_> = self.held(needs).into_iter().filter(told).collect();
        denials.extend(held);
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

    /// Adds to `grant` what the rules allow of `wanted`; whether that is anything.
    fn meet(&self, wanted: &Scope, grant: &mut Grant) -> bool {
        if wanted.may_be_narrowed() {
            return self.meet_in_parts(wanted, grant);
        }
        let Some(rule) = self.rules.iter().rev().find(|rule| wanted.is_within(&rule.scope)) else {
            return false;
        };
        let Some(parameter) = self.behind(wanted, rule) else { return false };
        // Two rules for one guest path: the stronger one's folder takes the place.
        if let Scope::Dir { path, .. } = wanted {
            grant
                .scopes
                .retain(|g| !matches!(&g.scope, Scope::Dir { path: own, .. } if own == path));
        }
        grant.scopes.push(Granted {
            scope: wanted.clone(),
            parameter,
            named: false,
            asked: true,
            rule: rule.origin.clone(),
        });
        true
    }

    /// What stands behind `scope`; none where the operator does not say.
    fn behind(&self, scope: &Scope, rule: &Rule) -> Option<Parameter> {
        match scope {
            Scope::Secret(name) | Scope::Reveal(name) => {
                self.policy.secrets.get(name).cloned().map(Parameter::Secret)
            }
            _ => Some(rule.parameter.clone()),
        }
    }

    fn meet_in_parts(&self, wanted: &Scope, grant: &mut Grant) -> bool {
        let mut any = false;
        for rule in &self.rules {
            let Some(scope) = wanted.intersect(&rule.scope) else { continue };
            any = true;
            let (named, parameter) = (rule.scope.names_one_host(), rule.parameter.clone());
            let rule = rule.origin.clone();
            let new = Granted { scope, parameter, named, asked: true, rule };
            match grant.scopes.iter_mut().find(|old| old.scope == new.scope) {
                Some(old) if new.named && !old.named => *old = new,
                Some(_) => {}
                None => grant.scopes.push(new),
            }
        }
        any
    }

    /// The names that may lead to private addresses, with the rules that say so.
    fn private(&self) -> Vec<(HostPattern, String)> {
        let for_it = self.policy.private.iter().filter(|rule| rule.target.matches(self.needs));
        for_it.map(|rule| (rule.host.clone(), rule.origin.clone())).collect()
    }

    /// Adds what the operator allows and the manifest does not ask for, each marked so.
    fn count(&self, grant: &mut Grant) {
        for rule in self.rules.iter().rev() {
            let taken = grant.scopes.iter().any(|granted| match (&granted.scope, &rule.scope) {
                // One folder for each guest path, one access for each store: what was asked for stays.
                (Scope::Dir { path: a, .. }, Scope::Dir { path: b, .. })
                | (Scope::Keyvalue { name: a, .. }, Scope::Keyvalue { name: b, .. })
                | (Scope::Blobstore { name: a, .. }, Scope::Blobstore { name: b, .. }) => a == b,
                (granted, allowed) => allowed.is_within(granted),
            });
            if !taken
                && self.needs.uses(rule.scope.kind())
                && let Some(parameter) = self.behind(&rule.scope, rule)
            {
                grant.scopes.push(Granted {
                    scope: rule.scope.clone(),
                    parameter,
                    named: rule.scope.names_one_host(),
                    asked: false,
                    rule: rule.origin.clone(),
                });
            }
        }
    }

    /// Denies every guarded import that neither the grant, nor an optional request, nor an earlier
    /// denial explains.
    fn explain(&self, requests: &[Request], grant: &Grant, denials: &mut Vec<Denial>) {
        let mut seen = BTreeSet::new();
        for import in &self.needs.imports {
            let Some(kind) = guarded(import) else { continue };
            let serves = |own: CapabilityKind| {
                own == kind || (own, kind) == (CapabilityKind::Reveal, CapabilityKind::Secret)
            };
            let granted = grant.scopes.iter().any(|granted| serves(granted.scope.kind()));
            let asked = requests.iter().any(|request| serves(request.scope.kind()));
            if granted || asked || !seen.insert(kind) {
                continue;
            }
            let (rule, hint) = match self.needs.manifest {
                Some(_) => ("its manifest does not ask for it".to_owned(), hint::author(kind)),
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
            rule: self.unkept(&request.scope).unwrap_or_else(|| self.refused_by(capability)),
            hint: self.operator(&request.scope),
        }
    }

    /// That a secret is allowed, but the policy does not say where it is kept.
    fn unkept(&self, scope: &Scope) -> Option<String> {
        let (Scope::Secret(name) | Scope::Reveal(name)) = scope else { return None };
        let allowed = self.rules.iter().any(|rule| scope.is_within(&rule.scope));
        allowed.then(|| format!("no `[secrets.{name}]` and no `--secret` say where it is kept"))
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
        let mut hint = hint::operator(scope, &self.needs.role, &self.needs.pattern());
        if let (Scope::Secret(name) | Scope::Reveal(name), Hint::Operator { policy, .. }) =
            (scope, &mut hint)
            && !self.policy.secrets.contains_key(name)
        {
            policy.push_str(&hint::kept(name));
        }
        hint
    }
}

/// The scope to suggest where none was asked for; its upper-case words stand for what the operator
/// puts there.
fn stand_in(kind: CapabilityKind) -> Scope {
    let value = match kind {
        CapabilityKind::Http => Some("https://HOST"),
        CapabilityKind::Keyvalue | CapabilityKind::Blobstore => Some("default:rw"),
        CapabilityKind::Secret => Some("name"),
        CapabilityKind::Exec => Some("PROGRAM"),
        _ => None,
    };
    Scope::of(kind, value).unwrap_or(Scope::Clock)
}
