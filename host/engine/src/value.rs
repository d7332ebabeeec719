//! Typed values at the door: JSON to component values and back, along the types of one function.
//!
//! A [`Signature`] is compiled once per function and then needs no engine and no store. It reads JSON in one pass
//! straight into [`Val`]s and writes them back; it derives JSON Schema and WIT text from the same plan. It runs
//! nothing, and it knows nothing of grants, journals or limits but the one that the caller gives to what it writes.
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string` | the same; `char` is a string of one character |
//! | integers | numbers, exact to 64 bits; `u64` and `s64` are read from decimal strings too |
//! | `f32`, `f64` | numbers; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `list<T>`, `tuple<…>` | arrays; `list<u8>` is a base64 string, and is read from an array of numbers too |
//! | `map<string, V>` | an object; with other keys, an array of pairs |
//! | `record` | an object; optional fields may be left out of what is read |
//! | `option<T>` | `null` or the value; where `T` is an option itself, `null` or `{"some": value}` |
//! | `result<T, E>` | `{"ok": value}` or `{"err": value}`, `null` for a value that is not there |
//! | `variant` | `{"case": payload}`, or `"case"` where it has none |
//! | `enum`, `flags` | a string; an array of strings |

mod decode;
mod encode;
mod error;
mod plan;
mod reuse;
mod scan;
mod schema;
#[cfg(test)]
mod tests;
mod wit;

use std::fmt;

use wasmtime::component::{Val, types};

pub use error::{Error, InputError, Problem};

use encode::Writer;
use plan::{Compiler, Fields, Plan};
use schema::Way;

/// What a function takes and returns, ready to convert.
#[derive(Debug)]
pub struct Signature {
    name: String,
    is_async: bool,
    params: Fields,
    result: Option<Plan>,
}

/// How a function returned, each with its JSON text.
///
/// A function that returns `result<T, E>` gives its `T` or its `E`; any other always gives `Ok`, with `null` where it
/// returns nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned<J = String> {
    /// It returned a value.
    Ok(J),
    /// It returned the `E` of its `result<T, E>`.
    Failed(J),
}

impl Signature {
    /// Compiles the signature of the function `name`, which is used in messages and titles only.
    ///
    /// # Errors
    ///
    /// When a type has no JSON form (handles, futures, streams, error contexts), nests deeper than 128 levels or has
    /// more than 50000 parts.
    pub fn of(name: &str, func: &types::ComponentFunc) -> Result<Self, Error> {
        let mut compiler = Compiler::new(name);
        let params = compiler.params(func)?;
        let result = compiler.result(func)?;
        Ok(Self { name: name.to_owned(), is_async: func.async_(), params, result })
    }

    /// The function's name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the parameters, in their order.
    pub fn params(&self) -> impl ExactSizeIterator<Item = &str> {
        self.params.names.iter()
    }

    /// Whether it returns a value.
    #[must_use]
    pub const fn has_result(&self) -> bool {
        self.result.is_some()
    }

    /// Whether it returns a `result<T, E>`, and so may fail by itself.
    #[must_use]
    pub const fn is_fallible(&self) -> bool {
        matches!(self.result, Some(Plan::Result(_)))
    }

    /// Reads the arguments of a call: an object by parameter name, or an array by position. A function without
    /// parameters also takes `null` and empty text. The caller bounds the length of `json`.
    ///
    /// # Errors
    ///
    /// [`Error::Input`], with the place and what was expected there.
    pub fn decode(&self, json: &str) -> Result<Vec<Val>, Error> {
        decode::whole(json, |cursor| decode::arguments(cursor, &self.params))
    }

    /// [`Self::decode`] over the arguments of an earlier call, whose memory is used again; which call does not matter.
    ///
    /// # Errors
    ///
    /// As for [`Self::decode`]; `args` is then of no use but to be read over.
    pub fn decode_over(&self, json: &str, args: &mut Vec<Val>) -> Result<(), Error> {
        decode::whole(json, |cursor| reuse::arguments(cursor, &self.params, args))
    }

    /// Reads what [`Self::encode`] wrote: one value, or none for `null` where the function returns nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Input`], with the place and what was expected there.
    pub fn decode_result(&self, json: &str) -> Result<Vec<Val>, Error> {
        decode::whole(json, |cursor| decode::maybe(cursor, self.result.as_ref()))
            .map(|value| value.into_iter().collect())
    }

    /// Reads what [`Self::encode_outcome`] wrote, to give a caller again what a function once returned.
    ///
    /// # Errors
    ///
    /// [`Error::Input`], with the place and what was expected there; [`Error::Mismatch`] for a failure of a function
    /// that does not return a `result`.
    pub fn decode_outcome(&self, returned: Returned<&str>) -> Result<Vec<Val>, Error> {
        let arm = |json, plan: &Option<Plan>| {
            decode::whole(json, |cursor| decode::maybe(cursor, plan.as_ref()))
                .map(|value| value.map(Box::new))
        };
        match (&self.result, returned) {
            (Some(Plan::Result(arms)), Returned::Ok(json)) => {
                Ok(vec![Val::Result(Ok(arm(json, &arms.0)?))])
            }
            (Some(Plan::Result(arms)), Returned::Failed(json)) => {
                Ok(vec![Val::Result(Err(arm(json, &arms.1)?))])
            }
            (_, Returned::Ok(json)) => self.decode_result(json),
            (_, Returned::Failed(_)) => Err(Error::Mismatch {
                expected: self.result_wit(),
                found: "the failure of a result",
            }),
        }
    }

    /// Appends the JSON of the arguments to `out`, as an object by parameter name.
    ///
    /// # Errors
    ///
    /// [`Error::OutputTooLarge`] when it is longer than `limit` bytes, [`Error::Mismatch`] when `args` are not of the
    /// parameters' types; `out` is then as it was.
    pub fn encode_params(&self, args: &[Val], limit: usize, out: &mut String) -> Result<(), Error> {
        Writer::new(out, limit).run(|writer| writer.arguments(&self.params, args))
    }

    /// Appends the JSON of the result to `out`: `null` where the function returns nothing.
    ///
    /// # Errors
    ///
    /// As for [`Self::encode_params`].
    pub fn encode(&self, result: &[Val], limit: usize, out: &mut String) -> Result<(), Error> {
        let value = self.only(result)?;
        Writer::new(out, limit).run(|writer| writer.maybe(self.result.as_ref(), value))
    }

    /// The JSON of how the function returned, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As for [`Self::encode_params`].
    pub fn encode_outcome(&self, result: &[Val], limit: usize) -> Result<Returned, Error> {
        let mut out = String::new();
        let (Some(Plan::Result(arms)), Some(Val::Result(value))) =
            (&self.result, self.only(result)?)
        else {
            return self.encode(result, limit, &mut out).map(|()| Returned::Ok(out));
        };
        let (plan, arm) = match value {
            Ok(arm) => (&arms.0, arm),
            Err(arm) => (&arms.1, arm),
        };
        Writer::new(&mut out, limit).run(|writer| writer.maybe(plan.as_ref(), arm.as_deref()))?;
        Ok(if value.is_ok() { Returned::Ok(out) } else { Returned::Failed(out) })
    }

    fn only<'v>(&self, result: &'v [Val]) -> Result<Option<&'v Val>, Error> {
        match result {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(Error::Mismatch { expected: self.result_wit(), found: "several values" }),
        }
    }

    /// The JSON Schema of what [`Self::decode`] reads, in its form by name.
    #[must_use]
    pub fn input_schema(&self) -> serde_json::Value {
        schema::document(
            format!("Arguments of {}", self.name),
            schema::record(&self.params, Way::In),
        )
    }

    /// The JSON Schema of what [`Self::encode`] writes.
    #[must_use]
    pub fn output_schema(&self) -> serde_json::Value {
        let schema = schema::maybe(self.result.as_ref(), Way::Out);
        schema::document(format!("Result of {}", self.name), schema)
    }

    /// The JSON Schemas of what [`Self::encode_outcome`] writes: of its `Ok`, and of its `Failed` where the function
    /// returns a `result`.
    #[must_use]
    pub fn outcome_schemas(&self) -> (serde_json::Value, Option<serde_json::Value>) {
        let of = |what: &str, plan: Option<&Plan>| {
            schema::document(format!("{what} of {}", self.name), schema::maybe(plan, Way::Out))
        };
        match &self.result {
            Some(Plan::Result(arms)) => {
                (of("Result", arms.0.as_ref()), Some(of("Failure", arms.1.as_ref())))
            }
            plan => (of("Result", plan.as_ref()), None),
        }
    }

    fn result_wit(&self) -> String {
        self.result.as_ref().map_or_else(|| "nothing".into(), |plan| wit::brief(plan, 160))
    }
}

/// Its WIT: `func(a: u32) -> string`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = if self.is_async { "async " } else { "" };
        write!(f, "{before}func({})", self.params)?;
        self.result.as_ref().map_or(Ok(()), |plan| write!(f, " -> {plan}"))
    }
}
