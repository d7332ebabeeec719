//! HTTP from inside a guest: granted hosts and no others, redirects included, intent before effect, private addresses only
//! when the operator named them.

use longshore::model::{CapabilityKind, Effect, Event, FaultKind, LimitName};
use longshore_test_support::hostile::{self, Artifact, Lie};
use longshore_test_support::http::{Seen, StaticSite};

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::capabilities::info;
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

pub(crate) fn site() -> StaticSite {
    StaticSite::of([("/page", "hello"), ("/other", "there")])
}

pub(crate) fn get(url: &str) -> String {
    serde_json::json!([url]).to_string()
}

pub(crate) fn denied(ran: &Ran) -> Vec<longshore::model::Denied> {
    let denied = |event: &Event| match event {
        Event::Denied(denied) => Some(denied.clone()),
        _ => None,
    };
    ran.events().filter_map(denied).collect()
}

/// The flag that a denial's hint suggests, to the letter.
pub(crate) fn flag_of(denied: &longshore::model::Denied) -> String {
    let text = denied.hint.split('`').nth(1).unwrap();
    text.strip_prefix("--allow ").unwrap_or_else(|| panic!("{denied:?}")).trim_matches('\'').into()
}

#[tokio::test]
async fn a_granted_host_is_reached_and_the_effect_is_journaled_around_the_request() {
    let (stage, site) = (Stage::new(), site());
    let policy = allow(&[&format!("http=http://{}", site.address())]);
    let url = site.url("/page?token=secret#part");
    let ran = stage.run(&ask(&info(&stage), "http-get", get(&url)).allow(policy)).await;
    assert_eq!(ran.value(), serde_json::json!([200, "hello"]));
    assert_eq!(site.requests().len(), 1);
    assert_eq!(
        ran.names(),
        [
            "run-started",
            "call-started",
            "effect-started",
            "effect-ended",
            "call-ended",
            "run-ended"
        ]
    );
    let effect = ran.events().find_map(|event| match event {
        Event::EffectStarted(started) => Some(started.what.clone()),
        _ => None,
    });
    let Some(Effect::Http { method, url }) = effect else { panic!("{effect:?}") };
    assert_eq!((method.as_str(), url), ("GET", site.url("/page")), "without its query");
    let usage = ran.report.usage;
    assert_eq!((usage.http_requests, usage.http_received_bytes), (1, 5));
    assert_eq!(ran.statement.predicate.counts.effects, 1);
    // Nothing of the host is sent along.
    let headers = &site.requests()[0].headers;
    for name in ["cookie", "authorization", "proxy-authorization"] {
        assert!(!headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)), "{headers:?}");
    }
}

#[tokio::test]
async fn an_ungranted_host_is_denied_and_the_hint_to_the_letter_allows_it() {
    let (stage, site) = (Stage::new(), site());
    let target = info(&stage);
    let request = ask(&target, "http-get", get(&site.url("/page")));
    let ran = stage.run(&request).await;
    assert_eq!(ran.failure()["code"], "http-denied");
    assert!(site.requests().is_empty(), "nothing was sent");
    let denied = denied(&ran);
    assert_eq!(denied.len(), 1);
    assert_eq!((denied[0].capability, denied[0].call), (CapabilityKind::Http, Some(0)));
    assert!(denied[0].asked.contains(&site.address().to_string()), "{denied:?}");
    let flag = flag_of(&denied[0]);
    let ran = stage.run(&request.allow(allow(&[&flag]))).await;
    assert_eq!(ran.value(), serde_json::json!([200, "hello"]));
}

#[tokio::test]
async fn another_port_scheme_or_spelling_of_a_granted_host_is_another_host() {
    let (stage, site, other) = (Stage::new(), site(), site());
    let target = info(&stage);
    let policy = allow(&[&format!("http=http://{}", site.address())]);
    let port = site.address().port();
    for url in [
        other.url("/page"),
        format!("https://{}/page", site.address()),
        format!("http://localhost:{port}/page"),
        format!("http://127.1:{port}/page"),
        format!("http://2130706433:{port}/page"),
        format!("http://0x7f000001:{port}/page"),
        format!("http://[::ffff:127.0.0.1]:{port}/page"),
        format!("http://127.0.0.1.:{port}/page"),
    ] {
        let ran = stage.run(&ask(&target, "http-get", get(&url)).allow(policy.clone())).await;
        assert!(ran.failure()["code"].is_string(), "{url}");
    }
    assert!(site.requests().is_empty() && other.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_is_a_new_request_and_needs_its_own_grant() {
    let (stage, site) = (Stage::new(), site());
    let lie = (hostile::Target::Everything, Lie::Redirect(site.url("/page")));
    let hop = hostile::Registry::start(Artifact::wasm(b""), [lie]);
    let target = info(&stage);
    let url = format!("http://{}/start", hop.address());
    let first = allow(&[&format!("http=http://{}", hop.address())]);
    let request = ask(&target, "http-get", get(&url)).allow(first.clone());
    let ran = stage.run(&request).await;
    assert_eq!(ran.failure()["code"], "http-denied", "{:?}", ran.report.outcome);
    assert_eq!(hop.requests().len(), 1);
    assert!(site.requests().is_empty(), "the redirect was followed");
    assert_eq!(denied(&ran).len(), 1);
    let second = allow(&[&format!("http=http://{}", site.address())]);
    let ran = stage.run(&request.allow(both(first, second))).await;
    assert_eq!(ran.value(), serde_json::json!([200, "hello"]));
    assert_eq!(ran.report.usage.http_requests, 2);
}

#[tokio::test]
async fn a_wildcard_never_reaches_a_private_address() {
    let (stage, site) = (Stage::new(), site());
    let target = info(&stage);
    let policy = allow(&["http=http://*"]);
    let port = site.address().port();
    for url in [
        site.url("/page"),
        format!("http://localhost:{port}/page"),
        format!("http://[::1]:{port}/page"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ] {
        let ran = stage.run(&ask(&target, "http-get", get(&url)).allow(policy.clone())).await;
        assert!(ran.failure()["code"].is_string(), "{url}");
    }
    assert!(site.requests().is_empty(), "loopback was reached by a wildcard");
}

#[tokio::test]
async fn requests_and_answers_are_bounded() {
    let stage = Stage::new();
    let site = StaticSite::of([("/large", "x".repeat(100_000)), ("/small", "x".to_owned())]);
    let target = info(&stage);
    let host = allow(&[&format!("http=http://{}", site.address())]);
    let tight = both(host.clone(), ceiling(LimitName::HttpResponseBytes, 1000));
    let request = ask(&target, "http-get", get(&site.url("/large"))).allow(tight.clone());
    stage.run(&request).await.hit(FaultKind::Budget, LimitName::HttpResponseBytes);
    let fine = ask(&target, "http-get", get(&site.url("/small"))).allow(tight);
    assert!(stage.run(&fine).await.report.outcome.is_ok());

    let none = both(host, ceiling(LimitName::HttpRequests, 0));
    let request = ask(&target, "http-get", get(&site.url("/small"))).allow(none);
    stage.run(&request).await.hit(FaultKind::Budget, LimitName::HttpRequests);
}

#[tokio::test]
async fn a_server_that_never_answers_ends_the_call_at_its_deadline() {
    let stage = Stage::new();
    let lie = (hostile::Target::Everything, Lie::Silence);
    let silent = hostile::Registry::start(Artifact::wasm(b""), [lie]);
    let target = info(&stage);
    let policy = both(
        allow(&[&format!("http=http://{}", silent.address())]),
        ceiling(LimitName::DeadlineMs, 400),
    );
    let url = format!("http://{}/", silent.address());
    let ran = stage.run(&ask(&target, "http-get", get(&url)).allow(policy)).await;
    ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
    // The intent was journaled before; that it never ended is what the journal says.
    assert!(ran.names().contains(&"effect-started") && !ran.names().contains(&"effect-ended"));
}

#[tokio::test]
async fn a_server_that_is_down_or_breaks_off_is_the_operations_failure_not_a_fault() {
    let stage = Stage::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lie = (hostile::Target::Everything, Lie::BreakOff);
    let broken = hostile::Registry::start(Artifact::wasm(b""), [lie]);
    let target = info(&stage);
    for address in [free, broken.address()] {
        let policy = allow(&[&format!("http=http://{address}")]);
        let url = format!("http://{address}/v2/");
        let ran = stage.run(&ask(&target, "http-get", get(&url)).allow(policy)).await;
        assert!(ran.failure()["code"].as_str().unwrap().starts_with("http"), "{address}");
        assert!(ran.names().contains(&"effect-ended"));
    }
}

#[tokio::test]
async fn requests_that_change_something_carry_the_key_of_their_step_where_the_author_asks() {
    let (stage, site) = (Stage::new(), site());
    let address = site.address();
    let asks = format!(
        "[capabilities.clock]\nreason = \"std\"\noptional = true\n\
         [capabilities.random]\nreason = \"std\"\noptional = true\n\
         [[capabilities.http]]\nscope = \"http://{address}/page\"\nreason = \"orders\"\n\
         idempotency-key = true\n\
         [[capabilities.http]]\nscope = \"http://{address}/other\"\nreason = \"reads\"\n"
    );
    let target =
        stage.file("keyed.wasm", with_manifest(&guest("egress"), &format!("{ACTION}{asks}")));
    let policy = allow(&[&format!("http=http://{address}")]);
    let keys = async |function: &str, input: serde_json::Value| {
        let before = site.requests().len();
        let request = ask(&target, function, input.to_string()).allow(policy.clone());
        let ran = stage.run(&request).await;
        assert!(ran.report.outcome.is_ok(), "{:?}", ran.report.outcome);
        let header = |seen: &Seen| {
            let named =
                |(name, _): &&(String, String)| name.eq_ignore_ascii_case("idempotency-key");
            let found: Vec<_> = seen.headers.iter().filter(named).map(|(_, v)| v.clone()).collect();
            assert!(found.len() <= 1, "{found:?}");
            found.into_iter().next()
        };
        let keys: Vec<_> = site.requests()[before..].iter().map(header).collect();
        (ran.report.run.to_string(), keys)
    };
    let [page, other] = ["/page", "/other"].map(|path| site.url(path));
    let (run, sent) =
        keys("post-each", serde_json::json!([[page, format!("{page}?n=2"), page, other, page]]))
            .await;
    let key = |text: &str| Some(format!("{run}/0{text}"));
    // The second to one URL is another request; the fourth is not of the scope.
    assert_eq!(sent, [key(""), key(""), key("/2"), None, key("/3")]);
    let (again, sent) = keys("post-each", serde_json::json!([[page]])).await;
    assert_eq!(sent, [Some(format!("{again}/0"))]);
    assert_ne!(again, run, "each run has its own");
    let (_, sent) = keys("send", serde_json::json!(["GET", page, [], ""])).await;
    assert_eq!(sent, [None], "a request that changes nothing needs none");
    let own = serde_json::json!(["POST", page, [["Idempotency-Key", "mine"]], "x"]);
    let (_, sent) = keys("send", own).await;
    assert_eq!(sent, [Some("mine".to_owned())]);
}
