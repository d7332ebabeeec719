//! A registry with users: docker's config and its credential helpers.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_reference::Access;
use longshore_registry_server::{Config, User};
use longshore_test_support::servers;
use serde_json::{Value, json};

use crate::artifacts::answer;
use crate::desk::Desk;

const SECRET: &str = "correct-horse-battery";

fn registry(storage: &tempfile::TempDir) -> servers::EmbeddedRegistry {
    let mut config = Config::new(storage.path().join("registry"));
    let user =
        |name: &str, access| User { name: name.to_owned(), password: SECRET.to_owned(), access };
    config.users = vec![user("ada", Access::ReadWrite), user("guest", Access::ReadOnly)];
    servers::embedded_registry_with(config)
}

fn docker_config(desk: &Desk, config: &Value) {
    let folder = desk.path().join(".docker");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

fn login(desk: &Desk, host: &str, user: &str, password: &str) {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    docker_config(desk, &json!({ "auths": { host: { "auth": auth } } }));
}

#[test]
fn a_private_registry_is_used_with_the_credentials_that_docker_has() {
    let storage = tempfile::tempdir().unwrap();
    let (desk, registry) = (Desk::new(), registry(&storage));
    let host = registry.address().to_string();
    desk.write("answer.wasm", answer());
    desk.key("publisher");
    let reference = format!("{host}/team/answer:1.0.0");
    let publish = ["publish", "answer.wasm", &reference, "--key", "publisher.key"];
    let run = ["run", &reference, "--key", "publisher.pub"];

    let refused = desk.refuses(5, "LS-REG-007", &publish);
    assert!(refused.hint().contains(&format!("docker login {host}")), "{}", refused.hint());
    login(&desk, &host, "ada", "wrong-password");
    let refused = desk.refuses(5, "LS-REG-007", &publish);
    for text in [&refused.text, &refused.json.to_string()] {
        assert!(!text.contains("wrong-password"), "{text}");
    }
    login(&desk, &host, "guest", SECRET);
    desk.refuses(5, "LS-REG-008", &publish);
    login(&desk, &host, "ada", SECRET);
    let said = desk.run(&[&["-vvv"], &publish[..]].concat());
    assert_eq!(said.status, Some(0), "{said}");
    let auth = STANDARD.encode(format!("ada:{SECRET}"));
    assert!(!said.stderr.contains(SECRET) && !said.stderr.contains(&auth), "{said}");

    login(&desk, &host, "guest", SECRET);
    assert_eq!(desk.does(&run), "42\n");
    // Another registry's credentials are not shown to this one.
    login(&desk, "registry.example.com", "ada", SECRET);
    desk.refuses(5, "LS-REG-007", &run);
    desk.write("broken/config.json", "{\"auths\": {");
    let mut command = desk.longshore(&run);
    command.env("DOCKER_CONFIG", desk.at("broken"));
    let said = crate::desk::Said::of(command.output().unwrap());
    assert_eq!(said.status, Some(5), "{said}");
    assert!(said.stderr.contains("error[LS-REG-032]: "), "{said}");
}

#[test]
fn a_credential_helper_is_asked_for_the_registry_and_its_secret_stays_inside() {
    let storage = tempfile::tempdir().unwrap();
    let (mut desk, registry) = (Desk::new(), registry(&storage));
    let host = registry.address().to_string();
    desk.write("answer.wasm", answer());
    let helper = format!(
        "#!/bin/sh\nread server\necho \"$1 $server\" >> {}\n\
         printf '{{\"ServerURL\":\"%s\",\"Username\":\"ada\",\"Secret\":\"{SECRET}\"}}' \"$server\"\n",
        desk.path().join("asked").display()
    );
    desk.write("bin/docker-credential-vault", helper);
    let program = desk.at("bin/docker-credential-vault");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    docker_config(&desk, &json!({ "credHelpers": { &host: "vault" } }));
    let push = ["push", "answer.wasm", &format!("{host}/team/answer:1.0.0")];
    desk.refuses(5, "LS-REG-032", &push);

    #[expect(
        clippy::disallowed_methods,
        reason = "the helper is found on PATH, as docker finds it"
    )]
    let path = std::env::var("PATH").unwrap();
    desk.set("PATH", &format!("{}:{path}", desk.at("bin").display()));
    let said = desk.run(&[&["-vvv"], &push[..]].concat());
    assert_eq!(said.status, Some(0), "{said}");
    assert!(!said.stderr.contains(SECRET), "{said}");
    let asked = std::fs::read_to_string(desk.path().join("asked")).unwrap();
    assert!(asked.lines().all(|line| line == format!("get {host}")), "{asked}");
}
