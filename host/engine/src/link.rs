//! A compiled component with its grant and with the components behind its imports: ready to be called.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_model::{
    CallEnded, CallStarted, Event, Fault, FaultKind, Json, LimitName, Outcome, Usage,
};
use longshore_policy::Grant;
use longshore_ports::Backing;
use longshore_reference::Digest;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{InstancePre, Linker, Val};

use crate::call::{self, RunContext, Scene, Stdio};
use crate::capability::dir;
use crate::compiled::{Arguments, Compiled, Function};
use crate::fault::{self, Raised};
use crate::host::Host;
use crate::value::{Returned, Signature};
use crate::{Engine, Error};

/// The components behind a workflow's imports, by the interface they serve.
pub type Links = BTreeMap<String, Arc<Ready>>;

/// A component that may be called: compiled, granted and linked.
pub struct Ready {
    compiled: Arc<Compiled>,
    grant: Arc<Grant>,
    pre: InstancePre<Host>,
    env: Vec<(String, String)>,
    links: Arc<Links>,
    backing: Backing,
}

impl Engine {
    /// Links `compiled` under `grant` with the components in `links`. `env` has the values of the granted environment
    /// variables.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignGrant`] when the grant was decided for another component, [`Error::Directory`] when a granted directory
    /// is not there, [`Error::UnknownImports`] with all that is missing, [`Error::ImportType`] where a dependency has another
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
        dir::check(&grant)?;
        let missing: Vec<_> =
            compiled.unmet().iter().filter(|i| !links.contains_key(*i)).cloned().collect();
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
        let (compiled, links) = (Arc::clone(compiled), Arc::new(links));
        Ok(Ready { compiled, grant, pre, env, links, backing: self.backing().clone() })
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

    pub(crate) fn backing(&self) -> &Backing {
        &self.backing
    }

    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
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
        let id = cx.next_call();
        let scene = Arc::new(Scene::new(cx, id, 0, &self.grant));
        let most = self.grant.limits().input_bytes;
        if arguments.bytes > most {
            return Outcome::Fault(Fault::limit(
                FaultKind::InputSize,
                LimitName::InputBytes,
                format!("the input is {} bytes long; the limit is {most}", arguments.bytes),
            ));
        }
        scene.record(Event::CallStarted(CallStarted {
            call: id,
            parent: None,
            component: self.compiled.digest(),
            function: function.path().to_owned(),
            input: arguments.digest,
            input_bytes: arguments.bytes,
            attempt: scene.attempt,
        }));
        let called =
            call::invoke(self, Arc::clone(&scene), function, &arguments.values, stdio).await;
        let outcome = match called.values {
            Ok(values) => outcome(function, &values, self.grant.limits().output_bytes),
            Err(fault) => Outcome::Fault(fault),
        };
        self.ended(&scene, outcome, called.usage)
    }

    fn ended(&self, scene: &Scene, outcome: Outcome, usage: Usage) -> Outcome {
        scene.cx.add_usage(&usage);
        let ended = CallEnded { call: scene.id, outcome: outcome.clone(), usage };
        match scene.run().record(Event::CallEnded(ended)) {
            Ok(_) => outcome,
            Err(error) => Outcome::Fault(fault::unrecorded(&error)),
        }
    }

    /// Serves a call that another component makes.
    ///
    /// # Errors
    ///
    /// The fault that stopped the callee, to be raised in the caller.
    pub(crate) async fn serve(
        &self,
        parent: &Scene,
        function: &Function,
        params: &[Val],
    ) -> Result<(Vec<Val>, Outcome), Fault> {
        let depth = parent.depth + 1;
        let deepest = parent.grant.limits().call_depth;
        if u64::from(depth) > deepest {
            let message =
                format!("calls are nested deeper than the limit `call-depth` of {deepest}");
            return Err(Fault::limit(FaultKind::Budget, LimitName::CallDepth, message));
        }
        if !parent.count(LimitName::Calls, 1) {
            let most = parent.grant.limits().calls;
            let message = format!("the run went past its limit `calls` of {most}");
            return Err(Fault::limit(FaultKind::Budget, LimitName::Calls, message));
        }
        let id = parent.cx.next_call();
        let mut scene = Scene::new(&parent.cx, id, depth, &self.grant);
        // A callee never outlives its caller.
        scene.deadline = scene.deadline.min(parent.deadline);
        let scene = Arc::new(scene);
        let json = written(function, params, parent.grant.limits().input_bytes)?;
        scene.record(Event::CallStarted(CallStarted {
            call: id,
            parent: Some(parent.id),
            component: self.compiled.digest(),
            function: function.path().to_owned(),
            input: Digest::of(json.as_bytes()),
            input_bytes: json.len() as u64,
            attempt: scene.attempt,
        }));
        let stdio = Stdio::default();
        let called =
            Box::pin(call::invoke(self, Arc::clone(&scene), function, params, &stdio)).await;
        let (values, result) = match called.values {
            Ok(values) => {
                let most = self.grant.limits().output_bytes;
                let result = outcome(function, &values, most);
                (values, result)
            }
            Err(fault) => (Vec::new(), Outcome::Fault(fault)),
        };
        match self.ended(&scene, result, called.usage) {
            Outcome::Fault(fault) => Err(fault),
            fine => Ok((values, fine)),
        }
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("compiled", &self.compiled).finish_non_exhaustive()
    }
}

/// The outcome of a call that returned.
fn outcome(function: &Function, values: &[Val], most: u64) -> Outcome {
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
fn written(function: &Function, params: &[Val], most: u64) -> Result<String, Fault> {
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
    let mut linker = flavor.linker().clone();
    for (name, import) in compiled.component().component_type().imports(flavor.engine()) {
        if !compiled.unmet().iter().any(|unmet| unmet == name) {
            continue;
        }
        let (Some(ready), ComponentItem::ComponentInstance(instance)) =
            (links.get(name), import.ty)
        else {
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
    match ready.serve(&parent, &function, params).await {
        Ok((values, _)) => {
            for (slot, value) in results.iter_mut().zip(values) {
                *slot = value;
            }
            Ok(())
        }
        Err(fault) if absorbs && may_be_absorbed(&fault) => {
            if let Some(slot) = results.first_mut() {
                *slot = Val::Result(Err(Some(Box::new(as_failure(&fault)))));
            }
            Ok(())
        }
        Err(fault) => Err(wasmtime::Error::new(Raised(fault))),
    }
}

/// A workflow may deal with what happened to its action, but not with its own end: budgets of the run and faults of the host
/// stop it.
fn may_be_absorbed(fault: &Fault) -> bool {
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
fn takes_failure(function: &ComponentFunc) -> bool {
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

fn as_failure(fault: &Fault) -> Val {
    let class = match fault.kind {
        FaultKind::Deadline => "retryable",
        _ => "fatal",
    };
    Val::Record(vec![
        ("class".to_owned(), Val::Enum(class.to_owned())),
        ("code".to_owned(), Val::String(fault.kind.code().to_owned())),
        ("message".to_owned(), Val::String(fault.message.clone())),
        ("retry-after-ms".to_owned(), Val::Option(None)),
    ])
}

/// The type in WIT, for messages.
fn described(function: &ComponentFunc) -> String {
    Signature::of("", function).map_or_else(|error| error.to_string(), |s| s.to_string())
}
