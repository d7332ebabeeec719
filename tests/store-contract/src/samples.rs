//! Runs and events to fill a store with.

use bytes::Bytes;
use longshore_journal::{
    Append, Chain, Durability, Ending, Fence, HostId, Lease, Opening, Record, RunState,
};
use longshore_model::{
    CallStarted, ComponentIdentity, Event, GrantRecord, Json, Outcome, RunEnded, RunId, RunStarted,
    Timestamp, Usage,
};
use longshore_reference::Digest;

/// The id of the `n`th run.
#[must_use]
pub fn run_id(n: u64) -> RunId {
    RunId::new(Timestamp::from_unix_us(1_700_000_000_000_000 + n * 1_000), [7; 10])
}

/// The start of a pure run.
#[must_use]
pub fn start(run: RunId) -> RunStarted {
    RunStarted {
        run,
        component: ComponentIdentity {
            digest: Digest::of(b"component"),
            reference: "acme/hello:1.0.0".to_owned(),
            manifest: None,
            signers: Vec::new(),
        },
        function: "acme:hello/greet@1.0.0#greet".to_owned(),
        dependencies: Vec::new(),
        grant: GrantRecord::default(),
        policy: Digest::of(b"policy"),
        input: Json::null(),
        engine: "wasmtime 48.0.8".to_owned(),
        host: "0.1.0".to_owned(),
        seed: None,
        parent: None,
        continues: None,
    }
}

/// The intent of a call.
#[must_use]
pub fn call(call: u32) -> Event {
    Event::CallStarted(CallStarted {
        call,
        parent: None,
        component: Digest::of(b"component"),
        function: "acme:hello/greet@1.0.0#greet".to_owned(),
        input: Digest::of(b"null"),
        input_bytes: 4,
        attempt: 1,
    })
}

/// The end of a run that returned `null`.
#[must_use]
pub fn end() -> RunEnded {
    RunEnded { outcome: Outcome::Ok(Json::null()), usage: Usage::default() }
}

/// Appends to one run, built without a journal: a store does not care what the bytes say.
#[derive(Clone, Debug)]
pub struct Appends {
    run: RunId,
    next: u64,
    chain: Chain,
    /// What the appends carry.
    pub fence: Fence,
}

impl Appends {
    /// For a run without entries.
    #[must_use]
    pub const fn new(run: RunId) -> Self {
        Self { run, next: 0, chain: Chain::new(), fence: Fence::FIRST }
    }

    /// For a run with `next` entries, held with `fence`. Their hashes do not follow those before.
    #[must_use]
    pub const fn after(run: RunId, next: u64, fence: Fence) -> Self {
        Self { run, next, chain: Chain::new(), fence }
    }

    /// The next `count` records, each with `size` bytes; the first ones open the run.
    pub fn add(&mut self, count: u64, size: usize, durability: Durability) -> Append {
        let next = self.next;
        let records = (next..next + count).map(|seq| self.record(seq, size)).collect();
        self.next += count;
        let opening = (next == 0).then(|| Opening {
            component: Digest::of(b"component"),
            reference: "acme/hello:1.0.0".to_owned(),
            function: "greet".to_owned(),
            started: time(0),
            lease: Some(lease(1, 1_000_000)),
        });
        Append {
            run: self.run,
            next,
            records,
            durability,
            fence: self.fence,
            opening,
            ending: None,
            taken: None,
            release: None,
        }
    }

    /// One more record, which ends the run.
    pub fn end(&mut self, state: RunState) -> Append {
        let mut append = self.add(1, 20, Durability::Buffered);
        append.ending = Some(Ending { state, at: time(append.next) });
        append
    }

    fn record(&mut self, seq: u64, size: usize) -> Record {
        let mut bytes = format!("{seq} ").into_bytes();
        bytes.resize(size.max(bytes.len()), b'x');
        let hash = self.chain.push(&bytes);
        Record { seq, at: time(seq), bytes: Bytes::from(bytes), hash }
    }
}

/// The `n`th host's lease, until [`time`] `until`.
#[must_use]
pub const fn lease(n: u8, until: u64) -> Lease {
    Lease { host: HostId::new([n; 16]), until: time(until) }
}

/// The time of entry `seq`.
#[must_use]
pub const fn time(seq: u64) -> Timestamp {
    Timestamp::from_unix_us(1_700_000_000_000_000 + seq)
}
