//! Where a placeholder may stand, and what is put there: the one place at which a secret's value meets a request.

use std::sync::Arc;

use base64::Engine as _;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use longshore_model::CapabilityKind;
use longshore_policy::{SecretBinding, SecretFormat};
use longshore_ports::Secret;
use wasmtime_wasi_http::Error;
use zeroize::Zeroizing;

use super::{MARK, Placeholder};
use crate::call::Scene;

/// Puts the values in, right before `request` is sent to `server` (scheme, host, port).
///
/// # Errors
///
/// [`Error::HttpRequestDenied`], journaled, when a placeholder stands where its value may not go. Nothing must be sent then.
pub(crate) fn inject<B>(
    scene: &Scene,
    server: (&str, &str, u16),
    request: &mut Request<B>,
) -> Result<(), Error> {
    if !watches(scene) {
        return Ok(());
    }
    let held = scene.placeholders.list();
    let line = [request.method().as_str(), &request.uri().to_string()].join(" ");
    if marked(line.as_bytes()) {
        return Err(misplaced(scene, &held, line.as_bytes(), "the URL"));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    for (name, value) in request.headers_mut() {
        if marked(name.as_str().as_bytes()) {
            return Err(misplaced(scene, &held, name.as_str().as_bytes(), "a header's name"));
        }
        if !marked(value.as_bytes()) {
            continue;
        }
        let Some(placeholder) = find(&held, value.as_bytes()) else {
            return Err(misplaced(scene, &held, value.as_bytes(), "a header"));
        };
        bound(scene, placeholder, name, server, (method.as_str(), &path))?;
        *value = replaced(scene, placeholder, value)?;
    }
    Ok(())
}

/// Takes values of this call's secrets out of the headers of an answer that repeats them.
pub(crate) fn redact<B>(scene: &Scene, response: &mut Response<B>) {
    let held = scene.placeholders.list();
    if held.is_empty() {
        return;
    }
    let headers: &mut HeaderMap = response.headers_mut();
    for value in headers.values_mut() {
        let echoes = |p: &Arc<Placeholder>| {
            let plain = memchr::memmem::find(value.as_bytes(), p.secret.expose().as_bytes());
            let written = written(&p.binding, &p.secret);
            plain.or_else(|| memchr::memmem::find(value.as_bytes(), written.as_bytes())).is_some()
        };
        if held.iter().any(echoes) {
            *value = HeaderValue::from_static("(secret)");
        }
    }
}

/// Looks for placeholders in what passes as a body, across the borders of its chunks.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The end of what has passed, where a placeholder may have begun.
    tail: Vec<u8>,
}

impl Watch {
    /// Whether `chunk` may be sent.
    ///
    /// # Errors
    ///
    /// [`Error::HttpRequestDenied`], journaled, when a placeholder is in it.
    pub(crate) fn check(&mut self, scene: &Scene, chunk: &[u8]) -> Result<(), Error> {
        if !watches(scene) {
            return Ok(());
        }
        let mut border = std::mem::take(&mut self.tail);
        let before = border.len();
        border.extend_from_slice(&chunk[..chunk.len().min(MARK.len() - 1)]);
        if marked(chunk) || marked(&border) {
            let held = scene.placeholders.list();
            let seen = [&border[..before], chunk].concat();
            return Err(misplaced(scene, &held, &seen, "the body"));
        }
        let last = if chunk.len() < MARK.len() { &border } else { chunk };
        self.tail = last[last.len().saturating_sub(MARK.len() - 1)..].to_vec();
        Ok(())
    }
}

/// Whether this call could have placeholders at all.
fn watches(scene: &Scene) -> bool {
    scene.grant.has(CapabilityKind::Secret) || scene.grant.has(CapabilityKind::Reveal)
}

fn marked(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, MARK.as_bytes()).is_some()
}

fn find<'h>(held: &'h [Arc<Placeholder>], bytes: &[u8]) -> Option<&'h Arc<Placeholder>> {
    held.iter().find(|p| memchr::memmem::find(bytes, p.token.as_bytes()).is_some())
}

/// Denies a placeholder that stands where no value ever goes.
fn misplaced(scene: &Scene, held: &[Arc<Placeholder>], bytes: &[u8], place: &str) -> Error {
    let (name, hint) = match find(held, bytes) {
        Some(p) => (p.name.as_str(), format!("put it into the header `{}`", p.binding.header())),
        None => ("?", "ask for the secret in the call that uses it".to_owned()),
    };
    let rule = match name {
        "?" => "it holds a placeholder that is not of this call".to_owned(),
        _ => format!("a secret goes into its header, not into {place}"),
    };
    let asked = format!("secret={name} in {place}");
    scene.deny_secret(asked, &rule, hint);
    Error::HttpRequestDenied
}

/// Whether the value may go into the header `name` of this request.
fn bound(
    scene: &Scene,
    placeholder: &Placeholder,
    name: &HeaderName,
    (scheme, host, port): (&str, &str, u16),
    (method, path): (&str, &str),
) -> Result<(), Error> {
    let Placeholder { name: secret, binding, .. } = placeholder;
    let server = format!("{scheme}://{host}:{port}");
    let asked = format!("secret={secret} to {server} in `{name}`");
    let deny = |rule: &str, change: String| {
        let hint = format!("[secrets.{secret}] {change}");
        scene.deny_secret(asked.clone(), rule, hint);
        Err(Error::HttpRequestDenied)
    };
    let covers = binding
        .hosts()
        .iter()
        .any(|scope| scope.covers(scheme, host, port) && scope.covers_request(method, path));
    if !covers {
        let mut hosts: Vec<_> = binding.hosts().iter().map(ToString::to_string).collect();
        hosts.push(server);
        return deny("the secret is not bound to this request", format!("hosts = {hosts:?}"));
    }
    if name.as_str() != binding.header() {
        let rule = format!("the secret is bound to the header `{}`", binding.header());
        return deny(&rule, format!("header = {:?}", name.as_str()));
    }
    Ok(())
}

/// The header with the value in it: the placeholder stood alone, or as the binding writes it.
fn replaced(
    scene: &Scene,
    placeholder: &Placeholder,
    value: &HeaderValue,
) -> Result<HeaderValue, Error> {
    let Placeholder { name, token, secret, binding } = placeholder;
    let form = match binding.format() {
        SecretFormat::Text(format) => format.replace("{}", token),
        SecretFormat::Basic(_) => format!("Basic {token}"),
    };
    let deny = |rule: &str, hint: String| {
        let asked = format!("secret={name} in `{}`", binding.header());
        scene.deny_secret(asked, rule, hint);
        Error::HttpRequestDenied
    };
    let is = |text: &str| value.as_bytes() == text.as_bytes();
    if !is(token) && !is(&form) {
        let form = form.replace(token, "PLACEHOLDER");
        let hint = format!("write `{form}`, or the placeholder alone");
        return Err(deny("the header holds more than the operator's format", hint));
    }
    let mut header =
        HeaderValue::from_bytes(written(binding, secret).as_bytes()).map_err(|_| {
            let hint = "keep a value without line breaks, or let it be revealed".to_owned();
            deny("the value has bytes that no header can hold", hint)
        })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The header as the binding writes it.
fn written(binding: &SecretBinding, secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(match binding.format() {
        SecretFormat::Text(format) => format.replace("{}", secret.expose()),
        SecretFormat::Basic(user) => {
            let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair.as_bytes());
            format!("Basic {}", *Zeroizing::new(encoded))
        }
    })
}
