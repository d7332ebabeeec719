//! What a call used, counted under the names of the limits.

use serde::{Deserialize, Serialize};

/// What a call used. Times in microseconds; the rest as in [`Limits`](crate::Limits). Zeroes are left out of the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Usage {
    /// Wall time.
    #[serde(skip_serializing_if = "is_zero")]
    pub wall_us: u64,
    /// Instructions, of calls that are repeated or computed again: the same number each time.
    #[serde(skip_serializing_if = "is_zero")]
    pub fuel: u64,
    /// The most linear memory held.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_bytes: u64,
    /// Standard output written.
    #[serde(skip_serializing_if = "is_zero")]
    pub stdout_bytes: u64,
    /// Standard error written.
    #[serde(skip_serializing_if = "is_zero")]
    pub stderr_bytes: u64,
    /// Log lines written.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_lines: u64,
    /// HTTP requests sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_requests: u64,
    /// HTTP body bytes sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_sent_bytes: u64,
    /// HTTP body bytes received.
    #[serde(skip_serializing_if = "is_zero")]
    pub http_received_bytes: u64,
    /// Bytes sent over HTTP and TCP connections, headers and all.
    #[serde(skip_serializing_if = "is_zero")]
    pub egress_sent_bytes: u64,
    /// Bytes received over HTTP and TCP connections, headers and all.
    #[serde(skip_serializing_if = "is_zero")]
    pub egress_received_bytes: u64,
    /// TCP connections made or accepted.
    #[serde(skip_serializing_if = "is_zero")]
    pub connections: u64,
    /// UDP datagrams sent or received.
    #[serde(skip_serializing_if = "is_zero")]
    pub datagrams: u64,
    /// Names looked up.
    #[serde(skip_serializing_if = "is_zero")]
    pub lookups: u64,
    /// Calls made to actions.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls: u64,
    /// Money charged, in millionths of the operator's unit.
    #[serde(skip_serializing_if = "is_zero")]
    pub spent_micros: u64,
}

// serde's `skip_serializing_if` passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// Adds what another call used; of memory, the larger.
    pub fn add(&mut self, other: &Self) {
        self.wall_us += other.wall_us;
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.stdout_bytes += other.stdout_bytes;
        self.stderr_bytes += other.stderr_bytes;
        self.log_lines += other.log_lines;
        self.http_requests += other.http_requests;
        self.http_sent_bytes += other.http_sent_bytes;
        self.http_received_bytes += other.http_received_bytes;
        self.egress_sent_bytes += other.egress_sent_bytes;
        self.egress_received_bytes += other.egress_received_bytes;
        self.connections += other.connections;
        self.datagrams += other.datagrams;
        self.lookups += other.lookups;
        self.calls += other.calls;
        self.spent_micros += other.spent_micros;
    }
}
