//! Reaching hosts that were not granted, and servers that trick.

use longshore::model::{CapabilityKind, FaultKind, LimitName};
use longshore::policy::Policy;
use longshore_hostile::Http;

use crate::ground::{Ground, attack, denials, refused};
use crate::server::{SECRET, Server};
use crate::stage::{Ran, allow, both, ceiling};

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Http) {
    let server = Server::start();
    let port = server.port();
    let input = format!("[\"{}\", {port}]", what.name());
    let policy = both(granted(what, port), allow(&["clock", "random"]));
    let ran = ground.run(&attack(&ground.guest("http"), &input, policy)).await;
    if reaches_out(what) {
        assert_eq!(server.seen(), Vec::<String>::new(), "it got through");
    }
    judge(&ran, &server, what);
    if what != Http::SecretInUrl {
        let told = format!("{:?}", ran.report.outcome);
        assert!(!told.contains(SECRET), "{told}");
    }
}

/// Whether the attack is to reach a host that it was not granted: then no server may be sent a byte.
fn reaches_out(what: Http) -> bool {
    use Http as H;
    matches!(
        what,
        H::Loopback
            | H::Number
            | H::Short
            | H::Mapped
            | H::Unspecified
            | H::Localhost
            | H::NameToLoopback
            | H::Rebound
            | H::Metadata
            | H::Private
            | H::TrailingDot
            | H::UserInfo
            | H::Percent
            | H::UnicodeHost
            | H::Zone
            | H::OddPort
            | H::OtherPort
            | H::OtherScheme
            | H::OtherHost
    )
}

/// What the operator allows: any host where the attack is to reach one that is private, and the server itself where the server
/// is the attacker.
fn granted(what: Http, port: u16) -> Policy {
    let here = format!("http=http://127.0.0.1:{port}");
    let deadline = |ms| ceiling(LimitName::DeadlineMs, ms);
    match what {
        Http::OtherPort | Http::OtherScheme | Http::OddPort => allow(&[&here]),
        Http::OtherHost => allow(&["http=http://*.granted.example"]),
        _ if reaches_out(what) => allow(&["http=http://*", "http=https://*"]),
        Http::SlowHead | Http::SlowBody | Http::Silent | Http::NeverRead | Http::Informational => {
            both(allow(&[&here]), deadline(500))
        }
        Http::EndlessBody => both(allow(&[&here]), ceiling(LimitName::HttpResponseBytes, 4 << 20)),
        _ => allow(&[&here]),
    }
}

/// How the call must have ended.
fn judge(ran: &Ran, server: &Server, what: Http) {
    use Http as H;
    match what {
        H::SlowHead | H::SlowBody | H::Silent | H::NeverRead | H::Informational => {
            ran.hit(FaultKind::Deadline, LimitName::DeadlineMs);
        }
        H::EndlessBody => ran.hit(FaultKind::Budget, LimitName::HttpResponseBytes),
        H::RedirectChain | H::RequestFlood => ran.hit(FaultKind::Budget, LimitName::HttpRequests),
        H::UploadFlood => ran.hit(FaultKind::Budget, LimitName::HttpRequestBytes),
        other => refused(ran, expected(other)),
    }
    let denied = denials(ran);
    assert!(denied.iter().all(|denied| denied.capability == CapabilityKind::Http));
    let seen = server.seen().concat();
    assert!(!seen.contains("/smuggled") && !seen.contains("x-injected"), "{seen}");
    if what == H::SecretInUrl {
        no_trace(ran, "hunter2");
    }
}

/// The guest's answer, where the attack failed: the word of WASI for it.
fn expected(what: Http) -> &'static str {
    use Http as H;
    match what {
        // Granted by a wildcard, and refused for where the address leads.
        H::Loopback | H::NameToLoopback | H::Rebound | H::Mapped | H::Private => {
            "DestinationIpProhibited"
        }
        H::Localhost => {
            "localhost: DestinationIpProhibited, LOCALHOST: DestinationIpProhibited, \
             a.localhost: DnsError"
        }
        H::Metadata => {
            "169.254.169.254: DestinationIpProhibited, [fd00:ec2::254]: DestinationIpProhibited, \
             [fe80::a9fe:a9fe]: DestinationIpProhibited, 100.100.100.200: DestinationIpProhibited, \
             metadata.google.internal: DnsError"
        }
        H::Unspecified => {
            "0.0.0.0: DestinationIpProhibited, 0: HttpRequestDenied, [::]: DestinationIpProhibited, \
             0.0.0.0.: HttpRequestDenied"
        }
        // Never looked up: the spelling is refused, or the scope does not have it.
        H::Number
        | H::Short
        | H::TrailingDot
        | H::UserInfo
        | H::Zone
        | H::OddPort
        | H::OtherPort
        | H::OtherHost => "HttpRequestDenied",
        H::OtherScheme => {
            "https: HttpRequestDenied, ftp: HttpProtocolError, file: HttpProtocolError, \
             ws: HttpProtocolError"
        }
        H::Redirect => "HttpRequestDenied after 1 hops",
        // Never a request at all.
        H::Percent | H::UnicodeHost | H::NewlineInHost => "host refused",
        H::AuthorityInPath | H::NewlineInPath => "path refused",
        H::NewlineInMethod => "method refused",
        H::NewlineInHeader => "InvalidSyntax",
        H::HostHeader | H::HopHeaders => "Forbidden",
        H::LengthLie | H::LengthShort => "HttpRequestBodySize",
        H::Connect => "HttpRequestMethodInvalid",
        // Answers that are none.
        H::EndlessHead | H::LargeHeader => "HttpResponseHeaderSectionSize",
        H::OddLength | H::TwoLengths => "HttpProtocolError",
        H::BreakOff | H::OddChunk | H::Trailers => "stream failed",
        H::Bomb => "200 9750 bytes as they were sent",
        // What is hidden behind the answer stays hidden.
        H::BothLengths => "200 and nothing",
        H::Switch => "HttpUpgradeFailed",
        H::SecretInUrl => {
            "200 the-servers-secret, HttpRequestDenied, HttpRequestDenied, HttpRequestDenied"
        }
        H::RedirectChain
        | H::SlowHead
        | H::SlowBody
        | H::Silent
        | H::EndlessBody
        | H::Informational
        | H::NeverRead
        | H::RequestFlood
        | H::UploadFlood => unreachable!("stopped by a limit"),
    }
}

/// Nothing that outlives the run holds `secret`.
fn no_trace(ran: &Ran, secret: &str) {
    for kept in [
        format!("{:?}", ran.history),
        format!("{:?}", ran.statement),
        format!("{:?}", ran.report),
        String::from_utf8_lossy(&ran.report.receipt).into_owned(),
    ] {
        assert!(!kept.contains(secret), "{kept}");
    }
}
