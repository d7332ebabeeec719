//! `wasi:cli/command` components run as they are.

use longshore::Request;
use longshore::model::{Event, FaultKind, Stream};

use crate::artifacts::guest;
use crate::stage::{Stage, allow};

#[tokio::test]
async fn a_command_gets_its_arguments_and_input_and_its_output_is_recorded() {
    let stage = Stage::new();
    let target = stage.file("command.wasm", guest("command"));
    let arguments = ["command", "first", "--flag=é"].map(str::to_owned).to_vec();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut request = Request::new(target, "").command(arguments, "the input");
    let watched = std::sync::Arc::clone(&seen);
    request.stdio.watcher = Some(std::sync::Arc::new(move |stream, bytes: &[u8]| {
        watched.lock().unwrap().push((stream, bytes.to_vec()));
    }));
    let ran = stage.run(&request).await;
    assert_eq!(ran.value(), serde_json::Value::Null);
    assert!(ran.statement.predicate.function.as_ref().unwrap().starts_with("wasi:cli/run@"));
    let expected = "argument: first\nargument: --flag=é\ninput: the input\n";
    let recorded: Vec<_> = ran
        .events()
        .filter_map(|event| match event {
            Event::Output(output) => Some((output.stream, output.text.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(recorded, [(Stream::Stdout, expected.to_owned())]);
    assert_eq!(ran.report.usage.stdout_bytes, expected.len() as u64);
    let watched: Vec<u8> = seen.lock().unwrap().iter().flat_map(|(_, b)| b.clone()).collect();
    assert_eq!(String::from_utf8(watched).unwrap(), expected);
}

#[tokio::test]
async fn a_command_that_leaves_with_another_status_than_0_is_a_fault_that_says_so() {
    let stage = Stage::new();
    let target = stage.file("command.wasm", guest("command"));
    for (status, fine) in [("0", true), ("1", false), ("7", false)] {
        let arguments = vec!["command".to_owned(), format!("--exit={status}")];
        let ran = stage.run(&Request::new(target.clone(), "").command(arguments, "")).await;
        assert_eq!(ran.report.outcome.is_ok(), fine, "{status}: {:?}", ran.report.outcome);
        if !fine {
            assert_eq!(ran.fault().kind, FaultKind::Exit);
            assert!(ran.fault().message.contains("status"), "{}", ran.fault().message);
        }
    }
}

#[tokio::test]
async fn a_command_needs_no_grant_that_it_does_not_use() {
    let stage = Stage::new();
    let target = stage.file("command.wasm", guest("command"));
    let ran = stage.run(&Request::new(target.clone(), "")).await;
    assert!(ran.statement.predicate.grant.as_ref().unwrap().scopes.is_empty());
    let ran = stage.run(&Request::new(target, "").allow(allow(&["clock", "random"]))).await;
    assert!(ran.report.outcome.is_ok());
}
