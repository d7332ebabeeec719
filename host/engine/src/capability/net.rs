//! Names and addresses: the one place where the host looks a name up and decides which of its addresses may be reached. What
//! may be spoken to at all is the grant's business, and asked by the capabilities.

mod address;
mod meter;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;

pub(crate) use address::{Kind, kind, literal};
pub(crate) use meter::Metered;

/// Addresses of one name that are taken.
const MAX_ADDRESSES: usize = 8;

/// What a [`Resolve`] answers in the end.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up.
pub trait Resolve: Send + Sync {
    /// The addresses of `name`, a plain lower-case host name.
    fn resolve(&self, name: String) -> Answer;
}

/// How the engine looks names up; the default asks the system.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Resolve>);

impl Resolver {
    /// Looks names up with `resolve`. Its answers are vetted like any other's.
    pub fn new(resolve: impl Resolve + 'static) -> Self {
        Self(Arc::new(resolve))
    }

    /// The addresses of `host` (lower-case, IPv6 in brackets) that are within `reach`. One that is not, among several, is
    /// enough to refuse: a name that answers with both is an attack or a mistake.
    pub(crate) async fn vetted(&self, host: &str, reach: Reach) -> Result<Vec<IpAddr>, Lookup> {
        let found = match literal(host) {
            Some(literal) => vec![literal],
            // RFC 6761: it never leaves this machine, whatever a resolver says.
            None if host == "localhost" => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            None => self.0.resolve(host.to_owned()).await.map_err(|_| Lookup::Failed)?,
        };
        if found.is_empty() {
            return Err(Lookup::Nothing);
        }
        if let Some(&bad) = found.iter().find(|&&address| !reach.includes(address)) {
            return Err(Lookup::Prohibited(bad));
        }
        Ok(found.into_iter().take(MAX_ADDRESSES).collect())
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(System)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// The system's resolver.
struct System;

impl Resolve for System {
    fn resolve(&self, name: String) -> Answer {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
        })
    }
}

/// Which addresses may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those on the public internet.
    Public,
    /// Private networks too, because the operator says so of the name; never link-local ones, where metadata is served.
    Private,
    /// Any: the operator wrote this very address.
    Any,
}

impl Reach {
    /// What `host` may reach, where `named` says whether the operator wrote it without a wildcard and `private` whether it may
    /// be private because the operator says so of the name.
    pub(crate) fn of(host: &str, named: bool, private: bool) -> Self {
        match host == "localhost" || literal(host).is_some() {
            true if named => Self::Any,
            true => Self::Public,
            // A name never leads to a private address by itself: whoever answers for it could point it anywhere.
            false if private => Self::Private,
            false => Self::Public,
        }
    }

    pub(crate) fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Public => kind(address) == Kind::Public,
            Self::Private => kind(address) != Kind::Special,
            Self::Any => true,
        }
    }
}

/// Why a name has no address that may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The resolver failed.
    Failed,
    /// It answered with nothing.
    Nothing,
    /// It answered with an address that may not be reached.
    Prohibited(IpAddr),
}

/// An address as scopes write it: IPv6 in brackets.
pub(crate) fn written(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<IpAddr>);

    impl Resolve for Fixed {
        fn resolve(&self, _: String) -> Answer {
            let answer = self.0.clone();
            Box::pin(async move { Ok(answer) })
        }
    }

    fn of(answer: &[&str]) -> Resolver {
        Resolver::new(Fixed(answer.iter().map(|a| a.parse().unwrap()).collect()))
    }

    #[tokio::test]
    async fn one_bad_answer_among_good_ones_refuses_them_all() {
        let mixed = of(&["1.1.1.1", "10.0.0.1"]);
        let bad = "10.0.0.1".parse().unwrap();
        assert_eq!(mixed.vetted("a.example", Reach::Public).await, Err(Lookup::Prohibited(bad)));
        assert_eq!(mixed.vetted("a.example", Reach::Private).await.unwrap().len(), 2);
        let metadata = of(&["169.254.169.254"]);
        let refused = metadata.vetted("a.example", Reach::Private).await;
        assert!(matches!(refused, Err(Lookup::Prohibited(_))), "{refused:?}");
        assert_eq!(of(&[]).vetted("a.example", Reach::Any).await, Err(Lookup::Nothing));
        // Even one past those that are taken.
        let mut many = vec!["1.1.1.1"; MAX_ADDRESSES];
        many.push("127.0.0.1");
        assert!(of(&many).vetted("a.example", Reach::Public).await.is_err());
    }

    #[tokio::test]
    async fn localhost_and_addresses_are_never_asked_of_a_resolver() {
        let liar = of(&["1.1.1.1"]);
        let own = liar.vetted("localhost", Reach::Any).await.unwrap();
        assert!(own.iter().all(IpAddr::is_loopback), "{own:?}");
        assert!(liar.vetted("localhost", Reach::Public).await.is_err());
        assert!(liar.vetted("[::1]", Reach::Public).await.is_err());
        assert_eq!(liar.vetted("127.0.0.1", Reach::Any).await.unwrap(), [Ipv4Addr::LOCALHOST]);
    }
}
