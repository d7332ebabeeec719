//! What a component is granted: each of its requests put to the policies, and nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longshore_model::{CapabilityKind, HostPattern, LIMITS, Limits, Scope};
use longshore_reference::{Request, SettingsError, SettingsSchema};
use serde_json::Value;

use crate::cedar::{Effect, Statement, Written};
use crate::grant::Asker;
use crate::hint;
use crate::needs::guarded;
use crate::policy::SettingValue;
use crate::rule::Target;
use crate::{
    Denial, Grant, Granted, Hint, Lowered, Mode, Needs, Parameter, Policy, Principal, Refusal, Role,
};

impl Policy {
    /// Decides what the component of `needs` is granted.
    ///
    /// With a manifest, each of its requests is put to the policies. Without one, what the policies
    /// that are for it name is what is asked for, as far as the component's imports can use it: for
    /// the root all of them, for a dependency only those that name it. Of two folders for one guest
    /// path the one of the policy that names the component is taken, then of the later.
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

/// How many policies a sentence names.
const NAMED: usize = 3;

/// One component before the policy.
struct Case<'c> {
    policy: &'c Policy,
    needs: &'c Needs,
    principal: Principal,
}

impl<'c> Case<'c> {
    fn new(policy: &'c Policy, needs: &'c Needs) -> Self {
        let principal = Principal::new(needs, &policy.circumstances().tenant);
        Self { policy, needs, principal }
    }

    /// The policies that permit and are for it, the weakest first.
    fn permits(&self) -> Vec<&'c Statement> {
        let for_it = |statement: &&Statement| statement.is_permit_for(&self.principal);
        let mut permits: Vec<_> =
            self.policy.statements().iter().map(|statement| &**statement).filter(for_it).collect();
        permits.sort_by_key(|statement| statement.who.is_some());
        permits
    }

    fn requests(&self) -> Vec<Request> {
        if let Some(manifest) = &self.needs.manifest {
            return manifest.requests.clone();
        }
        let mut requests: Vec<Request> = Vec::new();
        for statement in self.permits() {
            for scope in statement.names().filter(|scope| self.needs.uses(scope.kind())) {
                if requests.iter().any(|request| request.scope == scope) {
                    continue;
                }
                // What a condition holds back was not meant for it, and is not missed.
                let decision = self.policy.judge(&self.principal, &scope);
                if decision.permits() || !decision.forbidden_by.is_empty() {
                    let (reason, optional) = (String::new(), false);
                    requests.push(Request { scope, reason, optional, idempotency_key: false });
                }
            }
        }
        requests
    }

    /// Adds to `grant` what is permitted of `wanted`; whether that is anything.
    fn meet(&self, wanted: &Scope, grant: &mut Grant) -> bool {
        let decision = self.policy.judge(&self.principal, wanted);
        let mut met = false;
        for part in &decision.permitted {
            // Two requests for one guest path: the later one's folder takes the place.
            if let Scope::Dir { path, .. } = &part.scope {
                grant
                    .scopes
                    .retain(|g| !matches!(&g.scope, Scope::Dir { path: own, .. } if own == path));
            }
            let Some(parameter) = self.behind(&part.scope, &part.parameter) else { continue };
            met = true;
            let new = Granted {
                scope: part.scope.clone(),
                parameter,
                named: part.named,
                asked: true,
                rule: part.rule(),
            };
            match grant.scopes.iter_mut().find(|old| old.scope == new.scope) {
                Some(old) if new.named && !old.named => *old = new,
                Some(_) => {}
                None => grant.scopes.push(new),
            }
        }
        met
    }

    /// What stands behind `scope`; none where the operator does not say where a secret is kept.
    fn behind(&self, scope: &Scope, parameter: &Parameter) -> Option<Parameter> {
        match scope {
            Scope::Secret(name) | Scope::Reveal(name) => {
                self.policy.secrets.get(name).cloned().map(Parameter::Secret)
            }
            _ => Some(parameter.clone()),
        }
    }

    /// That a secret is allowed, but the policy does not say where it is kept.
    fn unkept(&self, scope: &Scope) -> Option<String> {
        let (Scope::Secret(name) | Scope::Reveal(name)) = scope else { return None };
        let allowed = self.policy.judge(&self.principal, scope).permits();
        allowed.then(|| format!("no `[secrets.{name}]` and no `--secret` say where it is kept"))
    }

    /// The names that may lead to private addresses, with the rules that say so.
    fn private(&self) -> Vec<(HostPattern, String)> {
        let for_it = self.policy.private.iter().filter(|rule| rule.target.matches(self.needs));
        for_it.map(|rule| (rule.host.clone(), rule.origin.clone())).collect()
    }

    /// Adds what the operator allows and the manifest does not ask for, each marked so.
    fn count(&self, grant: &mut Grant) {
        let permits = self.permits();
        let named = permits.iter().rev().flat_map(|statement| statement.names());
        for scope in named.filter(|scope| self.needs.uses(scope.kind())) {
            for part in &self.policy.judge(&self.principal, &scope).permitted {
                let taken =
                    grant.scopes.iter().any(|granted| match (&granted.scope, &part.scope) {
                        // One folder for each guest path, one access for each store: what was asked for
                        // stays.
                        (Scope::Dir { path: a, .. }, Scope::Dir { path: b, .. })
                        | (Scope::Keyvalue { name: a, .. }, Scope::Keyvalue { name: b, .. })
                        | (Scope::Blobstore { name: a, .. }, Scope::Blobstore { name: b, .. }) => {
                            a == b
                        }
                        (granted, allowed) => allowed.is_within(granted),
                    });
                if !taken && let Some(parameter) = self.behind(&part.scope, &part.parameter) {
                    grant.scopes.push(Granted {
                        scope: part.scope.clone(),
                        parameter,
                        named: part.named,
                        asked: false,
                        rule: part.rule(),
                    });
                }
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
                None => (self.refused_by(kind, &[]), self.operator(&stand_in(kind))),
            };
            let import = Some(import.clone());
            denials.push(Denial {
                capability: kind,
                import,
                scope: None,
                reason: None,
                rule,
                forbidden_by: Vec::new(),
                hint,
            });
        }
    }

    fn denial(&self, request: &Request) -> Denial {
        let capability = request.scope.kind();
        let decision = self.policy.judge(&self.principal, &request.scope);
        let forbidden_by: Vec<_> = decision.forbidden_by.iter().map(|id| id.to_string()).collect();
        let (rule, hint) = match forbidden_by.as_slice() {
            [] => (self.refused_by(capability, &decision.partly), self.operator(&request.scope)),
            policies => {
                let named: Vec<_> = policies.iter().map(|id| format!("`{id}`")).collect();
                let rule = format!("forbidden by {}", named.join(", "));
                (rule, Hint::Forbidden { policies: forbidden_by.clone() })
            }
        };
        Denial {
            capability,
            import: self.needs.import_of(capability).map(str::to_owned),
            scope: Some(request.scope.clone()),
            reason: Some(request.reason.clone()),
            rule: self.unkept(&request.scope).unwrap_or(rule),
            forbidden_by,
            hint,
        }
    }

    /// The policies that came nearest; `partly` are those that would permit a part.
    fn refused_by(&self, kind: CapabilityKind, partly: &[Arc<str>]) -> String {
        let near = |statement: &&Statement| match &statement.source {
            Written::Rule(rule) => rule.scope.kind() == kind,
            Written::Cedar(_) => partly.contains(&statement.id),
        };
        let words = self.permits().into_iter().filter(near).take(NAMED).map(|statement| {
            match &statement.source {
                Written::Rule(rule) => format!("`{}` allows only `{}`", rule.origin, rule.scope),
                Written::Cedar(_) => format!("`{}` permits only a part of it", statement.id),
            }
        });
        let words: Vec<_> = words.collect();
        if !words.is_empty() {
            return words.join(", ");
        }
        let of_kind = |statement: &&Arc<Statement>| match &statement.source {
            Written::Rule(rule) => rule.scope.kind() == kind,
            Written::Cedar(_) => {
                statement.kinds.has(kind)
                    && statement.effect == Effect::Permit
                    && !statement.is_permit_for(&self.principal)
            }
        };
        match self.policy.statements().iter().find(of_kind) {
            Some(other) => match &other.who {
                None => format!(
                    "`{}` names no component; a dependency without a manifest must be named",
                    other.id
                ),
                Some(group) => format!("`{}` is for `{}` only", other.id, group.pattern()),
            },
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
