//! Settings as an operator writes them: a file, the environment, and what wins.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::ffi::OsString;
use std::path::Path;

use longshore_config::{Backend, Environment, Error, Origin, Settings, Shelf};

fn resolve(home: &Path, variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let lookup = |name: &str| match name {
        "LONGSHORE_HOME" => Some(home.as_os_str().to_owned()),
        _ => variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)),
    };
    Settings::resolve(&Environment::new(&lookup))
}

fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    home
}

#[test]
fn without_file_and_environment_the_defaults_are_in_force() {
    let home = tempfile::tempdir().unwrap();
    let settings = resolve(home.path(), &[("HOME", "/users/someone")]).unwrap();
    assert_eq!(settings.home, home.path());
    assert_eq!((settings.registry, settings.offline), (None, false));
    assert_eq!(settings.docker_config.as_deref(), Some(Path::new("/users/someone/.docker")));
    assert_eq!(settings.trust_policy.path, home.path().join("trust.json"));
    assert_eq!(settings.policy.path, home.path().join("policy.toml"));
    assert!(!settings.trust_policy.by_operator && !settings.policy.by_operator);
}

#[test]
fn the_file_is_read_and_its_paths_are_relative_to_it() {
    let home = home(
        "registry = \"127.0.0.1:5000\"\noffline = true\nplain-http = [\"r.internal:80\"]\n\
         token-hosts = [\"auth.example.com\"]\nextra-ca = [\"ca.pem\", \"/etc/ca.pem\"]\n\
         docker-config = \"docker\"\ntrust-policy = \"t.json\"\npolicy = \"p.toml\"\n",
    );
    let settings = resolve(home.path(), &[]).unwrap();
    assert_eq!(settings.registry.as_deref(), Some("127.0.0.1:5000"));
    assert!(settings.offline);
    assert_eq!(settings.plain_http, ["r.internal:80"]);
    assert_eq!(settings.token_hosts, ["auth.example.com"]);
    assert_eq!(settings.extra_ca, [home.path().join("ca.pem"), "/etc/ca.pem".into()]);
    assert_eq!(settings.docker_config, Some(home.path().join("docker")));
    assert_eq!(settings.trust_policy.path, home.path().join("t.json"));
    assert!(settings.trust_policy.by_operator && settings.policy.by_operator);
}

#[test]
fn the_address_of_the_store_is_read_and_never_shown() {
    let home = home("store = \"postgres://a:secret@b/c\"\n");
    let settings = resolve(home.path(), &[]).unwrap();
    assert_eq!(settings.store.as_ref().unwrap().reveal(), "postgres://a:secret@b/c");
    assert!(!format!("{settings:?}").contains("secret"));
    let other = [("LONGSHORE_STORE", "postgresql://a:hidden@b/d")];
    let settings = resolve(home.path(), &other).unwrap();
    assert_eq!(settings.store.unwrap().reveal(), "postgresql://a:hidden@b/d");
    let error = resolve(home.path(), &[("LONGSHORE_STORE", "mysql://a:secret@b/c")]).unwrap_err();
    assert_eq!(error.code(), "LS-CFG-004");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    for wrong in ["store = \"sqlite:secret\"\n", "store = \"postgres://secret\nx = 1\n"] {
        std::fs::write(home.path().join("config.toml"), wrong).unwrap();
        let error = resolve(home.path(), &[]).unwrap_err();
        assert_eq!(error.code(), "LS-CFG-001");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let home = home("registry = \"a.example\"\noffline = true\ntrust-policy = \"t.json\"\n");
    let variables = [
        ("LONGSHORE_REGISTRY", "b.example:5000"),
        ("LONGSHORE_OFFLINE", "0"),
        ("LONGSHORE_TRUST_POLICY", "elsewhere.json"),
        ("LONGSHORE_POLICY", "/etc/policy.toml"),
        ("DOCKER_CONFIG", "/docker"),
    ];
    let settings = resolve(home.path(), &variables).unwrap();
    assert_eq!(settings.registry.as_deref(), Some("b.example:5000"));
    assert!(!settings.offline);
    // Of the environment, paths are relative to where one stands.
    assert_eq!(settings.trust_policy.path, Path::new("elsewhere.json"));
    assert_eq!(settings.policy.path, Path::new("/etc/policy.toml"));
    assert_eq!(settings.docker_config.as_deref(), Some(Path::new("/docker")));
}

#[test]
fn a_mistake_in_the_file_has_its_line_its_column_and_the_word_that_was_meant() {
    let home = home("offline = true\nregisty = \"a.example\"\n");
    let error = resolve(home.path(), &[]).unwrap_err();
    assert_eq!(error.code(), "LS-CFG-001");
    assert!(error.to_string().ends_with("config.toml:2:1: unknown key `registy`"), "{error}");
    assert_eq!(error.hint().unwrap(), "did you mean `registry`?");
    for (text, at) in [
        ("registry = \"http://a.example\"", ":1:12: "),
        ("offline = 1", ":1:11: "),
        ("plain-http = [\"a.example\", \"no/host\"]", ":1:28: "),
        ("policy = \"\"", ":1:10: "),
        ("registry = \n", ":1:1"),
    ] {
        std::fs::write(home.path().join("config.toml"), text).unwrap();
        let error = resolve(home.path(), &[]).unwrap_err();
        assert_eq!(error.code(), "LS-CFG-001", "{text}");
        assert!(error.to_string().contains(at), "{text}: {error}");
    }
}

#[test]
fn variables_that_mean_nothing_are_errors_that_name_them() {
    let home = tempfile::tempdir().unwrap();
    for (name, value) in [("LONGSHORE_OFFLINE", "maybe"), ("LONGSHORE_REGISTRY", "http://x/y")] {
        let error = resolve(home.path(), &[(name, value)]).unwrap_err();
        assert_eq!(error.code(), "LS-CFG-004");
        assert!(error.to_string().contains(name) && !error.to_string().contains(value), "{error}");
    }
    // An empty variable is one that is not set.
    assert!(!resolve(home.path(), &[("LONGSHORE_OFFLINE", "")]).unwrap().offline);
}

#[test]
fn the_home_is_where_xdg_says_unless_it_is_named() {
    let home_of = |variables: &'static [(&'static str, &'static str)]| {
        let lookup = move |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))
        };
        Settings::resolve(&Environment::new(&lookup)).map(|s| s.home)
    };
    let both: &[_] = &[("XDG_STATE_HOME", "/nowhere/state"), ("HOME", "/nowhere")];
    assert_eq!(home_of(both).unwrap(), Path::new("/nowhere/state/longshore"));
    let relative: &[_] = &[("XDG_STATE_HOME", "state"), ("HOME", "/nowhere")];
    assert_eq!(home_of(relative).unwrap(), Path::new("/nowhere/.local/state/longshore"));
    assert_eq!(home_of(&[]).unwrap_err().code(), "LS-CFG-003");
}

#[test]
fn a_file_that_is_there_and_cannot_be_read_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("config.toml")).unwrap();
    let error = resolve(home.path(), &[]).unwrap_err();
    assert_eq!(error.code(), "LS-CFG-002");
}

#[test]
fn buckets_and_containers_are_kept_where_the_file_and_flags_say() {
    let home = home(
        "[keyvalue.a]\nbackend = \"sqlite\"\npath = \"a.db\"\nmax-bytes = 9\nmax-keys = 3\n\
         [keyvalue.b]\nbackend = \"redis\"\nurl = \"rediss://:hunter2@h/1\"\nprefix = \"x:y\"\n\
         [keyvalue.c]\nbackend = \"postgres\"\nurl = \"file:secrets/url\"\n\
         [keyvalue.\"*\"]\nbackend = \"none\"\n\
         [blobstore.p]\nbackend = \"folder\"\npath = \"/srv/p\"\nmax-objects = 2\n",
    );
    let settings = resolve(home.path(), &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let mut buckets = settings.keyvalue;
    let a = &buckets.named["a"];
    assert_eq!(a.backend, Backend::Sqlite(Some(home.path().join("a.db"))));
    assert_eq!((a.max_bytes, a.max_keys), (Some(9), Some(3)));
    let Backend::Redis { url: Origin::Url(url), prefix } = &buckets.named["b"].backend else {
        panic!("{buckets:?}")
    };
    assert_eq!((url.reveal(), prefix.as_str()), ("rediss://:hunter2@h/1", "x:y"));
    let Backend::Postgres { url: Origin::Source(source), table } = &buckets.named["c"].backend
    else {
        panic!("{buckets:?}")
    };
    let place = format!("file:{}", home.path().join("secrets/url").display());
    assert_eq!((source.shown(), table.as_str()), (place, "longshore_keyvalue"));
    assert_eq!(buckets.others.backend, Backend::None);
    assert!(buckets.is_remote());
    for flag in ["b=memory", "c=sqlite:here.db", "*=sqlite"] {
        buckets.flag(flag).unwrap();
    }
    assert!(!buckets.is_remote());
    assert_eq!(buckets.named["c"].backend, Backend::Sqlite(Some("here.db".into())));
    assert_eq!(buckets.others.backend, Backend::Sqlite(None));
    for flag in ["b", "B=memory", "b=redis", "b=postgres:hunter2", "b=redis://", "b=sqlite:"] {
        let why = buckets.flag(flag).unwrap_err();
        assert!(!why.contains("hunter2"), "{why}");
    }

    let mut containers = settings.blobstore;
    assert_eq!(containers.named["p"].shelf, Shelf::Folder(Some("/srv/p".into())));
    assert_eq!(containers.named["p"].max_objects, Some(2));
    assert_eq!(containers.others.shelf, Shelf::Folder(None));
    containers.flag("p=memory").unwrap();
    assert_eq!(containers.named["p"].shelf, Shelf::Memory);
    assert!(containers.flag("p=redis").is_err() && containers.flag("p=folder:").is_err());
}
