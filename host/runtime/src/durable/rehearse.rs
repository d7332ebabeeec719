//! Histories repeated without doing anything: against a new version of their workflow, or from a file, anywhere.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_engine::{Compiled, Halt, Links, Ready, Recompute, RunContext, RunOptions, Stdio};
use longshore_journal::{
    Append, Durability, Ending, Entry, Fence, History, Journal, MemoryStore, Opening, Record,
    RunState, Store as _,
};
use longshore_model::{
    Ask, ComponentIdentity, Divergence, Event, Outcome, RunId, RunStarted, Scope, Timestamp,
};
use longshore_policy::{Needs, Policy, Role};
use longshore_reference::{Digest, Fetched};
use serde::{Deserialize, Serialize};

use super::resume::recorded;
use crate::admit::Stop;
use crate::builder::Host;
use crate::error::Refused;
use crate::{Error, Longshore, Target, VERSION};

/// The version of the file.
const FORMAT: u32 = 1;
/// A file larger than this is not read, in bytes.
const MAX_FILE: usize = 1 << 30;

/// What came of repeating a history.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The code asks for what the history has, up to its last entry, and would go on from there.
    GoesOn,
    /// The code ends with the history; whether with no other outcome than the history has.
    Ends {
        /// How it ends.
        outcome: Outcome,
        /// Whether the history says the same, or does not say yet.
        same: bool,
    },
    /// The code asks for something else.
    Diverges(Divergence),
}

impl Verdict {
    /// Whether a run with this history can move to the code.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::GoesOn | Self::Ends { same: true, .. })
    }
}

/// One run in a file: its history, the components behind it, its input. Secret settings and values of environment variables
/// are in no journal, and so not in here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Exported {
    format: u32,
    host: String,
    run: RunId,
    /// The hash of the last entry.
    head: Digest,
    /// The exact JSON of each entry.
    entries: Vec<String>,
    components: Vec<ExportedComponent>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ExportedComponent {
    name: String,
    digest: Digest,
    /// In base64.
    bytes: String,
}

impl Longshore {
    /// Repeats the history of a run against `target`, a new version of its workflow. Nothing is done, and the run stays as it is.
    ///
    /// # Errors
    ///
    /// When the run cannot be read, or the target not be admitted with what the run was allowed.
    pub async fn rehearse(&self, run: RunId, target: &Target) -> Result<Verdict, Error> {
        let history = self.0.journal.read(run).await?;
        let start = history.in_force();
        let prepared = match self.0.admit(target, &recorded(&start)).await {
            Ok(prepared) => prepared,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Refused(_, refusal)) => {
                return Err(Error::Refused(Box::new(Refused { refusal, report: None })));
            }
        };
        repeat(&self.0, &prepared.ready, &start, history.entries(), Recompute::Nothing).await
    }

    /// A run in one file, to be repeated anywhere with [`Longshore::replay`]: history, components, input.
    ///
    /// # Errors
    ///
    /// When the run or one of its components cannot be read.
    pub async fn export(&self, run: RunId) -> Result<Vec<u8>, Error> {
        // Checked before it is given away.
        let history = self.0.journal.read(run).await?;
        let start = &history.in_force();
        let mut components = Vec::new();
        let below = start.dependencies.iter().map(|dependency| &dependency.component);
        for identity in below.chain([&start.component]) {
            let bytes = self.0.bytes_of(identity).await?;
            let known = |c: &ExportedComponent| c.digest == identity.digest;
            if !components.iter().any(known) {
                let (name, digest) = (identity.reference.clone(), identity.digest);
                components.push(ExportedComponent { name, digest, bytes: STANDARD.encode(bytes) });
            }
        }
        let records = self.0.journal.all_records(run).await?;
        let text = |record: &Record| String::from_utf8_lossy(&record.bytes).into_owned();
        let entries = records.iter().map(text).collect();
        let host = VERSION.to_owned();
        let head = history.head();
        let exported = Exported { format: FORMAT, host, run, head, entries, components };
        serde_json::to_vec_pretty(&exported)
            .map_err(|error| Error::Exported { reason: error.to_string() })
    }

    /// Repeats the run in an exported file, and computes the results of its pure actions again. Nothing is done, and nothing
    /// of this host is touched.
    ///
    /// # Errors
    ///
    /// [`Error::Exported`] when the file is none, or was edited; the journal's, the engine's and the policy's own.
    pub async fn replay(&self, file: &[u8]) -> Result<(RunId, Verdict), Error> {
        let wrong = |reason: String| Error::Exported { reason };
        if file.len() > MAX_FILE {
            return Err(wrong(format!("it has more than {MAX_FILE} bytes")));
        }
        let exported: Exported =
            serde_json::from_slice(file).map_err(|error| wrong(error.to_string()))?;
        if exported.format != FORMAT {
            let format = exported.format;
            return Err(wrong(format!("it has format {format}; this version reads {FORMAT}")));
        }
        let history = history_of(&exported).await?;
        let start = history.in_force();
        let policy = everything(&start);
        let assembly = Assembly { host: &self.0, exported: &exported, start: &start, policy };
        let ready = Arc::new(assembly.ready(&start.component, Role::Root)?);
        let entries = history.entries();
        let verdict = repeat(&self.0, &ready, &start, entries, Recompute::All).await?;
        Ok((exported.run, verdict))
    }
}

impl Host {
    /// The bytes of a component of a run.
    async fn bytes_of(&self, identity: &ComponentIdentity) -> Result<Vec<u8>, Error> {
        let bytes = match self.target_of(identity)? {
            Target::Reference(reference) => {
                let resolved = self.registry.resolve(&reference).await?;
                self.registry.fetch(&resolved).await?.bytes().to_vec()
            }
            Target::File(path) => std::fs::read(&path)
                .map_err(|source| Error::File { path: path.display().to_string(), source })?,
        };
        let is = Digest::of(&bytes);
        if is != identity.digest {
            let reason =
                format!("`{}` is `{is}` now, not `{}`", identity.reference, identity.digest);
            return Err(Error::Exported { reason });
        }
        Ok(bytes)
    }
}

/// Repeats a history with what is in memory only.
pub(super) async fn repeat(
    host: &Arc<Host>,
    ready: &Arc<Ready>,
    start: &RunStarted,
    entries: &[Entry],
    recompute: Recompute,
) -> Result<Verdict, Error> {
    let journal = Journal::in_memory(Arc::clone(&host.clock));
    let run = journal.open(start.clone()).await?;
    let root = entries.iter().find_map(|entry| match &entry.event {
        Event::CallStarted(call) if call.parent.is_none() => Some(call.call),
        _ => None,
    });
    let is_root_end = |event: &Event| {
        matches!(event, Event::CallEnded(ended) if Some(ended.call) == root)
            || matches!(event, Event::RunEnded(_))
    };
    let before: Vec<Entry> =
        entries.iter().filter(|entry| !is_root_end(&entry.event)).cloned().collect();
    let recorded = entries.iter().find_map(|entry| match &entry.event {
        Event::CallEnded(ended) if Some(ended.call) == root => Some(ended.outcome.clone()),
        _ => None,
    });
    let function = Arc::clone(ready.compiled().function(Some(&start.function))?);
    let options = RunOptions {
        seed: start.seed,
        replay: true,
        recompute,
        function: Some(Arc::clone(&function)),
        ..RunOptions::default()
    };
    let cx = RunContext::durable(run, options, &before);
    let arguments = function.arguments(start.input.as_str())?;
    Ok(match ready.drive(&cx, &function, &arguments, &Stdio::default()).await {
        Ok(outcome) => {
            let same = recorded.is_none_or(|recorded| recorded == outcome);
            Verdict::Ends { outcome, same }
        }
        Err(Halt::Diverged(divergence)) => Verdict::Diverges(divergence),
        Err(Halt::Exhausted | Halt::Suspended(_) | Halt::Continued(_)) => Verdict::GoesOn,
    })
}

/// The history in a file, checked like any other.
async fn history_of(exported: &Exported) -> Result<History, Error> {
    let wrong = |reason: &str| Error::Exported { reason: reason.to_owned() };
    let mut chain = longshore_journal::Chain::new();
    let mut records = Vec::with_capacity(exported.entries.len());
    let (mut opening, mut ending, mut continued) = (None, None, false);
    for (text, seq) in exported.entries.iter().zip(0..) {
        let entry: Entry = serde_json::from_str(text)
            .map_err(|error| Error::Exported { reason: error.to_string() })?;
        let bytes = bytes::Bytes::from(text.clone().into_bytes());
        let hash = chain.push(&bytes);
        records.push(Record { seq, at: entry.at, bytes, hash });
        match &entry.event {
            Event::RunStarted(start) if seq == 0 => opening = Some(row(start, entry.at)),
            Event::Asked(asked) => continued |= matches!(asked.what, Ask::Continue(_)),
            Event::RunEnded(ended) => {
                let state = RunState::ended(&ended.outcome, continued && ended.outcome.is_ok());
                ending = Some(Ending { state, at: entry.at });
            }
            _ => {}
        }
    }
    let opening = Some(opening.ok_or_else(|| wrong("its first entry does not begin a run"))?);
    let store = Arc::new(MemoryStore::new());
    let append = Append {
        run: exported.run,
        next: 0,
        records,
        durability: Durability::Buffered,
        fence: Fence::NONE,
        opening,
        ending,
        taken: None,
        release: None,
    };
    store.append(append).await?;
    let journal = Journal::new(store, Arc::new(crate::SystemClock));
    let history = journal.read(exported.run).await?;
    if history.head() != exported.head {
        return Err(wrong("its entries are not those that were exported"));
    }
    Ok(history)
}

fn row(start: &RunStarted, started: Timestamp) -> Opening {
    Opening {
        component: start.component.digest,
        reference: start.component.reference.clone(),
        function: start.function.clone(),
        started,
        lease: None,
    }
}

/// A policy with which everything in the history is granted again. Nothing of it is used: nothing is done in a repetition.
fn everything(start: &RunStarted) -> Policy {
    let mut policy = recorded(start);
    let below = start.dependencies.iter().map(|d| (Some(d.interface.as_str()), &d.grant));
    for (interface, grant) in below.chain([(None, &start.grant)]) {
        for (scope, _) in &grant.scopes {
            let flag = match scope {
                Scope::Dir { path, access } => format!("dir={path}=.:{}", access.as_str()),
                Scope::Http(scope) => format!("http={scope}"),
                Scope::Env(name) => format!("env={name}"),
                other => other.kind().as_str().to_owned(),
            };
            let flag = interface.map_or_else(|| flag.clone(), |i| format!("{i}::{flag}"));
            // What is missed here is refused below, with its name.
            let _ = policy.allow_flag(&flag);
        }
    }
    policy
}

/// Links the components of a file.
struct Assembly<'a> {
    host: &'a Arc<Host>,
    exported: &'a Exported,
    start: &'a RunStarted,
    policy: Policy,
}

impl Assembly<'_> {
    fn ready(&self, identity: &ComponentIdentity, role: Role) -> Result<Ready, Error> {
        let compiled = self.compiled(identity)?;
        let needs = Needs {
            component: compiled.digest(),
            source: compiled.source().clone(),
            role,
            imports: crate::admit::guarded(&compiled),
            manifest: compiled.manifest().cloned(),
            signers: compiled.signers().to_vec(),
        };
        let grant = self
            .policy
            .decide(&needs)
            .map_err(|refusal| Error::Refused(Box::new(Refused { refusal, report: None })))?;
        let mut links = Links::new();
        for wanted in compiled.manifest().iter().flat_map(|manifest| &manifest.dependencies) {
            let pin = wanted.pinned.as_ref().map(|pin| pin.digest);
            let found = self.start.dependencies.iter().find(|dependency| {
                dependency.interface == wanted.interface && dependency.component.manifest == pin
            });
            let Some(found) = found else {
                let reason = format!("it lacks the component behind `{}`", wanted.interface);
                return Err(Error::Exported { reason });
            };
            let role = Role::Dependency { interface: wanted.interface.clone() };
            let ready = self.ready(&found.component, role)?;
            links.insert(wanted.interface.clone(), Arc::new(ready));
        }
        Ok(self.host.engine.link(&compiled, Arc::new(grant), Vec::new(), links)?)
    }

    fn compiled(&self, identity: &ComponentIdentity) -> Result<Arc<Compiled>, Error> {
        let found = self.exported.components.iter().find(|c| c.digest == identity.digest);
        let Some(found) = found else {
            let reason = format!("it lacks the component `{}`", identity.reference);
            return Err(Error::Exported { reason });
        };
        let bytes = STANDARD
            .decode(&found.bytes)
            .map_err(|error| Error::Exported { reason: error.to_string() })?;
        if Digest::of(&bytes) != identity.digest {
            let reason = format!("`{}` is not the component that it says", identity.reference);
            return Err(Error::Exported { reason });
        }
        let name = identity.reference.split('@').next().unwrap_or_default().replace('/', "_");
        let fetched = Fetched::from_file(&name, bytes);
        let verified = self.host.trust.verify(fetched, self.host.clock.now().unix_s())?;
        Ok(self.host.engine.compile(&verified)?)
    }
}
