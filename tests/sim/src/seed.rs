//! One seed: the workflow without anything going wrong, the same in a storm, and what must hold after both.

use std::time::Duration;

use tokio::runtime::Builder;

use crate::check;
use crate::dice::hash;
use crate::oracle::is_forced;
use crate::plan::Plan;
use crate::stage::Stage;
use crate::storm;

/// What came of a seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tale {
    /// How many records the journals have in the end.
    pub records: u64,
    /// How many runs there were.
    pub runs: usize,
    /// How many effects happened.
    pub effects: usize,
    /// How many hosts there were.
    pub hosts: usize,
    /// How long it took, in virtual time.
    pub passed: Duration,
    /// A number of what happened outside and of what was learnt: the same each time.
    pub print: u64,
}

/// Plays a seed on `stage`: what it came to in the storm.
///
/// # Errors
///
/// What was promised and does not hold.
pub fn play(stage: &Stage<'_>, seed: u64) -> Result<Tale, String> {
    let (calm, learnt) = one(stage, &Plan::calm(seed)).map_err(|e| format!("calm: {e}"))?;
    let plan = Plan::stormy(seed, calm.records);
    course(stage, &plan, &learnt)
}

/// Plays a seed with one death at each of its records in turn; how many there were.
///
/// # Errors
///
/// As [`play`].
pub fn play_boundaries(stage: &Stage<'_>, seed: u64) -> Result<u64, String> {
    let (calm, learnt) = one(stage, &Plan::calm(seed)).map_err(|e| format!("calm: {e}"))?;
    for record in 1..=calm.records {
        for power in [false, true] {
            let plan = Plan::boundary(seed, record, power);
            course(stage, &plan, &learnt)
                .map_err(|e| format!("record {record}, power cut {power}: {e}"))?;
        }
    }
    Ok(calm.records)
}

fn course(stage: &Stage<'_>, plan: &Plan, calm: &[Vec<u64>]) -> Result<Tale, String> {
    let (tale, learnt) = one(stage, plan).map_err(|e| format!("{e}\n  plan: {plan:?}"))?;
    if plan.cancel.is_none() && is_forced(&plan.story.ops, plan.trouble > 0) {
        for facts in learnt {
            if calm.first() != Some(&facts) {
                return Err(format!("without crashes it learnt {calm:?}, with them {facts:?}"));
            }
        }
    }
    Ok(tale)
}

fn one(stage: &Stage<'_>, plan: &Plan) -> Result<(Tale, Vec<Vec<u64>>), String> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let wreck = storm::play(stage, plan).await?;
        let learnt = check::all(stage, plan, &wreck).await;
        let learnt = match learnt {
            Err(wrong) if stage.tells => {
                return Err(format!("{wrong}\n{}", storm::told(&wreck.sea).await));
            }
            learnt => learnt?,
        };
        let rows = storm::rows(&wreck.sea).await;
        let print = format!("{learnt:?} {:?}", wreck.landed);
        let tale = Tale {
            records: wreck.sea.records(),
            runs: rows.len(),
            effects: wreck.landed.values().map(Vec::len).sum(),
            hosts: plan.lives.len(),
            passed: wreck.passed,
            print: hash(&print),
        };
        Ok((tale, learnt))
    })
}
