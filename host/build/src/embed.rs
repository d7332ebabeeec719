//! Putting the manifest and the standard metadata into a component. Pure: the same input, the same bytes.
//!
//! Everything else stays as it was, byte for byte and in its order. The sections of the OCI image annotations (`authors`,
//! `description`, `licenses`, `source`, `revision`, `version`) are those of tool-conventions that `wasm-tools` and `wkg`
//! read.

use longshore_reference::{MANIFEST_MAX_BYTES, MANIFEST_SECTION, Manifest, ManifestError, Package};
use wasm_encoder::{ComponentSection as _, CustomSection, Encode as _};
use wasmparser::{BinaryReader, BinaryReaderError};

use crate::{Error, Result, component};

/// The custom section with the names of a component and its parts (component model, "Name section").
const NAMES: &str = "component-name";
/// Magic and version.
const HEADER: usize = 8;

/// `component` with `manifest` in it, and with the standard metadata sections that say the same.
///
/// What the component said of these before is replaced, so that wrapping twice is wrapping once.
///
/// # Errors
///
/// When it is not a valid component with exports, when the manifest states what no author could have (see
/// [`Manifest::from_embedded`]), or a licence or source that the standard sections cannot hold.
pub fn wrap(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>> {
    let name = &manifest.package.name;
    component::check(name, component)?;
    embed(name, component, manifest)
}

/// The same for a component that was checked.
pub(crate) fn embed(name: &str, component: &[u8], manifest: &Manifest) -> Result<Vec<u8>> {
    let embedded = manifest.to_canonical();
    if embedded.len() > MANIFEST_MAX_BYTES {
        return Err(ManifestError::TooLarge { size: embedded.len() }.into());
    }
    Manifest::from_embedded(&embedded)?;
    let mut added = metadata(&manifest.package)?;
    added.push((MANIFEST_SECTION, embedded));
    let invalid = |error: BinaryReaderError| Error::Invalid {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let mut out = component[..HEADER].to_vec();
    let mut named = false;
    for section in sections(component).map_err(invalid)? {
        match section.custom {
            Some((NAMES, data)) if !named => {
                named = true;
                let data = rename(data, &manifest.package.name).map_err(invalid)?;
                append(&mut out, NAMES, &data);
            }
            Some((name, _)) if added.iter().any(|(added, _)| *added == name) => {}
            _ => out.extend_from_slice(section.raw),
        }
    }
    if !named {
        let data = rename(&[], &manifest.package.name).map_err(invalid)?;
        append(&mut out, NAMES, &data);
    }
    for (name, data) in added {
        append(&mut out, name, &data);
    }
    Ok(out)
}

fn metadata(package: &Package) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let fail =
        |field, value: &str, expected| Error::Metadata { field, value: value.to_owned(), expected };
    let mut sections = vec![("version", package.version.to_string().into_bytes())];
    if !package.authors.is_empty() {
        sections.push(("authors", package.authors.join(", ").into_bytes()));
    }
    if let Some(text) = &package.description {
        sections.push(("description", text.clone().into_bytes()));
    }
    if let Some(text) = &package.license {
        let expected = "an SPDX licence expression such as `Apache-2.0 OR MIT`";
        wasm_metadata::Licenses::new(text).map_err(|_| fail("license", text, expected))?;
        sections.push(("licenses", text.clone().into_bytes()));
    }
    if let Some(text) = &package.source {
        let expected = "a URL such as `https://example.com/sources`";
        let url = wasm_metadata::Source::new(text).map_err(|_| fail("source", text, expected))?;
        sections.push(("source", url.to_string().into_bytes()));
    }
    if let Some(text) = &package.documentation {
        let expected = "a URL such as `https://example.com/manual`";
        let url = wasm_metadata::Homepage::new(text)
            .map_err(|_| fail("documentation", text, expected))?;
        sections.push(("homepage", url.to_string().into_bytes()));
    }
    if let Some(text) = &package.revision {
        sections.push(("revision", text.clone().into_bytes()));
    }
    sections.sort_unstable();
    Ok(sections)
}

fn append(out: &mut Vec<u8>, name: &str, data: &[u8]) {
    CustomSection { name: name.into(), data: data.into() }.append_to_component(out);
}

/// A section of the outermost component.
struct Section<'b> {
    /// All of it.
    raw: &'b [u8],
    /// Name and content, of a custom section.
    custom: Option<(&'b str, &'b [u8])>,
}

fn sections(component: &[u8]) -> std::result::Result<Vec<Section<'_>>, BinaryReaderError> {
    let body = &component[HEADER..];
    let mut reader = BinaryReader::new(body, HEADER as _);
    let mut sections = Vec::new();
    while !reader.eof() {
        let start = body.len() - reader.bytes_remaining();
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        let content = reader.read_bytes(size as usize)?;
        let end = body.len() - reader.bytes_remaining();
        let mut custom = None;
        if id == 0 {
            let mut inner = BinaryReader::new(content, (HEADER + end - content.len()) as _);
            let name = inner.read_string()?;
            custom = Some((name, &content[content.len() - inner.bytes_remaining()..]));
        }
        sections.push(Section { raw: &body[start..end], custom });
    }
    Ok(sections)
}

/// The name section `data` with `name` as the component's own; the names of its parts stay.
fn rename(data: &[u8], name: &str) -> std::result::Result<Vec<u8>, BinaryReaderError> {
    let mut own = Vec::new();
    name.encode(&mut own);
    let mut out = vec![0];
    own.as_slice().encode(&mut out);
    let mut reader = BinaryReader::new(data, 0);
    while !reader.eof() {
        let start = data.len() - reader.bytes_remaining();
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        reader.read_bytes(size as usize)?;
        if id != 0 {
            out.extend_from_slice(&data[start..data.len() - reader.bytes_remaining()]);
        }
    }
    Ok(out)
}
