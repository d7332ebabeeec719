//! The attacks.

use longshore_hostile::Http;
use wasip2::http::types::{Method, Scheme};

use crate::wire::Ask;

/// What each of several tries came to: the first success, or all the refusals.
fn tries<N: Into<String>>(
    tried: impl IntoIterator<Item = (N, Result<String, String>)>,
) -> Result<String, String> {
    let mut refused = Vec::new();
    for (name, tried) in tried {
        match tried {
            Ok(loot) => return Ok(format!("{}: {loot}", name.into())),
            Err(word) => refused.push(format!("{}: {word}", name.into())),
        }
    }
    // Which of them said what is told only where they differ.
    let words: Vec<&str> =
        refused.iter().map(|told| told.rsplit(": ").next().unwrap_or(told)).collect();
    match words.split_first() {
        Some((first, rest)) if rest.iter().all(|word| word == first) => Err((*first).to_owned()),
        _ => Err(refused.join(", ")),
    }
}

/// The port of the server at each of these hosts.
fn at(port: u16, hosts: &[&str]) -> Result<String, String> {
    tries(hosts.iter().map(|host| (*host, Ask::get(format!("{host}:{port}"), "/secret").steal())))
}

/// Each of these hosts on the scheme's own port.
fn plain(hosts: &[&str]) -> Result<String, String> {
    tries(hosts.iter().map(|host| (*host, Ask::get(*host, "/secret").steal())))
}

pub(crate) fn carry_out(attack: Http, port: u16) -> Result<String, String> {
    let here = format!("127.0.0.1:{port}");
    match attack {
        Http::Loopback => at(port, &["127.0.0.1", "127.8.8.8", "[::1]"]),
        Http::Number => at(port, &["2130706433", "017700000001", "0x7f000001", "0X7F000001"]),
        Http::Short => at(
            port,
            &[
                "127.1",
                "127.0.1",
                "0177.0.0.1",
                "0x7f.0.0.1",
                "127.0.0.01",
                "127.0.0.0x1",
                "0127.0.0.1",
            ],
        ),
        Http::Mapped => at(
            port,
            &[
                "[::ffff:127.0.0.1]",
                "[::ffff:7f00:1]",
                "[::127.0.0.1]",
                "[64:ff9b::7f00:1]",
                "[64:ff9b:1::7f00:1]",
                "[2002:7f00:1::]",
                "[2001:0:7f00:1::]",
                "[0:0:0:0:0:ffff:7f00:0001]",
            ],
        ),
        Http::Unspecified => at(port, &["0.0.0.0", "0", "[::]", "0.0.0.0."]),
        Http::Localhost => at(port, &["localhost", "LOCALHOST", "a.localhost"]),
        Http::NameToLoopback => at(port, &["loopback.test", "mixed.test", "metadata.test"]),
        Http::Rebound => at(port, &["rebound.test"; 8]),
        Http::Metadata => plain(&[
            "169.254.169.254",
            "[fd00:ec2::254]",
            "[fe80::a9fe:a9fe]",
            "100.100.100.200",
            "metadata.google.internal",
        ]),
        Http::Private => plain(&[
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "169.254.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[100::1]",
        ]),
        Http::TrailingDot => {
            at(port, &["127.0.0.1.", "localhost.", "127.0.0.1..", "127..0.0.1", "."])
        }
        Http::UserInfo => at(
            port,
            &[
                "example.com@127.0.0.1",
                "example.com:80@127.0.0.1",
                "127.0.0.1@example.com",
                "@127.0.0.1",
            ],
        ),
        Http::Percent => {
            at(port, &["%31%32%37.0.0.1", "127%2e0.0.1", "localhos%74", "127.0.0.1%00"])
        }
        Http::UnicodeHost => at(
            port,
            &[
                "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
                "\u{2460}\u{2461}\u{2466}.0.0.1",
                "127\u{3002}0.0.1",
                "ex\u{430}mple.com",
            ],
        ),
        Http::Zone => at(port, &["[fe80::1%25lo]", "[fe80::1%lo]", "[::1%25lo]"]),
        Http::OddPort => plain(&[
            "127.0.0.1:0",
            "127.0.0.1:65616",
            "127.0.0.1:",
            "127.0.0.1:+80",
            "127.0.0.1:-1",
        ]),
        Http::OtherPort => plain(&[&format!("127.0.0.1:{}", port ^ 1), "127.0.0.1"]),
        Http::OtherScheme => {
            let with = |scheme: Scheme| {
                let mut ask = Ask::get(&here, "/secret");
                ask.scheme = scheme;
                ask.steal()
            };
            tries([
                ("https", with(Scheme::Https)),
                ("ftp", with(Scheme::Other("ftp".to_owned()))),
                ("file", with(Scheme::Other("file".to_owned()))),
                ("ws", with(Scheme::Other("ws".to_owned()))),
            ])
        }
        Http::OtherHost => plain(&[
            "example.com",
            "x.y.granted.example",
            "granted.example",
            "xgranted.example",
            "granted.example.com",
        ]),
        Http::AuthorityInPath => tries([
            ("url", Ask::get(&here, "http://127.0.0.1/secret").steal()),
            ("at", Ask::get(&here, "@example.com/secret").steal()),
            ("asterisk", Ask::get(&here, "*").steal()),
        ]),
        _ => trick(attack, here),
    }
}

/// What a guest makes of its own request.
fn trick(attack: Http, here: String) -> Result<String, String> {
    match attack {
        Http::Redirect => follow(here, "/redirect-away"),
        Http::RedirectChain => follow(here, "/redirect"),
        Http::NewlineInPath => tries([
            ("crlf", Ask::get(&here, "/ HTTP/1.1\r\nhost: x\r\n\r\nGET /smuggled").steal()),
            ("lf", Ask::get(&here, "/\nGET /smuggled").steal()),
            ("space", Ask::get(&here, "/a HTTP/1.1").steal()),
            ("nul", Ask::get(&here, "/a\0b").steal()),
        ]),
        Http::NewlineInHeader => tries([
            ("value", Ask::get(&here, "/").header("x-a", "b\r\nx-injected: c").steal()),
            ("lf", Ask::get(&here, "/").header("x-a", "b\nx-injected: c").steal()),
            ("nul", Ask::get(&here, "/").header("x-a", "b\0c").steal()),
            ("name", Ask::get(&here, "/").header("x-a: b\r\nx-injected", "c").steal()),
            ("space", Ask::get(&here, "/").header("x-a ", "c").steal()),
            ("no name", Ask::get(&here, "/").header("", "c").steal()),
        ]),
        Http::NewlineInMethod => {
            let with = |method: &str| {
                let mut ask = Ask::get(&here, "/");
                ask.method = Method::Other(method.to_owned());
                ask.steal()
            };
            tries([
                ("request", with("GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\nGET")),
                ("space", with("GET /smuggled")),
                ("nothing", with("")),
            ])
        }
        Http::NewlineInHost => tries(
            ["\r\nx-injected: a", "\nx", " x", "/x", "?x", "#x", "\\x", "\tx"]
                .map(|end| (format!("{end:?}"), Ask::get(format!("{here}{end}"), "/").steal())),
        ),
        Http::HostHeader => tries([
            ("host", Ask::get(&here, "/").header("host", "example.com").steal()),
            ("case", Ask::get(&here, "/").header("HoSt", "example.com").steal()),
        ]),
        Http::HopHeaders => tries(
            [
                "connection",
                "keep-alive",
                "proxy-authenticate",
                "proxy-authorization",
                "proxy-connection",
                "transfer-encoding",
                "upgrade",
                "http2-settings",
            ]
            .map(|name| (name, Ask::get(&here, "/").header(name, "chunked").steal())),
        ),
        Http::LengthLie => {
            let mut ask = Ask::get(&here, "/echo").header("content-length", "5");
            ask.method = Method::Post;
            ask.body = b"helloGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n".to_vec();
            ask.steal()
        }
        Http::LengthShort => {
            let mut ask = Ask::get(&here, "/echo").header("content-length", "500");
            ask.method = Method::Post;
            ask.body = b"hello".to_vec();
            ask.steal()
        }
        Http::Connect => {
            let with = |method: Method| {
                let mut ask = Ask::get(&here, "/");
                ask.method = method;
                ask.steal()
            };
            tries([("connect", with(Method::Connect)), ("trace", with(Method::Trace))])
        }
        Http::RequestFlood => loop {
            Ask::get(&here, "/small").exchange()?;
        },
        Http::UploadFlood => {
            let mut ask = Ask::get(&here, "/echo");
            ask.method = Method::Post;
            ask.body = vec![b'x'; 64 << 20];
            ask.steal()
        }
        Http::NeverRead => {
            let answer = Ask::get(&here, "/endless-body").send()?;
            let forever = std::time::Duration::from_secs(1_000_000);
            std::thread::sleep(forever);
            Ok(answer.status.to_string())
        }
        Http::Bomb => {
            let (status, bytes) = Ask::get(&here, "/bomb").exchange()?;
            Err(format!("{status} {} bytes as they were sent", bytes.len()))
        }
        Http::SecretInUrl => {
            let with = |host: &str, path: &str| {
                Ask::get(host, path).header("authorization", "Bearer hunter2").steal()
            };
            let told = [
                with(&here, "/small?token=hunter2"),
                with("127.0.0.1:1", "/small?token=hunter2"),
                with(&format!("user:hunter2@{here}"), "/small"),
                with("denied.example", "/small?token=hunter2"),
            ];
            Err(told.map(|told| told.unwrap_or_else(|word| word)).join(", "))
        }
        Http::BothLengths | Http::Switch => {
            let path = format!("/{}", attack.name().replace('_', "-"));
            match Ask::get(&here, &path).exchange()? {
                (status, bytes) if bytes.is_empty() => Err(format!("{status} and nothing")),
                (status, bytes) => Ok(format!("{status} {}", String::from_utf8_lossy(&bytes))),
            }
        }
        _ => Ask::get(&here, &format!("/{}", attack.name().replace('_', "-"))).steal(),
    }
}

/// Follows redirects as a client library would, without end.
fn follow(here: String, path: &str) -> Result<String, String> {
    let mut ask = Ask::get(here, path);
    let mut hops = 0;
    loop {
        let answer = ask.send().map_err(|word| format!("{word} after {hops} hops"))?;
        let Some(to) = answer.headers.get("location").pop() else {
            return Ok(format!("{} after {hops} hops", answer.status));
        };
        let to = String::from_utf8_lossy(&to).into_owned();
        let (host, path) =
            to.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no URL")?;
        ask = Ask::get(host, &format!("/{path}"));
        hops += 1;
    }
}
