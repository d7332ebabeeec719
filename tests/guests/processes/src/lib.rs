//! Starts programs of the host, and tells what came of it.

wit_bindgen::generate!({
    path: ["../../../wit/longshore-action-0.1.0", "wit"],
    world: "fixtures:processes/guest",
    generate_all,
});

use exports::fixtures::processes::starter::Guest;
use longshore::action::processes::{self, Command, Ending, Error};

struct Starter;

impl Guest for Starter {
    fn run(
        program: String,
        arguments: Vec<String>,
        stdin: String,
        environment: Vec<String>,
    ) -> (String, String, String) {
        let stdin = stdin.into_bytes();
        match processes::run(&Command { program, arguments, stdin, environment }) {
            Ok(output) => {
                let ending = match output.ending {
                    Ending::Exited(status) => format!("exited {status}"),
                    Ending::Signaled(signal) => format!("signaled {signal}"),
                };
                (ending, text(&output.stdout), text(&output.stderr))
            }
            Err(Error::Denied(why)) => (format!("denied: {why}"), String::new(), String::new()),
            Err(Error::Failed(why)) => (format!("failed: {why}"), String::new(), String::new()),
        }
    }

    fn exchange(
        given: String,
        program: String,
        arguments: Vec<String>,
        read: String,
    ) -> (String, String) {
        if let Err(error) = std::fs::write("/tmp/given", given) {
            return (format!("error: {error}"), String::new());
        }
        let (ending, ..) = Self::run(program, arguments, String::new(), Vec::new());
        (ending, std::fs::read_to_string(read).unwrap_or_else(|error| format!("error: {error}")))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

export!(Starter);
