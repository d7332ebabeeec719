//! What a run promises to whoever records it, and what a reader finds out about a history that was
//! touched.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use longshore_journal::{
    Append, Bell, Claim, Durability, Error, Fence, Journal, Letter, MemoryStore, Posted, Record,
    Result, RunFilter, RunState, RunSummary, Sealer, Seen, Store, StoreFault, StoredReceipt,
    Ticket, Waiting, WaitsOn, Wake, Wakes,
};
use longshore_model::{Clock, Event, RunId, Timestamp};
use longshore_reference::Digest;
use longshore_store_contract::{call, end, run_id, runtime, start};
use proptest::prelude::{any, prop_assert, proptest};

/// A clock that ticks, and now and then goes backwards.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let tick = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_unix_us(if tick % 3 == 2 { tick - 2 } else { tick })
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicU64::new(1_700_000_000_000_000)))
}

/// A store whose answers were touched on the way.
struct Touched {
    records: Vec<Record>,
    summary: RunSummary,
}

#[async_trait]
impl Store for Touched {
    fn append(&self, _: Append) -> Ticket {
        Ticket::ready(Err(Error::store(StoreFault::ReadOnly, "only for reading")))
    }

    async fn load(&self, _: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        Ok(self.records.iter().filter(|record| record.seq >= from).take(max).cloned().collect())
    }

    async fn summary(&self, _: RunId) -> Result<Option<RunSummary>> {
        Ok(Some(self.summary.clone()))
    }

    async fn runs(&self, _: &RunFilter) -> Result<Vec<RunSummary>> {
        Ok(Vec::new())
    }

    async fn claimable(&self, _: Timestamp, _: usize) -> Result<Vec<RunSummary>> {
        Ok(Vec::new())
    }

    async fn claim(&self, _: &Claim) -> Result<Vec<RunSummary>> {
        Ok(Vec::new())
    }

    async fn renew(&self, _: &[(RunId, Fence)], _: Timestamp) -> Result<Vec<RunId>> {
        Ok(Vec::new())
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        Err(Error::NotFound(letter.run))
    }

    async fn letters(&self, _: RunId, _: usize) -> Result<Vec<Posted>> {
        Ok(Vec::new())
    }

    fn wakes(&self) -> Wakes {
        Bell::new().listen()
    }

    async fn remove(&self, _: &[RunId]) -> Result<Vec<RunId>> {
        Ok(Vec::new())
    }

    async fn seal(&self, run: RunId, _: Durability, _: Sealer) -> Result<StoredReceipt> {
        Err(Error::NotFound(run))
    }

    async fn receipt(&self, _: RunId) -> Result<Option<StoredReceipt>> {
        Ok(None)
    }

    async fn receipts(&self, _: u64, _: usize) -> Result<Vec<StoredReceipt>> {
        Ok(Vec::new())
    }
}

/// A recorded run of seven entries.
async fn recorded() -> Touched {
    let store = Arc::new(MemoryStore::new());
    let journal = Journal::new(store.clone(), clock());
    let run = journal.open(start(run_id(1))).await.unwrap();
    for n in 0..5 {
        run.record(call(n)).unwrap();
    }
    run.close(end()).await.unwrap();
    let records = store.load(run_id(1), 0, 100).await.unwrap();
    Touched { records, summary: store.summary(run_id(1)).await.unwrap().unwrap() }
}

async fn read(touched: Touched) -> Result<longshore_journal::History> {
    Journal::new(Arc::new(touched), clock()).read(run_id(1)).await
}

#[test]
fn a_history_reads_back_what_was_recorded_in_order_of_time() {
    runtime().block_on(async {
        let history = read(recorded().await).await.unwrap();
        assert_eq!(history.entries().len(), 7);
        assert_eq!(history.start(), &start(run_id(1)));
        assert_eq!(history.end(), Some(&end()));
        assert_eq!(history.entries()[3].event, call(2));
        assert!(history.entries().is_sorted_by_key(|entry| (entry.at, entry.seq)));
    });
}

#[test]
fn a_run_that_is_closed_and_read_in_one_breath_is_the_run_that_was_recorded() {
    runtime().block_on(async {
        let journal = Journal::in_memory(clock());
        let run = journal.open(start(run_id(1))).await.unwrap();
        // More than one page, and more than one hand-over.
        for n in 0..2_500 {
            run.record(call(n)).unwrap();
        }
        let (closed, history) = run.close_and_read(end()).await.unwrap();
        assert_eq!((closed.entries, closed.head), (2_502, history.head()));
        assert_eq!(history, closed.history().await.unwrap());
        assert_eq!(history.end(), Some(&end()));
        let again = run.close_and_read(end()).await;
        assert!(matches!(again, Err(Error::RunClosed(run)) if run == run_id(1)), "{again:?}");
    });
}

fn flip(bytes: &Bytes, bit: usize) -> Bytes {
    let mut copy = bytes.to_vec();
    copy[bit / 8] ^= 1 << (bit % 8);
    copy.into()
}

fn flip_digest(digest: Digest, bit: usize) -> Digest {
    let mut raw = *digest.as_bytes();
    raw[bit / 8 % 32] ^= 1 << (bit % 8);
    Digest::from_bytes(raw)
}

/// Flips one bit somewhere in what the store keeps of a run.
fn touch(touched: &mut Touched, place: usize, field: usize, bit: usize) {
    let count = touched.records.len();
    if place % (count + 1) == count {
        let row = &mut touched.summary;
        match field % 6 {
            0 => row.head = flip_digest(row.head, bit),
            1 => row.component = flip_digest(row.component, bit),
            2 => row.entries ^= 1 << (bit % 64),
            3 => row.started = Timestamp::from_unix_us(row.started.unix_us() ^ 1 << (bit % 64)),
            4 => {
                row.ended =
                    row.ended.map(|at| Timestamp::from_unix_us(at.unix_us() ^ 1 << (bit % 64)))
            }
            _ => row.function.push('x'),
        }
        return;
    }
    let record = &mut touched.records[place % (count + 1)];
    match field % 4 {
        0 => record.hash = flip_digest(record.hash, bit),
        1 => record.at = Timestamp::from_unix_us(record.at.unix_us() ^ 1 << (bit % 64)),
        2 => record.seq ^= 1 << (bit % 64),
        _ => record.bytes = flip(&record.bytes, bit % (record.bytes.len() * 8)),
    }
}

proptest! {
    #[test]
    fn one_changed_bit_anywhere_is_found(
        place in any::<usize>(), field in any::<usize>(), bit in any::<usize>(),
    ) {
        let found = runtime_of_one().block_on(async {
            let mut touched = recorded().await;
            touch(&mut touched, place, field, bit);
            read(touched).await
        });
        prop_assert!(found.is_err(), "{found:?}");
        let code = found.unwrap_err().code();
        prop_assert!(["LS-JRN-002", "LS-JRN-003", "LS-JRN-004"].contains(&code), "{code}");
    }
}

fn runtime_of_one() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn each_way_of_breaking_a_history_has_its_own_error() {
    runtime().block_on(async {
        let mut cut = recorded().await;
        cut.records.pop();
        assert!(matches!(read(cut).await, Err(Error::Truncated { missing: 6, entries: 7, .. })));

        let mut cut_with_its_row = recorded().await;
        cut_with_its_row.records.pop();
        cut_with_its_row.summary.entries -= 1;
        cut_with_its_row.summary.head = cut_with_its_row.records[5].hash;
        assert!(matches!(read(cut_with_its_row).await, Err(Error::Truncated { missing: 6, .. })));

        let mut hole = recorded().await;
        hole.records.remove(3);
        assert!(matches!(read(hole).await, Err(Error::Truncated { missing: 3, .. })));

        let mut swapped = recorded().await;
        swapped.records.swap(2, 4);
        swapped.records[2].seq = 2;
        swapped.records[4].seq = 4;
        assert!(matches!(read(swapped).await, Err(Error::Reordered { seq: 2, found: 4, .. })));

        let mut edited = recorded().await;
        let text = String::from_utf8(edited.records[3].bytes.to_vec()).unwrap();
        edited.records[3].bytes = text.replace("greet", "grant").into_bytes().into();
        assert!(matches!(read(edited).await, Err(Error::Edited { what, .. }) if what == "entry 3"));

        let newer = read(with_an_event_of_tomorrow(recorded().await)).await.unwrap_err();
        assert_eq!(newer.code(), "LS-JRN-005");
        let text = newer.to_string();
        assert!(text.contains("entry 3") && text.contains("`0.1.0`"), "{text}");

        let missing = Journal::in_memory(clock()).read(run_id(5)).await;
        assert!(matches!(missing, Err(Error::NotFound(_))));
    });
}

/// A whole chain, with an event in it that no version knows yet.
fn with_an_event_of_tomorrow(mut touched: Touched) -> Touched {
    touched.records[3].bytes = Bytes::from(format!(
        r#"{{"seq":3,"at":{},"event":{{"timer-fired":{{}}}}}}"#,
        touched.records[3].at.unix_us()
    ));
    let mut chain = longshore_journal::Chain::new();
    for record in &mut touched.records {
        record.hash = chain.push(&record.bytes);
    }
    touched.summary.head = chain.head();
    touched
}

#[test]
fn a_run_ends_once_and_within_its_budget_of_events() {
    runtime().block_on(async {
        let journal = Journal::in_memory(clock());
        let mut starting = start(run_id(1));
        starting.grant.limits.events = 4;
        let run = journal.open(starting).await.unwrap();
        run.record(call(0)).unwrap();
        run.record(call(1)).unwrap();
        assert!(matches!(run.record(call(2)), Err(Error::EventLimit { limit: 4, .. })));
        assert!(matches!(run.record(Event::RunEnded(Box::new(end()))), Err(Error::Reserved(_))));
        let closed = run.close(end()).await.unwrap();
        assert_eq!(closed.entries, 4);
        assert!(matches!(run.close(end()).await, Err(Error::RunClosed(_))));
        assert!(matches!(run.record(call(3)), Err(Error::RunClosed(_))));
        assert_eq!(closed.history().await.unwrap().head(), closed.head);
        let again = journal.open(start(run_id(1))).await;
        assert!(matches!(again, Err(Error::Conflict { .. })));
    });
}

#[test]
fn a_run_that_nobody_holds_is_interrupted_and_can_go_on() {
    runtime().block_on(async {
        let journal = Journal::in_memory(clock());
        let run = journal.open(start(run_id(1))).await.unwrap();
        run.record(call(0)).unwrap();
        let state = async || journal.summary(run_id(1)).await.unwrap().unwrap().state;
        assert_eq!(state().await, RunState::Open);
        drop(run);
        assert_eq!(state().await, RunState::Interrupted);
        let interrupted = RunFilter { state: Some(RunState::Interrupted), ..RunFilter::default() };
        assert_eq!(journal.runs(&interrupted).await.unwrap().len(), 1);
        let (run, history) = journal.resume(run_id(1)).await.unwrap();
        assert_eq!(history.entries().len(), 2);
        assert_eq!(run.record(call(1)).unwrap(), 2);
        run.close(end()).await.unwrap();
        assert_eq!(state().await, RunState::Ok);
        assert!(matches!(journal.resume(run_id(1)).await, Err(Error::RunClosed(_))));
        assert_eq!(journal.read(run_id(1)).await.unwrap().entries().len(), 4);
    });
}

/// A clock that stands where it is put.
#[derive(Clone, Default)]
struct Set(Arc<AtomicU64>);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_us(self.0.load(Ordering::Relaxed))
    }
}

/// Two hosts on one store, with leases of ten seconds, and the clock of both.
fn two_hosts() -> (Journal, Journal, Set) {
    let (store, clock) = (Arc::new(MemoryStore::new()), Set::default());
    let host = |n: u8| {
        let id = longshore_journal::HostId::new([n; 16]);
        let lease = std::time::Duration::from_secs(10);
        Journal::hosted(store.clone(), Arc::new(clock.clone()), id, lease)
    };
    (host(1), host(2), clock)
}

#[test]
fn a_run_that_another_host_holds_is_open_until_its_lease_has_run_out() {
    runtime().block_on(async {
        let (first, second, clock) = two_hosts();
        let run = first.open(start(run_id(1))).await.unwrap();
        run.record(call(0)).unwrap();
        run.sync().await.unwrap();
        let state = async || second.summary(run_id(1)).await.unwrap().unwrap().state;
        assert_eq!(state().await, RunState::Open);
        assert_eq!(second.claim(9).await.unwrap(), []);
        match second.resume(run_id(1)).await.unwrap_err() {
            error @ Error::Held { until, .. } => {
                assert_eq!((until.unix_us(), error.code()), (10_000_000, "LS-JRN-031"));
            }
            other => panic!("{other:?}"),
        }
        clock.0.store(10_000_000, Ordering::Relaxed);
        assert_eq!(state().await, RunState::Interrupted);
        let (taken, history) = second.resume(run_id(1)).await.unwrap();
        assert_eq!((history.entries().len(), state().await), (2, RunState::Open));
        // The first host wakes late: nothing that it does counts, and it is told.
        run.record(call(1)).unwrap();
        let late = run.sync().await.unwrap_err();
        assert_eq!(late.code(), "LS-JRN-030");
        assert!(run.record(call(2)).is_err() && run.close(end()).await.is_err());
        drop(run);
        assert_eq!(state().await, RunState::Open);
        taken.record(call(1)).unwrap();
        taken.close(end()).await.unwrap();
        assert_eq!(first.read(run_id(1)).await.unwrap().entries().len(), 4);
    });
}

#[test]
fn a_run_that_waits_is_given_to_whichever_host_comes_when_it_is_time() {
    runtime().block_on(async {
        let (first, second, clock) = two_hosts();
        let run = first.open(start(run_id(1))).await.unwrap();
        let wake_at = Some(Timestamp::from_unix_us(50_000_000));
        let waiting = Some(Waiting { on: WaitsOn::Several, wake_at });
        run.record(call(0)).unwrap();
        run.release(waiting).await.unwrap();
        assert!(matches!(run.record(call(1)), Err(Error::RunClosed(_))));
        drop(run);
        let listed = second.summary(run_id(1)).await.unwrap().unwrap();
        assert_eq!((listed.state, listed.waiting, listed.entries), (RunState::Waiting, waiting, 2));
        assert_eq!(
            (second.due().await.unwrap(), second.claim(9).await.unwrap()),
            (wake_at, vec![])
        );
        let mut wakes = second.wakes();
        first.post(run_id(1), [1; 16], Bytes::from_static(b"go")).await.unwrap();
        assert_eq!(wakes.next().await, Some(Wake::Run(run_id(1))));
        let taken = second.claim(9).await.unwrap();
        let (run, _) = second.go_on(&taken[0]).await.unwrap();
        let letters = run.letters(9).await.unwrap();
        assert_eq!(&letters[0].letter.bytes[..], b"go");
        run.record_letter(call(1), letters[0].seq).unwrap();
        run.release(waiting).await.unwrap();
        assert_eq!((first.claim(9).await.unwrap(), first.due().await.unwrap()), (vec![], wake_at));
        clock.0.store(50_000_000, Ordering::Relaxed);
        let (run, history) = first.go_on(&first.claim(9).await.unwrap()[0]).await.unwrap();
        assert_eq!((history.entries().len(), run.letters(9).await.unwrap()), (3, vec![]));
        run.release(Some(Waiting { on: WaitsOn::Divergence, wake_at: None })).await.unwrap();
        let listed = second.summary(run_id(1)).await.unwrap().unwrap();
        assert_eq!((listed.state, second.due().await.unwrap()), (RunState::Diverged, None));
    });
}

#[test]
fn the_lease_of_a_run_under_way_is_prolonged_until_it_ends() {
    runtime().block_on(async {
        let clock = Set::default();
        let lease = std::time::Duration::from_millis(30);
        let host = longshore_journal::HostId::new([1; 16]);
        let store = Arc::new(MemoryStore::new());
        let journal = Journal::hosted(store.clone(), Arc::new(clock.clone()), host, lease);
        let run = journal.open(start(run_id(1))).await.unwrap();
        let until = async || store.summary(run_id(1)).await.unwrap().unwrap().lease.unwrap().until;
        assert_eq!(until().await.unix_us(), 30_000);
        clock.0.store(1_000_000, Ordering::Relaxed);
        let prolonged = async {
            while until().await.unix_us() != 1_030_000 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), prolonged).await.unwrap();
        run.close(end()).await.unwrap();
        assert_eq!(journal.summary(run_id(1)).await.unwrap().unwrap().lease, None);
    });
}

#[test]
fn a_subscriber_sees_every_entry_or_is_told_how_many_it_missed() {
    runtime().block_on(async {
        let journal = Journal::in_memory(clock());
        let run = journal.open(start(run_id(1))).await.unwrap();
        let mut early = run.subscribe();
        for n in 0..3_000 {
            run.record(call(n)).unwrap();
        }
        let mut late = run.subscribe();
        run.close(end()).await.unwrap();
        let (mut next, mut missed) = (0, 0);
        while let Some(seen) = early.next().await {
            match seen {
                Seen::Entry(entry) => {
                    assert_eq!(entry.seq, next);
                    next += 1;
                }
                Seen::Missed(count) => {
                    missed += count;
                    next += count;
                }
            }
        }
        assert_eq!(next, 3_002);
        assert!(missed > 1_900 && missed < 3_000, "{missed}");
        assert!(matches!(late.next().await, Some(Seen::Entry(entry)) if entry.seq == 0));
        assert_eq!(late.next().await, Some(Seen::Missed(3_000)));
        assert!(matches!(late.next().await, Some(Seen::Entry(entry)) if entry.seq == 3_001));
        assert_eq!(late.next().await, None);
    });
}

#[test]
fn the_store_in_memory_forgets_the_oldest_ended_runs_only() {
    runtime().block_on(async {
        let journal = Journal::new(Arc::new(MemoryStore::keeping(2)), clock());
        let _open = journal.open(start(run_id(0))).await.unwrap();
        for n in 1..=4 {
            journal.open(start(run_id(n))).await.unwrap().close(end()).await.unwrap();
        }
        let rows = journal.runs(&RunFilter::default()).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.run).collect();
        assert_eq!(ids, [run_id(4), run_id(3), run_id(0)]);
    });
}
