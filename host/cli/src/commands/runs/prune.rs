//! `longshore runs prune`: what is old and ended goes, to an archive or for good. Receipts stay.

use std::path::{Path, PathBuf};

use longshore::journal::{self, Chain, Journal, RunFilter, RunState, RunSummary};
use longshore::model::RunId;
use serde_json::json;

use super::{Row, age, seconds, unpinned};
use crate::commands::Done;
use crate::context::Context;
use crate::error::Error;
use crate::files::Draft;
use crate::render::table;

const EXAMPLES: &str = "\
Examples:
  longshore runs prune --older-than 30d                     what would go
  longshore runs prune --older-than 30d --outcome ok --yes
  longshore runs prune --older-than 1w --archive ./archive --yes

Only runs that have ended go. Their receipts stay, so that the chain of receipts has no gap and each can
still be verified; what a run was given and what it did is gone, or in the archive.";

/// Runs that are removed in one step.
const BATCH: usize = 100;

/// Entries that are read in one step.
const PAGE: usize = 1_000;

/// Remove runs that ended long ago; without `--yes`, only say which
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prune {
    /// Only those that ended so long ago: `90s`, `30m`, `12h`, `7d`, `4w`
    #[arg(long, value_name = "AGE")]
    older_than: String,
    /// Only those that ended so; may be given several times
    #[arg(long, value_parser = ["ok", "failed", "fault", "continued"], value_delimiter = ',')]
    outcome: Vec<String>,
    /// Write each run into a file of this folder first
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Do it
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: &Prune, journal: &Journal, context: &Context) -> Done {
    let runs = old(args, journal, context).await?;
    let mut removed = Vec::new();
    if args.yes {
        if let Some(folder) = &args.archive {
            make(folder)?;
        }
        for batch in runs.chunks(BATCH) {
            if let Some(folder) = &args.archive {
                for run in batch {
                    archive(run, folder, journal).await?;
                }
            }
            let ids: Vec<RunId> = batch.iter().map(|run| run.run).collect();
            removed.extend(journal.remove(&ids).await?);
        }
    }
    let document = json!({
        "removed": removed,
        "runs": runs.iter().map(Row::of).collect::<Vec<_>>(),
        "archive": args.archive.as_ref().filter(|_| args.yes).map(|f| f.display().to_string()),
    });
    if runs.is_empty() && !context.output.is_json() {
        context.output.say("no run is that old");
        return Ok(0);
    }
    context.output.result(&document, || text(&runs))?;
    if !context.output.is_json() {
        context.output.say(&match args.yes {
            true => format!("removed {}; their receipts are kept", counted(removed.len())),
            false => format!("{} would be removed: do it with `--yes`", counted(runs.len())),
        });
    }
    Ok(0)
}

fn counted(runs: usize) -> String {
    if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") }
}

/// The runs that are meant, newest first.
async fn old(args: &Prune, journal: &Journal, context: &Context) -> Result<Vec<RunSummary>, Error> {
    let ended_before = Some(age::ago(age::age(&args.older_than)?, context.now()));
    let wanted: Vec<RunState> =
        args.outcome.iter().filter_map(|word| RunState::parse(word)).collect();
    let mut page = RunFilter { ended_before, limit: 1_000, ..RunFilter::default() };
    let mut found = Vec::new();
    loop {
        let rows = journal.runs(&page).await?;
        let full = rows.len() == page.limit;
        page.before = rows.last().map(|row| row.run);
        let meant = |row: &RunSummary| wanted.is_empty() || wanted.contains(&row.state);
        found.extend(rows.into_iter().filter(meant));
        if !full {
            return Ok(found);
        }
    }
}

fn text(runs: &[RunSummary]) -> String {
    let mut rows = vec![["RUN", "ENDED", "STATE", "ENTRIES", "COMPONENT"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| {
        [
            run.run.to_string(),
            run.ended.map_or_else(String::new, seconds),
            run.state.to_string(),
            run.entries.to_string(),
            unpinned(&run.reference).to_owned(),
        ]
    }));
    table(&rows)
}

fn make(folder: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let fail = |source| Error::Write { path: folder.display().to_string(), source };
    builder.create(folder).map_err(fail)
}

/// Writes a run into a file of its own: its row, its entries as they were hashed, its receipt. A file
/// of that name, which an attempt that was cut short left, is replaced.
async fn archive(row: &RunSummary, folder: &Path, journal: &Journal) -> Result<(), Error> {
    let mut chain = Chain::new();
    let mut file = Draft::new(&folder.join(format!("{}.jsonl", row.run)))?;
    let head = json!({ "longshore-archive": 1, "run": Row::of(row) });
    file.add(&line(&head))?;
    let mut next = 0;
    while next < row.entries {
        let page = journal.records(row.run, next, PAGE).await?;
        if page.is_empty() {
            let (run, entries) = (row.run, row.entries);
            return Err(journal::Error::Truncated { run, missing: next, entries }.into());
        }
        for record in page {
            let text = std::str::from_utf8(&record.bytes).ok();
            let fits = record.seq == next && chain.push(&record.bytes) == record.hash;
            let Some(text) = text.filter(|_| fits) else {
                let what = format!("entry {next}");
                return Err(journal::Error::Edited { run: row.run, what }.into());
            };
            file.add(&line(&json!({ "hash": record.hash, "entry": text })))?;
            next += 1;
        }
    }
    if let Some(stored) = journal.receipt(row.run).await? {
        let receipt = String::from_utf8_lossy(&stored.receipt.bytes);
        file.add(&line(&json!({ "receipt": receipt, "digest": stored.receipt.digest })))?;
    }
    file.publish()
}

fn line(document: &serde_json::Value) -> Vec<u8> {
    let mut line = document.to_string().into_bytes();
    line.push(b'\n');
    line
}
