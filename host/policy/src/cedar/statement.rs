//! A policy as it is decided by: compiled once, from Cedar or straight from a rule.

use std::sync::Arc;

use cedar_policy_core::ast::{
    ActionConstraint, EntityReference, EntityUID, PrincipalOrResourceConstraint, Template,
};
use longshore_model::Scope;

use super::condition::{self, Condition, Misnamed, eid};
use super::principal::Group;
use super::{Facts, Kinds, Truth, resource, write};
use crate::rule::{Parameters, Rule};

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
    pub(crate) parameters: Parameters,
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
            && self.parameters == other.parameters
    }
}

impl Statement {
    /// A rule as a policy, without a detour over text.
    pub(crate) fn of_rule(rule: Rule) -> Self {
        Self {
            id: rule.origin.as_str().into(),
            effect: Effect::Permit,
            kinds: Kinds::one(rule.scope.kind()),
            who: Group::of_target(&rule.target),
            condition: Condition::Within(rule.scope.clone()),
            proposes: vec![rule.scope.clone()],
            parameters: rule.parameters.clone(),
            source: Written::Rule(Arc::new(rule)),
        }
    }

    /// Compiles what Cedar has read and validated; its annotations are read by the caller.
    pub(crate) fn compile(template: &Template) -> Result<Self, Misnamed> {
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
        let proposes = scopes.into_iter().cloned().collect();
        Ok(Self {
            id: template.id().to_string().into(),
            effect,
            kinds,
            who,
            condition,
            proposes,
            parameters: Parameters::default(),
            source: Written::Cedar("".into()),
        })
    }

    /// What it says of everything that the facts are about.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Truth {
        if !self.kinds.has(facts.kind)
            || self.who.as_ref().is_some_and(|group| !facts.principal.is_in(group))
        {
            return Truth::No;
        }
        self.condition.holds(facts)
    }

    /// Whether it names one host itself, and that host is the one of `scope`: only then may what it
    /// permits lead to a private address.
    pub(crate) fn names_host_of(&self, scope: &Scope) -> bool {
        self.proposes.iter().any(|own| {
            resource::is_exact(own) && resource::within(scope, own) == Truth::Yes
        })
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
