//! The server as a whole: binding, accepting, stopping, and the way of one request through the
//! modules.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::guard::Guard;
use crate::reply::{self, Code, Fault, Reply};
use crate::route::{self, Route};
use crate::store::Store;
use crate::upload::Uploads;
use crate::{Error, Limits, blobs, connection, listing, manifests};

/// Everything that a request may use.
#[derive(Debug)]
pub(crate) struct App {
    store: Arc<Store>,
    pub(crate) uploads: Uploads,
    pub(crate) limits: Limits,
    guard: Guard,
}

impl App {
    /// Runs `work` on the disk without blocking other requests.
    pub(crate) async fn disk<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Store) -> std::io::Result<T> + Send + 'static,
    ) -> reply::Result<T> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result.map_err(|error| Fault::storage(operation, &error)),
            Err(error) => Err(Fault::storage(operation, &std::io::Error::other(error))),
        }
    }

    /// The store, for what does not touch more than one file's metadata.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    async fn route(&self, request: Request<Incoming>) -> reply::Result {
        let route = self.guard.admit(&request, || route::parse(request.uri().path()))?;
        match route {
            Route::Ping if route::is_read(request.method()) => {
                let document = b"{}".to_vec();
                Ok(reply::document("application/json", document))
            }
            Route::Catalog if route::is_read(request.method()) => {
                listing::catalog(self, request.uri().query()).await
            }
            Route::Tags(name) if route::is_read(request.method()) => {
                listing::tags(self, name, request.uri().query()).await
            }
            Route::Referrers(name, subject) if route::is_read(request.method()) => {
                listing::referrers(self, name, subject, request.uri().query()).await
            }
            Route::Manifest(name, which) => manifests::serve(self, name, which, request).await,
            Route::Blob(name, digest) => blobs::serve(self, name, digest, request).await,
            Route::Uploads(name) => blobs::start(self, name, request).await,
            Route::Upload(name, id) => blobs::upload(self, name, &id, request).await,
            other => Err(method_not_allowed(&other)),
        }
    }

    /// Answers one request; never fails.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut reply = self.route(request).await.unwrap_or_else(Fault::into_reply);
        let headers = reply.headers_mut();
        let version = HeaderValue::from_static("registry/2.0");
        headers.insert("docker-distribution-api-version", version);
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        tracing::debug!(%method, path, status = reply.status().as_u16(), "answered");
        reply
    }
}

pub(crate) fn method_not_allowed(route: &Route) -> Fault {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Fault::new(status, Code::Unsupported, "the endpoint does not have this method")
        .header("allow", route.methods())
}

/// A registry that has its folder and its socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
}

impl Server {
    /// Takes the folder and the address. Connections queue until [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When a setting makes no sense, the address is not allowed or taken, or the folder cannot be
    /// used.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        check(&config)?;
        let Config { root, listen, limits, .. } = config.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(root)).await;
        let store = opened.map_err(|error| Error::Storage {
            operation: "open",
            path: config.root.clone(),
            cause: std::io::Error::other(error),
        })??;
        let taken = |cause| Error::Listen { address: listen, cause };
        let listener = TcpListener::bind(listen).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let app = App {
            store: Arc::new(store),
            uploads: Uploads::default(),
            limits,
            guard: Guard::new(&config, address),
        };
        Ok(Self { listener, address, app: Arc::new(app) })
    }

    /// The address, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready; then accepts nothing more, and lets open requests end
    /// within `Limits::drain`.
    ///
    /// # Errors
    ///
    /// When the socket cannot accept any more.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let limits = &self.app.limits;
        let permits = Arc::new(Semaphore::new(limits.connections));
        let (stop, stopped) = watch::channel(false);
        let mut open = JoinSet::new();
        let mut sweep = tokio::time::interval(sweep_every(limits));
        let mut shutdown = std::pin::pin!(shutdown);
        let outcome = loop {
            let accepted = async {
                // The permit first: a connection beyond the limit waits in the kernel and costs
                // nothing here.
                let permit = Arc::clone(&permits).acquire_owned().await.ok();
                (permit, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                _ = sweep.tick() => self.app.uploads.expire(limits.upload_idle),
                Some(_) = open.join_next() => {}
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let app = Arc::clone(&self.app);
                        open.spawn(connection::serve(stream, app, stopped.clone(), permit));
                    }
                    Err(error) if is_passing(&error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        // Out of file descriptors: give others the time to return some.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(error) => break Err(Error::Accept(error)),
                },
            }
        };
        drop(self.listener);
        let _ = stop.send(true);
        let drained = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.drain, drained).await.is_err() {
            tracing::warn!(connections = open.len(), "connections were cut at the stop");
        }
        open.shutdown().await;
        outcome
    }
}

fn sweep_every(limits: &Limits) -> Duration {
    (limits.upload_idle / 2).clamp(Duration::from_millis(10), Duration::from_secs(30))
}

/// Whether accepting may work the next time (a peer that went away, or no file descriptor left just
/// now).
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    const NFILE: i32 = 23;
    const MFILE: i32 = 24;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::OutOfMemory
    ) || matches!(error.raw_os_error(), Some(NFILE | MFILE))
}

fn check(config: &Config) -> Result<(), Error> {
    let setting = |setting, reason| Err(Error::Setting { setting, reason });
    if !config.allow_remote && !config.listen.ip().is_loopback() {
        return Err(Error::Remote { address: config.listen });
    }
    for user in &config.users {
        if user.name.is_empty() || user.name.contains(':') {
            return setting("users", "has a name that is empty or contains a colon");
        }
        if user.password.is_empty() {
            return setting("users", "has an empty password");
        }
    }
    let limits = &config.limits;
    if limits.connections == 0 || limits.connections > Semaphore::MAX_PERMITS {
        return setting("limits.connections", "is not a number of connections");
    }
    if limits.page == 0 {
        return setting("limits.page", "is zero");
    }
    let times = [limits.head, limits.body_idle, limits.body, limits.upload_idle];
    if times.iter().any(Duration::is_zero) {
        return setting("limits", "has a time that is zero");
    }
    Ok(())
}
