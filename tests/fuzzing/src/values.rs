//! JSON for values: what is read can be written, and what was written is read back as the same.

use std::sync::LazyLock;

use longshore_engine::value::Signature;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// More than any output of a fuzzer's input.
const LIMIT: usize = 64 << 20;

/// A function of every type that JSON carries. Never called, so that its code may be nothing.
const TYPES: &str = r#"(component
  (type $side' (enum "left" "right"))
  (import "side" (type $side (eq $side')))
  (type $marks' (flags "bold" "plain" "wide"))
  (import "marks" (type $marks (eq $marks')))
  (type $shape' (variant (case "point") (case "circle" f64) (case "many" (list u8))))
  (import "shape" (type $shape (eq $shape')))
  (type $row' (record
    (field "name" string) (field "count" u64) (field "less" s64) (field "small" u8)
    (field "ratio" f32) (field "sign" char) (field "yes" bool)
    (field "maybe" (option (option u32))) (field "side" $side) (field "marks" $marks)))
  (import "row" (type $row (eq $row')))
  (import "take" (func $take
    (param "rows" (list $row)) (param "shape" $shape) (param "pair" (tuple s8 s16 string))
    (param "how" (result u32 (error string))) (param "bytes" (list u8))
    (result (result (list $row) (error $shape))))))"#;

static SIGNATURE: LazyLock<Signature> = LazyLock::new(|| {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true);
    let engine = wasmtime::Engine::new(&config).unwrap_or_else(|error| panic!("{error}"));
    let bytes = wat::parse_str(TYPES).unwrap_or_else(|error| panic!("{error}"));
    let component = Component::new(&engine, bytes).unwrap_or_else(|error| panic!("{error}"));
    let found = component.component_type().imports(&engine).find_map(|(_, item)| match item.ty {
        ComponentItem::ComponentFunc(function) => Some(function),
        _ => None,
    });
    let function = found.unwrap_or_else(|| panic!("the component imports a function"));
    Signature::of("take", &function).unwrap_or_else(|error| panic!("{error}"))
});

/// The JSON text of arguments, and of a result.
pub fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let signature = &*SIGNATURE;
    match signature.decode(text) {
        Ok(arguments) => {
            let mut written = String::new();
            let done = signature.encode_params(&arguments, LIMIT, &mut written);
            done.unwrap_or_else(|error| panic!("what was read can be written: {error}"));
            let again = signature.decode(&written);
            let again = again.unwrap_or_else(|error| panic!("`{written}` reads back: {error}"));
            let mut rewritten = String::new();
            drop(signature.encode_params(&again, LIMIT, &mut rewritten));
            assert_eq!(written, rewritten, "what was written stays as it is");
            let mut reused = again;
            let done = signature.decode_over(text, &mut reused);
            done.unwrap_or_else(|error| panic!("what was read is read into old values: {error}"));
            let mut over = String::new();
            drop(signature.encode_params(&reused, LIMIT, &mut over));
            assert_eq!(written, over, "old values leave nothing behind");
        }
        Err(error) => drop((error.to_string(), error.code())),
    }
    if let Ok(result) = signature.decode_result(text) {
        let mut written = String::new();
        let done = signature.encode(&result, LIMIT, &mut written);
        done.unwrap_or_else(|error| panic!("a result that was read can be written: {error}"));
    }
}
