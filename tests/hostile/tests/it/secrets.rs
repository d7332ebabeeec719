//! Getting at the value of a secret that is only to be used.

use longshore::model::CapabilityKind;
use longshore::policy::Policy;
use longshore_hostile::Secrets;
use longshore_policy::SecretSource;
use longshore_ports::{Secret, Unavailable, Vault};

use crate::ground::{Ground, attack, denials, told};
use crate::server::Server;
use crate::stage::{allow, both};

/// What no guest may get hold of, and nothing may keep.
const VALUE: &str = "hunter2-0123456789abcdef";
const MARK: &str = "longshore-secret-";

/// Keeps one secret, wherever it is looked for.
pub(crate) struct Kept;

#[async_trait::async_trait]
impl Vault for Kept {
    async fn fetch(&self, _: &SecretSource) -> Result<Secret, Unavailable> {
        Ok(Secret::new(VALUE.into()).expect("it is a value"))
    }
}

/// The secret `api` may be used at `/page` of the server, in one header.
fn granted(port: u16) -> Policy {
    let mut policy = allow(&[
        "secret=api",
        &format!("http=http://127.0.0.1:{port}"),
        &format!("http=http://127.0.0.2:{port}"),
    ]);
    policy.secret_flag(&format!("api=env:API_KEY@http://127.0.0.1:{port}/page")).unwrap();
    policy
}

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Secrets) {
    let server = Server::start();
    let input = format!("[\"{}\", {}]", what.name(), server.port());
    let policy = both(granted(server.port()), allow(&["clock", "random"]));
    let ran = ground.run(&attack(&ground.guest("secrets"), &input, policy)).await;
    let said = told(&ran);
    if what == Secrets::InErrors {
        assert!(said.matches("http").count() >= 3, "{said}");
    } else {
        assert_eq!(said, expected(what));
    }
    // Neither what it was told nor anything that is kept has the value, and nobody was sent a placeholder.
    let kept = format!("{said} {:?} {:?}", ran.history, ran.report);
    assert!(!kept.contains(VALUE), "{kept}");
    let seen = server.seen().concat();
    assert!(!seen.contains(MARK), "{seen}");
    let sent = matches!(what, Secrets::Echoed | Secrets::InErrors | Secrets::Redirected);
    assert_eq!(seen.contains(VALUE), sent, "{seen}");
    let denied = denials(&ran);
    let kind = match what {
        Secrets::Revealed => CapabilityKind::Reveal,
        _ => CapabilityKind::Secret,
    };
    assert!(denied.iter().all(|denied| denied.capability == kind), "{denied:?}");
    assert_eq!(denied.len(), tries(what), "{denied:?}");
}

/// How many of its deeds were refused, each with an event.
fn tries(what: Secrets) -> usize {
    match what {
        Secrets::Echoed | Secrets::InErrors => 0,
        Secrets::InName | Secrets::Redirected | Secrets::Revealed => 1,
        Secrets::InUrl | Secrets::InBody | Secrets::ToAnother => 2,
        Secrets::Guessed => 3,
        Secrets::InOtherHeader => 4,
        Secrets::OtherNames => 8,
    }
}

fn expected(what: Secrets) -> &'static str {
    match what {
        Secrets::InUrl | Secrets::ToAnother => "http-denied, http-denied",
        Secrets::InName | Secrets::Redirected => "http-denied",
        Secrets::InOtherHeader => "http-denied, http-denied, http-denied, http-denied",
        Secrets::InBody => "http, http",
        Secrets::Echoed => "200 content-length=0 location=(secret) x-echo=(secret)",
        Secrets::Guessed => "http-denied, http-denied, 200 content-length=18, http-denied",
        Secrets::Revealed => "secret-denied",
        Secrets::OtherNames => {
            "secret-denied, secret-denied, secret-denied, secret-denied, secret-denied, \
             secret-denied, secret-denied, secret-denied"
        }
        Secrets::InErrors => unreachable!("its words are not the point"),
    }
}
