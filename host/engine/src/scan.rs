//! What the bytes say before anything is compiled: is it a component, which manifest does it carry, does it need the
//! component model's async. Walks section headers; skips code.

use longshore_reference::{Kind, Manifest};
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentType, ComponentTypeRef, Encoding, Parser, Payload,
};

use crate::Error;
use crate::parts::{Found, Part};

/// The custom section that carries the manifest in canonical JSON.
pub const MANIFEST_SECTION: &str = "longshore:manifest";

/// Components larger than this are refused, in bytes.
pub const MAX_COMPONENT_BYTES: u64 = 256 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The manifest's bytes, and what they say.
    pub(crate) manifest: Option<Vec<u8>>,
    pub(crate) parsed: Option<Manifest>,
    /// Whether it is a workflow: its manifest says so, or it has none and imports what only workflows have.
    pub(crate) workflow: bool,
    /// Whether its manifest asks for no capability at all.
    pub(crate) asks_for_nothing: bool,
    /// Whether it imports an interface of `longshore:workflow` beside `run`.
    durable: bool,
    /// How many sections claim to be it.
    manifests: usize,
    /// Whether it lifts, lowers or declares an async function, or uses streams, futures or tasks.
    pub(crate) concurrency: bool,
    /// What carries a manifest and lies within it.
    pub(crate) parts: Vec<Part>,
    /// What lies within it, before it was judged.
    within: Vec<Found>,
}

/// Looks through `bytes`, which come from `name`.
pub(crate) fn scan(name: &str, bytes: &[u8]) -> Result<Scan, Error> {
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT_BYTES {
        let (name, limit) = (name.to_owned(), MAX_COMPONENT_BYTES);
        return Err(Error::TooLarge { name, size, limit });
    }
    if bytes.len() < 8 || &bytes[..4] != b"\0asm" {
        return Err(Error::NotWasm { name: name.to_owned() });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(Error::CoreModule { name: name.to_owned() });
    }
    let mut found = Scan::default();
    walk(bytes, 0, 0, &mut found)
        .map_err(|e| Error::Invalid { name: name.to_owned(), reason: e.to_string() })?;
    if found.manifests > 1 {
        // Tools would disagree on which of them counts.
        let reason = format!("there are {} of them", found.manifests);
        let source = longshore_reference::ManifestError::Malformed { reason };
        return Err(Error::Manifest { name: name.to_owned(), source });
    }
    for part in std::mem::take(&mut found.within) {
        found.parts.extend(Part::of(name, part)?);
    }
    if let Some(bytes) = &found.manifest {
        let manifest = Manifest::from_embedded(bytes)
            .map_err(|source| Error::Manifest { name: name.to_owned(), source })?;
        found.workflow = manifest.package.kind == Kind::Workflow;
        found.asks_for_nothing = manifest.requests.is_empty();
        found.parsed = Some(manifest);
    } else {
        found.workflow = found.durable;
    }
    Ok(found)
}

/// How deep components may nest before we stop looking; wasmparser's own limit is of the same order.
const MAX_DEPTH: u32 = 32;

fn walk(
    bytes: &[u8],
    base: usize,
    depth: u32,
    found: &mut Scan,
) -> Result<(), wasmparser::BinaryReaderError> {
    let mut parser = Parser::new(base as u64);
    let mut rest = bytes;
    let mut own = Found::default();
    loop {
        let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? else {
            return Ok(()); // unreachable with `eof`, and harmless
        };
        let mut skip = consumed;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth > 0 => return Ok(()),
            Payload::ModuleSection { unchecked_range, .. } => {
                skip += unchecked_range.len();
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                let from = consumed;
                let to = (from + unchecked_range.len()).min(rest.len());
                if depth < MAX_DEPTH {
                    walk(&rest[from.min(to)..to], unchecked_range.start, depth + 1, found)?;
                }
                skip += unchecked_range.len();
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == MANIFEST_SECTION => {
                found.manifests += 1;
                found.manifest = Some(section.data().to_vec());
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                own.manifests.push(section.data().to_vec());
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    match depth {
                        0 => found.durable |= is_durable(import.name.name),
                        // A type that is imported by itself reaches nothing.
                        _ if matches!(import.ty, ComponentTypeRef::Type(_)) => {}
                        _ => own.imports.push(import.name.name.to_owned()),
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    found.concurrency |= is_concurrent(&function?);
                }
            }
            Payload::ComponentTypeSection(section) => {
                for ty in section {
                    if let ComponentType::Func(function) = ty? {
                        found.concurrency |= function.async_;
                    }
                }
            }
            Payload::End(_) => {
                found.within.extend((depth > 0).then_some(own));
                return Ok(());
            }
            _ => {}
        }
        if skip > rest.len() {
            return Ok(()); // truncated: the compiler will say where
        }
        rest = &rest[skip..];
    }
}

/// Whether the interface `name` is for workflows only; anybody may leave a note.
fn is_durable(name: &str) -> bool {
    let interface = name.strip_prefix("longshore:workflow/");
    interface.is_some_and(|interface| interface.split('@').next() != Some("run"))
}

fn is_concurrent(function: &CanonicalFunction) -> bool {
    let is_async = |options: &[CanonicalOption]| {
        options.iter().any(|o| matches!(o, CanonicalOption::Async | CanonicalOption::Callback(_)))
    };
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            is_async(options)
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_told_apart() {
        let code = |bytes: &[u8]| scan("x", bytes).unwrap_err().code();
        assert_eq!(code(b""), "LS-ENG-001");
        assert_eq!(code(b"#!/bin/sh"), "LS-ENG-001");
        assert_eq!(code(b"\0asm\x01\0\0\0"), "LS-ENG-002");
        assert_eq!(code(b"\0asm\x0d\0\x01\0\xff\xff\xff"), "LS-ENG-004");
        assert!(scan("x", b"\0asm\x0d\0\x01\0").unwrap().manifest.is_none());
    }
}
