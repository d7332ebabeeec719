//! Structured log lines, attributed to the call: `longshore:action/log`. Natively they go to the test's record.

use serde::Serialize;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What a developer asks for.
    Debug,
    /// What happened.
    Info,
    /// What went wrong without harm.
    Warn,
    /// What went wrong.
    Error,
}

/// Writes a line; the macros are shorter.
pub fn write(level: Level, message: &str, fields: &[(&str, serde_json::Value)]) {
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::action::log as host;
        let level = match level {
            Level::Trace => host::Level::Trace,
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        let fields = fields
            .iter()
            .map(|(name, value)| host::Field { name: (*name).to_owned(), value: value.to_string() })
            .collect::<Vec<_>>();
        host::write(level, message, &fields);
    }
    #[cfg(not(target_family = "wasm"))]
    crate::testing::native::logged(level, message, fields);
}

/// The value of a field; what cannot be JSON becomes null.
#[doc(hidden)]
pub fn value<T: Serialize + ?Sized>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}

/// Writes a line at a level: `event!(Level::Info, chunks = 3, url; "cut {}", url)`. Fields come first, a `name` alone is
/// `name = name`, then `;` and the message as in `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_event {
    ($level:expr, $message:literal $(, $argument:expr)* $(,)?) => {
        $crate::log::write($level, &::std::format!($message $(, $argument)*), &[])
    };
    ($level:expr, $($name:ident $(= $value:expr)?),+ ; $message:literal $(, $argument:expr)* $(,)?) => {
        $crate::log::write(
            $level,
            &::std::format!($message $(, $argument)*),
            &[$((::core::stringify!($name), $crate::__log_value!($name $(= $value)?))),+],
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_value {
    ($name:ident) => {
        $crate::log::value(&$name)
    };
    ($name:ident = $value:expr) => {
        $crate::log::value(&$value)
    };
}

macro_rules! levels {
    ($dollar:tt $($name:ident, $hidden:ident, $level:ident, $doc:literal;)*) => {
        $(
            #[doc(hidden)]
            #[macro_export]
            macro_rules! $hidden {
                ($dollar($dollar arguments:tt)*) => {
                    $crate::__log_event!($crate::log::Level::$level, $dollar($dollar arguments)*)
                };
            }
            #[doc = $doc]
            ///
            /// Fields first, then `;` and the message as in `format!`: `info!(chunks = 3, url; "cut `{url}`")`. A name alone is
            /// its own value.
            pub use $hidden as $name;
        )*
    };
}

levels! { $
    trace, __log_trace, Trace, "Writes a line for every step.";
    debug, __log_debug, Debug, "Writes a line that a developer asks for.";
    info, __log_info, Info, "Writes a line about what happened.";
    warn, __log_warn, Warn, "Writes a line about what went wrong without harm.";
    error, __log_error, Error, "Writes a line about what went wrong.";
}

#[cfg(test)]
mod tests {
    use crate::log;
    use crate::testing::record;
    use serde_json::json;

    #[test]
    fn lines_carry_level_message_and_fields() {
        let url = "http://a";
        let ((), record) = record(|| {
            log::info!(chunks = 3, url; "cut {url} {}", 1);
            log::warn!("plain");
        });
        assert_eq!(record.log[0].level, log::Level::Info);
        assert_eq!(record.log[0].message, "cut http://a 1");
        assert_eq!(
            record.log[0].fields,
            [("chunks".to_owned(), json!(3)), ("url".to_owned(), json!(url))]
        );
        assert_eq!((record.log[1].level, record.log[1].fields.len()), (log::Level::Warn, 0));
    }
}
