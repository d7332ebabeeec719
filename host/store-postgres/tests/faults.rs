//! Servers that go away, come back, or do not let us in; hosts that race. Nothing that was
//! acknowledged is lost, nothing is written twice, and no password is told to anybody.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore_journal::{
    Claim, Durability, Error, Letter, Release, RunFilter, RunState, Store, StoreFault, Wake,
};
use longshore_store_contract::{Appends, lease, run_id, runtime, time};
use longshore_store_postgres::{Address, Options, PostgresStore};
use longshore_test_support::postgres::{self, PASSWORD, Postgres, Stop};

fn store(address: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(Options::new(Address::parse(address).unwrap())).unwrap())
}

fn impatient(address: &str, patience: Duration) -> PostgresStore {
    let options = Options { patience, ..Options::new(Address::parse(address).unwrap()) };
    PostgresStore::open(options).unwrap()
}

/// Appends to a run of its own until it is told to stop; how many entries were acknowledged.
async fn write(
    store: Arc<PostgresStore>,
    n: u64,
    stop: Arc<AtomicBool>,
    all: Arc<AtomicU64>,
) -> u64 {
    let mut appends = Appends::new(run_id(n));
    let mut acknowledged = 0;
    while !stop.load(Ordering::Relaxed) {
        let append = appends.add(1 + acknowledged % 3, 200, Durability::Synced);
        let end = append.end();
        store.append(append).await.unwrap_or_else(|error| panic!("run {n} at {end}: {error:?}"));
        acknowledged = end;
        all.fetch_add(1, Ordering::Relaxed);
    }
    store.append(appends.end(RunState::Ok)).await.unwrap();
    acknowledged + 1
}

async fn reach(all: &AtomicU64, more: u64) {
    let target = all.load(Ordering::Relaxed) + more;
    let began = Instant::now();
    while all.load(Ordering::Relaxed) < target {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is written any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_server_that_restarts_under_load_loses_nothing_that_was_acknowledged() {
    let Some(server) = postgres::own() else { return };
    let address = server.database();
    runtime().block_on(async {
        let hosts = [store(&address), store(&address)];
        let (stop, all) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writers: Vec<_> = (0..16)
            .map(|n| {
                let host = Arc::clone(&hosts[usize::from(n % 2 == 0)]);
                tokio::spawn(write(host, n, Arc::clone(&stop), Arc::clone(&all)))
            })
            .collect();
        for how in [Stop::Fast, Stop::Immediate, Stop::Immediate] {
            reach(&all, 200).await;
            server.stop(how);
            tokio::time::sleep(Duration::from_millis(200)).await;
            server.start_again();
        }
        reach(&all, 200).await;
        stop.store(true, Ordering::Relaxed);
        let reader = store(&address);
        for (n, writer) in (0..).zip(writers) {
            let acknowledged = writer.await.unwrap();
            let row = reader.summary(run_id(n)).await.unwrap().unwrap();
            assert_eq!((row.entries, row.state), (acknowledged, RunState::Ok), "run {n}");
            let (mut next, mut chain) = (0, longshore_journal::Chain::new());
            while next < acknowledged {
                for record in reader.load(run_id(n), next, 500).await.unwrap() {
                    assert_eq!((record.seq, record.hash), (next, chain.push(&record.bytes)));
                    next += 1;
                }
            }
            assert_eq!((next, chain.head()), (acknowledged, row.head));
        }
    });
}

#[test]
fn a_server_that_is_away_is_told_in_time_and_the_same_succeeds_when_it_is_back() {
    let Some(server) = postgres::own() else { return };
    let address = server.database();
    runtime().block_on(async {
        let store = impatient(&address, Duration::from_secs(1));
        let mut appends = Appends::new(run_id(1));
        store.append(appends.add(1, 30, Durability::Synced)).await.unwrap();
        let mut wakes = store.wakes();
        store.due().await.unwrap();
        server.stop(Stop::Fast);
        let began = Instant::now();
        let append = appends.add(1, 30, Durability::Synced);
        for error in [
            store.append(append.clone()).await.unwrap_err(),
            store.summary(run_id(1)).await.unwrap_err(),
            store
                .seal(run_id(1), Durability::Synced, Box::new(|_| Err("".into())))
                .await
                .unwrap_err(),
        ] {
            let Error::Store { fault, .. } = &error else { panic!("{error:?}") };
            assert_eq!(
                (*fault, error.code()),
                (StoreFault::Unavailable, "LS-JRN-028"),
                "{error:?}"
            );
            assert!(fault.is_retryable() && error.hint().is_some());
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        server.start_again();
        let append = async {
            while store.append(append.clone()).await.is_err() {}
            store.summary(run_id(1)).await.unwrap().unwrap().entries
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(30), append).await.unwrap(), 2);
        // Who listened before the server went hears what comes after it.
        while !matches!(wakes.next().await, Some(Wake::Any)) {}
        let letter = Letter { run: run_id(1), id: [1; 16], at: time(0), bytes: Bytes::new() };
        self::store(&address).post(letter).await.unwrap();
        let told = async { while wakes.next().await != Some(Wake::Run(run_id(1))) {} };
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    });
}

/// Takes runs, adds to each, lets go of it, until every run has enough.
async fn advance(store: Arc<PostgresStore>, host: u8, enough: u64) -> u64 {
    let mut added = 0;
    loop {
        let claim = Claim { lease: lease(host, 1_000), now: time(0), only: None, limit: 4 };
        let taken = store.claim(&claim).await.unwrap();
        let filter = RunFilter { state: Some(RunState::Open), limit: 99, ..RunFilter::default() };
        if taken.is_empty() && store.runs(&filter).await.unwrap().is_empty() {
            return added;
        }
        for row in taken {
            let mut appends = Appends::after(row.run, row.entries, row.fence);
            let mut last = if row.entries + 2 >= enough {
                appends.end(RunState::Ok)
            } else {
                store.append(appends.add(1, 30, Durability::Buffered)).await.unwrap();
                added += 1;
                appends.add(1, 30, Durability::Synced)
            };
            last.release = last.ending.is_none().then(Release::default);
            store.append(last).await.unwrap();
            added += 1;
        }
    }
}

#[test]
fn hosts_that_race_for_runs_never_advance_the_same_one() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    runtime().block_on(async {
        let setup = store(&address);
        for n in 0..20 {
            let mut open = Appends::new(run_id(n)).add(1, 30, Durability::Buffered);
            open.opening.as_mut().unwrap().lease = None;
            setup.append(open).await.unwrap();
        }
        let hosts: Vec<_> =
            (1..=4).map(|host| tokio::spawn(advance(store(&address), host, 24))).collect();
        let mut added = 20;
        for host in hosts {
            added += host.await.unwrap();
        }
        let rows = setup.runs(&RunFilter::default()).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.entries).sum::<u64>(), added);
        for row in rows {
            assert_eq!(row.state, RunState::Ok);
            let records = setup.load(row.run, 0, 99).await.unwrap();
            assert!(records.iter().map(|record| record.seq).eq(0..row.entries));
        }
    });
}

/// The error of a server that does not let us in, and that nothing in it is the password.
async fn refused(address: &str, secret: &str) -> Error {
    let store = impatient(address, Duration::from_secs(5));
    let error = store.ready().await.unwrap_err();
    let mut said = format!("{error} {error:?} {store:?}");
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        said.push_str(&format!(" {inner} {inner:?}"));
        cause = inner;
    }
    assert!(!said.contains(secret), "{said}");
    error
}

fn to(server: &Postgres, user: &str, password: &str, rest: &str) -> String {
    format!("postgres://{user}:{password}@127.0.0.1:{}/{rest}", server.port())
}

#[test]
fn who_is_not_let_in_is_told_so_and_the_password_is_told_to_nobody() {
    let Some(server) = postgres::shared() else { return };
    runtime().block_on(async {
        for address in [
            to(server, "longshore", "hunter2-wrong", "postgres"),
            to(server, "nobody-known", "hunter2-wrong", "postgres"),
        ] {
            assert_eq!(refused(&address, "hunter2").await.code(), "LS-JRN-029", "{address}");
        }
        let missing = to(server, "longshore", PASSWORD, "no-such-database");
        assert_eq!(refused(&missing, PASSWORD).await.code(), "LS-JRN-029");
        // Encryption that was asked for is not done without.
        let plain = to(server, "longshore", PASSWORD, "postgres?sslmode=require");
        let error = refused(&plain, PASSWORD).await;
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'hunter2'");
        let poor = to(server, "reader", "hunter2", "postgres");
        assert_eq!(refused(&poor, "hunter2").await.code(), "LS-JRN-029");
        let nobody = format!("postgres://a:hunter2@127.0.0.1:{}/x", free_port());
        assert_eq!(refused(&nobody, "hunter2").await.code(), "LS-JRN-028");
    });
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_server_is_spoken_to_over_tls_when_its_certificate_is_trusted_and_not_otherwise() {
    let Some((server, certificate)) = postgres::with_tls() else { return };
    let address = format!("{}?sslmode=require", server.database());
    runtime().block_on(async {
        let error = refused(&address, PASSWORD).await;
        assert_eq!(error.code(), "LS-JRN-029");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(error.hint().unwrap().contains("extra-ca"));
        let mut options = Options::new(Address::parse(&address).unwrap());
        assert!(
            options.trust_pem(b"nothing", "ca.pem").unwrap_err().to_string().contains("ca.pem")
        );
        options.trust_pem(&certificate, "ca.pem").unwrap();
        let store = PostgresStore::open(options).unwrap();
        let mut appends = Appends::new(run_id(1));
        store.append(appends.add(3, 70_000, Durability::Synced)).await.unwrap();
        assert_eq!(store.load(run_id(1), 0, 9).await.unwrap().len(), 3);
        let encrypted = "SELECT count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl
                         JOIN pg_stat_activity USING (pid) WHERE application_name = 'longshore'";
        assert_eq!(server.sql("postgres", encrypted), "0");
    });
}

#[test]
fn a_schema_from_tomorrow_is_left_alone() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    let database = address.rsplit('/').next().unwrap();
    runtime().block_on(async {
        store(&address).ready().await.unwrap();
        server.sql(database, "UPDATE longshore.version SET version = 99");
        let error = refused(&address, PASSWORD).await;
        assert_eq!(error.code(), "LS-JRN-024");
        assert_eq!(server.sql(database, "SELECT version FROM longshore.version"), "99");
    });
}

#[test]
fn hosts_that_come_first_together_make_the_schema_once() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    runtime().block_on(async {
        let hosts: Vec<_> = (0..6).map(|_| store(&address)).collect();
        let ready = hosts.iter().map(|host| host.ready());
        let ready: Vec<_> = futures_util::future::join_all(ready).await;
        assert!(ready.iter().all(Result::is_ok), "{ready:?}");
    });
}
