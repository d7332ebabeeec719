//! A workflow and its actions, published on loopback and fetched: what the durable workflows of the benchmark are made of.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore::client::{Artifact, ClientConfig, Registry};
use longshore::policy::Policy;
use longshore::reference::{Digest, Manifest, Pin, Reference};
use longshore::trust::{PrivateKey, TrustPolicy, annotations_for, sign_component};
use longshore::{Longshore, Request, Target};
use longshore_engine::Allocation;
use longshore_journal::Store;
use longshore_model::LimitName;
use longshore_test_support::servers::embedded_registry;
use wasmtime::Result;

const CREATED: &str = "2026-01-01T00:00:00Z";

const OUTSIDE: &str = "[package]\nname = \"outside\"\nversion = \"1.0.0\"\nkind = \"action\"\n\
                       [[capabilities.keyvalue]]\nname = \"outside\"\naccess = \"rw\"\n\
                       reason = \"to be counted\"\n";
const STEPS: &str = "[package]\nname = \"steps\"\nversion = \"1.0.0\"\nkind = \"action\"\n";
const PLOT: &str = r#"
[package]
name = "plot"
version = "1.0.0"
kind = "workflow"
[limits]
calls = 1000000
events = 10000000
deadline-ms = 3600000
[dependencies]
"fixtures:outside/outside@0.1.0" = { reference = "team/outside", version = "^1.0" }
"fixtures:steps/steps@0.1.0" = { reference = "team/steps", version = "^1.0" }
"#;

/// A cache that has the workflow, and who signed it.
pub(crate) struct Harbour {
    pub(crate) home: tempfile::TempDir,
    author: PrivateKey,
    plot: Reference,
}

impl Harbour {
    /// Publishes the workflow `tests/guests/plot` with its actions, and fetches it.
    pub(crate) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        let (home, author) = (tempfile::tempdir()?, PrivateKey::generate(&[1; 32])?);
        let plot = runtime.block_on(async {
            let registry = embedded_registry();
            let place = |name: &str| format!("{}/team/{name}:1.0.0", registry.address());
            let outside = publish(&place("outside"), "outside", OUTSIDE, &[], &author).await?;
            let steps = publish(&place("steps"), "steps", STEPS, &[], &author).await?;
            let pins = [outside, steps];
            let plot = publish(&place("plot"), "plot", PLOT, &pins, &author).await?;
            let plot = place("plot").parse::<Reference>()?.pinned(plot);
            let trust = TrustPolicy::for_key("release", author.public_key().clone());
            let host = Longshore::builder().home(home.path()).trust(trust).build()?;
            host.prepare(&Target::Reference(plot.clone()), &allowed()?).await?;
            Ok::<_, wasmtime::Error>(plot)
        })?;
        Ok(Self { home, author, plot })
    }

    /// A host over `store` that keeps workflows which wait in memory for so long.
    pub(crate) fn host(&self, store: Arc<dyn Store>, patience: Duration) -> Result<Longshore> {
        let config = ClientConfig { offline: true, ..ClientConfig::default() };
        Ok(Longshore::builder()
            .home(self.home.path())
            .registry(config)
            .trust(TrustPolicy::for_key("release", self.author.public_key().clone()))
            .signer(PrivateKey::generate(&[7; 32])?)
            .allocation(Allocation::Pooling)
            .store(store)
            .patience(patience)
            .build()?)
    }

    /// The workflow.
    pub(crate) fn target(&self) -> Target {
        Target::Reference(self.plot.clone())
    }

    /// Plays a plot: see `tests/guests/plot/src/plot.rs`.
    pub(crate) fn request(&self, ops: &str) -> Result<Request> {
        let input = format!("{{\"ops\":{ops},\"cleanup\":[0]}}");
        Ok(Request::new(self.target(), input).function("run").allow(allowed()?))
    }
}

fn allowed() -> Result<Policy> {
    let mut policy = Policy::default();
    policy.allow_flag("keyvalue=outside:rw")?;
    policy.ceiling(LimitName::Calls, 1_000_000);
    policy.ceiling(LimitName::Events, 10_000_000);
    policy.ceiling(LimitName::DeadlineMs, 3_600_000);
    Ok(policy)
}

async fn publish(
    reference: &str,
    guest: &str,
    toml: &str,
    pins: &[Digest],
    key: &PrivateKey,
) -> Result<Digest> {
    let mut manifest = Manifest::from_toml(toml, "longshore.toml")?;
    for (dependency, digest) in manifest.dependencies.iter_mut().zip(pins) {
        dependency.pinned = Some(Pin { version: "1.0.0".parse()?, digest: *digest });
    }
    let guest = std::fs::read(crate::guest(guest, &format!("guest-{guest}")))?;
    let component = longshore_build::wrap(&guest, &manifest)?;
    let artifact = Artifact {
        title: "component.wasm".to_owned(),
        created: CREATED.to_owned(),
        ..Artifact::default()
    };
    let (client, place) = (Registry::new(ClientConfig::default()), reference.parse::<Reference>()?);
    let pushed = client.push(&place, Bytes::from(component), &artifact).await?;
    let digest = pushed.manifest.digest;
    let bundle = sign_component(key, digest, &annotations_for(&place))?;
    let repository = pushed.reference.repository();
    client.attach(repository, &pushed.manifest, bundle.into(), CREATED).await?;
    Ok(digest)
}
