//! One entry, decoded and encoded. The encoded bytes are what is hashed and stored; nothing ever
//! re-encodes them.
//!
//! What JSON an entry has is what serde makes of it. The two events that every call records are
//! written by hand, to the same bytes: a call pays for both before and after its guest.

use bytes::Bytes;
use longshore_model::{CallEnded, CallStarted, Event, Outcome, Timestamp, Usage};
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
    match event {
        Event::CallStarted(started) => {
            head(buffer, seq, at, "call-started");
            call_started(buffer, started)?;
        }
        Event::CallEnded(ended) => {
            head(buffer, seq, at, "call-ended");
            call_ended(buffer, ended)?;
        }
        _ => return serde_json::to_writer(buffer, &Borrowed { seq, at, event }),
    }
    buffer.extend_from_slice(b"}}}");
    Ok(())
}

fn head(buffer: &mut Vec<u8>, seq: u64, at: Timestamp, name: &str) {
    buffer.reserve(512);
    buffer.extend_from_slice(b"{\"seq\":");
    number(buffer, seq);
    buffer.extend_from_slice(b",\"at\":");
    number(buffer, at.unix_us());
    buffer.extend_from_slice(b",\"event\":{\"");
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"\":{\"call\":");
}

// The patterns name every field, so that a new one is not forgotten here.
fn call_started(buffer: &mut Vec<u8>, started: &CallStarted) -> Result<(), serde_json::Error> {
    let CallStarted { call, parent, component, function, input, input_bytes, attempt } = started;
    number(buffer, u64::from(*call));
    if let Some(parent) = parent {
        buffer.extend_from_slice(b",\"parent\":");
        number(buffer, u64::from(*parent));
    }
    buffer.extend_from_slice(b",\"component\":");
    digest(buffer, component);
    buffer.extend_from_slice(b",\"function\":");
    text(buffer, function)?;
    buffer.extend_from_slice(b",\"input\":");
    digest(buffer, input);
    buffer.extend_from_slice(b",\"input-bytes\":");
    number(buffer, *input_bytes);
    buffer.extend_from_slice(b",\"attempt\":");
    number(buffer, u64::from(*attempt));
    Ok(())
}

fn call_ended(buffer: &mut Vec<u8>, ended: &CallEnded) -> Result<(), serde_json::Error> {
    let CallEnded { call, outcome, usage } = ended;
    number(buffer, u64::from(*call));
    buffer.extend_from_slice(b",\"outcome\":");
    match outcome {
        Outcome::Ok(json) | Outcome::Failed(json) => {
            buffer.extend_from_slice(b"{\"");
            buffer.extend_from_slice(outcome.word().as_bytes());
            buffer.extend_from_slice(b"\":");
            buffer.extend_from_slice(json.as_str().as_bytes());
            buffer.push(b'}');
        }
        Outcome::Fault(_) => serde_json::to_writer(&mut *buffer, outcome)?,
    }
    buffer.extend_from_slice(b",\"usage\":{");
    used(buffer, usage);
    Ok(())
}

fn used(buffer: &mut Vec<u8>, usage: &Usage) {
    let Usage {
        wall_us,
        fuel,
        memory_bytes,
        stdout_bytes,
        stderr_bytes,
        log_lines,
        http_requests,
        http_sent_bytes,
        http_received_bytes,
        egress_sent_bytes,
        egress_received_bytes,
        connections,
        datagrams,
        lookups,
        calls,
        spent_micros,
    } = *usage;
    let mut first = true;
    for (name, used) in [
        ("\"wall-us\":", wall_us),
        ("\"fuel\":", fuel),
        ("\"memory-bytes\":", memory_bytes),
        ("\"stdout-bytes\":", stdout_bytes),
        ("\"stderr-bytes\":", stderr_bytes),
        ("\"log-lines\":", log_lines),
        ("\"http-requests\":", http_requests),
        ("\"http-sent-bytes\":", http_sent_bytes),
        ("\"http-received-bytes\":", http_received_bytes),
        ("\"egress-sent-bytes\":", egress_sent_bytes),
        ("\"egress-received-bytes\":", egress_received_bytes),
        ("\"connections\":", connections),
        ("\"datagrams\":", datagrams),
        ("\"lookups\":", lookups),
        ("\"calls\":", calls),
        ("\"spent-micros\":", spent_micros),
    ] {
        if used > 0 {
            if !std::mem::take(&mut first) {
                buffer.push(b',');
            }
            buffer.extend_from_slice(name.as_bytes());
            number(buffer, used);
        }
    }
    buffer.push(b'}');
}

fn number(buffer: &mut Vec<u8>, number: u64) {
    buffer.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Names of functions need no escapes; what does is left to serde.
fn text(buffer: &mut Vec<u8>, text: &str) -> Result<(), serde_json::Error> {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return serde_json::to_writer(buffer, text);
    }
    buffer.push(b'"');
    buffer.extend_from_slice(text.as_bytes());
    buffer.push(b'"');
    Ok(())
}

fn digest(buffer: &mut Vec<u8>, digest: &Digest) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    const OPEN: &[u8; 8] = b"\"sha256:";
    let mut text = [b'"'; OPEN.len() + 64 + 1];
    text[..OPEN.len()].copy_from_slice(OPEN);
    for (pair, byte) in text[OPEN.len()..].chunks_exact_mut(2).zip(digest.as_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    buffer.extend_from_slice(&text);
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

#[cfg(test)]
mod tests {
    use longshore_model::{Fault, FaultKind, Json, LimitName};
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        let json = || any::<String>().prop_map(|text| Json::of(&text).unwrap());
        prop_oneof![
            json().prop_map(Outcome::Ok),
            json().prop_map(Outcome::Failed),
            any::<String>().prop_map(|message| {
                let mut fault =
                    Fault::limit(FaultKind::Memory, LimitName::MemoryBytes, message.clone());
                fault.backtrace = vec![message];
                Outcome::Fault(fault)
            }),
        ]
    }

    fn usage() -> impl Strategy<Value = Usage> {
        let count = || prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
        proptest::array::uniform16(count()).prop_map(|n| Usage {
            wall_us: n[0],
            fuel: n[15],
            memory_bytes: n[1],
            stdout_bytes: n[2],
            stderr_bytes: n[3],
            log_lines: n[4],
            http_requests: n[5],
            http_sent_bytes: n[6],
            http_received_bytes: n[7],
            egress_sent_bytes: n[8],
            egress_received_bytes: n[9],
            connections: n[10],
            datagrams: n[11],
            lookups: n[12],
            calls: n[13],
            spent_micros: n[14],
        })
    }

    fn event() -> impl Strategy<Value = Event> {
        let started = (any::<(u32, Option<u32>, [u8; 32], String, [u8; 32], u64, u32)>()).prop_map(
            |(call, parent, component, function, input, input_bytes, attempt)| {
                Event::CallStarted(CallStarted {
                    call,
                    parent,
                    component: Digest::from_bytes(component),
                    function,
                    input: Digest::from_bytes(input),
                    input_bytes,
                    attempt,
                })
            },
        );
        let ended = (any::<u32>(), outcome(), usage()).prop_map(|(call, outcome, usage)| {
            Event::CallEnded(CallEnded { call, outcome, usage })
        });
        prop_oneof![started, ended]
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_serde_writes(
            event in event(),
            seq in any::<u64>(),
            at in any::<u64>(),
        ) {
            let at = Timestamp::from_unix_us(at);
            let mut written = b"before".to_vec();
            encode(&mut written, seq, at, &event).unwrap();
            let by_serde = serde_json::to_vec(&Borrowed { seq, at, event: &event }).unwrap();
            prop_assert_eq!(&written[6..], &by_serde[..]);
        }
    }
}
