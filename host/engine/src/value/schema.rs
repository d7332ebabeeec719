//! JSON Schema (draft 2020-12) of types: what the converter reads, and what it writes.
//!
//! The two differ: an input may leave optional fields out and write 64-bit integers as strings; an output never does.

use serde_json::{Map, Value, json};

use super::plan::{Fields, Plan};

/// Which way values go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// A whole schema document, with its dialect and title.
pub(super) fn document(title: String, schema: Value) -> Value {
    let mut document = Map::new();
    document.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    document.insert("title".into(), title.into());
    if let Value::Object(schema) = schema {
        document.extend(schema);
    }
    Value::Object(document)
}

pub(super) fn maybe(plan: Option<&Plan>, way: Way) -> Value {
    plan.map_or_else(|| json!({"type": "null"}), |plan| schema(plan, way))
}

pub(super) fn record(fields: &Fields, way: Way) -> Value {
    let all = || fields.names.iter().zip(&fields.plans);
    let properties: Map<String, Value> =
        all().map(|(name, plan)| (name.to_owned(), schema(plan, way))).collect();
    let required: Vec<&str> = all()
        .filter(|(_, plan)| way == Way::Out || !plan.is_nullable())
        .map(|(name, _)| name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// An object of exactly one field.
fn single(name: &str, schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": false,
    })
}

fn array(items: Value, len: Option<u32>) -> Value {
    match len {
        None => json!({"type": "array", "items": items}),
        Some(len) => json!({"type": "array", "items": items, "minItems": len, "maxItems": len}),
    }
}

pub(super) fn schema(plan: &Plan, way: Way) -> Value {
    match plan {
        Plan::Bool => json!({"type": "boolean"}),
        Plan::Int(int) => {
            let low =
                i128::from(int.lowest()).checked_neg().and_then(|low| i64::try_from(low).ok());
            let number = json!({"type": "integer", "minimum": low, "maximum": int.highest()});
            if way == Way::Out || !int.is_wide() {
                return number;
            }
            let sign = if int.lowest() > 0 { "-?" } else { "" };
            let pattern = format!("^{sign}(0|[1-9][0-9]{{0,19}})$");
            json!({"anyOf": [number, {"type": "string", "pattern": pattern}]})
        }
        Plan::F32 | Plan::F64 => {
            json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
        }
        Plan::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Plan::Text => json!({"type": "string"}),
        Plan::Bytes(len) => {
            let text = json!({"type": "string", "contentEncoding": "base64"});
            if way == Way::Out {
                return text;
            }
            let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
            json!({"anyOf": [text, array(byte, *len)]})
        }
        Plan::List(element, len) => array(schema(element, way), *len),
        Plan::Map(of) if matches!(of.0, Plan::Text) => {
            json!({"type": "object", "additionalProperties": schema(&of.1, way)})
        }
        Plan::Map(of) => array(tuple([&of.0, &of.1].into_iter(), way), None),
        Plan::Record(fields) => record(fields, way),
        Plan::Tuple(plans) => tuple(plans.iter(), way),
        Plan::Variant(cases) => {
            let each = cases.names.iter().zip(&cases.payloads).map(|(name, payload)| {
                payload
                    .as_ref()
                    .map_or_else(|| json!({"const": name}), |plan| single(name, schema(plan, way)))
            });
            json!({"oneOf": each.collect::<Vec<_>>()})
        }
        Plan::Enum(names) => json!({"type": "string", "enum": names.iter().collect::<Vec<_>>()}),
        Plan::Option(inner) => {
            let some = schema(inner, way);
            let some = if inner.is_nullable() { single("some", some) } else { some };
            json!({"anyOf": [{"type": "null"}, some]})
        }
        Plan::Result(arms) => json!({"oneOf": [
            single("ok", maybe(arms.0.as_ref(), way)),
            single("err", maybe(arms.1.as_ref(), way)),
        ]}),
        Plan::Flags(names) => json!({
            "type": "array",
            "items": {"type": "string", "enum": names.iter().collect::<Vec<_>>()},
            "uniqueItems": true,
        }),
    }
}

fn tuple<'a>(plans: impl ExactSizeIterator<Item = &'a Plan>, way: Way) -> Value {
    let len = plans.len();
    let items: Vec<Value> = plans.map(|plan| schema(plan, way)).collect();
    json!({"type": "array", "prefixItems": items, "items": false, "minItems": len, "maxItems": len})
}
