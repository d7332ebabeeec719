//! The host's side of `longshore:action/*` and `longshore:workflow/*`, and the linkers that serve them beside WASI.

use std::sync::Arc;

use longshore_model::Json;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::capability::{clock, dir, exec, settings, sockets};
use crate::host::Host;
use crate::link::{Links, Ready};
use crate::{Arguments, Function};

mod clocks;
mod durable;
mod lineage;

mod action {
    wasmtime::component::bindgen!({
        path: "../../wit/longshore-action-0.1.0",
        world: "longshore:action/host",
        imports: {
            "longshore:action/processes.run": async | trappable,
            "longshore:action/secrets.get": async | trappable,
            default: trappable,
        },
        with: {
            "longshore:action/secrets.secret": crate::capability::secret::Handle,
            "longshore:action/spans.span": super::Span,
        },
    });
}

mod wasi {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-logging-0.1.0-draft",
        world: "wasi:logging/imports",
        imports: { default: trappable },
    });
}

mod keyvalue_draft {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-keyvalue-0.2.0-draft",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::capability::keyvalue::Bucket },
    });
}

mod keyvalue_draft2 {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-keyvalue-0.2.0-draft2",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::capability::keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": crate::capability::keyvalue::Cas,
        },
    });
}

mod blobstore_draft {
    wasmtime::component::bindgen!({
        path: ["../../wit/wasi-io-0.2.1", "../../wit/wasi-blobstore-0.2.0-draft"],
        world: "wasi:blobstore/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:blobstore/types.outgoing-value": crate::capability::blobstore::Outgoing,
            "wasi:blobstore/types.incoming-value": crate::capability::blobstore::Incoming,
            "wasi:blobstore/container.container": crate::capability::blobstore::Container,
            "wasi:blobstore/container.stream-object-names": crate::capability::blobstore::Names,
        },
    });
}

mod workflow {
    wasmtime::component::bindgen!({
        path: "../../wit/longshore-workflow-0.1.0",
        world: "longshore:workflow/host",
        imports: {
            "longshore:workflow/waiting.[method]pending.wait": async | trappable,
            "longshore:workflow/waiting.wait-any": async | trappable,
            "longshore:workflow/waiting.wait-all": async | trappable,
            "longshore:workflow/timers.sleep": async | trappable,
            "longshore:workflow/signals.receive": async | trappable,
            "longshore:workflow/signals.[method]signal.wait": async | trappable,
            "longshore:workflow/approvals.ask": async | trappable,
            "longshore:workflow/approvals.[method]approval.wait": async | trappable,
            "longshore:workflow/dynamic.call": async | trappable,
            "longshore:workflow/dynamic.[method]started.wait": async | trappable,
            "longshore:workflow/children.[method]child.wait": async | trappable,
            default: trappable,
        },
        with: {
            "longshore:workflow/waiting.pending": super::Pending,
            "longshore:workflow/signals.signal": super::Awaited,
            "longshore:workflow/approvals.approval": super::Awaited,
            "longshore:workflow/dynamic.started": super::Started,
            "longshore:workflow/children.child": super::Awaited,
            "longshore:workflow/policies.policy": super::PolicyHandle,
        },
    });
}

use action::longshore::action::{
    attempt, log, processes, progress, settings as setting_words, spans, types,
};
pub(crate) use action::longshore::action::{budget, secrets};
pub(crate) use blobstore_draft::wasi::blobstore as blobs;
pub(crate) use keyvalue_draft::wasi::keyvalue as keyvalue1;
pub(crate) use keyvalue_draft2::wasi::keyvalue as keyvalue2;
pub(crate) use wasi::wasi::logging::logging;
use workflow::longshore::workflow::{dynamic, run};

#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use durable::{Awaited, Pending, PolicyHandle, Started};
pub(crate) use durable::{checked, outcome_of, stop_what_runs};

/// A span that a guest opened.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Span {
    name: String,
    number: u32,
}

/// The interfaces that the host serves, without their versions: whole packages end in `/`.
const SERVED: &[&str] = &[
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:filesystem/",
    "wasi:sockets/",
    "wasi:io/",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
    "wasi:http/client",
    "wasi:config/store",
    "wasi:logging/logging",
    "wasi:keyvalue/store",
    "wasi:keyvalue/atomics",
    "wasi:keyvalue/batch",
    "wasi:blobstore/types",
    "wasi:blobstore/container",
    "wasi:blobstore/blobstore",
    "longshore:action/",
    "longshore:workflow/",
];

/// Whether the host serves the import `name`.
pub(crate) fn serves(name: &str, concurrency: bool) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    if interface.starts_with("wasi:") && version.starts_with("0.3") && !concurrency {
        return false;
    }
    SERVED.iter().any(|served| match served.ends_with('/') {
        true => interface.starts_with(served),
        false => interface == *served,
    })
}

/// A linker with everything that the host serves.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    concurrency: bool,
) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if concurrency {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    // What is governed more narrowly than wasmtime-wasi can takes the place of its own.
    linker.allow_shadowing(true);
    dir::link(&mut linker, concurrency)?;
    clock::link(&mut linker, concurrency)?;
    linker.allow_shadowing(false);
    sockets::add_to_linker(&mut linker, concurrency)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |host: &mut Host| {
        wasmtime_wasi_config::WasiConfig::from(host.variables())
    })?;
    keyvalue_draft::Imports::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    keyvalue_draft2::Imports::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    // One by one: the streams in their types are there already.
    blobs::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    blobs::container::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    blobs::blobstore::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    wasi::Imports::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    action::Host_::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    workflow::Host_::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    Ok(linker)
}

/// The same with a workflow's clock and waits.
pub(crate) fn workflows(shared: &Linker<Host>) -> wasmtime::Result<Linker<Host>> {
    let mut linker = shared.clone();
    clocks::add(&mut linker)?;
    Ok(linker)
}

impl types::Host for Host {}

impl attempt::Host for Host {
    fn run_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.scene.run().id().to_string())
    }

    fn number(&mut self) -> wasmtime::Result<u32> {
        Ok(self.scene.attempt)
    }

    fn idempotency_key(&mut self) -> wasmtime::Result<String> {
        Ok(self.scene.idempotency_key())
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.scene.remaining_ms())
    }
}

impl progress::Host for Host {
    fn report(&mut self, done: u64, total: u64, message: String) -> wasmtime::Result<()> {
        let fields = Json::of(&serde_json::json!({ "done": done, "total": total }))?;
        self.scene.log("progress", message, Some(fields))
    }
}

impl log::Host for Host {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<log::Field>,
    ) -> wasmtime::Result<()> {
        let kind = match level {
            log::Level::Trace => "trace",
            log::Level::Debug => "debug",
            log::Level::Info => "info",
            log::Level::Warn => "warn",
            log::Level::Error => "error",
        };
        let fields = (!fields.is_empty())
            .then(|| {
                let members = fields.into_iter().map(|field| (field.name, as_json(field.value)));
                Json::of(&members.collect::<serde_json::Map<_, _>>())
            })
            .transpose()?;
        self.scene.log(kind, message, fields)
    }
}

/// The value that `text` spells, or `text` itself where it spells none.
fn as_json(text: String) -> serde_json::Value {
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

impl spans::Host for Host {}

impl spans::HostSpan for Host {
    fn new(&mut self, name: String) -> wasmtime::Result<Resource<Span>> {
        let number = self.spans;
        self.spans += 1;
        let fields = Json::of(&serde_json::json!({ "span": number }))?;
        self.scene.log("span-opened", name.clone(), Some(fields))?;
        Ok(self.table.push(Span { name, number })?)
    }

    fn set(&mut self, span: Resource<Span>, key: String, value: String) -> wasmtime::Result<()> {
        let Span { name, number } = self.table.get(&span)?;
        let fields = serde_json::json!({ "span": number, "set": { key: as_json(value) } });
        let name = name.clone();
        self.scene.log("span-set", name, Some(Json::of(&fields)?))
    }

    fn drop(&mut self, span: Resource<Span>) -> wasmtime::Result<()> {
        let Span { name, number } = self.table.delete(span)?;
        let fields = Json::of(&serde_json::json!({ "span": number }))?;
        self.scene.log("span-closed", name, Some(fields))
    }
}

impl setting_words::Host for Host {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(settings::get(&self.scene.grant, &name))
    }

    fn all(&mut self) -> wasmtime::Result<String> {
        Ok(settings::all(&self.scene.grant))
    }
}

impl processes::Host for Host {
    async fn run(
        &mut self,
        command: processes::Command,
    ) -> wasmtime::Result<Result<processes::Output, processes::Error>> {
        let processes::Command { program, arguments, stdin, environment } = command;
        let wanted = exec::Wanted { program, arguments, stdin, environment };
        Ok(match self.launcher.clone().run(wanted).await {
            Ok(done) => {
                let ending = match exec::signal(done.status) {
                    Some(signal) => processes::Ending::Signaled(signal),
                    None => processes::Ending::Exited(done.status.code().unwrap_or_default()),
                };
                Ok(processes::Output { ending, stdout: done.stdout, stderr: done.stderr })
            }
            Err(exec::Stop::Denied(why)) => Err(processes::Error::Denied(why)),
            Err(exec::Stop::Failed(why)) => Err(processes::Error::Failed(why)),
            Err(exec::Stop::Trap(error)) => return Err(error),
        })
    }
}

impl run::Host for Host {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.scene.run().id().to_string())
    }

    fn note(&mut self, message: String) -> wasmtime::Result<()> {
        self.scene.log("note", message, None)
    }

    fn version(&mut self, change: String, oldest: u32, newest: u32) -> wasmtime::Result<u32> {
        if !self.scene.durable {
            // An action's call is not repeated from a history: it is always there for the first time.
            return Ok(newest);
        }
        let version = self.scene.ledger().version(self.scene.id, &change, oldest, newest);
        version.map_err(|stop| self.scene.stopped(stop))
    }
}

/// What a call by name calls: the component, its function, the arguments.
fn by_name(
    links: &Links,
    interface: &str,
    function: &str,
    arguments: &str,
) -> Result<(Arc<Ready>, Arc<Function>, Arguments), dynamic::CallError> {
    let unknown = |message: String| call_error("unknown-function", message);
    let ready = links
        .get(interface)
        .ok_or_else(|| unknown(format!("no dependency serves `{interface}`")))?;
    let path = format!("{interface}#{function}");
    let function = ready.compiled().function(Some(&path)).map_err(|e| unknown(e.to_string()))?;
    let arguments =
        function.arguments(arguments).map_err(|e| call_error("bad-input", e.to_string()))?;
    Ok((Arc::clone(ready), Arc::clone(function), arguments))
}

fn call_error(code: &str, message: String) -> dynamic::CallError {
    dynamic::CallError { retryable: false, code: code.to_owned(), message }
}

/// A fault in the words of a dynamic call.
fn told(fault: longshore_model::Fault) -> dynamic::CallError {
    dynamic::CallError {
        retryable: fault.kind == longshore_model::FaultKind::Deadline,
        code: crate::link::code_of(&fault).to_owned(),
        message: fault.message,
    }
}

/// The action's own failure: its class is kept where it is the record of `longshore:action/types`.
fn failed(value: &Json) -> dynamic::CallError {
    let class = value
        .read::<serde_json::Value>()
        .ok()
        .and_then(|v| v.get("class").and_then(|c| c.as_str().map(str::to_owned)));
    dynamic::CallError {
        retryable: class.as_deref() == Some("retryable"),
        code: "failed".to_owned(),
        message: value.as_str().to_owned(),
    }
}
