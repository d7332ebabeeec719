//! Every attack of `longshore_hostile`, carried out against a host that goes on serving others meanwhile: each must be refused with
//! its own code, and leave the host's memory, files and threads as they were.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../e2e/tests/it/artifacts.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod artifacts;
mod calls;
mod ground;
mod http;
mod paths;
mod probes;
mod programs;
#[path = "../../../e2e/tests/it/publish.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod publish;
mod resources;
mod secrets;
mod server;
mod sockets;
#[path = "../../../e2e/tests/it/stage.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod stage;
mod stores;
mod values;

/// One test for each attack. The function that it calls matches on the family's attacks: what has no end there does not compile.
macro_rules! tests {
    ($($(#[doc = $about:literal])* $Family:ident / $family:ident {
        $($attack:ident / $Attack:ident = $does:literal;)*
    })*) => {
        $(
            mod $family {
                $(
                    #[test]
                    fn $attack() {
                        let attack = longshore_hostile::$Family::$Attack;
                        crate::ground::prove(|ground| crate::$family::meet(ground, attack));
                    }
                )*
            }
        )*
    };
}

mod attacks {
    longshore_hostile::each_attack!(tests);
}
