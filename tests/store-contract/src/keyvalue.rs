//! What every store of keys and values must do. Only the port is used; a second handle stands for another process.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;

use longshore_ports::{KeyValue, KeyValueError, Quota};
use tokio::task::JoinSet;

/// One place that keeps buckets, and the way to it.
pub trait Cellar: Send + Sync {
    /// Another handle on the same place, as another process would have.
    fn handle(&self) -> Arc<dyn KeyValue>;
}

/// Room for everything.
pub const AMPLE: Quota = Quota { bytes: 1 << 40, keys: 1 << 40 };

/// More than any test reads at once.
const MOST: u64 = 64 << 20;

/// Makes a test of every promise of a store of keys and values. `$cellar` is an expression for a fresh, empty
/// [`Cellar`](crate::keyvalue::Cellar), or none where it cannot be had, and then the test ends: whoever gives it has said so.
#[macro_export]
macro_rules! keyvalue_contract {
    ($cellar:expr) => {
        $crate::keyvalue_contract!(@each $cellar;
            a_batch_happens_as_a_whole_or_not_at_all,
            a_quota_is_never_crossed_by_those_who_write_at_once,
            a_swap_is_won_by_one,
            ten_thousand_keys_at_once,
            buckets_are_apart,
            counting_is_exact_whoever_counts,
            keys_are_any_text_and_each_its_own,
            keys_are_listed_in_the_order_of_their_bytes,
            only_numbers_are_counted_on,
            quotas_are_exact_and_room_can_be_made,
            what_is_set_is_there_for_the_next_handle,
            what_is_too_large_is_not_read,
        );
    };
    (@each $cellar:expr; $($promise:ident,)*) => {
        $(
            #[test]
            fn $promise() {
                let Some(cellar) = $cellar else { return };
                $crate::runtime().block_on($crate::keyvalue::$promise(&cellar));
            }
        )*
    };
}

async fn get(store: &dyn KeyValue, bucket: &str, key: &str) -> Option<Vec<u8>> {
    store.get(bucket, key, MOST).await.expect("a store that can be read")
}

async fn keys(store: &dyn KeyValue, bucket: &str) -> Vec<String> {
    store.list(bucket, None, usize::MAX >> 1).await.expect("a store that can be read")
}

/// Values of all bytes, none and many of them, replaced and deleted.
///
/// # Panics
///
/// When the promise is broken; so do all below.
pub async fn what_is_set_is_there_for_the_next_handle(cellar: &dyn Cellar) {
    let (one, other) = (cellar.handle(), cellar.handle());
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(get(&*other, "b", "k").await, None);
    for value in [&bytes, &Vec::new(), &vec![0; 1 << 20], &bytes] {
        one.set("b", "k", value, AMPLE).await.unwrap();
        assert_eq!(get(&*other, "b", "k").await.as_ref(), Some(value));
    }
    other.delete("b", "k").await.unwrap();
    other.delete("b", "k").await.unwrap();
    other.delete("no-such-bucket", "k").await.unwrap();
    assert_eq!(get(&*one, "b", "k").await, None);
}

/// One name, two buckets.
pub async fn buckets_are_apart(cellar: &dyn Cellar) {
    let store = cellar.handle();
    for bucket in ["a", "b", "a.b", "a_b", "a-b"] {
        store.set(bucket, "k", bucket.as_bytes(), AMPLE).await.unwrap();
    }
    store.delete("b", "k").await.unwrap();
    for bucket in ["a", "a.b", "a_b", "a-b"] {
        assert_eq!(get(&*store, bucket, "k").await.as_deref(), Some(bucket.as_bytes()));
        assert_eq!(keys(&*store, bucket).await, ["k"]);
    }
    assert_eq!(keys(&*store, "b").await, [""; 0]);
}

/// Keys that look like paths, patterns, statements, or like one another.
const TRICKS: &[&str] = &[
    "",
    " ",
    "*",
    "?",
    "[a-z]",
    "%",
    "_",
    "..",
    "../../etc/passwd",
    "/",
    "a/b",
    "a\\b",
    "a\0",
    "a\0b",
    "\0",
    "a",
    "A",
    "\r\n$5\r\nhello\r\n",
    "'; DROP TABLE pairs; --",
    "{a}:b",
    "\u{e9}",
    "e\u{301}",
    "\u{202e}gnp",
    "\u{10ffff}",
    "\u{feff}",
    "\\x00",
    "NULL",
];

/// No key is another's pattern, prefix or normal form.
pub async fn keys_are_any_text_and_each_its_own(cellar: &dyn Cellar) {
    let store = cellar.handle();
    let long = "k".repeat(1024);
    let all: Vec<&str> = TRICKS.iter().copied().chain([long.as_str()]).collect();
    for key in &all {
        store.set("b", key, format!("={key}").as_bytes(), AMPLE).await.unwrap();
    }
    let found = store.get_many("b", &all, MOST).await.unwrap();
    for (key, value) in all.iter().zip(found) {
        assert_eq!(value.as_deref(), Some(format!("={key}").as_bytes()), "{key:?}");
    }
    let mut expected: Vec<String> = all.iter().map(|key| (*key).to_owned()).collect();
    expected.sort();
    assert_eq!(keys(&*store, "b").await, expected);
    for key in &all {
        store.delete("b", key).await.unwrap();
        expected.retain(|own| own != key);
        assert_eq!(keys(&*store, "b").await, expected, "only {key:?} was deleted");
    }
}

/// Pages by the last key that was told, also where that key has gone meanwhile.
pub async fn keys_are_listed_in_the_order_of_their_bytes(cellar: &dyn Cellar) {
    let store = cellar.handle();
    let names: Vec<String> = (0..25).map(|n| format!("k{:02}", (n * 7) % 25)).collect();
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), b"v".as_slice())).collect();
    store.set_many("b", &pairs, AMPLE).await.unwrap();
    let (mut told, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list("b", after.as_deref(), 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        store.delete("b", last).await.unwrap();
        told.extend(page);
    }
    assert_eq!(told, (0..25).map(|n| format!("k{n:02}")).collect::<Vec<_>>());
    assert_eq!(store.list("b", Some("k24"), 10).await.unwrap(), [""; 0]);
    assert_eq!(store.list("b", None, 0).await.unwrap(), [""; 0]);
}

/// From none, up and down, to both ends; what is no number stays as it is.
pub async fn only_numbers_are_counted_on(cellar: &dyn Cellar) {
    let store = cellar.handle();
    assert_eq!(store.increment("b", "n", 5, AMPLE).await, Ok(5));
    assert_eq!(store.increment("b", "n", -7, AMPLE).await, Ok(-2));
    assert_eq!(get(&*store, "b", "n").await.as_deref(), Some(b"-2".as_slice()));
    store.set("b", "n", b"9007199254740993", AMPLE).await.unwrap();
    assert_eq!(store.increment("b", "n", 2, AMPLE).await, Ok(9_007_199_254_740_995));
    for (end, step) in [(i64::MAX, 1), (i64::MIN, -1)] {
        store.set("b", "n", end.to_string().as_bytes(), AMPLE).await.unwrap();
        assert_eq!(store.increment("b", "n", 0, AMPLE).await, Ok(end));
        let over = store.increment("b", "n", step, AMPLE).await;
        assert_eq!(over, Err(KeyValueError::NotANumber));
    }
    for text in ["", "x", "1.0", "+1", "01", " 1", "1 ", "-0", "9223372036854775808", "0x1", "1e3"]
    {
        store.set("b", "t", text.as_bytes(), AMPLE).await.unwrap();
        let counted = store.increment("b", "t", 1, AMPLE).await;
        assert_eq!(counted, Err(KeyValueError::NotANumber), "{text:?}");
        assert_eq!(get(&*store, "b", "t").await.as_deref(), Some(text.as_bytes()));
    }
    store.set("b", "t", &[0xff, 0xfe], AMPLE).await.unwrap();
    assert_eq!(store.increment("b", "t", 1, AMPLE).await, Err(KeyValueError::NotANumber));
}

/// Four handles count to the same number; nothing is lost.
pub async fn counting_is_exact_whoever_counts(cellar: &dyn Cellar) {
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = cellar.handle();
        tasks.spawn(async move {
            for _ in 0..25 {
                store.increment("b", "n", 3, AMPLE).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let store = cellar.handle();
    assert_eq!(store.increment("b", "n", 0, AMPLE).await, Ok(300));
    assert_eq!(keys(&*store, "b").await, ["n"]);
}

/// What was seen decides, whether it was nothing, empty or a value; of those who saw the same one wins.
pub async fn a_swap_is_won_by_one(cellar: &dyn Cellar) {
    let store = cellar.handle();
    assert_eq!(store.swap("b", "k", Some(b""), b"x", AMPLE).await, Ok(false));
    assert_eq!(store.swap("b", "k", None, b"", AMPLE).await, Ok(true));
    assert_eq!(store.swap("b", "k", None, b"x", AMPLE).await, Ok(false), "empty is not absent");
    assert_eq!(store.swap("b", "k", Some(b""), b"x\0y", AMPLE).await, Ok(true));
    assert_eq!(store.swap("b", "k", Some(b"x"), b"z", AMPLE).await, Ok(false));
    assert_eq!(get(&*store, "b", "k").await.as_deref(), Some(b"x\0y".as_slice()));
    let mut tasks = JoinSet::new();
    for n in 0..8_u8 {
        let store = cellar.handle();
        tasks.spawn(async move { store.swap("b", "k", Some(b"x\0y"), &[n], AMPLE).await.unwrap() });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    let full = Quota { bytes: 10, keys: 9 };
    let seen = get(&*store, "b", "k").await;
    let refused = store.swap("b", "k", seen.as_deref(), &[0; 10], full).await;
    assert_eq!(refused, Err(KeyValueError::TooManyBytes));
    assert_eq!(get(&*store, "b", "k").await, seen, "what was refused changed nothing");
}

/// The last byte fits and the next does not; a bucket over a quota that was lowered can still be emptied.
pub async fn quotas_are_exact_and_room_can_be_made(cellar: &dyn Cellar) {
    let store = cellar.handle();
    let quota = Quota { bytes: 10, keys: 2 };
    store.set("b", "k", &[1; 9], quota).await.unwrap();
    assert_eq!(store.set("b", "k", &[1; 10], quota).await, Err(KeyValueError::TooManyBytes));
    assert_eq!(store.set("b", "l", b"", quota).await, Err(KeyValueError::TooManyBytes));
    store.set("b", "k", b"", quota).await.unwrap();
    store.set("b", "l", &[1; 8], quota).await.unwrap();
    assert_eq!(store.set("b", "m", b"", quota).await, Err(KeyValueError::TooManyKeys));
    store.delete("b", "k").await.unwrap();
    store.set("b", "m", b"", quota).await.unwrap();
    let lower = Quota { bytes: 1, keys: 1 };
    assert_eq!(store.set("b", "l", &[1; 9], lower).await, Err(KeyValueError::TooManyBytes));
    store.set("b", "l", &[1; 7], lower).await.unwrap();
    assert_eq!(store.increment("b", "n", 1, lower).await, Err(KeyValueError::TooManyKeys));
    store.set("b", "m", b"9", AMPLE).await.unwrap();
    // `m`, `l` and their values: 1 + 1 + 1 + 7.
    let full = Quota { bytes: 10, keys: 2 };
    assert_eq!(store.increment("b", "m", 1, full).await, Err(KeyValueError::TooManyBytes));
    assert_eq!(get(&*store, "b", "m").await.as_deref(), Some(b"9".as_slice()));
    assert_eq!(store.increment("b", "m", -1, full).await, Ok(8));
    store.delete_many("b", &["l", "m", "m"]).await.unwrap();
    store.set("b", "k", &[1; 9], quota).await.unwrap();
}

/// Eight who write at once never have more in the bucket than one of them might.
pub async fn a_quota_is_never_crossed_by_those_who_write_at_once(cellar: &dyn Cellar) {
    let quota = Quota { bytes: 1000, keys: 20 };
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = cellar.handle();
        tasks.spawn(async move {
            let mut kept = 0_u64;
            for m in 0..10 {
                match store.set("b", &format!("{n}-{m}"), &[0; 97], quota).await {
                    Ok(()) => kept += 1,
                    Err(error) => assert_eq!(error, KeyValueError::TooManyBytes),
                }
            }
            kept
        });
    }
    let kept: u64 = tasks.join_all().await.into_iter().sum();
    assert_eq!(kept, 10, "ten of a hundred bytes each");
    assert_eq!(keys(&*cellar.handle(), "b").await.len(), 10);
}

/// What does not fit as a whole is not there in part; the last value of a key counts.
pub async fn a_batch_happens_as_a_whole_or_not_at_all(cellar: &dyn Cellar) {
    let store = cellar.handle();
    let quota = Quota { bytes: 20, keys: 3 };
    let pairs: &[(&str, &[u8])] = &[("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4")];
    assert_eq!(store.set_many("b", pairs, quota).await, Err(KeyValueError::TooManyKeys));
    let pairs: &[(&str, &[u8])] = &[("a", b"1"), ("b", &[0; 20])];
    assert_eq!(store.set_many("b", pairs, quota).await, Err(KeyValueError::TooManyBytes));
    assert_eq!(keys(&*store, "b").await, [""; 0]);
    let pairs: &[(&str, &[u8])] = &[("a", &[0; 30]), ("b", b"2"), ("a", b"1"), ("a", b"last")];
    store.set_many("b", pairs, quota).await.unwrap();
    let found = store.get_many("b", &["a", "no", "b", "a"], MOST).await.unwrap();
    let last = Some(b"last".to_vec());
    assert_eq!(found, [last.clone(), None, Some(b"2".to_vec()), last]);
    store.delete_many("b", &["a", "no", "a"]).await.unwrap();
    assert_eq!(keys(&*store, "b").await, ["b"]);
    store.set_many("b", &[], quota).await.unwrap();
    store.delete_many("b", &[]).await.unwrap();
    assert_eq!(store.get_many("b", &[], MOST).await, Ok(Vec::new()));
}

/// Many keys in one operation, and all of them back.
pub async fn ten_thousand_keys_at_once(cellar: &dyn Cellar) {
    let store = cellar.handle();
    let names: Vec<String> = (0..10_000).map(|n| format!("key-{n:05}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    store.set_many("b", &pairs, AMPLE).await.unwrap();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = store.get_many("b", &wanted, MOST).await.unwrap();
    assert!(found.iter().zip(&names).all(|(f, n)| f.as_deref() == Some(n.as_bytes())));
    store.delete_many("b", &wanted[1..]).await.unwrap();
    assert_eq!(keys(&*store, "b").await, ["key-00000"]);
    // What the bucket holds was counted along.
    let tight = Quota { bytes: 18, keys: 1 };
    store.set("b", "key-00000", b"key-00000", tight).await.unwrap();
    let over = store.set("b", "key-00000", b"key-000000", tight).await;
    assert_eq!(over, Err(KeyValueError::TooManyBytes));
}

/// The caller says how much it takes.
pub async fn what_is_too_large_is_not_read(cellar: &dyn Cellar) {
    let store = cellar.handle();
    store.set_many("b", &[("a", &[1; 60]), ("c", &[2; 40])], AMPLE).await.unwrap();
    assert_eq!(store.get("b", "a", 59).await, Err(KeyValueError::TooLarge));
    assert_eq!(store.get("b", "a", 60).await, Ok(Some(vec![1; 60])));
    assert_eq!(store.get_many("b", &["a", "c"], 99).await, Err(KeyValueError::TooLarge));
    assert!(store.get_many("b", &["a", "c", "no"], 100).await.is_ok());
    // It goes on as if nothing had been.
    assert_eq!(store.get("b", "c", 40).await, Ok(Some(vec![2; 40])));
}
