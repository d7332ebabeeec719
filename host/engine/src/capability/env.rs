//! `wasi:cli/environment`: the granted variables by name, and the arguments of a command. Values are looked up by the caller
//! of the run; this file only hands on those whose names are granted.

use longshore_policy::Grant;
use wasmtime_wasi::WasiCtxBuilder;

/// Hands on what is granted of `values`, and `arguments`.
pub(crate) fn apply(
    builder: &mut WasiCtxBuilder,
    grant: &Grant,
    values: &[(String, String)],
    arguments: &[String],
) {
    for (name, value) in values {
        if grant.env().any(|granted| granted == name) {
            builder.env(name, value);
        }
    }
    builder.args(arguments);
}
