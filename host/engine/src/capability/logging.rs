//! `wasi:logging`: the same journaled and bounded lines as `longshore:action/log`. It reaches nothing but the run's own journal,
//! so it needs no grant.

use longshore_model::Json;

use crate::contract::logging;
use crate::host::Host;

impl logging::Host for Host {
    fn log(
        &mut self,
        level: logging::Level,
        context: String,
        message: String,
    ) -> wasmtime::Result<()> {
        let (kind, critical) = match level {
            logging::Level::Trace => ("trace", false),
            logging::Level::Debug => ("debug", false),
            logging::Level::Info => ("info", false),
            logging::Level::Warn => ("warn", false),
            logging::Level::Error => ("error", false),
            logging::Level::Critical => ("error", true),
        };
        let fields = match (context.is_empty(), critical) {
            (true, false) => None,
            (false, false) => Some(serde_json::json!({ "context": context })),
            (_, true) => Some(serde_json::json!({ "context": context, "critical": true })),
        };
        let fields = fields.map(|fields| Json::of(&fields)).transpose()?;
        self.scene.log(kind, message, fields)
    }
}
