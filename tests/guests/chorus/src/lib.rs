//! An `async fn` workflow: joins and selects over typed calls.

wit_bindgen::generate!({
    path: ["../../../wit/longshore-workflow-0.1.0", "../async-guest/wit", "wit"],
    world: "fixtures:chorus/guest",
    generate_all,
});

use std::pin::pin;

use exports::fixtures::chorus::chorus::Guest;
use fixtures::asynchronous::slow;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use longshore::workflow::signals;

struct Chorus;

impl Guest for Chorus {
    async fn together(times: Vec<u32>) -> Vec<u32> {
        let calls: FuturesUnordered<_> =
            times.into_iter().zip(0..).map(|(times, n)| slow::later(n, times)).collect();
        calls.collect().await
    }

    async fn races(rounds: u32, left: u32, right: u32) -> Vec<String> {
        let mut won = Vec::new();
        for round in 0..rounds {
            let (one, other) = (pin!(slow::later(round, left)), pin!(slow::later(round, right)));
            won.push(match select(one, other).await {
                Either::Left((round, _)) => format!("left {round}"),
                Either::Right((round, _)) => format!("right {round}"),
            });
        }
        won
    }

    async fn waiting(times: Vec<u32>) -> (Vec<u32>, String) {
        let came = Self::together(times).await;
        (came, signals::receive("go").unwrap_or_default())
    }
}

export!(Chorus);
