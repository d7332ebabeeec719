//! Decisions of policies: one request against two hundred of them, the same question again, and what a
//! process pays for the policies that it has.

use std::fmt::Write as _;
use std::hint::black_box;

use longshore_model::Signer;
use longshore_policy::{Needs, Policy, Principal, Role};
use longshore_reference::{Digest, Manifest, Scope, Source};
use wasmtime::Result;
use wasmtime::error::Context as _;

use crate::Effort;
use crate::stats::{median, round_sync, typical};
use crate::table::{Table, Target};

const GROUP: &str = "Policy decisions";
const POLICIES: usize = 200;
const FLAGS: [&str; 5] = [
    "clock",
    "random",
    "env=TZ",
    "dir=/data=./corpus:ro",
    "acme:web/fetch::http=https://api.example.com",
];

/// Measures it.
pub(crate) fn measure(table: &mut Table, effort: Effort) -> Result<()> {
    let text = policies();
    let policy = Policy::from_cedar(&text, "bench.cedar")?;
    assert_eq!(policy.len(), POLICIES);
    let needs = needs()?;
    let principal = Principal::new(&needs, "");
    let scope = |text: &str| text.parse::<Scope>().context("a scope");
    let met = scope("http=GET https://host-77.example.com/v1")?;
    let denied = scope("http=https://elsewhere.example.com")?;
    let wide = scope("http=https://*.example.com")?;
    assert!(policy.judge_anew(&principal, &met).permits());
    assert!(!policy.judge_anew(&principal, &denied).permits());
    assert!(policy.judge_anew(&principal, &wide).permitted.len() > 10);
    let decide = |scope: &Scope| {
        let one = || {
            round_sync(effort.calls, || {
                black_box(policy.judge_anew(&principal, black_box(scope)));
            })
        };
        one(); // the first round warms up
        let rounds: Vec<_> = (0..effort.rounds).map(|_| one()).collect();
        typical(&rounds) / 1e3
    };
    let most = Target::AtMost(50.0);
    table.target(GROUP, "one request, permitted, 200 policies", decide(&met), "µs", most);
    table.target(GROUP, "one request, denied, 200 policies", decide(&denied), "µs", most);
    table.note(GROUP, "one request that is narrowed to many parts", decide(&wide), "µs");
    // One clock reading costs as much as the answer: many answers for each.
    let batch = 64;
    let kept = || {
        round_sync(effort.calls.div_ceil(8), || {
            for _ in 0..batch {
                black_box(policy.judge(&principal, black_box(&met)));
            }
        })
    };
    kept();
    let rounds: Vec<_> = (0..effort.rounds).map(|_| kept()).collect();
    let cached = typical(&rounds) / 1e3 / f64::from(batch);
    table.target(GROUP, "the same request again", cached, "µs", Target::AtMost(1.0));
    let flags = || {
        round_sync(effort.calls, || {
            let mut policy = Policy::default();
            for flag in FLAGS {
                let read = policy.allow_flag(flag);
                read.unwrap_or_else(|error| unreachable!("{error}"));
            }
            black_box(policy.decide(&needs).is_ok());
        })
    };
    flags();
    let rounds: Vec<_> = (0..effort.rounds).map(|_| flags()).collect();
    let flags = typical(&rounds) / 1e3;
    table.target(GROUP, "five flags, read and decided", flags, "µs", Target::AtMost(200.0));
    let read = || {
        let round = round_sync(1, || {
            black_box(Policy::from_cedar(&text, "bench.cedar").is_ok());
        });
        round.median
    };
    let file = median((0..effort.rounds.min(9)).map(|_| read()).collect()) / 1e6;
    table.note(GROUP, "200 policies in Cedar, read and validated", file, "ms");
    Ok(())
}

/// Hosts by name, conditions on the circumstances, and a forbid for every fourth.
fn policies() -> String {
    let mut text = String::new();
    for n in 0..POLICIES {
        let _ = match n % 4 {
            0 => writeln!(
                text,
                "@id(\"forbid-{n}\") forbid (principal, action in Action::\"network\", resource) \
                 when {{ context.label == \"label-{n}\" && !principal.signed }};"
            ),
            1 => writeln!(
                text,
                "@id(\"host-{n}\") permit (principal in Publisher::\"acme\", \
                 action == Action::\"http\", \
                 resource in Http::\"https://host-{n}.example.com\") \
                 when {{ context.environment == Environment::\"production\" }};"
            ),
            2 => writeln!(
                text,
                "@id(\"condition-{n}\") permit (principal, action == Action::\"http\", resource) \
                 when {{ resource.host == \"other-{n}.example.com\" && resource.method == \"GET\" \
                 && resource.port == 443 }};"
            ),
            _ => writeln!(
                text,
                "@id(\"bucket-{n}\") permit (principal in Repository::\"r.example/team-{n}/*\", \
                 action == Action::\"keyvalue\", resource in Keyvalue::\"bucket-{n}:rw\");"
            ),
        };
    }
    text
}

fn needs() -> Result<Needs> {
    let text = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"action\"\n\
                [capabilities.clock]\nreason = \"r\"\n\
                [[capabilities.dir]]\npath = \"/data\"\nreason = \"r\"\n";
    Ok(Needs {
        component: Digest::of(b"component"),
        source: Source::Registry("r.example/team-3/x:1".parse()?),
        role: Role::Root,
        imports: Vec::new(),
        manifest: Some(Manifest::from_toml(text, "longshore.toml")?),
        signers: vec![Signer { name: "acme".to_owned(), key: Some(Digest::of(b"key")) }],
    })
}
