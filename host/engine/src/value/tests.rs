//! What the converter promises, type by type and error by error.

mod build;
mod random;

use build::{Ty, list, names, option, record, signature, try_signature, variant};
use serde_json::json;
use wasm_encoder::PrimitiveValType as P;
use wasmtime::component::Val;

use super::plan::MAX_DEPTH;
use super::{Error, Problem, Returned, Signature};

const MOST: usize = 1 << 20;

fn prim(prim: P) -> Ty {
    Ty::Prim(prim)
}

fn of(ty: &Ty) -> Signature {
    signature(&[("v", ty.clone())], Some(ty))
}

fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

#[track_caller]
fn both_ways(ty: &Ty, json: &str, value: Val) {
    let signature = of(ty);
    assert_eq!(signature.decode_result(json), Ok(vec![value.clone()]));
    let mut out = String::new();
    signature.encode(&[value], MOST, &mut out).expect("its own type");
    assert_eq!(out, json);
}

#[track_caller]
fn reads(ty: &Ty, json: &str, value: Val) {
    assert_eq!(of(ty).decode_result(json), Ok(vec![value]));
}

#[track_caller]
fn refused(signature: &Signature, json: &str, code: &str, message: &str) -> Error {
    let error = signature.decode(json).expect_err("an error");
    assert_eq!(error.to_string(), message);
    assert_eq!(error.code(), code);
    error
}

#[test]
fn each_type_has_the_json_of_the_table() {
    both_ways(&prim(P::Bool), "true", Val::Bool(true));
    both_ways(&prim(P::U64), "18446744073709551615", Val::U64(u64::MAX));
    both_ways(&prim(P::S64), "-9223372036854775808", Val::S64(i64::MIN));
    both_ways(&prim(P::S8), "-128", Val::S8(-128));
    both_ways(&prim(P::F64), "-0.0", Val::Float64(-0.0));
    both_ways(&prim(P::F64), "5e-324", Val::Float64(5e-324));
    both_ways(&prim(P::F64), "\"-Infinity\"", Val::Float64(f64::NEG_INFINITY));
    both_ways(&prim(P::F32), "0.1", Val::Float32(0.1));
    both_ways(&prim(P::F32), "\"NaN\"", Val::Float32(f32::NAN));
    both_ways(&prim(P::Char), "\"😀\"", Val::Char('😀'));
    both_ways(&prim(P::String), r#""a\"\\\n\u0001é""#, Val::String("a\"\\\n\u{1}é".into()));
    both_ways(&list(prim(P::U8)), "\"AQL/\"", Val::List([1, 2, 255].map(Val::U8).into()));
    both_ways(&list(prim(P::U16)), "[1,2]", Val::List([1, 2].map(Val::U16).into()));
    let fixed = Ty::Fixed(prim(P::U8).into(), 2);
    both_ways(&fixed, "\"AQI=\"", Val::FixedLengthList([1, 2].map(Val::U8).into()));
    let pair = Ty::Tuple(vec![prim(P::Bool), prim(P::String)]);
    both_ways(&pair, "[true,\"x\"]", Val::Tuple(vec![Val::Bool(true), Val::String("x".into())]));
    let point = record(&[("at-x", prim(P::U8)), ("y", option(prim(P::U8)))]);
    let value = |y| Val::Record(vec![("at-x".into(), Val::U8(1)), ("y".into(), Val::Option(y))]);
    both_ways(&point, r#"{"at-x":1,"y":null}"#, value(None));
    both_ways(&Ty::Enum(names(&["a", "b"])), "\"b\"", Val::Enum("b".into()));
    both_ways(&Ty::Flags(names(&["a", "b"])), "[\"a\"]", Val::Flags(names(&["a"])));
    let shape = variant(&[("dot", None), ("line", Some(prim(P::U8)))]);
    both_ways(&shape, "\"dot\"", Val::Variant("dot".into(), None));
    let line = Val::Variant("line".into(), Some(Box::new(Val::U8(3))));
    both_ways(&shape, "{\"line\":3}", line);
    let result = Ty::Result(Some(prim(P::U8).into()), None);
    both_ways(&result, "{\"ok\":3}", Val::Result(Ok(Some(Box::new(Val::U8(3))))));
    both_ways(&result, "{\"err\":null}", Val::Result(Err(None)));
    let map = Ty::Map(P::String, prim(P::U8).into());
    both_ways(&map, "{\"a b\":1}", Val::Map(vec![(Val::String("a b".into()), Val::U8(1))]));
    let map = Ty::Map(P::U32, prim(P::U8).into());
    both_ways(&map, "[[7,1]]", Val::Map(vec![(Val::U32(7), Val::U8(1))]));
}

#[test]
fn an_option_of_an_option_keeps_its_levels_apart() {
    let twice = option(option(prim(P::U8)));
    both_ways(&twice, "null", Val::Option(None));
    both_ways(&twice, "{\"some\":null}", some(Val::Option(None)));
    both_ways(&twice, "{\"some\":7}", some(some(Val::U8(7))));
    let thrice = option(twice);
    both_ways(&thrice, "{\"some\":{\"some\":null}}", some(some(Val::Option(None))));
    let of_unit_result = option(Ty::Result(None, None));
    both_ways(&of_unit_result, "{\"ok\":null}", some(Val::Result(Ok(None))));
}

#[test]
fn what_others_write_is_read_too() {
    reads(&prim(P::U64), " \"18446744073709551615\" ", Val::U64(u64::MAX));
    reads(&prim(P::S64), "\"-5\"", Val::S64(-5));
    reads(&prim(P::U8), "-0", Val::U8(0));
    reads(&prim(P::F64), "1E+2", Val::Float64(100.0));
    reads(&prim(P::F32), "16777217", Val::Float32(16_777_216.0));
    reads(&prim(P::String), r#""\u00e9\ud83d\ude00\/""#, Val::String("é😀/".into()));
    reads(&list(prim(P::U8)), "[1, 2]", Val::List([1, 2].map(Val::U8).into()));
    reads(&Ty::Flags(names(&["a", "b"])), "[\"b\",\"a\"]", Val::Flags(names(&["a", "b"])));
    let ty = record(&[("a", option(prim(P::U8))), ("b", prim(P::U8)), ("c", option(prim(P::U8)))]);
    let value = |a: Val, c: Val| {
        Val::Record(vec![("a".into(), a), ("b".into(), Val::U8(1)), ("c".into(), c)])
    };
    reads(&ty, "{\"b\":1}", value(Val::Option(None), Val::Option(None)));
    reads(&ty, "{\"b\":1,\"a\":2}", value(some(Val::U8(2)), Val::Option(None)));
    reads(&ty, "{\"c\":3,\"b\":1}", value(Val::Option(None), some(Val::U8(3))));
    reads(&ty, "{\"\\u0062\":1,\"a\":null}", value(Val::Option(None), Val::Option(None)));
}

#[test]
fn arguments_come_by_name_or_by_position() {
    let signature = signature(&[("a", prim(P::U8)), ("b", option(prim(P::Bool)))], None);
    let args = |b| Ok(vec![Val::U8(1), Val::Option(b)]);
    let yes = Some(Box::new(Val::Bool(true)));
    assert_eq!(signature.decode("{\"b\":true,\"a\":1}"), args(yes.clone()));
    assert_eq!(signature.decode("{\"a\":1}"), args(None));
    assert_eq!(signature.decode("[1,true]"), args(yes));
    refused(
        &signature,
        "[1]",
        "LS-VAL-017",
        "`$`: expected 2 arguments, found 1 (line 1, column 1)",
    );
    refused(
        &signature,
        "[1,null,2]",
        "LS-VAL-017",
        "`$`: expected 2 arguments, found more (line 1, column 1)",
    );
    let mut out = String::new();
    signature.encode_params(&[Val::U8(1), Val::Option(None)], MOST, &mut out).expect("arguments");
    assert_eq!(out, "{\"a\":1,\"b\":null}");
}

#[test]
fn a_function_without_parameters_takes_nothing() {
    let none = signature(&[], None);
    for text in ["", " ", "null", "{}", "[]"] {
        assert_eq!(none.decode(text), Ok(vec![]), "{text:?}");
    }
    let error =
        refused(&none, "{\"x\":1}", "LS-VAL-013", "`$`: unknown field `x` (line 1, column 2)");
    assert_eq!(error.hint().as_deref(), Some("the function takes no arguments"));
    assert_eq!(none.decode_result("null"), Ok(vec![]));
    let mut out = String::new();
    none.encode(&[], MOST, &mut out).expect("nothing");
    assert_eq!(out, "null");
    assert_eq!(none.encode_outcome(&[], MOST), Ok(Returned::Ok("null".into())));
}

#[test]
fn an_error_says_where_what_was_expected_and_what_was_found() {
    let item = record(&[("name", prim(P::String)), ("size", prim(P::U8))]);
    let items = signature(&[("items", list(item))], None);
    refused(
        &items,
        "{\"items\": [\n  {\"name\": \"é\", \"size\": 1},\n  {\"name\": 12, \"size\": 1}]}",
        "LS-VAL-011",
        "`$.items[1].name`: expected string, found a number (line 3, column 12)",
    );
    refused(
        &items,
        "{\"items\":[{\"name\":\"é\",\"size\":256}]}",
        "LS-VAL-012",
        "`$.items[0].size`: `256` is out of range for u8 (0..=255) (line 1, column 30)",
    );
    refused(
        &items,
        "[[{\"name\":\"\"}]]",
        "LS-VAL-014",
        "`$[0][0]`: missing field `size` of type `u8` (line 1, column 3)",
    );
    let error = refused(
        &items,
        "[[{\"nane\":\"\"}]]",
        "LS-VAL-013",
        "`$[0][0]`: unknown field `nane` (line 1, column 4)",
    );
    assert_eq!(error.hint().as_deref(), Some("did you mean `name`?"));
    refused(
        &items,
        "[[{\"name\":\"\",\"name\":\"\",\"size\":1}]]",
        "LS-VAL-015",
        "`$[0][0]`: `name` is given twice (line 1, column 14)",
    );
    refused(
        &items,
        "[null]",
        "LS-VAL-011",
        "`$[0]`: expected list<record {name: string, size: u8}>, found null (line 1, column 2)",
    );
    refused(
        &items,
        "[[]] x",
        "LS-VAL-010",
        "`$`: something follows the end of the value (line 1, column 6)",
    );
}

#[test]
fn unknown_cases_list_the_known_ones() {
    let ty = Ty::Enum(names(&["low", "high"]));
    let error = refused(
        &of(&ty),
        "[\"medium\"]",
        "LS-VAL-016",
        "`$[0]`: `medium` is not a case of the enum (line 1, column 2)",
    );
    assert_eq!(error.hint().as_deref(), Some("it may be one of `low`, `high`"));
    let ty = variant(&[("dot", None), ("line", Some(prim(P::U8)))]);
    refused(
        &of(&ty),
        "[\"line\"]",
        "LS-VAL-011",
        "`$[0]`: expected variant {dot, line(u8)}: the case has a payload: write `{\"line\": …}` with a `u8` \
         (line 1, column 2)",
    );
    refused(
        &of(&ty),
        "[{\"dot\":null}]",
        "LS-VAL-011",
        "`$[0]`: expected variant {dot, line(u8)}: the case has no payload: write `\"dot\"` (line 1, column 2)",
    );
    let ty = Ty::Flags(names(&["read", "write"]));
    let error = refused(
        &of(&ty),
        "[[\"Write\"]]",
        "LS-VAL-016",
        "`$[0]`: `Write` is not a flag (line 1, column 3)",
    );
    assert_eq!(error.hint().as_deref(), Some("did you mean `write`?"));
    refused(
        &of(&ty),
        "[[\"read\",\"read\"]]",
        "LS-VAL-015",
        "`$[0]`: `read` is given twice (line 1, column 10)",
    );
}

#[test]
fn values_of_the_wrong_form_are_refused() {
    let code = |ty: &Ty, json: &str| of(ty).decode_result(json).expect_err(json).code();
    for json in ["1.0", "1e3", "\"1\""] {
        assert_eq!(code(&prim(P::U32), json), "LS-VAL-011", "{json}");
    }
    for json in ["\"\"", "\"1.0\"", "\" 1\"", "\"0x1\"", "\"01\"", "true"] {
        assert_eq!(code(&prim(P::U64), json), "LS-VAL-011", "{json}");
    }
    for json in ["18446744073709551616", "-1", "\"99999999999999999999999\""] {
        assert_eq!(code(&prim(P::U64), json), "LS-VAL-012", "{json}");
    }
    assert_eq!(code(&prim(P::S8), "-129"), "LS-VAL-012");
    assert_eq!(code(&prim(P::F64), "1e309"), "LS-VAL-012");
    assert_eq!(code(&prim(P::F32), "1e39"), "LS-VAL-012");
    assert_eq!(code(&prim(P::F64), "\"inf\""), "LS-VAL-011");
    assert_eq!(code(&prim(P::Char), "\"\""), "LS-VAL-011");
    assert_eq!(code(&prim(P::Char), "\"ab\""), "LS-VAL-011");
    assert_eq!(code(&list(prim(P::U8)), "\"AQI\""), "LS-VAL-011");
    assert_eq!(code(&Ty::Fixed(prim(P::U8).into(), 3), "\"AQI=\""), "LS-VAL-017");
    assert_eq!(code(&option(option(prim(P::U8))), "7"), "LS-VAL-011");
    assert_eq!(code(&Ty::Result(None, None), "{\"no\":null}"), "LS-VAL-011");
    assert_eq!(code(&Ty::Map(P::String, prim(P::U8).into()), "{\"a\":1,\"a\":2}"), "LS-VAL-015");
    for json in
        ["\"\\ud800\"", "\"\\ude00\"", "\"\\ud800\\u0041\"", "\"\\x\"", "\"\n\"", "\"", "\"\\"]
    {
        assert_eq!(code(&prim(P::String), json), "LS-VAL-010", "{json}");
    }
    for json in ["01", "1.", "-", "1e", "+1", ".5", "", "\0", "nul"] {
        assert_eq!(code(&prim(P::F64), json), "LS-VAL-010", "{json}");
    }
}

#[test]
fn types_without_a_json_form_are_refused_by_name_and_place() {
    for (ty, wit) in [
        (Ty::Own, "own<…>"),
        (Ty::Borrow, "borrow<…>"),
        (Ty::Future, "future<…>"),
        (Ty::Stream, "stream<…>"),
    ] {
        let params = [("items", list(Ty::Tuple(vec![prim(P::U8), ty])))];
        let error = try_signature(&build::engine(), &params, None).expect_err(wit);
        let message = format!(
            "`run` cannot be called with JSON: parameter items › element › element 1 is `{wit}`"
        );
        assert_eq!(error.to_string(), message);
        assert_eq!(error.code(), "LS-VAL-001");
    }
}

#[test]
fn types_are_bounded_in_depth_and_size() {
    let engine = build::engine();
    let nested = |depth| (1..depth).fold(prim(P::U8), |ty, _| Ty::Tuple(vec![ty]));
    let wasm_allows = 90;
    let deep = try_signature(&engine, &[("v", nested(wasm_allows))], None).expect("within bounds");
    assert!(wasm_allows < MAX_DEPTH);
    let text = format!("[{}1{}]", "[".repeat(wasm_allows - 1), "]".repeat(wasm_allows - 1));
    assert!(deep.decode(&text).is_ok());
    let wide = Ty::Tuple(vec![Ty::Tuple(vec![prim(P::U8); 250]); 250]);
    let error = try_signature(&engine, &[("v", wide)], None).expect_err("too large");
    assert_eq!(error, Error::TypeTooLarge { function: "run".into() });
}

#[test]
fn what_is_written_is_bounded_and_taken_back() {
    let signature = of(&list(prim(P::String)));
    let value = [Val::List(vec![Val::String("x".repeat(20)); 50])];
    let mut out = String::from("kept");
    let error = signature.encode(&value, 500, &mut out).expect_err("a limit");
    assert_eq!(error, Error::OutputTooLarge { limit: 500 });
    assert_eq!(out, "kept");
    signature.encode(&value, 50 * 23 + 1, &mut out).expect("exactly the limit");
    assert_eq!(out.len(), 4 + 50 * 23 + 1);
    assert!(signature.encode(&value, 50 * 23, &mut String::new()).is_err());
}

#[test]
fn text_that_would_swell_is_refused() {
    let fields: Vec<(String, Ty)> =
        (0..1000).map(|at| (format!("f{at}"), option(prim(P::U8)))).collect();
    let signature = of(&list(Ty::Record(fields)));
    let few = format!("[{}]", vec!["{}"; 90].join(","));
    assert!(signature.decode_result(&few).is_ok());
    let many = format!("[{}]", vec!["{}"; 200].join(","));
    let error = signature.decode_result(&many).expect_err("too sparse");
    assert!(matches!(&error, Error::Input(input) if input.problem == Problem::TooSparse));
    assert_eq!(error.code(), "LS-VAL-018");
}

#[test]
fn an_outcome_is_the_value_or_the_failure() {
    let signature = of(&Ty::Result(Some(prim(P::U8).into()), Some(prim(P::String).into())));
    let ok = [Val::Result(Ok(Some(Box::new(Val::U8(1)))))];
    let err = [Val::Result(Err(Some(Box::new(Val::String("no".into())))))];
    assert_eq!(signature.encode_outcome(&ok, MOST), Ok(Returned::Ok("1".into())));
    assert_eq!(signature.encode_outcome(&err, MOST), Ok(Returned::Failed("\"no\"".into())));
    assert_eq!(signature.decode_outcome(Returned::Failed("\"no\"")), Ok(err.to_vec()));
    assert!(signature.is_fallible());
    let plain = of(&prim(P::U8));
    assert_eq!(plain.encode_outcome(&[Val::U8(1)], MOST), Ok(Returned::Ok("1".into())));
    let error = plain.decode_outcome(Returned::Failed("1")).expect_err("it cannot fail");
    assert_eq!(error.code(), "LS-VAL-004");
}

#[test]
fn values_of_another_function_are_not_written() {
    let signature = of(&record(&[("a", prim(P::U8))]));
    for value in [
        Val::U8(1),
        Val::Record(vec![]),
        Val::Record(vec![("b".into(), Val::U8(1))]),
        Val::Record(vec![("a".into(), Val::U16(1))]),
    ] {
        let mut out = String::new();
        let error = signature.encode(&[value], MOST, &mut out).expect_err("another type");
        assert_eq!(error.code(), "LS-VAL-004");
        assert_eq!(out, "");
    }
}

#[test]
fn of_equal_keys_in_a_map_the_last_is_written() {
    let map = of(&Ty::Map(P::String, prim(P::U8).into()));
    let entry = |key: &str, value| (Val::String(key.into()), Val::U8(value));
    let mut out = String::new();
    let value = Val::Map(vec![entry("a", 1), entry("b", 2), entry("a", 3)]);
    map.encode(&[value], MOST, &mut out).expect("a map");
    assert_eq!(out, "{\"b\":2,\"a\":3}");
}

#[test]
fn signatures_read_as_wit() {
    let ty = record(&[
        ("id", prim(P::U64)),
        ("tags", list(prim(P::String))),
        ("kind", Ty::Enum(names(&["a", "b"]))),
        ("shape", variant(&[("dot", None), ("line", Some(prim(P::F32)))])),
    ]);
    let result = Ty::Result(None, Some(prim(P::String).into()));
    assert_eq!(
        signature(&[("items", list(ty)), ("n", option(prim(P::S8)))], Some(&result)).to_string(),
        "func(items: list<record {id: u64, tags: list<string>, kind: enum {a, b}, \
         shape: variant {dot, line(f32)}}>, n: option<s8>) -> result<_, string>"
    );
    assert_eq!(signature(&[], None).to_string(), "func()");
}

#[test]
fn schemas_say_what_is_read_and_written() {
    let ty = record(&[("id", prim(P::U64)), ("note", option(prim(P::String)))]);
    let signature = signature(&[("v", ty.clone())], Some(&Ty::Result(Some(ty.into()), None)));
    assert_eq!(
        signature.input_schema(),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Arguments of run",
            "type": "object",
            "required": ["v"],
            "additionalProperties": false,
            "properties": {"v": {
                "type": "object",
                "required": ["id"],
                "additionalProperties": false,
                "properties": {
                    "id": {"anyOf": [
                        {"type": "integer", "minimum": 0, "maximum": u64::MAX},
                        {"type": "string", "pattern": "^(0|[1-9][0-9]{0,19})$"},
                    ]},
                    "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                },
            }},
        })
    );
    let (ok, failed) = signature.outcome_schemas();
    assert_eq!(ok["required"], json!(["id", "note"]));
    assert_eq!(
        ok["properties"]["id"],
        json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
    );
    assert_eq!(failed.expect("it may fail")["type"], "null");
    let whole = signature.output_schema();
    assert_eq!(whole["oneOf"][1]["properties"]["err"], json!({"type": "null"}));
}
