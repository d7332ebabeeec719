//! The `longshore` command: the sole printer, and the place where concrete stores are picked. What it
//! does it asks of the library; nothing here resolves, verifies, grants or runs by itself.
//!
//! A process that runs one component starts it within milliseconds: one thread, nothing read before
//! it is needed, the journal opened while the component is loaded.

mod args;
mod commands;
mod component;
mod context;
mod error;
mod files;
mod output;
mod progress;
mod render;
mod signal;
mod stores;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::Cli;
use crate::context::Context;
use crate::error::Error;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Asked for often by scripts: not worth a parser.
    if let [_, only] = arguments.as_slice()
        && (only == "--version" || only == "-V")
    {
        return output::raw(&format!("longshore {}\n", longshore::VERSION));
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&arguments, &error),
    };
    tracing(cli.global.verbose);
    let output = Output::new(cli.global.json);
    let context = Context::new(cli.global, output);
    let code = match commands::run(cli.command, &context) {
        Ok(code) => code,
        Err(error) => context.output.error(&error),
    };
    ExitCode::from(code)
}

/// Help and version are answers; everything else that the parser says is an error of ours.
fn usage(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help: the parser knows whether there is a terminal to colour it for.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let json = arguments.iter().skip(1).take_while(|a| *a != "--").any(|a| a == "--json");
    let error = Error::usage(error);
    ExitCode::from(Output::new(json).error(&error))
}

/// Diagnostics of the libraries, on standard error: only where somebody asked for them.
fn tracing(verbose: u8) {
    let asked = context::variable("RUST_LOG").and_then(|value| value.into_string().ok());
    let filter = match (asked, verbose) {
        (Some(filter), _) => filter,
        (None, 0) => return,
        (None, 1) => "longshore=info,warn".to_owned(),
        (None, 2) => "longshore=debug,info".to_owned(),
        (None, _) => "trace".to_owned(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = builder.with_ansi(output::colours_on_stderr()).try_init();
}
