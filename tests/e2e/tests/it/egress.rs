//! HTTP against servers that mean harm, and names that lead elsewhere: each is refused or bounded, and none takes the call down
//! but where its own budget is used up.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore::engine::{Answer, Resolve, Resolver};
use longshore::model::{CapabilityKind, Event, FaultKind, LimitName};
use longshore::policy::{Mode, Policy};
use longshore::{Request, Target};
use serde_json::json;

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::http::{denied, flag_of, get, site};
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

/// A server that says what it likes.
struct Liar {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Liar {
    /// Reads requests from each connection and lets `answer` write, with the number of the request on it, until that fails.
    fn start(
        at: Ipv4Addr,
        port: u16,
        answer: impl Fn(&mut TcpStream, usize) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((at, port)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&connections), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    for number in 0.. {
                        if !request(&mut stream) || answer(&mut stream, number).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, connections }
    }

    fn here(
        answer: impl Fn(&mut TcpStream, usize) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Ipv4Addr::LOCALHOST, 0, answer)
    }

    /// Says the same to every request.
    fn saying(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        Self::here(move |stream, _| stream.write_all(&text))
    }

    fn url(&self) -> String {
        format!("http://{}/page", self.address)
    }

    fn allowed(&self) -> Policy {
        allow(&[&format!("http=http://{}", self.address)])
    }
}

/// Reads the head of a request that has no body; false at the end of the connection.
fn request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

const WELL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A manifest that asks for all that the guest can use, and can do without any of it.
pub(crate) const ANYWHERE: &str = r#"
[capabilities.clock]
reason = "the standard library"
optional = true
[capabilities.random]
reason = "the standard library"
optional = true
[[capabilities.http]]
scope = "http://*"
reason = "to fetch"
optional = true
[[capabilities.tcp]]
scope = "*:*"
reason = "to connect"
optional = true
[[capabilities.udp]]
scope = "*:*"
reason = "to send"
optional = true
[[capabilities.dns]]
scope = "*"
reason = "to look up"
optional = true
[[capabilities.listen]]
scope = "*:*"
reason = "to accept"
optional = true
"#;

pub(crate) fn egress(stage: &Stage) -> Target {
    let bytes = with_manifest(&guest("egress"), &format!("{ACTION}{ANYWHERE}"));
    stage.file("egress.wasm", bytes)
}

/// The failure of getting the liar's page, and how long that took. The call itself was not stopped.
async fn fails(liar: &Liar, policy: Policy) -> (Ran, Duration) {
    let stage = Stage::new();
    let started = Instant::now();
    let input = json!(["GET", liar.url(), [], ""]).to_string();
    let request = ask(&egress(&stage), "send", input).allow(both(liar.allowed(), policy));
    let ran = stage.run(&request).await;
    let took = started.elapsed();
    assert!(ran.failure()["code"].as_str().unwrap().starts_with("http"), "{:?}", ran.report);
    (ran, took)
}

fn many(stage: &Stage, url: &str, times: u32) -> Request {
    ask(&egress(stage), "many", json!([url, times]).to_string())
}

#[tokio::test]
async fn one_connection_serves_all_requests_of_a_call_and_no_other_call() {
    let (stage, liar) = (Stage::new(), Liar::saying(WELL));
    let request = many(&stage, &liar.url(), 20).allow(liar.allowed());
    assert_eq!(stage.run(&request).await.value(), json!([20, null]));
    assert_eq!(liar.connections.load(Ordering::SeqCst), 1);
    let ran = stage.run(&request).await;
    assert_eq!(liar.connections.load(Ordering::SeqCst), 2, "it crossed from one run to another");
    // Headers count too: twenty requests are more than their empty bodies.
    let usage = ran.report.usage;
    assert!(usage.egress_sent_bytes > 20 * 20 && usage.http_sent_bytes == 0, "{usage:?}");
    assert!(usage.egress_received_bytes == 20 * WELL.len() as u64, "{usage:?}");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced_and_one_that_lied_is_not_used_again() {
    let stage = Stage::new();
    let closes = Liar::here(|stream, _| {
        stream.write_all(WELL.as_bytes())?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let ran = stage.run(&many(&stage, &closes.url(), 5).allow(closes.allowed())).await;
    assert_eq!(ran.value(), json!([5, null]));
    assert_eq!(closes.connections.load(Ordering::SeqCst), 5);
    // A second answer behind the first, for a request that was not made, is never read as one.
    let queues = Liar::saying(format!("{WELL}HTTP/1.1 500 Poison\r\ncontent-length: 0\r\n\r\n"));
    let ran = stage.run(&many(&stage, &queues.url(), 5).allow(queues.allowed())).await;
    assert_eq!(ran.value(), json!([5, null]));
    assert_eq!(queues.connections.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn requests_above_the_rate_wait_for_their_turn() {
    let (stage, liar) = (Stage::new(), Liar::saying(WELL));
    let policy = both(liar.allowed(), ceiling(LimitName::HttpRate, 5));
    let started = Instant::now();
    let ran = stage.run(&many(&stage, &liar.url(), 15).allow(policy)).await;
    assert_eq!(ran.value(), json!([15, null]));
    // Five at once, ten more at five a second.
    assert!(started.elapsed() >= Duration::from_millis(1900), "{:?}", started.elapsed());
    let none = both(liar.allowed(), ceiling(LimitName::HttpRate, 0));
    let ran = stage.run(&many(&stage, &liar.url(), 1).allow(none)).await;
    ran.hit(FaultKind::Budget, LimitName::HttpRate);
}

#[tokio::test]
async fn what_a_call_sends_and_receives_in_all_is_bounded() {
    let stage = Stage::new();
    let body = "x".repeat(4000);
    let liar = Liar::saying(format!("HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{body}"));
    let tight = |name, value| both(liar.allowed(), ceiling(name, value));
    let received = tight(LimitName::EgressReceivedBytes, 10_000);
    let ran = stage.run(&many(&stage, &liar.url(), 2).allow(received.clone())).await;
    assert_eq!(ran.value(), json!([2, null]));
    let ran = stage.run(&many(&stage, &liar.url(), 3).allow(received)).await;
    ran.hit(FaultKind::Budget, LimitName::EgressReceivedBytes);
    let sent = tight(LimitName::EgressSentBytes, 40);
    let ran = stage.run(&many(&stage, &liar.url(), 1).allow(sent)).await;
    ran.hit(FaultKind::Budget, LimitName::EgressSentBytes);
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_at_the_end_of_the_request() {
    let dripping = |head: &'static str| {
        Liar::here(move |stream, _| {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(10));
            }
        })
    };
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-slow: ",
        "HTTP/1.",
    ] {
        let (_, took) = fails(&dripping(head), ceiling(LimitName::HttpRequestMs, 400)).await;
        assert!(took < Duration::from_secs(10), "{head:?} took {took:?}");
    }
}

#[tokio::test]
async fn headers_without_end_are_given_up() {
    let endless = Liar::here(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(b"x-more: and-more\r\n")?;
        }
    });
    let (ran, _) = fails(&endless, Policy::default()).await;
    let limits = longshore::model::Limits::default();
    assert!(ran.report.usage.egress_received_bytes < 4 * limits.http_header_bytes);
    let fields = "x: y\r\n".repeat(50);
    let some = Liar::saying(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"));
    fails(&some, ceiling(LimitName::HttpHeaders, 40)).await;
    fails(&some, ceiling(LimitName::HttpHeaderBytes, 200)).await;
}

#[tokio::test]
async fn interim_answers_without_end_are_bounded() {
    let flood = || {
        Liar::here(|stream, _| {
            loop {
                stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")?;
            }
        })
    };
    fails(&flood(), ceiling(LimitName::HttpRequestMs, 400)).await;
    let (stage, liar) = (Stage::new(), flood());
    let policy = both(liar.allowed(), ceiling(LimitName::EgressReceivedBytes, 100_000));
    let ran = stage.run(&many(&stage, &liar.url(), 1).allow(policy)).await;
    ran.hit(FaultKind::Budget, LimitName::EgressReceivedBytes);
}

#[tokio::test]
async fn answers_that_lie_about_themselves_are_failures() {
    for lie in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        fails(&Liar::saying(lie), Policy::default()).await;
    }
    // More was promised than came.
    let short = Liar::here(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    fails(&short, Policy::default()).await;
}

#[tokio::test]
async fn chunks_without_end_stop_the_call_at_the_size_of_an_answer() {
    let (stage, bomb) = (
        Stage::new(),
        Liar::here(|stream, _| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"5\r\nhello\r\n")?;
            }
        }),
    );
    let policy = both(bomb.allowed(), ceiling(LimitName::HttpResponseBytes, 100_000));
    let ran = stage.run(&many(&stage, &bomb.url(), 1).allow(policy)).await;
    ran.hit(FaultKind::Budget, LimitName::HttpResponseBytes);
}

#[tokio::test]
async fn a_compressed_answer_is_the_guests_to_open() {
    let stage = Stage::new();
    // The beginning of a gzip stream; what follows would be a bomb.
    let body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not really";
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n".to_vec();
    answer.extend_from_slice(body);
    let liar = Liar::saying(answer);
    let input = json!(["GET", liar.url(), [], ""]).to_string();
    let ran = stage.run(&ask(&egress(&stage), "send", input).allow(liar.allowed())).await;
    assert_eq!(ran.value()["body"], "H4sIAAAAAAAAA25vdCByZWFsbHk=");
}

#[tokio::test]
async fn a_guest_cannot_write_the_frame_of_its_request() {
    let (stage, site) = (Stage::new(), site());
    let policy = allow(&[&format!("http=http://{}", site.address())]);
    let send = |method: &str, name: &str, value: &str| {
        let input = json!([method, site.url("/page"), [[name, value]], ""]).to_string();
        ask(&egress(&stage), "send", input).allow(policy.clone())
    };
    for (name, value) in [
        ("host", "other.example"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("proxy-anything", "x"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("content-length", "5, 6"),
        ("x-split", "a\r\nx-other: b"),
        ("x-split", "a\n"),
        ("x bad", "a"),
    ] {
        let ran = stage.run(&send("GET", name, value)).await;
        assert!(!ran.report.outcome.is_ok(), "{name}: {value:?}");
    }
    for method in ["CONNECT", "TRACE"] {
        let ran = stage.run(&send(method, "x-own", "1")).await;
        assert!(!ran.report.outcome.is_ok(), "{method}");
    }
    assert!(site.requests().is_empty(), "{:?}", site.requests());
    let ran = stage.run(&send("GET", "x-own", "1")).await;
    assert!(ran.report.outcome.is_ok());
    let headers = site.requests().remove(0).headers;
    let hosts: Vec<_> = headers.into_iter().filter(|(name, _)| name == "host").collect();
    assert_eq!(hosts, [("host".to_owned(), site.address().to_string())]);
}

#[tokio::test]
async fn another_method_or_path_is_denied_and_the_hint_to_the_letter_allows_it() {
    let (stage, site) = (Stage::new(), site());
    let target = egress(&stage);
    let narrow = format!("http=GET http://{}/page", site.address());
    let send = |method: &str, path: &str| {
        let input = json!([method, site.url(path), [], ""]).to_string();
        ask(&target, "send", input)
    };
    let policy = allow(&[&narrow]);
    assert_eq!(stage.run(&send("GET", "/page").allow(policy.clone())).await.value()["status"], 200);
    for (method, path) in [("POST", "/page"), ("GET", "/other"), ("GET", "/pages")] {
        let ran = stage.run(&send(method, path).allow(policy.clone())).await;
        let denial = denied(&ran).remove(0);
        assert_eq!(denial.asked, format!("http={method} {}", site.url(path)));
        assert!(denial.rule.contains(&format!("grants only `{narrow}`")), "{denial:?}");
        let more = both(policy.clone(), allow(&[&flag_of(&denial)]));
        assert!(stage.run(&send(method, path).allow(more)).await.report.outcome.is_ok());
    }
}

/// Answers in turn, the last one for ever, and counts how often it was asked.
#[derive(Clone)]
struct InTurn(Arc<(Vec<Vec<IpAddr>>, AtomicUsize)>);

impl InTurn {
    fn of(answers: &[&[&str]]) -> Self {
        let parsed = |answer: &&[&str]| answer.iter().map(|a| a.parse().unwrap()).collect();
        Self(Arc::new((answers.iter().map(parsed).collect(), AtomicUsize::new(0))))
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    fn stage(&self) -> Stage {
        let resolver = Resolver::new(self.clone());
        Stage::with(move |builder| builder.resolver(resolver))
    }
}

impl Resolve for InTurn {
    fn resolve(&self, _: String) -> Answer {
        let (answers, asked) = &*self.0;
        let turn = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[turn].clone();
        Box::pin(async move { Ok(answer) })
    }
}

pub(crate) fn names(answers: &[&[&str]]) -> (Stage, impl Fn() -> usize) {
    let names = InTurn::of(answers);
    (names.stage(), move || names.asked())
}

#[tokio::test]
async fn a_name_that_is_bound_anew_leads_nowhere_else() {
    let first = Liar::saying(WELL);
    let port = first.address.port();
    let second = Liar::start(Ipv4Addr::new(127, 0, 0, 2), port, |stream, _| {
        stream.write_all(b"HTTP/1.1 500 Rebound\r\ncontent-length: 0\r\n\r\n")
    });
    let (stage, asked) = names(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let policy = allow(&[&format!("http=http://rebind.example:{port}"), "private=rebind.example"]);
    let url = format!("http://rebind.example:{port}/page");
    let ran = stage.run(&many(&stage, &url, 3).allow(policy)).await;
    assert_eq!(ran.value(), json!([3, null]));
    // Asked once: what was vetted is what was connected to, and stays so while the connection does.
    assert_eq!((asked(), second.connections.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_name_leads_to_a_private_address_only_where_the_operator_says_so() {
    let liar = Liar::saying(WELL);
    let port = liar.address.port();
    let url = format!("http://inside.example:{port}/page");
    let allowed = format!("http=http://inside.example:{port}");
    for answer in
        [&["127.0.0.1"][..], &["1.1.1.1", "127.0.0.1"], &["::ffff:127.0.0.1"], &["64:ff9b::7f00:1"]]
    {
        let (stage, _) = names(&[answer]);
        let ran = stage.run(&many(&stage, &url, 1).allow(allow(&[&allowed]))).await;
        assert_eq!(ran.value()[0], 0, "{answer:?}");
        let denial = denied(&ran).remove(0);
        assert_eq!(denial.capability, CapabilityKind::Http);
        assert!(denial.rule.contains("not on the public internet"), "{denial:?}");
        assert_eq!(flag_of(&denial), "private=inside.example");
    }
    assert_eq!(liar.connections.load(Ordering::SeqCst), 0);
    let (stage, _) = names(&[&["127.0.0.1"]]);
    let policy = allow(&[&allowed, "private=inside.example"]);
    let ran = stage.run(&many(&stage, &url, 1).allow(policy.clone())).await;
    assert_eq!(ran.value(), json!([1, null]));
    // Metadata, and addresses in disguise, stay out of reach.
    for answer in ["169.254.169.254", "fd00:ec2::254", "::ffff:127.0.0.1", "0.0.0.0", "fe80::1"] {
        let (stage, _) = names(&[&[answer]]);
        let ran = stage.run(&many(&stage, &url, 1).allow(policy.clone())).await;
        assert_eq!((ran.value()[0].clone(), denied(&ran).len()), (json!(0), 1), "{answer}");
    }
}

#[tokio::test]
async fn a_chain_of_redirects_ends_before_a_private_address() {
    let stage = Stage::new();
    let last = Liar::saying(
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n\r\n",
    );
    let hop =
        format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", last.url());
    let first = Liar::saying(hop);
    // Whatever public host is allowed, and the two by name.
    let policy = both(both(first.allowed(), last.allowed()), allow(&["http=http://*"]));
    let ran = stage
        .run(
            &ask(&egress(&stage), "send", json!(["GET", first.url(), [], ""]).to_string())
                .allow(policy),
        )
        .await;
    assert!(ran.failure()["code"].is_string());
    let denial = denied(&ran).remove(0);
    assert_eq!(denial.asked, "http=GET http://169.254.169.254/latest/meta-data");
    assert_eq!(last.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_the_manifest_forgot_is_counted_where_the_operator_says_so() {
    const STANDARD: &str = "[capabilities.clock]\nreason = \"x\"\noptional = true\n\
                            [capabilities.random]\nreason = \"x\"\noptional = true\n";
    let (stage, site) = (Stage::new(), site());
    let asks = format!(
        "{ACTION}{STANDARD}[[capabilities.http]]\nscope = \"http://{}/page\"\nreason = \"x\"\n",
        site.address()
    );
    let target = stage.file("egress.wasm", with_manifest(&guest("egress"), &asks));
    let mut policy = allow(&[&format!("http=http://{}", site.address())]);
    let request = |path: &str| ask(&target, "many", json!([site.url(path), 2]).to_string());
    let strict = stage.run(&request("/other").allow(policy.clone())).await;
    assert_eq!(strict.value(), json!([0, "http-denied"]));
    let denial = denied(&strict).remove(0);
    assert!(denial.hint.contains("longshore.toml"), "only its author can: {denial:?}");
    policy.set_mode(Mode::Count);
    let forgotten = |ran: &Ran| {
        let of = |event: &Event| match event {
            Event::Forgotten(forgotten) => Some(forgotten.clone()),
            _ => None,
        };
        ran.events().filter_map(of).collect::<Vec<_>>()
    };
    let counted = stage.run(&request("/other").allow(policy.clone())).await;
    assert_eq!(counted.value(), json!([2, null]));
    let told = forgotten(&counted);
    assert_eq!(told.len(), 1, "once for each scope: {told:?}");
    assert_eq!(told[0].used.to_string(), format!("http=GET {}", site.url("/other")));
    assert!(told[0].manifest.contains("[[capabilities.http]]"), "{told:?}");
    assert!(forgotten(&stage.run(&request("/page").allow(policy.clone())).await).is_empty());
    // What the operator does not allow does not pass in either mode.
    let elsewhere = ask(&target, "many", get("http://127.0.0.1:9/").replace(']', ",1]"));
    assert_eq!(stage.run(&elsewhere.allow(policy)).await.value(), json!([0, "http-denied"]));
}
