//! What a built file is: a component that can be called, or one of the things that are mistaken for it. Pure.

use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId, WorldItem};

use crate::{Error, MAX_COMPONENT_BYTES, Result};

/// Namespaces and packages whose interfaces the host provides.
const HOST: [&str; 3] = ["wasi:", "longshore:action/", "longshore:workflow/"];

/// Checks that `bytes`, called `name`, are a valid component with exports.
pub(crate) fn check(name: &str, bytes: &[u8]) -> Result<()> {
    is_component(name, bytes)?;
    let invalid = |reason: String| Error::Invalid { name: name.to_owned(), reason };
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(bytes).map_err(|error| invalid(error.to_string()))?;
    let (mut depth, mut exports) = (0_usize, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| invalid(error.to_string()))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => exports += section.count(),
            _ => {}
        }
    }
    if exports == 0 {
        return Err(Error::NoExports { name: name.to_owned() });
    }
    Ok(())
}

fn is_component(name: &str, bytes: &[u8]) -> Result<()> {
    let name = || name.to_owned();
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT_BYTES {
        return Err(Error::TooLarge { name: name(), size, limit: MAX_COMPONENT_BYTES });
    }
    if Parser::is_component(bytes) {
        Ok(())
    } else if Parser::is_core_wasm(bytes) {
        Err(Error::CoreModule { name: name() })
    } else {
        Err(Error::NotWasm { name: name() })
    }
}

/// The types of a component.
pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<(Resolve, WorldId)> {
    let fail = |reason: String| Error::Wit { name: name.to_owned(), reason };
    match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => Ok((resolve, world)),
        Ok(DecodedWasm::WitPackage(..)) => {
            Err(fail("it is a WIT package, which has nothing to run".to_owned()))
        }
        Err(error) => Err(fail(format!("{error:#}"))),
    }
}

/// The imports that the host does not provide, sorted. Interfaces of types alone need no provider.
pub(crate) fn foreign_imports(name: &str, bytes: &[u8]) -> Result<Vec<String>> {
    let (resolve, world) = decode(name, bytes)?;
    let mut imports = Vec::new();
    for (key, item) in &resolve.worlds[world].imports {
        let needed = match item {
            WorldItem::Interface { id, .. } => {
                let interface = &resolve.interfaces[*id];
                let is_resource = |id| {
                    let kind: &wit_parser::TypeDef = &resolve.types[id];
                    matches!(kind.kind, wit_parser::TypeDefKind::Resource)
                };
                !interface.functions.is_empty() || interface.types.values().any(|t| is_resource(*t))
            }
            WorldItem::Function(_) => true,
            WorldItem::Type { .. } => false,
        };
        let import = resolve.name_world_key(key);
        if needed && !HOST.iter().any(|host| import.starts_with(host)) {
            imports.push(import);
        }
    }
    imports.sort();
    Ok(imports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_callable_component_is_told_apart() {
        let code = |bytes: &[u8]| check("x", bytes).unwrap_err().code();
        assert_eq!(code(b""), "LS-BLD-010");
        assert_eq!(code(b"#!/bin/sh\n"), "LS-BLD-010");
        assert_eq!(code(b"\0asm\x01\0\0\0"), "LS-BLD-011");
        assert_eq!(code(b"\0asm\x0d\0\x01\0\xff\xff\xff"), "LS-BLD-012");
        assert_eq!(code(b"\0asm\x0d\0\x01\0"), "LS-BLD-013");
    }
}
