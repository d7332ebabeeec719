//! `longshore approve` and `longshore approvals`: who accepted what a component asks for. The list is `approvals.json` in the
//! state folder; what is held by it is decided in `host/policy`.

use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _};

use longshore::Target;
use longshore::engine::Compiled;
use longshore::policy::{Approval, Approvals, Asked, component_pattern, scopes_of, widening};
use serde_json::json;

use super::diff::why;
use super::{Done, verify};
use crate::component;
use crate::context::{Context, variable};
use crate::error::Error;
use crate::files;
use crate::render::table;

const EXAMPLES: &str = "\
Examples:
  longshore approve registry.example.com/team/fetch:1.1.0 --note 'needs the new API'
  longshore approve fetch.wasm --by ada --yes
  longshore approvals list
  longshore approvals revoke registry.example.com/team/fetch

Once a component is approved, a version that asks for more is held until that is approved too
(LS-POL-013). An approval allows nothing by itself: the policy still decides.";

/// Accept what a component asks for
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to approve: a reference, a component file, or a folder to build
    #[arg(value_name = "TARGET")]
    target: String,
    /// Who approves; without it the user of this process
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    trust: verify::Trust,
}

/// See and revoke what was accepted
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Who accepted what, the latest first
    List,
    /// Forget what was accepted of a component, so that it is no longer held
    Revoke {
        /// The component as `approvals list` names it
        #[arg(value_name = "COMPONENT")]
        component: String,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> Done {
    let target = component::target(&args.target, context).await?;
    let host = context.looker()?;
    let looked = component::look(&host, &target, context).await?;
    if let Target::Reference(_) = target {
        // Nobody should accept what nobody vouches for.
        let trust = context.trust(args.trust.trust.as_deref(), args.trust.key.as_deref())?;
        trust.verify(looked.fetched.clone(), context.now().unix_s())?;
    }
    let compiled = &looked.compiled;
    let name = component_pattern(compiled.source());
    let _lock = lock(context)?;
    let mut approvals = context.approvals()?;
    let before = approvals.last(&name).cloned();
    let known = before.as_ref().map_or_else(Vec::new, |approval| approval.scopes.clone());
    let requests = compiled.manifest().map_or_else(Vec::new, |m| m.requests.clone());
    let wider = widening(&known, &requests);
    if !args.yes {
        ask(&name, &wider, context)?;
    }
    let approval = approval(&args, &name, compiled, context);
    approvals.accept(approval.clone());
    files::replace(&context.home()?.approvals(), approvals.to_json().as_bytes())?;
    let document = json!({"approved": approval, "widened": wider});
    context.output.result(&document, || {
        let version = approval.version.as_deref().unwrap_or("without a version");
        format!("approved {name} {version} for {}", approval.by)
    })?;
    Ok(0)
}

fn approval(args: &Args, name: &str, compiled: &Compiled, context: &Context) -> Approval {
    let manifest = compiled.manifest();
    let user = || ["LOGNAME", "USER", "USERNAME"].into_iter().find_map(variable);
    let by = args.by.clone().or_else(|| user()?.into_string().ok());
    Approval {
        component: name.to_owned(),
        digest: compiled.digest(),
        version: manifest.map(|m| m.package.version.to_string()),
        scopes: scopes_of(manifest),
        limits: manifest.map(|m| m.limits.clone()).unwrap_or_default(),
        by: by.unwrap_or_else(|| "unknown".to_owned()),
        at: context.now().rfc3339(),
        note: args.note.clone(),
    }
}

/// Shows what would be accepted and takes a `y` on a terminal for it.
fn ask(name: &str, wider: &[Asked], context: &Context) -> Result<(), Error> {
    if context.global.json || !std::io::stdin().is_terminal() {
        let hint = "see what it asks for with `longshore inspect`, then give `--yes`";
        return Err(Error::bad("there is no terminal to ask on", hint));
    }
    if wider.is_empty() {
        context.output.say(&format!("`{name}` asks for nothing that was not approved before"));
    } else {
        let rows: Vec<_> = wider.iter().map(|a| [format!("  + {}", a.scope), why(a)]).collect();
        context.output.say(&format!("`{name}` asks for\n{}", table(&rows)));
    }
    context.output.say("accept it? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(Error::bad("it was not accepted", "nothing was changed")),
    }
}

/// One approval at a time: the list is read, added to and replaced.
fn lock(context: &Context) -> Result<File, Error> {
    let home = context.home()?;
    let path = home.path().join("approvals.lock");
    let fail = |source| Error::Write { path: path.display().to_string(), source };
    std::fs::create_dir_all(home.path()).map_err(fail)?;
    let file = File::create(&path).map_err(fail)?;
    file.lock().map_err(fail)?;
    Ok(file)
}

pub(crate) fn manage(command: Command, context: &Context) -> Done {
    match command {
        Command::List => list(&context.approvals()?, context),
        Command::Revoke { component } => {
            let _lock = lock(context)?;
            let mut approvals = context.approvals()?;
            let revoked = approvals.revoke(&component);
            if revoked == 0 {
                let message = format!("nothing was approved of `{component}`");
                return Err(Error::bad(message, "see the names with `longshore approvals list`"));
            }
            files::replace(&context.home()?.approvals(), approvals.to_json().as_bytes())?;
            let document = json!({"component": component, "revoked": revoked});
            context.output.result(&document, || format!("revoked {component}"))?;
            Ok(0)
        }
    }
}

fn list(approvals: &Approvals, context: &Context) -> Done {
    let latest: Vec<_> = approvals.all().iter().rev().collect();
    context.output.result(&json!({"approvals": latest}), || {
        if latest.is_empty() {
            return "nothing was approved yet".to_owned();
        }
        let rows: Vec<_> = latest
            .iter()
            .map(|approval| {
                let scopes: Vec<_> = approval.scopes.iter().map(ToString::to_string).collect();
                [
                    approval.component.clone(),
                    approval.version.clone().unwrap_or_default(),
                    approval.by.clone(),
                    approval.at.clone(),
                    scopes.join(", "),
                ]
            })
            .collect();
        table(&rows)
    })?;
    Ok(0)
}
