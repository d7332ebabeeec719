//! What goes wrong behind a bucket: a server that is down, goes away, never answers or turns us away; a file that is another's.
//! Each has its code, says nothing of the address, and is over once the server is back.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_policy::SecretSource;
use longshore_ports::{KeyValue, KeyValueError, Quota, Secret, Unavailable, Vault};
use longshore_stores::{
    Address, Authorities, Buckets, Named, PostgresKeyValue, RedisKeyValue, SqliteKeyValue,
};
use longshore_test_support::postgres::{self, Stop};
use longshore_test_support::redis;

const AMPLE: Quota = Quota { bytes: u64::MAX, keys: u64::MAX };

fn redis_at(url: &str) -> RedisKeyValue {
    RedisKeyValue::new(Address::new(url).unwrap(), "test", Authorities::default()).unwrap()
}

fn postgres_at(url: &str) -> PostgresKeyValue {
    PostgresKeyValue::new(Address::new(url).unwrap(), "kept", Authorities::default()).unwrap()
}

/// The code of an error that may be gone at the next attempt.
fn code<T: std::fmt::Debug>(answer: Result<T, KeyValueError>) -> &'static str {
    match answer.unwrap_err() {
        KeyValueError::Unavailable(Unavailable { code, message }) => {
            let secret = ["127.0.0.1", "wharf", "hunter2", "captain", "/"];
            assert!(secret.iter().all(|word| !message.contains(word)), "{message}");
            code
        }
        other => panic!("{other:?}"),
    }
}

/// Reads until the store answers.
async fn recovers(store: &dyn KeyValue) -> Option<Vec<u8>> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match store.get("b", "k", 99).await {
            Ok(found) => return found,
            Err(error) => assert!(Instant::now() < until, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_redis_that_goes_away_is_unavailable_and_found_again() {
    let Some(server) = redis::own() else { return };
    let store = redis_at(&server.database());
    store.set("b", "k", b"v", AMPLE).await.unwrap();
    server.stop();
    assert_eq!(code(store.get("b", "k", 99).await), "LS-STO-001");
    assert_eq!(code(store.set("b", "k", b"w", AMPLE).await), "LS-STO-001");
    assert_eq!(code(store.list("b", None, 9).await), "LS-STO-001");
    server.start_again();
    // It lost all that it had, the script too.
    assert_eq!(recovers(&store).await, None);
    assert_eq!(store.increment("b", "n", 1, AMPLE).await, Ok(1));
    let flushed = server.ask("SCRIPT FLUSH").unwrap();
    assert!(flushed.starts_with("+OK"), "{flushed}");
    assert_eq!(store.increment("b", "n", 1, AMPLE).await, Ok(2), "the script is sent again");
}

#[tokio::test]
async fn a_postgres_that_goes_away_is_unavailable_and_found_again_with_what_it_acknowledged() {
    let Some(server) = postgres::own() else { return };
    let store = postgres_at(&server.database());
    store.set("b", "k", b"v", AMPLE).await.unwrap();
    server.stop(Stop::Immediate);
    assert_eq!(code(store.get("b", "k", 99).await), "LS-STO-001");
    assert_eq!(code(store.set("b", "k", b"w", AMPLE).await), "LS-STO-001");
    server.start_again();
    assert_eq!(recovers(&store).await.as_deref(), Some(b"v".as_slice()));
}

/// Counts until the store fails or `until`; gives what it was last told.
async fn count(store: &dyn KeyValue, key: &str) -> i64 {
    let mut last = 0;
    loop {
        match store.increment("b", key, 1, AMPLE).await {
            Ok(sum) => last = sum,
            Err(KeyValueError::Unavailable(_)) => return last,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stopped_under_load_loses_nothing_that_it_acknowledged() {
    let Some(server) = postgres::own() else { return };
    let store = Arc::new(postgres_at(&server.database()));
    let counting: Vec<_> = (0..4)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { count(&*store, &format!("n{n}")).await })
        })
        .collect();
    while store.get("b", "n0", 99).await.unwrap().is_none() {}
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::task::block_in_place(|| server.stop(Stop::Fast));
    let mut told = Vec::new();
    for counting in counting {
        told.push(counting.await.unwrap());
    }
    tokio::task::block_in_place(|| server.start_again());
    recovers(&*store).await;
    for (n, told) in told.into_iter().enumerate() {
        let kept = store.increment("b", &format!("n{n}"), 0, AMPLE).await.unwrap();
        // The last one may have been done although nobody could say so.
        assert!((told..=told + 1).contains(&kept), "{told} was told, {kept} is there");
    }
}

/// A port that takes connections and never says a word.
async fn deaf() -> (tokio::net::TcpListener, u16) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn who_gives_up_on_a_server_that_never_answers_leaves_nothing_behind() {
    let (_listener, port) = deaf().await;
    let stores: [Box<dyn KeyValue>; 2] = [
        Box::new(redis_at(&format!("redis://127.0.0.1:{port}"))),
        Box::new(postgres_at(&format!("postgres://a@127.0.0.1:{port}/d"))),
    ];
    for store in stores {
        // More than there are connections: nobody holds one after giving up.
        for _ in 0..20 {
            let short = Duration::from_millis(20);
            let answer = tokio::time::timeout(short, store.get("b", "k", 99)).await;
            assert!(answer.is_err(), "{answer:?}");
        }
        let started = Instant::now();
        assert_eq!(code(store.get("b", "k", 99).await), "LS-STO-001");
        assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_redis_that_falls_silent_is_left_for_a_new_connection() {
    let Some(server) = redis::own() else { return };
    let store = redis_at(&server.database());
    store.set("b", "k", b"v", AMPLE).await.unwrap();
    let paused = server.ask("CLIENT PAUSE 300 ALL").unwrap();
    assert!(paused.starts_with("+OK"), "{paused}");
    let silent = tokio::time::timeout(Duration::from_millis(50), store.get("b", "k", 99)).await;
    assert!(silent.is_err());
    assert_eq!(recovers(&store).await.as_deref(), Some(b"v".as_slice()));
}

#[tokio::test]
async fn a_server_that_turns_us_away_says_so_and_not_with_what() {
    let (Some(cache), Some(database)) = (redis::shared(), postgres::shared()) else { return };
    let wrong = |url: String| url.replace("wharf-and-tide", "hunter2");
    let store = redis_at(&wrong(cache.database()));
    assert_eq!(code(store.get("b", "k", 99).await), "LS-STO-002");
    let none = cache.database().replace(":wharf-and-tide@", "");
    assert_eq!(code(redis_at(&none).get("b", "k", 99).await), "LS-STO-002");
    let store = postgres_at(&wrong(database.database()));
    assert_eq!(code(store.get("b", "k", 99).await), "LS-STO-002");
}

#[tokio::test]
async fn over_tls_only_a_server_with_a_trusted_certificate_is_spoken_to() {
    let (Some(cache), Some(database)) = (redis::with_tls(), postgres::with_tls()) else { return };
    let ((cache, first), (database, second)) = (cache, database);
    let mut trusted = Authorities::default();
    assert!(trusted.add_pem(&first) && trusted.add_pem(&second));
    assert!(!trusted.add_pem(b"no certificate"));
    let urls = [cache.encrypted(), format!("{}?sslmode=require", database.database())];
    for (authorities, is_trusted) in [(trusted, true), (Authorities::default(), false)] {
        let address = |n: usize| Address::new(&urls[n]).unwrap();
        let stores: [Box<dyn KeyValue>; 2] = [
            Box::new(RedisKeyValue::new(address(0), "test", authorities.clone()).unwrap()),
            Box::new(PostgresKeyValue::new(address(1), "kept", authorities.clone()).unwrap()),
        ];
        for store in stores {
            let answer = store.set("b", "k", b"v", AMPLE).await;
            match is_trusted {
                true => answer.unwrap(),
                false => assert_eq!(code(answer), "LS-STO-002"),
            }
        }
    }
}

#[tokio::test]
async fn what_another_program_keeps_there_is_not_touched() {
    let (Some(cache), Some(database)) = (redis::own(), postgres::own()) else { return };
    let url = cache.database();
    assert!(cache.ask("SET test:{b}:values theirs").unwrap().starts_with("+OK"));
    let store = redis_at(&url);
    assert_eq!(code(store.set("b", "k", b"v", AMPLE).await), "LS-STO-004");
    assert_eq!(cache.ask("GET test:{b}:values").unwrap(), "$6");
    let url = database.database();
    let name = url.rsplit('/').next().unwrap();
    database.sql(name, "CREATE TABLE kept (theirs int); GRANT ALL ON kept TO captain");
    assert_eq!(code(postgres_at(&url).set("b", "k", b"v", AMPLE).await), "LS-STO-004");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.db");
    std::fs::write(&path, b"no database at all, though it is long enough to be taken for one")
        .unwrap();
    assert_eq!(code(SqliteKeyValue::new(&path).get("b", "k", 99).await), "LS-STO-004");
    let store = SqliteKeyValue::new(folder.path().join("x").join("\0"));
    assert!(store.get("b", "k", 99).await.is_err());
}

#[tokio::test]
async fn a_key_that_postgres_cannot_index_is_refused_and_the_bucket_goes_on() {
    let Some(server) = postgres::shared() else { return };
    let store = postgres_at(&server.database());
    // Letters without a pattern are not compressed.
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    let key: String = (0..9000).map(|_| letter()).collect();
    let answer = store.set("b", &key, b"v", AMPLE).await;
    assert!(matches!(answer, Err(KeyValueError::Unfit(_))), "{answer:?}");
    store.set("b", "k", b"v", AMPLE).await.unwrap();
    assert_eq!(store.list("b", None, 9).await.unwrap(), ["k"]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/keyvalue.db");
    let store = SqliteKeyValue::new(&path);
    assert!(!path.exists(), "nothing is made before it is used");
    store.set("b", "k", b"v", AMPLE).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

/// A vault with one address in it, or none.
struct OneAddress(Option<String>);

#[async_trait::async_trait]
impl Vault for OneAddress {
    async fn fetch(&self, _: &SecretSource) -> Result<Secret, Unavailable> {
        let none = Unavailable { code: "LS-SEC-001", message: "hunter2 is not set".to_owned() };
        let url = self.0.clone().ok_or(none)?;
        Ok(Secret::new(url.into_bytes()).unwrap())
    }
}

#[tokio::test]
async fn an_address_may_be_kept_where_secrets_are() {
    let Some(server) = redis::shared() else { return };
    let at = |url: Option<String>| {
        let source = SecretSource::Environment("CACHE_URL".to_owned());
        let address = Address::kept(Arc::new(OneAddress(url)), source);
        assert!(!format!("{address:?}").contains("wharf"));
        RedisKeyValue::new(address, "test", Authorities::default()).unwrap()
    };
    let store = at(Some(format!("{}\n", server.database())));
    store.set("b", "k", b"v", AMPLE).await.unwrap();
    assert_eq!(code(at(None).get("b", "k", 99).await), "LS-STO-007");
    assert_eq!(code(at(Some("hunter2".to_owned())).get("b", "k", 99).await), "LS-STO-006");
}

#[tokio::test]
async fn a_bucket_is_kept_where_its_name_says_and_within_what_the_operator_lets_it_hold() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| Arc::new(SqliteKeyValue::new(folder.path().join(name))) as _;
    let small = Quota { bytes: 10, keys: 1 };
    let buckets = Buckets::default()
        .named("small", Named { store: Some(file("small.db")), quota: small })
        .named("none", Named { store: None, quota: AMPLE });
    let nowhere = buckets.set("other", "k", b"v", AMPLE).await;
    assert_eq!(nowhere, Err(KeyValueError::NoSuchBucket));
    let buckets = buckets.others(Named { store: Some(file("others.db")), quota: AMPLE });
    buckets.set("other", "k", b"v", AMPLE).await.unwrap();
    assert_eq!(buckets.get("none", "k", 99).await, Err(KeyValueError::NoSuchBucket));
    assert_eq!(buckets.set("small", "k", &[0; 10], AMPLE).await, Err(KeyValueError::TooManyBytes));
    buckets.set("small", "k", b"v", AMPLE).await.unwrap();
    assert_eq!(buckets.increment("small", "n", 1, AMPLE).await, Err(KeyValueError::TooManyKeys));
    let tried = buckets.try_each(Duration::from_secs(5)).await;
    assert_eq!(tried, [("small", Ok(())), ("*", Ok(()))]);
    assert!(folder.path().join("small.db").exists() && folder.path().join("others.db").exists());
}
