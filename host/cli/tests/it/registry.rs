//! Keys, pushing, signing, verifying and pulling, against the embedded registry that the binary
//! serves.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use longshore_test_support::cli::Home;

use crate::{home_with, json, longshore, seen, stdout};

/// `longshore registry serve` on a free port; interrupted when dropped.
struct Served(Child, String);

impl Served {
    fn start(home: &Home) -> Self {
        let mut command = home.longshore();
        let command = command.args(["registry", "serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where").to_owned();
        Self(child, address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        crate::signals::interrupt(&self.0);
        let status = self.0.wait().unwrap();
        assert!(std::thread::panicking() || status.success(), "{status}");
    }
}

#[test]
fn a_component_is_published_verified_run_by_reference_and_pulled() {
    let home = home_with(&["echo"]);
    let registry = Served::start(&home);
    let reference = format!("{}/team/echo:0.1.0", registry.1);
    seen!("key-generate", &home, "key generate --out release");
    seen!("key-not-overwritten", &home, "key generate --out release");
    let pushed = stdout(&longshore(&home, &format!("push echo.wasm {reference}")));
    assert!(pushed.starts_with(&format!("{reference}@sha256:")), "{pushed}");
    seen!("verify-unsigned", &home, &format!("verify {reference} --key release.pub"));
    seen!("sign", &home, &format!("sign {reference} --key release.key"));
    seen!("verify", &home, &format!("verify {reference} --key release.pub"));
    seen!("verify-no-policy", &home, &format!("verify {reference}"));
    let ran =
        longshore(&home, &format!(r#"run {reference} --key release.pub -f join -i ["a","b"]"#));
    assert_eq!(stdout(&ran), r#""ab""#);
    let pulled = longshore(&home, &format!("pull {reference} --key release.pub -o pulled.wasm"));
    assert_eq!(stdout(&pulled), "pulled.wasm");
    let read = |name: &str| std::fs::read(home.work().join(name)).unwrap();
    assert_eq!(read("pulled.wasm"), read("echo.wasm"));
    let again = longshore(&home, &format!("pull {reference} --key release.pub -o pulled.wasm"));
    assert_eq!(again.status.code(), Some(2));
    let other = longshore(&home, &format!("pull {reference} -o unverified.wasm --json"));
    assert_eq!(
        (other.status.code(), &json(&other)["error"]["code"]),
        (Some(3), &"LS-TRU-009".into())
    );
    assert!(!home.work().join("unverified.wasm").exists());
}

#[test]
fn the_same_component_pushed_twice_has_the_same_digest() {
    let home = home_with(&["echo"]);
    let registry = Served::start(&home);
    let push = |tag: &str| {
        let words = format!("push echo.wasm {}/echo:{tag} --json", registry.1);
        json(&longshore(&home, &words))["manifest"].clone()
    };
    assert_eq!(push("1.0.0"), push("1.0.1"));
}

#[test]
fn a_key_with_a_password_is_opened_by_it_alone() {
    let home = home_with(&["echo"]);
    let registry = Served::start(&home);
    let with = |password: &str, words: &str| {
        let mut command = home.longshore();
        command.env("LONGSHORE_KEY_PASSWORD", password);
        crate::run(command.args(words.split(' ')), "")
    };
    assert!(with("right", "key generate --out locked").status.success());
    let publish = format!("publish echo.wasm {}/echo:0.1.0 --key locked.key", registry.1);
    let wrong = with("wrong", &publish);
    crate::snapshot!("key-password", &home, wrong);
    // Refused before anything was pushed.
    let verify = format!("verify {}/echo:0.1.0 --key locked.pub", registry.1);
    assert_eq!(longshore(&home, &verify).status.code(), Some(5));
    let published = with("right", &format!("{publish} --json"));
    assert_eq!(json(&published)["signature"]["annotations"]["repository"], "echo");
    assert!(longshore(&home, &verify).status.success());
    // And offline, from the cache.
    assert!(longshore(&home, &format!("{verify} --offline")).status.success());
}

#[test]
fn private_keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    assert!(longshore(&home, "key generate").status.success());
    let mode = |name: &str| home.work().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("longshore.key"), 0o600);
    assert_ne!(mode("longshore.pub") & 0o400, 0);
}

#[test]
fn a_registry_that_is_not_there_is_status_5() {
    let home = Home::new();
    seen!("registry-down", &home, "run 127.0.0.1:1/team/echo:0.1.0");
    seen!("registry-remote", &home, "registry serve --listen 0.0.0.0:0");
    seen!("registry-offline", &home, "run 127.0.0.1:1/team/echo:0.1.0 --offline");
}
