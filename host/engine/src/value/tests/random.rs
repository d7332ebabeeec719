//! Promises that hold for every type and every value, on types and values made from seeds.

use wasm_encoder::PrimitiveValType as P;
use wasmtime::component::Val;

use super::build::{Rng, Ty, engine, try_signature};
use crate::value::Returned;

const MOST: usize = 1 << 20;

#[test]
fn every_value_reads_back_as_it_was_and_text_is_stable() {
    let engine = engine();
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let ty = rng.ty(4);
        let signature =
            try_signature(&engine, &[("v", ty.clone())], Some(&ty)).expect("a JSON form");
        for _ in 0..8 {
            let value = [rng.val(&ty)];
            let mut result = String::new();
            signature.encode(&value, MOST, &mut result).expect("its own type");
            serde_json::from_str::<serde_json::Value>(&result)
                .unwrap_or_else(|error| panic!("seed {seed}: {error} in {result}"));
            let back = signature.decode_result(&result);
            assert_eq!(back.as_deref(), Ok(&value[..]), "seed {seed}: {signature} {result}");

            let mut again = String::new();
            signature.encode(&back.expect("checked"), MOST, &mut again).expect("its own type");
            assert_eq!(again, result, "seed {seed}");

            let mut args = String::new();
            signature.encode_params(&value, MOST, &mut args).expect("its own type");
            assert_eq!(signature.decode(&args).as_deref(), Ok(&value[..]), "seed {seed}: {args}");
            let by_position = format!(" [ {result} ] ");
            assert_eq!(signature.decode(&by_position).as_deref(), Ok(&value[..]), "seed {seed}");

            let outcome = signature.encode_outcome(&value, MOST).expect("its own type");
            let replayed = match &outcome {
                Returned::Ok(json) => signature.decode_outcome(Returned::Ok(json)),
                Returned::Failed(json) => signature.decode_outcome(Returned::Failed(json)),
            };
            assert_eq!(replayed.as_deref(), Ok(&value[..]), "seed {seed}: {outcome:?}");
        }
    }
}

/// What an earlier call left behind, of this type or of another, never shows in what is read over it.
#[test]
fn reading_over_old_arguments_is_reading_anew() {
    let engine = engine();
    let mut old = Vec::new();
    for seed in 2000..2300 {
        let mut rng = Rng(seed);
        let (ty, second) = (rng.ty(4), rng.ty(1));
        let params = [("v", ty.clone()), ("w", second.clone())];
        let signature = try_signature(&engine, &params, None).expect("a JSON form");
        for round in 0..8 {
            let value = [rng.val(&ty), rng.val(&second)];
            let mut json = String::new();
            signature.encode_params(&value, MOST, &mut json).expect("its own type");
            if round % 3 == 2 {
                // Sorted fields are in another order than declared ones, mostly.
                let parsed: serde_json::Value = serde_json::from_str(&json).expect("JSON");
                json = format!("{parsed:#}");
            }
            assert_eq!(signature.decode_over(&json, &mut old), Ok(()), "seed {seed}: {json}");
            let anew = signature.decode(&json);
            assert_eq!(Ok(&old), anew.as_ref(), "seed {seed}: {signature} {json}");

            // Cut anywhere, it fails as it would have failed anew.
            let mut cut = rng.below(json.len());
            while !json.is_char_boundary(cut) {
                cut -= 1;
            }
            let mut over = old.clone();
            assert_eq!(
                signature.decode_over(&json[..cut], &mut over).map(|()| over),
                signature.decode(&json[..cut]),
                "seed {seed}: {}",
                &json[..cut]
            );
        }
    }
}

/// Fields of objects in another order, with space between: as another serialiser writes them.
#[test]
fn order_of_fields_and_space_do_not_matter() {
    let engine = engine();
    for seed in 1000..1150 {
        let mut rng = Rng(seed);
        let ty = rng.ty(4);
        let signature =
            try_signature(&engine, &[("v", ty.clone())], Some(&ty)).expect("a JSON form");
        let value = [rng.val(&ty)];
        let mut json = String::new();
        signature.encode(&value, MOST, &mut json).expect("its own type");
        let parsed: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        // serde_json reads floats inexactly here, and puts the keys of a map in the order of their bytes.
        if has_float(&ty) || has_map(&ty) {
            continue;
        }
        let pretty = serde_json::to_string_pretty(&parsed).expect("JSON");
        let back = signature.decode_result(&pretty);
        assert_eq!(back.as_deref(), Ok(&value[..]), "seed {seed}: {signature}\n{pretty}");
    }
}

#[test]
fn damaged_text_never_panics_and_errors_point_into_it() {
    let engine = engine();
    let mut refused = 0;
    for seed in 2000..2200 {
        let mut rng = Rng(seed);
        let ty = rng.ty(4);
        let signature =
            try_signature(&engine, &[("v", ty.clone())], Some(&ty)).expect("a JSON form");
        let mut json = String::new();
        signature.encode(&[rng.val(&ty)], MOST, &mut json).expect("its own type");
        for _ in 0..60 {
            let text = damage(&mut rng, &json);
            for result in [signature.decode(&text), signature.decode_result(&text)] {
                match result {
                    Ok(values) => drop(signature.encode(&values, MOST, &mut String::new())),
                    Err(crate::value::Error::Input(error)) => {
                        refused += 1;
                        assert!(error.byte <= text.len(), "seed {seed}");
                        assert!(error.path.starts_with('$'));
                        assert!(error.to_string().len() < 2000, "seed {seed}: {error}");
                    }
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
        }
    }
    assert!(refused > 1000);
}

fn damage(rng: &mut Rng, json: &str) -> String {
    const PIECES: [&str; 20] = [
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "-",
        "1e999",
        "\\ud800",
        "\u{0}",
        "é",
        "9999999999999999999999",
        "\"ok\"",
        " ",
        "0.5",
        "\\u00",
        "tru",
    ];
    let mut bytes = json.as_bytes().to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() + 1);
        match rng.below(3) {
            0 => bytes.truncate(at),
            1 => {
                let piece = rng.pick(&PIECES);
                bytes.splice(at..at, piece.bytes());
            }
            _ => {
                let end = (at + rng.below(6)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn any(ty: &Ty, is: &dyn Fn(&Ty) -> bool) -> bool {
    is(ty)
        || match ty {
            Ty::List(of) | Ty::Fixed(of, _) | Ty::Map(_, of) | Ty::Option(of) => any(of, is),
            Ty::Record(fields) => fields.iter().any(|(_, ty)| any(ty, is)),
            Ty::Tuple(types) => types.iter().any(|ty| any(ty, is)),
            Ty::Variant(cases) => cases.iter().flat_map(|(_, ty)| ty).any(|ty| any(ty, is)),
            Ty::Result(ok, err) => [ok, err].into_iter().flatten().any(|ty| any(ty, is)),
            _ => false,
        }
}

fn has_float(ty: &Ty) -> bool {
    any(ty, &|ty| matches!(ty, Ty::Prim(P::F32 | P::F64)))
}

fn has_map(ty: &Ty) -> bool {
    any(ty, &|ty| matches!(ty, Ty::Map(..)))
}

#[test]
fn a_string_of_any_length_and_content_survives() {
    let engine = engine();
    let ty = Ty::Prim(P::String);
    let signature = try_signature(&engine, &[("v", ty.clone())], Some(&ty)).expect("a JSON form");
    let all: String = (0..=0x500u32).filter_map(char::from_u32).collect();
    for (start, _) in all.char_indices().take(80) {
        for len in 0..40 {
            let text: String = all[start..].chars().take(len).collect();
            let value = [Val::String(text)];
            let mut json = String::new();
            signature.encode(&value, MOST, &mut json).expect("a string");
            assert_eq!(json, serde_json::to_string(&str_of(&value[0])).expect("JSON"));
            assert_eq!(signature.decode_result(&json).as_deref(), Ok(&value[..]));
        }
    }
}

fn str_of(value: &Val) -> &str {
    let Val::String(text) = value else { panic!("not a string") };
    text
}
