//! Tells what the host lets it see: one operation for every capability.

/// What the host lets a component see.
#[longshore_guest::action(package = "fixtures:host-info@0.1.0", interface = "info")]
pub mod info {
    use longshore_guest::{Failure, attempt, http, log, progress, settings, spans};

    /// This attempt, as the host tells it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Attempt {
        /// The run.
        pub run_id: String,
        /// From 1.
        pub number: u32,
        /// The same for every attempt at one step.
        pub idempotency_key: String,
        /// Until the call is stopped.
        pub remaining_ms: u64,
    }

    /// An environment variable.
    #[expect(clippy::disallowed_methods, reason = "the environment is what this guest is to show")]
    pub fn env(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    /// Every environment variable.
    #[expect(clippy::disallowed_methods, reason = "the environment is what this guest is to show")]
    pub fn env_all() -> Vec<(String, String)> {
        std::env::vars().collect()
    }

    /// Milliseconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "the wall clock is what this guest is to show")]
    pub fn now_ms() -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| since.as_millis() as u64)
    }

    /// A random number.
    pub fn random() -> u64 {
        #[cfg(target_family = "wasm")]
        return wasip2::random::random::get_random_u64();
        #[cfg(not(target_family = "wasm"))]
        return 4;
    }

    /// A file's text.
    pub fn read_file(path: String) -> Result<String, Failure> {
        Ok(std::fs::read_to_string(path)?)
    }

    /// Writes a file.
    pub fn write_file(path: String, text: String) -> Result<(), Failure> {
        Ok(std::fs::write(path, text)?)
    }

    /// The names in a folder, sorted.
    pub fn list_dir(path: String) -> Result<Vec<String>, Failure> {
        let mut names = std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>, std::io::Error>>()?;
        names.sort();
        Ok(names)
    }

    /// Gets a URL: the status and the text.
    pub fn http_get(url: String) -> Result<(u16, String), Failure> {
        let response = http::get(&url)?;
        Ok((response.status, response.text()))
    }

    /// All settings as JSON.
    pub fn settings_all() -> Result<String, Failure> {
        Ok(settings::load::<serde_json::Value>()?.to_string())
    }

    /// This attempt.
    pub fn this_attempt() -> Attempt {
        Attempt {
            run_id: attempt::run_id(),
            number: attempt::number(),
            idempotency_key: attempt::idempotency_key(),
            remaining_ms: attempt::remaining_ms(),
        }
    }

    /// Says `message` in every way: a log line, progress, a span.
    pub fn say(message: String) {
        let span = spans::Span::open("say");
        span.set("message", &message);
        log::info!(length = message.len(), message; "said");
        progress::report(1, 1, &message);
    }

    /// Fails as it is told to.
    pub fn fail(retryable: bool, code: String, message: String) -> Result<(), Failure> {
        Err(if retryable {
            Failure::retryable(code, message).retry_after_ms(250)
        } else {
            Failure::fatal(code, message)
        })
    }
}
