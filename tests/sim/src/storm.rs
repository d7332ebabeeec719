//! Plays a plan: hosts that live one after the other, or beside one another, over one store, until every run has ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore::journal::Error as JournalError;
use longshore::{Error, Longshore, Running};
use longshore_journal::{RunFilter, RunSummary, Store as _};
use longshore_model::RunId;
use tokio::time::Instant;

use crate::clock::SimClock;
use crate::dice::{Dice, mix};
use crate::outside::Landed;
use crate::plan::{Doom, Plan, Weather};
use crate::plot::encode;
use crate::stage::Stage;
use crate::store::{Deck, Sea};
use crate::traffic::{self, Acked};

/// No simulation takes longer than this, in virtual time.
const AGES: Duration = Duration::from_secs(2 * 3_600);
/// How often a host looks for work.
const LOOKS: Duration = Duration::from_millis(700);
/// How long hosts may still do things after the last run ended.
const AFTERMATH: Duration = Duration::from_secs(120);

/// What is left when every run has ended.
pub(crate) struct Wreck {
    pub(crate) sea: Arc<Sea>,
    pub(crate) client: Longshore,
    pub(crate) landed: BTreeMap<String, Vec<Landed>>,
    pub(crate) told: Vec<(RunId, String)>,
    pub(crate) acked: Acked,
    pub(crate) passed: Duration,
}

/// What the tasks of a simulation share.
#[derive(Clone)]
struct Shared {
    sea: Arc<Sea>,
    told: Arc<Mutex<Vec<(RunId, String)>>>,
    input: Arc<str>,
}

/// Plays `plan` on `stage`.
///
/// # Errors
///
/// When it does not come to an end.
pub(crate) async fn play(stage: &Stage<'_>, plan: &Plan) -> Result<Wreck, String> {
    let began = Instant::now();
    let sea = Sea::new(plan.seed, plan.rivals);
    let judge = Arc::downgrade(&sea);
    let judge = move |key: &str, attempt, times| {
        if let Some(sea) = judge.upgrade() {
            sea.leaves(key, attempt, times);
        }
    };
    stage.outside.begin(plan.seed, plan.trouble, Arc::new(judge));
    let deck = sea.observer(Dice::of(plan.seed, "client"));
    let clock = SimClock::new(began);
    let client = stage.host(deck, clock, Duration::ZERO, Dice::of(plan.seed, "client ids"));
    let input = serde_json::json!({
        "ops": encode(&plan.story.ops), "cleanup": encode(&plan.story.cleanup)
    });
    let shared =
        Shared { sea: Arc::clone(&sea), told: Arc::default(), input: input.to_string().into() };
    let acked = Acked::default();
    let lives = lives(stage, plan, &shared, began);
    tokio::pin!(lives);
    let mut passed;
    loop {
        let serving = serve(plan.clone(), client.clone(), shared.clone(), acked.clone());
        let ended = tokio::time::timeout(AGES, async {
            tokio::select! {
                () = serving => {}
                () = &mut lives => unreachable!("the last host lives for ever"),
            }
        });
        match ended.await {
            Ok(()) => {}
            Err(_) if stage.tells => return Err(format!("it does not end\n{}", told(&sea).await)),
            Err(_) => return Err(format!("it does not end: {:?}", rows(&sea).await)),
        }
        passed = began.elapsed();
        tokio::select! {
            () = tokio::time::sleep(AFTERMATH) => {}
            () = &mut lives => unreachable!("the last host lives for ever"),
        }
        // A host that was stopped while it started a run has one when it wakes up.
        if rows(&sea).await.iter().all(|row| row.ended.is_some()) {
            break;
        }
    }
    let told = shared.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Wreck { sea, client, landed: stage.outside.end(), told, acked, passed })
}

/// Every run that is kept.
pub(crate) async fn rows(sea: &Sea) -> Vec<RunSummary> {
    let filter = RunFilter { limit: usize::MAX, ..RunFilter::default() };
    sea.live().runs(&filter).await.unwrap_or_default()
}

/// Sends each root run what it waits for; returns when every run has ended.
async fn serve(plan: Plan, client: Longshore, shared: Shared, acked: Acked) {
    let mut served = BTreeMap::new();
    loop {
        let rows = rows(&shared.sea).await;
        for row in &rows {
            let known = served.contains_key(&row.run);
            if !known && row.ended.is_none() && is_root(&shared.sea, row.run).await {
                let (plan, client, sea) = (plan.clone(), client.clone(), Arc::clone(&shared.sea));
                let serving = traffic::to(row.run, plan, client, sea, acked.clone());
                served.insert(row.run, tokio::spawn(serving));
            }
        }
        if !rows.is_empty() && rows.iter().all(|row| row.ended.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn is_root(sea: &Sea, run: RunId) -> bool {
    let first = sea.live().load(run, 0, 1).await.unwrap_or_default();
    let entry = first.first().and_then(|record| record.decode().ok());
    entry.is_some_and(|entry| match entry.event {
        longshore_model::Event::RunStarted(start) => start.parent.is_none(),
        _ => false,
    })
}

/// One host after the other. Never returns.
async fn lives(stage: &Stage<'_>, plan: &Plan, shared: &Shared, began: Instant) {
    for (n, life) in (0..).zip(&plan.lives) {
        let dice = |what: &str| Dice::of(mix(&[plan.seed, n]), what);
        let deck = shared.sea.deck(life.doom, plan.weather, dice("deck"));
        let clock = SimClock::wrong(began, life.ahead, life.back);
        let host = stage.host(Arc::clone(&deck), clock, plan.patience, dice("ids"));
        let request = stage.request(&shared.input);
        let working = tokio::spawn(work(host, request, shared.clone()));
        match life.doom {
            Doom::KillAt { after } => {
                tokio::time::sleep(after).await;
                deck.die();
            }
            Doom::PowerCutAt { after } => {
                tokio::time::sleep(after).await;
                deck.cut();
            }
            _ => deck.fallen().await,
        }
        if deck.is_dead() {
            working.abort();
        }
        tokio::time::sleep(life.rest).await;
    }
    std::future::pending().await
}

/// What a host does: starts the run where there is none, and goes on with those that have something to do.
async fn work(host: Longshore, request: longshore::Request, shared: Shared) {
    loop {
        if rows(&shared.sea).await.is_empty() {
            match host.start(request.clone()).await {
                Ok(running) => watch(running, &shared),
                Err(error) => failed(&error, &shared),
            }
        }
        match host.resume_due(16).await {
            Ok(going) => {
                for (_, going) in going {
                    match going {
                        Ok(running) => watch(running, &shared),
                        Err(error) => failed(&error, &shared),
                    }
                }
            }
            Err(error) => failed(&error, &shared),
        }
        tokio::time::sleep(LOOKS).await;
    }
}

/// Notes what is told of the run's end.
fn watch(running: Running, shared: &Shared) {
    let (shared, run) = (shared.clone(), running.id());
    tokio::spawn(async move {
        match running.finish().await {
            Ok(report) => {
                let outcome = format!("{:?}", report.outcome);
                shared.told.lock().unwrap_or_else(PoisonError::into_inner).push((run, outcome));
            }
            Err(error) => failed(&error, &shared),
        }
    });
}

/// A host may fail as its store does, or because another has the run. Nothing else is foreseen.
fn failed(error: &Error, shared: &Shared) {
    let foreseen = matches!(
        error,
        Error::Journal(
            JournalError::Store { .. }
                | JournalError::Fenced { .. }
                | JournalError::Held { .. }
                | JournalError::RunClosed(_)
                | JournalError::Conflict { .. }
                | JournalError::NotFound(_)
                | JournalError::AlreadySealed(_)
        )
    );
    if !foreseen {
        shared.sea.violated(format!("a host failed: {error:?}"));
    }
}

impl Sea {
    /// A way to the store for whoever is no host: nothing goes wrong on it.
    pub(crate) fn observer(self: &Arc<Self>, dice: Dice) -> Arc<Deck> {
        self.unlisted(dice, Weather::default())
    }
}

/// Every journal, for whoever looks for the cause.
pub(crate) async fn told(sea: &Sea) -> String {
    let mut text = String::new();
    for row in rows(sea).await {
        let records = sea.live().load(row.run, 0, usize::MAX).await.unwrap_or_default();
        let _ = writeln!(text, "{row:?}");
        for record in records {
            let _ = writeln!(text, "  {}", String::from_utf8_lossy(&record.bytes));
        }
    }
    text
}
