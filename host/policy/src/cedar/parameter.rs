//! What only the operator says of a scope, as annotations of the policy that permits it.

use longshore_model::CapabilityKind;

use super::Kinds;
use crate::Parameter;
use crate::rule::{beside, check_host};

/// The annotations that say what stands behind a scope.
pub(crate) const NAMES: &[&str] = &["host"];

/// The annotation that says it.
pub(crate) fn annotation(parameter: &Parameter) -> Option<(&'static str, String)> {
    match parameter {
        // A secret's binding has a section of its own, by name.
        Parameter::None | Parameter::Secret(_) => None,
        Parameter::Folder(folder) => Some(("host", folder.to_string_lossy().into_owned())),
    }
}

/// What the annotation `name` says, if it is one of these; folders are relative to the folder of
/// `file`.
pub(crate) fn read(
    name: &str,
    value: &str,
    kinds: Kinds,
    file: &str,
) -> Option<Result<Parameter, String>> {
    let only = |kind: CapabilityKind| match kinds.only() {
        Some(own) if own == kind => Ok(()),
        _ => Err(format!("`@{name}` is for policies about `Action::\"{kind}\"` alone")),
    };
    match name {
        "host" => Some(
            only(CapabilityKind::Dir)
                .and_then(|()| check_host(value))
                .map(|()| Parameter::Folder(beside(file, value))),
        ),
        _ => None,
    }
}

/// Whether a permission of that kind can be given with no more than `parameter`.
pub(crate) fn suffices(kind: CapabilityKind, parameter: &Parameter) -> bool {
    match kind {
        CapabilityKind::Dir => matches!(parameter, Parameter::Folder(_)),
        _ => true,
    }
}
