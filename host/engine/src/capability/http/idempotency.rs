//! The key of a step in the requests that change something: `idempotency-key`, where the author asks for it. A server that knows
//! it does once what is asked twice, when a step is repeated after a failure that nobody saw the end of.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Request;
use http::header::{HeaderName, HeaderValue};
use longshore_model::HttpScope;

use crate::call::Scene;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Which requests of a call have a key, and how often each place was asked.
pub(super) struct Keys {
    scopes: Arc<[HttpScope]>,
    asked: BTreeMap<String, u32>,
}

impl Keys {
    pub(super) fn new(scopes: Arc<[HttpScope]>) -> Self {
        Self { scopes, asked: BTreeMap::new() }
    }

    /// Gives `request` to `server` (scheme, host, port) its key, unless the guest gave it one.
    pub(super) fn put<B>(
        &mut self,
        scene: &Scene,
        (scheme, host, port): (&str, &str, u16),
        request: &mut Request<B>,
    ) {
        let (method, path) = (request.method(), request.uri().path());
        let covers = |scope: &HttpScope| {
            scope.covers(scheme, host, port) && scope.covers_request(method.as_str(), path)
        };
        let wanted = !method.is_safe() && self.scopes.iter().any(covers);
        if !wanted || request.headers().contains_key(HEADER) {
            return;
        }
        let line = request.uri().path_and_query().map_or(path, |line| line.as_str());
        let asked = self.asked.entry(format!("{method} {scheme}://{host}:{port}{line}"));
        let key = numbered(scene.idempotency_key(), *asked.and_modify(|n| *n += 1).or_insert(1));
        if let Ok(key) = HeaderValue::from_str(&key) {
            request.headers_mut().insert(HEADER, key);
        }
    }
}

/// The first request to a place has the key of the step; a second one is another, and must not be taken for a repetition.
fn numbered(key: String, number: u32) -> String {
    match number {
        1 => key,
        _ => format!("{key}/{number}"),
    }
}
