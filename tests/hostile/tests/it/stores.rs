//! Buckets and containers past their grant.

use std::sync::Arc;

use longshore::model::{FaultKind, LimitName};
use longshore::policy::Policy;
use longshore::ports::{BlobStore as _, KeyValue as _};
use longshore_hostile::Stores;
use longshore_stores::{FolderBlobs, SqliteKeyValue};

use crate::ground::{Ground, attack, denials, refused, stopped};
use crate::stage::{allow, both, ceiling};

/// How many keys those who race may set together.
const RACE: u64 = 60;

fn policy(what: Stores) -> Policy {
    let granted = allow(&[
        "keyvalue=mine:rw",
        "keyvalue=shown:ro",
        "blobstore=mine:rw",
        "blobstore=shown:ro",
        "clock",
        "random",
    ]);
    let (limit, at) = match what {
        Stores::KeyFlood => (LimitName::KeyvalueKeys, 50),
        Stores::QuotaRace => (LimitName::KeyvalueKeys, RACE),
        Stores::SwapFlood => (LimitName::KeyvalueBytes, 8 << 20),
        Stores::EndlessObject => (LimitName::BlobstoreObjectBytes, 1 << 20),
        Stores::EndlessUnnamed => (LimitName::HostCallBytes, 4 << 20),
        Stores::DraftsOnDisk => (LimitName::BlobstoreBytes, 4 << 20),
        Stores::ObjectFlood => (LimitName::BlobstoreObjects, 20),
        Stores::ListFlood => (LimitName::DeadlineMs, 3_000),
        _ => (LimitName::DeadlineMs, 20_000),
    };
    both(granted, ceiling(limit, at))
}

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Stores) {
    let home = ground.stage.home();
    let (keys, blobs) = stores(home);
    for container in ["shown", "theirs"] {
        // It is there from the time before, or is made now.
        let _ = blobs.create(container, 0).await;
    }
    let input = format!("[\"{}\"]", what.name());
    let request = attack(&ground.guest("stores"), &input, policy(what));
    if what == Stores::QuotaRace {
        let racers = [(); 4].map(|()| ground.run(&request));
        for ran in futures_util::future::join_all(racers).await {
            ran.hit(FaultKind::Budget, LimitName::KeyvalueKeys);
        }
        let kept = keys.list("mine", None, 10_000).await.unwrap();
        let raced = kept.iter().filter(|key| key.starts_with("race")).count() as u64;
        // The one that they count in is a key too.
        assert_eq!((kept.len() as u64, raced), (RACE, RACE), "{kept:?}");
        clear(&keys).await;
        return;
    }
    let ran = ground.run(&request).await;
    judge(&ran, what);
    if matches!(what, Stores::OtherBucket | Stores::ReadOnlyBucket) {
        assert!(!denials(&ran).is_empty(), "{:?}", ran.names());
    }
    // Nothing lies beside the containers, and nothing half-written in them.
    assert!(!home.join("escape").exists() && !home.parent().unwrap().join("escape").exists());
    if let Ok(staged) = std::fs::read_dir(home.join("blobs/c-mine/staged")) {
        assert_eq!(staged.count(), 0, "what was not finished stays behind");
    }
    clear(&keys).await;
    blobs.remove("mine").await.unwrap();
}

/// What one attack leaves must not be what the next one meets.
async fn clear(keys: &SqliteKeyValue) {
    let left = keys.list("mine", None, 10_000).await.unwrap();
    let left: Vec<_> = left.iter().map(String::as_str).collect();
    keys.delete_many("mine", &left).await.unwrap();
}

/// The stores of a host with this home, as another process would open them.
pub(crate) fn stores(home: &std::path::Path) -> (Arc<SqliteKeyValue>, Arc<FolderBlobs>) {
    let keys = SqliteKeyValue::new(home.join("keyvalue.db"));
    (Arc::new(keys), Arc::new(FolderBlobs::new(home.join("blobs"))))
}

fn judge(ran: &crate::stage::Ran, what: Stores) {
    use {LimitName as L, Stores as S};
    let number = "the value is not a number of 64 bits, or the sum would not be";
    match what {
        S::GiantKey | S::ForgedCursor => ran.hit(FaultKind::Budget, L::KeyvalueKeyBytes),
        S::GiantValue => ran.hit(FaultKind::Budget, L::KeyvalueValueBytes),
        S::KeyTricks | S::NamesAsPaths => refused(ran, "each is its own"),
        S::OtherBucket => refused(ran, "access-denied, no-such-store"),
        S::ReadOnlyBucket => refused(ran, "access-denied"),
        S::BucketFlood | S::NamesFlood => ran.hit(FaultKind::Resources, L::Handles),
        S::SwapFlood => ran.hit(FaultKind::Budget, L::KeyvalueBytes),
        S::SwapAfterDrop | S::SwapTwice | S::NameAfterFinish | S::StreamAfterFinish => {
            stopped(ran, FaultKind::Trap, "LS-RUN-001");
        }
        S::BatchOfAMillion => refused(ran, "a batch has at most 10000 keys"),
        S::BatchOfOneKey | S::EndlessUnnamed => ran.hit(FaultKind::Budget, L::HostCallBytes),
        S::KeyFlood | S::QuotaRace => ran.hit(FaultKind::Budget, L::KeyvalueKeys),
        S::CountPastTheEnd => refused(ran, number),
        S::ListFlood => ran.hit(FaultKind::Deadline, L::DeadlineMs),
        S::OtherContainer => refused(ran, "access denied, no such container"),
        S::ReadOnlyContainer => refused(ran, "access denied"),
        S::LongObjectName => ran.hit(FaultKind::Budget, L::BlobstoreNameBytes),
        S::EndlessObject => ran.hit(FaultKind::Budget, L::BlobstoreObjectBytes),
        S::DraftFlood | S::ReaderFlood => ran.hit(FaultKind::Budget, L::OpenFiles),
        S::DraftsOnDisk => ran.hit(FaultKind::Budget, L::BlobstoreBytes),
        S::ObjectFlood => ran.hit(FaultKind::Budget, L::BlobstoreObjects),
        S::OddRanges => refused(ran, "the object has no such bytes"),
    }
}
