//! `longshore receipt`: the proof of a run.

mod show;

use std::path::{Path, PathBuf};

use longshore::journal::Journal;
use longshore::model::RunId;
use longshore::receipt::{MAX_BYTES, Statement, verify};
use longshore::trust::dsse::Envelope;
use serde_json::json;

use super::{Done, runs};
use crate::context::{Context, public_key, read_bytes};
use crate::error::Error;
use crate::files;

const SHOW_EXAMPLES: &str = "\
Examples:
  longshore receipt show last
  longshore receipt show receipt.json --json        the statement that was signed

What is shown is what the receipt says; `longshore receipt verify` checks that it is true.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  longshore receipt verify last
  longshore receipt verify receipt.json --key receipt.pub      anywhere, offline

A receipt holds no input and no output, only their digests. For a run of this host the journal is
compared too: every entry, up to the hash that the receipt names.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  longshore receipt export last -o receipt.json
  longshore receipt public-key -o receipt.pub       what others need to check it";

/// Show, check and hand out the receipts of runs
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    Show(Show),
    Verify(Verify),
    Export(Export),
    PublicKey(PublicKey),
}

/// Show what a receipt says
#[derive(clap::Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// A run's id, `last`, or a receipt file
    #[arg(value_name = "RUN|FILE")]
    receipt: String,
}

/// Check a receipt: that the host with this key sealed it, and that nothing in it was changed
#[derive(clap::Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// A run's id, `last`, or a receipt file
    #[arg(value_name = "RUN|FILE")]
    receipt: String,
    /// The public key of the host that ran it [default: that of this host]
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
}

/// Write a receipt to a file or to standard output
#[derive(clap::Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct Export {
    /// A run's id, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// Where to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Write the public key that checks this host's receipts
#[derive(clap::Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct PublicKey {
    /// Where to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(command: Command, context: &Context) -> Done {
    match command {
        Command::Show(args) => {
            let found = find(&args.receipt, context).await?;
            let statement = unchecked(&found.bytes)?;
            context.output.result(&statement, || show::text(&statement))?;
            Ok(0)
        }
        Command::Verify(args) => check(args, context).await,
        Command::Export(args) => {
            let journal = context.journal()?;
            let run = runs::named(&args.run, &journal).await?;
            let bytes = stored(run, &journal).await?;
            write(args.output.as_deref(), &bytes, context)
        }
        Command::PublicKey(args) => {
            let key = context.home()?.receipt_signer()?;
            write(args.output.as_deref(), key.public_key().to_pem().as_bytes(), context)
        }
    }
}

/// A receipt that was found.
struct Found {
    bytes: Vec<u8>,
    /// The journal it came from, and the run.
    own: Option<(Journal, RunId)>,
}

async fn find(text: &str, context: &Context) -> Result<Found, Error> {
    if text == "last" || text.parse::<RunId>().is_ok() {
        let journal = context.journal()?;
        let run = runs::named(text, &journal).await?;
        let bytes = stored(run, &journal).await?;
        return Ok(Found { bytes, own: Some((journal, run)) });
    }
    let bytes = read_bytes(Path::new(text), MAX_BYTES as u64)?;
    Ok(Found { bytes, own: None })
}

async fn stored(run: RunId, journal: &Journal) -> Result<Vec<u8>, Error> {
    let receipt = journal.receipt(run).await?;
    Ok(receipt.ok_or_else(|| Error::NoReceipt { run: run.to_string() })?.receipt.bytes)
}

/// What a receipt says, whoever wrote it.
fn unchecked(bytes: &[u8]) -> Result<Statement, Error> {
    let envelope = Envelope::parse(bytes)?;
    let statement = serde_json::from_slice(envelope.payload_unverified());
    Ok(statement.map_err(|source| longshore::receipt::Error::Malformed {
        reason: "its payload is not a receipt's statement",
        source: Some(source),
    })?)
}

async fn check(args: Verify, context: &Context) -> Done {
    let key = match &args.key {
        Some(path) => public_key(path)?,
        None => public_key(&context.home()?.receipt_public_key())?,
    };
    let found = find(&args.receipt, context).await?;
    let statement = verify(&found.bytes, &key)?;
    if let Some((journal, run)) = &found.own {
        compare(&statement, journal, *run).await?;
    }
    let (predicate, journal) = (&statement.predicate, found.own.is_some());
    let document = json!({
        "valid": true,
        "run": predicate.run,
        "outcome": predicate.outcome,
        "key": key.key_id(),
        "journal-compared": journal,
        "receipt": { "digest": longshore::reference::Digest::of(&found.bytes) },
    });
    context.output.result(&document, || {
        let against = if journal { ", and it is what the journal says" } else { "" };
        let id = key.key_id();
        format!(
            "valid: sealed by the host with the key {id}{against}\n\n{}",
            show::text(&statement)
        )
    })?;
    Ok(0)
}

/// Reads the journal again and computes the receipt again: the two must be the same.
async fn compare(statement: &Statement, journal: &Journal, run: RunId) -> Result<(), Error> {
    let fail = |what: &str| Error::Mismatch { run: run.to_string(), what: what.to_owned() };
    if statement.predicate.run != run {
        return Err(fail("it is the receipt of another run"));
    }
    let history = journal.read(run).await?;
    let (head, count) = (history.head(), history.summary().entries);
    let entries: Vec<_> =
        history.into_entries().into_iter().map(|e| (e.seq, e.at, e.event)).collect();
    let previous = statement.predicate.previous;
    let again = longshore::receipt::statement_from(run, &entries, head, count, previous)?;
    if again == *statement { Ok(()) } else { Err(fail("it says something else")) }
}

fn write(path: Option<&Path>, bytes: &[u8], context: &Context) -> Done {
    match path {
        None => context.output.bytes(bytes)?,
        Some(path) => {
            files::replace(path, bytes)?;
            let shown = path.display().to_string();
            context.output.result(&json!({ "path": shown }), || shown.clone())?;
        }
    }
    Ok(0)
}
