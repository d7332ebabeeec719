//! One entry, decoded and encoded. The encoded bytes are what is hashed and stored; nothing ever
//! re-encodes them.

use bytes::Bytes;
use longshore_model::{Event, Timestamp};
use longshore_reference::Digest;
use serde::{Deserialize, Serialize};

/// The largest entry that a journal takes, in bytes of JSON. Far above what the limits of a call
/// allow by default.
pub const MAX_ENTRY_BYTES: usize = 256 << 20;

/// One thing that happened, with its place and time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// Its place in the run, from 0.
    pub seq: u64,
    /// When it was recorded; never before the entry that precedes it.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the run, from 0.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The JSON `{"seq":…,"at":…,"event":{…}}`, exactly as it was hashed.
    pub bytes: Bytes,
    /// The hash of this entry and, through its predecessor's, of all before it.
    pub hash: Digest,
}

/// The encoded form, borrowed: an event is written without being cloned.
#[derive(Serialize)]
struct Borrowed<'a> {
    seq: u64,
    at: Timestamp,
    event: &'a Event,
}

/// Writes the JSON of an entry to the end of `buffer`.
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    seq: u64,
    at: Timestamp,
    event: &Event,
) -> Result<(), serde_json::Error> {
    serde_json::to_writer(buffer, &Borrowed { seq, at, event })
}

impl Record {
    /// Reads the entry back.
    ///
    /// # Errors
    ///
    /// When the bytes are not the JSON of an entry that this version knows.
    pub fn decode(&self) -> Result<Entry, serde_json::Error> {
        serde_json::from_slice(&self.bytes)
    }
}
