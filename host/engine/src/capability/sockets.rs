//! `wasi:sockets` of either generation: each bind, connect, listen, accept and datagram asks [`Net::check`], and nothing else
//! opens a socket. A connection goes to an address that was looked up for a granted name in this very call, or that is granted
//! itself. What is on the wire belongs to the guest; HTTP has its own way out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_model::{Effect, LimitName, NetScope, Scope};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::net::{Kind, Resolver, kind, written};
use crate::call::Scene;

mod counted;
mod link;
mod streams;

pub(crate) use link::add_to_linker;

/// Different denials of one call that are told.
const MAX_TOLD: usize = 64;

type Verdict = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;

/// The sockets of one call.
pub(crate) struct Net {
    pub(super) scene: Arc<Scene>,
    pub(super) resolver: Resolver,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The names that were looked up and granted, by the addresses that they led to.
    names: HashMap<IpAddr, BTreeSet<String>>,
    /// The ends of datagrams that were journaled.
    ends: HashSet<SocketAddr>,
    /// The denials that were told.
    denied: HashSet<Scope>,
}

/// Which protocol of the grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    fn scope(self, host: &str, port: u16) -> Option<Scope> {
        let scope: NetScope = format!("{host}:{port}").parse().ok()?;
        Some(match self {
            Self::Tcp => Scope::Tcp(scope),
            Self::Udp => Scope::Udp(scope),
        })
    }

    fn covers(self, scope: &Scope, host: &str, port: u16) -> bool {
        match (self, scope) {
            (Self::Tcp, Scope::Tcp(own)) | (Self::Udp, Scope::Udp(own)) => own.covers(host, port),
            _ => false,
        }
    }
}

/// Lets every socket ask `net`.
pub(crate) fn apply(builder: &mut WasiCtxBuilder, net: &Arc<Net>) {
    let net = Arc::clone(net);
    // Making a socket is counted and does nothing; using it asks.
    builder
        .allow_tcp(true)
        .allow_udp(true)
        .allow_ip_name_lookup(false)
        .socket_addr_check(move |address, purpose| net.check(address, purpose));
}

impl Net {
    pub(crate) fn new(scene: Arc<Scene>, resolver: Resolver) -> Self {
        Self { scene, resolver, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket that is about to be made; false when there were too many.
    pub(crate) fn may_open(&self) -> bool {
        self.scene.count(LimitName::Sockets, 1)
    }

    /// Remembers that the granted `name` led to `addresses`.
    pub(super) fn learn(&self, name: &str, addresses: &[IpAddr]) {
        let mut known = self.known();
        for address in addresses {
            known.names.entry(address.to_canonical()).or_default().insert(name.to_owned());
        }
    }

    /// Tells a denial, once for each scope.
    pub(super) fn deny(&self, scope: Scope) {
        let mut known = self.known();
        if known.denied.len() < MAX_TOLD && known.denied.insert(scope.clone()) {
            drop(known);
            self.scene.denied(self.scene.grant.denial(self.scene.id, &scope));
        }
    }

    fn check(self: &Arc<Self>, address: SocketAddr, purpose: SocketAddrUse) -> Verdict {
        let effect = match self.decide(address, purpose) {
            Some(None) => return Box::pin(ready(true)),
            None => return Box::pin(ready(false)),
            Some(Some(effect)) => effect,
        };
        let scene = Arc::clone(&self.scene);
        let telling = tokio::spawn(async move {
            let Some(number) = scene.intend(effect).await else { return false };
            scene.effect_ended(number, "permitted".to_owned());
            true
        });
        Box::pin(async move { telling.await.unwrap_or(false) })
    }

    /// Nothing where it is refused; otherwise the effect that has to be journaled first, if any.
    fn decide(&self, address: SocketAddr, purpose: SocketAddrUse) -> Option<Option<Effect>> {
        match purpose {
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind if address.port() == 0 => Some(None),
            SocketAddrUse::TcpBind => self.listens(address).then_some(None),
            SocketAddrUse::TcpListen => {
                self.listens(address).then(|| Some(Effect::Listen { address: address.to_string() }))
            }
            SocketAddrUse::TcpAccept => self.scene.count(LimitName::Connections, 1).then_some(None),
            SocketAddrUse::TcpConnect => {
                let host = self.spoken_to(Protocol::Tcp, address)?;
                self.scene.count(LimitName::Connections, 1).then_some(())?;
                Some(Some(Effect::Tcp { host, address: address.to_string() }))
            }
            SocketAddrUse::UdpBind => self.local(address).then_some(None),
            SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                let send = matches!(purpose, SocketAddrUse::UdpSend);
                let host = match send {
                    true => self.spoken_to(Protocol::Udp, address)?,
                    // A stranger's datagram is dropped, and nobody's fault.
                    false => self.granted(Protocol::Udp, address)?,
                };
                self.scene.count(LimitName::Datagrams, 1).then_some(())?;
                let first = self.known().ends.insert(address);
                Some(first.then(|| Effect::Udp { host, address: address.to_string() }))
            }
        }
    }

    /// The name or address under which `address` is granted.
    fn granted(&self, protocol: Protocol, address: SocketAddr) -> Option<String> {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let grant = &self.scene.grant;
        let names = self.known().names.get(&ip).cloned().unwrap_or_default();
        let covers = |host: &str| grant.covering(|scope| protocol.covers(scope, host, port));
        if let Some(name) = names.into_iter().find(|name| covers(name).is_some()) {
            return Some(name);
        }
        let literal = written(ip);
        let granted = covers(&literal)?;
        // A wildcard is for the public internet; a private address has to be named.
        (granted.may_be_private() || kind(ip) == Kind::Public).then_some(literal)
    }

    /// The same, noted as used, or denied.
    fn spoken_to(&self, protocol: Protocol, address: SocketAddr) -> Option<String> {
        let port = address.port();
        if let Some(host) = self.granted(protocol, address) {
            if let Some(scope) = protocol.scope(&host, port) {
                self.scene.used(scope);
            }
            return Some(host);
        }
        let ip = address.ip().to_canonical();
        let name = self.known().names.get(&ip).and_then(|names| names.first().cloned());
        let host = name.unwrap_or_else(|| written(ip));
        if let Some(scope) = protocol.scope(&host, port) {
            self.deny(scope);
        }
        None
    }

    /// Whether connections may be accepted at `address`. Where port 0 is granted, the system chose the port: binding to any
    /// other was refused.
    fn listens(&self, address: SocketAddr) -> bool {
        let (host, port) = (written(address.ip().to_canonical()), address.port());
        let covers = |port: u16| {
            let own =
                |scope: &Scope| matches!(scope, Scope::Listen(own) if own.covers(&host, port));
            self.scene.grant.covering(own).is_some()
        };
        let scope: Option<NetScope> = format!("{host}:{port}").parse().ok();
        let scope = scope.map(Scope::Listen);
        let port = match (covers(port), covers(0)) {
            (true, _) => port,
            (false, true) => 0,
            (false, false) => {
                scope.into_iter().for_each(|scope| self.deny(scope));
                return false;
            }
        };
        if let Ok(scope) = format!("{host}:{port}").parse() {
            self.scene.used(Scope::Listen(scope));
        }
        true
    }

    /// Whether datagrams may be received at the local `address`, whose port the guest chose.
    fn local(&self, address: SocketAddr) -> bool {
        let (host, port) = (written(address.ip().to_canonical()), address.port());
        let covers = |scope: &Scope| Protocol::Udp.covers(scope, &host, port);
        let Some(scope) = Protocol::Udp.scope(&host, port) else { return false };
        match self.scene.grant.covering(covers).is_some() {
            true => self.scene.used(scope),
            false => {
                self.deny(scope);
                return false;
            }
        }
        true
    }
}
