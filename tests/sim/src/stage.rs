//! What all seeds share: published components, and engines with their code compiled.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore::client::{Artifact, ClientConfig, Registry};
use longshore::engine::Allocation;
use longshore::reference::{Digest, Manifest, Pin, Reference};
use longshore::trust::{PrivateKey, TrustPolicy, annotations_for, sign_component};
use longshore::{Longshore, Prepared, Request, Target};
use longshore_engine::Engine;
use longshore_model::{Clock, LimitName};
use longshore_policy::Policy;
use longshore_test_support::guests;
use longshore_test_support::servers::embedded_registry;
use tempfile::TempDir;

use crate::dice::Dice;
use crate::make::GENERATIONS;
use crate::outside::Outside;
use crate::store::Deck;

const CREATED: &str = "2026-01-01T00:00:00Z";

const OUTSIDE: &str = r#"
[package]
name = "outside"
version = "1.0.0"
kind = "action"
[[capabilities.keyvalue]]
name = "outside"
access = "rw"
reason = "to be counted"
"#;

const STEPS: &str = "[package]\nname = \"steps\"\nversion = \"1.0.0\"\nkind = \"action\"\n";

const PLOT: &str = r#"
[package]
name = "plot"
version = "1.0.0"
kind = "workflow"
[limits]
deadline-ms = 86400000
[dependencies]
"fixtures:outside/outside@0.1.0" = { reference = "team/outside", version = "^1.0" }
"fixtures:steps/steps@0.1.0" = { reference = "team/steps", version = "^1.0" }
"#;

/// Everything that is made once: components in a cache on disk, keys.
pub struct Harbour {
    home: TempDir,
    author: PrivateKey,
    plot: Reference,
}

/// An engine of its own, for one thread.
pub struct Stage<'h> {
    harbour: &'h Harbour,
    engine: Engine,
    pub(crate) outside: Arc<Outside>,
    /// Whether a failure is told with all journals.
    pub(crate) tells: bool,
    /// Keeps the compiled code in memory.
    _prepared: Prepared,
}

fn build(name: &str) -> Vec<u8> {
    let path = guests::build(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

fn component(guest: &[u8], toml: &str, pins: &[Digest]) -> Vec<u8> {
    let mut manifest =
        Manifest::from_toml(toml, "longshore.toml").unwrap_or_else(|error| panic!("{error}"));
    for (dependency, digest) in manifest.dependencies.iter_mut().zip(pins) {
        let version = "1.0.0".parse().unwrap_or_else(|error| panic!("{error}"));
        dependency.pinned = Some(Pin { version, digest: *digest });
    }
    longshore_build::wrap(guest, &manifest).unwrap_or_else(|error| panic!("{error}"))
}

impl Harbour {
    /// Builds the guests, publishes them, and fetches them into a cache from which all seeds take them.
    ///
    /// # Panics
    ///
    /// When a guest does not build, or nothing can be published on loopback.
    #[must_use]
    pub fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| panic!("{error}"));
        let author = PrivateKey::generate(&[1; 32]).unwrap_or_else(|error| panic!("{error}"));
        let home = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let plot = runtime.block_on(async {
            let registry = embedded_registry();
            let place = |name: &str| format!("{}/team/{name}:1.0.0", registry.address());
            let outside = component(&build("outside"), OUTSIDE, &[]);
            let outside = publish(&place("outside"), outside, &author).await;
            let steps = component(&build("steps"), STEPS, &[]);
            let steps = publish(&place("steps"), steps, &author).await;
            let guest = build("plot");
            let mut below = None;
            for generation in 0..GENERATIONS {
                let name = format!("plot-{generation}");
                // Dependencies are in the order of their interfaces.
                let (toml, pins) = match below {
                    None => (PLOT.to_owned(), vec![outside, steps]),
                    Some(digest) => {
                        let below = format!("team/plot-{}", generation - 1);
                        let line = format!(
                            "\"fixtures:plot/plot@0.1.0\" = {{ reference = \"{below}\", version = \"^1.0\" }}\n"
                        );
                        (format!("{PLOT}{line}"), vec![outside, digest, steps])
                    }
                };
                let bytes = component(&guest, &toml, &pins);
                below = Some(publish(&place(&name), bytes, &author).await);
            }
            let Some(root) = below else { unreachable!("there is a generation") };
            let plot: Reference = place(&format!("plot-{}", GENERATIONS - 1))
                .parse()
                .unwrap_or_else(|error| panic!("{error}"));
            let plot = plot.pinned(root);
            let host = Longshore::builder().home(home.path()).trust(only(&author)).build();
            let host = host.unwrap_or_else(|error| panic!("{error}"));
            let prepared = host.prepare(&Target::Reference(plot.clone()), &allowed()).await;
            prepared.unwrap_or_else(|error| panic!("{error:#?}"));
            plot
        });
        Self { home, author, plot }
    }

    fn offline(&self) -> longshore::Builder {
        let config = ClientConfig { offline: true, ..ClientConfig::default() };
        let signer = PrivateKey::generate(&[7; 32]).unwrap_or_else(|error| panic!("{error}"));
        Longshore::builder()
            .home(self.home.path())
            .registry(config)
            .trust(only(&self.author))
            .signer(signer)
    }
}

impl Default for Harbour {
    fn default() -> Self {
        Self::new()
    }
}

/// What runs are allowed.
fn allowed() -> Policy {
    let mut policy = Policy::default();
    policy.allow_flag("keyvalue=outside:rw").unwrap_or_else(|error| panic!("{error}"));
    policy.ceiling(LimitName::DeadlineMs, 86_400_000);
    policy
}

fn only(key: &PrivateKey) -> TrustPolicy {
    TrustPolicy::for_key("release", key.public_key().clone())
}

async fn publish(reference: &str, component: Vec<u8>, key: &PrivateKey) -> Digest {
    let artifact = Artifact {
        title: "component.wasm".to_owned(),
        created: CREATED.to_owned(),
        ..Artifact::default()
    };
    let client = Registry::new(ClientConfig::default());
    let place: Reference = reference.parse().unwrap_or_else(|error| panic!("{error}"));
    let pushed = client.push(&place, Bytes::from(component), &artifact).await;
    let pushed = pushed.unwrap_or_else(|error| panic!("{error}"));
    let digest = pushed.manifest.digest;
    let annotations = annotations_for(&place);
    let bundle =
        sign_component(key, digest, &annotations).unwrap_or_else(|error| panic!("{error}"));
    let repository = pushed.reference.repository();
    let attached = client.attach(repository, &pushed.manifest, bundle.into(), CREATED).await;
    attached.unwrap_or_else(|error| panic!("{error}"));
    digest
}

impl<'h> Stage<'h> {
    /// An engine with everything compiled.
    ///
    /// # Panics
    ///
    /// When the components cannot be loaded.
    #[must_use]
    pub fn new(harbour: &'h Harbour) -> Self {
        let outside = Arc::new(Outside::default());
        let host = harbour.offline().allocation(Allocation::Pooling).keyvalue(outside.clone());
        let host = host.build().unwrap_or_else(|error| panic!("{error}"));
        let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| panic!("{error}"));
        let target = Target::Reference(harbour.plot.clone());
        let prepared = runtime.block_on(host.prepare(&target, &allowed()));
        let prepared = prepared.unwrap_or_else(|error| panic!("{error:#?}"));
        Self { harbour, engine: host.engine().clone(), outside, tells: false, _prepared: prepared }
    }

    /// Tells a failure with all journals.
    #[must_use]
    pub fn telling(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// What is run, on this input.
    pub(crate) fn request(&self, input: &str) -> Request {
        let target = Target::Reference(self.harbour.plot.clone());
        Request::new(target, input.to_owned()).function("run").allow(allowed())
    }

    /// The workflow.
    pub(crate) fn target(&self) -> Target {
        Target::Reference(self.harbour.plot.clone())
    }

    /// A host over its way to the store.
    pub(crate) fn host(
        &self,
        deck: Arc<Deck>,
        clock: impl Clock + 'static,
        patience: Duration,
        dice: Dice,
    ) -> Longshore {
        let dice = std::sync::Mutex::new(dice);
        let host = self
            .harbour
            .offline()
            .store(deck)
            .clock(Arc::new(clock))
            .patience(patience)
            .engine(self.engine.clone())
            .entropy(move |bytes| {
                dice.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(bytes);
            });
        host.build().unwrap_or_else(|error| panic!("{error}"))
    }
}
