//! The data of one store: the scene of the call, its limits, and the WASI contexts built from its grant.

use std::collections::HashMap;
use std::sync::Arc;

use longshore_model::Limits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::Error;
use crate::call::{Scene, Stdio};
use crate::capability::stdio::Capture;
use crate::capability::{clock, dir, env, http::Egress, random, settings, virtualized};
use crate::limiter::Limiter;
use crate::link::{Links, Ready};
use crate::retry::Options;

/// The most that the headers of one HTTP message may hold, in bytes.
const MAX_HEADER_BYTES: usize = 64 << 10;

pub(crate) struct Host {
    pub(crate) scene: Arc<Scene>,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    pub(crate) spans: u32,
    pub(crate) links: Arc<Links>,
    /// Made on first use: most calls never touch WASI.
    wasi: Option<Box<WasiCtx>>,
    stdout: Capture,
    stderr: Capture,
    http: WasiHttpCtx,
    egress: Egress,
    variables: Option<Box<WasiConfigVariables>>,
    /// The policies for calls that live, oldest first, by their handles.
    pub(crate) policies: Vec<(u32, Arc<Options>)>,
    /// The timers behind pollables of `wasi:io`, by their handles.
    pub(crate) pollables: HashMap<u32, u32>,
}

impl Host {
    pub(crate) fn new(
        ready: &Ready,
        scene: &Arc<Scene>,
        stdio: &Stdio,
        stdout: Capture,
        stderr: Capture,
    ) -> Result<Self, Error> {
        let limits: &Limits = scene.grant.limits();
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_HEADER_BYTES);
        let mut host = Self {
            scene: Arc::clone(scene),
            limiter: Limiter::new(limits),
            table,
            spans: 0,
            links: Arc::clone(ready.links()),
            wasi: None,
            stdout,
            stderr,
            http,
            egress: Egress::new(Arc::clone(scene)),
            variables: None,
            policies: Vec::new(),
            pollables: HashMap::new(),
        };
        let plain = scene.grant.dirs().is_empty()
            && ready.env().is_empty()
            && stdio.arguments.is_empty()
            && stdio.stdin.is_empty();
        if !plain {
            let mut builder = host.builder();
            env::apply(&mut builder, &scene.grant, ready.env(), &stdio.arguments);
            dir::apply(&mut builder, &scene.grant)?;
            builder.stdin(wasmtime_wasi::p2::pipe::MemoryInputPipe::new(stdio.stdin.clone()));
            host.wasi = Some(Box::new(builder.build()));
        }
        Ok(host)
    }

    /// A context with what needs neither the disk nor the caller: streams, clocks, randomness, no sockets.
    fn builder(&self) -> WasiCtxBuilder {
        let mut builder = WasiCtxBuilder::new();
        builder
            .stdout(self.stdout.clone())
            .stderr(self.stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        clock::apply(&mut builder, &self.scene.grant);
        random::apply(&mut builder, &self.scene.grant);
        if self.scene.durable {
            virtualized::apply(&mut builder, &self.scene);
        }
        builder
    }

    pub(crate) fn variables(&mut self) -> &WasiConfigVariables {
        let grant = &self.scene.grant;
        self.variables.get_or_insert_with(|| Box::new(settings::variables(grant)))
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.is_none() {
            self.wasi = Some(Box::new(self.builder().build()));
        }
        let Some(ctx) = self.wasi.as_deref_mut() else { unreachable!("made above") };
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.egress }
    }
}
