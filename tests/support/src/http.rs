//! A web site on loopback, for whatever fetches: files from memory or a folder, with a count of the
//! requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::wire::{self, Listening};

/// One request that a [`StaticSite`] got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// The headers in order, as sent.
    pub headers: Vec<(String, String)>,
    /// As much of the body as came.
    pub body: Vec<u8>,
}

/// A site that serves until it is dropped. What it does not have is 404.
#[derive(Debug)]
pub struct StaticSite {
    listening: Listening,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl StaticSite {
    /// Serves `pages`: path (with the leading slash) to content.
    #[must_use]
    pub fn of<P: Into<String>, B: Into<Vec<u8>>>(pages: impl IntoIterator<Item = (P, B)>) -> Self {
        let pages: BTreeMap<String, Vec<u8>> =
            pages.into_iter().map(|(path, body)| (path.into(), body.into())).collect();
        Self::start(move |path| pages.get(path).cloned())
    }

    /// Serves the files of a folder.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self::start(move |path| {
            let path = Path::new(path.trim_start_matches('/'));
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            plain.then(|| std::fs::read(folder.join(path)).ok())?
        })
    }

    fn start(find: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let listening = Listening::start(move |request, stream, _| {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
                method: request.method.clone(),
                target: request.target.clone(),
                headers: request.headers.clone(),
                body: request.body.clone(),
            });
            let kind = [("content-type", media_type(request.path()))];
            match find(request.path()) {
                Some(body) => wire::answer(stream, &request, 200, &kind, &body),
                None => wire::answer(stream, &request, 404, &kind, b"not here"),
            }
        });
        Self { listening, seen }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The URL of a path (with the leading slash).
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the end of the path says, as web servers tell it.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
