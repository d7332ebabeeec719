//! What the tools of others publish and sign, resolved, verified and run by Longshore.

use serde_json::{Value, json};

use crate::artifacts::echo;
use crate::desk::Desk;
use crate::foreign::{Place, Tools, everywhere};

const CALL: [&str; 4] = ["--function", "join", "--input", r#"{"left":"a","right":"b"}"#];

/// Pushes the component as oras does, with the config of wasm artifacts or with oras's own; gives
/// the reference by digest.
fn oras_push(desk: &Desk, tools: &Tools, reference: &str, with_config: bool) -> String {
    desk.write("echo.wasm", echo());
    let config = json!({
        "created": "2026-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
        "layerDigests": [longshore_reference::Digest::of(&echo())],
        "component": { "exports": ["fixtures:echo/echo@0.1.0"], "imports": [] },
    });
    desk.write("config.json", config.to_string());
    let mut arguments = vec!["push", "--plain-http", reference];
    match with_config {
        true => arguments.extend(["--config", "config.json:application/vnd.wasm.config.v0+json"]),
        false => arguments.extend(["--artifact-type", "application/vnd.wasm.component"]),
    }
    arguments.push("echo.wasm:application/wasm");
    tools.oras(desk, &arguments);
    let digest = tools.crane(desk, &["digest", reference]);
    let repository = reference.rsplit_once(':').unwrap().0;
    format!("{repository}@{}", digest.trim())
}

/// A trust policy with cosign's key for one folder of repositories.
fn trust(desk: &Desk, place: &Place, more: Value) {
    let mut requirement =
        json!({ "type": "sigstore", "name": "team", "key": {"path": "team.pub"} });
    for (name, value) in more.as_object().unwrap() {
        requirement[name] = value.clone();
    }
    let policy = json!({
        "version": 1,
        "default": [{ "type": "reject" }],
        "scopes": { place.reference("team"): [requirement] },
    });
    desk.write("trust.json", policy.to_string());
}

fn run(desk: &Desk, reference: &str) -> Value {
    let arguments = [&["run", reference, "--trust", "trust.json"], &CALL[..]].concat();
    desk.document(&arguments)
}

#[test]
fn what_oras_pushed_and_cosign_signed_runs_under_a_policy_with_cosigns_key() {
    everywhere(|desk, place, tools| {
        tools.cosign_key(desk, "team");
        trust(desk, place, json!({}));
        for (name, with_config) in [("echo", true), ("plain", false)] {
            let reference = place.reference(&format!("team/{name}:1.0.0"));
            let at = oras_push(desk, tools, &reference, with_config);
            let bound = ["version=1.0.0", &format!("repository=team/{name}")];
            tools.cosign_sign(desk, "team.key", &at, &bound);
            let ran = run(desk, &reference);
            assert_eq!(ran["outcome"]["ok"], "ab", "{ran:#}");
            let shown = desk.document(&["receipt", "show", ran["run"].as_str().unwrap()]);
            let signers = &shown["predicate"]["component"]["signers"];
            assert_eq!(signers[0]["name"], "team", "{shown:#}");
        }
        desk.every_run_is_closed();
    });
}

#[test]
fn cosigns_signature_counts_only_for_the_repository_and_version_it_states() {
    everywhere(|desk, place, tools| {
        tools.cosign_key(desk, "team");
        trust(desk, place, json!({}));
        let unbound = place.reference("team/unbound:1.0.0");
        let at = oras_push(desk, tools, &unbound, true);
        tools.cosign_sign(desk, "team.key", &at, &[]);
        let verify = ["verify", &unbound, "--trust", "trust.json"];
        let refused = desk.refuses(3, "LS-TRU-004", &verify);
        assert!(refused.message().contains("(none)"), "{}", refused.message());
        trust(desk, place, json!({ "requireAnnotations": {} }));
        assert_eq!(run(desk, &unbound)["outcome"]["ok"], "ab");

        trust(desk, place, json!({}));
        let older = place.reference("team/older:1.0.0");
        let at = oras_push(desk, tools, &older, true);
        tools.cosign_sign(desk, "team.key", &at, &["version=0.9.0", "repository=team/older"]);
        let refused = desk.refuses(3, "LS-TRU-005", &["verify", &older, "--trust", "trust.json"]);
        assert!(refused.message().contains("`0.9.0`"), "{}", refused.message());
    });
}

#[test]
fn a_legacy_signature_counts_where_the_policy_says_so() {
    everywhere(|desk, place, tools| {
        tools.cosign_key(desk, "team");
        let reference = place.reference("team/echo:1.0.0");
        let at = oras_push(desk, tools, &reference, true);
        tools.cosign_sign_legacy(desk, "team.key", &at, &["version=1.0.0"]);
        trust(desk, place, json!({}));
        desk.refuses(3, "LS-TRU-001", &["verify", &reference, "--trust", "trust.json"]);
        trust(desk, place, json!({ "legacy": true }));
        desk.does(&["verify", &reference, "--trust", "trust.json"]);
        assert_eq!(run(desk, &reference)["outcome"]["ok"], "ab");

        tools.cosign_key(desk, "other");
        std::fs::copy(desk.at("other.pub"), desk.at("team.pub")).unwrap();
        let refused = desk.run(&["verify", &reference, "--trust", "trust.json"]);
        assert_eq!(refused.status, Some(3), "{refused}");
    });
}

#[test]
fn an_attestation_is_no_signature() {
    everywhere(|desk, place, tools| {
        tools.cosign_key(desk, "team");
        trust(desk, place, json!({ "requireAnnotations": {} }));
        let reference = place.reference("team/echo:1.0.0");
        let at = oras_push(desk, tools, &reference, true);
        desk.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
        let said = tools.cosign(desk, &["signing-config", "create", "--out", "sc.json"]);
        assert_eq!(said.status, Some(0), "{said}");
        let said = tools.cosign(
            desk,
            &[
                "attest",
                "--key",
                "team.key",
                "--signing-config",
                "sc.json",
                "--yes",
                "--type",
                "spdxjson",
                "--predicate",
                "sbom.json",
                &at,
            ],
        );
        assert_eq!(said.status, Some(0), "{said}");
        desk.refuses(3, "LS-TRU-006", &["verify", &reference, "--trust", "trust.json"]);
    });
}

#[test]
fn an_image_that_is_no_component_is_refused() {
    everywhere(|desk, place, tools| {
        desk.write("file", "not wasm");
        let tar = std::process::Command::new("tar")
            .args(["-cf", "layer.tar", "file"])
            .current_dir(desk.at(""))
            .status();
        assert!(tar.unwrap().success());
        let image = place.reference("team/image:1.0.0");
        let base = ["append", "--oci-empty-base", "-f", "layer.tar", "-t", &image];
        tools.crane(desk, &base);
        let pull = ["pull", &image, "--insecure-unverified", "-o", "image.wasm"];
        let refused = desk.refuses(5, "LS-REG-023", &pull);
        assert!(refused.message().contains("application/wasm"), "{}", refused.message());
        assert!(!desk.at("image.wasm").exists());

        let two = place.reference("team/two:1.0.0");
        let layers = ["file:application/wasm", "layer.tar:application/wasm"];
        tools.oras(desk, &[&["push", "--plain-http", &two], &layers[..]].concat());
        desk.refuses(5, "LS-REG-022", &["pull", &two, "--insecure-unverified"]);
    });
}
