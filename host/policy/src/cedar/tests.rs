//! The promises of policies in Cedar: whatever is granted, Cedar itself permits for every single use;
//! rules mean the same as their translation; and every mistake has its place.

mod mistakes;

use std::sync::Arc;

use cedar_policy_core::ast::{Entity, EntityUID, PolicySet, RestrictedExpr};
use cedar_policy_core::authorizer::{Authorizer, Decision as Allowed};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::parser::parse_policyset;
use longshore_model::{Scope, Timestamp};
use longshore_reference::{Digest, Manifest, Signer, Source};
use proptest::prelude::*;

use super::facts::uid;
use super::{Circumstances, Environment, Facts, Finding, Principal, Statement, read, resource};
use crate::rule::Rule;
use crate::{Needs, Policy, Role};

fn needs() -> Needs {
    let package = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"action\"\n";
    let key = Some(Digest::of(b"key"));
    Needs {
        component: Digest::of(b"component"),
        source: Source::Registry("r.example/flows/x:1".parse().unwrap()),
        role: Role::Root,
        imports: Vec::new(),
        manifest: Some(Manifest::from_toml(package, "longshore.toml").unwrap()),
        signers: vec![Signer { name: "acme".into(), key }],
    }
}

fn dependency() -> Needs {
    Needs { role: Role::Dependency { interface: "acme:text/chunk@1.0.0".into() }, ..needs() }
}

fn cedar(text: &str) -> Policy {
    Policy::from_cedar(text, "p.cedar").unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What of `asked` is permitted, by whom; or who forbids it.
fn decide(policy: &Policy, needs: &Needs, asked: &str) -> Result<Vec<String>, Vec<String>> {
    let principal = Principal::new(needs, &policy.circumstances().tenant);
    let decision = policy.judge(&principal, &asked.parse().unwrap());
    let ids = |ids: &[Arc<str>]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    match decision.permits() {
        true => Ok(decision
            .permitted
            .iter()
            .map(|p| format!("{} by {}", p.scope, ids(&p.by).join(" ")))
            .collect()),
        false => Err(ids(&decision.forbidden_by)),
    }
}

fn permits(policy: &str, asked: &str) -> bool {
    decide(&cedar(policy), &needs(), asked).is_ok()
}

#[test]
fn a_permit_gives_what_it_has_in_common_with_the_request() {
    let policy = cedar(
        "@id(\"api\") permit (principal, action == Action::\"http\", \
         resource in Http::\"GET https://api.example.com/v1\");",
    );
    let granted = decide(&policy, &needs(), "http=https://*");
    assert_eq!(granted, Ok(vec!["http=GET https://api.example.com/v1 by api".into()]));
    let granted = decide(&policy, &needs(), "http=GET,PUT https://api.example.com/v1/x");
    assert_eq!(granted, Ok(vec!["http=GET https://api.example.com/v1/x by api".into()]));
    assert_eq!(decide(&policy, &needs(), "http=https://b.example"), Err(vec![]));
    assert_eq!(decide(&policy, &needs(), "tcp=api.example.com:443"), Err(vec![]));
}

#[test]
fn a_forbid_wins_wherever_it_might_apply() {
    let policy = cedar(
        "@id(\"all\") permit (principal, action == Action::\"http\", resource);\n\
         @id(\"evil\") forbid (principal, action, resource) \
         when { resource is Http && resource.host == \"evil.example.com\" };",
    );
    let one = |asked: &str| decide(&policy, &needs(), asked);
    assert_eq!(one("http=https://evil.example.com"), Err(vec!["evil".into()]));
    assert_eq!(one("http=https://*.example.com"), Err(vec!["evil".into()]), "it may lead there");
    assert!(one("http=https://good.example.com").is_ok());
    assert!(one("http=https://*.example.org").is_ok(), "it never leads there");
}

#[test]
fn a_permit_that_holds_for_a_part_gives_nothing_until_the_part_is_named() {
    let unless = "permit (principal, action == Action::\"http\", resource) \
                  unless { resource.host == \"evil.example.com\" };";
    assert!(!permits(unless, "http=https://*.example.com"));
    assert!(permits(unless, "http=https://a.example.com"));
    let get = "permit (principal, action == Action::\"http\", resource) \
               when { resource.method == \"GET\" && resource.host like \"*.example.com\" };";
    let granted = decide(&cedar(get), &needs(), "http=https://a.example.com");
    assert_eq!(granted, Ok(vec!["http=GET https://a.example.com by p.cedar:1".into()]));
    assert!(permits(get, "http=GET https://a.example.com"));
    let odd = "permit (principal, action == Action::\"http\", resource) when { \
               resource.method like \"GE*\" && resource.host like \"*.example.com\" };";
    assert!(!permits(odd, "http=https://a.example.com"));
    let named = format!("@scope(\"GET https://*.example.com\") {odd}");
    let granted = decide(&cedar(&named), &needs(), "http=https://a.example.com");
    assert_eq!(granted, Ok(vec!["http=GET https://a.example.com by p.cedar:1".into()]));
}

#[test]
fn what_a_condition_spells_out_is_granted_of_a_wider_request() {
    let text = "@id(\"a\") permit (principal, action in Action::\"network\", resource) when { \
                (resource is Http && [\"a.example\", \"b.example\"].contains(resource.host) && \
                resource.method == \"GET\" && resource.port == 443 && \
                resource.path like \"/v1/*\" && resource.scheme == Scheme::\"https\") };";
    assert_eq!(
        decide(&cedar(text), &needs(), "http=https://*"),
        Err(vec![]),
        "/v1 is not below it"
    );
    let text = text.replace("resource.path like \"/v1/*\"", "resource.path like \"/v1*\"");
    let granted = decide(&cedar(&text), &needs(), "http=https://*/v1");
    assert_eq!(
        granted,
        Ok(vec![
            "http=GET https://a.example/v1 by a".into(),
            "http=GET https://b.example/v1 by a".into(),
        ])
    );
    let text = "@id(\"a\") permit (principal, action == Action::\"tcp\", resource) when { \
                resource.host like \"*.a.example\" || resource.host == \"b.example\" };";
    let granted = decide(&cedar(text), &needs(), "tcp=*:5432");
    assert_eq!(
        granted,
        Ok(vec!["tcp=*.a.example:5432 by a".into(), "tcp=b.example:5432 by a".into(),])
    );
}

#[test]
fn a_scope_annotation_alone_permits_nothing() {
    let text = "@scope(\"https://a.example\") permit (principal, action == Action::\"http\", \
                resource) when { resource.host == \"b.example\" };";
    assert!(!permits(text, "http=https://a.example"));
    let granted = decide(&cedar(text), &needs(), "http=https://*");
    assert_eq!(granted, Ok(vec!["http=https://b.example:* by p.cedar:1".into()]));
}

#[test]
fn principals_are_told_apart_by_every_group() {
    let root = needs();
    let part = dependency();
    let file = Needs { source: Source::File("x.wasm".into()), signers: vec![], ..needs() };
    for (group, by_root, by_part, by_file) in [
        ("Repository::\"r.example/flows/x\"", true, true, false),
        ("Repository::\"r.example/flows/*\"", true, true, false),
        ("Repository::\"r.example/*\"", true, true, false),
        ("Repository::\"r.example/flow/*\"", false, false, false),
        ("Interface::\"acme:text/chunk\"", false, true, false),
        ("Interface::\"acme:text/chunk@1.0.0\"", false, true, false),
        ("Interface::\"acme:text/*\"", false, true, false),
        ("Interface::\"acme:text/chunk@2.0.0\"", false, false, false),
        ("File::\"x.wasm\"", false, false, true),
        ("File::\"*\"", false, false, true),
        ("Publisher::\"acme\"", true, true, false),
        ("Publisher::\"other\"", false, false, false),
    ] {
        let text = format!("permit (principal in {group}, action == Action::\"clock\", resource);");
        let policy = cedar(&text);
        let met = [&root, &part, &file].map(|needs| decide(&policy, needs, "clock").is_ok());
        assert_eq!(met, [by_root, by_part, by_file], "{group}");
        let text = format!(
            "permit (principal, action == Action::\"clock\", resource) \
             when {{ principal in {group} || principal in Publisher::\"nobody\" }};"
        );
        assert_eq!(decide(&cedar(&text), &root, "clock").is_ok(), by_root, "{group}");
    }
    let key = format!("principal in Publisher::\"{}\"", Digest::of(b"key"));
    assert!(permits(&format!("permit ({key}, action == Action::\"clock\", resource);"), "clock"));
    let itself = format!("principal == Component::\"{}\"", Digest::of(b"component"));
    assert!(permits(
        &format!("permit ({itself}, action == Action::\"clock\", resource);"),
        "clock"
    ));
    let root_only = "permit (principal, action == Action::\"clock\", resource) \
                     when { principal.role == Role::\"root\" && principal.signed };";
    let met = [&root, &part, &file].map(|needs| decide(&cedar(root_only), needs, "clock").is_ok());
    assert_eq!(met, [true, false, false]);
}

#[test]
fn circumstances_decide_and_the_time_is_asked_for_each_time() {
    let text = "permit (principal, action == Action::\"clock\", resource) when { \
                context.environment == Environment::\"staging\" && context.label == \"public\" && \
                context.tenant == \"t\" && \
                context.time < datetime(\"2026-06-01T00:00:00Z\") };";
    let mut policy = cedar(text);
    let mut now = Circumstances {
        environment: Environment::Staging,
        label: "public".into(),
        tenant: "t".into(),
        time: Timestamp::from_unix_us(1_767_225_600_000_000),
    };
    policy.set_circumstances(now.clone());
    assert!(decide(&policy, &needs(), "clock").is_ok());
    policy.set_time(Timestamp::from_unix_us(1_790_000_000_000_000));
    assert!(decide(&policy, &needs(), "clock").is_err());
    now.label = "secret".into();
    policy.set_circumstances(now);
    assert!(decide(&policy, &needs(), "clock").is_err());
}

#[test]
fn addresses_are_known_to_policies_and_private_only_where_they_are_named() {
    let text = "permit (principal, action == Action::\"tcp\", resource) \
                when { resource has ip && resource.ip.isInRange(ip(\"10.0.0.0/8\")) };";
    assert!(permits(text, "tcp=10.1.2.3:5432"));
    assert!(!permits(text, "tcp=11.1.2.3:5432") && !permits(text, "tcp=db.example:5432"));
    assert!(!permits(text, "tcp=*:5432"), "not everything is in that range");
    let forbid = "permit (principal, action == Action::\"http\", resource); \
                  forbid (principal, action == Action::\"http\", resource) \
                  when { resource.private };";
    for private in [
        "http://127.0.0.1",
        "http://[::1]:*",
        "http://localhost",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "http://[::ffff:10.0.0.1]",
        "http://x.localhost",
    ] {
        assert!(!permits(forbid, &format!("http={private}")), "{private}");
    }
    assert!(permits(forbid, "http=http://93.184.216.34") && permits(forbid, "http=https://*"));
    let mut led = cedar(forbid);
    led.allow_flag("private=db.corp.example").unwrap();
    for leads in ["http=https://db.corp.example", "http=https://*.corp.example", "http=https://*"] {
        assert!(decide(&led, &needs(), leads).is_err(), "{leads} may lead to a private address");
    }
    assert!(decide(&led, &needs(), "http=https://a.corp.example").is_ok());
    let judged = |text: &str| {
        let principal = Principal::new(&needs(), "");
        let asked = "http=http://10.0.0.1:8080".parse().unwrap();
        let decision = cedar(text).judge(&principal, &asked);
        decision.permitted.iter().any(|part| part.named)
    };
    assert!(!judged("permit (principal, action, resource);"), "nobody named the host");
    let wide = "permit (principal, action == Action::\"http\", resource in Http::\"http://*:*\");";
    assert!(!judged(wide));
    let named = wide.replace("*:*", "10.0.0.1:*");
    assert!(judged(&named));
}

#[test]
fn what_cannot_be_evaluated_permits_nothing_and_forbids_everything_of_its_kind() {
    let odd = "(if resource.port > 1 then resource.host else resource.path) == \"a.example\"";
    let permit = "permit (principal, action == Action::\"http\", resource)";
    assert!(!permits(&format!("{permit} when {{ {odd} }};"), "http=https://a.example"));
    let forbid = permit.replace("permit", "forbid");
    let text = format!("{permit}; {forbid} when {{ {odd} }};");
    assert!(!permits(&text, "http=https://b.example"));
}

#[test]
fn who_says_nothing_itself_must_be_named() {
    let anonymous = Needs { manifest: None, ..dependency() };
    let wide = cedar("permit (principal, action == Action::\"clock\", resource);");
    assert!(decide(&wide, &dependency(), "clock").is_ok());
    assert!(decide(&wide, &anonymous, "clock").is_err());
    let named = "permit (principal in Interface::\"acme:text/*\", action in Action::\"ambient\", \
                 resource);";
    assert!(decide(&cedar(named), &anonymous, "clock").is_ok());
}

#[test]
fn a_directory_takes_the_folder_of_the_strongest_permit() {
    let policy = cedar(
        "@host(\"a\") permit (principal in Repository::\"r.example/*\", action == Action::\"dir\", \
         resource in Dir::\"/s:rw\");\n\
         @host(\"/b\") permit (principal, action == Action::\"dir\", resource);",
    );
    let mut needs = needs();
    let asks = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"action\"\n\
                [[capabilities.dir]]\npath = \"/s\"\nreason = \"r\"";
    needs.manifest = Some(Manifest::from_toml(asks, "longshore.toml").unwrap());
    let grant = policy.decide(&needs).unwrap();
    let dir = grant.dirs().next().unwrap();
    assert_eq!(dir.host, std::path::Path::new("a"));
    assert_eq!(grant.record().scopes[0].1, "p.cedar:1");
    needs.source = Source::File("x.wasm".into());
    let grant = policy.decide(&needs).unwrap();
    assert_eq!(grant.dirs().next().unwrap().host, std::path::Path::new("/b"));
}

#[test]
fn a_refusal_names_the_policies_that_forbid() {
    let mut policy =
        cedar("@id(\"no-time\") forbid (principal, action == Action::\"clock\", resource);");
    policy.allow_flag("clock").unwrap();
    let asks = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"action\"\n\
                [capabilities.clock]\nreason = \"r\"";
    let manifest = Some(Manifest::from_toml(asks, "longshore.toml").unwrap());
    let refusal = policy.decide(&Needs { manifest, ..needs() }).unwrap_err();
    let denial = &refusal.denials[0];
    assert_eq!((denial.rule.as_str(), denial.code()), ("forbidden by `no-time`", "LS-POL-014"));
    assert_eq!(denial.forbidden_by, ["no-time"]);
    let hint = "nothing allows it while it is forbidden: change `no-time`";
    assert_eq!(denial.hint.to_string(), hint);
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let warned = |text: &str| -> Vec<String> {
        let (_, findings) = read(text, "p.cedar");
        let text = |finding| match finding {
            Finding::Warning(misread) => misread.to_string(),
            Finding::Mistake(error) => panic!("{error}"),
        };
        findings.into_iter().map(text).collect()
    };
    let shadow = warned(
        "@id(\"a\") permit (principal, action == Action::\"http\", \
         resource in Http::\"https://a.example\");\n\
         @id(\"b\") forbid (principal, action in Action::\"network\", resource);",
    );
    assert_eq!(shadow, ["p.cedar:2:1: `a` permits nothing: `b` forbids all of it"]);
    let typo = warned("@scpoe(\"x\")\npermit (principal, action == Action::\"clock\", resource);");
    assert_eq!(typo, ["p.cedar:1:1: the annotation `@scpoe` means nothing here"]);
    let odd = warned(
        "forbid (principal, action == Action::\"http\", resource)\nwhen { resource.port + 1 > 80 };",
    );
    assert_eq!(odd.len(), 0, "a port is often known");
}

/// The scopes that the policies name: what the single uses are members of.
const NAMED: [&str; 6] = [
    "https://*",
    "https://*.a.example",
    "https://x.a.example",
    "GET https://x.a.example/v1",
    "http://10.0.0.1:8080",
    "https://*:*",
];

fn clause() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "resource.host == \"x.a.example\"".to_owned(),
        "resource.host == \"y.a.example\"".to_owned(),
        "resource.host like \"*.a.example\"".to_owned(),
        "resource.host like \"*.*.example\"".to_owned(),
        "[\"x.a.example\", \"b.example\"].contains(resource.host)".to_owned(),
        "resource.method == \"GET\"".to_owned(),
        "[\"GET\", \"HEAD\"].contains(resource.method)".to_owned(),
        "resource.path like \"/v1*\"".to_owned(),
        "resource.path == \"/v1/x\"".to_owned(),
        "resource.port == 443".to_owned(),
        "resource.port < 1024".to_owned(),
        "resource.port >= 443".to_owned(),
        "80 < resource.port".to_owned(),
        "resource.scheme == Scheme::\"https\"".to_owned(),
        "resource.private".to_owned(),
        "(resource has ip && resource.ip.isInRange(ip(\"10.0.0.0/8\")))".to_owned(),
        "context.environment == Environment::\"production\"".to_owned(),
        "principal.signed".to_owned(),
        "principal in Publisher::\"acme\"".to_owned(),
        format!("resource in Http::\"{}\"", NAMED[1]),
        format!("resource in [Http::\"{}\", Http::\"{}\"]", NAMED[3], NAMED[4]),
    ]);
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

fn policies() -> impl Strategy<Value = String> {
    let head = prop::option::of(prop::sample::select(NAMED.to_vec()));
    let one = (0_u8..4, head, clause()).prop_map(|(effect, head, clause)| {
        let effect = if effect == 0 { "forbid" } else { "permit" };
        let head = head.map(|scope| format!(" in Http::\"{scope}\"")).unwrap_or_default();
        format!(
            "{effect} (principal, action == Action::\"http\", resource{head})\nwhen {{ {clause} }};\n"
        )
    });
    prop::collection::vec(one, 1..6).prop_map(|those| those.concat())
}

/// One use, as Cedar sees it: a request with a host, a port, a method and a path.
fn allowed(set: &PolicySet, principal: &Principal, at: &Circumstances, single: &Scope) -> bool {
    let Scope::Http(http) = single else { panic!("{single}") };
    let facts = Facts::new(principal, at, single, &[]);
    let request = facts.request().unwrap();
    let all = Extensions::all_available();
    let mut attributes =
        resource::expressions::<String>(single, Some(resource::is_private(single)));
    attributes.retain(|(name, _)| name != "path");
    attributes.push(("path".into(), RestrictedExpr::val(http.path())));
    let attributes = attributes.into_iter().map(|(name, value)| (name.into(), value));
    let groups = NAMED.iter().filter(|own| {
        single.is_within(&Scope::of(longshore_model::CapabilityKind::Http, Some(own)).unwrap())
    });
    let groups = groups.map(|own| uid("Http", own).unwrap()).collect();
    let own: EntityUID = resource::uid(single).unwrap();
    let own = Entity::new(own, attributes, Default::default(), groups, [], all).unwrap();
    let others = facts.entities().unwrap();
    let others = others.iter().filter(|entity| entity.uid() != own.uid()).cloned();
    let entities = Entities::from_entities(
        others.chain([own.clone()]).collect::<Vec<_>>(),
        None::<&NoEntitiesSchema>,
        TCComputation::AssumeAlreadyComputed,
        all,
    );
    let answer = Authorizer::new().is_authorized(request, set, &entities.unwrap());
    answer.decision == Allowed::Allow
}

fn uses() -> Vec<Scope> {
    let mut uses = Vec::new();
    for host in [
        "https://x.a.example",
        "https://y.a.example",
        "https://b.example",
        "http://10.0.0.1:8080",
        "https://x.a.example:8443",
    ] {
        for method in ["GET", "PUT"] {
            for path in ["/v1", "/v1/x", "/v2"] {
                uses.push(format!("http={method} {host}{path}").parse().unwrap());
            }
        }
    }
    uses
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn cedar_permits_every_single_use_of_what_is_granted(
        text in policies(),
        asked in prop::sample::select(vec![
            "http=https://*", "http=https://*:*", "http=https://*.a.example",
            "http=https://x.a.example", "http=GET https://x.a.example/v1", "http=http://10.0.0.1:8080",
            "http=GET,PUT https://*.a.example:*/v1", "http=http://*:*",
        ]),
        signed in any::<bool>(),
        environment in prop::sample::select(Environment::ALL.to_vec()),
    ) {
        // What can never hold is refused when it is read, and what is left is what counts.
        let Ok(policy) = Policy::from_cedar(&text, "p.cedar") else { return Ok(()) };
        let signers = if signed { needs().signers } else { Vec::new() };
        let principal = Principal::new(&Needs { signers, ..needs() }, "");
        let at = Circumstances { environment, ..Circumstances::default() };
        let set = parse_policyset(&text).unwrap();
        let mut policy = policy;
        policy.set_circumstances(at.clone());
        let asked: Scope = asked.parse().unwrap();
        let decision = policy.judge(&principal, &asked);
        prop_assert_eq!(&*decision, &policy.judge_anew(&principal, &asked));
        for single in uses() {
            let within = |part: &&crate::Permitted| {
                // What is private is reached only where it is named.
                single.is_within(&part.scope) && (part.named || !single.to_string().contains("10.0"))
            };
            if let Some(part) = decision.permitted.iter().find(within) {
                prop_assert!(part.scope.is_within(&asked));
                prop_assert!(
                    allowed(&set, &principal, &at, &single),
                    "{single} is within {} and Cedar denies it:\n{text}", part.scope
                );
            }
        }
        // And the other way round: one single use is decided as Cedar decides it.
        for single in uses() {
            let Scope::Http(http) = &single else { continue };
            if http.path() != "/v1/x" { continue }
            let decision = policy.judge_anew(&principal, &single);
            if decision.permits() {
                prop_assert!(allowed(&set, &principal, &at, &single), "{single}:\n{text}");
            }
        }
    }

    #[test]
    fn a_rule_and_its_translation_are_one_policy(
        flag in prop::sample::select(vec![
            "clock", "random", "env=TZ", "dir=/s=./h", "dir=/s=./h \"q\" \\:rw", "dir=/s=/h:create",
            "http=https://*.a.example", "http=GET,PUT http://127.0.0.1:8080/v1", "http=https://*",
            "scratch=/tmp", "tcp=*:5432", "udp=[::1]:53", "dns=*.a.example", "listen=127.0.0.1:0",
            "keyvalue=s:rw", "blobstore=p", "secret=k", "reveal=k", "exec=git log *", "exec=git **",
        ]),
        target in prop::sample::select(vec![
            "", "r.example/flows/x::", "r.example/flows/*::", "acme:text/chunk::",
            "acme:text/chunk@1.0.0::", "acme:text/*::", "file:x.wasm::", "file:*::",
        ]),
    ) {
        let rule = Rule::from_flag(&format!("{target}{flag}")).unwrap();
        let direct = Statement::of_rule(rule);
        let text = direct.to_cedar();
        let (read, findings) = read(&text, "p.cedar");
        prop_assert_eq!(&findings, &[], "{}", text);
        prop_assert_eq!(&read[0], &direct, "{}", text);
        prop_assert_eq!(&read[0].id, &direct.id);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,120}", words in prop::collection::vec(
        prop::sample::select(vec!["permit", "(", ")", "principal", "action", "resource", ",", ";",
            "when", "{", "}", "==", "in", "Http::\"x\"", "@id(\"a\")", "\"", "resource.host", "like"]),
        0..30,
    )) {
        let _ = read(&text, "p.cedar");
        let _ = read(&words.join(" "), "p.cedar");
    }
}

#[test]
fn every_kind_has_its_action_its_type_and_its_groups_in_the_schema() {
    for kind in longshore_model::CapabilityKind::ALL {
        let text = format!(
            "permit (principal, action == Action::\"{kind}\", resource is {});\n",
            resource::type_of(kind)
        );
        let text = match kind {
            longshore_model::CapabilityKind::Dir => format!("@host(\"x\") {text}"),
            _ => text,
        };
        assert_eq!(cedar(&text).len(), 1);
        for group in resource::groups_of(kind) {
            let text = format!(
                "forbid (principal, action in Action::\"{group}\", resource is {});",
                resource::type_of(kind)
            );
            assert_eq!(cedar(&text).len(), 1, "{text}");
        }
    }
}
