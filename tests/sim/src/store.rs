//! A store as stores are: it keeps what was synced when the power fails and the beginning of the rest, it takes its time, it fails,
//! it is heard twice or late; and hosts die over it at any record.
//!
//! What it keeps is a list of what was done; the store in memory, which passes the suite of all stores, says what that means.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use longshore_journal::{
    Append, Bell, Claim, Completion, Durability, Error, Fence, Letter, MemoryStore, Posted, Record,
    Result, RunFilter, RunSummary, SealedReceipt, Sealer, Store, StoreFault, StoredReceipt, Ticket,
    Wake, Wakes,
};
use longshore_model::{RunId, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chart::Chart;
use crate::dice::Dice;
use crate::plan::{Doom, Weather};

/// What all hosts share.
pub(crate) struct Sea {
    inner: Mutex<Inner>,
    bell: Bell,
    hosts: Mutex<Vec<Weak<Deck>>>,
    rivals: bool,
    violations: Mutex<Vec<String>>,
}

struct Inner {
    live: Arc<MemoryStore>,
    done: Vec<Done>,
    /// So many of them are on disk.
    safe: usize,
    /// How often the power failed.
    cuts: u64,
    chart: Chart,
    safe_chart: Chart,
    dice: Dice,
}

/// Something that the store did.
#[derive(Clone)]
enum Done {
    Append(Append),
    Claim(Claim),
    Renew(Vec<(RunId, Fence)>, Timestamp),
    Post(Letter),
    Seal(RunId, SealedReceipt),
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| unreachable!("the store in memory never waits"))
}

fn empty() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::keeping(1_000_000))
}

fn redo(store: &MemoryStore, done: &Done) {
    match done.clone() {
        Done::Append(append) => drop(now(store.append(append))),
        Done::Claim(claim) => drop(now(store.claim(&claim))),
        Done::Renew(held, until) => drop(now(store.renew(&held, until))),
        Done::Post(letter) => drop(now(store.post(letter))),
        Done::Seal(run, receipt) => {
            drop(now(store.seal(run, Durability::Synced, Box::new(move |_| Ok(receipt)))));
        }
    }
}

impl Inner {
    fn push(&mut self, done: Done) -> Option<String> {
        let wrong = match &done {
            Done::Append(append) => self.chart.enter(append),
            _ => None,
        };
        self.done.push(done);
        wrong
    }

    fn sync(&mut self, to: usize) {
        while self.safe < to {
            if let Done::Append(append) = &self.done[self.safe] {
                self.safe_chart.enter(append);
            }
            self.safe += 1;
        }
    }
}

impl Sea {
    pub(crate) fn new(seed: u64, rivals: bool) -> Arc<Self> {
        let inner = Inner {
            live: empty(),
            done: Vec::new(),
            safe: 0,
            cuts: 0,
            chart: Chart::default(),
            safe_chart: Chart::default(),
            dice: Dice::of(seed, "sea"),
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            bell: Bell::new(),
            hosts: Mutex::default(),
            rivals,
            violations: Mutex::default(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept now.
    pub(crate) fn live(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.inner().live)
    }

    pub(crate) fn chart(&self) -> Chart {
        self.inner().chart.clone()
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.inner().cuts
    }

    /// How many records were ever appended and kept.
    pub(crate) fn records(&self) -> u64 {
        let inner = self.inner();
        let records = inner.done.iter().map(|done| match done {
            Done::Append(append) => append.records.len() as u64,
            _ => 0,
        });
        records.sum()
    }

    /// Notes that something was promised that does not hold.
    pub(crate) fn violated(&self, what: String) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Judges an attempt at an effect as it leaves: its intent is on disk, and its step has not ended.
    pub(crate) fn leaves(&self, key: &str, attempt: u32, times: u32) {
        let inner = self.inner();
        let Some(call) = inner.chart.call(key) else {
            drop(inner);
            return self.violated(format!("an effect under `{key}`, which no journal has"));
        };
        // A host that was overtaken may have told the world before it learns of it.
        let overtaken = self.rivals && attempt < call.attempts;
        let ended = call.ended.is_some() && !overtaken;
        let on_disk = inner.safe_chart.call(key).map_or(0, |call| call.intents);
        drop(inner);
        if ended {
            self.violated(format!("attempt {attempt} at `{key}` after its end was journaled"));
        }
        if on_disk < times {
            self.violated(format!("attempt {attempt} at `{key}` before its intent is on disk"));
        }
    }

    fn append(&self, append: Append) -> (Result<()>, usize) {
        let mut inner = self.inner();
        let result = now(inner.live.append(append.clone()));
        let frees = append.frees();
        let run = append.run;
        let wrong = result.is_ok().then(|| inner.push(Done::Append(append))).flatten();
        let end = inner.done.len();
        drop(inner);
        if let Some(wrong) = wrong {
            self.violated(wrong);
        }
        if result.is_ok() && frees {
            self.bell.ring(Wake::Run(run));
        }
        (result, end)
    }

    /// What was done up to `end` is on disk, unless the power failed since.
    fn sync(&self, end: usize, cuts: u64) {
        let mut inner = self.inner();
        if inner.cuts == cuts {
            inner.sync(end);
        }
    }

    /// The power fails: all hosts die, and what was not synced is gone, but for some of its beginning.
    fn cut(&self) {
        let hosts = std::mem::take(&mut *self.hosts.lock().unwrap_or_else(PoisonError::into_inner));
        for host in hosts.iter().filter_map(Weak::upgrade) {
            host.die();
        }
        let mut guard = self.inner();
        let inner = &mut *guard;
        let lost = (inner.done.len() - inner.safe) as u64;
        let kept = inner.safe + usize::try_from(inner.dice.below(lost + 1)).unwrap_or(0);
        inner.done.truncate(kept);
        inner.live = empty();
        inner.chart = Chart::default();
        inner.cuts += 1;
        for done in &inner.done {
            redo(&inner.live, done);
            if let Done::Append(append) = done {
                inner.chart.enter(append);
            }
        }
        inner.sync(kept);
    }

    /// A host's way to the store.
    pub(crate) fn deck(self: &Arc<Self>, doom: Doom, weather: Weather, dice: Dice) -> Arc<Deck> {
        let deck = self.way(doom, weather, dice);
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&deck));
        deck
    }

    /// The same for whoever is on no machine that fails.
    pub(crate) fn unlisted(self: &Arc<Self>, dice: Dice, weather: Weather) -> Arc<Deck> {
        self.way(Doom::Never, weather, dice)
    }

    fn way(self: &Arc<Self>, doom: Doom, weather: Weather, dice: Dice) -> Arc<Deck> {
        let (fate, queue, lost) = (Fate::Alive, VecDeque::new(), Vec::new());
        Arc::new_cyclic(|me| Deck {
            me: me.clone(),
            sea: Arc::clone(self),
            weather,
            doom,
            records: AtomicU64::new(0),
            state: Mutex::new(State { dice, fate, queue, lost }),
            fell: Notify::new(),
        })
    }
}

/// A host's way to the store.
pub(crate) struct Deck {
    me: Weak<Deck>,
    sea: Arc<Sea>,
    weather: Weather,
    doom: Doom,
    records: AtomicU64,
    state: Mutex<State>,
    fell: Notify,
}

struct State {
    dice: Dice,
    fate: Fate,
    /// What a host that was stopped will have done when it wakes up.
    queue: VecDeque<(Append, Completion)>,
    /// Nobody is told any more.
    lost: Vec<Completion>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Alive,
    Paused(Instant),
    Dead,
}

fn fault() -> Error {
    Error::store(StoreFault::Unavailable, "the store is out of reach")
}

impl Deck {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host dies here and now.
    pub(crate) fn die(&self) {
        self.state().fate = Fate::Dead;
        self.fell.notify_one();
    }

    /// The machine does.
    pub(crate) fn cut(&self) {
        self.sea.cut();
    }

    /// Returns once the host died or was stopped.
    pub(crate) async fn fallen(&self) {
        self.fell.notified().await;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().fate == Fate::Dead
    }

    fn pause(&self, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        self.state().fate = Fate::Paused(until);
        self.fell.notify_one();
        let me = self.me.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            let Some(deck) = me.upgrade() else { return };
            let queue = {
                let mut state = deck.state();
                if state.fate == Fate::Dead {
                    return;
                }
                state.fate = Fate::Alive;
                std::mem::take(&mut state.queue)
            };
            for (append, completion) in queue {
                let (durability, cuts) = (append.durability, deck.sea.cuts());
                let (result, end) = deck.sea.append(append);
                if result.is_ok() && durability == Durability::Synced {
                    deck.sea.sync(end, cuts);
                }
                completion.complete(result);
            }
        });
    }

    /// A ticket that nobody ever answers.
    fn never(&self) -> Ticket {
        let (completion, ticket) = Ticket::pending();
        self.state().lost.push(completion);
        ticket
    }

    /// How long an operation takes, and whether it fails before or after it was done.
    fn throw(&self) -> (Duration, bool, bool) {
        let (weather, mut state) = (self.weather, self.state());
        let dice = &mut state.dice;
        let nap = match dice.chance(weather.slow) {
            true if dice.chance(5) => Duration::from_millis(dice.below(3_000)),
            true => Duration::from_micros(dice.below(4_000)),
            false => Duration::ZERO,
        };
        let fails = dice.chance(weather.failing);
        let before = dice.chance(60);
        (nap, fails && before, fails && !before)
    }

    /// The way to the store: waits while the host is stopped, for ever when it is dead.
    async fn pass(&self) -> Result<()> {
        let (nap, before, after) = self.throw();
        if !nap.is_zero() {
            tokio::time::sleep(nap).await;
        }
        loop {
            let fate = self.state().fate;
            match fate {
                Fate::Dead => std::future::pending().await,
                Fate::Paused(until) => tokio::time::sleep_until(until).await,
                Fate::Alive => break,
            }
        }
        // Reading fails before it is done; of what changes something, only appends are told of afterwards.
        if before || after { Err(fault()) } else { Ok(()) }
    }

    /// Whether the host's time has come with these records: how many of them are still kept.
    fn strikes(&self, append: &Append) -> Option<usize> {
        let count = append.records.len() as u64;
        let before = self.records.fetch_add(count, Ordering::SeqCst);
        let (Doom::Kill { record } | Doom::PowerCut { record } | Doom::Pause { record, .. }) =
            self.doom
        else {
            return None;
        };
        let within = record > before && record <= before + count;
        within.then(|| usize::try_from(record - before).unwrap_or(0))
    }

    /// The host dies while it appends.
    fn fall(&self, mut append: Append, kept: usize) -> Ticket {
        match self.doom {
            Doom::Pause { ms, .. } => {
                let (completion, ticket) = Ticket::pending();
                self.pause(ms);
                self.state().queue.push_back((append, completion));
                return ticket;
            }
            _ => {
                // What is one step reaches the store whole, or not at all.
                let whole = append.taken.is_some() || append.release.is_some();
                let all = self.state().dice.chance(50);
                if !(whole || append.ending.is_some()) {
                    append.records.truncate(kept);
                }
                if all || !(whole || append.ending.is_some()) {
                    drop(self.sea.append(append));
                }
            }
        }
        let ticket = self.never();
        match self.doom {
            Doom::PowerCut { .. } => self.sea.cut(),
            _ => self.die(),
        }
        ticket
    }
}

#[async_trait]
impl Store for Deck {
    fn append(&self, append: Append) -> Ticket {
        let fate = self.state().fate;
        match fate {
            Fate::Dead => return self.never(),
            Fate::Paused(_) => {
                let (completion, ticket) = Ticket::pending();
                self.state().queue.push_back((append, completion));
                return ticket;
            }
            Fate::Alive => {}
        }
        if let Some(kept) = self.strikes(&append) {
            return self.fall(append, kept);
        }
        let (nap, before, after) = self.throw();
        if before {
            return Ticket::ready(Err(fault()));
        }
        let durability = append.durability;
        let cuts = self.sea.cuts();
        let (result, end) = self.sea.append(append);
        if after {
            return Ticket::ready(Err(fault()));
        }
        if durability == Durability::Buffered || result.is_err() {
            return Ticket::ready(result);
        }
        if nap.is_zero() {
            self.sea.sync(end, cuts);
            return Ticket::ready(result);
        }
        let (completion, ticket) = Ticket::pending();
        let (sea, me) = (Arc::clone(&self.sea), self.me.clone());
        tokio::spawn(async move {
            tokio::time::sleep(nap).await;
            sea.sync(end, cuts);
            let Some(deck) = me.upgrade() else { return };
            // A host that was stopped reads its answer when it wakes up; one that died never does.
            loop {
                let fate = deck.state().fate;
                match fate {
                    Fate::Alive => return completion.complete(result),
                    Fate::Paused(until) => tokio::time::sleep_until(until).await,
                    Fate::Dead => return deck.state().lost.push(completion),
                }
            }
        });
        ticket
    }

    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        self.pass().await?;
        self.sea.live().load(run, from, max).await
    }

    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        self.pass().await?;
        self.sea.live().summary(run).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        self.pass().await?;
        self.sea.live().runs(filter).await
    }

    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>> {
        self.pass().await?;
        self.sea.live().claimable(now, limit).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>> {
        self.pass().await?;
        let mut inner = self.sea.inner();
        let claimed = now(inner.live.claim(claim))?;
        if !claimed.is_empty() {
            inner.push(Done::Claim(*claim));
            let end = inner.done.len();
            inner.sync(end);
        }
        Ok(claimed)
    }

    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>> {
        self.pass().await?;
        let mut inner = self.sea.inner();
        let renewed = now(inner.live.renew(held, until));
        inner.push(Done::Renew(held.to_vec(), until));
        renewed
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        self.pass().await?;
        self.sea.live().due().await
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        self.pass().await?;
        let run = letter.run;
        let place = {
            let mut inner = self.sea.inner();
            let place = now(inner.live.post(letter.clone()))?;
            inner.push(Done::Post(letter));
            let end = inner.done.len();
            inner.sync(end);
            place
        };
        let echo = self.state().dice.chance(self.weather.echoes);
        let late = Duration::from_millis(if echo { self.state().dice.below(200) } else { 0 });
        let sea = Arc::clone(&self.sea);
        if echo {
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                sea.bell.ring(Wake::Run(run));
                sea.bell.ring(Wake::Any);
                sea.bell.ring(Wake::Run(run));
            });
        } else {
            sea.bell.ring(Wake::Run(run));
        }
        Ok(place)
    }

    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        self.pass().await?;
        self.sea.live().letters(run, max).await
    }

    fn wakes(&self) -> Wakes {
        self.sea.bell.listen()
    }

    async fn remove(&self, _runs: &[RunId]) -> Result<Vec<RunId>> {
        // Nobody removes anything in a simulation.
        Ok(Vec::new())
    }

    async fn seal(
        &self,
        run: RunId,
        durability: Durability,
        sealer: Sealer,
    ) -> Result<StoredReceipt> {
        self.pass().await?;
        let mut inner = self.sea.inner();
        let stored = now(inner.live.seal(run, durability, sealer))?;
        inner.push(Done::Seal(run, stored.receipt.clone()));
        let end = inner.done.len();
        if durability == Durability::Synced {
            inner.sync(end);
        }
        Ok(stored)
    }

    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        self.pass().await?;
        self.sea.live().receipt(run).await
    }

    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        self.pass().await?;
        self.sea.live().receipts(position, max).await
    }
}
