//! Keeps things with the host: keys and values, log lines, money.

wit_bindgen::generate!({ path: "wit", world: "guest", generate_all });

use exports::fixtures::stores::stores::Guest;
use longshore::action::budget;
use wasi::keyvalue::atomics::{self, Cas, CasError};
use wasi::keyvalue::batch;
use wasi::keyvalue::store::{self, Bucket, Error};
use wasi::logging::logging::{self, Level};

struct Stores;

impl Guest for Stores {
    fn on(bucket: String, commands: Vec<Vec<String>>) -> Result<Vec<String>, String> {
        let bucket = store::open(&bucket).map_err(told)?;
        commands.iter().map(|words| one(&bucket, words).map_err(told)).collect()
    }

    fn say(context: String, message: String) {
        logging::log(Level::Warn, &context, &message);
        logging::log(Level::Critical, "", &message);
    }

    fn charge(micros: Vec<u64>) -> Vec<u64> {
        let charge = |n| {
            budget::charge(n, "a call to a model");
            budget::remaining()
        };
        micros.into_iter().map(charge).collect()
    }
}

fn one(bucket: &Bucket, words: &[String]) -> Result<String, Error> {
    let word = |n: usize| words.get(n).map_or("", String::as_str);
    let number = |n: usize| word(n).parse::<i64>().unwrap_or_default();
    let key = word(1);
    Ok(match word(0) {
        "get" => shown(bucket.get(key)?),
        "set" => {
            bucket.set(key, word(2).as_bytes())?;
            String::new()
        }
        "fill" => {
            bucket.set(key, &vec![b'x'; number(2) as usize])?;
            String::new()
        }
        "delete" => {
            bucket.delete(key)?;
            String::new()
        }
        "exists" => bucket.exists(key)?.to_string(),
        "keys" => {
            let (mut keys, mut cursor) = (0, None);
            loop {
                let page = bucket.list_keys(cursor.as_deref())?;
                keys += page.keys.len();
                cursor = page.cursor;
                if cursor.is_none() {
                    break keys.to_string();
                }
            }
        }
        "count" => atomics::increment(bucket, key, number(2))?.to_string(),
        "swap" => swapped(atomics::swap(Cas::new(bucket, key)?, word(2).as_bytes())),
        "lost-swap" => {
            let cas = Cas::new(bucket, key)?;
            bucket.set(key, b"meanwhile")?;
            swapped(atomics::swap(cas, word(2).as_bytes()))
        }
        "set-many" => {
            let pairs = words[1..].chunks(2).map(|p| (p[0].clone(), p[1].clone().into_bytes()));
            batch::set_many(bucket, &pairs.collect::<Vec<_>>())?;
            String::new()
        }
        "get-many" => {
            let found = batch::get_many(bucket, &words[1..])?.into_iter();
            found.map(|pair| shown(pair.map(|(_, value)| value))).collect::<Vec<_>>().join(",")
        }
        "delete-many" => {
            batch::delete_many(bucket, &words[1..])?;
            String::new()
        }
        other => format!("no such command: {other}"),
    })
}

fn swapped(swapped: Result<(), CasError>) -> String {
    match swapped {
        Ok(()) => "swapped".to_owned(),
        Err(CasError::CasFailed(cas)) => {
            format!("failed: {}", cas.current().map_or_else(told, shown))
        }
        Err(CasError::StoreError(error)) => told(error),
    }
}

fn shown(value: Option<Vec<u8>>) -> String {
    value.map_or_else(|| "none".to_owned(), |v| String::from_utf8_lossy(&v).into_owned())
}

fn told(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no-such-store".to_owned(),
        Error::AccessDenied => "access-denied".to_owned(),
        Error::Other(why) => why,
    }
}

export!(Stores);
