//! A compiled component with its grant and with the components behind its imports: ready to be called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_journal::{Durability, durability_of_call};
use longshore_model::{
    CallEnded, CallStarted, Event, Fault, FaultKind, Json, LimitName, Outcome, Usage,
};
use longshore_policy::Grant;
use longshore_ports::Backing;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Accessor, InstancePre, Linker, Val};

use crate::call::{self, Cut, RunContext, Scene, Stdio};
use crate::capability::dir::{self, Opened};
use crate::capability::exec::Programs;
use crate::capability::virtualized;
use crate::compiled::{Arguments, Compiled, Function};
use crate::contract::checked;
use crate::fault::{self, Raised};
use crate::host::Host;
use crate::ledger::{Came, Halt, Stop};
use crate::turns::Turns;
use crate::value::{Returned, Signature};
use crate::{Engine, Error, companion, parts, step};

/// The components behind a workflow's imports, by the interface they serve.
pub type Links = BTreeMap<String, Arc<Ready>>;

/// A component that may be called: compiled, granted and linked.
pub struct Ready {
    compiled: Arc<Compiled>,
    grant: Arc<Grant>,
    pre: InstancePre<Host>,
    env: Vec<(String, String)>,
    folders: Vec<Opened>,
    programs: Arc<Programs>,
    scratch: Option<PathBuf>,
    links: Arc<Links>,
    backing: Backing,
    intent: Durability,
    pure: bool,
}

impl Engine {
    /// Links `compiled` under `grant` with the components in `links`. `env` has the values of the granted environment
    /// variables.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignGrant`] when the grant was decided for another component, [`Error::Part`] when it gives a part of it more
    /// than that asks for, [`Error::Directory`] when a granted directory
    /// is not there, [`Error::Program`] when a granted program is not there, [`Error::UnknownImports`] with all that is missing, [`Error::ImportType`] where a dependency has another
    /// type than the import.
    pub fn link(
        &self,
        compiled: &Arc<Compiled>,
        grant: Arc<Grant>,
        env: Vec<(String, String)>,
        links: Links,
    ) -> Result<Ready, Error> {
        if grant.component() != compiled.digest() {
            let (granted, component) = (grant.component(), compiled.digest());
            return Err(Error::ForeignGrant { granted, component });
        }
        if compiled.is_workflow() {
            virtualized::check(compiled, &grant)?;
        }
        parts::check(compiled.name(), compiled.parts(), &grant)?;
        let folders = dir::open(&grant)?;
        let programs = Arc::new(Programs::find(&grant)?);
        let scratch = self.scratch().cloned();
        let served =
            |import: &&String| !links.contains_key(*import) && started(&links, import).is_none();
        let missing: Vec<_> = compiled.unmet().iter().filter(served).cloned().collect();
        if !missing.is_empty() {
            return Err(Error::UnknownImports {
                name: compiled.name().to_owned(),
                imports: missing,
            });
        }
        let pre = if compiled.unmet().is_empty() {
            compiled.pre()?
        } else {
            let linker = with_links(compiled, &links)?;
            linker.instantiate_pre(compiled.component()).map_err(|e| compiled.unlinkable(&e))?
        };
        let intent = durability_of_call(&grant.record());
        let pure = is_pure(compiled, &grant, &links);
        let (compiled, links) = (Arc::clone(compiled), Arc::new(links));
        let backing = self.backing().clone();
        Ok(Ready {
            compiled,
            grant,
            pre,
            env,
            folders,
            programs,
            scratch,
            links,
            backing,
            intent,
            pure,
        })
    }
}

impl Ready {
    /// The component.
    #[must_use]
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// What it was granted.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// The components behind its imports.
    #[must_use]
    pub fn links(&self) -> &Arc<Links> {
        &self.links
    }

    /// Whether `json` is short enough to be read as arguments.
    #[must_use]
    pub fn within_input(&self, json: &str) -> bool {
        json.len() as u64 <= self.grant.limits().input_bytes
    }

    pub(crate) fn pre(&self) -> &InstancePre<Host> {
        &self.pre
    }

    /// The granted folders, opened when it was linked.
    pub(crate) fn folders(&self) -> &[Opened] {
        &self.folders
    }

    /// The granted programs with their files.
    pub(crate) fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Where its runs have their scratch directories.
    pub(crate) fn scratch(&self) -> Option<&Path> {
        self.scratch.as_deref()
    }

    pub(crate) fn backing(&self) -> &Backing {
        &self.backing
    }

    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// How safe the intent of a call must be before it is made.
    pub(crate) fn intent(&self) -> Durability {
        self.intent
    }

    /// Whether its calls can be computed again, on any machine, with the same result: it was granted nothing that reaches
    /// outside, calls nobody, charges nothing, and runs on the configuration whose results are the same everywhere.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.pure
    }

    /// Calls `function` in a fresh sandbox: the intent is journaled before its first instruction, the result after its last.
    ///
    /// Every end of the guest is an outcome; a journal that fails is an outcome of the kind [`FaultKind::Host`].
    pub async fn call(
        &self,
        cx: &RunContext,
        function: &Function,
        arguments: &Arguments,
        stdio: &Stdio,
    ) -> Outcome {
        match self.drive(cx, function, arguments, stdio).await {
            Ok(outcome) => outcome,
            Err(halt) => Outcome::Fault(Fault::new(
                FaultKind::Host,
                format!("the workflow does not go on here: {halt:?}"),
            )),
        }
    }

    /// The same for a run that may go on from its history, and may stop before its end.
    ///
    /// # Errors
    ///
    /// Why it does not go on here and now.
    pub async fn drive(
        &self,
        cx: &RunContext,
        function: &Function,
        arguments: &Arguments,
        stdio: &Stdio,
    ) -> Result<Outcome, Halt> {
        let place = cx.ledger().root();
        if let Some(outcome) = place.outcome {
            return Ok(outcome);
        }
        let durable = self.compiled.is_workflow();
        let mut scene = Scene::new(cx, place.call, 0, &self.grant);
        scene.durable = durable;
        scene.attempt = if durable { 1 } else { place.attempts + 1 };
        let scene = Arc::new(scene);
        let most = self.grant.limits().input_bytes;
        let words: usize = stdio.arguments.iter().map(|argument| argument.len() + 1).sum();
        let bytes = arguments.bytes.saturating_add((words + stdio.stdin.len()) as u64);
        if bytes > most {
            return Ok(Outcome::Fault(Fault::limit(
                FaultKind::InputSize,
                LimitName::InputBytes,
                format!("the input is {bytes} bytes long; the limit is {most}"),
            )));
        }
        if !(durable && place.again) {
            let started = cx.ledger().started(CallStarted {
                call: place.call,
                parent: None,
                component: self.compiled.digest(),
                function: function.path().to_owned(),
                input: arguments.digest,
                input_bytes: arguments.bytes,
                attempt: scene.attempt,
            });
            if let Err(Stop::Journal(error)) = started {
                scene.journal_failed(error);
            }
        }
        let called =
            call::invoke(self, Arc::clone(&scene), function, &arguments.values, stdio).await;
        let outcome = match called.values {
            Ok(values) => outcome(function, &values, self.grant.limits().output_bytes),
            Err(Cut::Fault(fault)) => Outcome::Fault(fault),
            Err(Cut::Halt(halt)) => return Err(halt),
        };
        Ok(self.ended(&scene, outcome, called.usage))
    }

    fn ended(&self, scene: &Scene, outcome: Outcome, usage: Usage) -> Outcome {
        scene.cx.add_usage(&usage);
        scene.ledger().forget(scene.id);
        let ended = CallEnded { call: scene.id, outcome: outcome.clone(), usage };
        match scene.run().record(Event::CallEnded(ended)) {
            Ok(_) => outcome,
            Err(error) => Outcome::Fault(fault::unrecorded(&error)),
        }
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("compiled", &self.compiled).finish_non_exhaustive()
    }
}

fn is_pure(compiled: &Compiled, grant: &Grant, links: &Links) -> bool {
    let alone = links.is_empty() && grant.is_pure() && grant.limits().spend_micros == 0;
    alone && !compiled.is_workflow() && compiled.flavor().is_deterministic()
}

/// The outcome of a call that returned.
pub(crate) fn outcome(function: &Function, values: &[Val], most: u64) -> Outcome {
    if function.is_command() {
        return match values {
            [Val::Result(Err(_))] => {
                Outcome::Fault(Fault::new(FaultKind::Exit, "the guest left with status 1"))
            }
            _ => Outcome::Ok(Json::null()),
        };
    }
    let returned = function
        .signature()
        .and_then(|signature| Ok(signature.encode_outcome(values, in_memory(most))?))
        .map_err(|error| unwritable(&error, FaultKind::OutputSize, LimitName::OutputBytes, most));
    let parse = |text: String| {
        Json::parse(text).map_err(|error| Fault::new(FaultKind::Host, error.to_string()))
    };
    let outcome = returned.and_then(|returned| match returned {
        Returned::Ok(text) => parse(text).map(Outcome::Ok),
        Returned::Failed(text) => parse(text).map(Outcome::Failed),
    });
    outcome.unwrap_or_else(Outcome::Fault)
}

/// The arguments of a call between components as JSON, for their digest.
pub(crate) fn written(function: &Function, params: &[Val], most: u64) -> Result<String, Fault> {
    let mut json = String::new();
    function
        .signature()
        .and_then(|s| Ok(s.encode_params(params, in_memory(most), &mut json)?))
        .map_err(|error| unwritable(&error, FaultKind::InputSize, LimitName::InputBytes, most))?;
    Ok(json)
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn unwritable(error: &Error, kind: FaultKind, limit: LimitName, most: u64) -> Fault {
    match error {
        Error::Type(crate::value::Error::OutputTooLarge { .. }) => {
            let message = format!("the call would have gone past its limit `{limit}` of {most}");
            Fault::limit(kind, limit, message)
        }
        other => Fault::new(FaultKind::Host, other.to_string()),
    }
}

/// The linker of the flavor with the imports of `compiled` bound to `links`.
fn with_links(compiled: &Compiled, links: &Links) -> Result<Linker<Host>, Error> {
    let flavor = compiled.flavor();
    let mut linker = flavor.linker(compiled.is_workflow()).clone();
    for (name, import) in compiled.component().component_type().imports(flavor.engine()) {
        if !compiled.unmet().iter().any(|unmet| unmet == name) {
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            return Err(Error::UnknownImports {
                name: compiled.name().to_owned(),
                imports: vec![name.to_owned()],
            });
        };
        if let Some((interface, ready)) = started(links, name) {
            companion::bind(compiled, &mut linker, name, &instance, interface, ready)?;
            continue;
        }
        let Some(ready) = links.get(name) else {
            return Err(Error::UnknownImports {
                name: compiled.name().to_owned(),
                imports: vec![name.to_owned()],
            });
        };
        bind(compiled, &mut linker, name, &instance, ready)?;
    }
    Ok(linker)
}

fn bind(
    compiled: &Compiled,
    linker: &mut Linker<Host>,
    interface: &str,
    instance: &ComponentInstance,
    ready: &Arc<Ready>,
) -> Result<(), Error> {
    let engine = compiled.flavor().engine();
    let mut slot = linker.instance(interface).map_err(|e| compiled.unlinkable(&e))?;
    for (name, export) in instance.exports(engine) {
        let wanted = match export.ty {
            ComponentItem::ComponentFunc(wanted) => wanted,
            ComponentItem::Type(_) => continue,
            _ => {
                return Err(Error::UnknownImports {
                    name: compiled.name().to_owned(),
                    imports: vec![format!("{interface}#{name} (resources cannot cross)")],
                });
            }
        };
        let path = format!("{interface}#{name}");
        let function = Arc::clone(ready.compiled().function(Some(&path))?);
        if !same_type(&wanted, function.ty()) {
            return Err(Error::ImportType {
                importer: compiled.name().to_owned(),
                exporter: ready.compiled().name().to_owned(),
                function: path,
                wanted: described(&wanted),
                found: described(function.ty()),
            });
        }
        function.signature()?;
        let absorbs = takes_failure(&wanted);
        let ready = Arc::clone(ready);
        if wanted.async_() {
            slot.func_new_concurrent(name, move |accessor, _, params, results| {
                let (ready, function) = (Arc::clone(&ready), Arc::clone(&function));
                Box::pin(forward_in_turn(accessor, ready, function, absorbs, params, results))
            })
            .map_err(|e| compiled.unlinkable(&e))?;
            continue;
        }
        slot.func_new_async(name, move |store, _, params, results| {
            let (ready, function) = (Arc::clone(&ready), Arc::clone(&function));
            Box::new(forward(store, ready, function, absorbs, params, results))
        })
        .map_err(|e| compiled.unlinkable(&e))?;
    }
    Ok(())
}

async fn forward(
    store: StoreContextMut<'_, Host>,
    ready: Arc<Ready>,
    function: Arc<Function>,
    absorbs: bool,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let parent = Arc::clone(&store.data().scene);
    let options = store.data().options();
    let made = step::make(&parent, &ready, &function, params, options).await;
    give(&parent, made, absorbs, results)
}

/// The same for a function of the component model's async. A workflow is told what came of it when its turn has come.
async fn forward_in_turn(
    accessor: &Accessor<Host>,
    ready: Arc<Ready>,
    function: Arc<Function>,
    absorbs: bool,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let (parent, options) = accessor.with(|mut access| {
        let host = access.get();
        (Arc::clone(&host.scene), host.options())
    });
    if !parent.durable {
        let made = step::make(&parent, &ready, &function, params, options).await;
        return give(&parent, made, absorbs, results);
    }
    let begun = match step::start(&parent, &ready, &function, params.to_vec(), options) {
        Ok(begun) => begun,
        Err(cut) => return give(&parent, Err(cut), absorbs, results),
    };
    let step = begun.place.step;
    Turns::take(&parent, step).come().await;
    checked(&parent, begun.check).await?;
    let came = parent.ledger().came(parent.id, step);
    parent.ledger().release(parent.id, step);
    let made = match came {
        Some(Came::Outcome(outcome)) => step::repeated(&parent, &function, outcome),
        other => unreachable!("a call has its turn when it has ended, not with {other:?}"),
    };
    give(&parent, made, absorbs, results)
}

/// Gives a workflow what came of its call: values, a failure where its type has one, or a trap.
pub(crate) fn give(
    parent: &Scene,
    made: Result<(Vec<Val>, Outcome), Cut>,
    absorbs: bool,
    results: &mut [Val],
) -> wasmtime::Result<()> {
    match made {
        Ok((values, _)) => {
            for (slot, value) in results.iter_mut().zip(values) {
                *slot = value;
            }
            Ok(())
        }
        Err(Cut::Fault(fault)) if absorbs && may_be_absorbed(&fault) => {
            if let Some(slot) = results.first_mut() {
                *slot = Val::Result(Err(Some(Box::new(as_failure(&fault)))));
            }
            Ok(())
        }
        Err(Cut::Fault(fault)) => Err(wasmtime::Error::new(Raised(fault))),
        Err(Cut::Halt(halt)) => Err(parent.halted(halt)),
    }
}

/// The dependency whose calls the interface `import` starts: `acme:text/chunk-start@1.0.0` is for `acme:text/chunk@1.0.0`.
fn started<'l>(links: &'l Links, import: &str) -> Option<(&'l str, &'l Arc<Ready>)> {
    let interface = companion::of(import)?;
    links.get_key_value(&interface).map(|(interface, ready)| (interface.as_str(), ready))
}

/// A workflow may deal with what happened to its action, but not with its own end: budgets of the run and faults of the host
/// stop it.
pub(crate) fn may_be_absorbed(fault: &Fault) -> bool {
    !matches!(fault.limit, Some(LimitName::Calls | LimitName::CallDepth | LimitName::Events))
        && fault.kind != FaultKind::Host
}

fn same_type(wanted: &ComponentFunc, found: &ComponentFunc) -> bool {
    wanted.async_() == found.async_()
        && wanted.params().len() == found.params().len()
        && wanted.params().zip(found.params()).all(|(a, b)| a == b)
        && wanted.results().len() == found.results().len()
        && wanted.results().zip(found.results()).all(|(a, b)| a == b)
}

/// Whether the function returns `result<_, failure>` with the record of `longshore:action/types`, so that a fault of the callee
/// can be told to the caller as its error.
pub(crate) fn takes_failure(function: &ComponentFunc) -> bool {
    let Some(Type::Result(result)) = function.results().next() else { return false };
    let Some(Type::Record(record)) = result.err() else { return false };
    let names: Vec<_> = record.fields().map(|field| field.name.to_owned()).collect();
    names == ["class", "code", "message", "retry-after-ms"]
        && record.fields().next().is_some_and(|class| {
            matches!(&class.ty, Type::Enum(class) if class.names().eq(["retryable", "fatal"]))
        })
        && record.fields().skip(1).take(2).all(|text| text.ty == Type::String)
        && record.fields().nth(3).is_some_and(
            |ms| matches!(&ms.ty, Type::Option(inner) if inner.ty() == Type::U64),
        )
}

/// The word by which a workflow knows a fault of its action.
pub(crate) fn code_of(fault: &Fault) -> &'static str {
    match fault.kind {
        FaultKind::Cancelled => "cancelled",
        kind => kind.code(),
    }
}

fn as_failure(fault: &Fault) -> Val {
    let class = match fault.kind {
        FaultKind::Deadline => "retryable",
        _ => "fatal",
    };
    Val::Record(vec![
        ("class".to_owned(), Val::Enum(class.to_owned())),
        ("code".to_owned(), Val::String(code_of(fault).to_owned())),
        ("message".to_owned(), Val::String(fault.message.clone())),
        ("retry-after-ms".to_owned(), Val::Option(None)),
    ])
}

/// The type in WIT, for messages.
pub(crate) fn described(function: &ComponentFunc) -> String {
    Signature::of("", function).map_or_else(|error| error.to_string(), |s| s.to_string())
}
