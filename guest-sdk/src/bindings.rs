//! The raw imports of Longshore's host interfaces. Only a component has them; the linker drops what is not called.

#[cfg(target_family = "wasm")]
mod raw {
    #![allow(dead_code, unused, clippy::all, missing_docs, unreachable_pub, rust_2018_idioms)]
    #![allow(unsafe_op_in_unsafe_fn)]
    wit_bindgen::generate!({
        inline: "
            package longshore-guest:sdk;
            world sdk {
                import longshore:action/attempt@0.1.0;
                import longshore:action/progress@0.1.0;
                import longshore:action/log@0.1.0;
                import longshore:action/spans@0.1.0;
                import longshore:action/settings@0.1.0;
                import longshore:action/secrets@0.1.0;
                import longshore:workflow/run@0.1.0;
                import longshore:workflow/dynamic@0.1.0;
            }
        ",
        path: ["../wit/longshore-action-0.1.0", "../wit/longshore-workflow-0.1.0"],
        world: "longshore-guest:sdk/sdk",
        generate_all,
    });
}

#[cfg(target_family = "wasm")]
pub(crate) use raw::longshore::{action, workflow};

/// What workflows wait with. There natively too: its handles are types that a workflow's own code names.
pub(crate) mod durable {
    #![allow(dead_code, unused, clippy::all, missing_docs, unreachable_pub, rust_2018_idioms)]
    #![allow(unsafe_op_in_unsafe_fn, unsafe_code, clippy::undocumented_unsafe_blocks)]
    #![allow(clippy::multiple_unsafe_ops_per_block)]
    wit_bindgen::generate!({
        path: "../wit/longshore-workflow-0.1.0",
        world: "longshore:workflow/host",
        generate_all,
    });
}
