//! A workflow that calls the steps: typed, and by name.

wit_bindgen::generate!({
    path: ["../steps/wit", "../../../wit/longshore-workflow-0.1.0", "wit"],
    world: "fixtures:caller/guest",
    generate_all,
});

use exports::fixtures::caller::caller::Guest;
use fixtures::steps::steps;
use longshore::workflow::{dynamic, run};

struct Caller;

impl Guest for Caller {
    fn fourfold(n: u32) -> u32 {
        steps::double(steps::double(n))
    }

    fn try_step(how: String) -> String {
        match steps::risky(&how) {
            Ok(value) => format!("ok {value}"),
            Err(failure) => format!("{:?} {}: {}", failure.class, failure.code, failure.message),
        }
    }

    fn must() -> u32 {
        steps::explode()
    }

    fn many(times: u32) -> u32 {
        (0..times).fold(0, |_, n| steps::double(n))
    }

    fn by_name(place: String, function: String, arguments: String) -> Result<String, String> {
        dynamic::call(&place, &function, &arguments)
            .map_err(|error| format!("{}: {}", error.code, error.message))
    }

    fn note(message: String) -> String {
        run::note(&message);
        run::id()
    }
}

export!(Caller);
