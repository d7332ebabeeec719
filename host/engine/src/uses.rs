//! What a run used of its grants, as concretely as it was used: the raw material for "what would have sufficed". Bounded, and
//! held in memory only; it decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use longshore_model::Scope;
use longshore_reference::Digest;

/// Different scopes of one call that are remembered.
const MAX_OF_CALL: usize = 256;
/// Different scopes of one run that are remembered.
const MAX_OF_RUN: usize = 4096;

/// What the calls of a run used: for each component, each scope in its narrowest form (`http=GET https://example.com/page`,
/// `env=TZ`). What was asked for and refused is not in it: that is in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// By the digest of the component.
    pub scopes: BTreeMap<Digest, BTreeSet<Scope>>,
    /// Whether there were more than are remembered.
    pub more: bool,
}

impl Uses {
    /// Remembers a use, within bounds.
    pub(crate) fn add(&mut self, component: Digest, scope: Scope) {
        let known: usize = self.scopes.values().map(BTreeSet::len).sum();
        let own = self.scopes.entry(component).or_default();
        if known < MAX_OF_RUN {
            own.insert(scope);
        } else {
            self.more |= !own.contains(&scope);
        }
    }
}

/// The scopes that one call used, to tell a first use from those that follow.
#[derive(Debug, Default)]
pub(crate) struct UsesOfCall(Mutex<BTreeSet<Scope>>);

/// What [`UsesOfCall::first`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    First,
    Again,
    /// The call used more scopes than are remembered.
    Untold,
}

impl UsesOfCall {
    pub(crate) fn note(&self, scope: &Scope) -> Use {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(scope) {
            Use::Again
        } else if known.len() < MAX_OF_CALL {
            known.insert(scope.clone());
            Use::First
        } else {
            Use::Untold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_told_apart_once_and_bounded() {
        let call = UsesOfCall::default();
        assert_eq!(call.note(&Scope::Clock), Use::First);
        assert_eq!(call.note(&Scope::Clock), Use::Again);
        let mut uses = Uses::default();
        let component = Digest::of(b"component");
        for n in 0..MAX_OF_RUN + 10 {
            let scope = Scope::Env(format!("V{n}"));
            call.note(&scope);
            uses.add(component, scope);
        }
        assert_eq!(call.note(&Scope::Random), Use::Untold);
        assert_eq!(uses.scopes[&component].len(), MAX_OF_RUN);
        assert!(uses.more);
    }
}
