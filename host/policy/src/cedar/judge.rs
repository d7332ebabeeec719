//! The judgement of one request: which part of it is permitted, and by which policies.
//!
//! A scope stands for all the uses that it covers. A policy that permits counts where it permits
//! every one of them, a policy that forbids where it forbids any of them; so whatever a guest does
//! within what it was granted, Cedar would have permitted that very use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use longshore_model::Scope;
use longshore_reference::Digest;

use super::statement::{Effect, Statement};
use super::{Circumstances, Facts, Principal, Truth, resource};
use crate::rule::Parameters;

/// How many decisions are kept.
const KEPT: usize = 4096;
/// How many parts of one request are put to the policies.
const MAX_CANDIDATES: usize = 1024;

/// What was decided of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The parts that are permitted: the request itself, or what it has in common with what policies
    /// name. Those of wide policies stand first.
    pub permitted: Vec<Permitted>,
    /// The ids of the policies that forbid it, or a part of it that would have been permitted.
    pub forbidden_by: Vec<Arc<str>>,
    /// The ids of the policies that would permit some of its uses, and not others.
    pub partly: Vec<Arc<str>>,
}

/// A part of a request that is permitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Permitted {
    /// The part.
    pub scope: Scope,
    /// The ids of the policies that permit it, the strongest first.
    pub by: Vec<Arc<str>>,
    /// What comes with it, from the strongest of them.
    pub(crate) parameters: Parameters,
    /// Whether one of them names this very host.
    pub(crate) exact: bool,
}

impl Decision {
    /// Whether anything is permitted.
    #[must_use]
    pub fn permits(&self) -> bool {
        !self.permitted.is_empty()
    }
}

/// Decisions that were made before.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<(Digest, Digest, Scope), Arc<Decision>>>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    /// The decision for the same question, or the one that `decide` makes.
    pub(crate) fn or_decide(
        &self,
        principal: &Principal,
        circumstances: &Circumstances,
        scope: &Scope,
        decide: impl FnOnce() -> Decision,
    ) -> Arc<Decision> {
        let key = (principal.identity(), circumstances.identity(), scope.clone());
        // A thread that panicked while it held the lock has left whole entries behind.
        let lock = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(decision) = lock().get(&key) {
            return Arc::clone(decision);
        }
        let decision = Arc::new(decide());
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&decision));
        decision
    }
}

/// Decides what of `asked` is permitted to `principal`.
pub(crate) fn judge(
    statements: &[Arc<Statement>],
    principal: &Principal,
    circumstances: &Circumstances,
    asked: &Scope,
) -> Decision {
    let kind = asked.kind();
    let concerns = |statement: &&Arc<Statement>| {
        statement.kinds.has(kind)
            && statement.who.as_ref().is_none_or(|group| principal.is_in(group))
    };
    // The strongest first: those that name whom they are for, then the later ones.
    let mut permits: Vec<_> = statements
        .iter()
        .filter(concerns)
        .filter(|s| s.effect == Effect::Permit)
        .filter(|s| s.who.is_some() || !principal.is_anonymous())
        .rev()
        .collect();
    permits.sort_by_key(|statement| statement.who.is_none());
    let forbids: Vec<_> =
        statements.iter().filter(concerns).filter(|s| s.effect == Effect::Forbid).collect();
    let mut decision = Decision::default();
    let mut candidates = vec![asked.clone()];
    let named = permits.iter().rev().flat_map(|permit| &permit.proposes);
    for scope in named.filter_map(|own| resource::intersect(asked, own)) {
        if candidates.len() < MAX_CANDIDATES && !candidates.contains(&scope) {
            candidates.push(scope);
        }
    }
    for scope in candidates {
        let facts = Facts::new(principal, circumstances, &scope);
        let mut by = Vec::new();
        let mut strongest = None;
        let mut exact = false;
        for permit in &permits {
            match permit.condition.holds(&facts) {
                Truth::Yes if permit.serves(&scope) => {
                    strongest.get_or_insert(*permit);
                    exact |= permit.names_host_of(&scope);
                    by.push(Arc::clone(&permit.id));
                }
                Truth::Partly | Truth::Fails if !decision.partly.contains(&permit.id) => {
                    decision.partly.push(Arc::clone(&permit.id));
                }
                _ => {}
            }
        }
        let Some(strongest) = strongest else { continue };
        let forbidding = forbids.iter().filter(|s| s.condition.holds(&facts) != Truth::No);
        let before = decision.forbidden_by.len();
        let mut forbidden = false;
        for forbid in forbidding {
            forbidden = true;
            if !decision.forbidden_by.contains(&forbid.id) {
                decision.forbidden_by.push(Arc::clone(&forbid.id));
            }
        }
        debug_assert!(forbidden || before == decision.forbidden_by.len());
        if !forbidden {
            let parameters = strongest.parameters.clone();
            decision.permitted.push(Permitted { scope, by, parameters, exact });
        }
    }
    decision
}
