//! What `docs/trust.md` shows is read as it stands.

use longshore_trust::{PrivateKey, TrustPolicy};

const PAGE: &str = include_str!("../../../docs/trust.md");

#[test]
fn the_policy_is_a_trust_policy() {
    let text = PAGE.split("```json\n").nth(1).and_then(|part| part.split("```").next()).unwrap();
    let key = PrivateKey::generate(&[7; 32]).unwrap().public_key().to_pem();
    let policy = TrustPolicy::parse(text, |_| Ok(key.clone())).unwrap();
    let covered = |text: &str| policy.requirements(&text.parse().unwrap()).0.map(str::to_owned);
    let scope = "registry.example.com/workflows";
    assert_eq!(covered("registry.example.com/workflows/ingest:1.0.0").as_deref(), Some(scope));
    assert_eq!(covered("registry.example.com/other:1.0.0"), None);
}
