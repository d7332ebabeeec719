//! Publishing for tests: push, sign, and the trust policy that goes with it.

use bytes::Bytes;
use longshore::client::{Artifact, ClientConfig, Pushed, Registry};
use longshore::reference::{Digest, Reference};
use longshore::trust::{PrivateKey, TrustPolicy, annotations_for, sign_component};
use serde_json::json;

/// The time at which everything here was made.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// The key of publisher number `n`.
pub(crate) fn key(n: u8) -> PrivateKey {
    PrivateKey::generate(&[n; 32]).unwrap()
}

/// Everything must be signed by `key`.
pub(crate) fn only(key: &PrivateKey) -> TrustPolicy {
    TrustPolicy::for_key("release", key.public_key().clone())
}

/// A trust policy whose scopes are `scopes`.
pub(crate) fn policy(scopes: serde_json::Value) -> TrustPolicy {
    let text = json!({"version": 1, "default": [{"type": "reject"}], "scopes": scopes}).to_string();
    TrustPolicy::parse(&text, |_| unreachable!("keys are inline")).unwrap()
}

/// Pushes `component` to `reference`, unsigned.
pub(crate) async fn push(reference: &str, component: Vec<u8>) -> Pushed {
    let artifact = Artifact {
        title: "component.wasm".to_owned(),
        created: CREATED.to_owned(),
        ..Artifact::default()
    };
    let reference: Reference = reference.parse().unwrap();
    client().push(&reference, Bytes::from(component), &artifact).await.unwrap()
}

/// Attaches a signature by `key` that speaks of `digest` under the name `name`.
pub(crate) async fn attach(pushed: &Pushed, key: &PrivateKey, digest: Digest, name: &str) {
    let annotations = annotations_for(&name.parse().unwrap());
    let bundle = sign_component(key, digest, &annotations).unwrap();
    let repository = pushed.reference.repository();
    client().attach(repository, &pushed.manifest, bundle.into(), CREATED).await.unwrap();
}

/// Pushes and signs, as `longshore publish` does.
pub(crate) async fn publish(reference: &str, component: Vec<u8>, key: &PrivateKey) -> Pushed {
    let pushed = push(reference, component).await;
    attach(&pushed, key, pushed.manifest.digest, reference).await;
    pushed
}

fn client() -> Registry {
    Registry::new(ClientConfig::default())
}
