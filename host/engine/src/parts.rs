//! The parts of a bundle: components that were composed into one, and still carry their own manifests. They share the imports of the
//! bundle, so that no host call tells which of them made it; a part that asks for less than its bundle is granted is therefore
//! not run at all. As a dependency of its own it has a grant of its own.

use longshore_policy::{Grant, uses};
use longshore_reference::{Manifest, Request};

use crate::Error;

/// A part that carries a manifest.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    imports: Vec<String>,
    requests: Vec<Request>,
}

/// What a walk through a component finds of one that lies within it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) imports: Vec<String>,
    pub(crate) manifests: Vec<Vec<u8>>,
}

impl Part {
    /// The part that was found in the component `name`; none where it carries no manifest and is the bundle's own code.
    pub(crate) fn of(name: &str, found: Found) -> Result<Option<Self>, Error> {
        let fail = |source| Error::Manifest { name: name.to_owned(), source };
        if found.manifests.len() > 1 {
            let reason = format!("a part has {} of them", found.manifests.len());
            return Err(fail(longshore_reference::ManifestError::Malformed { reason }));
        }
        let Some(bytes) = found.manifests.first() else { return Ok(None) };
        let Manifest { package, requests, .. } = Manifest::from_embedded(bytes).map_err(fail)?;
        Ok(Some(Self { name: package.name, imports: found.imports, requests }))
    }

    /// Whether it could use a capability of this kind: it imports what leads to it, or something whose name says nothing.
    fn uses(&self, kind: longshore_model::CapabilityKind) -> bool {
        uses(&self.imports, kind) || self.imports.iter().any(|import| !import.contains('/'))
    }
}

/// Whether `grant` gives no part more than it asks for.
pub(crate) fn check(bundle: &str, parts: &[Part], grant: &Grant) -> Result<(), Error> {
    for part in parts {
        for granted in grant.scopes() {
            let asks =
                part.requests.iter().any(|request| granted.scope().is_within(&request.scope));
            if part.uses(granted.scope().kind()) && !asks {
                return Err(Error::Part {
                    bundle: bundle.to_owned(),
                    part: part.name.clone(),
                    scope: granted.scope().to_string(),
                });
            }
        }
    }
    Ok(())
}
