//! The commands, a file each.

pub(crate) mod approve;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod new;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod receipt;
pub(crate) mod registry;
pub(crate) mod rehearse;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod sign;
pub(crate) mod verify;

use crate::args::Command;
use crate::context::Context;
use crate::error::Error;

/// How a command ended: its exit status (`docs/errors.md`), or what went wrong.
pub(crate) type Done = Result<u8, Error>;

/// Does what was asked for.
pub(crate) fn run(command: Command, context: &Context) -> Done {
    match command {
        Command::New(args) => new::run(args, context),
        Command::Key(command) => key::run(command, context),
        Command::Policy(command) => policy::run(command, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Approvals(command) => approve::manage(command, context),
        Command::Approve(args) => context.block_on(approve::run(args, context)),
        Command::Diff(args) => context.block_on(diff::run(args, context)),
        Command::Build(args) => context.block_on(build::run(args, context)),
        Command::Doctor(args) => context.block_on(doctor::run(args, context)),
        Command::Inspect(args) => context.block_on(inspect::run(args, context)),
        Command::Runs(command) => context.block_on(runs::run(command, context)),
        Command::Replay(args) => context.block_on(rehearse::replay(args, context)),
        Command::Rehearse(args) => context.block_on(rehearse::rehearse(args, context)),
        Command::Receipt(command) => context.block_on(receipt::run(command, context)),
        Command::Run(args) => context.block_on(run::run(args, context)),
        Command::Publish(args) => context.block_on(publish::run(args, context)),
        Command::Push(args) => context.block_on(push::run(args, context)),
        Command::Pull(args) => context.block_on(pull::run(args, context)),
        Command::Sign(args) => context.block_on(sign::run(args, context)),
        Command::Verify(args) => context.block_on(verify::run(args, context)),
        Command::Registry(command) => context.block_on(registry::run(command, context)),
    }
}
