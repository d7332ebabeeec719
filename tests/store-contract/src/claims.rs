//! The promises about who advances a run, and what it is told meanwhile. Each panics with what was
//! broken.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use longshore_journal::{
    Append, Claim, Durability, Error, Fence, Letter, MAX_LETTER_BYTES, MAX_LETTERS, Named, Release,
    RunFilter, RunState, RunSummary, Store, Waiting, WaitsOn, Wake,
};
use longshore_model::RunId;
use longshore_reference::Digest;

use crate::promises::seal;
use crate::{Appends, Place, lease, run_id, time};

/// The end of the lease with which samples open runs.
const FIRST_UNTIL: u64 = 1_000_000;

fn claim(host: u8, now: u64, limit: usize) -> Claim {
    Claim { lease: lease(host, now + 1_000), now: time(now), only: None, limit }
}

fn ids(rows: &[RunSummary]) -> Vec<RunId> {
    rows.iter().map(|row| row.run).collect()
}

async fn opened(store: &dyn Store, n: u64) -> Appends {
    let mut appends = Appends::new(run_id(n));
    store.append(appends.add(1, 30, Durability::Buffered)).await.unwrap();
    appends
}

async fn row(store: &dyn Store, n: u64) -> RunSummary {
    store.summary(run_id(n)).await.unwrap().unwrap()
}

fn release(appends: &mut Appends, waiting: Option<Waiting>) -> Append {
    let mut append = appends.add(1, 30, Durability::Buffered);
    append.release = Some(Release { waiting });
    append
}

fn until(on: WaitsOn, wake_at: Option<u64>) -> Option<Waiting> {
    Some(Waiting { on, wake_at: wake_at.map(time) })
}

fn letter(n: u64, id: u8, text: &str) -> Letter {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Letter { run: run_id(n), id: [id; 16], at: time(u64::from(id)), bytes }
}

/// A run is held until its lease has run out. Then another host takes it, and whatever the first one
/// still adds is refused, records, letters and letting go alike.
pub async fn a_host_that_lost_a_run_is_refused(place: &impl Place) {
    let (first, second) = (place.handle(), place.handle());
    let mut appends = opened(&*first, 1).await;
    let held = row(&*second, 1).await;
    assert_eq!((held.fence, held.lease), (Fence::FIRST, Some(lease(1, FIRST_UNTIL))));
    assert_eq!(second.claim(&claim(2, FIRST_UNTIL - 1, 9)).await.unwrap(), []);
    let only = Claim { only: Some(run_id(1)), ..claim(2, FIRST_UNTIL - 1, 9) };
    assert_eq!(second.claim(&only).await.unwrap(), []);

    let taken = second.claim(&claim(2, FIRST_UNTIL, 9)).await.unwrap();
    assert_eq!(taken, [row(&*first, 1).await]);
    assert_eq!(taken[0].fence, Fence::FIRST.next());
    assert_eq!(taken[0].lease, Some(lease(2, FIRST_UNTIL + 1_000)));
    second.post(letter(1, 7, "hello")).await.unwrap();

    let plain = appends.clone().add(1, 30, Durability::Synced);
    let ending = appends.clone().end(RunState::Ok);
    let releasing = release(&mut appends.clone(), None);
    let mut taking = plain.clone();
    taking.taken = Some(1);
    for late in [plain, ending, releasing, taking] {
        match first.append(late).await.unwrap_err() {
            Error::Fenced { held, now, .. } => assert_eq!((held.0, now.0), (1, 2)),
            other => panic!("{other:?}"),
        }
    }
    let after = RunSummary { posted: 1, ..taken[0].clone() };
    assert_eq!(row(&*second, 1).await, after);
    assert_eq!(second.letters(run_id(1), 9).await.unwrap().len(), 1);

    appends.fence = taken[0].fence;
    second.append(appends.add(1, 30, Durability::Buffered)).await.unwrap();
    second.append(appends.end(RunState::Ok)).await.unwrap();
    let ended = row(&*first, 1).await;
    assert_eq!((ended.lease, ended.entries, ended.posted), (None, 3, 1));
    assert_eq!(second.claim(&claim(2, 9_000_000, 9)).await.unwrap(), []);
}

/// A lease that is renewed holds on. What was taken, let go of or ended is not renewed, and a lease
/// is never shortened.
pub async fn only_what_is_held_is_renewed(place: &impl Place) {
    let store = place.handle();
    for n in 1..=4 {
        let mut appends = opened(&*store, n).await;
        if n == 2 {
            store.append(release(&mut appends, None)).await.unwrap();
        } else if n == 3 {
            store.append(appends.end(RunState::Ok)).await.unwrap();
        }
    }
    let held: Vec<_> = [1, 2, 3, 5].map(|n| (run_id(n), Fence::FIRST)).to_vec();
    assert_eq!(store.renew(&held, time(5_000_000)).await.unwrap(), [run_id(1)]);
    assert_eq!(store.renew(&held, time(9)).await.unwrap(), [run_id(1)]);
    assert_eq!(store.renew(&[(run_id(4), Fence(2))], time(5_000_000)).await.unwrap(), []);
    assert_eq!(row(&*store, 1).await.lease, Some(lease(1, 5_000_000)));
    assert_eq!(row(&*store, 2).await.lease, None);
    assert_eq!(row(&*store, 4).await.lease, Some(lease(1, FIRST_UNTIL)));
    // The third is the only one that cannot be taken at all.
    let taken = store.claim(&claim(2, FIRST_UNTIL, 9)).await.unwrap();
    assert_eq!(ids(&taken), [run_id(2), run_id(4)]);
}

/// A run that waits is left alone until its time, or until a letter comes.
pub async fn what_waits_wakes_by_its_time_or_by_a_letter(place: &impl Place) {
    let store = place.handle();
    assert_eq!(store.due().await.unwrap(), None);
    let waits = [
        until(WaitsOn::Timer, Some(500)),
        until(WaitsOn::Signal, None),
        until(WaitsOn::Several, Some(700)),
    ];
    for (n, waiting) in (1..).zip(waits) {
        let mut appends = opened(&*store, n).await;
        store.append(release(&mut appends, waiting)).await.unwrap();
        let released = row(&*store, n).await;
        assert_eq!((released.lease, released.waiting), (None, waiting));
        assert_eq!(released.state_at(time(0)), RunState::Waiting);
    }
    assert_eq!(store.due().await.unwrap(), Some(time(500)));
    assert_eq!(store.claimable(time(499), 9).await.unwrap(), []);
    assert_eq!(ids(&store.claimable(time(500), 9).await.unwrap()), [run_id(1)]);
    store.post(letter(2, 1, "now")).await.unwrap();
    assert_eq!(ids(&store.claimable(time(0), 9).await.unwrap()), [run_id(2)]);
    let taken = store.claim(&claim(1, 800, 9)).await.unwrap();
    assert_eq!(ids(&taken), [run_id(2), run_id(1), run_id(3)], "those due longest first");
    assert!(taken.iter().all(|row| row.waiting.is_none() && row.fence == Fence(2)));
    assert_eq!(store.due().await.unwrap(), Some(time(1_800)));
    // A letter that came before the run was let go of is not slept through.
    let mut appends = Appends::after(run_id(1), 2, Fence(2));
    store.post(letter(1, 1, "early")).await.unwrap();
    store.append(release(&mut appends, until(WaitsOn::Signal, None))).await.unwrap();
    assert_eq!(ids(&store.claimable(time(0), 9).await.unwrap()), [run_id(1)]);
    // By name a run is given also while it waits.
    let mut appends = Appends::after(run_id(3), 2, Fence(2));
    store.append(release(&mut appends, until(WaitsOn::Approval, None))).await.unwrap();
    let by_name = Claim { only: Some(run_id(3)), ..claim(1, 0, 9) };
    assert_eq!(ids(&store.claim(&by_name).await.unwrap()), [run_id(3)]);
}

/// What a store finds claimable is what the journal's rule says of its rows.
pub async fn what_is_claimable_is_what_the_rule_says(place: &impl Place) {
    let store = place.handle();
    for n in 0..24 {
        let mut appends = opened(&*store, n).await;
        let waiting = match n % 4 {
            0 => None,
            1 => until(WaitsOn::Signal, None),
            2 => until(WaitsOn::Timer, Some(n * 10)),
            _ if n % 8 == 7 => until(WaitsOn::Divergence, Some(0)),
            _ => until(WaitsOn::Several, Some(1_000)),
        };
        if n % 6 == 5 {
            store.append(appends.end(RunState::Fault)).await.unwrap();
        } else if n % 6 != 4 {
            store.append(release(&mut appends, waiting)).await.unwrap();
        }
        if n % 5 < 3 && n % 6 != 5 {
            store.post(letter(n, 1, "")).await.unwrap();
        }
    }
    let rows = store.runs(&RunFilter::default()).await.unwrap();
    for now in [0, 1, 100, 200, 1_000, FIRST_UNTIL - 1, FIRST_UNTIL] {
        let by_rule = rows.iter().filter(|row| row.is_claimable(time(now)));
        let by_rule: BTreeSet<RunId> = by_rule.map(|row| row.run).collect();
        let found = store.claimable(time(now), 99).await.unwrap();
        assert_eq!(ids(&found).into_iter().collect::<BTreeSet<_>>(), by_rule, "at {now}");
    }
    let first = rows.iter().filter_map(RunSummary::due).min();
    assert_eq!(store.due().await.unwrap(), first);
}

/// However many hosts ask at once, each run is given to one of them.
pub async fn two_hosts_never_get_the_same_run(place: &impl Place) {
    let store = place.handle();
    for n in 0..60 {
        let mut appends = opened(&*store, n).await;
        store.append(release(&mut appends, None)).await.unwrap();
    }
    let hosts = [1, 2, 3].map(|host| {
        let store = place.handle();
        tokio::spawn(async move {
            let mut got = Vec::new();
            loop {
                let rows = store.claim(&claim(host, 10, 7)).await.unwrap();
                if rows.is_empty() && store.claimable(time(10), 1).await.unwrap().is_empty() {
                    return got;
                }
                assert!(rows.len() <= 7);
                assert!(rows.iter().all(|row| row.lease == Some(lease(host, 1_010))));
                got.extend(ids(&rows));
            }
        })
    });
    let mut all = Vec::new();
    for host in hosts {
        all.extend(host.await.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (60, 60));
}

/// Letters wait in their order, each once, until they are taken together with a record.
pub async fn letters_are_kept_once_and_taken_once(place: &impl Place) {
    let store = place.handle();
    let mut appends = opened(&*store, 1).await;
    for (place, text) in (0..).zip(["one", "two", "three"]) {
        let id = u8::try_from(place).unwrap();
        assert_eq!(store.post(letter(1, id, text)).await.unwrap(), place);
    }
    assert_eq!(store.post(letter(1, 1, "two, again")).await.unwrap(), 1);
    let waiting = store.letters(run_id(1), 9).await.unwrap();
    assert_eq!(waiting.iter().map(|posted| posted.seq).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(waiting[1].letter, letter(1, 1, "two"));
    assert_eq!(store.letters(run_id(1), 1).await.unwrap(), waiting[..1]);
    assert_eq!(store.letters(run_id(2), 9).await.unwrap(), []);

    let mut taking = appends.add(1, 30, Durability::Buffered);
    taking.taken = Some(2);
    store.append(taking.clone()).await.unwrap();
    assert!(matches!(store.append(taking).await, Err(Error::Conflict { .. })));
    assert_eq!(store.letters(run_id(1), 9).await.unwrap(), waiting[2..]);
    let now = row(&*store, 1).await;
    assert_eq!((now.posted, now.taken, now.entries), (3, 2, 2));
    // One that was taken is still known to be the same.
    assert_eq!(store.post(letter(1, 0, "one")).await.unwrap(), 0);
    assert_eq!(row(&*store, 1).await.posted, 3);

    let large = Letter { bytes: vec![0; MAX_LETTER_BYTES + 1].into(), ..letter(1, 9, "") };
    assert!(matches!(store.post(large).await, Err(Error::LetterTooLarge { .. })));
    assert!(matches!(store.post(letter(2, 9, "")).await, Err(Error::NotFound(_))));
    store.append(appends.end(RunState::Ok)).await.unwrap();
    assert!(matches!(store.post(letter(1, 9, "")).await, Err(Error::RunClosed(_))));
    assert_eq!(store.letters(run_id(1), 9).await.unwrap(), []);

    // A run that goes on as a new one keeps its letters for that one.
    let mut appends = opened(&*store, 3).await;
    assert_eq!(store.post(letter(3, 0, "late")).await.unwrap(), 0);
    store.append(appends.end(RunState::Continued)).await.unwrap();
    assert_eq!(row(&*store, 3).await.state, RunState::Continued);
    assert!(matches!(store.post(letter(3, 1, "")).await, Err(Error::RunClosed(_))));
    let left = store.letters(run_id(3), 9).await.unwrap();
    assert_eq!(left.iter().map(|l| l.letter.clone()).collect::<Vec<_>>(), [letter(3, 0, "late")]);
}

/// A mailbox has an end; there is room again when letters were taken.
pub async fn a_mailbox_is_bounded(place: &impl Place) {
    let store = place.handle();
    let mut appends = opened(&*store, 1).await;
    let numbered = |n: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Letter { id, ..letter(1, 0, "x") }
    };
    let posts = (0..MAX_LETTERS).map(|n| store.post(numbered(n)));
    let posts: Vec<_> = futures_util::future::join_all(posts).await;
    assert!(posts.iter().all(Result::is_ok), "{posts:?}");
    match store.post(numbered(MAX_LETTERS)).await.unwrap_err() {
        Error::MailboxFull { limit, .. } => assert_eq!(limit, MAX_LETTERS),
        other => panic!("{other:?}"),
    }
    let mut taking = appends.add(1, 30, Durability::Buffered);
    taking.taken = Some(1);
    store.append(taking).await.unwrap();
    assert_eq!(store.post(numbered(MAX_LETTERS)).await.unwrap(), MAX_LETTERS);
}

/// Whoever listens is told of a letter, of a run that was let go of, and of one that is opened for
/// others, whichever handle it came by.
pub async fn who_listens_is_woken(place: &impl Place) {
    let (near, far) = (place.handle(), place.handle());
    let mut appends = opened(&*far, 1).await;
    let mut wakes = near.wakes();
    // What was handed in before an answer is listened for.
    near.due().await.unwrap();
    let mut unheld = Appends::new(run_id(2)).add(1, 30, Durability::Buffered);
    unheld.opening.as_mut().unwrap().lease = None;
    unheld.fence = Fence::NONE;
    for step in 0..3 {
        let about = match step {
            0 => {
                far.post(letter(1, 1, "hello")).await.unwrap();
                run_id(1)
            }
            1 => {
                let waiting = until(WaitsOn::Signal, None);
                far.append(release(&mut appends, waiting)).await.unwrap();
                run_id(1)
            }
            _ => {
                far.append(unheld.clone()).await.unwrap();
                run_id(2)
            }
        };
        let told = async {
            loop {
                match wakes.next().await.expect("the store is there") {
                    Wake::Run(run) if run == about => return,
                    Wake::Any => return,
                    _ => {}
                }
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(10), told).await;
        assert!(told.is_ok(), "nobody was told of step {step}");
        assert!(near.claimable(time(0), 9).await.unwrap().len() <= 2);
    }
    assert_eq!(near.claim(&claim(1, 0, 9)).await.unwrap().len(), 2);
}

/// Lists can be narrowed to a component, a span of time, and an age.
pub async fn lists_are_narrowed(place: &impl Place) {
    let store = place.handle();
    for n in 0..6 {
        let mut appends = Appends::new(run_id(n));
        let mut first = appends.add(1, 30, Durability::Buffered);
        let opening = first.opening.as_mut().unwrap();
        opening.started = time(n * 10);
        opening.component = Digest::of(&[u8::from(n % 2 == 0)]);
        let name = if n % 2 == 0 { "a.example/even" } else { "a.example/even-not" };
        opening.reference = format!("{name}:1.{n}.0@sha256:00");
        store.append(first).await.unwrap();
        if n > 1 {
            let mut ending = appends.end(RunState::Ok);
            ending.ending.as_mut().unwrap().at = time(1_000 + n);
            store.append(ending).await.unwrap();
        }
    }
    let list = async |filter: RunFilter| ids(&store.runs(&filter).await.unwrap());
    let runs = |numbers: &[u64]| numbers.iter().map(|n| run_id(*n)).collect::<Vec<_>>();
    let named = |text: &str| RunFilter {
        component: Some(Named::Reference(text.to_owned())),
        ..RunFilter::default()
    };
    assert_eq!(list(named("a.example/even")).await, runs(&[4, 2, 0]));
    assert_eq!(list(named("a.example/even:1.2.0")).await, runs(&[2]));
    assert_eq!(list(named("a.example/even:1.2.0@sha256:00")).await, runs(&[2]));
    assert_eq!(list(named("a.example/ev")).await, runs(&[]));
    assert_eq!(list(named("%")).await, runs(&[]));
    let digest = Some(Named::Digest(Digest::of(&[0])));
    let odd = RunFilter { component: digest, limit: 2, ..RunFilter::default() };
    assert_eq!(list(odd.clone()).await, runs(&[5, 3]));
    assert_eq!(list(RunFilter { before: Some(run_id(3)), ..odd }).await, runs(&[1]));
    let span = RunFilter { since: Some(time(20)), until: Some(time(40)), ..RunFilter::default() };
    assert_eq!(list(span).await, runs(&[3, 2]));
    let old = RunFilter { ended_before: Some(time(1_004)), ..RunFilter::default() };
    assert_eq!(list(old.clone()).await, runs(&[3, 2]));
    let open = RunFilter { state: Some(RunState::Open), ..old };
    assert_eq!(list(open).await, runs(&[]));
}

/// What is removed is gone, but for its receipt; what has not ended stays.
pub async fn what_is_removed_leaves_its_receipt(place: &impl Place) {
    let store = place.handle();
    let mut receipts = Vec::new();
    for n in 0..4 {
        let mut appends = opened(&*store, n).await;
        store.post(letter(n, 1, "x")).await.unwrap();
        if n != 2 {
            store.append(appends.end(RunState::Ok)).await.unwrap();
            receipts.push(seal(&*store, run_id(n)).await.unwrap());
        }
    }
    let asked = [0, 1, 2, 9].map(run_id);
    assert_eq!(store.remove(&asked).await.unwrap(), [run_id(0), run_id(1)]);
    assert_eq!(store.remove(&asked).await.unwrap(), []);
    for n in [0, 1] {
        assert_eq!(store.summary(run_id(n)).await.unwrap(), None);
        assert_eq!(store.load(run_id(n), 0, 9).await.unwrap(), []);
        assert_eq!(store.letters(run_id(n), 9).await.unwrap(), []);
        assert!(matches!(store.post(letter(n, 2, "")).await, Err(Error::NotFound(_))));
    }
    assert_eq!(ids(&store.runs(&RunFilter::default()).await.unwrap()), [run_id(3), run_id(2)]);
    assert_eq!(store.receipts(0, 9).await.unwrap(), receipts);
    assert_eq!(store.receipt(run_id(1)).await.unwrap().as_ref(), Some(&receipts[1]));
    let mut appends = opened(&*store, 5).await;
    store.append(appends.end(RunState::Ok)).await.unwrap();
    let next = seal(&*store, run_id(5)).await.unwrap();
    assert_eq!((next.position, next.previous), (3, Some(receipts[2].receipt.digest)));
}
