//! What only the operator says of a scope, as annotations of the policy that permits it.

use longshore_model::{CapabilityKind, Scope};

use super::Kinds;
use crate::Parameter;
use crate::parameter::read_exec;
use crate::rule::{beside, check_host};

/// The annotations that say what stands behind a scope.
pub(crate) const NAMES: &[&str] = &["host", "mode", "program"];

/// The annotation that says it.
pub(crate) fn annotation(parameter: &Parameter) -> Option<(&'static str, String)> {
    match parameter {
        // A secret's binding has a section of its own, by name.
        Parameter::None | Parameter::Secret(_) => None,
        Parameter::Folder(folder) => Some(("host", folder.to_string_lossy().into_owned())),
        Parameter::Program(file) => Some(("program", file.to_string_lossy().into_owned())),
        Parameter::Clock(_) | Parameter::Seed(_) => parameter.mode().map(|mode| ("mode", mode)),
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
        "mode" => Some(match kinds.only() {
            Some(kind) => Parameter::read_mode(kind, value),
            None => Err("`@mode` is for policies about one action alone".to_owned()),
        }),
        "program" => Some(only(CapabilityKind::Exec).and_then(|()| program(value))),
        _ => None,
    }
}

/// An absolute path, with nothing after it that could be an argument.
fn program(value: &str) -> Result<Parameter, String> {
    match read_exec(value) {
        Ok((Scope::Exec(scope), Parameter::Program(file))) if scope.arguments().is_empty() => {
            Ok(Parameter::Program(file))
        }
        Ok(_) => Err(format!("`{}` is not the absolute path of a program", value.escape_debug())),
        Err(why) => Err(why),
    }
}

/// Whether a permission of that kind can be given with no more than `parameter`.
pub(crate) fn suffices(kind: CapabilityKind, parameter: &Parameter) -> bool {
    match kind {
        CapabilityKind::Dir => matches!(parameter, Parameter::Folder(_)),
        _ => true,
    }
}
