//! A compiled component: what it exports, what it imports, what its manifest asks for.

use std::sync::{Arc, OnceLock};

use longshore_reference::{Digest, HttpScope, Manifest, Scope, Signer, Source};
use longshore_trust::Verified;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Val};

use crate::engine::Flavor;
use crate::host::Host;
use crate::parts::Part;
use crate::scan::Scan;
use crate::value::{self, Signature};
use crate::{Error, contract};

/// A component that can be instantiated.
pub struct Compiled {
    flavor: Arc<Flavor>,
    component: Component,
    name: String,
    source: Source,
    digest: Digest,
    manifest_digest: Option<Digest>,
    signers: Vec<Signer>,
    manifest: Option<Manifest>,
    workflow: bool,
    imports: Vec<String>,
    unmet: Vec<String>,
    functions: Vec<Arc<Function>>,
    pre: OnceLock<InstancePre<Host>>,
    keyed: Arc<[HttpScope]>,
    parts: Vec<Part>,
}

/// An exported function: one operation of an action.
pub struct Function {
    interface: Option<String>,
    name: String,
    path: String,
    index: ComponentExportIndex,
    ty: ComponentFunc,
    signature: OnceLock<Result<Signature, value::Error>>,
}

/// The interface of commands.
const COMMAND: &str = "wasi:cli/run@";

impl Compiled {
    pub(crate) fn new(
        flavor: Arc<Flavor>,
        component: Component,
        verified: &Verified,
        name: String,
        scan: Scan,
    ) -> Result<Self, Error> {
        let (manifest, workflow) = (scan.parsed, scan.workflow);
        let functions = functions(&flavor, &component);
        if functions.is_empty() {
            return Err(Error::NoExports { name });
        }
        let (imports, unmet) = imports(&flavor, &component);
        let requests = manifest.iter().flat_map(|manifest: &Manifest| &manifest.requests);
        let keyed = requests.filter(|request| request.idempotency_key);
        let keyed = keyed.filter_map(|request| match &request.scope {
            Scope::Http(scope) => Some(scope.clone()),
            _ => None,
        });
        let keyed = keyed.collect();
        Ok(Self {
            flavor,
            component,
            name,
            source: verified.source().clone(),
            digest: verified.digest(),
            manifest_digest: verified.manifest(),
            signers: verified.signers().to_vec(),
            manifest,
            workflow,
            imports,
            unmet,
            functions,
            pre: OnceLock::new(),
            keyed,
            parts: scan.parts,
        })
    }

    /// Whether it was compiled for this very judgement: bytes, origin and signers.
    pub(crate) fn is_of(&self, verified: &Verified) -> bool {
        self.digest == verified.digest()
            && self.source == *verified.source()
            && self.manifest_digest == verified.manifest()
            && self.signers == verified.signers()
    }

    /// The HTTP requests that carry the key of their step, as its manifest asks.
    pub(crate) fn keyed(&self) -> &Arc<[HttpScope]> {
        &self.keyed
    }

    /// The components that were composed into it and carry manifests of their own.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How it was named: a reference or a file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of its OCI manifest, where it came from a registry.
    #[must_use]
    pub fn manifest_digest(&self) -> Option<Digest> {
        self.manifest_digest
    }

    /// Who vouched for it.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// What it asks for; none for a component that was not built for Longshore.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Whether it is a workflow: repeated from its journal, and so cut off from everything that could answer differently.
    #[must_use]
    pub fn is_workflow(&self) -> bool {
        self.workflow
    }

    /// Whether it runs on the configuration for the component model's async.
    #[must_use]
    pub fn needs_concurrency(&self) -> bool {
        self.flavor.concurrency()
    }

    /// The names of all its imports.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The interfaces that the host does not provide: other components must.
    #[must_use]
    pub fn unmet(&self) -> &[String] {
        &self.unmet
    }

    /// The functions it exports, in the order of the component.
    #[must_use]
    pub fn functions(&self) -> &[Arc<Function>] {
        &self.functions
    }

    /// The function called `name`: `interface#function` with or without package and version, or `function` where only one
    /// interface has it. Without a name: the only function, or the command.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownFunction`] and [`Error::AmbiguousFunction`], which list what there is.
    pub fn function(&self, name: Option<&str>) -> Result<&Arc<Function>, Error> {
        let known = || self.functions.iter().map(|f| f.path.clone()).collect();
        let matching: Vec<_> = match name {
            Some(name) => self.functions.iter().filter(|f| f.is_called(name)).collect(),
            None => match self.functions.iter().find(|f| f.is_command()) {
                Some(command) => vec![command],
                None => self.functions.iter().collect(),
            },
        };
        match (matching.as_slice(), name) {
            ([one], _) => Ok(one),
            ([], Some(name)) => Err(Error::UnknownFunction {
                name: self.name.clone(),
                function: name.to_owned(),
                known: known(),
            }),
            _ => Err(Error::AmbiguousFunction { name: self.name.clone(), known: known() }),
        }
    }

    /// What tells the compiled code of the configuration that it runs on from others': versions, features, target.
    #[must_use]
    pub fn engine(&self) -> String {
        self.flavor.fingerprint()
    }

    pub(crate) fn flavor(&self) -> &Arc<Flavor> {
        &self.flavor
    }

    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    /// The pre-linked component, for components that import nothing but the host's interfaces.
    pub(crate) fn pre(&self) -> Result<InstancePre<Host>, Error> {
        if let Some(pre) = self.pre.get() {
            return Ok(pre.clone());
        }
        let pre = self
            .flavor
            .linker(self.workflow)
            .instantiate_pre(&self.component)
            .map_err(|e| self.unlinkable(&e))?;
        Ok(self.pre.get_or_init(|| pre).clone())
    }

    /// wasmtime's word on why it does not link; it names the first import that is missing or mistyped.
    pub(crate) fn unlinkable(&self, error: &wasmtime::Error) -> Error {
        Error::UnknownImports { name: self.name.clone(), imports: vec![format!("{error:#}")] }
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Function {
    /// The interface it belongs to; none for one that the component exports directly.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// Its name within the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `interface#function`, or `function`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is the entry of a command (`wasi:cli/run`).
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.interface.as_deref().is_some_and(|i| i.starts_with(COMMAND))
    }

    /// Its types, for converting values and for its schema.
    ///
    /// # Errors
    ///
    /// When it has a type that JSON cannot carry, such as a resource.
    pub fn signature(&self) -> Result<&Signature, Error> {
        self.signature
            .get_or_init(|| Signature::of(&self.path, &self.ty))
            .as_ref()
            .map_err(|error| Error::Type(error.clone()))
    }

    /// Arguments for it, from a JSON object keyed by parameter name, or an array.
    ///
    /// # Errors
    ///
    /// When the JSON does not fit; the error has the path into the value.
    pub fn arguments(&self, json: &str) -> Result<Arguments, Error> {
        if self.is_command() {
            return Ok(Arguments { values: Vec::new(), bytes: 0, digest: Digest::of(b"") });
        }
        let values = self.signature()?.decode(json)?;
        Ok(Arguments { values, bytes: json.len() as u64, digest: Digest::of(json.as_bytes()) })
    }

    /// The same, in the memory of arguments that are no longer needed.
    ///
    /// # Errors
    ///
    /// As [`Function::arguments`].
    pub fn arguments_over(&self, json: &str, spare: Arguments) -> Result<Arguments, Error> {
        if self.is_command() {
            return self.arguments(json);
        }
        let mut values = spare.values;
        self.signature()?.decode_over(json, &mut values)?;
        Ok(Arguments { values, bytes: json.len() as u64, digest: Digest::of(json.as_bytes()) })
    }

    pub(crate) fn index(&self) -> &ComponentExportIndex {
        &self.index
    }

    pub(crate) fn ty(&self) -> &ComponentFunc {
        &self.ty
    }

    pub(crate) fn results(&self) -> usize {
        self.ty.results().len()
    }

    fn is_called(&self, name: &str) -> bool {
        if self.path == name {
            return true;
        }
        match (name.split_once('#'), &self.interface) {
            (Some((interface, function)), Some(own)) => {
                let unversioned = own.split('@').next().unwrap_or(own);
                let short = unversioned.rsplit('/').next().unwrap_or(unversioned);
                function == self.name && (interface == unversioned || interface == short)
            }
            (None, Some(_)) => name == self.name,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)
    }
}

/// Arguments that fit a function.
#[derive(Clone, Debug)]
pub struct Arguments {
    pub(crate) values: Vec<Val>,
    pub(crate) bytes: u64,
    pub(crate) digest: Digest,
}

impl Arguments {
    /// Arguments that are longer than may be read: a call with them ends at the limit `input-bytes`, unread.
    #[must_use]
    pub fn too_long(json: &str) -> Self {
        let (bytes, digest) = (json.len() as u64, Digest::of(json.as_bytes()));
        Self { values: Vec::new(), bytes, digest }
    }
}

impl Arguments {
    /// The length of their JSON.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn functions(flavor: &Flavor, component: &Component) -> Vec<Arc<Function>> {
    let engine = flavor.engine();
    let ty = component.component_type();
    let mut found = Vec::new();
    let mut add = |interface: Option<&str>, name: &str, ty: ComponentFunc, index| {
        let path = interface.map_or_else(|| name.to_owned(), |i| format!("{i}#{name}"));
        found.push(Arc::new(Function {
            interface: interface.map(str::to_owned),
            name: name.to_owned(),
            path,
            index,
            ty,
            signature: OnceLock::new(),
        }));
    };
    for (name, export) in ty.exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(function) => {
                if let Some(index) = component.get_export_index(None, name) {
                    add(None, name, function, index);
                }
            }
            ComponentItem::ComponentInstance(instance) => {
                let Some(outer) = component.get_export_index(None, name) else { continue };
                for (inner, export) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(function) = export.ty
                        && !inner.starts_with('[') // methods of resources need a handle first
                        && let Some(index) = component.get_export_index(Some(&outer), inner)
                    {
                        add(Some(name), inner, function, index);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// All imports, and those that the host does not serve.
fn imports(flavor: &Flavor, component: &Component) -> (Vec<String>, Vec<String>) {
    let engine = flavor.engine();
    let (mut all, mut unmet) = (Vec::new(), Vec::new());
    for (name, import) in component.component_type().imports(engine) {
        let needs_someone = match &import.ty {
            ComponentItem::ComponentInstance(instance) => instance.exports(engine).any(|(_, e)| {
                matches!(e.ty, ComponentItem::ComponentFunc(_) | ComponentItem::Resource(_))
            }),
            ComponentItem::Type(_) => false,
            _ => true,
        };
        if needs_someone {
            all.push(name.to_owned());
            if !contract::serves(name, flavor.concurrency()) {
                unmet.push(name.to_owned());
            }
        }
    }
    (all, unmet)
}
