//! The promises of the decision: nothing beyond what was asked and allowed, and every refusal says
//! what would mend it.

use std::path::Path;

use longshore_model::{Access, CapabilityKind, LimitName, Scope};
use longshore_reference::{Digest, Manifest, Request, Source};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    CEILING_FACTOR, Granted, Hint, Mode, Needs, Parameter, Policy, Refusal, Role, manifest_entry,
};

const IMPORTS: [&str; 11] = [
    "wasi:clocks/wall-clock@0.2.3",
    "wasi:random/random@0.3.0",
    "wasi:http/outgoing-handler@0.2.9",
    "wasi:filesystem/preopens@0.2.3",
    "wasi:cli/environment@0.2.3",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:blobstore/container@0.2.0-draft",
    "longshore:action/secrets@0.1.0",
    "longshore:action/processes@0.1.0",
    "wasi:sockets/tcp@0.2.3",
    "wasi:sockets/ip-name-lookup@0.2.3",
];

fn manifest(sections: &str) -> Manifest {
    let package = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"action\"\n";
    Manifest::from_toml(&format!("{package}{sections}"), "longshore.toml").unwrap()
}

fn registry() -> Source {
    Source::Registry("r.example/flows/x:1".parse().unwrap())
}

fn root(imports: &[&str], manifest: Option<Manifest>) -> Needs {
    let imports = imports.iter().map(ToString::to_string).collect();
    Needs {
        component: Digest::of(b"component"),
        source: registry(),
        role: Role::Root,
        imports,
        manifest,
        signers: Vec::new(),
    }
}

fn dependency(imports: &[&str], manifest: Option<Manifest>) -> Needs {
    let role = Role::Dependency { interface: "acme:text/chunk@1.0.0".into() };
    Needs { role, ..root(imports, manifest) }
}

fn flags(flags: &[&str]) -> Policy {
    let mut policy = Policy::default();
    flags.iter().for_each(|flag| policy.allow_flag(flag).unwrap());
    policy
}

fn http(policy: &Policy, scope: &str) -> Result<Vec<(String, bool)>, Refusal> {
    let text = format!("[[capabilities.http]]\nscope = \"{scope}\"\nreason = \"r\"");
    let grant = policy.decide(&root(&IMPORTS[2..3], Some(manifest(&text))))?;
    let shown = |granted: &Granted| match granted.scope() {
        Scope::Http(scope) => Some((scope.to_string(), granted.may_be_private())),
        _ => None,
    };
    Ok(grant.scopes().iter().filter_map(shown).collect())
}

#[test]
fn nothing_is_granted_by_default_and_a_component_that_needs_nothing_runs() {
    let grant = Policy::default().decide(&root(&["wasi:io/poll@0.2.3"], None)).unwrap();
    assert!(grant.is_pure() && grant.record().scopes.is_empty());
    let seed = ["wasi:random/insecure-seed@0.2.3"];
    assert!(Policy::default().decide(&root(&seed, None)).unwrap().is_pure());
}

#[test]
fn a_refusal_names_every_denial_with_import_scope_rule_and_both_hints() {
    let asks = "[capabilities.clock]\nreason = \"dates\"\n[[capabilities.dir]]\n\
                path = \"/s\"\naccess = \"rw\"\nreason = \"store\"\n[[capabilities.env]]\nname = \"TZ\"\nreason = \"zone\"";
    let refusal =
        flags(&["dir=/s=./s"]).decide(&root(&IMPORTS[..5], Some(manifest(asks)))).unwrap_err();
    let asked: Vec<_> = refusal.denials.iter().map(|d| (d.asked(), d.code())).collect();
    let expected = [
        ("clock", "LS-POL-011"),
        ("dir=/s:rw", "LS-POL-011"),
        ("env=TZ", "LS-POL-011"),
        ("random", "LS-POL-012"),
        ("http", "LS-POL-012"),
    ];
    assert_eq!(asked, expected.map(|(a, c)| (a.to_owned(), c)));
    let dir = &refusal.denials[1];
    assert_eq!(dir.rule, "`--allow dir=/s=./s` allows only `dir=/s:ro`");
    assert_eq!(dir.reason.as_deref(), Some("store"));
    assert_eq!(refusal.denials[0].import.as_deref(), Some(IMPORTS[0]));
    assert_eq!(
        dir.hint.to_string(),
        "allow it with `--allow dir=/s=./s:rw`, or in the policy: `[[allow]]; component = \
         \"r.example/flows/x\"; dir = [{ guest = \"/s\", host = \"./s\", access = \"rw\" }]`"
    );
    assert_eq!(refusal.denials[3].import.as_deref(), Some(IMPORTS[1]));
    assert_eq!(refusal.code(), "LS-POL-010");
    assert_eq!(refusal.hint().unwrap().lines().count(), 5);
    assert_eq!(dir.event().asked, "dir=/s:rw");
    assert!(refusal.to_string().contains("`clock`, for the import `wasi:clocks/wall-clock@0.2.3`"));
}

#[test]
fn every_version_of_a_guarded_interface_needs_its_capability() {
    for import in [
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:clocks/system-clock@0.3.0",
        "wasi:clocks/wall-clock",
        "wasi:random/insecure@0.2.3",
        "wasi:http/client@0.3.0-rc",
    ] {
        let refusal = Policy::default().decide(&root(&[import], None)).unwrap_err();
        assert_eq!(refusal.denials[0].import.as_deref(), Some(import));
    }
}

#[test]
fn an_optional_request_may_go_unmet() {
    let asks = "[capabilities.clock]\nreason = \"r\"\noptional = true";
    let needs = root(&IMPORTS[..1], Some(manifest(asks)));
    assert!(!Policy::default().decide(&needs).unwrap().clock());
    assert!(flags(&["clock"]).decide(&needs).unwrap().clock());
}

#[test]
fn http_is_the_intersection_and_private_only_where_the_operator_named_the_host() {
    let policy = flags(&["http=http://127.0.0.1:80", "http=https://*.a.example", "http=http://*"]);
    let one = |scope: &str, exact| Ok(vec![(scope.to_owned(), exact)]);
    assert_eq!(http(&policy, "https://*"), one("https://*.a.example", false));
    assert_eq!(http(&policy, "http://127.0.0.1"), one("http://127.0.0.1", true));
    assert_eq!(http(&policy, "https://x.a.example"), one("https://x.a.example", false));
    assert!(http(&policy, "https://b.example").is_err());
    let asks = "[[capabilities.http]]\nscope = \"http://*\"\nreason = \"r\"";
    let needs = root(&IMPORTS[2..3], Some(manifest(asks)));
    let grant = flags(&["http=http://*:*", "http=http://10.0.0.1:8080"]).decide(&needs).unwrap();
    assert!(grant.allows_http("GET", ("http", "10.0.0.1", 8080), "/").unwrap().may_be_private());
    assert!(!grant.allows_http("GET", ("http", "10.0.0.2", 8080), "/").unwrap().may_be_private());
    assert!(grant.allows_http("GET", ("https", "10.0.0.1", 443), "/").is_none());
}

#[test]
fn a_directory_is_granted_at_its_own_path_with_no_more_access_than_asked() {
    let asks = "[[capabilities.dir]]\npath = \"/s\"\nreason = \"r\"";
    let needs = root(&[], Some(manifest(asks)));
    let grant = flags(&["dir=/s=/a:rw", "r.example/*::dir=/s=/b:rw", "dir=/s=/c"]).decide(&needs);
    let grant = grant.unwrap();
    let dir = grant.dirs().next().unwrap();
    assert_eq!((dir.guest, dir.access, dir.host), ("/s", Access::ReadOnly, Path::new("/b")));
    assert_eq!(grant.record().scopes[0].1, "--allow r.example/*::dir=/s=/b:rw");
    assert!(flags(&["dir=/=/a:rw"]).decide(&needs).is_err(), "a parent is another path");
}

#[test]
fn without_a_manifest_the_root_gets_what_is_named_and_a_dependency_only_what_names_it() {
    let policy = flags(&["clock", "random", "env=TZ"]);
    let grant = policy.decide(&root(&IMPORTS[..1], None)).unwrap();
    assert!(grant.clock() && !grant.random() && grant.env().count() == 0, "only what it imports");
    let refusal = policy.decide(&dependency(&IMPORTS[..1], None)).unwrap_err();
    assert!(refusal.denials[0].rule.contains("must be named"), "{refusal}");
    for scoped in ["acme:text/chunk::clock", "acme:text/*::clock", "r.example/flows/*::clock"] {
        assert!(flags(&[scoped]).decide(&dependency(&IMPORTS[..1], None)).unwrap().clock());
    }
    for other in ["acme:text/chunk@2.0.0::clock", "r.example/flow/*::clock", "file:*::clock"] {
        let refusal = flags(&[other]).decide(&dependency(&IMPORTS[..1], None)).unwrap_err();
        assert!(refusal.denials[0].rule.contains("only"), "{refusal}");
    }
}

const POLICY: &str = r#"version = 1
[[allow]]
clock = true
env = ["TZ"]
[[allow]]
component = "r.example/flows/*"
http = ["https://a.example"]
dir = [{ guest = "/s", host = "data", access = "rw" }]
[settings."r.example/flows/x"]
max = 7
[ceilings]
deadline-ms = 1000
"#;

#[test]
fn a_policy_file_allows_sets_and_caps() {
    let policy = Policy::from_toml(POLICY, "/etc/longshore/policy.toml").unwrap();
    let asks = "[capabilities.clock]\nreason = \"r\"\n[[capabilities.dir]]\n\
        path = \"/s\"\naccess = \"rw\"\nreason = \"r\"\n\
        [settings.max]\ntype = \"integer\"\n[limits]\ncalls = 5\nevents = 900000000\n";
    let grant = policy.decide(&root(&IMPORTS[..1], Some(manifest(asks)))).unwrap();
    assert_eq!(grant.dirs().next().unwrap().host, Path::new("/etc/longshore/data"));
    assert_eq!(grant.settings()["max"], json!(7));
    assert_eq!((grant.limits().deadline_ms, grant.limits().calls), (1000, 5));
    assert_eq!(grant.limits().events, 1_000_000 * CEILING_FACTOR);
    let lowered: Vec<_> = grant.lowered().iter().map(|l| (l.name, l.wanted)).collect();
    assert_eq!(lowered, [(LimitName::Events, 900_000_000)]);
    assert_eq!(grant.record().scopes[0], (Scope::Clock, "policy.toml:3".to_owned()));
    assert_eq!(grant.record().scopes[1].1, "policy.toml:8");
}

#[test]
fn mistakes_in_a_policy_have_a_place_and_a_suggestion() {
    for (from, to, place, message, hint) in [
        ("clock = true", "clok = true", (3, 1), "unknown key `clok`", Some("`clock`")),
        ("clock = true", "clock = 1", (3, 9), "must be `true` or `false`", None),
        ("clock = true", "clock = \"slow\"", (3, 9), "is not `frozen:`", None),
        ("[[allow]]\nclock", "[[alow]]\nclock", (2, 3), "unknown key", Some("`allow`")),
        ("\"TZ\"", "\"1\"", (4, 8), "environment variable", None),
        ("\"r.example/flows/*\"", "\"flows/*\"", (6, 13), "names no registry", None),
        ("\"r.example/flows/*\"", "\"R R\"", (6, 13), "not a component pattern", None),
        ("https://a", "ftp://a", (7, 9), "is not an HTTP scope", None),
        ("guest = \"/s\"", "gest = \"/s\"", (8, 10), "unknown key", Some("`guest`")),
        ("\"rw\"", "\"w\"", (8, 48), "must be `ro`, `create` or `rw`", None),
        ("\"r.example/flows/x\"", "\"*\"", (9, 11), "settings belong to one component", None),
        ("max = 7", "max = {}", (10, 7), "must be a string, a number", None),
        ("deadline-ms", "deadlin-ms", (12, 1), "unknown key", Some("`deadline-ms`")),
        ("version = 1", "version = 2", (1, 11), "policies of version 1", None),
        ("clock = true\nenv = [\"TZ\"]", "clock = false", (2, 1), "allows nothing", None),
    ] {
        let error = Policy::from_toml(&POLICY.replacen(from, to, 1), "p.toml").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("p.toml:{}:{}: ", place.0, place.1)), "{text}");
        assert!(text.contains(message), "{text}");
        assert_eq!(error.code(), "LS-POL-001");
        assert_eq!(error.hint(), hint.map(|word| format!("did you mean {word}?")));
    }
}

#[test]
fn mistakes_in_a_flag_teach_the_syntax() {
    for (flag, message) in [
        ("", "there is no capability"),
        ("clok", "did you mean `clock`?"),
        ("a:b/c::htp=x", "did you mean `http`?"),
        ("clock=1", "`1` is not `frozen:` or `virtual:` and a time"),
        ("clock=frozen:2026-02-30T00:00:00Z", "is not `frozen:`"),
        ("random=7", "`7` is not `seed:`"),
        ("random=seed:", "is not `seed:`"),
        ("exec=./git log", "is not a program"),
        ("env", "`env` needs a value"),
        ("env=A=B", "environment variable"),
        ("dir=/s", "names no folder"),
        ("dir=s=./s", "must begin with `/`"),
        ("dir=/s=", "folder of the host is empty"),
        ("http=ftp://x", "is not an HTTP scope"),
        ("flows/*::clock", "names no registry"),
    ] {
        let error = Policy::default().allow_flag(flag).unwrap_err();
        assert!(error.to_string().contains(message), "{flag}: {error}");
        assert_eq!(error.code(), "LS-POL-002");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("write `"), "{hint}");
    }
    let ipv6 = flags(&["http=http://[::1]:80", "[::1]:5000/a/*::http=http://[::1]:8080"]);
    assert_eq!(http(&ipv6, "http://[::1]"), Ok(vec![("http://[::1]".into(), true)]));
}

#[test]
fn settings_of_flags_are_typed_by_the_schema_and_secrets_are_never_shown() {
    let asks =
        "[settings.max]\ntype = \"integer\"\n[settings.key]\ntype = \"string\"\nsecret = true";
    let mut policy = Policy::from_toml(POLICY, "p").unwrap();
    policy.set_flag("max=9").unwrap();
    policy.set_flag("key=hunter2").unwrap();
    let grant = policy.decide(&root(&[], Some(manifest(asks)))).unwrap();
    assert_eq!(
        (&grant.settings()["max"], &grant.settings()["key"]),
        (&json!(9), &json!("hunter2"))
    );
    assert!(grant.is_secret("key") && !grant.is_secret("max"));
    assert_eq!(grant.record().settings["key"], json!("(secret)"));
    assert!(!format!("{grant:?} {policy:?}").contains("hunter2"));
    policy.set_flag("max=hunter2").unwrap();
    let refusal = policy.decide(&root(&[], Some(manifest(asks)))).unwrap_err();
    assert_eq!(refusal.code(), "LS-MAN-022");
    assert!(!format!("{refusal} {refusal:?}").contains("hunter2"));
    let other = Needs { source: Source::File("a.wasm".into()), ..dependency(&[], None) };
    assert!(policy.decide(&other).unwrap().settings().is_empty(), "unscoped is for the root");
    let error = policy.set_flag("hunter2").unwrap_err();
    assert_eq!(error.code(), "LS-POL-003");
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn the_digest_is_of_what_a_policy_means() {
    let file = "version = 1\n[[allow]]\nclock = true\nhttp = [\"a.example\"]";
    let file = Policy::from_toml(file, "p").unwrap();
    assert_eq!(file.digest(), flags(&["clock", "http=https://a.example"]).digest());
    assert_ne!(file.digest(), flags(&["clock"]).digest());
    let mut capped = file.clone();
    capped.ceiling(LimitName::Calls, 1);
    capped.ceiling(LimitName::Calls, 9);
    assert_ne!(file.digest(), capped.digest());
    assert_eq!(capped.ceilings().calls, 1);
    let mut merged = flags(&["clock"]);
    merged.merge(flags(&["http=https://a.example"]));
    assert_eq!(merged.digest(), file.digest());
}

#[test]
fn the_operators_mode_of_clocks_and_entropy_is_granted_and_recorded() {
    let file = "version = 1\n[[allow]]\nclock = \"frozen:2026-01-01T00:00:00Z\"\n\
                random = \"seed:a\"\nexec = [\"/usr/bin/git log *\"]\n";
    let file = Policy::from_toml(file, "p").unwrap();
    let same = flags(&[
        "clock=frozen:2026-01-01T00:00:00.000Z",
        "random=seed:a",
        "exec=/usr/bin/git log *",
    ]);
    assert_eq!(file.digest(), same.digest());
    assert_ne!(file.digest(), flags(&["clock", "random", "exec=git log *"]).digest());
    let grant = file.decide(&root(&IMPORTS[..1], None)).unwrap();
    let frozen = "frozen:2026-01-01T00:00:00.000000Z";
    assert_eq!(grant.clock_mode().unwrap().to_string(), frozen);
    assert_eq!(grant.record().modes["clock"], frozen);
    let grant = flags(&["random=seed:a"]).decide(&root(&["wasi:random/random"], None)).unwrap();
    assert_eq!((grant.seed(), grant.record().modes["random"].as_str()), (Some("a"), "seed:a"));
    let grant = file.decide(&root(&["longshore:action/processes@0.1.0"], None)).unwrap();
    let exec = grant.allows_exec("git", &["log".into(), "main".into()]).unwrap();
    assert_eq!(exec.parameter(), &Parameter::Program("/usr/bin/git".into()));
    assert!(grant.allows_exec("git", &["log".into(), "--exec=x".into()]).is_none());
}

fn scopes() -> impl Strategy<Value = Scope> {
    let host = prop_oneof![Just("*"), Just("*.a.example"), Just("x.a.example"), Just("10.0.0.1")];
    let port = prop_oneof![Just(""), Just(":80"), Just(":*")];
    let path = prop_oneof![Just("/"), Just("/s"), Just("/s/t")];
    let access = [Access::ReadOnly, Access::Create, Access::ReadWrite];
    let others = [
        "clock",
        "random",
        "env=A",
        "env=B",
        "scratch=/tmp",
        "tcp=*.a.example:5432",
        "tcp=*:*",
        "udp=[::1]:53",
        "dns=*",
        "dns=x.a.example",
        "listen=127.0.0.1:0",
        "keyvalue=s:ro",
        "keyvalue=s:rw",
        "blobstore=p:rw",
        "secret=k",
        "reveal=k",
        "exec=git log *",
        "exec=git **",
    ];
    let method = prop_oneof![Just(""), Just("GET "), Just("GET,PUT "), Just("PUT ")];
    let below = prop_oneof![Just(""), Just("/v1"), Just("/v1/x"), Just("/v2")];
    prop_oneof![
        prop::sample::select(others.to_vec()).prop_map(|text| text.parse().unwrap()),
        (path, prop::sample::select(access.to_vec()))
            .prop_map(|(path, access)| Scope::Dir { path: path.into(), access }),
        (method, "https?", host, port, below).prop_map(|(method, scheme, host, port, below)| {
            Scope::Http(format!("{method}{scheme}://{host}{port}{below}").parse().unwrap())
        }),
    ]
}

fn flag(scope: &Scope) -> String {
    match scope {
        Scope::Dir { path, access } => format!("dir={path}=./h:{}", access.as_str()),
        other => other.to_string(),
    }
}

fn needs() -> impl Strategy<Value = Needs> {
    let requests = prop::collection::vec((scopes(), any::<bool>()), 0..6);
    let imports = prop::sample::subsequence(IMPORTS.to_vec(), 0..=IMPORTS.len());
    (prop::option::of(requests), imports, any::<bool>()).prop_map(|(requests, imports, is_root)| {
        let manifest = requests.map(|requests| {
            let request = |(scope, optional)| Request {
                scope,
                reason: "r".into(),
                optional,
                idempotency_key: false,
            };
            let requests = requests.into_iter().map(request).collect();
            Manifest { requests, ..manifest("") }
        });
        if is_root { root(&imports, manifest) } else { dependency(&imports, manifest) }
    })
}

proptest! {
    #[test]
    fn what_is_granted_was_asked_for_and_allowed(
        needs in needs(),
        allowed in prop::collection::vec(scopes(), 0..8),
    ) {
        let mut policy = Policy::default();
        for scope in &allowed {
            policy.allow_flag(&flag(scope)).unwrap();
        }
        let Ok(grant) = policy.decide(&needs) else { return Ok(()) };
        for (scope, _) in grant.record().scopes {
            prop_assert!(allowed.iter().any(|outer| scope.is_within(outer)), "{scope} allowed");
            if let Some(manifest) = &needs.manifest {
                let asked = manifest.requests.iter().any(|r| scope.is_within(&r.scope));
                prop_assert!(asked, "{scope} asked");
            } else {
                prop_assert_eq!(&needs.role, &Role::Root);
            }
        }
        for granted in grant.scopes().iter().filter(|granted| granted.may_be_private()) {
            let named = |s: &&Scope| s.names_one_host();
            prop_assert!(allowed.iter().filter(named).any(|s| granted.scope().is_within(s)));
        }
    }

    #[test]
    fn following_the_hints_makes_the_decision_succeed(
        needs in needs(),
        allowed in prop::collection::vec(scopes(), 0..4),
        by_flag in any::<bool>(),
    ) {
        let mut policy = Policy::default();
        for scope in &allowed {
            policy.allow_flag(&flag(scope)).unwrap();
        }
        let Err(refusal) = policy.decide(&needs) else { return Ok(()) };
        prop_assert!(!refusal.denials.is_empty());
        for denial in &refusal.denials {
            match &denial.hint {
                Hint::Operator { flag, .. } if by_flag => {
                    policy.allow_flag(flag).unwrap();
                    // Where a secret is kept nobody can guess; that it is missing is what the denial says then.
                    if let Some((_, name)) = flag
                        .rsplit_once("secret=")
                        .or_else(|| flag.rsplit_once("reveal="))
                    {
                        policy.secret_flag(&format!("{name}=env:X@https://h.example")).unwrap();
                    }
                }
                Hint::Operator { policy: text, .. } => {
                    let text = format!("version = 1\n{text}");
                    policy.merge(Policy::from_toml(&text, "p.toml").unwrap());
                }
                Hint::Forbidden { .. } | Hint::Author { .. } | Hint::Approval { .. } => {}
            }
        }
        let left = policy.decide(&needs).err().map(|r| r.denials).unwrap_or_default();
        let author = |kind: CapabilityKind| {
            let manifest = needs.manifest.as_ref();
            manifest.is_some_and(|m| m.requests.iter().all(|r| r.scope.kind() != kind))
        };
        for denial in left {
            prop_assert!(author(denial.capability), "{denial} is left");
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,80}") {
        let _ = Policy::from_toml(&text, "p");
        let _ = Policy::default().allow_flag(&text);
        let _ = Policy::default().set_flag(&text);
    }
}

fn asking(imports: &[&str], sections: Option<&str>) -> Needs {
    root(imports, sections.map(manifest))
}

fn read(text: &str) -> Policy {
    Policy::from_toml(text, "policy.toml").unwrap()
}

const NAMED: &str = "private = [\"db.corp.example\", \"*.lan.example\"]";

#[test]
fn a_name_leads_to_private_addresses_only_where_the_operator_says_so() {
    let policy = read(&format!("version = 1\n[[allow]]\nhttp = [\"*\"]\n{NAMED}\n"));
    let grant = policy.decide(&asking(&["wasi:http/client@0.3.0"], None)).unwrap();
    for host in ["db.corp.example", "a.lan.example"] {
        assert!(grant.may_lead_to_private(host), "{host}");
    }
    for host in ["corp.example", "x.db.corp.example", "a.b.lan.example", "localhost", "10.0.0.1"] {
        assert!(!grant.may_lead_to_private(host), "{host}");
    }
    assert_eq!(grant.record().private[0], ("db.corp.example".into(), "policy.toml:4".into()));
    for wrong in ["private=*", "private=10.0.0.1", "private=[::1]", "private=", "private=a b"] {
        assert_eq!(
            Policy::default().allow_flag(wrong).unwrap_err().code(),
            "LS-POL-002",
            "{wrong}"
        );
    }
    let mut flags = Policy::default();
    flags.allow_flag("http=*").unwrap();
    let without = flags.digest();
    flags.allow_flag("acme:web/fetch::private=db.corp.example").unwrap();
    assert_ne!(flags.digest(), without);
    let grant = flags.decide(&asking(&["wasi:http/client@0.3.0"], None)).unwrap();
    assert!(!grant.may_lead_to_private("db.corp.example"), "that rule is for another");
}

#[test]
fn what_the_manifest_forgot_passes_only_where_it_is_counted_and_is_told_apart() {
    let asked = "[[capabilities.http]]\nscope = \"https://a.example/v1\"\nreason = \"x\"\n";
    let needs = asking(&["wasi:http/client@0.3.0"], Some(asked));
    let mut policy = read("version = 1\n[[allow]]\nhttp = [\"*\"]\ntcp = [\"db.example:1\"]\n");
    let server = ("https", "b.example", 443);
    let strict = policy.decide(&needs).unwrap();
    assert!(strict.allows_http("GET", server, "/").is_none());
    policy.set_mode(Mode::Count);
    let grant = policy.decide(&needs).unwrap();
    assert!(grant.allows_http("GET", server, "/").is_some());
    assert!(!grant.has(CapabilityKind::Tcp), "it imports no sockets");
    let scope = |text: &str| text.parse::<Scope>().unwrap();
    assert!(grant.is_forgotten(&scope("http=GET https://b.example")));
    assert!(grant.is_forgotten(&scope("http=GET https://a.example/v2")));
    assert!(!grant.is_forgotten(&scope("http=GET https://a.example/v1/x")));
    assert!(!strict.is_forgotten(&scope("http=GET https://b.example")));
    let text = "version = 1\nmode = \"count\"\n[[allow]]\nclock = true\n";
    assert_eq!(read(text).mode(), Mode::Count);
    assert!(Policy::from_toml("version = 1\nmode = \"maybe\"\n", "policy.toml").is_err());
}

#[test]
fn a_denial_while_running_names_the_nearest_rules_and_the_very_change() {
    let http = &["wasi:http/client@0.3.0"];
    let mut policy = Policy::default();
    policy.allow_flag("http=GET https://a.example/v1").unwrap();
    let scope: Scope = "http=POST https://a.example/v1/x".parse().unwrap();
    let denied = policy.decide(&asking(http, None)).unwrap().denial(7, &scope);
    assert_eq!(denied.asked, scope.to_string());
    let rule =
        "`--allow http=GET https://a.example/v1` grants only `http=GET https://a.example/v1`";
    assert_eq!(denied.rule, rule);
    assert!(denied.hint.contains("`--allow 'http=POST https://a.example/v1/x'`"), "{denied:?}");
    // What the manifest does not ask for, only its author can change.
    let asked = "[[capabilities.http]]\nscope = \"GET https://a.example\"\nreason = \"x\"\n";
    let denied = policy.decide(&asking(http, Some(asked))).unwrap().denial(7, &scope);
    assert_eq!(denied.rule, "its manifest does not ask for it");
    assert!(denied.hint.contains("scope = \"POST https://a.example/v1/x\""), "{denied:?}");
    let grant = policy.decide(&asking(http, None)).unwrap();
    let address = "10.0.0.1".parse().unwrap();
    let denied = grant.denial_of_address(7, &scope, "a.example", address);
    assert!(denied.hint.contains("`--allow private=a.example`"), "{denied:?}");
}

#[test]
fn the_manifest_entry_of_every_scope_reads_back_as_that_scope() {
    for text in [
        "clock",
        "env=TZ",
        "dir=/data:rw",
        "http=GET https://a.example/v1",
        "scratch=/tmp",
        "tcp=db.example:5432",
        "dns=*.example.com",
        "listen=127.0.0.1:0",
        "keyvalue=sessions:rw",
        "secret=token",
        "exec=git log *",
    ] {
        let scope: Scope = text.parse().unwrap();
        let manifest = asking(&[], Some(&manifest_entry(&scope))).manifest.unwrap();
        assert_eq!(manifest.requests[0].scope, scope, "{text}");
    }
}
