//! What comes from outside: signals, some of them twice, answers by who may and by who may not, and the wish that a run end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use longshore::journal::Error as JournalError;
use longshore::{Approve, Error, Longshore, OpenApproval};
use longshore_model::RunId;

use crate::dice::{Dice, mix};
use crate::oracle::{answer, payload};
use crate::plan::Plan;
use crate::store::Sea;

/// How many letters of a run were acknowledged.
pub(crate) type Acked =
    Arc<std::sync::Mutex<std::collections::BTreeMap<RunId, BTreeSet<[u8; 16]>>>>;

/// Sends a root run everything that it may wait for. Returns when the run takes no more.
pub(crate) async fn to(run: RunId, plan: Plan, client: Longshore, sea: Arc<Sea>, acked: Acked) {
    let mut dice = Dice::of(plan.seed, "traffic");
    let mut tasks = tokio::task::JoinSet::new();
    for (channel, count) in plan.story.channels.clone() {
        let (client, acked, sea) = (client.clone(), Arc::clone(&acked), Arc::clone(&sea));
        let dice = Dice::of(mix(&[plan.seed, u64::from(channel)]), "channel");
        tasks.spawn(channel_of(run, channel, count, dice, client, acked, sea));
    }
    if let Some(after) = plan.cancel {
        let (client, sea) = (client.clone(), Arc::clone(&sea));
        tasks.spawn(async move {
            tokio::time::sleep(after).await;
            while !is_over(&client.cancel(run, "enough").await, &sea) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }
    let slow = dice.chance(30);
    tasks.spawn(answers(run, dice, slow, client, sea));
    while tasks.join_next().await.is_some() {}
}

/// Whether what was sent arrived, or never can.
fn is_over(told: &Result<(), Error>, sea: &Sea) -> bool {
    match told {
        Ok(()) | Err(Error::Journal(JournalError::RunClosed(_) | JournalError::NotFound(_))) => {
            true
        }
        Err(Error::Journal(JournalError::Store { .. })) => false,
        Err(error) => {
            sea.violated(format!("a message was refused: {error}"));
            true
        }
    }
}

async fn channel_of(
    run: RunId,
    channel: u32,
    count: u32,
    mut dice: Dice,
    client: Longshore,
    acked: Acked,
    sea: Arc<Sea>,
) {
    let name = format!("channel-{channel}");
    for n in 0..u64::from(count) {
        tokio::time::sleep(Duration::from_millis(dice.below(3_000))).await;
        let mut id = [0; 16];
        dice.fill(&mut id);
        let payload = format!("[{}]", payload(channel, n));
        let times = if dice.chance(25) { 2 } else { 1 };
        for _ in 0..times {
            loop {
                let told = client.signal(run, &name, &payload, Some(id)).await;
                if told.is_ok() {
                    let mut acked = acked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    acked.entry(run).or_default().insert(id);
                }
                if is_over(&told, &sea) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

/// Answers every question of the run, after a while.
async fn answers(run: RunId, mut dice: Dice, slow: bool, client: Longshore, sea: Arc<Sea>) {
    loop {
        tokio::time::sleep(Duration::from_millis(100 + dice.below(if slow { 9_000 } else { 400 })))
            .await;
        let open = match client.approvals(run).await {
            Ok(open) => open,
            Err(Error::Journal(JournalError::NotFound(_))) => return,
            Err(_) => continue,
        };
        for OpenApproval { call, step, approval } in open {
            let name = approval.question.rsplit(' ').next().unwrap_or_default();
            let choice = answer(name.parse().unwrap_or(0)).to_owned();
            let say = |choice: &str, by: &str| Approve {
                choice: choice.to_owned(),
                by: by.to_owned(),
                comment: String::new(),
                which: Some((call, step)),
            };
            if dice.chance(20) {
                for wrong in [say(&choice, "eve"), say("perhaps", "ada")] {
                    if client.approve(run, wrong.clone()).await.is_ok() {
                        sea.violated(format!("{wrong:?} was taken"));
                    }
                }
            }
            // Too late, or told already: both are fine.
            let _ = client.approve(run, say(&choice, "ada")).await;
        }
        match client.journal().summary(run).await {
            Ok(Some(row)) if row.ended.is_none() => {}
            Err(_) => {}
            _ => return,
        }
    }
}
