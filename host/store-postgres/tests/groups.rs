//! What many runs hand in together is written together, in the order of each run.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::sync::Arc;

use longshore_journal::{Durability, Error, RunFilter, RunState, Store, Ticket};
use longshore_store_contract::{Appends, run_id, runtime};
use longshore_store_postgres::{Address, Options, PostgresStore};
use longshore_test_support::postgres;

fn store(address: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(Options::new(Address::parse(address).unwrap())).unwrap())
}

#[test]
fn the_appends_of_many_runs_share_transactions() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    runtime().block_on(async {
        let store = store(&address);
        store.ready().await.unwrap();
        let runs: Vec<_> = (0..32)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut appends = Appends::new(run_id(n));
                    for _ in 0..20 {
                        store.append(appends.add(2, 100, Durability::Synced)).await.unwrap();
                    }
                })
            })
            .collect();
        for run in runs {
            run.await.unwrap();
        }
        for row in store.runs(&RunFilter::default()).await.unwrap() {
            assert_eq!(row.entries, 40);
        }
        let database = address.rsplit('/').next().unwrap();
        let transactions = "SELECT count(DISTINCT xmin::text) FROM longshore.entries";
        let transactions: u32 = server.sql(database, transactions).parse().unwrap();
        assert!((20..=320).contains(&transactions), "{transactions} for 640 appends");
    });
}

#[test]
fn of_appends_to_one_run_that_come_together_each_is_judged_by_those_before_it() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    runtime().block_on(async {
        let store = store(&address);
        store.ready().await.unwrap();
        let mut appends = Appends::new(run_id(1));
        let first = appends.add(1, 10, Durability::Buffered);
        let second = appends.add(3, 10, Durability::Buffered);
        let third = appends.add(2, 10, Durability::Synced);
        let ending = appends.end(RunState::Ok);
        let beyond = appends.add(1, 10, Durability::Buffered);
        let mut stale = second.clone();
        stale.fence = stale.fence.next();
        let mut other = Appends::new(run_id(2));
        // Handed in without waiting: most of it is there before the writer looks.
        let all = [&first, &stale, &second, &second, &third, &first, &ending, &beyond]
            .map(|append| store.append(append.clone()));
        let other = store.append(other.add(1, 10, Durability::Buffered));
        let mut answers = Vec::new();
        for ticket in all {
            answers.push(said(ticket).await);
        }
        let expected =
            ["ok", "LS-JRN-030", "ok", "LS-JRN-011", "ok", "LS-JRN-011", "ok", "LS-JRN-009"];
        assert_eq!(answers, expected);
        assert_eq!(said(other).await, "ok");
        let row = store.summary(run_id(1)).await.unwrap().unwrap();
        assert_eq!((row.entries, row.state, row.head), (7, RunState::Ok, ending.records[0].hash));
        let records = store.load(run_id(1), 0, 9).await.unwrap();
        assert!(records.iter().map(|record| record.seq).eq(0..7));
    });
}

async fn said(ticket: Ticket) -> &'static str {
    ticket.await.map_or_else(|error: Error| error.code(), |()| "ok")
}
