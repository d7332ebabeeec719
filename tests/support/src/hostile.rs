//! A registry that lies: honest about one wasm artifact, but for the lies that a test asks for.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_reference::{Digest, media};
use serde_json::json;

use crate::wire::{self, Listening, Request};

/// One wasm artifact, as a registry holds it.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The config's bytes.
    pub config: Vec<u8>,
    /// The one layer's bytes.
    pub layer: Vec<u8>,
}

impl Artifact {
    /// An artifact with `layer` as its `application/wasm` layer and a minimal wasm config.
    #[must_use]
    pub fn wasm(layer: &[u8]) -> Self {
        let digest = Digest::of(layer);
        let config = json!({
            "created": "2026-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [digest],
            "component": { "exports": [], "imports": [] },
        })
        .to_string()
        .into_bytes();
        let part = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "config": part(media::WASM_CONFIG, &config),
            "layers": [part(media::WASM_LAYER, layer)],
        })
        .to_string()
        .into_bytes();
        Self { manifest, config, layer: layer.to_vec() }
    }

    /// The manifest's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

/// Which requests a lie is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/v2/`
    Ping,
    /// Manifests, by tag or digest.
    Manifest,
    /// The config blob.
    Config,
    /// The layer blob.
    Layer,
    /// The referrers API.
    Referrers,
    /// All of them.
    Everything,
}

/// What the registry does instead of the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Other bytes of the same length, under headers that promise the right ones.
    OtherBytes,
    /// The right bytes under a `Docker-Content-Digest` of others.
    OtherDigestHeader,
    /// The right bytes and then as many more bytes, all announced by `Content-Length`.
    Longer(u64),
    /// The first half, and a `Content-Length` that says so.
    Shorter,
    /// The first half of what `Content-Length` says, then the end of the connection.
    BreakOff,
    /// A byte at a time, with this pause between two.
    Drip(Duration),
    /// No answer, ever; the connection stays open.
    Silence,
    /// This status with an error document.
    Status(u16),
    /// 401 with a bearer challenge whose token service is this registry and answers 401 too.
    LoginLoop,
    /// This many bytes that begin like a JSON manifest, streamed.
    Huge(u64),
    /// 307 to this URL.
    Redirect(String),
    /// `200 OK` with text that is not JSON.
    NotJson,
    /// An index where a manifest is expected.
    Index,
    /// A document nested this deep.
    Deep(usize),
}

/// The registry; it stops when it is dropped.
#[derive(Debug)]
pub struct Registry {
    listening: Listening,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// Serves `artifact` under every repository and tag. The first lie whose target matches is
    /// told.
    #[must_use]
    pub fn start(artifact: Artifact, lies: impl IntoIterator<Item = (Target, Lie)>) -> Self {
        let lies: Vec<_> = lies.into_iter().collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let listening = Listening::start(move |request, stream, stop| {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(format!("{} {}", request.method, request.target));
            let truth = truth(&artifact, request.path());
            let lie = lies
                .iter()
                .find(|(target, _)| *target == truth.target || *target == Target::Everything);
            match lie {
                Some((_, lie)) => tell(lie, &truth, &request, stream, stop),
                None => truth.tell(&request, stream),
            }
        });
        Self { listening, requests }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// A reference into it, for example `reference("a/b:1")`.
    #[must_use]
    pub fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address())
    }

    /// The requests so far as `METHOD target`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Truth {
    target: Target,
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Truth {
    fn tell(&self, request: &Request, stream: &mut TcpStream) -> io::Result<()> {
        let digest = Digest::of(&self.body).to_string();
        let headers = [("content-type", self.kind), ("docker-content-digest", digest.as_str())];
        wire::answer(stream, request, self.status, &headers, &self.body)
    }
}

fn truth(artifact: &Artifact, path: &str) -> Truth {
    let json = "application/json";
    let found = |target, kind, body: &[u8]| Truth { target, status: 200, kind, body: body.into() };
    let error = |target, code: &str| {
        let document = json!({ "errors": [{ "code": code, "message": "not here" }] });
        Truth { target, status: 404, kind: json, body: document.to_string().into_bytes() }
    };
    let blob = |bytes: &[u8]| path.ends_with(&format!("/blobs/{}", Digest::of(bytes)));
    let bytes = "application/octet-stream";
    if blob(&artifact.config) {
        return found(Target::Config, bytes, &artifact.config);
    }
    if blob(&artifact.layer) {
        return found(Target::Layer, bytes, &artifact.layer);
    }
    if path.contains("/manifests/") {
        let other = path.contains("/manifests/sha256") && !path.ends_with(&artifact.digest().hex());
        return if other {
            error(Target::Manifest, "MANIFEST_UNKNOWN")
        } else {
            found(Target::Manifest, media::OCI_MANIFEST, &artifact.manifest)
        };
    }
    if path.contains("/referrers/") {
        let empty = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": []});
        return found(Target::Referrers, media::OCI_INDEX, empty.to_string().as_bytes());
    }
    match path {
        "/v2/" | "/v2" => found(Target::Ping, json, b"{}"),
        _ => error(Target::Layer, "BLOB_UNKNOWN"),
    }
}

fn tell(
    lie: &Lie,
    truth: &Truth,
    request: &Request,
    stream: &mut TcpStream,
    stop: &AtomicBool,
) -> io::Result<()> {
    let digest = Digest::of(&truth.body).to_string();
    let headers = [("content-type", truth.kind), ("docker-content-digest", digest.as_str())];
    let half = &truth.body[..truth.body.len() / 2];
    let length = truth.body.len() as u64;
    match lie {
        Lie::OtherBytes => {
            let other: Vec<u8> = truth.body.iter().map(|byte| byte ^ 1).collect();
            wire::answer(stream, request, 200, &headers, &other)
        }
        Lie::OtherDigestHeader => {
            let other = Digest::of(b"something else").to_string();
            let headers = [("content-type", truth.kind), ("docker-content-digest", other.as_str())];
            wire::answer(stream, request, 200, &headers, &truth.body)
        }
        Lie::Longer(more) => {
            wire::head(stream, 200, &headers, length + more)?;
            stream.write_all(&truth.body)?;
            pour(stream, *more, b' ')
        }
        Lie::Shorter => wire::answer(stream, request, 200, &headers, half),
        Lie::BreakOff => {
            wire::head(stream, 200, &headers, length)?;
            stream.write_all(half)
        }
        Lie::Drip(pause) => {
            wire::head(stream, 200, &headers, length)?;
            drip(stream, &truth.body, *pause, stop)
        }
        Lie::Silence => {
            while !stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Lie::Status(status) => {
            let body = br#"{"errors":[{"code":"UNKNOWN","message":"on purpose"}]}"#;
            wire::answer(stream, request, *status, &[("content-type", "application/json")], body)
        }
        Lie::LoginLoop => {
            let host = request.header("host").unwrap_or("127.0.0.1");
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"{host}\"");
            wire::answer(stream, request, 401, &[("www-authenticate", &challenge)], b"{}")
        }
        Lie::Huge(size) => {
            wire::head(stream, 200, &[("content-type", truth.kind)], *size)?;
            stream.write_all(b"{\"a\":\"")?;
            pour(stream, size.saturating_sub(6), b'a')
        }
        Lie::Redirect(url) => wire::answer(stream, request, 307, &[("location", url)], b""),
        Lie::NotJson => wire::answer(stream, request, 200, &headers, b"<html>not json</html>"),
        Lie::Index => {
            let kind = [("content-type", media::OCI_INDEX)];
            wire::answer(stream, request, 200, &kind, index(&digest, length).as_bytes())
        }
        Lie::Deep(depth) => {
            let body = format!("{{\"a\":{}{}}}", "[".repeat(*depth), "]".repeat(*depth));
            wire::answer(stream, request, 200, &[("content-type", truth.kind)], body.as_bytes())
        }
    }
}

/// An index of the one manifest that was asked for.
fn index(digest: &str, size: u64) -> String {
    let manifest = json!({"mediaType": media::OCI_MANIFEST, "digest": digest, "size": size});
    json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [manifest]}).to_string()
}

fn drip(stream: &mut TcpStream, body: &[u8], pause: Duration, stop: &AtomicBool) -> io::Result<()> {
    for byte in body.chunks(1).take_while(|_| !stop.load(Ordering::SeqCst)) {
        stream.write_all(byte)?;
        std::thread::sleep(pause);
    }
    Ok(())
}

fn pour(stream: &mut TcpStream, mut count: u64, byte: u8) -> io::Result<()> {
    let piece = vec![byte; 64 << 10];
    while count > 0 {
        let now = usize::try_from(count).map_or(piece.len(), |count| count.min(piece.len()));
        stream.write_all(&piece[..now])?;
        count -= now as u64;
    }
    Ok(())
}
