//! The components of runs that came from files: kept by digest for as long as a run may need them, since a run goes on with
//! the very component that it began with.

use std::path::PathBuf;

use longshore_engine::Compiled;
use longshore_model::ComponentIdentity;
use longshore_reference::{Digest, Reference, Source};

use crate::builder::Host;
use crate::{Error, Target};

impl Host {
    /// Keeps the file of a workflow that is about to run; does nothing without a home.
    pub(crate) fn keep(&self, compiled: &Compiled, target: &Target) -> Result<(), Error> {
        let (Target::File(path), Source::File(name)) = (target, compiled.source()) else {
            return Ok(());
        };
        let Some(kept) = self.kept(compiled.digest(), name) else { return Ok(()) };
        if kept.exists() {
            return Ok(());
        }
        let fail = |source| Error::File { path: path.display().to_string(), source };
        let bytes = std::fs::read(path).map_err(fail)?;
        if Digest::of(&bytes) != compiled.digest() {
            return Err(fail(std::io::Error::other("it changed while it was read")));
        }
        crate::home::keep(&kept, &bytes)
            .map_err(|source| Error::Home { path: kept.display().to_string(), source })
    }

    /// Where the component of a run is found again.
    pub(crate) fn target_of(&self, component: &ComponentIdentity) -> Result<Target, Error> {
        if let Some(manifest) = component.manifest {
            let reference: Reference = component.reference.parse()?;
            return Ok(Target::Reference(reference.pinned(manifest)));
        }
        let kept = self.kept(component.digest, &component.reference);
        match kept.filter(|path| path.exists()) {
            Some(path) => Ok(Target::File(path)),
            None => Err(Error::File {
                path: component.reference.clone(),
                source: std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    "this host keeps no copy of it; name the file",
                ),
            }),
        }
    }

    fn kept(&self, digest: Digest, name: &str) -> Option<PathBuf> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        Some(self.home.as_ref()?.components().join(digest.hex()).join(name))
    }
}
