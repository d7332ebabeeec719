//! Runs a component and prints what became of it: `cargo run -p longshore --example embed -- FILE-OR-REFERENCE INPUT`.

use longshore::{Longshore, Request, Target, journal::Seen, policy::Policy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [target, input] = std::env::args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let mut allow = Policy::default();
    allow.allow_flag("clock")?;
    let host = Longshore::builder().home("longshore-state").policy(allow).build()?;
    let mut run = host.start(Request::new(Target::parse(&target)?, input)).await?;
    while let Some(seen) = run.events().next().await {
        if let Seen::Entry(entry) = seen {
            println!("{:>4} {}", entry.seq, entry.event.name());
        }
    }
    let report = run.finish().await?;
    println!("{:?}, receipt {}", report.outcome, report.receipt_digest);
    Ok(())
}
