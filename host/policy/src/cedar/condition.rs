//! The conditions of policies, compiled once from Cedar's syntax tree, and what they say of all the
//! uses that a scope covers.
//!
//! What is commonly written (comparisons of attributes, membership, `like`) is evaluated here for
//! many uses at once. Whatever else a condition has is left to Cedar's evaluator, and fails where it
//! reads an attribute that is not the same for all of them.

use std::sync::Arc;

use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, Pattern, UnaryOp, Var};
use longshore_model::Scope;

use super::facts::{Attribute, Facts, Known};
use super::principal::Group;
use super::resource::kind_of_type;
use super::{Kinds, Truth};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// Holds always or never.
    Always(bool),
    /// Both hold.
    And(Box<(Condition, Condition)>),
    /// One of them holds.
    Or(Box<(Condition, Condition)>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The attribute is one of these texts.
    OneOf(Attribute, Vec<Arc<str>>),
    /// The attribute is like the pattern.
    Like(Attribute, Pattern),
    /// The attribute is this number.
    Number(Attribute, i64),
    /// The attribute is below this number, or that number itself where the flag says so.
    Below(Attribute, i64, bool),
    /// The attribute is true.
    Flag(Attribute),
    /// The principal is in the group.
    Who(Group),
    /// The resource is within the scope.
    Within(Scope),
    /// The resource is of one of these kinds.
    Kind(Kinds),
    /// Anything else, with what it reads of the resource.
    Cedar(Expr, Vec<Attribute>),
}

/// What is wrong with an entity that a condition names.
pub(crate) struct Misnamed {
    /// The entity.
    pub(crate) entity: EntityUID,
    /// What is wrong.
    pub(crate) reason: String,
    /// What to write instead.
    pub(crate) suggestion: Option<String>,
}

impl Condition {
    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Always(true), other) | (other, Self::Always(true)) => other,
            (one, other) => Self::And(Box::new((one, other))),
        }
    }

    /// Compiles an expression that Cedar's validator has found to be a condition.
    pub(crate) fn compile(expr: &Expr) -> Result<Self, Box<Misnamed>> {
        let both = |left: &Expr, right: &Expr| -> Result<_, Box<Misnamed>> {
            Ok((Self::compile(left)?, Self::compile(right)?))
        };
        Ok(match expr.expr_kind() {
            ExprKind::Lit(Literal::Bool(value)) => Self::Always(*value),
            ExprKind::And { left, right } => {
                let (left, right) = both(left, right)?;
                left.and(right)
            }
            ExprKind::Or { left, right } => Self::Or(Box::new(both(left, right)?)),
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => {
                Self::Not(Box::new(Self::compile(arg)?))
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                let test = Self::compile(test_expr)?;
                let (then, other) = both(then_expr, else_expr)?;
                let not = Self::Not(Box::new(test.clone()));
                Self::Or(Box::new((
                    Self::And(Box::new((test, then))),
                    Self::And(Box::new((not, other))),
                )))
            }
            ExprKind::Like { expr: of, pattern } => match attribute(of) {
                Some(attribute) => Self::Like(attribute, pattern.clone()),
                None => Self::cedar(expr)?,
            },
            ExprKind::GetAttr { .. } => match attribute(expr) {
                Some(attribute) => Self::Flag(attribute),
                None => Self::cedar(expr)?,
            },
            ExprKind::Is { expr: of, entity_type } if is(of, Var::Resource) => {
                Self::Kind(kind_of_type(&entity_type.to_string()))
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                Self::compare(*op, arg1, arg2)?.map_or_else(|| Self::cedar(expr), Ok)?
            }
            _ => Self::cedar(expr)?,
        })
    }

    fn compare(op: BinaryOp, left: &Expr, right: &Expr) -> Result<Option<Self>, Box<Misnamed>> {
        Ok(match op {
            BinaryOp::Eq => {
                let pair = match (attribute(left), attribute(right)) {
                    (Some(attribute), None) => Some((attribute, right)),
                    (None, Some(attribute)) => Some((attribute, left)),
                    _ => None,
                };
                match pair {
                    Some((attribute, value)) => Self::equals(attribute, value),
                    None if is(left, Var::Resource) => entity(right).map(same).transpose()?,
                    None if is(right, Var::Resource) => entity(left).map(same).transpose()?,
                    None => None,
                }
            }
            BinaryOp::Contains => {
                let Some(attribute) = attribute(right) else { return Ok(None) };
                texts(left).map(|texts| Self::OneOf(attribute, texts))
            }
            BinaryOp::Less => {
                match (attribute(left), number(right), number(left), attribute(right)) {
                    (Some(attribute), Some(bound), ..) => {
                        Some(Self::Below(attribute, bound, false))
                    }
                    (.., Some(bound), Some(attribute)) => {
                        Some(Self::Not(Box::new(Self::Below(attribute, bound, true))))
                    }
                    _ => None,
                }
            }
            BinaryOp::LessEq => {
                match (attribute(left), number(right), number(left), attribute(right)) {
                    (Some(attribute), Some(bound), ..) => Some(Self::Below(attribute, bound, true)),
                    (.., Some(bound), Some(attribute)) => {
                        Some(Self::Not(Box::new(Self::Below(attribute, bound, false))))
                    }
                    _ => None,
                }
            }
            BinaryOp::In => {
                let member: fn(&EntityUID) -> Result<Self, Box<Misnamed>> =
                    if is(left, Var::Resource) {
                        within
                    } else if is(left, Var::Principal) {
                        who
                    } else {
                        return Ok(None);
                    };
                let Some(groups) = entities(right) else { return Ok(None) };
                let mut any = Self::Always(false);
                for group in groups {
                    let one = member(group)?;
                    any = match any {
                        Self::Always(false) => one,
                        any => Self::Or(Box::new((any, one))),
                    };
                }
                Some(any)
            }
            _ => None,
        })
    }

    fn equals(attribute: Attribute, value: &Expr) -> Option<Self> {
        match value.expr_kind() {
            ExprKind::Lit(Literal::String(text)) => {
                Some(Self::OneOf(attribute, vec![text.as_str().into()]))
            }
            ExprKind::Lit(Literal::EntityUID(uid)) => {
                Some(Self::OneOf(attribute, vec![eid(uid).into()]))
            }
            ExprKind::Lit(Literal::Long(number)) => Some(Self::Number(attribute, *number)),
            ExprKind::Lit(Literal::Bool(true)) => Some(Self::Flag(attribute)),
            ExprKind::Lit(Literal::Bool(false)) => Some(Self::Not(Box::new(Self::Flag(attribute)))),
            _ => None,
        }
    }

    /// Whatever is not understood here. The scopes and groups that it names are checked all the same.
    fn cedar(expr: &Expr) -> Result<Self, Box<Misnamed>> {
        let mut reads = Vec::new();
        for part in expr.subexpressions() {
            match part.expr_kind() {
                ExprKind::GetAttr { .. } => reads.extend(attribute(part)),
                ExprKind::HasAttr { expr: of, attr } if is(of, Var::Resource) => {
                    reads.extend(Attribute::read(Var::Resource, attr));
                }
                // The resource as a whole: which one it is, is open for every scope of many uses.
                ExprKind::BinaryApp { arg1, arg2, .. }
                    if is(arg1, Var::Resource) || is(arg2, Var::Resource) =>
                {
                    reads.push(Attribute::Id);
                }
                ExprKind::Lit(Literal::EntityUID(uid)) if is_scope(uid) => {
                    within(uid)?;
                    reads.push(Attribute::Id);
                }
                _ => {}
            }
        }
        Ok(Self::Cedar(expr.clone(), reads))
    }

    /// What it says of everything that the facts are about.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Truth {
        match self {
            Self::Always(value) => Truth::known(*value),
            Self::And(both) => both.0.holds(facts).and(|| both.1.holds(facts)),
            Self::Or(both) => both.0.holds(facts).or(|| both.1.holds(facts)),
            Self::Not(other) => other.holds(facts).not(),
            Self::OneOf(attribute, texts) => match facts.known(*attribute) {
                Known::Text(text) => {
                    texts.iter().fold(Truth::No, |found, one| found.or(|| text.equals(one)))
                }
                _ => Truth::Fails,
            },
            Self::Like(attribute, pattern) => match facts.known(*attribute) {
                Known::Text(text) => text.like(pattern),
                _ => Truth::Fails,
            },
            Self::Number(attribute, value) => match facts.known(*attribute) {
                Known::Number(Some(number)) => Truth::known(number == *value),
                Known::Number(None) => Truth::Partly,
                _ => Truth::Fails,
            },
            Self::Below(attribute, bound, itself) => match facts.known(*attribute) {
                Known::Number(Some(number)) => {
                    Truth::known(number < *bound || (*itself && number == *bound))
                }
                Known::Number(None) => Truth::Partly,
                _ => Truth::Fails,
            },
            Self::Flag(attribute) => match facts.known(*attribute) {
                Known::Flag(Some(flag)) => Truth::known(flag),
                Known::Flag(None) => Truth::Partly,
                _ => Truth::Fails,
            },
            Self::Who(group) => Truth::known(facts.principal.is_in(group)),
            Self::Within(scope) => facts.within(scope),
            Self::Kind(kinds) => Truth::known(kinds.has(facts.kind)),
            Self::Cedar(expr, reads) => facts.ask_cedar(expr, reads),
        }
    }

    /// Whether it asks for the attribute.
    pub(crate) fn reads(&self, attribute: Attribute) -> bool {
        match self {
            Self::And(both) | Self::Or(both) => both.0.reads(attribute) || both.1.reads(attribute),
            Self::Not(other) => other.reads(attribute),
            Self::OneOf(own, _)
            | Self::Like(own, _)
            | Self::Number(own, _)
            | Self::Below(own, ..)
            | Self::Flag(own) => *own == attribute,
            Self::Cedar(_, reads) => reads.contains(&attribute),
            Self::Always(_) | Self::Who(_) | Self::Within(_) | Self::Kind(_) => false,
        }
    }

    /// The scopes that it names.
    pub(crate) fn scopes<'c>(&'c self, into: &mut Vec<&'c Scope>) {
        match self {
            Self::And(both) | Self::Or(both) => {
                both.0.scopes(into);
                both.1.scopes(into);
            }
            Self::Within(scope) => into.push(scope),
            _ => {}
        }
    }
}

fn is(expr: &Expr, var: Var) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(own) if *own == var)
}

/// The attribute that an expression reads, if that is all it does.
fn attribute(expr: &Expr) -> Option<Attribute> {
    let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else { return None };
    let ExprKind::Var(var) = expr.expr_kind() else { return None };
    Attribute::read(*var, attr)
}

fn number(expr: &Expr) -> Option<i64> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::Long(number)) => Some(*number),
        _ => None,
    }
}

fn entity(expr: &Expr) -> Option<&EntityUID> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}

fn entities(expr: &Expr) -> Option<Vec<&EntityUID>> {
    match expr.expr_kind() {
        ExprKind::Set(of) => of.iter().map(entity).collect(),
        _ => entity(expr).map(|one| vec![one]),
    }
}

/// The texts of a set of strings or of enumerated entities.
fn texts(expr: &Expr) -> Option<Vec<Arc<str>>> {
    let ExprKind::Set(of) = expr.expr_kind() else { return None };
    let text = |one: &Expr| match one.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(Arc::from(text.as_str())),
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(Arc::from(eid(uid))),
        _ => None,
    };
    of.iter().map(text).collect()
}

/// The id of an entity, as it was meant and not as it is written.
pub(crate) fn eid(uid: &EntityUID) -> &str {
    uid.eid().as_ref()
}

fn is_scope(uid: &EntityUID) -> bool {
    !kind_of_type(&uid.entity_type().to_string()).is_empty()
}

/// `resource in SCOPE`.
pub(crate) fn within(uid: &EntityUID) -> Result<Condition, Box<Misnamed>> {
    super::resource::read_scope(uid).map(Condition::Within)
}

/// `resource == SCOPE`: for kinds where a scope is one use.
pub(crate) fn same(uid: &EntityUID) -> Result<Condition, Box<Misnamed>> {
    let scope = super::resource::read_scope(uid)?;
    if super::resource::is_one_use(&scope) {
        return Ok(Condition::Within(scope));
    }
    Err(Box::new(Misnamed {
        entity: uid.clone(),
        reason: format!("a resource is one use and never equal to `{uid}`, which covers many"),
        suggestion: Some(format!("write `resource in {uid}`")),
    }))
}

/// `principal in GROUP`.
pub(crate) fn who(uid: &EntityUID) -> Result<Condition, Box<Misnamed>> {
    Group::read(uid).map(Condition::Who)
}
