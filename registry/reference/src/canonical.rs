//! Canonical JSON: one document, one sequence of bytes.
//!
//! Keys are sorted by their UTF-8 bytes, there is no white space, integers are exact to 64 bits, floats are the shortest
//! text that reads back as the same number, and strings escape only what RFC 8259 demands. For documents without floats
//! this is RFC 8785; beyond 2^53 RFC 8785 would round, so integers keep their digits here.

use serde::Serialize;
use serde_json::Value;

/// The canonical bytes of anything that serialises to JSON.
///
/// # Errors
///
/// When `value` does not serialise to JSON (a map with keys that are not strings, for example).
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    let mut out = Vec::with_capacity(256);
    write(&value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (position, (key, item)) in entries.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(item, out)?;
            }
            out.push(b'}');
            Ok(())
        }
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
            Ok(())
        }
        scalar => serde_json::to_writer(out, scalar),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth_and_integers_keep_their_digits() {
        let bytes =
            super::to_vec(&json!({"b": [{"z": 1, "a": null}], "a": u64::MAX, "é": "\u{7f}\n"}));
        assert_eq!(
            String::from_utf8(bytes.unwrap()).unwrap(),
            "{\"a\":18446744073709551615,\"b\":[{\"a\":null,\"z\":1}],\"é\":\"\u{7f}\\n\"}"
        );
    }
}
