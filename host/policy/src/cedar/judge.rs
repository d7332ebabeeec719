//! The judgement of one request: which part of it is permitted, and by which policies.
//!
//! A scope stands for all the uses that it covers. A policy that permits counts where it permits
//! every one of them, a policy that forbids where it forbids any of them; so whatever a guest does
//! within what it was granted, Cedar would have permitted that very use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use longshore_model::{HostPattern, Scope};
use longshore_reference::Digest;

use super::statement::{Effect, Statement};
use super::{Circumstances, Facts, Principal, Truth};
use crate::Parameter;

/// For how many who ask decisions are kept, and for how many scopes of each.
const ASKERS: usize = 256;
const SCOPES: usize = 256;
/// How many policies a grant names.
const TOLD: usize = 8;
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
    pub(crate) parameter: Parameter,
    /// Whether one of them names this very host.
    pub(crate) named: bool,
}

impl Permitted {
    /// The policies that decided it, in a few words: where something stands behind the scope, the
    /// one that says it.
    pub(crate) fn rule(&self) -> String {
        let told = if self.parameter == Parameter::None { TOLD } else { 1 };
        let words: Vec<_> = self.by.iter().take(told).map(AsRef::as_ref).collect();
        match self.by.len().saturating_sub(TOLD) {
            more if more > 0 && told > 1 => format!("{} and {more} more", words.join(", ")),
            _ => words.join(", "),
        }
    }
}

impl Decision {
    /// Whether anything is permitted.
    #[must_use]
    pub fn permits(&self) -> bool {
        !self.permitted.is_empty()
    }
}

/// By whom and under which circumstances it was asked.
type Asker = (Digest, Digest);

/// Decisions that were made before.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<Asker, HashMap<Scope, Arc<Decision>>>>);

/// What was decided is no part of what a policy means.
impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    /// The decision for the same question, or the one that `decide` makes.
    pub(crate) fn or_decide(
        &self,
        asker: Asker,
        scope: &Scope,
        decide: impl FnOnce() -> Decision,
    ) -> Arc<Decision> {
        // A thread that panicked while it held the lock has left whole entries behind.
        let lock = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(decision) = lock().get(&asker).and_then(|kept| kept.get(scope)) {
            return Arc::clone(decision);
        }
        let decision = Arc::new(decide());
        let mut kept = lock();
        if kept.len() >= ASKERS {
            kept.clear();
        }
        let of_asker = kept.entry(asker).or_default();
        if of_asker.len() >= SCOPES {
            of_asker.clear();
        }
        of_asker.insert(scope.clone(), Arc::clone(&decision));
        decision
    }
}

/// Decides what of `asked` is permitted to `principal`; names in `private` may lead to private
/// addresses.
pub(crate) fn judge(
    statements: &[Arc<Statement>],
    principal: &Principal,
    circumstances: &Circumstances,
    private: &[HostPattern],
    asked: &Scope,
) -> Decision {
    let kind = asked.kind();
    let concerns = |statement: &&Arc<Statement>| statement.concerns(kind, principal);
    // The strongest first: those that name whom they are for, then the later ones.
    let permits = statements.iter().filter(concerns).filter(|s| s.is_permit_for(principal));
    let mut permits: Vec<_> = permits.rev().collect();
    permits.sort_by_key(|statement| statement.who.is_none());
    let forbids: Vec<_> =
        statements.iter().filter(concerns).filter(|s| s.effect == Effect::Forbid).collect();
    let mut decision = Decision::default();
    let mut candidates = vec![asked.clone()];
    let parts = permits.iter().rev().flat_map(|permit| &permit.proposes);
    let parts = parts.filter(|_| asked.may_be_narrowed());
    for scope in parts.filter_map(|own| asked.intersect(own)) {
        if candidates.len() < MAX_CANDIDATES && !candidates.contains(&scope) {
            candidates.push(scope);
        }
    }
    for scope in candidates {
        let facts = Facts::new(principal, circumstances, &scope, private);
        let mut by = Vec::new();
        let mut strongest = None;
        let mut named = false;
        for permit in &permits {
            match permit.holds(&facts) {
                Truth::Yes if permit.serves(kind) => {
                    strongest.get_or_insert(*permit);
                    named |= permit.names_host_of(&scope);
                    by.push(Arc::clone(&permit.id));
                }
                Truth::Partly | Truth::Fails if !decision.partly.contains(&permit.id) => {
                    decision.partly.push(Arc::clone(&permit.id));
                }
                _ => {}
            }
        }
        let Some(strongest) = strongest else { continue };
        let forbidding = forbids.iter().filter(|s| s.holds(&facts) != Truth::No);
        let mut forbidden = false;
        for forbid in forbidding {
            forbidden = true;
            if !decision.forbidden_by.contains(&forbid.id) {
                decision.forbidden_by.push(Arc::clone(&forbid.id));
            }
        }
        // A part of what is permitted already adds something where it may lead to a private address.
        let told = |wider: &Permitted| scope.is_within(&wider.scope) && (wider.named || !named);
        if !forbidden && !decision.permitted.iter().any(told) {
            let parameter = strongest.parameter.clone();
            decision.permitted.push(Permitted { scope, by, parameter, named });
        }
    }
    decision
}
