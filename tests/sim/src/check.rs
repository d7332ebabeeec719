//! What must hold when every run has ended.

use std::collections::BTreeMap;

use longshore::{Longshore, Verdict};
use longshore_journal::{History, RunSummary, Store as _};
use longshore_model::{Ask, Event, FaultKind, Outcome, RunId};
use longshore_trust::PublicKey;

use crate::oracle::{self, Freedom};
use crate::plan::Plan;
use crate::plot::decode;
use crate::stage::Stage;
use crate::storm::{self, Wreck};

/// Checks everything that was promised; gives what the root runs learnt.
///
/// # Errors
///
/// What does not hold.
pub(crate) async fn all(
    stage: &Stage<'_>,
    plan: &Plan,
    wreck: &Wreck,
) -> Result<Vec<Vec<u64>>, String> {
    let violations = wreck.sea.violations();
    if !violations.is_empty() {
        return Err(violations.join("; "));
    }
    let rows = storm::rows(&wreck.sea).await;
    let mut histories = BTreeMap::new();
    for row in &rows {
        ended(row)?;
        let history = wreck.client.journal().read(row.run).await;
        histories.insert(row.run, history.map_err(|error| format!("{}: {error}", row.run))?);
    }
    if let Some(due) = wreck.sea.live().due().await.map_err(|error| error.to_string())? {
        return Err(format!("something is still to be done at {due:?}"));
    }
    acknowledged(wreck, &histories)?;
    effects(wreck)?;
    receipts(&wreck.client, &histories).await?;
    family(&histories)?;
    let mut learnt = Vec::new();
    for history in histories.values() {
        let facts = facts(plan, history)?;
        calls_ended(history)?;
        if history.start().parent.is_none() {
            learnt.push(facts);
        }
        let verdict = wreck.client.rehearse(history.run(), &stage.target()).await;
        // Only the root's workflow is published under the root's name; a child's is another component.
        if history.start().parent.is_none() {
            match verdict {
                Ok(Verdict::Ends { same: true, .. }) => {}
                other => return Err(format!("{} repeats as {other:?}", history.run())),
            }
        }
    }
    Ok(learnt)
}

/// Every child was asked for by its parent.
fn family(histories: &BTreeMap<RunId, History>) -> Result<(), String> {
    for (run, history) in histories {
        let Some(parent) = &history.start().parent else { continue };
        let above = histories.get(&parent.run).into_iter().flat_map(History::entries);
        let asked = |event: &Event| match event {
            Event::Asked(asked) => matches!(&asked.what, Ask::Child(child) if child.run == *run),
            _ => false,
        };
        if !above.into_iter().any(|entry| asked(&entry.event)) {
            return Err(format!("{run} is a child that {} never asked for", parent.run));
        }
    }
    Ok(())
}

fn ended(row: &RunSummary) -> Result<(), String> {
    let run = row.run;
    match row {
        RunSummary { ended: None, .. } => Err(format!("{run} has not ended: {row:?}")),
        RunSummary { lease: Some(lease), .. } => Err(format!("{run} is held: {lease:?}")),
        _ => Ok(()),
    }
}

/// What anybody was told is still so.
fn acknowledged(wreck: &Wreck, histories: &BTreeMap<RunId, History>) -> Result<(), String> {
    for (run, outcome) in &wreck.told {
        let Some(history) = histories.get(run) else {
            return Err(format!("{run} was told to have ended, and is gone"));
        };
        let kept = history.end().map(|end| format!("{:?}", end.outcome));
        if kept.as_ref() != Some(outcome) {
            return Err(format!("{run} was told to have ended with {outcome}, and has {kept:?}"));
        }
    }
    let acked = wreck.acked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (run, letters) in &*acked {
        let Some(history) = histories.get(run) else {
            return Err(format!("{run} took a signal, and is gone"));
        };
        let row = history.summary();
        if row.posted < letters.len() as u64 {
            let (kept, sent) = (row.posted, letters.len());
            return Err(format!("{run} took {sent} signals, and has {kept}"));
        }
    }
    Ok(())
}

/// The world outside against the journals.
fn effects(wreck: &Wreck) -> Result<(), String> {
    let chart = wreck.sea.chart();
    for (key, landed) in &wreck.landed {
        let Some(call) = chart.call(key) else {
            return Err(format!("an effect under `{key}`, which no journal has: {landed:?}"));
        };
        let mut attempts: Vec<u32> = landed.iter().map(|one| one.attempt).collect();
        attempts.sort_unstable();
        attempts.dedup();
        if attempts.len() != landed.len() {
            return Err(format!("an attempt at `{key}` happened twice: {landed:?}"));
        }
        if attempts.last().is_some_and(|last| *last > call.attempts) {
            return Err(format!("`{key}` has {landed:?}, and {} attempts", call.attempts));
        }
        if landed.iter().any(|one| one.name != landed[0].name) {
            return Err(format!("`{key}` is not one step: {landed:?}"));
        }
    }
    for row in wreck.sea.chart().runs() {
        for call in chart.calls(row) {
            let made = matches!(&call.ended, Some(Outcome::Ok(_)))
                && call.function.contains("fixtures:outside/outside");
            let key = format!("{row}/{}", call.path);
            if made && !wreck.landed.contains_key(&key) {
                return Err(format!("`{key}` ended well, and never happened"));
            }
        }
    }
    Ok(())
}

/// One receipt for each run, in one chain.
async fn receipts(client: &Longshore, histories: &BTreeMap<RunId, History>) -> Result<(), String> {
    let fail = |error: String| format!("receipts: {error}");
    let signer = client.signer().map_err(|error| fail(error.to_string()))?;
    let key: &PublicKey = signer.public_key();
    let kept = client.journal().receipts(0, usize::MAX).await;
    let kept = kept.map_err(|error| fail(error.to_string()))?;
    let mut previous = None;
    let mut sealed = BTreeMap::new();
    for (place, stored) in (0..).zip(&kept) {
        if stored.position != place || stored.previous != previous {
            return Err(fail(format!("a gap in the chain at {place}")));
        }
        let statement = longshore_receipt::verify(&stored.receipt.bytes, key);
        let statement = statement.map_err(|error| fail(error.to_string()))?;
        let Some(history) = histories.get(&stored.run) else {
            return Err(fail(format!("of {}, which is gone", stored.run)));
        };
        let journal = &statement.predicate.journal;
        if (journal.head, journal.entries) != (history.head(), history.entries().len() as u64) {
            return Err(fail(format!("of {} is of another history", stored.run)));
        }
        if statement.predicate.previous != previous {
            return Err(fail(format!("{} names another before it", stored.run)));
        }
        if sealed.insert(stored.run, place).is_some() {
            return Err(fail(format!("{} has two", stored.run)));
        }
        previous = Some(stored.receipt.digest);
    }
    match histories.keys().find(|run| !sealed.contains_key(run)) {
        Some(run) => Err(fail(format!("{run} has none"))),
        None => Ok(()),
    }
}

fn calls_ended(history: &History) -> Result<(), String> {
    let mut open = std::collections::BTreeSet::new();
    for entry in history.entries() {
        match &entry.event {
            Event::CallStarted(call) => drop(open.insert(call.call)),
            Event::CallEnded(call) => drop(open.remove(&call.call)),
            _ => {}
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("{}: calls {open:?} are open", history.run()))
    }
}

/// What a run learnt, judged.
fn facts(plan: &Plan, history: &History) -> Result<Vec<u64>, String> {
    #[derive(serde::Deserialize)]
    struct Input {
        ops: Vec<u32>,
        cleanup: Vec<u32>,
    }
    let (run, start) = (history.run(), history.start());
    let input: Input = start.input.read().map_err(|error| format!("{run}: {error}"))?;
    let (ops, cleanup) = (decode(&input.ops), decode(&input.cleanup));
    let asked = |entry: &longshore_journal::Entry| matches!(entry.event, Event::CancelRequested(_));
    let value = match history.end().map(|end| &end.outcome) {
        Some(Outcome::Ok(value)) => value,
        // A wait that cannot be told that the run shall end is unwound.
        Some(Outcome::Fault(fault))
            if fault.kind == FaultKind::Cancelled
                && history.entries().iter().any(asked)
                && oracle::cannot_be_told(&ops) =>
        {
            return Ok(Vec::new());
        }
        _ => return Err(format!("{run} did not return: {:?}", history.end())),
    };
    let facts: Vec<u64> = value.read().map_err(|error| format!("{run}: {error}"))?;
    let freedom = Freedom {
        cancelled: history.entries().iter().any(asked),
        trouble: plan.trouble > 0,
        crashes: plan.lives.len() > 1 || plan.weather.failing > 0,
    };
    oracle::judge(&ops, &cleanup, &facts, freedom).map_err(|error| format!("{run}: {error}"))?;
    Ok(facts)
}
