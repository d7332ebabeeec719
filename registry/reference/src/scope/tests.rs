//! What scopes promise: one text each, and an intersection that is within both.

use super::*;

fn http(text: &str) -> HttpScope {
    text.parse().unwrap()
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

/// Pairs of these meet in every way that scopes can.
const SCOPES: &[&str] = &[
    "clock",
    "random",
    "env=TZ",
    "dir=/a:ro",
    "dir=/a:create",
    "dir=/a:rw",
    "dir=/b:rw",
    "scratch=/tmp",
    "http=https://*",
    "http=https://a.example",
    "http=https://*.a.example",
    "http=https://x.a.example:*",
    "http=GET https://x.a.example",
    "http=GET,POST https://x.a.example/v1",
    "http=POST https://x.a.example/v1/items",
    "http=PUT https://x.a.example/v2",
    "http=http://127.0.0.1:8080",
    "tcp=db.example:5432",
    "tcp=*.example:5432",
    "tcp=*:*",
    "udp=[::1]:53",
    "dns=*",
    "dns=*.example",
    "dns=a.example",
    "listen=127.0.0.1:0",
    "listen=127.0.0.1:*",
    "keyvalue=sessions:ro",
    "keyvalue=sessions:rw",
    "blobstore=pages:rw",
    "secret=api-key",
    "reveal=api-key",
    "exec=git",
    "exec=git log",
    "exec=git **",
    "exec=git log *",
    "exec=git log --oneline",
    "exec=git log --oneline **",
    "exec=git * --oneline",
];

#[test]
fn each_scope_has_one_text_in_print_and_in_json() {
    for text in SCOPES {
        let read = scope(text);
        assert_eq!(read.to_string(), *text);
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), read, "{json}");
    }
    let kinds: std::collections::BTreeSet<_> = SCOPES.iter().map(|s| scope(s).kind()).collect();
    assert_eq!(kinds.len(), CapabilityKind::ALL.len(), "each kind is tested");
}

#[test]
fn an_intersection_is_within_both_and_does_not_depend_on_the_order() {
    for a in SCOPES.iter().map(|s| scope(s)) {
        assert_eq!(a.intersect(&a).as_ref(), Some(&a));
        for b in SCOPES.iter().map(|s| scope(s)) {
            let both = a.intersect(&b);
            assert_eq!(both, b.intersect(&a), "{a} and {b}");
            if let Some(both) = both {
                assert!(both.is_within(&a) && both.is_within(&b), "{a} and {b} make {both}");
                assert_eq!(scope(&both.to_string()), both);
            }
        }
    }
}

#[test]
fn what_is_no_scope_is_refused() {
    for wrong in [
        "",
        "clock=1",
        "env",
        "env=1A",
        "dir",
        "dir=a",
        "dir=/a/../b",
        "scratch=",
        "http=",
        "tcp=a",
        "tcp=a:b",
        "tcp=a:99999",
        "tcp=:1",
        "dns=a..b",
        "dns=127.1",
        "dns=0x7f.1",
        "listen=1",
        "keyvalue=A",
        "keyvalue=a:create",
        "secret=a b",
        "exec=",
        "exec=/bin/sh",
        "exec=../x",
        "exec=git  log",
        "exec=git ** log",
        "exec=-x",
        "shell=1",
        "call=a",
    ] {
        assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
    }
}

#[test]
fn http_scopes_read_back_as_they_are_written() {
    for text in [
        "https://a.example",
        "http://127.0.0.1:8080",
        "https://*.a.example",
        "https://*",
        "http://*:80",
        "https://*:443",
        "https://a.example:*",
        "GET,HEAD https://a.example/v1/items",
    ] {
        assert_eq!(http(text).to_string(), text, "a narrow scope never reads back wider");
    }
    assert_eq!(http("A.example").to_string(), "https://a.example");
    assert_eq!(http("http://[::1]:80/").to_string(), "http://[::1]");
    assert_eq!(http("http://[0:0::0:1]").to_string(), "http://[::1]");
    assert_eq!(http("HEAD,GET a.example/v1/").to_string(), "GET,HEAD https://a.example/v1");
    for wrong in [
        "",
        "ftp://a",
        "a b",
        "*.*.a",
        "a..b",
        "https://u@a",
        "a:99999",
        "*a.b",
        "get a",
        "GET,,PUT a",
        "a/../b",
        "a/%2e%2e/b",
        "a//b",
        "a/b?c",
        "a/*",
        "127.1",
        "0177.0.0.1",
        "2130706433",
    ] {
        assert!(wrong.parse::<HttpScope>().is_err(), "{wrong}");
    }
}

#[test]
fn a_wildcard_is_exactly_one_label() {
    let wild = http("*.a.example");
    assert!(wild.covers("https", "x.a.example", 443));
    for host in ["a.example", "x.y.a.example", "xa.example", ".a.example"] {
        assert!(!wild.covers("https", host, 443), "{host}");
    }
    assert!(!wild.covers("http", "x.a.example", 443) && !wild.covers("https", "x.a.example", 80));
}

#[test]
fn a_path_covers_itself_and_what_lies_below_it_in_no_odd_spelling() {
    let scope = http("GET https://a.example/v1/items");
    for path in ["/v1/items", "/v1/items/", "/v1/items/7", "/v1/items/a%20b"] {
        assert!(scope.covers_request("GET", path), "{path}");
        assert!(!scope.covers_request("POST", path) && !scope.covers_request("get", path));
    }
    for path in [
        "/v1/item",
        "/v1/items2",
        "/v1",
        "/",
        "",
        "v1/items",
        "/v1/items/../users",
        "/v1/items/%2e%2e/users",
        "/v1/items/%2E./users",
        "/v1/items/..%2fusers",
        "/v1/items//x",
        "//v1/items",
        "/v1/items/..;/users",
        "/v1/items/..\\users",
        "/v1/items/%252e%252e/users",
        "/v1/items/./x",
        "/v1/items/%5c..",
    ] {
        assert!(!scope.covers_request("GET", path), "{path}");
    }
    assert!(http("https://a.example").covers_request("BREW", "/any/../thing"));
}

#[test]
fn the_scope_of_a_request_covers_it_and_reads_back() {
    let of = |method: &str, host: &str, path: &str| {
        HttpScope::of_request(method, ("https", host, 443), path)
    };
    for (path, text) in [
        ("/v1/items", "GET https://a.example/v1/items"),
        ("/v1/items/", "GET https://a.example/v1/items"),
        ("/", "GET https://a.example"),
        ("", "GET https://a.example"),
        ("/a/../b", "GET https://a.example"),
        ("/a|b", "GET https://a.example"),
    ] {
        let scope = of("GET", "a.example", path).unwrap();
        assert_eq!(scope.to_string(), text);
        assert_eq!(http(text), scope);
        assert!(scope.covers("https", "a.example", 443) && scope.covers_request("GET", path));
    }
    // What cannot be said narrowly is said widely.
    assert_eq!(of("brew", "[::1]", "/a").unwrap().to_string(), "https://[::1]/a");
    assert_eq!(of("GET", "*", "/a"), None);
    assert_eq!(HttpScope::of_request("GET", ("ftp", "a.example", 21), "/"), None);
}

#[test]
fn arguments_are_matched_one_by_one() {
    let covers = |pattern: &str, arguments: &[&str]| {
        let Scope::Exec(scope) = scope(&format!("exec={pattern}")) else { unreachable!() };
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        scope.covers("git", &arguments)
    };
    assert!(covers("git", &[]) && !covers("git", &["log"]));
    assert!(covers("git log *", &["log", "main"]));
    for wrong in [&["log"][..], &["log", "-x"], &["log", "a", "b"], &["gc", "a"]] {
        assert!(!covers("git log *", wrong), "{wrong:?}");
    }
    assert!(covers("git log **", &["log"]) && covers("git log **", &["log", "-x", "a"]));
    assert!(!covers("git log **", &[]) && !covers("hg **", &["log"]));
}
