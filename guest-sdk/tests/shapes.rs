//! What the macro makes of Rust types: the WIT, and for what has no WIT the advice at the place.

/// Every shape at once.
///
/// Second paragraph.
#[longshore_guest::action(package = "acme:every@2.1.0", interface = "shape")]
pub mod shape {
    /// Keywords and underscores on both sides.
    #[derive(Clone)]
    pub struct Record {
        /// A WIT keyword.
        pub list: Vec<u8>,
        /// A Rust keyword.
        pub r#type: Option<Option<i64>>,
        /// Two words.
        pub two_words: (f32, char, String),
    }

    /// No payload anywhere.
    #[derive(Clone, Copy)]
    pub enum Colour {
        /// Two words.
        DeepBlue,
        /// One.
        Red,
    }

    /// A payload somewhere.
    pub enum Mixed {
        /// None.
        Nothing,
        /// A record.
        One(Record),
        /// A list of enums.
        Many(Vec<Colour>),
    }

    /// Nobody asks for it.
    pub struct Unreached {
        /// What WIT could not say.
        pub map: std::collections::HashMap<String, u8>,
    }

    /// Borrowed parameters.
    pub fn turn(text: &str, bytes: &[u8], mixed: &Mixed) -> Result<Mixed, Colour> {
        match mixed {
            Mixed::One(record) if text.len() == bytes.len() => Ok(Mixed::One(record.clone())),
            _ => Err(Colour::Red),
        }
    }

    /// The short form of a result.
    pub fn short(n: u64) -> longshore_guest::Result<Vec<Result<(), String>>> {
        Ok(vec![private(n)])
    }

    /// Nothing in, nothing out.
    pub fn nothing() {}

    fn private(n: u64) -> Result<(), String> {
        if n == 0 { Err("zero".into()) } else { Ok(()) }
    }
}

const EXPECTED: &str = "\
package acme:every@2.1.0;

/// Every shape at once.
///
/// Second paragraph.
interface shape {
  use longshore:action/types@0.1.0.{failure};

  /// Keywords and underscores on both sides.
  record %record {
    /// A WIT keyword.
    %list: list<u8>,
    /// A Rust keyword.
    %type: option<option<s64>>,
    /// Two words.
    two-words: tuple<f32, char, string>,
  }

  /// No payload anywhere.
  enum colour {
    /// Two words.
    deep-blue,
    /// One.
    red,
  }

  /// A payload somewhere.
  variant mixed {
    /// None.
    nothing,
    /// A record.
    one(%record),
    /// A list of enums.
    many(list<colour>),
  }

  /// Borrowed parameters.
  turn: func(text: string, bytes: list<u8>, mixed: mixed) -> result<mixed, colour>;

  /// The short form of a result.
  short: func(n: u64) -> result<list<result<_, string>>, failure>;

  /// Nothing in, nothing out.
  nothing: func();
}
";

#[test]
fn rust_becomes_wit_and_stays_rust() {
    assert_eq!(shape::WIT, EXPECTED);
    let record =
        shape::Record { list: vec![1], r#type: Some(None), two_words: (1.0, 'c', "s".into()) };
    assert!(shape::turn("a", &[1], &shape::Mixed::One(record)).is_ok());
    assert!(shape::short(0).unwrap()[0].is_err());
}
