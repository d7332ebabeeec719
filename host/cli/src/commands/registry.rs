//! `longshore registry`: a registry on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use longshore_registry_server::{Config, Server};
use serde_json::json;

use super::Done;
use crate::context::Context;
use crate::error::Error;
use crate::signal;

const EXAMPLES: &str = "\
Examples:
  longshore registry serve                             127.0.0.1:5000, in the state folder
  longshore registry serve --listen 127.0.0.1:0        a free port; its address is printed
  longshore registry serve --root /srv/oci --read-only

An OCI registry (distribution spec 1.1, with referrers) for laptops, tests and sites without a
network: oras, crane, cosign and docker speak to it. Plain HTTP, and no users: it stays on loopback
unless `--allow-remote` is given, and then it belongs behind a proxy.";

/// Run a registry on this machine
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    Serve(Serve),
}

/// Serve a registry until interrupted
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// The folder that holds everything [default: `registry` in the state folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Refuse every push and delete
    #[arg(long)]
    read_only: bool,
    /// Listen on an address that other machines can reach
    #[arg(long)]
    allow_remote: bool,
}

pub(crate) async fn run(command: Command, context: &Context) -> Done {
    let Command::Serve(args) = command;
    let root = match args.root {
        Some(root) => root,
        None => context.home()?.path().join("registry"),
    };
    let mut config = Config::new(&root);
    config.listen = args.listen;
    config.read_only = args.read_only;
    config.allow_remote = args.allow_remote;
    // Caught before the address is told: whoever reads it may stop us at once.
    let caught = signal::caught().map_err(Error::Setup)?;
    let server = Server::bind(config).await?;
    let address = server.local_addr().to_string();
    let document = json!({ "address": address, "root": root.display().to_string() });
    context.output.result(&document, || format!("listening on {address}"))?;
    if !context.output.is_json() {
        context.output.say(&format!("serving {}; interrupt to stop", root.display()));
    }
    server
        .run(async {
            caught.await;
        })
        .await?;
    Ok(0)
}
