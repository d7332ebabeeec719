//! From a journal's entries to a statement: a pure fold. Decides nothing and signs nothing.

use longshore_model::{
    Ask, ComponentIdentity, Dependency, Event, FaultKind, GrantRecord, Json, LimitName, Outcome,
    RunId, Timestamp, Usage,
};
use longshore_reference::{Digest, media};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The predicate type of a receipt.
pub const PREDICATE_TYPE: &str = "https://longshore.dev/receipt/v1";

/// An in-toto statement (attestation framework 1.0) whose predicate is a receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// The components, the root first; for a run that was refused before its component was known,
    /// the journal's head.
    pub subject: Vec<Subject>,
    /// [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The receipt.
    pub predicate: Predicate,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// How it was named; `journal` for the head of a journal.
    pub name: String,
    /// Its digest.
    pub digest: SubjectDigest,
}

/// A digest as in-toto writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// 64 lower-case hex digits.
    pub sha256: String,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Predicate {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: OutcomeRecord,
    /// When its first entry was recorded.
    pub started: Moment,
    /// When its last entry was recorded.
    pub finished: Moment,
    /// What was called; none when the run was refused before it began, as with the fields below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The input, as a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Content>,
    /// The root component and its signers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentIdentity>,
    /// The components that it calls, with signers and grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// What the root was granted, and its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantRecord>,
    /// The digest of the operator's policy and flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// The engine: version and configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The version of Longshore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The components that it was moved to on its way, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<ComponentIdentity>,
    /// The run that it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Predecessor>,
    /// The run as which it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<RunId>,
    /// What all calls used together.
    pub usage: Usage,
    /// How much happened.
    pub counts: Counts,
    /// The journal that all of this was computed from.
    pub journal: JournalRecord,
    /// The digest of the bytes of the receipt before this one on the same host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
}

/// How a run ended, without what it returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutcomeRecord {
    /// `ok`, `failed` or `fault`.
    pub word: String,
    /// The result, or the guest's own failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Content>,
    /// Why it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
}

/// Why a run was stopped, without its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultRecord {
    /// The stable code, `LS-RUN-…`.
    pub code: String,
    /// The kind.
    pub kind: FaultKind,
    /// The limit that was hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitName>,
}

/// JSON text by its digest and length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Content {
    /// The digest of the text.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A point in time, for people and for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Moment {
    /// RFC 3339, UTC.
    pub time: String,
    /// Microseconds since the Unix epoch.
    pub unix_us: Timestamp,
}

/// The run that another one continues, as it stood when that one began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Predecessor {
    /// The run.
    pub run: RunId,
    /// The first of the line.
    pub first: RunId,
    /// Its journal so far: what is in its own receipt begins with it.
    pub journal: JournalRecord,
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Counts {
    /// Calls that were started, the root's included.
    pub calls: u64,
    /// Things that were refused.
    pub denials: u64,
    /// Effects on the world outside that were started.
    pub effects: u64,
}

/// The journal behind a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JournalRecord {
    /// The hash of the last entry, and through it of all.
    pub head: Digest,
    /// How many entries there are.
    pub entries: u64,
}

impl Content {
    fn of(json: &Json) -> Self {
        Self { digest: json.digest(), bytes: json.as_str().len() as u64 }
    }
}

impl Moment {
    fn of(at: Timestamp) -> Self {
        Self { time: at.rfc3339(), unix_us: at }
    }
}

impl OutcomeRecord {
    fn of(outcome: &Outcome) -> Self {
        let (output, fault) = match outcome {
            Outcome::Ok(value) | Outcome::Failed(value) => (Some(Content::of(value)), None),
            Outcome::Fault(fault) => {
                let (code, kind, limit) = (fault.kind.code().to_owned(), fault.kind, fault.limit);
                (None, Some(FaultRecord { code, kind, limit }))
            }
        };
        Self { word: outcome.word().to_owned(), output, fault }
    }
}

/// The statement about a finished run: all of its journal's entries as (sequence number, time,
/// event), the hash of the last one, how many there are, and the digest of the host's previous
/// receipt.
///
/// A run that was refused before it began has no `RunStarted`; its receipt has the denials, the
/// outcome and the journal.
///
/// # Errors
///
/// [`Error::Incomplete`] when an entry is missing or out of order, or the run has not ended, or is
/// another run.
pub fn statement_from(
    run: RunId,
    events: &[(u64, Timestamp, Event)],
    head: Digest,
    count: u64,
    previous: Option<Digest>,
) -> Result<Statement, Error> {
    let [(_, started, _), ..] = events else { return Err(Error::Incomplete("it has no entries")) };
    let [.., (_, finished, Event::RunEnded(ended))] = events else {
        return Err(Error::Incomplete("the run has not ended"));
    };
    check_order(run, events, count)?;
    let start = events.iter().find_map(|(_, _, event)| match event {
        Event::RunStarted(start) => Some(&**start),
        _ => None,
    });
    let predicate = Predicate {
        run,
        outcome: OutcomeRecord::of(&ended.outcome),
        started: Moment::of(*started),
        finished: Moment::of(*finished),
        function: start.map(|s| s.function.clone()),
        input: start.map(|s| Content::of(&s.input)),
        component: start.map(|s| s.component.clone()),
        dependencies: start.map(|s| s.dependencies.clone()).unwrap_or_default(),
        grant: start.map(|s| s.grant.clone()),
        policy: start.map(|s| s.policy),
        engine: start.map(|s| s.engine.clone()),
        host: start.map(|s| s.host.clone()),
        moved: moved(events),
        continues: start.and_then(|s| s.continues.as_deref()).map(|before| Predecessor {
            run: before.run,
            first: before.first,
            journal: JournalRecord { head: before.head, entries: before.entries },
        }),
        continued: events.iter().find_map(|(_, _, event)| match event {
            Event::Asked(asked) => match &asked.what {
                Ask::Continue(next) => Some(next.run),
                _ => None,
            },
            _ => None,
        }),
        usage: ended.usage,
        counts: counts(events),
        journal: JournalRecord { head, entries: count },
        previous,
    };
    Ok(Statement {
        kind: media::IN_TOTO_STATEMENT.to_owned(),
        subject: subjects(&predicate),
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate,
    })
}

fn check_order(run: RunId, events: &[(u64, Timestamp, Event)], count: u64) -> Result<(), Error> {
    if events.len() as u64 != count {
        return Err(Error::Incomplete("entries are missing"));
    }
    let last = events.len() - 1;
    let mut starts = 0;
    for (index, (seq, _, event)) in events.iter().enumerate() {
        if *seq != index as u64 {
            return Err(Error::Incomplete("entries are out of order"));
        }
        match event {
            Event::RunStarted(start) if start.run != run => {
                return Err(Error::Incomplete("it is the journal of another run"));
            }
            Event::RunStarted(_) => starts += 1,
            Event::RunEnded(_) if index != last => {
                return Err(Error::Incomplete("entries follow the end of the run"));
            }
            _ => {}
        }
    }
    if starts > 1 {
        return Err(Error::Incomplete("the run starts more than once"));
    }
    Ok(())
}

fn moved(events: &[(u64, Timestamp, Event)]) -> Vec<ComponentIdentity> {
    let moved = events.iter().filter_map(|(_, _, event)| match event {
        Event::RunMoved(moved) => Some(moved.component.clone()),
        _ => None,
    });
    moved.collect()
}

fn counts(events: &[(u64, Timestamp, Event)]) -> Counts {
    let mut counts = Counts::default();
    for (_, _, event) in events {
        match event {
            Event::CallStarted(_) => counts.calls += 1,
            Event::Denied(_) => counts.denials += 1,
            Event::EffectStarted(_) => counts.effects += 1,
            _ => {}
        }
    }
    counts
}

/// The subjects that a predicate has: derived, so that the two cannot disagree.
pub(crate) fn subjects(predicate: &Predicate) -> Vec<Subject> {
    let named = |name: &str, digest: Digest| Subject {
        name: name.to_owned(),
        digest: SubjectDigest { sha256: digest.hex() },
    };
    let Some(root) = &predicate.component else {
        return vec![named("journal", predicate.journal.head)];
    };
    let mut list = vec![named(&root.reference, root.digest)];
    let called = predicate.dependencies.iter().map(|dependency| &dependency.component);
    for component in called.chain(&predicate.moved) {
        let subject = named(&component.reference, component.digest);
        if !list.contains(&subject) {
            list.push(subject);
        }
    }
    list
}
