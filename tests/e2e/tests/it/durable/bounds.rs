//! Too much of anything: each bound has a name, says it, and what was there before is still there.

use std::time::Duration;

use longshore::journal::MAX_LETTER_BYTES;
use longshore::model::{Event, FaultKind, LimitName, Outcome};
use serde_json::json;

use super::harbour::Harbour;
use crate::stage::{both, ceiling};

const LONG: Duration = Duration::from_secs(600);
/// 100 MB.
const MUCH: usize = 100_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_are_too_much_wherever_they_come_in_and_nothing_is_lost() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, LONG);
    let much = "x".repeat(MUCH);
    // As the input of a run: it has a journal and a receipt, and no step.
    let input = json!([[&much]]).to_string();
    let report = host.request(&harbour.ask("flow", "sequence", &input)).await.unwrap();
    let Outcome::Fault(fault) = &report.outcome else { panic!("{report:?}") };
    assert_eq!((fault.kind, fault.limit), (FaultKind::InputSize, Some(LimitName::InputBytes)));
    assert!(fault.message.contains("the limit is 16777216"), "{}", fault.message);
    assert!(harbour.lines().is_empty());
    // As the payload of a signal: it is not taken, and those that are taken come.
    let running = host.start(harbour.ask("flow", "signals", "[1]")).await.unwrap();
    let run = running.id();
    let payload = json!(much).to_string();
    let error = host.signal(run, "go", &payload, None).await.unwrap_err();
    assert_eq!(error.code(), "LS-JRN-033", "{error}");
    assert!(error.to_string().contains(&MAX_LETTER_BYTES.to_string()), "{error}");
    host.signal(run, "go", "1", None).await.unwrap();
    let report = running.finish().await.unwrap();
    assert_eq!(report.outcome, Outcome::Ok(longshore::model::Json::parse("[\"1\"]").unwrap()));
}

/// As ten million steps under the default of the limit, to scale.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_of_too_many_steps_ends_at_the_limit_of_events_and_every_step_it_made_is_kept() {
    let harbour = Harbour::new().await;
    let host = harbour.host(Duration::ZERO, LONG);
    let names = vec!["x"; 2_000];
    let request = harbour.ask("flow", "sequence", &json!([names]).to_string());
    let tight = both(request.allow.clone(), ceiling(LimitName::Events, 200));
    let report = host.request(&request.allow(tight)).await.unwrap();
    let Outcome::Fault(fault) = &report.outcome else { panic!("{report:?}") };
    assert_eq!((fault.kind, fault.limit), (FaultKind::Budget, Some(LimitName::Events)));
    let history = host.journal().read(report.run).await.unwrap();
    assert!((190..=200).contains(&history.entries().len()), "{}", history.entries().len());
    assert!(host.journal().receipt(report.run).await.unwrap().is_some());
    // Nothing happened outside that the journal did not announce, and nothing twice.
    let started = history.entries().iter().filter(|entry| match &entry.event {
        Event::CallStarted(call) => call.function.ends_with("#enter"),
        _ => false,
    });
    let (announced, happened) = (started.count(), harbour.entered());
    assert!(happened.len() <= announced && happened.len() + 1 >= announced, "{announced}");
    assert!(happened.values().all(|attempts| attempts.len() == 1));
}
