//! Every limit has a number, a name and a safe default.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $field:ident / $variant:ident = $default:expr, $name:literal, $unit:literal;)*) => {
        /// The name of a limit, as manifests, policies, events and errors write it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum LimitName {
            $($(#[doc = $doc])* #[serde(rename = $name)] $variant,)*
        }

        /// All limits in the order in which they are documented: name, unit, default.
        pub const LIMITS: &[(LimitName, &str, u64)] = &[$((LimitName::$variant, $unit, $default),)*];

        /// The numbers in force for one call. `Default` gives the safe defaults.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $field: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Limits {
            /// The number under `name`.
            #[must_use]
            pub fn get(&self, name: LimitName) -> u64 {
                match name { $(LimitName::$variant => self.$field,)* }
            }

            /// Sets the number under `name`.
            pub fn set(&mut self, name: LimitName, value: u64) {
                match name { $(LimitName::$variant => self.$field = value,)* }
            }

            /// The smaller number of each pair.
            #[must_use]
            pub fn min(&self, ceiling: &Self) -> Self {
                Self { $($field: self.$field.min(ceiling.$field),)* }
            }
        }

        impl LimitName {
            /// The name as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The limit of that name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

limits! {
    /// Wall time of one call, host calls included.
    deadline_ms / DeadlineMs = 30_000, "deadline-ms", "ms";
    /// Instructions of one call whose result can be computed again: the same number on every machine, where time is not.
    fuel / Fuel = 100_000_000_000, "fuel", "instructions";
    /// Linear memory of one call, all its memories together.
    memory_bytes / MemoryBytes = 256 << 20, "memory-bytes", "bytes";
    /// Elements of all tables of one call together.
    table_elements / TableElements = 100_000, "table-elements", "elements";
    /// Core instances in one call.
    instances / Instances = 64, "instances", "instances";
    /// Resource handles that a call holds at once.
    handles / Handles = 10_000, "handles", "handles";
    /// Bytes that the guest hands to one host call.
    host_call_bytes / HostCallBytes = 64 << 20, "host-call-bytes", "bytes";
    /// JSON text of the input of one call.
    input_bytes / InputBytes = 16 << 20, "input-bytes", "bytes";
    /// JSON text of the output of one call.
    output_bytes / OutputBytes = 16 << 20, "output-bytes", "bytes";
    /// Standard output of one call.
    stdout_bytes / StdoutBytes = 1 << 20, "stdout-bytes", "bytes";
    /// Standard error of one call.
    stderr_bytes / StderrBytes = 1 << 20, "stderr-bytes", "bytes";
    /// Log lines, notes, spans and progress reports of one call.
    log_lines / LogLines = 10_000, "log-lines", "lines";
    /// Text and fields of all log lines, notes, spans and progress reports of one call.
    log_bytes / LogBytes = 4 << 20, "log-bytes", "bytes";
    /// HTTP requests of one call.
    http_requests / HttpRequests = 100, "http-requests", "requests";
    /// Body bytes sent in one HTTP request.
    http_request_bytes / HttpRequestBytes = 16 << 20, "http-request-bytes", "bytes";
    /// Body bytes received in one HTTP response.
    http_response_bytes / HttpResponseBytes = 64 << 20, "http-response-bytes", "bytes";
    /// Fields of the header of one HTTP response.
    http_headers / HttpHeaders = 100, "http-headers", "fields";
    /// The header of one HTTP response or request.
    http_header_bytes / HttpHeaderBytes = 64 << 10, "http-header-bytes", "bytes";
    /// One HTTP request with its whole response; past it the request fails.
    http_request_ms / HttpRequestMs = 30_000, "http-request-ms", "ms";
    /// HTTP requests to one host in a second, in one run; those above it wait.
    http_rate / HttpRate = 100, "http-rate", "requests";
    /// Bytes that one call sends over HTTP and TCP connections.
    egress_sent_bytes / EgressSentBytes = 64 << 20, "egress-sent-bytes", "bytes";
    /// Bytes that one call receives over HTTP and TCP connections.
    egress_received_bytes / EgressReceivedBytes = 256 << 20, "egress-received-bytes", "bytes";
    /// TCP connections that one call makes or accepts, those for HTTP left out.
    connections / Connections = 100, "connections", "connections";
    /// UDP datagrams that one call sends or receives.
    datagrams / Datagrams = 10_000, "datagrams", "datagrams";
    /// Names that one call looks up.
    lookups / Lookups = 100, "lookups", "lookups";
    /// Sockets that one call makes.
    sockets / Sockets = 64, "sockets", "sockets";
    /// Bytes that one call writes to files, and that files grow by when it sets their size.
    file_write_bytes / FileWriteBytes = 256 << 20, "file-write-bytes", "bytes";
    /// The same for one run.
    run_file_write_bytes / RunFileWriteBytes = 1 << 30, "run-file-write-bytes", "bytes";
    /// Files, folders and links that one call makes.
    files_created / FilesCreated = 10_000, "files-created", "files";
    /// The same for one run.
    run_files_created / RunFilesCreated = 100_000, "run-files-created", "files";
    /// Files and folders that a call holds open at once.
    open_files / OpenFiles = 256, "open-files", "files";
    /// Programs of the host that one call starts.
    processes / Processes = 32, "processes", "processes";
    /// Time on the processor of one program, its children each counted for themselves.
    process_cpu_ms / ProcessCpuMs = 30_000, "process-cpu-ms", "ms";
    /// Address space of one program.
    process_memory_bytes / ProcessMemoryBytes = 1 << 30, "process-memory-bytes", "bytes";
    /// Arguments and standard input that one program is given.
    process_input_bytes / ProcessInputBytes = 16 << 20, "process-input-bytes", "bytes";
    /// Standard output and standard error of one program together.
    process_output_bytes / ProcessOutputBytes = 16 << 20, "process-output-bytes", "bytes";
    /// Keys and values of one bucket, together.
    keyvalue_bytes / KeyvalueBytes = 64 << 20, "keyvalue-bytes", "bytes";
    /// Keys of one bucket.
    keyvalue_keys / KeyvalueKeys = 100_000, "keyvalue-keys", "keys";
    /// One value in a bucket.
    keyvalue_value_bytes / KeyvalueValueBytes = 1 << 20, "keyvalue-value-bytes", "bytes";
    /// One key in a bucket.
    keyvalue_key_bytes / KeyvalueKeyBytes = 1024, "keyvalue-key-bytes", "bytes";
    /// Objects of one container, together, and what a call writes that is not yet an object.
    blobstore_bytes / BlobstoreBytes = 256 << 20, "blobstore-bytes", "bytes";
    /// Objects of one container.
    blobstore_objects / BlobstoreObjects = 10_000, "blobstore-objects", "objects";
    /// One object in a container.
    blobstore_object_bytes / BlobstoreObjectBytes = 64 << 20, "blobstore-object-bytes", "bytes";
    /// The name of one object.
    blobstore_name_bytes / BlobstoreNameBytes = 1024, "blobstore-name-bytes", "bytes";
    /// Money that actions charge to one run, in millionths of the operator's unit.
    spend_micros / SpendMicros = 0, "spend-micros", "micros";
    /// Calls from a workflow to actions, in one run.
    calls / Calls = 100_000, "calls", "calls";
    /// How deep calls may nest.
    call_depth / CallDepth = 8, "call-depth", "levels";
    /// Calls that the workflows of one run started and that are under way at once; more wait for their turn.
    started_calls / StartedCalls = 64, "started-calls", "calls";
    /// How many generations of runs a workflow's children may have.
    children_depth / ChildrenDepth = 8, "children-depth", "generations";
    /// Events in the journal of one run.
    events / Events = 1_000_000, "events", "events";
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        let mut limits = Limits::default();
        for &(name, _, default) in LIMITS {
            assert_eq!(limits.get(name), default);
            assert_eq!(LimitName::parse(name.as_str()), Some(name));
            limits.set(name, 7);
        }
        assert!(LIMITS.iter().all(|&(name, ..)| limits.get(name) == 7));
        // All but what nobody may spend unless two agree.
        limits.spend_micros = 0;
        assert_eq!(Limits::default().min(&limits), limits);
    }
}
