//! Real registries on loopback: Debian's `docker-registry`, and the embedded one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use longshore_registry_server::{Config, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::tools;

/// A `docker-registry` with a storage of its own; it is killed when this is dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    child: Child,
    address: SocketAddr,
    _storage: TempDir,
}

impl DockerRegistry {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a `docker-registry` (no referrers API; deletes are on). `None` means: skip the test.
///
/// # Panics
///
/// When it is missing and `LONGSHORE_REQUIRE_SERVERS` is `1`, or when it does not start.
#[must_use]
pub fn docker_registry() -> Option<DockerRegistry> {
    let program = tools::find("docker-registry")?;
    // The port is free when it is chosen and may be taken when the server wants it: then another
    // one is.
    for _ in 0..5 {
        let storage = tempfile::tempdir().expect("a temporary folder");
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = probe.local_addr().expect("a bound socket has an address");
        drop(probe);
        let config = storage.path().join("config.yml");
        let folder = storage.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  \
             filesystem: {{rootdirectory: \"{}\"}}\n  delete: {{enabled: true}}\nhttp: {{addr: \
             \"{address}\"}}\n",
            folder.display()
        );
        std::fs::write(&config, text).expect("a file in a temporary folder");
        let child = Command::new(&program)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts");
        let mut server = DockerRegistry { child, address, _storage: storage };
        if answers(&mut server) {
            return Some(server);
        }
    }
    panic!("docker-registry did not start")
}

fn answers(server: &mut DockerRegistry) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if server.child.try_wait().is_ok_and(|exit| exit.is_some()) {
            return false;
        }
        if TcpStream::connect(server.address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// The embedded registry on a thread of its own; it stops when this is dropped.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _storage: Option<TempDir>,
}

impl EmbeddedRegistry {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EmbeddedRegistry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts an embedded registry with default settings in a temporary folder.
///
/// # Panics
///
/// When it does not start.
#[must_use]
pub fn embedded_registry() -> EmbeddedRegistry {
    let storage = tempfile::tempdir().expect("a temporary folder");
    let mut registry = embedded_registry_with(Config::new(storage.path().join("registry")));
    registry._storage = Some(storage);
    registry
}

/// Starts an embedded registry with these settings.
///
/// # Panics
///
/// When it does not start.
#[must_use]
pub fn embedded_registry_with(config: Config) -> EmbeddedRegistry {
    let (stop, stopped) = oneshot::channel::<()>();
    let (started, start) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let server = match Server::bind(config).await {
                Ok(server) => server,
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(server.local_addr()));
            let stopped = async {
                let _ = stopped.await;
            };
            server.run(stopped).await.expect("the embedded registry serves");
        });
    });
    let address = start.recv().expect("the thread says how it went").expect("the registry starts");
    EmbeddedRegistry { address, stop: Some(stop), thread: Some(thread), _storage: None }
}
