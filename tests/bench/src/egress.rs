//! What the checks cost: an HTTP request through the host's egress against the same client without grant, vetting, budgets and
//! journal; and a journaled host call against the bare dynamic host call. Guest and server are the same on both sides.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use longshore::policy::Policy;
use longshore::{Longshore, Target as Named};
use longshore_engine::Allocation;
use longshore_model::LimitName;
use longshore_reference::{MANIFEST_SECTION, Manifest};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentExportIndex, InstancePre, Linker, ResourceTable, Val,
};
use wasmtime::error::Context as _;
use wasmtime::{Config, Engine, Result, Store, bail};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::Effort;
use crate::product::{self, Callee, Product};
use crate::stats::{as_f64, median, ratio, round, typical};
use crate::table::{Table, Target};

const HTTP: &str = "HTTP on loopback, from a guest";
const HOST_CALL: &str = "A host call from a guest";
const INTERFACE: &str = "fixtures:egress/egress@0.1.0";
/// Requests in one call, within the default limit.
const REQUESTS: usize = 100;
/// Host calls in one call.
const LINES: usize = 1000;

/// Measures both on the component in `file`.
pub(crate) fn measure(table: &mut Table, effort: Effort, home: &Path, file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = serve()?;
        let bytes = with_manifest(&std::fs::read(file)?, server)?;
        let own = home.join("egress.wasm");
        std::fs::write(&own, &bytes)?;
        let product = admitted(&home.join("egress"), &own, server).await?;
        let bare = Bare::new(&bytes)?;
        requests(table, effort, &product, &bare, server).await?;
        host_calls(table, effort, &product, &bare).await
    })
}

/// Says hello to whatever it is asked.
fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut held) = ([0; 4096], Vec::new());
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => held.extend_from_slice(&buffer[..read]),
        }
        if held.ends_with(b"\r\n\r\n") {
            held.clear();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
        }
    }
}

/// The guest with a manifest that asks for the server, and for a rate that does not hold it back.
fn with_manifest(component: &[u8], server: SocketAddr) -> Result<Vec<u8>> {
    let text = format!(
        "[package]\nname = \"egress\"\nversion = \"1.0.0\"\nkind = \"action\"\n\
         [capabilities.clock]\nreason = \"std\"\noptional = true\n\
         [capabilities.random]\nreason = \"std\"\noptional = true\n\
         [[capabilities.http]]\nscope = \"http://{server}\"\nreason = \"to measure\"\n\
         [limits]\nhttp-rate = 1_000_000_000\n"
    );
    let manifest = Manifest::from_toml(&text, "longshore.toml")?.to_canonical();
    let mut section = leb(MANIFEST_SECTION.len());
    section.extend_from_slice(MANIFEST_SECTION.as_bytes());
    section.extend_from_slice(&manifest);
    let mut bytes = component.to_vec();
    bytes.push(0);
    bytes.extend(leb(section.len()));
    bytes.extend(section);
    Ok(bytes)
}

/// An unsigned number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

async fn admitted(home: &Path, file: &Path, server: SocketAddr) -> Result<Product> {
    let mut policy = Policy::default();
    policy.allow_flag(&format!("http=http://{server}"))?;
    policy.ceiling(LimitName::HttpRate, 1_000_000_000);
    let host: Longshore = product::host(home).allocation(Allocation::Pooling).build()?;
    let prepared = host.prepare(&Named::File(file.to_owned()), &policy).await?;
    Ok(Product { host, prepared })
}

async fn requests(
    table: &mut Table,
    effort: Effort,
    product: &Product,
    bare: &Bare,
    server: SocketAddr,
) -> Result<()> {
    let url = format!("http://{server}/page");
    let callee = product.callee("many", &format!("[\"{url}\",{REQUESTS}]"))?;
    let index = bare.export("many")?;
    let params = [Val::String(url), Val::U32(u32::try_from(REQUESTS)?)];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let calls = (effort.calls / 50).max(2);
    for warm_up in [true, false] {
        for _ in 0..if warm_up { 1 } else { effort.rounds } {
            ours.push(of_ours(product, &callee, calls).await?);
            theirs
                .push(round(calls, async || all_went_well(bare.call(&index, &params).await)).await);
        }
        if warm_up {
            ours.clear();
            theirs.clear();
        }
    }
    let per_second = |nanoseconds: f64| as_f64(REQUESTS) * 1e9 / nanoseconds;
    table.note(HTTP, "through the egress checks", per_second(typical(&ours)), "/s");
    table.note(HTTP, "the same client without them", per_second(typical(&theirs)), "/s");
    let throughput = 1.0 / ratio(&ours, &theirs);
    table.target(HTTP, "with checks / without", throughput, "×", Target::AtLeast(0.9));
    Ok(())
}

async fn of_ours(product: &Product, callee: &Callee, calls: usize) -> Result<crate::stats::Round> {
    let session = product.session().await?;
    let round = round(calls, async || callee.call(&session).await).await;
    product::close(session).await?;
    Ok(round)
}

fn all_went_well(values: Result<Vec<Val>>) {
    let values = values.unwrap_or_else(|error| unreachable!("the call fails: {error:#}"));
    let well = matches!(&values[..], [Val::Tuple(pair)] if matches!(&pair[..], [Val::U32(n), Val::Option(None)] if *n as usize == REQUESTS));
    assert!(well, "{values:?}");
}

async fn host_calls(
    table: &mut Table,
    effort: Effort,
    product: &Product,
    bare: &Bare,
) -> Result<()> {
    let callee = product.callee("say-many", &format!("[{LINES}]"))?;
    let index = bare.export("say-many")?;
    let params = [Val::U32(u32::try_from(LINES)?)];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let calls = (effort.calls / 25).max(4);
    for warm_up in [true, false] {
        for _ in 0..if warm_up { 1 } else { effort.rounds } {
            ours.push(of_ours(product, &callee, calls).await?);
            theirs.push(
                round(calls, async || {
                    let called = bare.call(&index, &params).await;
                    called.unwrap_or_else(|error| unreachable!("{error:#}"));
                })
                .await,
            );
        }
        if warm_up {
            ours.clear();
            theirs.clear();
        }
    }
    let each = |nanoseconds: f64| nanoseconds / as_f64(LINES) / 1e3;
    table.note(HOST_CALL, "through its check and its journal", each(typical(&ours)), "µs");
    table.note(HOST_CALL, "the bare dynamic host call", each(typical(&theirs)), "µs");
    let over = ours.iter().zip(&theirs).map(|(a, b)| each(a.median - b.median)).collect();
    table.target(HOST_CALL, "over the bare one", median(over), "µs", Target::AtMost(1.5));
    Ok(())
}

/// What a store of the other side holds.
struct State {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    client: Client,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.client }
    }
}

/// The client without checks: one connection that is kept, and whatever it is told is sent.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<Option<SendRequest<WasiBody>>>>);

type IoDriver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, IoDriver), Error>;

impl WasiHttpHooks for Client {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: IoDriver,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let kept = Arc::clone(&self.0);
        Box::new(async move {
            let response = send(&kept, request).await?;
            let done: IoDriver = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

async fn send(
    kept: &Mutex<Option<SendRequest<WasiBody>>>,
    mut request: http::Request<WasiBody>,
) -> Result<http::Response<WasiBody>, Error> {
    let waiting = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut sender = match waiting {
        Some(mut sender) => {
            sender.ready().await?;
            sender
        }
        None => {
            let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let tcp = tokio::net::TcpStream::connect(authority).await.map_err(Error::Connect)?;
            tcp.set_nodelay(true).map_err(Error::Connect)?;
            let io = wasmtime_wasi_http::io::TokioIo::new(tcp);
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            sender
        }
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    let body = Full::new(body).map_err(|never: std::convert::Infallible| match never {});
    Ok(http::Response::from_parts(head, body.boxed_unsync()))
}

/// The other side: wasmtime with that client, and with log lines that go nowhere.
struct Bare {
    engine: Engine,
    pre: InstancePre<State>,
}

impl Bare {
    fn new(bytes: &[u8]) -> Result<Self> {
        let mut config = Config::new();
        config.concurrency_support(false).wasm_component_model_async(false);
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, bytes)?;
        let mut linker: Linker<State> = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        linker.instance("longshore:action/log@0.1.0")?.func_new("write", |_, _, _, _| Ok(()))?;
        nothing_else(&mut linker, &component)?;
        let pre = linker.instantiate_pre(&component)?;
        Ok(Self { engine, pre })
    }

    fn export(&self, function: &str) -> Result<ComponentExportIndex> {
        let component = self.pre.component();
        let outer = component.get_export_index(None, INTERFACE).context("no such interface")?;
        component.get_export_index(Some(&outer), function).context("no such function")
    }

    /// One call, in a store of its own, with a client of its own.
    async fn call(&self, index: &ComponentExportIndex, params: &[Val]) -> Result<Vec<Val>> {
        let state = State {
            ctx: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            client: Client::default(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let callee = instance.get_func(&mut store, index).context("not a function")?;
        let mut results = vec![Val::Bool(false); callee.ty(&store).results().len()];
        callee.call_async(&mut store, params, &mut results).await?;
        Ok(results)
    }
}

/// What the guest imports of Longshore beside its log is there, and does nothing but fail.
fn nothing_else(linker: &mut Linker<State>, component: &Component) -> Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !name.starts_with("longshore:") || name.starts_with("longshore:action/log@") {
            continue;
        }
        let mut slot = linker.instance(name)?;
        for (function, export) in instance.exports(&engine) {
            if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                slot.func_new(function, |_, _, _, _| bail!("it is not here"))?;
            }
        }
    }
    Ok(())
}
