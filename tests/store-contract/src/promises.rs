//! The promises. Each panics with what was broken.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;

use longshore_journal::{
    Append, Durability, Error, MAX_PAGE_BYTES, RunFilter, RunState, SealedReceipt, Store,
    StoredReceipt,
};
use longshore_model::RunId;
use longshore_reference::Digest;

use crate::{Appends, Place, run_id};

/// Entries come back as they went in, from any place on, in pages of any size.
pub async fn appends_keep_their_order_and_their_bytes(place: &impl Place) {
    let store = place.handle();
    let run = run_id(1);
    let mut appends = Appends::new(run);
    let mut written = Vec::new();
    for count in [1, 3, 1, 40] {
        let append = appends.add(count, 60, Durability::Buffered);
        written.extend(append.records.clone());
        store.append(append).await.unwrap();
    }
    assert_eq!(store.load(run, 0, 1_000).await.unwrap(), written);
    assert_eq!(store.load(run, 7, 5).await.unwrap(), written[7..12]);
    assert_eq!(store.load(run, 45, 5).await.unwrap(), []);
    assert_eq!(store.load(run_id(2), 0, 5).await.unwrap(), []);
    let summary = store.summary(run).await.unwrap().unwrap();
    assert_eq!((summary.entries, summary.state), (45, RunState::Open));
    assert_eq!(summary.head, written[44].hash);
    assert_eq!(store.summary(run_id(2)).await.unwrap(), None);
    let (row, page) = store.first_page(run, 5).await.unwrap().unwrap();
    assert_eq!((row, &page[..]), (summary, &written[..5]));
    assert!(store.first_page(run_id(2), 5).await.unwrap().is_none());
}

/// A gap, a repetition, a second opening, an unknown run and an ended run each have their error,
/// and leave no trace.
pub async fn an_append_that_does_not_fit_changes_nothing(place: &impl Place) {
    let store = place.handle();
    let run = run_id(1);
    let mut appends = Appends::new(run);
    let first = appends.add(2, 30, Durability::Buffered);
    let second = appends.add(2, 30, Durability::Synced);
    let third = appends.add(2, 30, Durability::Buffered);
    let refused = store.append(second.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(missing) if missing == run), "{refused:?}");
    store.append(first.clone()).await.unwrap();
    let conflicts = [(&first, 0), (&third, 4)];
    for (append, wanted) in conflicts {
        match store.append(append.clone()).await.unwrap_err() {
            Error::Conflict { expected, found, .. } => assert_eq!((expected, found), (wanted, 2)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.load(run, 0, 10).await.unwrap(), first.records);
    store.append(second).await.unwrap();
    store.append(third).await.unwrap();
    let ending = appends.end(RunState::Failed);
    store.append(ending.clone()).await.unwrap();
    let refused = store.append(appends.add(1, 30, Durability::Buffered)).await.unwrap_err();
    assert!(matches!(refused, Error::RunClosed(_)), "{refused:?}");
    let summary = store.summary(run).await.unwrap().unwrap();
    assert_eq!((summary.entries, summary.state), (7, RunState::Failed));
    assert_eq!(summary.ended, ending.ending.map(|ending| ending.at));
    assert_eq!(store.load(run, 0, 10).await.unwrap().len(), 7);
}

/// An append without records waits for those before it, also of a run that has ended.
pub async fn a_barrier_is_answered(place: &impl Place) {
    let store = place.handle();
    let mut appends = Appends::new(run_id(1));
    let tickets = [
        store.append(appends.add(1, 30, Durability::Buffered)),
        store.append(appends.add(0, 0, Durability::Synced)),
        store.append(appends.end(RunState::Ok)),
        store.append(appends.add(0, 0, Durability::Synced)),
    ];
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

/// Runs are listed newest first, by state, page by page.
pub async fn lists_are_newest_first_and_filtered(place: &impl Place) {
    let store = place.handle();
    for n in [3, 1, 5, 2, 4] {
        let mut appends = Appends::new(run_id(n));
        store.append(appends.add(1, 30, Durability::Buffered)).await.unwrap();
        if n != 3 {
            let state = if n % 2 == 0 { RunState::Ok } else { RunState::Fault };
            store.append(appends.end(state)).await.unwrap();
        }
    }
    let list = async |state, before: Option<u64>, limit| -> Vec<RunId> {
        let filter = RunFilter { state, before: before.map(run_id), limit, ..RunFilter::default() };
        store.runs(&filter).await.unwrap().into_iter().map(|row| row.run).collect()
    };
    let ids = |numbers: &[u64]| numbers.iter().map(|n| run_id(*n)).collect::<Vec<_>>();
    assert_eq!(list(None, None, 10).await, ids(&[5, 4, 3, 2, 1]));
    assert_eq!(list(None, None, 2).await, ids(&[5, 4]));
    assert_eq!(list(None, Some(4), 2).await, ids(&[3, 2]));
    assert_eq!(list(None, Some(1), 2).await, ids(&[]));
    assert_eq!(list(Some(RunState::Fault), None, 10).await, ids(&[5, 1]));
    assert_eq!(list(Some(RunState::Fault), Some(5), 10).await, ids(&[1]));
    assert_eq!(list(Some(RunState::Interrupted), None, 10).await, ids(&[3]));
    assert_eq!(list(None, None, 0).await, ids(&[]));
}

/// A page ends early when its entries are large, and never before its first entry.
pub async fn pages_are_bounded_in_bytes(place: &impl Place) {
    let store = place.handle();
    let run = run_id(1);
    let mut appends = Appends::new(run);
    store.append(appends.add(1, MAX_PAGE_BYTES + 1, Durability::Buffered)).await.unwrap();
    store.append(appends.add(3, MAX_PAGE_BYTES / 2, Durability::Buffered)).await.unwrap();
    assert_eq!(store.load(run, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.load(run, 1, 10).await.unwrap().len(), 2);
    assert_eq!(store.load(run, 3, 10).await.unwrap().len(), 1);
}

/// Of two writers that believe the same, one wins each entry and the other is told.
pub async fn two_writers_of_one_run_never_both_win(place: &impl Place) {
    let run = run_id(1);
    let mut appends = Appends::new(run);
    place.handle().append(appends.add(1, 30, Durability::Buffered)).await.unwrap();
    let plan: Vec<Append> = (0..40).map(|_| appends.add(1, 30, Durability::Buffered)).collect();
    let writers = [place.handle(), place.handle()].map(|store| {
        let plan = plan.clone();
        tokio::spawn(async move {
            let mut won = 0_u64;
            for append in plan {
                match store.append(append).await {
                    Ok(()) => won += 1,
                    Err(Error::Conflict { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            won
        })
    });
    let mut won = 0;
    for writer in writers {
        won += writer.await.unwrap();
    }
    let entries = place.handle().summary(run).await.unwrap().unwrap().entries;
    assert_eq!(won + 1, entries);
    assert_eq!(place.handle().load(run, 0, 100).await.unwrap().len() as u64, entries);
}

/// What one handle acknowledged, another finds.
pub async fn what_was_acknowledged_is_there_for_the_next_handle(place: &impl Place) {
    let run = run_id(1);
    let mut appends = Appends::new(run);
    let mut written = Vec::new();
    for durability in [Durability::Buffered, Durability::Synced, Durability::Buffered] {
        let store = place.handle();
        let append = appends.add(2, 30, durability);
        written.extend(append.records.clone());
        store.append(append).await.unwrap();
        drop(store);
        assert_eq!(place.handle().load(run, 0, 10).await.unwrap(), written);
    }
    let store = place.handle();
    store.append(appends.end(RunState::Ok)).await.unwrap();
    let sealed = seal(&*store, run).await.unwrap();
    drop(store);
    assert_eq!(place.handle().receipt(run).await.unwrap(), Some(sealed));
}

/// However many handles seal at once, every receipt names the one before it, and there is one of
/// each place.
pub async fn receipts_of_two_handles_are_one_chain(place: &impl Place) {
    let first = place.handle();
    let mut open = Appends::new(run_id(99));
    first.append(open.add(1, 30, Durability::Buffered)).await.unwrap();
    assert!(matches!(seal(&*first, run_id(99)).await, Err(Error::StillOpen(_))));
    assert!(matches!(seal(&*first, run_id(98)).await, Err(Error::NotFound(_))));
    let sealers = [(0, first), (1, place.handle())].map(|(odd, store): (u64, Arc<dyn Store>)| {
        tokio::spawn(async move {
            for n in 0..20 {
                let run = run_id(2 * n + odd);
                let mut appends = Appends::new(run);
                store.append(appends.add(1, 30, Durability::Buffered)).await.unwrap();
                store.append(appends.end(RunState::Ok)).await.unwrap();
                let refused = store
                    .seal(run, Durability::Buffered, Box::new(|_| Err("no key".into())))
                    .await
                    .unwrap_err();
                assert!(matches!(refused, Error::Seal { .. }), "{refused:?}");
                seal(&*store, run).await.unwrap();
                assert!(matches!(seal(&*store, run).await, Err(Error::AlreadySealed(_))));
            }
        })
    });
    for sealer in sealers {
        sealer.await.unwrap();
    }
    let store = place.handle();
    let chain = store.receipts(0, 100).await.unwrap();
    assert_eq!(chain.len(), 40);
    let mut previous = None;
    for (position, stored) in chain.iter().enumerate() {
        assert_eq!(stored.position, position as u64);
        assert_eq!(stored.previous, previous);
        assert_eq!(stored.receipt.bytes, receipt_of(stored.run, previous).bytes);
        previous = Some(stored.receipt.digest);
        assert_eq!(store.receipt(stored.run).await.unwrap().as_ref(), Some(stored));
    }
    assert_eq!(store.receipts(38, 1).await.unwrap(), chain[38..39]);
    assert_eq!(store.receipt(run_id(99)).await.unwrap(), None);
}

pub(crate) async fn seal(store: &dyn Store, run: RunId) -> Result<StoredReceipt, Error> {
    let sealer = Box::new(move |previous| Ok(receipt_of(run, previous)));
    store.seal(run, Durability::Synced, sealer).await
}

fn receipt_of(run: RunId, previous: Option<Digest>) -> SealedReceipt {
    let bytes = format!("{run} after {previous:?}").into_bytes();
    let digest = Digest::of(&bytes);
    SealedReceipt { bytes, digest }
}
