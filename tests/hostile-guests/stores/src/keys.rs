//! Attacks on buckets of keys and values.

use crate::tries;
use crate::wasi::keyvalue::atomics::{self, Cas, CasError};
use crate::wasi::keyvalue::batch;
use crate::wasi::keyvalue::store::{self, Bucket, Error};

fn said(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no-such-store".to_owned(),
        Error::AccessDenied => "access-denied".to_owned(),
        Error::Other(why) => why,
    }
}

fn mine() -> Result<Bucket, String> {
    store::open("mine").map_err(said)
}

pub(crate) fn giant_key() -> Result<String, String> {
    let bucket = mine()?;
    bucket.set(&"k".repeat(10 << 20), b"v").map_err(said)?;
    Ok("it was set".to_owned())
}

pub(crate) fn giant_value() -> Result<String, String> {
    let bucket = mine()?;
    bucket.set("k", &vec![0; 50 << 20]).map_err(said)?;
    Ok("it was set".to_owned())
}

/// What looks like a path, a pattern or another key must be none of these.
pub(crate) fn tricks() -> Result<String, String> {
    let tricks = ["../theirs/k", "*", "?", "k\0", "\0", "", "%", "theirs:k", "{theirs}:values", "\r\nDEL k\r\n", "K"];
    let bucket = mine()?;
    bucket.set("k", b"mine").map_err(said)?;
    for key in tricks {
        if let Some(value) = bucket.get(key).map_err(said)? {
            return Ok(format!("{}: {}", key.escape_debug(), String::from_utf8_lossy(&value)));
        }
        bucket.delete(key).map_err(said)?;
        bucket.set(key, key.as_bytes()).map_err(said)?;
    }
    let mut keys = bucket.list_keys(None).map_err(said)?.keys;
    keys.retain(|key| key != "k" && !tricks.contains(&key.as_str()));
    if !keys.is_empty() || bucket.get("k").map_err(said)?.as_deref() != Some(b"mine") {
        return Ok(format!("{keys:?}"));
    }
    batch::delete_many(&bucket, &tricks.map(str::to_owned)).map_err(said)?;
    Err("each is its own".to_owned())
}

pub(crate) fn other_bucket() -> Result<String, String> {
    let names = ["theirs", "../theirs", "mine/../theirs", "*", "MINE", "mine\0theirs", "", "mine:rw"];
    tries(names.map(|name| (name.to_owned(), store::open(name).map_err(said))))
}

pub(crate) fn read_only() -> Result<String, String> {
    let bucket = store::open("shown").map_err(said)?;
    let swap = || {
        let cas = Cas::new(&bucket, "k").map_err(said)?;
        atomics::swap(cas, b"v").map_err(|error| match error {
            CasError::StoreError(error) => said(error),
            CasError::CasFailed(_) => "it changed".to_owned(),
        })
    };
    tries([
        ("set".to_owned(), bucket.set("k", b"v").map_err(said)),
        ("delete".to_owned(), bucket.delete("k").map_err(said)),
        ("increment".to_owned(), atomics::increment(&bucket, "k", 1).map(drop).map_err(said)),
        ("swap".to_owned(), swap()),
        ("set-many".to_owned(), batch::set_many(&bucket, &[("k".into(), vec![])]).map_err(said)),
        ("delete-many".to_owned(), batch::delete_many(&bucket, &["k".into()]).map_err(said)),
    ])
}

pub(crate) fn bucket_flood() -> Result<String, String> {
    let mut held = Vec::new();
    loop {
        held.push(mine()?);
    }
}

/// Each holds a megabyte with the host.
pub(crate) fn swap_flood() -> Result<String, String> {
    let bucket = mine()?;
    bucket.set("large", &vec![0; 1 << 20]).map_err(said)?;
    let mut held = Vec::new();
    loop {
        held.push(Cas::new(&bucket, "large").map_err(said)?);
    }
}

pub(crate) fn swap_after_drop() -> Result<String, String> {
    let bucket = mine()?;
    let cas = Cas::new(&bucket, "k").map_err(said)?;
    let handle = cas.take_handle();
    // SAFETY: it is not: the handle is dropped twice, which is the attack.
    drop(unsafe { Cas::from_handle(handle) });
    // SAFETY: as above.
    let again = unsafe { Cas::from_handle(handle) };
    let _ = atomics::swap(again, b"v");
    Ok("it was swapped".to_owned())
}

pub(crate) fn swap_twice() -> Result<String, String> {
    let bucket = mine()?;
    let cas = Cas::new(&bucket, "k").map_err(said)?;
    let handle = cas.handle();
    let _ = atomics::swap(cas, b"v");
    // SAFETY: it is not: the handle was given away, which is the attack.
    let again = unsafe { Cas::from_handle(handle) };
    let _ = atomics::swap(again, b"w");
    Ok("it was swapped".to_owned())
}

pub(crate) fn batch_of_a_million() -> Result<String, String> {
    let bucket = mine()?;
    let keys: Vec<String> = (0..1_000_000).map(|n| n.to_string()).collect();
    let pairs = || keys.iter().map(|key| (key.clone(), Vec::new())).collect::<Vec<_>>();
    tries([
        ("get-many".to_owned(), batch::get_many(&bucket, &keys).map(drop).map_err(said)),
        ("delete-many".to_owned(), batch::delete_many(&bucket, &keys).map_err(said)),
        ("set-many".to_owned(), batch::set_many(&bucket, &pairs()).map_err(said)),
    ])
}

/// Ten thousand times the same megabyte.
pub(crate) fn batch_of_one_key() -> Result<String, String> {
    let bucket = mine()?;
    bucket.set("large", &vec![0; 1 << 20]).map_err(said)?;
    let found = batch::get_many(&bucket, &vec!["large".to_owned(); 10_000]).map_err(said)?;
    Ok(format!("{} values", found.len()))
}

pub(crate) fn key_flood() -> Result<String, String> {
    let bucket = mine()?;
    for n in 0.. {
        bucket.set(&format!("flood-{n}"), b"").map_err(said)?;
    }
    Ok("no end".to_owned())
}

/// One of several that run at once.
pub(crate) fn quota_race() -> Result<String, String> {
    let bucket = mine()?;
    for n in 0.. {
        bucket.set(&format!("race-{n}-{:p}", &bucket), &[0; 100]).map_err(said)?;
        atomics::increment(&bucket, "race", 1).map_err(said)?;
    }
    Ok("no end".to_owned())
}

pub(crate) fn count_past_the_end() -> Result<String, String> {
    let bucket = mine()?;
    let count = |delta| atomics::increment(&bucket, "n", delta).map_err(said);
    bucket.set("n", i64::MAX.to_string().as_bytes()).map_err(said)?;
    let up = count(1);
    bucket.set("n", i64::MIN.to_string().as_bytes()).map_err(said)?;
    let down = count(-1);
    bucket.set("n", b" 1e9\0").map_err(said)?;
    tries([("up".to_owned(), up), ("down".to_owned(), down), ("odd".to_owned(), count(1))])
}

/// Places in the list that nobody told it of.
pub(crate) fn forged_cursor() -> Result<String, String> {
    let bucket = mine()?;
    for cursor in ["\0", "../theirs", "\u{10ffff}", "-1", "*"] {
        let keys = bucket.list_keys(Some(cursor)).map_err(said)?.keys;
        if keys.iter().any(|key| key.as_str() <= cursor) {
            return Ok(format!("{keys:?}"));
        }
    }
    bucket.list_keys(Some(&"k".repeat(1 << 20))).map_err(said)?;
    Ok("a cursor of a megabyte".to_owned())
}

pub(crate) fn list_flood() -> Result<String, String> {
    let bucket = mine()?;
    let pairs: Vec<_> = (0..2_000).map(|n| (format!("{n:01000}"), Vec::new())).collect();
    batch::set_many(&bucket, &pairs).map_err(said)?;
    loop {
        bucket.list_keys(None).map_err(said)?;
    }
}
