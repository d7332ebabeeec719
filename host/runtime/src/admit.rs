//! The stages before a run: from what was named to a component that may be called. Each stage has its own type, so that none
//! can be skipped.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use longshore_engine::{Compiled, Links, MAX_COMPONENT_BYTES, Ready};
use longshore_model::{ComponentIdentity, Dependency, GrantRecord};
use longshore_policy::{Grant, Needs, Policy, Refusal, Role};
use longshore_reference::{Digest, Fetched, Reference, Source};

use crate::builder::Host;
use crate::{Error, Target};

/// How deep dependencies may nest.
const MAX_DEPTH: usize = 8;

/// A component that was resolved, fetched, verified, compiled, granted and linked. Its calls skip all of that.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) ready: Arc<Ready>,
    pub(crate) policy: Digest,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) grant: GrantRecord,
}

impl Prepared {
    /// The component with its grant and its links.
    #[must_use]
    pub fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }

    /// The components that it calls, each with its grant.
    #[must_use]
    pub fn dependencies(&self) -> &[Dependency] {
        &self.dependencies
    }

    /// The digest of the policy and flags under which it was granted.
    #[must_use]
    pub fn policy(&self) -> Digest {
        self.policy
    }
}

/// What was linked so far, by interface and pinned name. Two components may serve one interface at different depths, and one
/// component may be reached on many paths: each is told once and linked once.
type Found = BTreeMap<(String, String), (Dependency, Arc<Ready>)>;

/// Why a component is not admitted.
pub(crate) enum Stop {
    /// The grant refused; who it was and what is missing.
    Refused(Arc<Compiled>, Refusal),
    /// Anything else.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Host {
    /// From a name to verified and compiled: resolve, fetch, verify, compile.
    pub(crate) async fn compile(&self, target: &Target) -> Result<Arc<Compiled>, Error> {
        let fetched = match target {
            Target::Reference(reference) => {
                let reference = self.absolute(reference.clone(), None)?;
                let resolved = self.registry.resolve(&reference).await?;
                self.registry.fetch(&resolved).await?
            }
            Target::File(path) => read(path)?,
        };
        let verified = self.trust.verify(fetched, self.clock.now().unix_s())?;
        if let Some(compiled) = self.engine.cached(&verified)? {
            return Ok(compiled);
        }
        let engine = self.engine.clone();
        let compiling = tokio::task::spawn_blocking(move || engine.compile(&verified));
        Ok(compiling.await.map_err(|_| Error::Stopped)??)
    }

    /// What the policy grants it.
    pub(crate) fn grant(
        &self,
        compiled: &Arc<Compiled>,
        role: Role,
        policy: &Policy,
    ) -> Result<Arc<Grant>, Stop> {
        let needs = Needs {
            component: compiled.digest(),
            source: compiled.source().clone(),
            role,
            imports: guarded(compiled),
            manifest: compiled.manifest().cloned(),
            signers: compiled.signers().to_vec(),
        };
        match policy.decide(&needs) {
            Ok(grant) => Ok(Arc::new(grant)),
            Err(refusal) => Err(Stop::Refused(Arc::clone(compiled), refusal)),
        }
    }

    /// The whole way, dependencies first.
    pub(crate) async fn admit(&self, target: &Target, ask: &Policy) -> Result<Prepared, Stop> {
        let mut policy = self.policy.clone();
        policy.merge(ask.clone());
        policy.set_time(self.clock.now());
        let compiled = self.compile(target).await?;
        let mut found = BTreeMap::new();
        let ready = self.link(&compiled, Role::Root, &policy, &mut found, 0).await?;
        let grant = ready.grant().record();
        let dependencies = found.into_values().map(|(dependency, _)| dependency).collect();
        Ok(Prepared { ready: Arc::new(ready), policy: policy.digest(), dependencies, grant })
    }

    /// Grants and links `compiled`, after everything that it depends on.
    async fn link(
        &self,
        compiled: &Arc<Compiled>,
        role: Role,
        policy: &Policy,
        found: &mut Found,
        depth: usize,
    ) -> Result<Ready, Stop> {
        if depth > MAX_DEPTH {
            let component = compiled.name().to_owned();
            return Err(Stop::Failed(Error::TooDeep { component, limit: MAX_DEPTH }));
        }
        let grant = self.grant(compiled, role, policy)?;
        let mut links = Links::new();
        for dependency in compiled.manifest().iter().flat_map(|m| &m.dependencies) {
            let reference = self.pinned(compiled, dependency)?;
            let below = self.compile(&Target::Reference(reference)).await?;
            let interface = dependency.interface.clone();
            let role = Role::Dependency { interface: interface.clone() };
            let key = (interface.clone(), below.name().to_owned());
            if let Some((_, ready)) = found.get(&key) {
                links.insert(interface, Arc::clone(ready));
                continue;
            }
            let ready = Box::pin(self.link(&below, role, policy, found, depth + 1)).await?;
            let ready = Arc::new(ready);
            let (component, grant) = (identity(&below), ready.grant().record());
            let told = Dependency { interface: interface.clone(), component, grant };
            found.insert(key, (told, Arc::clone(&ready)));
            links.insert(interface, ready);
        }
        let env = grant
            .env()
            .filter_map(|name| Some((name.to_owned(), (self.environment)(name)?)))
            .collect();
        Ok(self.engine.link(compiled, grant, env, links)?)
    }

    /// The exact component behind a dependency: version and digest from the manifest that the author signed, in the registry
    /// of the workflow itself where the manifest names none.
    fn pinned(
        &self,
        workflow: &Compiled,
        dependency: &longshore_reference::Dependency,
    ) -> Result<Reference, Error> {
        let pin = dependency.pinned.as_ref().ok_or_else(|| Error::Unpinned {
            component: workflow.name().to_owned(),
            interface: dependency.interface.clone(),
        })?;
        let repository = dependency.reference.repository().clone();
        let reference = repository.with_tag(&pin.version.to_string())?.pinned(pin.digest);
        let own = match workflow.source() {
            Source::Registry(reference) => reference.registry(),
            Source::File(_) => None,
        };
        self.absolute(reference, own)
    }

    /// `reference` with a registry: its own, else `own`, else the host's default.
    pub(crate) fn absolute(
        &self,
        reference: Reference,
        own: Option<&str>,
    ) -> Result<Reference, Error> {
        if reference.registry().is_some() {
            return Ok(reference);
        }
        match own.or(self.default_registry.as_deref()) {
            Some(registry) => Ok(reference.in_registry(registry)),
            None => Err(Error::NoRegistry { reference: reference.to_string() }),
        }
    }
}

/// The imports for which policy must answer. A workflow's clocks and randomness are the journal's, and need no grant.
pub(crate) fn guarded(compiled: &Compiled) -> Vec<String> {
    let virtualized = |import: &&String| {
        let own = import.starts_with("wasi:clocks/") || import.starts_with("wasi:random/");
        !(compiled.is_workflow() && own)
    };
    compiled.imports().iter().filter(virtualized).cloned().collect()
}

/// Who a component is, for the journal.
pub(crate) fn identity(compiled: &Compiled) -> ComponentIdentity {
    ComponentIdentity {
        digest: compiled.digest(),
        reference: compiled.name().to_owned(),
        manifest: compiled.manifest_digest(),
        signers: compiled.signers().to_vec(),
    }
}

fn read(path: &Path) -> Result<Fetched, Error> {
    let shown = || path.display().to_string();
    let fail = |source| Error::File { path: shown(), source };
    let about = std::fs::metadata(path).map_err(fail)?;
    if !about.is_file() {
        // A folder cannot be read, and a pipe would be waited for without end.
        return Err(fail(std::io::Error::other("it is not a regular file")));
    }
    let large = |size| Error::FileSize { path: shown(), size, limit: MAX_COMPONENT_BYTES };
    if about.len() > MAX_COMPONENT_BYTES {
        return Err(large(about.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(large(bytes.len() as u64)); // it grew while it was read
    }
    Ok(Fetched::from_file(&shown(), bytes))
}
