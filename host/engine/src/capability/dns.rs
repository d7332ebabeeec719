//! Looking names up for a guest, in either generation of WASI: granted names only, every answer vetted, and what a name led to
//! remembered for the call, so that its sockets may go there and nowhere else.

use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;

use longshore_model::{Effect, HostPattern, LimitName, Scope};
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::Pollable;

use super::net::{Lookup, Reach, literal};
use super::sockets::Net;

/// Why a guest gets no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not granted, or an answer that may not be reached.
    Denied,
    /// Not a name.
    Invalid,
    /// No answer.
    Unresolvable,
    /// The host cannot, or the budget is used up.
    Host,
}

impl Net {
    /// The addresses of `name`, vetted.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Some(address) =
            literal(name).or_else(|| name.parse::<Ipv6Addr>().ok().map(Into::into))
        {
            // Nothing is looked up, and connecting asks.
            return Ok(vec![address]);
        }
        let host = name.parse::<HostPattern>().ok().filter(HostPattern::is_exact);
        let host = host.ok_or(Failure::Invalid)?;
        let name = host.as_str().to_owned();
        let scope = Scope::Dns(host);
        let grant = &self.scene.grant;
        let granted = grant.covering(|own| match own {
            Scope::Tcp(own) | Scope::Udp(own) => own.host().covers(&name),
            _ => false,
        });
        let plain = grant.covering(|own| matches!(own, Scope::Dns(own) if own.covers(&name)));
        if granted.is_none() && plain.is_none() {
            self.deny(scope);
            return Err(Failure::Denied);
        }
        if !self.scene.count(LimitName::Lookups, 1) {
            return Err(Failure::Host);
        }
        if granted.is_none() {
            // A scope of sockets has the lookup in it.
            self.scene.used(scope.clone());
        }
        let named = [granted, plain].into_iter().flatten().any(|own| own.may_be_private());
        let reach = Reach::of(&name, named, grant.may_lead_to_private(&name));
        let effect = Effect::Dns { name: name.clone() };
        let effect = self.scene.intend(effect).await.ok_or(Failure::Host)?;
        let found = self.resolver.vetted(&name, reach).await;
        let (said, result) = match found {
            Ok(addresses) => (format!("{} addresses", addresses.len()), Ok(addresses)),
            Err(Lookup::Prohibited(bad)) => {
                let denial = grant.denial_of_address(self.scene.id, &scope, &name, bad);
                self.scene.denied(denial);
                (format!("refused: it leads to {bad}"), Err(Failure::Denied))
            }
            Err(Lookup::Failed | Lookup::Nothing) => {
                ("failed: no answer".to_owned(), Err(Failure::Unresolvable))
            }
        };
        self.scene.effect_ended(effect, said);
        if let Ok(addresses) = &result {
            self.learn(&name, addresses);
        }
        result
    }
}

/// A lookup of WASI 0.2: under way, then its addresses one by one.
pub(crate) struct Names {
    task: JoinHandle<Result<Vec<IpAddr>, Failure>>,
    found: Option<Result<vec::IntoIter<IpAddr>, Failure>>,
}

impl Names {
    pub(crate) fn start(net: Arc<Net>, name: String) -> Self {
        let task = tokio::spawn(async move { net.look_up(&name).await });
        Self { task, found: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.found.is_some() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.task).poll(cx).map(|ended| {
            let result = ended.unwrap_or(Err(Failure::Host));
            self.found = Some(result.map(Vec::into_iter));
        })
    }

    /// The next address, then nothing; or that it is still under way.
    pub(crate) fn next(&mut self) -> Option<Result<Option<IpAddr>, Failure>> {
        let _ = self.poll(&mut Context::from_waker(Waker::noop()));
        match self.found.as_mut()? {
            Ok(addresses) => Some(Ok(addresses.next())),
            Err(failure) => Some(Err(*failure)),
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Names {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }
}
