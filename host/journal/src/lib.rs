//! What a run did, in order, so that it can be proved and one day repeated: entries, their hash
//! chain, the port to a store, and the store that keeps them in memory.
//!
//! The decisions are made here (what is hashed, what must be on disk before what, what a broken
//! history is called); a [`Store`] keeps rows and decides nothing. No SQL, no file, no wall clock:
//! time comes from a [`Clock`].
//!
//! [`Clock`]: longshore_model::Clock

mod chain;
mod durability;
mod entry;
mod error;
mod history;
mod journal;
mod keeper;
mod lease;
mod mail;
mod memory;
mod run;
mod steady;
mod store;
mod subscription;
mod wake;
mod writer;

pub use chain::{Chain, GENESIS};
pub use durability::{
    Durability, durability_of, durability_of_call, is_pure, is_pure_run, unsynced_from,
    writes_unannounced,
};
pub use entry::{Entry, MAX_ENTRY_BYTES, Record};
pub use error::{Error, Result, StoreFault};
pub use history::{History, Reader, in_force};
pub use journal::Journal;
pub use lease::{Claim, Fence, HostId, LEASE, Lease, Standing, Waiting, WaitsOn};
pub use mail::{Letter, MAX_LETTER_BYTES, MAX_LETTERS, Posted};
pub use memory::MemoryStore;
pub use run::{Closed, Run};
pub use store::{
    Append, Completion, Ending, MAX_PAGE_BYTES, Named, Opening, Release, RunFilter, RunState,
    RunSummary, SealedReceipt, Sealer, Store, StoredReceipt, Ticket,
};
pub use subscription::{Seen, Subscription};
pub use wake::{Bell, Wake, Wakes};
