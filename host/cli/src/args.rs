//! What can be typed: flags and commands as plain data, with the help that teaches them. Each
//! command's own arguments stand in its file.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    approve, build, completions, diff, doctor, inspect, key, new, policy, publish, pull, push,
    receipt, registry, rehearse, run, runs, sign, verify,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
First steps:
  longshore new hello && cd hello          write a component
  longshore run . --input '{\"name\": \"Ada\"}'   build and run it
  longshore registry serve                 a registry on this machine, in another terminal
  longshore key generate                   a key to sign with
  longshore publish . 127.0.0.1:5000/hello:0.1.0 --key longshore.key
  longshore run 127.0.0.1:5000/hello:0.1.0 --key longshore.pub --input '{\"name\": \"Ada\"}'
  longshore runs list                      what ran here
  longshore receipt verify <RUN>           and the proof of it

Exit status: 0 worked, 1 the component failed, 2 bad input, 3 refused by trust, 4 refused by the
grant, 5 registry or network, 6 the component was stopped, 7 this host failed, 8 the build failed.
Settings are read from `config.toml` in `$LONGSHORE_HOME`; see docs/cli.md.";

/// Portable, governed workflows, shipped as signed WebAssembly components.
#[derive(Debug, Parser)]
#[command(
    name = "longshore",
    version,
    styles = STYLES,
    after_help = EXAMPLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Write one JSON document to standard output, for errors too
    #[arg(long, global = true, help_heading = "Global options", display_order = 100)]
    pub(crate) json: bool,
    /// Never use the network: what the cache has must do
    #[arg(long, global = true, help_heading = "Global options", display_order = 100)]
    pub(crate) offline: bool,
    /// Say more on standard error; twice or thrice for even more
    #[arg(short, long, global = true, help_heading = "Global options", display_order = 100, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    Build(build::Args),
    Run(run::Args),
    Inspect(inspect::Args),
    Publish(publish::Args),
    Push(push::Args),
    Pull(pull::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Diff(diff::Args),
    Approve(approve::Args),
    #[command(subcommand)]
    Approvals(approve::Command),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Runs(runs::Command),
    Replay(rehearse::Replay),
    Rehearse(rehearse::Rehearse),
    #[command(subcommand)]
    Receipt(receipt::Command),
    #[command(subcommand)]
    Registry(registry::Command),
    Doctor(doctor::Args),
    Completions(completions::Args),
}
