//! The store's thread: takes what waits, writes it in one transaction, syncs once, answers, and
//! only then tidies up.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use longshore_journal::{Append, Bell, Completion, Durability, Error, Result, StoreFault, Wake};
use rusqlite::hooks::Wal;
use rusqlite::{Connection, TransactionBehavior};

use crate::queue::{Queue, Request};
use crate::{Options, fault, open, rows};

/// At so many pages the log is moved into the file when there is nothing else to do. A process that
/// starts reads the whole log first, so it is kept short.
const TIDY_PAGES: i32 = 128;
/// At so many pages it is moved even when others wait.
const MAX_LOG_PAGES: i32 = 4_096;

/// How often the file is looked at for what other processes wrote, while somebody listens.
const LOOK: Duration = Duration::from_millis(50);

/// What the thread owns.
pub(crate) struct Worker {
    queue: Arc<Queue>,
    bell: Bell,
    /// Changes when another connection commits.
    version: Option<i64>,
    options: Options,
    connection: Option<Connection>,
    /// Pages in the log after the last commit.
    log_pages: Arc<AtomicI32>,
    /// The log, opened at the first sync.
    log: Option<File>,
    /// A sync failed: the system may have dropped what it could not write, so nothing may build on
    /// it.
    broken: Option<Error>,
}

/// Tells waiting callers when the thread goes, however it goes.
struct Farewell(Arc<Queue>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Worker {
    pub(crate) fn new(queue: Arc<Queue>, bell: Bell, options: Options) -> Self {
        Self {
            queue,
            bell,
            version: None,
            options,
            connection: None,
            log_pages: Arc::default(),
            log: None,
            broken: None,
        }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self: Box<Self>) {
        let farewell = Farewell(Arc::clone(&self.queue));
        // Opened ahead of the first request. A failure is told to that request, which tries again.
        let _ = self.connect();
        while let Some(requests) = self.queue.take(self.bell.is_heard().then_some(LOOK)) {
            self.turn(requests);
        }
        drop(farewell);
    }

    /// The end of a worker that has no thread: serves what waits.
    pub(crate) fn finish(mut self: Box<Self>) {
        let farewell = Farewell(Arc::clone(&self.queue));
        while let Some(requests) = self.queue.take_what_waits() {
            self.turn(requests);
        }
        drop(farewell);
    }

    /// Serves what was taken from the queue.
    pub(crate) fn turn(&mut self, requests: VecDeque<Request>) {
        // Before anything is answered: who listens first and asks then misses nothing.
        self.look();
        if !requests.is_empty() {
            self.serve(requests);
            self.tidy();
        }
    }

    fn connect(&mut self) -> Result<()> {
        if self.connection.is_none() {
            let mut connection = open::open(&self.options)?;
            let log_pages = Arc::clone(&self.log_pages);
            let count = move |_: &mut Wal, pages| {
                log_pages.store(pages, Ordering::Relaxed);
                Ok(())
            };
            connection
                .wal_hook(Some(count))
                .map_err(|error| fault::sql("cannot watch the journal's log", error))?;
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn serve(&mut self, requests: VecDeque<Request>) {
        if let Err(error) = self.connect() {
            requests.into_iter().for_each(|request| request.refuse(&error));
            return;
        }
        let mut group = Group::default();
        for request in requests {
            match request {
                Request::Append(append, completion) => group.appends.push((append, completion)),
                Request::Sync(completion) => group.barriers.push(completion),
                Request::Task(task) => {
                    self.commit(std::mem::take(&mut group));
                    if let Some(connection) = &mut self.connection {
                        task(Ok(connection));
                    }
                }
            }
        }
        self.commit(group);
    }

    /// Writes a group in one transaction and answers each of it.
    fn commit(&mut self, group: Group) {
        if group.is_empty() {
            return;
        }
        if let Some(error) = &self.broken {
            return group.refuse(error);
        }
        let results = match self.write(&group.appends) {
            Ok(results) => results,
            // One of them may be to blame: each gets a transaction of its own. (Not when the file is
            // held or may not be written: all would wait in vain, one after the other.)
            Err(Error::Store { fault: StoreFault::Full | StoreFault::Corrupt, .. })
                if group.appends.len() > 1 =>
            {
                let alone = |one: &(Append, Completion)| {
                    self.write(std::slice::from_ref(one)).and_then(|mut r| r.remove(0))
                };
                group.appends.iter().map(alone).collect()
            }
            Err(error) => vec![Err(error); group.appends.len()],
        };
        let synced = if group.wants_sync() { self.sync() } else { Ok(()) };
        for ((append, completion), result) in group.appends.into_iter().zip(results) {
            if result.is_ok() && append.frees() {
                self.bell.ring(Wake::Run(append.run));
            }
            let durable =
                if append.durability == Durability::Synced { synced.clone() } else { Ok(()) };
            completion.complete(result.and(durable));
        }
        group.barriers.into_iter().for_each(|barrier| barrier.complete(synced.clone()));
    }

    /// The answer to each append; an error when the transaction as a whole failed, and then nothing
    /// was written.
    fn write(&mut self, appends: &[(Append, Completion)]) -> Result<Vec<Result<()>>> {
        if appends.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |error| fault::sql("cannot append to the journal", error);
        let connection = self.connection.as_mut().ok_or_else(crate::stopped)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let results = appends
            .iter()
            .map(|(append, _)| rows::append(&transaction, append))
            .collect::<rusqlite::Result<_>>()
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(results)
    }

    /// Brings the log to disk: everything that was ever committed is then either there or in the
    /// file.
    fn sync(&mut self) -> Result<()> {
        let synced = self.sync_log();
        if let Err(error) = &synced {
            self.broken = Some(error.clone());
        }
        synced
    }

    fn sync_log(&mut self) -> Result<()> {
        let path = &self.options.path;
        if self.log.is_none() {
            let log = open::open_log(path)?;
            open::sync_folder(path)?;
            self.log = Some(log);
        }
        let Some(log) = &self.log else { return Err(crate::stopped()) };
        log.sync_data().map_err(|error| fault::file("cannot sync the journal", path, error))
    }

    /// Tells those who listen when another process wrote to the file. SQLite does not say what.
    fn look(&mut self) {
        let Some(connection) = self.connection.as_ref().filter(|_| self.bell.is_heard()) else {
            self.version = None;
            return;
        };
        let look = || {
            connection
                .prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get::<_, i64>(0))
        };
        let version = look().ok();
        if self.version.is_some() && version != self.version {
            self.bell.ring(Wake::Any);
        }
        self.version = version;
    }

    /// Moves the log into the file when it is time. A failure loses nothing: everything is in the
    /// log, and the next commit finds out.
    fn tidy(&mut self) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        let due = pages >= MAX_LOG_PAGES || (pages >= TIDY_PAGES && self.queue.is_empty());
        if let Some(connection) = self.connection.as_ref().filter(|_| due) {
            self.log_pages.store(0, Ordering::Relaxed);
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}

/// Appends that are committed together.
#[derive(Default)]
struct Group {
    appends: Vec<(Append, Completion)>,
    barriers: Vec<Completion>,
}

impl Group {
    const fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.barriers.is_empty()
    }

    fn wants_sync(&self) -> bool {
        !self.barriers.is_empty()
            || self.appends.iter().any(|(append, _)| append.durability == Durability::Synced)
    }

    fn refuse(self, error: &Error) {
        let appends = self.appends.into_iter().map(|(_, completion)| completion);
        appends.chain(self.barriers).for_each(|completion| completion.complete(Err(error.clone())));
    }
}
