//! Runs a signed component from a registry and watches its events. Quoted in the README.
#![allow(clippy::print_stdout)]

use longshore::journal::Seen;
use longshore::{Longshore, Request, Target, policy::Policy, trust::TrustPolicy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut allow = Policy::default();
    allow.allow_flag("http=https://example.com")?;
    let host = Longshore::builder()
        .home("longshore-state")
        .trust(TrustPolicy::load("trust.json".as_ref())?)
        .policy(allow)
        .build()?;
    let target = Target::parse("registry.example.com/acme/fetch:1.0.0")?;
    let mut run = host.start(Request::new(target, r#"{"url": "https://example.com"}"#)).await?;
    while let Some(Seen::Entry(entry)) = run.events().next().await {
        println!("{} {}", entry.seq, entry.event.name());
    }
    let report = run.finish().await?;
    std::fs::write("receipt.json", &report.receipt)?;
    println!("{}: {:?}", report.run, report.outcome);
    Ok(())
}
