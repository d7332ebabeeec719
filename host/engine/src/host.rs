//! The data of one store: the scene of the call, its limits, and the WASI contexts built from its grant.

use std::collections::HashMap;
use std::sync::Arc;

use longshore_model::{CapabilityKind, Limits};
use longshore_ports::Backing;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::Error;
use crate::call::{Scene, Stdio};
use crate::capability::blobstore::Holdings;
use crate::capability::clock::{self, Time};
use crate::capability::dir::{Mounts, Opened};
use crate::capability::exec::Launcher;
use crate::capability::net::Resolver;
use crate::capability::sockets::{self, Net};
use crate::capability::stdio::Capture;
use crate::capability::{env, http::Egress, random, settings, virtualized};
use crate::limiter::Limiter;
use crate::link::{Links, Ready};
use crate::retry::Options;

pub(crate) struct Host {
    pub(crate) scene: Arc<Scene>,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    pub(crate) spans: u32,
    pub(crate) links: Arc<Links>,
    pub(crate) backing: Backing,
    pub(crate) holdings: Arc<Holdings>,
    /// The granted folders: the host's own `wasi:filesystem` asks them.
    pub(crate) mounts: Arc<Mounts>,
    pub(crate) time: Time,
    pub(crate) launcher: Launcher,
    /// Made on first use: most calls never touch WASI.
    wasi: Option<Box<WasiCtx>>,
    stdout: Capture,
    stderr: Capture,
    http: WasiHttpCtx,
    egress: Egress,
    resolver: Resolver,
    /// Made on first use.
    net: Option<Arc<Net>>,
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
        let (folders, launcher) = places(ready, scene)?;
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(usize::try_from(limits.http_header_bytes).unwrap_or(usize::MAX));
        let resolver = ready.compiled().flavor().resolver();
        let mut host = Self {
            scene: Arc::clone(scene),
            limiter: Limiter::new(limits),
            table,
            spans: 0,
            links: Arc::clone(ready.links()),
            backing: ready.backing().clone(),
            holdings: Holdings::new(limits),
            time: Time::of(&scene.grant, scene.cx.elapsed()),
            mounts: Mounts::new(scene, folders)?,
            launcher,
            wasi: None,
            stdout,
            stderr,
            http,
            egress: Egress::new(
                Arc::clone(scene),
                resolver.clone(),
                Arc::clone(ready.compiled().keyed()),
            ),
            resolver: resolver.clone(),
            net: None,
            variables: None,
            policies: Vec::new(),
            pollables: HashMap::new(),
        };
        let plain = ready.env().is_empty() && stdio.arguments.is_empty() && stdio.stdin.is_empty();
        if !plain {
            let mut builder = host.builder();
            env::apply(&mut builder, &scene.grant, ready.env(), &stdio.arguments);
            builder.stdin(wasmtime_wasi::p2::pipe::MemoryInputPipe::new(stdio.stdin.clone()));
            host.wasi = Some(Box::new(builder.build()));
        }
        Ok(host)
    }

    /// A context with what needs neither the disk nor the caller: streams, clocks, randomness, sockets that ask.
    fn builder(&mut self) -> WasiCtxBuilder {
        let mut builder = WasiCtxBuilder::new();
        builder.stdout(self.stdout.clone()).stderr(self.stderr.clone());
        sockets::apply(&mut builder, self.net());
        clock::apply(&mut builder, &self.time);
        random::apply(&mut builder, &self.scene);
        if self.scene.durable {
            virtualized::apply(&mut builder, &self.scene);
        }
        builder
    }

    /// The sockets of this call.
    pub(crate) fn net(&mut self) -> &Arc<Net> {
        let (scene, resolver) = (&self.scene, &self.resolver);
        self.net.get_or_insert_with(|| Arc::new(Net::new(Arc::clone(scene), resolver.clone())))
    }

    pub(crate) fn variables(&mut self) -> &WasiConfigVariables {
        let grant = &self.scene.grant;
        self.variables.get_or_insert_with(|| Box::new(settings::variables(grant)))
    }
}

/// The folders of the host and of the run, and who starts programs in the latter.
fn places(ready: &Ready, scene: &Arc<Scene>) -> Result<(Vec<Opened>, Launcher), Error> {
    let fail = |source| Error::Scratch { source };
    let grant = &scene.grant;
    let mut launcher = Launcher {
        scene: Arc::clone(scene),
        programs: Arc::clone(ready.programs()),
        values: Arc::default(),
        area: None,
    };
    let mut folders = ready.folders().to_vec();
    if grant.has(CapabilityKind::Scratch) || grant.has(CapabilityKind::Exec) {
        let area = scene.cx.area(ready.scratch()).map_err(fail)?;
        for guest in grant.scratch() {
            folders.push(area.folder(grant.component(), guest).map_err(fail)?);
        }
        launcher.values = Arc::new(ready.env().to_vec());
        launcher.area = Some(area);
    }
    Ok((folders, launcher))
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
