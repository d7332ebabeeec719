//! A policy as it is decided by: compiled once, from Cedar or straight from a rule.

use std::sync::Arc;

use cedar_policy_core::ast::{
    ActionConstraint, EntityReference, EntityUID, PrincipalOrResourceConstraint, Template,
};
use longshore_model::{CapabilityKind, Scope};

use super::condition::{self, Condition, Misnamed, eid};
use super::facts::Attribute;
use super::principal::Group;
use super::{Facts, Kinds, Principal, Truth, parameter, propose, resource, write};
use crate::Parameter;
use crate::rule::Rule;

/// Whether a policy permits or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Permit,
    Forbid,
}

/// A policy.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// What it is called in decisions: its `@id`, the flag, or the file's name and the line.
    pub(crate) id: Arc<str>,
    pub(crate) effect: Effect,
    /// The kinds that it may be about.
    pub(crate) kinds: Kinds,
    /// The group that its head names.
    pub(crate) who: Option<Group>,
    /// Everything else that must hold.
    pub(crate) condition: Condition,
    /// The scopes that a request may be narrowed to: what it names with `in`, and its `@scope`.
    pub(crate) proposes: Vec<Scope>,
    /// What comes with the permission: the host's folder, and so on.
    pub(crate) parameter: Parameter,
    /// Its text.
    pub(crate) source: Written,
}

/// Where a policy was written.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// As a flag or in a TOML file.
    Rule(Arc<Rule>),
    /// In Cedar.
    Cedar(Arc<str>),
}

/// The same decisions: ids and texts may differ.
impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.effect == other.effect
            && self.kinds == other.kinds
            && self.who == other.who
            && self.condition == other.condition
            && self.proposes == other.proposes
            && self.parameter == other.parameter
    }
}

impl Statement {
    /// A rule as a policy, without a detour over text.
    pub(crate) fn of_rule(rule: Rule) -> Self {
        let (condition, proposes) = match resource::value(&rule.scope) {
            Some(_) => (Condition::Within(rule.scope.clone()), vec![rule.scope.clone()]),
            None => (Condition::Always(true), Vec::new()),
        };
        Self {
            id: rule.origin.as_str().into(),
            effect: Effect::Permit,
            kinds: Kinds::one(rule.scope.kind()),
            who: Group::of_target(&rule.target),
            condition,
            proposes,
            parameter: rule.parameter.clone(),
            source: Written::Rule(Arc::new(rule)),
        }
    }

    /// Compiles what Cedar has read and validated; its annotations are read by the caller.
    pub(crate) fn compile(template: &Template) -> Result<Self, Box<Misnamed>> {
        let mut who = None;
        let mut condition = Condition::Always(true);
        match template.principal_constraint().as_inner() {
            PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_) => {}
            PrincipalOrResourceConstraint::In(of)
            | PrincipalOrResourceConstraint::Eq(of)
            | PrincipalOrResourceConstraint::IsIn(_, of) => {
                if let EntityReference::EUID(uid) = of {
                    who = Some(Group::read(uid)?);
                }
            }
        }
        let mut kinds = kinds(template.action_constraint());
        match template.resource_constraint().as_inner() {
            PrincipalOrResourceConstraint::Any => {}
            PrincipalOrResourceConstraint::Is(kind) => {
                kinds = kinds.and(resource::kind_of_type(&kind.to_string()));
            }
            PrincipalOrResourceConstraint::In(EntityReference::EUID(uid))
            | PrincipalOrResourceConstraint::IsIn(_, EntityReference::EUID(uid)) => {
                condition = condition.and(condition::within(uid)?);
            }
            PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid)) => {
                condition = condition.and(condition::same(uid)?);
            }
            _ => {}
        }
        if let Some(expr) = template.non_scope_constraints() {
            condition = condition.and(Condition::compile(expr)?);
        }
        let effect = match template.effect() {
            cedar_policy_core::ast::Effect::Permit => Effect::Permit,
            cedar_policy_core::ast::Effect::Forbid => Effect::Forbid,
        };
        let mut scopes = Vec::new();
        condition.scopes(&mut scopes);
        let mut proposes: Vec<Scope> = scopes.into_iter().cloned().collect();
        if effect == Effect::Permit {
            proposes.extend(propose::scopes(&condition, kinds));
        }
        Ok(Self {
            id: template.id().to_string().into(),
            effect,
            kinds,
            who,
            condition,
            proposes,
            parameter: Parameter::None,
            source: Written::Cedar("".into()),
        })
    }

    /// Whether its head lets it be about a request of that kind by `principal`.
    pub(crate) fn concerns(&self, kind: CapabilityKind, principal: &Principal) -> bool {
        self.kinds.has(kind) && self.who.as_ref().is_none_or(|group| principal.is_in(group))
    }

    /// Whether it permits something to `principal`. Who is not named, and says nothing itself, is
    /// permitted nothing.
    pub(crate) fn is_permit_for(&self, principal: &Principal) -> bool {
        self.effect == Effect::Permit
            && match &self.who {
                Some(group) => principal.is_in(group),
                None => !principal.is_anonymous(),
            }
    }

    /// What it says of everything that the facts are about; its head was asked before.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Truth {
        self.condition.holds(facts)
    }

    /// Whether it names one host itself, and that host is the one of `scope`: only then may what it
    /// permits lead to a private address.
    pub(crate) fn names_host_of(&self, scope: &Scope) -> bool {
        self.proposes.iter().any(|own| own.names_one_host() && scope.is_within(own))
    }

    /// Whether what it permits can be given: a folder of the guest needs one of the host.
    pub(crate) fn serves(&self, kind: CapabilityKind) -> bool {
        parameter::suffices(kind, &self.parameter)
    }

    /// What it names: asked for by a component that says nothing itself.
    pub(crate) fn names(&self) -> impl Iterator<Item = Scope> {
        let bare = [Scope::Clock, Scope::Random].into_iter();
        let bare = bare.filter(|scope| self.kinds.has(scope.kind()));
        bare.chain(self.proposes.iter().cloned())
    }

    /// Whether all that `permit` permits is forbidden by it, as far as their texts say it.
    pub(crate) fn shadows(&self, permit: &Self) -> bool {
        let who = self.who.is_none() || self.who == permit.who;
        who && permit.kinds.and(self.kinds) == permit.kinds
            && match (&self.condition, &permit.condition) {
                (Condition::Always(true), _) => true,
                (Condition::Within(forbidden), Condition::Within(own)) => own.is_within(forbidden),
                (forbidden, own) => forbidden == own,
            }
    }

    /// Whether it asks for the time.
    pub(crate) fn reads_time(&self) -> bool {
        self.condition.reads(Attribute::Time)
    }

    /// For whom it is and what about, in a few words.
    pub(crate) fn summary(&self) -> String {
        let who = self.who.as_ref().map_or_else(|| "every component".to_owned(), Group::to_string);
        let mut what: Vec<_> = self.proposes.iter().map(Scope::to_string).collect();
        if what.is_empty() {
            what = self.kinds.iter().map(|kind| kind.to_string()).collect();
            if self.kinds == Kinds::all() {
                what = vec!["everything".to_owned()];
            }
        }
        let more = match (&self.condition, self.proposes.len()) {
            (Condition::Always(_), _) | (Condition::Within(_), 1) => "",
            _ => ", where its condition holds",
        };
        format!("{who}: {}{more}", what.join(", "))
    }

    /// It as Cedar.
    pub(crate) fn to_cedar(&self) -> String {
        match &self.source {
            Written::Rule(rule) => write::rule(rule),
            Written::Cedar(text) => text.to_string(),
        }
    }
}

fn kinds(constraint: &ActionConstraint) -> Kinds {
    let of = |uid: &EntityUID| resource::kinds_of_action(eid(uid));
    match constraint {
        ActionConstraint::Any => Kinds::all(),
        ActionConstraint::Eq(uid) => of(uid),
        ActionConstraint::In(uids) => {
            uids.iter().fold(Kinds::default(), |kinds, uid| kinds.or(of(uid)))
        }
    }
}
