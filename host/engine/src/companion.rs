//! The interface beside a dependency's own whose functions start calls: `acme:text/chunk-start@1.0.0` beside
//! `acme:text/chunk@1.0.0`. `longshore build` writes it; here it is served.
//!
//! For each function `split` it has a resource `split-call` and a function `split` that returns one. The resource has `wait`
//! with the result of the dependency's own `split`, `subscribe` for waiting with others, and `cancel`.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem};
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val};

use crate::compiled::{Compiled, Function};
use crate::contract::{Pending, Started, checked, outcome_of};
use crate::host::Host;
use crate::link::{self, Ready};
use crate::{Error, step};

/// What a dependency's interface is called with, to be told apart from its companion.
const SUFFIX: &str = "-start";
/// What the resource of a function's calls is called.
const CALL: &str = "-call";

/// The interface whose calls `import` starts, if its name says that it does.
pub(crate) fn of(import: &str) -> Option<String> {
    let (path, version) = match import.split_once('@') {
        Some((path, version)) => (path, format!("@{version}")),
        None => (import, String::new()),
    };
    path.strip_suffix(SUFFIX).map(|path| format!("{path}{version}"))
}

/// Serves the companion `import` of the dependency's `interface`.
pub(crate) fn bind(
    compiled: &Compiled,
    linker: &mut Linker<Host>,
    import: &str,
    instance: &ComponentInstance,
    interface: &str,
    ready: &Arc<Ready>,
) -> Result<(), Error> {
    let engine = compiled.flavor().engine();
    let fail = |e: wasmtime::Error| compiled.unlinkable(&e);
    let mut slot = linker.instance(import).map_err(fail)?;
    for (name, export) in instance.exports(engine) {
        match export.ty {
            ComponentItem::Resource(_) if name.ends_with(CALL) => {
                slot.resource(name, ResourceType::host::<Started>(), dropped).map_err(fail)?;
            }
            ComponentItem::ComponentFunc(_) => {}
            // `pending`, and the types of the dependency, come from elsewhere.
            _ => continue,
        }
    }
    for (name, export) in instance.exports(engine) {
        let ComponentItem::ComponentFunc(wanted) = export.ty else { continue };
        match name.strip_prefix("[method]").and_then(|method| method.split_once('.')) {
            None => {
                let function = function(compiled, ready, import, name, interface)?;
                check_params(compiled, ready, import, &wanted, &function)?;
                bind_start(&mut slot, name, ready, &function).map_err(fail)?;
            }
            Some((call, "wait")) => {
                let name_of = call.strip_suffix(CALL).unwrap_or(call);
                let function = function(compiled, ready, import, name_of, interface)?;
                check_result(compiled, ready, import, &wanted, &function)?;
                bind_wait(&mut slot, name, &function, link::takes_failure(&wanted))
                    .map_err(fail)?;
            }
            Some((_, "subscribe")) => bind_subscribe(&mut slot, name).map_err(fail)?,
            Some((_, "cancel")) => bind_cancel(&mut slot, name).map_err(fail)?,
            Some(_) => {
                return Err(Error::UnknownImports {
                    name: compiled.name().to_owned(),
                    imports: vec![format!("{import}#{name}")],
                });
            }
        }
    }
    Ok(())
}

fn function(
    compiled: &Compiled,
    ready: &Arc<Ready>,
    import: &str,
    name: &str,
    interface: &str,
) -> Result<Arc<Function>, Error> {
    let path = format!("{interface}#{name}");
    let found = ready.compiled().functions().iter().find(|f| f.path() == path);
    let function = found.cloned().ok_or_else(|| Error::UnknownImports {
        name: compiled.name().to_owned(),
        imports: vec![format!("{import}#{name}")],
    })?;
    function.signature()?;
    Ok(function)
}

fn check_params(
    compiled: &Compiled,
    ready: &Ready,
    import: &str,
    wanted: &ComponentFunc,
    function: &Function,
) -> Result<(), Error> {
    let (theirs, ours) = (function.ty().params(), wanted.params());
    if theirs.len() == ours.len() && theirs.zip(ours).all(|(a, b)| a == b) {
        return Ok(());
    }
    Err(mismatch(compiled, ready, import, wanted, function))
}

fn check_result(
    compiled: &Compiled,
    ready: &Ready,
    import: &str,
    wanted: &ComponentFunc,
    function: &Function,
) -> Result<(), Error> {
    let (theirs, ours) = (function.ty().results(), wanted.results());
    if theirs.len() == ours.len() && theirs.zip(ours).all(|(a, b)| a == b) {
        return Ok(());
    }
    Err(mismatch(compiled, ready, import, wanted, function))
}

fn mismatch(
    compiled: &Compiled,
    ready: &Ready,
    import: &str,
    wanted: &ComponentFunc,
    function: &Function,
) -> Error {
    Error::ImportType {
        importer: compiled.name().to_owned(),
        exporter: ready.compiled().name().to_owned(),
        function: format!("{import}#{}", function.name()),
        wanted: link::described(wanted),
        found: link::described(function.ty()),
    }
}

fn bind_start(
    slot: &mut LinkerInstance<'_, Host>,
    name: &str,
    ready: &Arc<Ready>,
    function: &Arc<Function>,
) -> wasmtime::Result<()> {
    let (ready, function) = (Arc::clone(ready), Arc::clone(function));
    slot.func_new(name, move |mut store: StoreContextMut<'_, Host>, _, params, results| {
        let parent = Arc::clone(&store.data().scene);
        let options = store.data().options();
        let begun = match step::start(&parent, &ready, &function, params.to_vec(), options) {
            Ok(begun) => begun,
            Err(cut) => return link::give(&parent, Err(cut), false, results),
        };
        let started = Started::new(begun, &function);
        let handle = store.data_mut().table.push(started)?;
        let handle = ResourceAny::try_from_resource(handle, &mut store)?;
        if let Some(slot) = results.first_mut() {
            *slot = Val::Resource(handle);
        }
        Ok(())
    })
}

fn bind_wait(
    slot: &mut LinkerInstance<'_, Host>,
    name: &str,
    function: &Arc<Function>,
    absorbs: bool,
) -> wasmtime::Result<()> {
    let function = Arc::clone(function);
    slot.func_new_async(name, move |mut store: StoreContextMut<'_, Host>, _, params, results| {
        let function = Arc::clone(&function);
        Box::new(async move {
            let handle = handle(&mut store, params)?;
            let parent = Arc::clone(&store.data().scene);
            let started = store.data_mut().table.get_mut(&handle)?;
            let (step, check) = (started.step(), started.take_check());
            let outcome = outcome_of(&parent, step).await?;
            checked(&parent, check).await?;
            let made = match outcome {
                Ok(outcome) => step::repeated(&parent, &function, outcome),
                Err(fault) => Err(crate::call::Cut::Fault(fault)),
            };
            link::give(&parent, made, absorbs, results)
        })
    })
}

fn bind_subscribe(slot: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<()> {
    slot.func_new(name, |mut store: StoreContextMut<'_, Host>, _, params, results| {
        let handle = handle(&mut store, params)?;
        let host = store.data_mut();
        let step = host.table.get(&handle)?.step();
        let pending = host.table.push(Pending::of(step))?;
        let pending = ResourceAny::try_from_resource(pending, &mut store)?;
        if let Some(slot) = results.first_mut() {
            *slot = Val::Resource(pending);
        }
        Ok(())
    })
}

fn bind_cancel(slot: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<()> {
    slot.func_new(name, |mut store: StoreContextMut<'_, Host>, _, params, _| {
        let handle = handle(&mut store, params)?;
        let host = store.data();
        let step = host.table.get(&handle)?.step();
        host.give_up(step)
    })
}

/// The handle that a method is called on.
fn handle(
    store: &mut StoreContextMut<'_, Host>,
    params: &[Val],
) -> wasmtime::Result<Resource<Started>> {
    match params.first() {
        Some(Val::Resource(handle)) => handle.try_into_resource(store),
        _ => Err(wasmtime::Error::msg("a method without its handle")),
    }
}

/// A handle that is dropped before its call ended stops the call.
fn dropped(mut store: StoreContextMut<'_, Host>, rep: u32) -> wasmtime::Result<()> {
    let host = store.data_mut();
    let started = host.table.delete(Resource::<Started>::new_own(rep))?;
    host.let_go(started.step())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_companion_is_told_by_its_name() {
        let of = |import| super::of(import);
        assert_eq!(of("acme:text/chunk-start@1.0.0").as_deref(), Some("acme:text/chunk@1.0.0"));
        assert_eq!(of("acme:text/chunk-start").as_deref(), Some("acme:text/chunk"));
        assert_eq!(of("acme:text/chunk@1.0.0-start"), None);
        assert_eq!(of("acme:text/chunk@1.0.0"), None);
    }
}
