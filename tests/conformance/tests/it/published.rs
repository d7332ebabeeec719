//! What Longshore publishes, read by the tools of others.

use longshore_reference::{Digest, media};
use serde_json::{Value, json};

use crate::artifacts::echo;
use crate::foreign::everywhere;

#[test]
fn oras_pulls_and_crane_reads_what_we_publish() {
    everywhere(|desk, place, tools| {
        let component = echo();
        desk.write("echo.wasm", &component);
        desk.key("publisher");
        let reference = place.reference("team/echo:1.0.0");
        let made = desk.document(&["publish", "echo.wasm", &reference, "--key", "publisher.key"]);

        tools.oras(desk, &["pull", "--plain-http", &reference, "-o", "pulled"]);
        assert!(std::fs::read(desk.at("pulled/echo.wasm")).unwrap() == component);

        let digest = tools.crane(desk, &["digest", &reference]);
        assert_eq!(made["manifest"], digest.trim());
        let manifest = tools.manifest(desk, &reference);
        assert_eq!(manifest["mediaType"], media::OCI_MANIFEST);
        assert_eq!(manifest["config"]["mediaType"], media::WASM_CONFIG);
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!((layers.len(), &layers[0]["mediaType"]), (1, &json!(media::WASM_LAYER)));
        assert_eq!(layers[0]["digest"], Digest::of(&component).to_string());
        let annotations = &manifest["annotations"];
        assert_eq!(annotations["org.opencontainers.image.version"], "1.0.0");
        assert_eq!(annotations["org.opencontainers.image.licenses"], "MIT");
        let config: Value =
            serde_json::from_str(&tools.crane(desk, &["config", &reference])).unwrap();
        assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
        assert_eq!(config["layerDigests"], json!([Digest::of(&component)]));
        let exports = config["component"]["exports"].as_array().unwrap();
        assert!(exports.contains(&json!("fixtures:echo/echo@0.1.0")), "{config:#}");
    });
}

#[test]
fn the_same_component_gets_the_same_digest_in_every_registry() {
    let digests = std::sync::Mutex::new(Vec::new());
    everywhere(|desk, place, _| {
        desk.write("echo.wasm", echo());
        for tag in ["1.0.0", "again"] {
            let reference = place.reference(&format!("team/echo:{tag}"));
            let pushed = desk.document(&["push", "echo.wasm", &reference]);
            digests.lock().unwrap().push(pushed["manifest"].to_string());
        }
    });
    let digests = digests.into_inner().unwrap();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[test]
fn cosign_verifies_our_signature_for_its_key_and_version_and_no_other() {
    everywhere(|desk, place, tools| {
        desk.write("echo.wasm", echo());
        for name in ["publisher", "stranger"] {
            desk.key(name);
        }
        let reference = place.reference("team/echo:1.0.0");
        desk.does(&["publish", "echo.wasm", &reference, "--key", "publisher.key"]);

        let bound = ["version=1.0.0", "repository=team/echo"];
        let good = tools.cosign_verify(desk, "publisher.pub", &reference, &bound);
        assert_eq!(good.status, Some(0), "{good}");
        for (key, annotation) in [
            ("stranger.pub", "version=1.0.0"),
            ("publisher.pub", "version=2.0.0"),
            ("publisher.pub", "repository=team/other"),
        ] {
            let bad = tools.cosign_verify(desk, key, &reference, &[annotation]);
            assert_ne!(bad.status, Some(0), "{key} {annotation}: {bad}");
        }
    });
}

#[test]
fn our_signature_is_a_referrer_or_stands_under_the_fallback_tag() {
    everywhere(|desk, place, tools| {
        desk.write("echo.wasm", echo());
        desk.key("publisher");
        let reference = place.reference("team/echo:1.0.0");
        let made = desk.document(&["publish", "echo.wasm", &reference, "--key", "publisher.key"]);
        let signature = made["signature"]["signature"].as_str().unwrap();

        let tags = tools.crane(desk, &["ls", &place.reference("team/echo")]);
        let subject = made["manifest"].as_str().unwrap().replace(':', "-");
        // Where the registry lists referrers itself, a tag beside them would only go stale.
        assert_eq!(tags.lines().any(|tag| tag == subject), !place.has_referrers, "{tags}");
        let listed =
            tools.oras(desk, &["discover", "--plain-http", "--format", "json", &reference]);
        assert!(listed.contains(signature), "{listed}");
        assert!(listed.contains(media::SIGSTORE_BUNDLE), "{listed}");
        let verified = desk.document(&["verify", &reference, "--key", "publisher.pub"]);
        assert_eq!(verified["signers"].as_array().map(Vec::len), Some(1), "{verified:#}");
    });
}

#[test]
fn cosign_signs_with_our_key_and_we_sign_with_cosigns() {
    everywhere(|desk, place, tools| {
        desk.write("echo.wasm", echo());
        desk.key("ours");
        tools.cosign_key(desk, "theirs");
        let by_cosign = place.reference("team/echo:1.0.0");
        let pushed = desk.document(&["push", "echo.wasm", &by_cosign]);
        let at = place.reference(&format!("team/echo@{}", pushed["manifest"].as_str().unwrap()));
        desk.refuses(3, "LS-TRU-001", &["verify", &by_cosign, "--key", "ours.pub"]);
        tools.cosign_sign(desk, "ours.key", &at, &["version=1.0.0", "repository=team/echo"]);
        desk.does(&["verify", &by_cosign, "--key", "ours.pub"]);
        desk.refuses(3, "LS-TRU-002", &["verify", &by_cosign, "--key", "theirs.pub"]);

        let by_us = place.reference("team/other:1.0.0");
        desk.does(&["publish", "echo.wasm", &by_us, "--key", "theirs.key"]);
        let good = tools.cosign_verify(desk, "theirs.pub", &by_us, &["version=1.0.0"]);
        assert_eq!(good.status, Some(0), "{good}");
    });
}
