//! Component values to JSON, along the type, into a bounded string.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasmtime::component::Val;

use super::error::Error;
use super::plan::{Fields, Names, Plan};
use super::scan::plain_until;
use super::wit::brief;

const TYPE_TEXT: usize = 160;

/// Why writing stopped.
pub(super) enum Stop {
    TooLarge,
    Mismatch(Box<(String, &'static str)>),
}

type Written = Result<(), Stop>;

/// Writes JSON to the end of a string, until it has grown by `limit` bytes. A few bytes of punctuation may go past
/// the limit before it is seen.
pub(super) struct Writer<'o> {
    out: &'o mut String,
    start: usize,
    limit: usize,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut String, limit: usize) -> Self {
        Self { start: out.len(), out, limit }
    }

    /// Runs `write`; where it stops, what was written is taken back.
    pub(super) fn run(mut self, write: impl FnOnce(&mut Self) -> Written) -> Result<(), Error> {
        let stop = match write(&mut self).and_then(|()| self.room(0)) {
            Ok(()) => return Ok(()),
            Err(stop) => stop,
        };
        self.out.truncate(self.start);
        Err(match stop {
            Stop::TooLarge => Error::OutputTooLarge { limit: self.limit },
            Stop::Mismatch(what) => {
                let (expected, found) = *what;
                Error::Mismatch { expected, found }
            }
        })
    }

    #[inline]
    fn room(&self, more: usize) -> Written {
        let used = self.out.len() - self.start;
        if more <= self.limit.saturating_sub(used) && used <= self.limit {
            Ok(())
        } else {
            Err(Stop::TooLarge)
        }
    }

    pub(super) fn maybe(&mut self, plan: Option<&Plan>, value: Option<&Val>) -> Written {
        match (plan, value) {
            (Some(plan), Some(value)) => self.value(plan, value),
            (None, None) => {
                self.out.push_str("null");
                Ok(())
            }
            (Some(plan), None) => {
                Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), "nothing"))))
            }
            (None, Some(value)) => Err(Stop::Mismatch(Box::new(("nothing".into(), kind(value))))),
        }
    }

    pub(super) fn value(&mut self, plan: &Plan, value: &Val) -> Written {
        match (plan, value) {
            (Plan::Text, Val::String(text)) => return self.string(text),
            (Plan::Bool, Val::Bool(value)) => {
                self.out.push_str(if *value { "true" } else { "false" });
            }
            (Plan::Int(_), _) => return self.integer(plan, value),
            (Plan::F64, Val::Float64(value)) => self.float(*value, value.is_finite(), *value),
            (Plan::F32, Val::Float32(value)) => {
                self.float(*value, value.is_finite(), f64::from(*value));
            }
            (Plan::Char, Val::Char(char)) => return self.string(char.encode_utf8(&mut [0; 4])),
            (Plan::Bytes(None), Val::List(values))
            | (Plan::Bytes(Some(_)), Val::FixedLengthList(values)) => {
                return self.bytes(plan, values);
            }
            (Plan::List(element, None), Val::List(values))
            | (Plan::List(element, Some(_)), Val::FixedLengthList(values)) => {
                return self.array(values, |writer, value| writer.value(element, value));
            }
            (Plan::Record(record), Val::Record(values)) => {
                return self.record(plan, record, values);
            }
            (Plan::Tuple(plans), Val::Tuple(values)) if plans.len() == values.len() => {
                return self.tuple(plans, values);
            }
            (Plan::Enum(names), Val::Enum(case)) => return self.name(plan, names, case),
            (Plan::Variant(_), Val::Variant(case, payload)) => {
                return self.variant(plan, case, payload.as_deref());
            }
            (Plan::Option(inner), Val::Option(value)) => {
                return self.option(inner, value.as_deref());
            }
            (Plan::Result(arms), Val::Result(value)) => {
                let (key, plan, value) = match value {
                    Ok(value) => ("{\"ok\":", &arms.0, value),
                    Err(value) => ("{\"err\":", &arms.1, value),
                };
                self.out.push_str(key);
                self.maybe(plan.as_ref(), value.as_deref())?;
                self.out.push('}');
            }
            (Plan::Flags(names), Val::Flags(set)) => {
                return self.array(set, |writer, flag| writer.name(plan, names, flag));
            }
            (Plan::Map(of), Val::Map(entries)) => return self.map(of, entries),
            _ => return mismatch(plan, value),
        }
        Ok(())
    }

    fn integer(&mut self, plan: &Plan, value: &Val) -> Written {
        use super::plan::Int;
        let Plan::Int(int) = plan else { return mismatch(plan, value) };
        let mut buffer = itoa::Buffer::new();
        self.out.push_str(match (int, value) {
            (Int::U8, Val::U8(value)) => buffer.format(*value),
            (Int::U16, Val::U16(value)) => buffer.format(*value),
            (Int::U32, Val::U32(value)) => buffer.format(*value),
            (Int::U64, Val::U64(value)) => buffer.format(*value),
            (Int::S8, Val::S8(value)) => buffer.format(*value),
            (Int::S16, Val::S16(value)) => buffer.format(*value),
            (Int::S32, Val::S32(value)) => buffer.format(*value),
            (Int::S64, Val::S64(value)) => buffer.format(*value),
            _ => return mismatch(plan, value),
        });
        Ok(())
    }

    /// The shortest text that reads back as the same number.
    fn float(&mut self, value: impl zmij::Float, is_finite: bool, wide: f64) {
        if is_finite {
            self.out.push_str(zmij::Buffer::new().format_finite(value));
        } else if wide.is_nan() {
            self.out.push_str("\"NaN\"");
        } else {
            self.out.push_str(if wide > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
    }

    fn string(&mut self, text: &str) -> Written {
        self.room(text.len() + 2)?;
        self.out.push('"');
        let bytes = text.as_bytes();
        let mut from = 0;
        loop {
            let at = plain_until(bytes, from);
            self.out.push_str(&text[from..at]);
            let Some(byte) = bytes.get(at) else { break };
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                0x08 => self.out.push_str("\\b"),
                0x0c => self.out.push_str("\\f"),
                _ => {
                    const DIGITS: &[u8; 16] = b"0123456789abcdef";
                    self.out.push_str("\\u00");
                    self.out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                    self.out.push(char::from(DIGITS[usize::from(byte & 15)]));
                }
            }
            from = at + 1;
        }
        self.out.push('"');
        self.room(0)
    }

    fn bytes(&mut self, plan: &Plan, values: &[Val]) -> Written {
        self.room(values.len().div_ceil(3).saturating_mul(4) + 2)?;
        let bytes: Option<Vec<u8>> = values
            .iter()
            .map(|value| if let Val::U8(byte) = value { Some(*byte) } else { None })
            .collect();
        let Some(bytes) = bytes else {
            return Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), "another list"))));
        };
        self.out.push('"');
        STANDARD.encode_string(bytes, self.out);
        self.out.push('"');
        Ok(())
    }

    fn array<T>(&mut self, items: &[T], mut one: impl FnMut(&mut Self, &T) -> Written) -> Written {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            one(self, item)?;
            self.room(0)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn tuple(&mut self, plans: &[Plan], values: &[Val]) -> Written {
        let mut plans = plans.iter();
        self.array(values, |writer, value| writer.maybe(plans.next(), Some(value)))
    }

    fn record(&mut self, plan: &Plan, record: &Fields, values: &[(String, Val)]) -> Written {
        if values.len() != record.names.len() {
            return Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), "another record"))));
        }
        self.out.push('{');
        for (at, ((name, value), plan_of)) in values.iter().zip(&record.plans).enumerate() {
            if name != record.names.get(at) {
                return Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), "another record"))));
            }
            if at > 0 {
                self.out.push(',');
            }
            self.out.push_str(record.names.key(at));
            self.value(plan_of, value)?;
        }
        self.out.push('}');
        self.room(0)
    }

    /// The arguments of a call, as an object.
    pub(super) fn arguments(&mut self, params: &Fields, values: &[Val]) -> Written {
        if values.len() != params.plans.len() {
            return Err(Stop::Mismatch(Box::new((brief(params, TYPE_TEXT), "other arguments"))));
        }
        self.out.push('{');
        for (at, (plan, value)) in params.plans.iter().zip(values).enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.out.push_str(params.names.key(at));
            self.value(plan, value)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn name(&mut self, plan: &Plan, names: &Names, name: &str) -> Written {
        let Some(at) = names.find(name) else {
            return Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), "another name"))));
        };
        self.out.push_str(names.quoted(at));
        Ok(())
    }

    fn variant(&mut self, plan: &Plan, case: &str, payload: Option<&Val>) -> Written {
        let Plan::Variant(cases) = plan else { return Ok(()) };
        let Some(at) = cases.names.find(case) else {
            return Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), "another case"))));
        };
        match (&cases.payloads[at], payload) {
            (None, None) => self.out.push_str(cases.names.quoted(at)),
            (plan_of, payload) => {
                self.out.push('{');
                self.out.push_str(cases.names.key(at));
                self.maybe(plan_of.as_ref(), payload)?;
                self.out.push('}');
            }
        }
        Ok(())
    }

    fn option(&mut self, inner: &Plan, value: Option<&Val>) -> Written {
        let Some(value) = value else {
            self.out.push_str("null");
            return Ok(());
        };
        if !inner.is_nullable() {
            return self.value(inner, value);
        }
        self.out.push_str("{\"some\":");
        self.value(inner, value)?;
        self.out.push('}');
        Ok(())
    }

    fn map(&mut self, of: &(Plan, Plan), entries: &[(Val, Val)]) -> Written {
        if !matches!(of.0, Plan::Text) {
            return self.array(entries, |writer, (key, value)| {
                writer.out.push('[');
                writer.value(&of.0, key)?;
                writer.out.push(',');
                writer.value(&of.1, value)?;
                writer.out.push(']');
                Ok(())
            });
        }
        // Of equal keys the last one counts.
        let mut last = std::collections::HashMap::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            let Val::String(key) = key else { return mismatch(&of.0, key) };
            last.insert(key.as_str(), at);
        }
        self.out.push('{');
        let mut is_first = true;
        for (at, (key, value)) in entries.iter().enumerate() {
            let Val::String(key) = key else { return mismatch(&of.0, key) };
            if last.get(key.as_str()) != Some(&at) {
                continue;
            }
            if !std::mem::replace(&mut is_first, false) {
                self.out.push(',');
            }
            self.string(key)?;
            self.out.push(':');
            self.value(&of.1, value)?;
            self.room(0)?;
        }
        self.out.push('}');
        Ok(())
    }
}

#[cold]
fn mismatch(plan: &Plan, value: &Val) -> Written {
    Err(Stop::Mismatch(Box::new((brief(plan, TYPE_TEXT), kind(value)))))
}

/// The kind of a component value, in WIT's words.
const fn kind(value: &Val) -> &'static str {
    match value {
        Val::Bool(_) => "bool",
        Val::S8(_) => "s8",
        Val::U8(_) => "u8",
        Val::S16(_) => "s16",
        Val::U16(_) => "u16",
        Val::S32(_) => "s32",
        Val::U32(_) => "u32",
        Val::S64(_) => "s64",
        Val::U64(_) => "u64",
        Val::Float32(_) => "f32",
        Val::Float64(_) => "f64",
        Val::Char(_) => "char",
        Val::String(_) => "string",
        Val::List(_) => "list",
        Val::Map(_) => "map",
        Val::Record(_) => "record",
        Val::Tuple(_) => "tuple",
        Val::Variant(..) => "variant",
        Val::Enum(_) => "enum",
        Val::Option(_) => "option",
        Val::Result(_) => "result",
        Val::Flags(_) => "flags",
        Val::Resource(_) => "resource",
        Val::Future(_) => "future",
        Val::Stream(_) => "stream",
        Val::ErrorContext(_) => "error-context",
        Val::FixedLengthList(_) => "list of fixed length",
    }
}
