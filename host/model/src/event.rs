//! What a journal holds: the events of a run, in order.
//!
//! Events are only ever added to, never changed: a reader of any later version reads every earlier journal. They are
//! externally tagged JSON (`{"call-started":{…}}`), so that values keep their exact text.

use std::fmt;

use longshore_reference::Digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Answered, Asked, AttemptFailed, CallId, CancelRequested, CapabilityKind, Continues, Divergence,
    Limits, Outcome, RunId, RunResumed, Scope, Signalled, Signer, Usage,
};

/// JSON text, kept as it was written: integers to 64 bits and the order of keys survive.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes text that must be one JSON value.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn parse(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self)
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The JSON of anything that serialises.
    ///
    /// # Errors
    ///
    /// When it does not serialise.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The digest of the text as it stands.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.as_str().as_bytes())
    }

    /// Reads it as `T`.
    ///
    /// # Errors
    ///
    /// When it is not a `T`.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Entry 0: what runs, on which input, with which grant.
    RunStarted(Box<RunStarted>),
    /// The intent of a call: recorded before the callee's first instruction.
    CallStarted(CallStarted),
    /// The result of a call.
    CallEnded(CallEnded),
    /// Something was refused.
    Denied(Denied),
    /// Something passed that the manifest does not ask for, because the operator has it counted.
    Forgotten(Forgotten),
    /// The intent of an effect on the world outside: recorded before it happens.
    EffectStarted(EffectStarted),
    /// The result of an effect.
    EffectEnded(EffectEnded),
    /// A log line, note, progress report or span of a guest.
    Logged(Logged),
    /// What a call wrote to a standard stream.
    Output(Output),
    /// An attempt at a call failed, and another one will be made.
    AttemptFailed(Box<AttemptFailed>),
    /// A workflow asked for something other than a call: a timer, a signal, a decision, a child, a version.
    Asked(Box<Asked>),
    /// What came of it.
    Answered(Box<Answered>),
    /// A signal arrived from outside, asked for or not.
    Signalled(Box<Signalled>),
    /// Somebody asked the run to end.
    CancelRequested(CancelRequested),
    /// The run goes on: after a wait, or after the death of its host.
    RunResumed(Box<RunResumed>),
    /// The run goes on with another version of its workflow from here on, which was repeated against its history first.
    RunMoved(Box<RunMoved>),
    /// What the code asked for is not what the history says. Nothing was done; the run stays open.
    RunDiverged(Box<Divergence>),
    /// The last entry.
    RunEnded(Box<RunEnded>),
}

impl Event {
    /// The name of the event, as the journal writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run-started",
            Self::CallStarted(_) => "call-started",
            Self::CallEnded(_) => "call-ended",
            Self::Denied(_) => "denied",
            Self::Forgotten(_) => "forgotten",
            Self::EffectStarted(_) => "effect-started",
            Self::EffectEnded(_) => "effect-ended",
            Self::Logged(_) => "logged",
            Self::Output(_) => "output",
            Self::AttemptFailed(_) => "attempt-failed",
            Self::Asked(_) => "asked",
            Self::Answered(_) => "answered",
            Self::Signalled(_) => "signalled",
            Self::CancelRequested(_) => "cancel-requested",
            Self::RunResumed(_) => "run-resumed",
            Self::RunMoved(_) => "run-moved",
            Self::RunDiverged(_) => "run-diverged",
            Self::RunEnded(_) => "run-ended",
        }
    }
}

/// Which component it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ComponentIdentity {
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// How it was named: an OCI reference or a file name (never a full path).
    pub reference: String,
    /// The digest of its OCI manifest, where it came from a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// Who vouched for it.
    pub signers: Vec<Signer>,
}

/// What a component was granted, as it is recorded. Values of environment variables are never in it, nor are values of
/// settings marked secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct GrantRecord {
    /// Each granted scope with the rule (flag, or file and line) that allowed it.
    pub scopes: Vec<(Scope, String)>,
    /// Names that may lead to private addresses, each with the rule that says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<(String, String)>,
    /// What the operator chose behind a scope, by the scope's text: `frozen:…` or `virtual:…` for `clock`, `seed:…` for
    /// `random`.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub modes: std::collections::BTreeMap<String, String>,
    /// Settings by name; secret ones as `"(secret)"`.
    pub settings: std::collections::BTreeMap<String, serde_json::Value>,
    /// The limits in force.
    pub limits: Limits,
}

/// A component that a workflow calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dependency {
    /// The WIT interface that it serves, for example `acme:text/chunk@1.0.0`.
    pub interface: String,
    /// Which component it is.
    pub component: ComponentIdentity,
    /// What it was granted.
    pub grant: GrantRecord,
}

/// See [`Event::RunStarted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunStarted {
    /// The run.
    pub run: RunId,
    /// The root component.
    pub component: ComponentIdentity,
    /// What is called: `interface#function`, `function`, or `wasi:cli/run` for a command; `*` for a session of many calls.
    pub function: String,
    /// The components behind its imports.
    pub dependencies: Vec<Dependency>,
    /// What the root was granted.
    pub grant: GrantRecord,
    /// The digest of the operator's policy and flags.
    pub policy: Digest,
    /// The input of the root call.
    pub input: Json,
    /// The engine: version and configuration.
    pub engine: String,
    /// The version of Longshore.
    pub host: String,
    /// What the randomness of its workflows comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Digest>,
    /// The run that it is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The run that it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Box<Continues>>,
}

impl RunStarted {
    /// The same with what is in force once the run was moved.
    #[must_use]
    pub fn moved(mut self, moved: &RunMoved) -> Self {
        self.component = moved.component.clone();
        self.dependencies.clone_from(&moved.dependencies);
        self.grant = moved.grant.clone();
        self.policy = moved.policy;
        self
    }
}

/// Where a child run belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parent {
    /// The run that started it.
    pub run: RunId,
    /// The call of that run.
    pub call: CallId,
    /// The request of that call.
    pub step: u32,
    /// How many generations there are above it.
    pub depth: u32,
}

/// See [`Event::CallStarted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallStarted {
    /// The call, from 0, in order of starting.
    pub call: CallId,
    /// The call that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CallId>,
    /// The component that is called.
    pub component: Digest,
    /// `interface#function`, or `function`.
    pub function: String,
    /// The digest of the arguments' JSON.
    pub input: Digest,
    /// The length of the arguments' JSON in bytes.
    pub input_bytes: u64,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// See [`Event::CallEnded`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallEnded {
    /// The call.
    pub call: CallId,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
}

/// See [`Event::Denied`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Denied {
    /// The call that asked; none when a whole run was refused before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The capability.
    pub capability: CapabilityKind,
    /// What was asked for, for example `http=https://example.com`.
    pub asked: String,
    /// The rule that refused, for example `no rule allows it`.
    pub rule: String,
    /// The flag or policy line that would allow it.
    pub hint: String,
}

/// See [`Event::Forgotten`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Forgotten {
    /// The call that used it, for the first time.
    pub call: CallId,
    /// The narrowest scope that covers the use, for example `http=GET https://example.com/page`.
    pub used: Scope,
    /// What `longshore.toml` lacks.
    pub manifest: String,
}

/// An effect on the world outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// An HTTP request. The URL is without user info, query and fragment, where secrets hide.
    Http {
        /// The method.
        method: String,
        /// The redacted URL.
        url: String,
    },
    /// The value of a secret was fetched from where it is kept.
    Secret {
        /// The name of the secret.
        name: String,
    },
    /// The value of a secret was shown to the component.
    Reveal {
        /// The name of the secret.
        name: String,
    },
    /// A write to a bucket of keys and values.
    Keyvalue {
        /// The bucket.
        bucket: String,
        /// `set`, `delete`, `increment` or `swap`.
        write: String,
        /// The key, cut off where it is long; of several, the first.
        key: String,
        /// How many keys.
        keys: u64,
    },
    /// A change in a container of objects.
    Blobstore {
        /// The container.
        container: String,
        /// `create`, `write`, `copy`, `delete`, `clear` or `remove`.
        write: String,
        /// The object, cut off where its name is long; of several, the first; empty for all.
        object: String,
        /// How many objects are named.
        objects: u64,
        /// How many bytes are written.
        bytes: u64,
    },
    /// Money that an action charges to the run.
    Charge {
        /// How much, in millionths of the operator's unit of money.
        micros: u64,
        /// What for, in the action's words.
        what: String,
    },
    /// A TCP connection.
    Tcp {
        /// The name that was looked up for it, or the address itself.
        host: String,
        /// The address and port that are connected to.
        address: String,
    },
    /// Datagrams to or from an address: the first of them.
    Udp {
        /// The name that was looked up for it, or the address itself.
        host: String,
        /// The address and port.
        address: String,
    },
    /// A name that is looked up.
    Dns {
        /// The name.
        name: String,
    },
    /// Accepting TCP connections.
    Listen {
        /// The address and port.
        address: String,
    },
    /// Changes in a granted folder: its first one stands for all that the call makes. The start of the run, which is
    /// synced, says that they may happen.
    Files {
        /// The folder, at the guest's path.
        folder: String,
    },
    /// A program of the host.
    Process {
        /// The program and its arguments as the grant names them: what matched a wildcard is not shown.
        command: String,
        /// The digest of the arguments, each followed by a NUL.
        arguments: Digest,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { method, url } => write!(f, "{method} {url}"),
            Self::Secret { name } => write!(f, "fetch the secret `{name}`"),
            Self::Reveal { name } => write!(f, "reveal the secret `{name}`"),
            Self::Keyvalue { bucket, write, key, keys: 1 } => {
                write!(f, "{write} `{}` in the bucket `{bucket}`", key.escape_debug())
            }
            Self::Keyvalue { bucket, write, keys, .. } => {
                write!(f, "{write} {keys} keys in the bucket `{bucket}`")
            }
            Self::Blobstore { container, write, objects: 0, .. } => {
                write!(f, "{write} the container `{container}`")
            }
            Self::Blobstore { container, write, object, objects: 1, bytes } => {
                write!(f, "{write} `{}`", object.escape_debug())?;
                if matches!(write.as_str(), "write" | "copy") {
                    write!(f, " of {bytes} bytes")?;
                }
                write!(f, " in the container `{container}`")
            }
            Self::Blobstore { container, write, objects, .. } => {
                write!(f, "{write} {objects} objects in the container `{container}`")
            }
            Self::Charge { micros, what } => write!(f, "charge {micros} micros for {what}"),
            Self::Tcp { host, address } => write!(f, "tcp {host} at {address}"),
            Self::Udp { host, address } => write!(f, "udp {host} at {address}"),
            Self::Dns { name } => write!(f, "dns {name}"),
            Self::Listen { address } => write!(f, "listen {address}"),
            Self::Files { folder } => write!(f, "changes in {folder}"),
            Self::Process { command, .. } => write!(f, "starts {command}"),
        }
    }
}

/// See [`Event::EffectStarted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EffectStarted {
    /// The call that makes it.
    pub call: CallId,
    /// The effect, from 0, in the order of the call.
    pub effect: u32,
    /// What it is.
    pub what: Effect,
}

/// See [`Event::EffectEnded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EffectEnded {
    /// The call that made it.
    pub call: CallId,
    /// The effect.
    pub effect: u32,
    /// What came of it, for example `200` or `refused: …`.
    pub result: String,
}

/// See [`Event::Logged`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Logged {
    /// The call that said it.
    pub call: CallId,
    /// `trace`, `debug`, `info`, `warn`, `error`, `note`, `progress`, `span-opened` or `span-closed`.
    pub kind: String,
    /// What it said.
    pub message: String,
    /// Its fields, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Json>,
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// See [`Event::Output`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Output {
    /// The call that wrote it.
    pub call: CallId,
    /// Where to.
    pub stream: Stream,
    /// The text; bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
}

/// See [`Event::RunMoved`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunMoved {
    /// The digest of the component before.
    pub from: Digest,
    /// The component from here on.
    pub component: ComponentIdentity,
    /// The components behind its imports.
    pub dependencies: Vec<Dependency>,
    /// What it is granted.
    pub grant: GrantRecord,
    /// The digest of the operator's policy and flags.
    pub policy: Digest,
}

/// See [`Event::RunEnded`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunEnded {
    /// How it ended.
    pub outcome: Outcome,
    /// What all calls used together.
    pub usage: Usage,
}
