//! What leaves the machine, seen from outside: nothing of the environment goes along, and what a manifest forgot is told.

use longshore_test_support::http::StaticSite;

use crate::artifacts::{guest, with_manifest};
use crate::desk::Desk;

/// What the standard library imports, and can do without.
const STANDARD: &str = "[capabilities.clock]\nreason = \"x\"\noptional = true\n\
                        [capabilities.random]\nreason = \"x\"\noptional = true\n";

fn site() -> StaticSite {
    StaticSite::of([("/page", "hello")])
}

#[test]
fn proxies_and_credentials_of_the_environment_are_not_used() {
    let (mut desk, site, proxy) = (Desk::new(), site(), site());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        desk.set(name, &proxy.url(""));
    }
    desk.set("no_proxy", "");
    let netrc = desk.path().join(".netrc");
    std::fs::write(&netrc, "default login ada password enigma\n").unwrap();
    desk.set("NETRC", netrc.to_str().unwrap());
    desk.set("HTTP_COOKIE", "session=1");
    let asks = format!("{STANDARD}[[capabilities.http]]\nscope = \"http://*\"\nreason = \"x\"\n");
    desk.write("egress.wasm", with_manifest(&guest("egress"), &asks));
    let (input, allowed) =
        (format!("[\"{}\",1]", site.url("/page")), format!("http=http://{}", site.address()));
    let run = ["run", "egress.wasm", "-f", "many", "-i", &input, "--allow", &allowed];
    assert_eq!(desk.does(&run).trim(), "[1,null]");
    assert!(proxy.requests().is_empty(), "the proxy was asked: {:?}", proxy.requests());
    let headers = &site.requests()[0].headers;
    for name in ["authorization", "cookie", "proxy-authorization", "via", "forwarded"] {
        assert!(!headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)), "{headers:?}");
    }
}

#[test]
fn what_a_manifest_forgot_is_told_at_the_end_where_it_is_counted() {
    let (desk, site) = (Desk::new(), site());
    let asks = format!(
        "{STANDARD}[[capabilities.http]]\nscope = \"http://a.example\"\nreason = \"x\"\n\
         optional = true\n"
    );
    desk.write("egress.wasm", with_manifest(&guest("egress"), &asks));
    let (input, allowed) =
        (format!("[\"{}\",1]", site.url("/page")), format!("http=http://{}", site.address()));
    let run = ["run", "egress.wasm", "-f", "many", "-i", &input, "--allow", &allowed];
    assert_eq!(desk.does(&run).trim(), "[0,\"http-denied\"]");
    let counted = [&run[..], &["--mode", "count"]].concat();
    let said = desk.run(&counted);
    assert_eq!((said.status, said.stdout.trim()), (Some(0), "[1,null]"));
    let used = format!("http=GET {}", site.url("/page"));
    assert!(said.stderr.contains(&format!("the manifest does not ask for `{used}`")), "{said}");
    assert!(said.stderr.contains("[[capabilities.http]]"), "{said}");
    let document = desk.document(&counted);
    assert_eq!(document["forgotten"][0]["used"]["http"], used["http=".len()..]);
    desk.write(
        "policy.toml",
        format!(
            "version = 1\nmode = \"count\"\n[[allow]]\nhttp = [\"http://{}\"]\n",
            site.address()
        ),
    );
    let said =
        desk.run(&["run", "egress.wasm", "-f", "many", "-i", &input, "--policy", "policy.toml"]);
    assert!(said.stderr.contains("does not ask for"), "{said}");
    let wrong = [&run[..], &["--mode", "maybe"]].concat();
    assert_eq!(desk.run(&wrong).status, Some(2));
}
