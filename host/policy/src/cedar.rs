//! Policies in Cedar: read and validated, compiled once, and decided for all the uses of a scope at
//! once. No I/O, no clock: texts and the time come in.
//!
//! Cedar's own parser, validator and evaluator do what they do everywhere else; what is added is in
//! [`judge`]: a scope is granted where Cedar would permit every use that it covers.

mod circumstances;
mod condition;
mod facts;
mod judge;
mod parameter;
mod principal;
mod propose;
mod read;
mod resource;
mod statement;
mod text;
mod truth;
mod write;

#[cfg(test)]
mod tests;

use longshore_model::CapabilityKind;

pub use circumstances::{Circumstances, Environment};
pub use judge::{Decision, Permitted};
pub use principal::Principal;
pub use read::Finding;

pub(crate) use facts::Facts;
pub(crate) use judge::{Kept, judge};
pub(crate) use principal::Group;
pub(crate) use read::read;
pub(crate) use resource::parse_scope;
pub(crate) use statement::{Effect, Statement, Written};
pub(crate) use text::Text;
pub(crate) use truth::Truth;

/// The schema that policies are validated against, in Cedar's schema language.
pub const SCHEMA: &str = include_str!("cedar/schema.cedarschema");

/// Some of the kinds of capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

impl Kinds {
    pub(crate) const fn one(kind: CapabilityKind) -> Self {
        Self(1 << kind as u32)
    }

    pub(crate) fn all() -> Self {
        CapabilityKind::ALL.iter().fold(Self(0), |all, kind| all.or(Self::one(*kind)))
    }

    pub(crate) const fn has(self, kind: CapabilityKind) -> bool {
        self.0 & Self::one(kind).0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = CapabilityKind> {
        CapabilityKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The kind, where there is only one.
    pub(crate) fn only(self) -> Option<CapabilityKind> {
        let mut those = self.iter();
        those.next().filter(|_| those.next().is_none())
    }
}
