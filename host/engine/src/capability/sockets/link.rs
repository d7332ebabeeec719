//! What of `wasi:sockets` is not wasmtime's own: looking names up, making sockets, and the streams of 0.2, so that they are
//! vetted, counted and journaled. Every older minor version is served by these very functions.

use std::sync::Arc;

use longshore_model::LimitName;
use wasmtime::component::{
    Access, Accessor, Linker, LinkerInstance, Resource, ResourceType, StreamReader,
};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi::p2::bindings::sockets::network as p2;
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::Host as _;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, Network, TcpSocket, UdpSocket, subscribe,
};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup::ErrorCode as P3LookupError;
use wasmtime_wasi::p3::bindings::sockets::types as p3;
use wasmtime_wasi::sockets::{self, WasiSockets, WasiSocketsCtxView, WasiSocketsView as _};

use super::counted::counted;
use super::streams::{Input, Output};
use crate::capability::dns::{Failure, Names};
use crate::host::Host;

/// The versions under which wasmtime serves the two generations; the linker finds them for every older minor version too.
const P2: &str = "0.2.12";
const P3: &str = "0.3.0";

type Store<'a> = StoreContextMut<'a, Host>;
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

/// Puts the functions of this file in the place of wasmtime's own.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>, concurrency: bool) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    lookups(&mut linker.instance(&format!("wasi:sockets/ip-name-lookup@{P2}"))?)?;
    streams(&mut linker.instance(&format!("wasi:sockets/tcp@{P2}"))?)?;
    linker.instance(&format!("wasi:sockets/tcp-create-socket@{P2}"))?.func_wrap(
        "create-tcp-socket",
        |mut store: Store<'_>, (family,): (p2::IpAddressFamily,)| {
            let host = store.data_mut();
            if !host.net().may_open() {
                return Ok((Err(p2::ErrorCode::NewSocketLimit),));
            }
            Ok((plain(host.sockets().create_tcp_socket(family))?,))
        },
    )?;
    linker.instance(&format!("wasi:sockets/udp-create-socket@{P2}"))?.func_wrap_async(
        "create-udp-socket",
        |mut store: Store<'_>, (family,): (p2::IpAddressFamily,)| {
            Box::new(async move {
                let host = store.data_mut();
                if !host.net().may_open() {
                    return Ok((Err(p2::ErrorCode::NewSocketLimit),));
                }
                let made: Result<Resource<UdpSocket>, _> =
                    plain(host.sockets().create_udp_socket(family).await)?;
                Ok((made,))
            })
        },
    )?;
    if concurrency {
        third(linker)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// The guest's error out of a trappable one.
fn plain<T, E>(result: Result<T, TrappableError<E>>) -> wasmtime::Result<Result<T, E>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => error.downcast().map(Err),
    }
}

fn lookups(instance: &mut LinkerInstance<'_, Host>) -> wasmtime::Result<()> {
    instance.resource(
        "resolve-address-stream",
        ResourceType::host::<Names>(),
        |mut store: Store<'_>, rep| {
            store.data_mut().table.delete(Resource::<Names>::new_own(rep))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "resolve-addresses",
        |mut store: Store<'_>, (network, name): (Resource<Network>, String)| {
            let host = store.data_mut();
            host.table.get(&network)?;
            let names = Names::start(Arc::clone(host.net()), name);
            Ok((Ok::<_, p2::ErrorCode>(host.table.push(names)?),))
        },
    )?;
    instance.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: Store<'_>, (names,): (Resource<Names>,)| {
            let next = store.data_mut().table.get_mut(&names)?.next();
            Ok((match next {
                None => Err(p2::ErrorCode::WouldBlock),
                Some(Ok(address)) => Ok(address.map(p2::IpAddress::from)),
                Some(Err(failure)) => Err(second(failure)),
            },))
        },
    )?;
    instance.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: Store<'_>, (names,): (Resource<Names>,)| {
            let pollable: Resource<DynPollable> = subscribe(&mut store.data_mut().table, names)?;
            Ok((pollable,))
        },
    )
}

fn second(failure: Failure) -> p2::ErrorCode {
    match failure {
        Failure::Denied => p2::ErrorCode::AccessDenied,
        Failure::Invalid => p2::ErrorCode::InvalidArgument,
        Failure::Unresolvable => p2::ErrorCode::NameUnresolvable,
        Failure::Host => p2::ErrorCode::PermanentResolverFailure,
    }
}

fn streams(instance: &mut LinkerInstance<'_, Host>) -> wasmtime::Result<()> {
    instance.func_wrap(
        "[method]tcp-socket.finish-connect",
        |mut store: Store<'_>, (socket,): (Resource<TcpSocket>,)| {
            let (host, rep) = (store.data_mut(), socket.rep());
            let made = plain(host.sockets().finish_connect(socket))?;
            Ok((match made {
                Ok(streams) => Ok(metered(host, rep, streams)?),
                Err(code) => Err(code),
            },))
        },
    )?;
    instance.func_wrap(
        "[method]tcp-socket.accept",
        |mut store: Store<'_>, (socket,): (Resource<TcpSocket>,)| {
            let host = store.data_mut();
            let made = plain(host.sockets().accept(socket))?;
            Ok((match made {
                Ok((client, input, output)) => {
                    let (input, output) = metered(host, client.rep(), (input, output))?;
                    Ok((client, input, output))
                }
                Err(code) => Err(code),
            },))
        },
    )
}

/// Puts streams that count in the place of those of the socket at `rep`.
fn metered(host: &mut Host, rep: u32, (input, output): Streams) -> wasmtime::Result<Streams> {
    let parent = Resource::<TcpSocket>::new_borrow(rep);
    let scene = &host.scene;
    let inner = host.table.delete(input)?;
    let input: DynInputStream = Box::new(Input { inner, scene: Arc::clone(scene) });
    let inner = host.table.delete(output)?;
    let output: DynOutputStream = Box::new(Output { inner, scene: Arc::clone(scene) });
    let input = host.table.push_child(input, &parent)?;
    let output = host.table.push_child(output, &parent)?;
    Ok((input, output))
}

fn third(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.instance(&format!("wasi:sockets/ip-name-lookup@{P3}"))?.func_wrap_concurrent(
        "resolve-addresses",
        |accessor: &Accessor<Host>, (name,): (String,)| {
            Box::pin(async move {
                let net = accessor.with(|mut access| Arc::clone(access.get().net()));
                let found = net.look_up(&name).await.map_err(|failure| match failure {
                    Failure::Denied => P3LookupError::AccessDenied,
                    Failure::Invalid => P3LookupError::InvalidArgument,
                    Failure::Unresolvable => P3LookupError::NameUnresolvable,
                    Failure::Host => P3LookupError::PermanentResolverFailure,
                });
                let found = found.map(|all| all.into_iter().map(p3::IpAddress::from).collect());
                Ok((found as Result<Vec<_>, _>,))
            })
        },
    )?;
    let types = &mut linker.instance(&format!("wasi:sockets/types@{P3}"))?;
    types.func_wrap(
        "[static]tcp-socket.create",
        |mut store: Store<'_>, (family,): (p3::IpAddressFamily,)| {
            let host = store.data_mut();
            if !host.net().may_open() {
                return Ok((Err(p3::ErrorCode::Other(None)),));
            }
            let mut view = host.sockets();
            Ok((plain(p3::HostTcpSocket::create(&mut view, family))?,))
        },
    )?;
    types.func_wrap_async(
        "[static]udp-socket.create",
        |mut store: Store<'_>, (family,): (p3::IpAddressFamily,)| {
            Box::new(async move {
                let host = store.data_mut();
                if !host.net().may_open() {
                    return Ok((Err(p3::ErrorCode::Other(None)),));
                }
                let mut view = host.sockets();
                let made = p3::HostUdpSocket::create(&mut view, family).await;
                Ok((plain(made)?,))
            })
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.receive",
        |mut store: Store<'_>, (socket,): (Resource<sockets::TcpSocket>,)| {
            let access = Access::<Host, WasiSockets>::new(store.as_context_mut(), view);
            let (bytes, end) =
                <WasiSockets as p3::HostTcpSocketWithStore<Host>>::receive(access, socket)?;
            let bytes = counted(&mut store, bytes, LimitName::EgressReceivedBytes)?;
            Ok(((bytes, end),))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.send",
        |mut store: Store<'_>,
         (socket, bytes): (Resource<sockets::TcpSocket>, StreamReader<u8>)| {
            let bytes = counted(&mut store, bytes, LimitName::EgressSentBytes)?;
            let access = Access::<Host, WasiSockets>::new(store.as_context_mut(), view);
            let end =
                <WasiSockets as p3::HostTcpSocketWithStore<Host>>::send(access, socket, bytes)?;
            Ok((end,))
        },
    )
}

fn view(host: &mut Host) -> WasiSocketsCtxView<'_> {
    host.sockets()
}
