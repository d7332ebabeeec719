//! Secrets that guests need not see: put in at the one place that the operator named, refused anywhere else, and in nothing
//! that this host writes.

use std::sync::Arc;

use longshore::model::{CapabilityKind, Effect, Event};
use longshore::policy::Policy;
use longshore::{Class, Target};
use longshore_test_support::http::{Seen, StaticSite};
use longshore_test_support::workspace;
use longshore_vault::HostVault;
use serde_json::json;

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::stage::{Ran, Stage, allow, ask, both, walk};

/// A value that stands out in whatever is searched for it.
const VALUE: &str = "hunter2-0123456789abcdef";

const ASKS: &str = r#"
[[capabilities.secret]]
name = "api"
reason = "to sign in"
[[capabilities.http]]
scope = "http://*"
reason = "to call the API"
[[capabilities.reveal]]
name = "api"
reason = "to show it"
optional = true
[[capabilities.secret]]
name = "other"
reason = "to sign in elsewhere"
optional = true
"#;

fn stage() -> Stage {
    let environment = |name: &str| (name == "API_KEY").then(|| VALUE.to_owned());
    Stage::with(|builder| builder.vault(Arc::new(HostVault::new(environment))))
}

fn secretive(stage: &Stage) -> Target {
    stage.file("secretive.wasm", with_manifest(&guest("secretive"), &format!("{ACTION}{ASKS}")))
}

fn site() -> StaticSite {
    StaticSite::of([("/page", "hello")])
}

/// What allows `site` and binds the secret to it, with a header of its own if one is given.
fn bound(site: &StaticSite, source: &str, header: &str) -> Policy {
    let url = format!("http://{}", site.address());
    let mut policy = allow(&[&format!("http={url}"), "secret=api"]);
    policy.secret_flag(&format!("api={source}@{url}{header}")).unwrap();
    policy
}

fn toml(text: &str) -> Policy {
    Policy::from_toml(&format!("version = 1\n{text}"), "policy.toml").unwrap()
}

fn header<'s>(seen: &'s Seen, name: &str) -> Option<&'s str> {
    let found = seen.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Nothing that the host wrote has the value in it.
fn is_nowhere(stage: &Stage, ran: &Ran) {
    assert!(!format!("{ran:?}").contains(VALUE));
    assert!(!String::from_utf8_lossy(&ran.report.receipt).contains(VALUE));
    let mut searched = 0;
    for path in walk(stage.home()) {
        let bytes = std::fs::read(&path).unwrap();
        searched += bytes.len();
        let found = bytes.windows(VALUE.len()).any(|window| window == VALUE.as_bytes());
        assert!(!found, "`{}` has the value", path.display());
    }
    assert!(searched > 4096, "the journal is among the files");
}

fn denials(ran: &Ran) -> Vec<longshore::model::Denied> {
    let denied = |event: &Event| match event {
        Event::Denied(denied) => Some(denied.clone()),
        _ => None,
    };
    ran.events().filter_map(denied).collect()
}

#[tokio::test]
async fn the_value_arrives_in_its_header_and_the_guest_and_the_host_s_files_never_have_it() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    for (written, arrives) in
        [("{}", format!("Bearer {VALUE}")), ("Bearer {}", format!("Bearer {VALUE}"))]
    {
        let input = json!(["api", site.url("/page"), "Authorization", written, ""]);
        let request = ask(&target, "send", input.to_string());
        let ran = stage.run(&request.allow(bound(&site, "env:API_KEY", ""))).await;
        assert_eq!(ran.value(), json!([200, "hello", ""]));
        let requests = site.requests();
        let seen = requests.last().unwrap();
        assert_eq!(header(seen, "authorization"), Some(arrives.as_str()));
        let fetched = ran.events().any(|event| {
            matches!(event, Event::EffectStarted(e) if e.what == Effect::Secret { name: "api".into() })
        });
        assert!(fetched, "who fetched which secret is in the journal");
        is_nowhere(&stage, &ran);
    }
}

#[tokio::test]
async fn a_header_and_a_format_of_the_operator_s_own_and_basic_authentication() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let url = format!("http://{}", site.address());
    let rules = format!("[[allow]]\nsecret = [\"api\"]\nhttp = [\"{url}\"]\n");
    let keyed = format!(
        "{rules}[secrets.api]\nsource = \"env:API_KEY\"\nhosts = [\"{url}\"]\n\
         header = \"X-Api-Key\"\nformat = \"key={{}};v=1\""
    );
    let input = json!(["api", site.url("/page"), "x-api-key", "{}", ""]).to_string();
    let ran = stage.run(&ask(&target, "send", input).allow(toml(&keyed))).await;
    assert_eq!(ran.value()[0], 200);
    let arrived = format!("key={VALUE};v=1");
    assert_eq!(header(&site.requests()[0], "x-api-key"), Some(arrived.as_str()));

    let basic = format!(
        "{rules}[secrets.api]\nsource = \"env:API_KEY\"\nhosts = [\"{url}\"]\nuser = \"ada\""
    );
    let input = json!(["api", site.url("/page"), "authorization", "Basic {}", ""]).to_string();
    let ran = stage.run(&ask(&target, "send", input).allow(toml(&basic))).await;
    assert_eq!(ran.value()[0], 200);
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("ada:{VALUE}"));
    let arrived = format!("Basic {pair}");
    assert_eq!(header(&site.requests()[1], "authorization"), Some(arrived.as_str()));
    is_nowhere(&stage, &ran);
}

#[tokio::test]
async fn anywhere_else_the_request_is_refused_and_nothing_of_it_is_sent() {
    let (stage, site, other) = (stage(), site(), site());
    let target = secretive(&stage);
    let elsewhere = format!("http={}", other.url(""));
    let policy = both(bound(&site, "env:API_KEY", ""), allow(&[&elsewhere]));
    let page = site.url("/page");
    for (what, url, header, value) in [
        ("another host", other.url("/page"), "authorization", "{}"),
        ("another header", page.clone(), "x-api-key", "{}"),
        ("the path", format!("{page}/{{}}"), "authorization", "none"),
        ("the query", format!("{page}?key={{}}"), "authorization", "none"),
        ("more than the format", page.clone(), "authorization", "Bearer {}, Bearer {}"),
        ("another scheme of authentication", page.clone(), "authorization", "Basic {}"),
        ("a header's name", page.clone(), "x-{}", "none"),
    ] {
        let input = json!(["api", url, header, value, ""]).to_string();
        let ran = stage.run(&ask(&target, "send", input).allow(policy.clone())).await;
        assert_eq!(ran.failure()["code"], "http-denied", "{what}");
        let denials = denials(&ran);
        assert_eq!(denials.len(), 1, "{what}: {denials:?}");
        assert_eq!(denials[0].capability, CapabilityKind::Secret, "{what}");
        assert!(!denials[0].hint.is_empty() && !denials[0].rule.is_empty(), "{what}");
        is_nowhere(&stage, &ran);
    }
    assert!(site.requests().is_empty() && other.requests().is_empty(), "something was sent");
}

#[tokio::test]
async fn a_placeholder_in_a_body_is_found_across_chunks_and_ends_the_request() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let policy = bound(&site, "env:API_KEY", "");
    for padding in [0, 4000, 4090, 4096, 70_000, 1_000_000] {
        let body = format!("{}{{}}", "x".repeat(padding));
        let input = json!(["api", site.url("/page"), "", "", body]).to_string();
        let ran = stage.run(&ask(&target, "send", input).allow(policy.clone())).await;
        assert!(ran.failure()["code"].as_str().unwrap().starts_with("http"), "{padding}");
        let denials = denials(&ran);
        assert_eq!(denials.len(), 1, "{padding}: {denials:?}");
        assert_eq!(denials[0].asked, "secret=api in the body", "{padding}");
    }
    let whole = |seen: &Seen| String::from_utf8_lossy(&seen.body).contains("longshore-secret-");
    assert!(!site.requests().iter().any(whole), "a placeholder was sent");
}

#[tokio::test]
async fn the_change_in_the_hint_of_a_denial_to_the_letter_allows_it() {
    let (stage, site, other) = (stage(), site(), site());
    let target = secretive(&stage);
    let policy =
        both(bound(&site, "env:API_KEY", ""), allow(&[&format!("http={}", other.url(""))]));
    let input = json!(["api", other.url("/page"), "authorization", "{}", ""]).to_string();
    let request = ask(&target, "send", input);
    let ran = stage.run(&request.clone().allow(policy)).await;
    let hint = denials(&ran)[0].hint.clone();
    let (table, hosts) = hint.split_once("] ").unwrap();
    let rules = format!("[[allow]]\nsecret = [\"api\"]\nhttp = [\"{}\"]\n", other.url(""));
    let policy = toml(&format!("{rules}{table}]\nsource = \"env:API_KEY\"\n{hosts}"));
    assert_eq!(stage.run(&request.allow(policy)).await.value()[0], 200);
}

#[tokio::test]
async fn a_placeholder_of_another_call_is_worth_nothing() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let policy = bound(&site, "env:API_KEY", "");
    let request = ask(&target, "placeholder", json!(["api"]).to_string()).allow(policy.clone());
    let first = stage.run(&request).await.value();
    assert_ne!(first, stage.run(&request).await.value(), "each call has its own");
    let old = first.as_str().unwrap();
    let input = json!(["api", site.url("/page"), old]).to_string();
    let ran = stage.run(&ask(&target, "send-text", input).allow(policy)).await;
    assert_eq!(ran.failure()["code"], "http-denied");
    assert_eq!(denials(&ran).len(), 1);
    assert!(site.requests().is_empty());
}

#[tokio::test]
async fn seeing_the_value_is_another_louder_capability() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let policy = bound(&site, "env:API_KEY", "");
    let request = ask(&target, "reveal", json!(["api"]).to_string());
    let ran = stage.run(&request.clone().allow(policy.clone())).await;
    assert_eq!(ran.failure()["code"], "secret-denied");
    let denied = denials(&ran);
    assert_eq!(denied[0].capability, CapabilityKind::Reveal);
    assert!(denied[0].hint.contains("--allow reveal=api"), "{denied:?}");
    let ran = stage.run(&request.allow(both(policy, allow(&["reveal=api"])))).await;
    assert_eq!(ran.value(), VALUE.len());
    let told = |event: &Event| matches!(event, Event::EffectStarted(e) if e.what == Effect::Reveal { name: "api".into() });
    assert!(ran.events().any(told), "each revelation is journaled");
    is_nowhere(&stage, &ran);
}

#[tokio::test]
async fn what_is_not_granted_or_not_kept_is_refused_with_what_would_change_that() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let request = ask(&target, "placeholder", json!(["other"]).to_string());
    let ran = stage.run(&request.allow(bound(&site, "env:API_KEY", ""))).await;
    assert_eq!(ran.failure()["code"], "secret-denied");
    assert!(denials(&ran)[0].hint.contains("secret=other"));
    // Allowed, but the operator never said where it is kept: told before anything runs.
    let request = ask(&target, "placeholder", json!(["api"]).to_string());
    let policy = allow(&["secret=api", &format!("http={}", site.url(""))]);
    let (error, _) = stage.refused(&request.clone().allow(policy)).await;
    assert_eq!((error.code(), error.class()), ("LS-POL-010", Class::Grant));
    assert!(error.to_string().contains("[secrets.api]"), "{error}");
    // And a name that is none.
    let request = ask(&target, "placeholder", json!(["../etc\nx"]).to_string());
    let ran = stage.run(&request.allow(bound(&site, "env:API_KEY", ""))).await;
    assert_eq!(ran.failure()["code"], "secret-denied");
}

#[tokio::test]
async fn a_source_that_fails_or_blocks_is_a_retryable_failure_within_the_deadline() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let open = stage.files().join("open.key");
    std::fs::write(&open, VALUE).unwrap();
    let open = format!("file:{}", open.display());
    for (source, code) in [
        ("env:NOT_SET", "LS-SEC-001"),
        ("file:/no/such/file", "LS-SEC-002"),
        (open.as_str(), "LS-SEC-003"),
        ("command:/no/such/program", "LS-SEC-004"),
        ("command:false", "LS-SEC-005"),
        ("command:true", "LS-SEC-007"),
        ("command:sleep 60", "gave nothing within"),
        ("keyring:longshore-test/nobody", "LS-SEC-012"),
    ] {
        let mut policy = bound(&site, source, "");
        policy.ceiling(longshore::model::LimitName::DeadlineMs, 2000);
        let started = std::time::Instant::now();
        let request = ask(&target, "placeholder", json!(["api"]).to_string()).allow(policy);
        let ran = stage.run(&request).await;
        let failure = ran.failure();
        assert_eq!(
            (&failure["class"], &failure["code"]),
            (&json!("retryable"), &json!("secret-unavailable"))
        );
        assert!(failure["message"].as_str().unwrap().contains(code), "{source}: {failure}");
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{source}");
        is_nowhere(&stage, &ran);
    }
}

#[tokio::test]
async fn files_and_commands_give_the_value_without_its_newline_and_only_once_in_a_run() {
    let (stage, site) = (stage(), site());
    let target = secretive(&stage);
    let kept = stage.files().join("private.key");
    std::fs::write(&kept, format!("{VALUE}\n")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).unwrap();
    let arrives = format!("Bearer {VALUE}");
    for source in [format!("file:{}", kept.display()), format!("command:cat {}", kept.display())] {
        let input = json!(["api", site.url("/page"), "authorization", "{}", ""]).to_string();
        let request = ask(&target, "send", input).allow(bound(&site, &source, ""));
        assert_eq!(stage.run(&request).await.value()[0], 200, "{source}");
        let requests = site.requests();
        assert_eq!(header(requests.last().unwrap(), "authorization"), Some(arrives.as_str()));
    }
    // The same from a file of age, whose identity is another private file.
    for name in ["one.age", "identity.txt"] {
        let from = workspace().join("host/vault/tests/age").join(name);
        std::fs::copy(from, stage.files().join(name)).unwrap();
    }
    let identity = stage.files().join("identity.txt");
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o600)).unwrap();
    let input = json!(["api", site.url("/page"), "authorization", "{}", ""]).to_string();
    let sealed = toml(&format!(
        "[[allow]]\nsecret = [\"api\"]\nhttp = [\"{url}\"]\n[secrets.api]\nhosts = [\"{url}\"]\n\
         source = \"age:{}\"\nidentity = \"{}\"\n",
        stage.files().join("one.age").display(),
        identity.display(),
        url = site.url(""),
    ));
    assert_eq!(stage.run(&ask(&target, "send", input).allow(sealed)).await.value()[0], 200);
    let requests = site.requests();
    assert_eq!(header(requests.last().unwrap(), "authorization"), Some("Bearer hunter2"));
    let source = format!("command:cat {}", kept.display());
    let request = ask(&target, "twice", json!(["api"]).to_string());
    let ran = stage.run(&request.allow(bound(&site, &source, ""))).await;
    assert_eq!(ran.value(), true);
    let fetched = ran.names().iter().filter(|name| **name == "effect-started").count();
    assert_eq!(fetched, 1, "fetched once");
}
