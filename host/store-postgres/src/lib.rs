//! The journal in PostgreSQL, for several hosts that share the work: rows in, rows out, no decision.
//!
//! One thread per store owns two connections. One writes: whatever waits when it is free goes into one
//! statement, which is one transaction and one sync of the server's log; that is the group commit. The
//! other reads, takes runs, and is told by the server (`LISTEN`) what other hosts did. A server that
//! goes away is waited for, a while; what was acknowledged is kept, and what was not is never written
//! twice.

mod address;
mod fault;
mod group;
mod queue;
mod rows;
mod schema;
mod seal;
mod session;
mod tls;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use longshore_journal::{
    Append, Bell, Claim, Durability, Error, Fence, Letter, Posted, Record, Result, RunFilter,
    RunSummary, Sealer, Store, StoreFault, StoredReceipt, Ticket, Wake, Wakes,
};
use longshore_model::{RunId, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_postgres::config::SslMode;

pub use crate::address::Address;
use crate::fault::Fail;
use crate::queue::{Queue, Request, Sealing, Waiting};
use crate::session::{Backoff, Connector, Lane, Session};
use crate::tls::Tls;
use crate::writer::{Writer, within};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the server is.
    pub address: Address,
    /// How long a server that does not answer is asked again.
    pub patience: Duration,
    /// Certificate authorities besides the system's.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Options {
    /// The server at `address`, thirty seconds of patience, the system's authorities.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self { address, patience: Duration::from_secs(30), authorities: Vec::new() }
    }

    /// Adds certificate authorities in PEM; `name` is their file's, for messages.
    ///
    /// # Errors
    ///
    /// When the text holds none.
    pub fn trust_pem(&mut self, pem: &[u8], name: &str) -> Result<()> {
        let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match read {
            Ok(found) if !found.is_empty() => {
                self.authorities.extend(found);
                Ok(())
            }
            _ => {
                let message = format!("the CA file `{name}` holds no certificate in PEM");
                Err(Error::store(StoreFault::Unopenable, message))
            }
        }
    }
}

/// A journal in a database, in its schema `longshore`. Dropped, it finishes what was handed in.
pub struct PostgresStore {
    queue: Arc<Queue>,
    bell: Bell,
    lane: Arc<Lane>,
    patience: Duration,
    runtime: Handle,
    /// Whether somebody makes sure that we are told of what others do.
    listening: AtomicBool,
    thread: Option<JoinHandle<()>>,
}

impl PostgresStore {
    /// A store with options. The server is spoken to behind this function's back: what is wrong with
    /// it comes with the first answer, or from [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// When no thread can be started, or the system's authorities cannot be read.
    pub fn open(options: Options) -> Result<Self> {
        let plain = options.address.config().get_ssl_mode() == SslMode::Disable;
        let tls = if plain { Tls::none() } else { Tls::new(options.authorities)? };
        let connector = Connector { address: options.address, tls };
        let (queue, bell) = (Arc::new(Queue::default()), Bell::new());
        let lane = Arc::new(Lane::new(connector.clone(), bell.clone()));
        let writer = Writer::new(Arc::clone(&queue), connector);
        let failed = |source: std::io::Error| {
            let message = "cannot start the thread of the journal's store";
            Error::store_because(StoreFault::Unopenable, message, source)
        };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name("longshore-journal".to_owned())
            .spawn(move || runtime.block_on(writer.run()))
            .map_err(failed)?;
        Ok(Self {
            queue,
            bell,
            lane,
            patience: options.patience,
            runtime: handle,
            listening: AtomicBool::new(false),
            thread: Some(thread),
        })
    }

    /// Waits until the server has answered and the schema is there.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, does not let us in, or has a newer schema.
    pub async fn ready(&self) -> Result<()> {
        self.ask("cannot open the journal's store", |_| async { Ok(()) }).await
    }

    /// Asks the server on the store's thread, after everything that was handed in before, again and
    /// again while it does not answer and there is patience left.
    async fn ask<T, F>(
        &self,
        what: &'static str,
        ask: impl Fn(Arc<Session>) -> F + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = std::result::Result<T, Fail>> + Send,
    {
        self.queue.settled().await;
        let (lane, deadline) = (Arc::clone(&self.lane), Instant::now() + self.patience);
        let asking = async move {
            let mut backoff = Backoff::new();
            loop {
                let attempt = async { ask(lane.session().await?).await };
                match within(deadline, attempt).await {
                    Ok(answer) => return Ok(answer),
                    Err(fail) if !fail.is_transient() || Instant::now() >= deadline => {
                        return Err(fail.because(what));
                    }
                    Err(_) => backoff.pause().await,
                }
            }
        };
        self.runtime.spawn(asking).await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // Had it panicked, its callers were told: their tickets say that the store stopped.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

fn stopped() -> Error {
    Error::store(StoreFault::Stopped, "the store of the journal has stopped")
}

/// Keeps the reading connection, so that what others do is told as it happens.
async fn listen(lane: Arc<Lane>, bell: Bell) {
    let mut backoff = Backoff::new();
    loop {
        match lane.session().await {
            Ok(session) => {
                session.closed().await;
                backoff = Backoff::new();
                bell.ring(Wake::Any);
            }
            Err(_) => backoff.pause().await,
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn append(&self, append: Append) -> Ticket {
        let (completion, ticket) = Ticket::pending();
        let deadline = Instant::now() + self.patience;
        self.queue.push(Request::Append(Waiting { append, completion, deadline }));
        ticket
    }

    async fn load(&self, run: RunId, from: u64, max: usize) -> Result<Vec<Record>> {
        self.ask("cannot read the entries of a run", move |session| async move {
            rows::load(&session, run, from, max).await
        })
        .await
    }

    async fn summary(&self, run: RunId) -> Result<Option<RunSummary>> {
        self.ask(
            "cannot read a run",
            move |session| async move { rows::summary(&session, run).await },
        )
        .await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        let filter = filter.clone();
        self.ask("cannot list the runs", move |session| {
            let filter = filter.clone();
            async move { rows::runs(&session, &filter).await }
        })
        .await
    }

    async fn claimable(&self, now: Timestamp, limit: usize) -> Result<Vec<RunSummary>> {
        self.ask("cannot look for runs to take", move |session| async move {
            rows::claimable(&session, now, limit).await
        })
        .await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<RunSummary>> {
        let claim = *claim;
        self.ask(
            "cannot take runs",
            move |session| async move { rows::claim(&session, &claim).await },
        )
        .await
    }

    async fn renew(&self, held: &[(RunId, Fence)], until: Timestamp) -> Result<Vec<RunId>> {
        let held: Arc<[(RunId, Fence)]> = held.into();
        self.ask("cannot prolong the leases of runs", move |session| {
            let held = Arc::clone(&held);
            async move { rows::renew(&session, &held, until).await }
        })
        .await
    }

    async fn due(&self) -> Result<Option<Timestamp>> {
        self.ask(
            "cannot look for runs that are due",
            |session| async move { rows::due(&session).await },
        )
        .await
    }

    async fn post(&self, letter: Letter) -> Result<u64> {
        self.ask("cannot keep a letter", move |session| {
            let letter = letter.clone();
            async move { rows::post(&session, &letter).await }
        })
        .await
    }

    async fn letters(&self, run: RunId, max: usize) -> Result<Vec<Posted>> {
        self.ask("cannot read the letters of a run", move |session| async move {
            rows::letters(&session, run, max).await
        })
        .await
    }

    fn wakes(&self) -> Wakes {
        let wakes = self.bell.listen();
        if !self.listening.swap(true, Ordering::Relaxed) {
            self.runtime.spawn(listen(Arc::clone(&self.lane), self.bell.clone()));
        }
        wakes
    }

    async fn remove(&self, runs: &[RunId]) -> Result<Vec<RunId>> {
        let runs: Arc<[RunId]> = runs.into();
        self.ask("cannot remove runs", move |session| {
            let runs = Arc::clone(&runs);
            async move { rows::remove(&session, &runs).await }
        })
        .await
    }

    // The server's log is always synced for a receipt: it is one row, and hosts share the chain.
    async fn seal(&self, run: RunId, _: Durability, sealer: Sealer) -> Result<StoredReceipt> {
        let (answer, receipt) = oneshot::channel();
        let deadline = Instant::now() + self.patience;
        self.queue.push(Request::Seal(Sealing { run, sealer, answer, deadline }));
        receipt.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn receipt(&self, run: RunId) -> Result<Option<StoredReceipt>> {
        self.ask("cannot read a receipt", move |session| async move {
            rows::receipt(&session, run).await
        })
        .await
    }

    async fn receipts(&self, position: u64, max: usize) -> Result<Vec<StoredReceipt>> {
        self.ask("cannot read the receipts", move |session| async move {
            rows::receipts(&session, position, max).await
        })
        .await
    }
}
