//! Tries to make the host's programs do what was not granted, and to leave its scratch directory. `echo` and one word is granted,
//! the scripts of the test, and `/tmp`.

wit_bindgen::generate!({
    path: ["../../../wit/longshore-action-0.1.0", "wit"],
    world: "hostile:programs/guest",
    generate_all,
});

use exports::hostile::programs::programs::Guest;
use longshore::action::processes::{self, Command, Ending, Error};
use longshore_hostile::Programs;

struct Attacker;

impl Guest for Attacker {
    fn attack(name: String) -> Result<String, String> {
        carry_out(Programs::named(&name).ok_or("no such attack")?)
    }
}

export!(Attacker);

/// What the program wrote, or the first word of the refusal.
fn run(program: &str, arguments: &[&str], environment: &[&str]) -> Result<String, String> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let (arguments, environment) = (words(arguments), words(environment));
    let program = program.to_owned();
    match processes::run(&Command { program, arguments, stdin: Vec::new(), environment }) {
        Ok(output) => match output.ending {
            Ending::Exited(_) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Ending::Signaled(signal) => Err(format!("signaled {signal}")),
        },
        Err(Error::Denied(_)) => Err("denied".to_owned()),
        Err(Error::Failed(_)) => Err("failed".to_owned()),
    }
}

/// The first success, or all the refusals, of which each is told once.
fn tries(tried: impl IntoIterator<Item = Result<String, String>>) -> Result<String, String> {
    let mut refused = Vec::new();
    for tried in tried {
        refused.push(match tried {
            Ok(loot) => return Ok(loot),
            Err(word) => word,
        });
    }
    refused.dedup();
    Err(refused.join(", "))
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{:?}", error.kind()))
}

fn carry_out(attack: Programs) -> Result<String, String> {
    match attack {
        Programs::OtherProgram => tries(
            [
                "sh",
                "/bin/sh",
                "cat",
                "../bin/echo",
                "./echo",
                "/usr/bin/../bin/echo",
                "",
                " ",
                "ECHO",
            ]
            .map(|program| run(program, &["word"], &[])),
        ),
        Programs::ShellWords => {
            let words =
                ["$(cat /etc/passwd)", "`id`", ";id", "|id", "a\nid", "$HOME", "*", "~", "'\"\\"];
            tries(words.map(|word| match run("echo", &[word], &[]) {
                Ok(said) if said == format!("{word}\n") => Err("said".to_owned()),
                other => other,
            }))
        }
        Programs::Options => tries(
            [&["-e", "a"][..], &["-n"], &["--help"], &["a", "b"], &[], &["a", ""]]
                .map(|arguments| run("echo", arguments, &[])),
        ),
        Programs::Nul => tries([
            run("echo\0", &["a"], &[]),
            run("echo", &["a\0b"], &[]),
            run("echo", &["a"], &["LANG\0PATH"]),
        ]),
        Programs::Environment => {
            let names = ["HOME", "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "IFS", "A=B", ""];
            tries(names.map(|name| run("echo", &["a"], &[name])))
        }
        Programs::OpenFiles => {
            let listed = run("sh", &["-c", "ls /proc/self/fd"], &[])?;
            Err(format!("{} open", listed.lines().count()))
        }
        Programs::OutputFlood => run("sh", &["-c", "yes"], &[]),
        Programs::Hang => run("sh", &["-c", "sleep 600"], &[]),
        Programs::LeftBehind => {
            run("sh", &["-c", "(trap '' HUP TERM; sleep 8765) & sleep 0.05; echo left"], &[])
                .and_then(|_| Err("left".to_owned()))
        }
        Programs::StartFlood => loop {
            run("echo", &["again"], &[])?;
        },
        Programs::ScratchClimb => tries(
            ["/tmp/../etc/passwd", "/tmp/..", "/etc/passwd", "/tmp/../../journal", "/tmp/link"]
                .map(|path| match std::fs::read_dir(path) {
                    Ok(_) => Ok(format!("listed {path}")),
                    Err(_) => read(path),
                }),
        ),
        Programs::ScratchBefore => {
            let found: Vec<_> = std::fs::read_dir("/tmp")
                .map_err(|error| error.to_string())?
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect();
            std::fs::write("/tmp/mine", "mine").map_err(|error| error.to_string())?;
            match found.is_empty() {
                true => Err("nothing".to_owned()),
                false => Ok(found.join(", ")),
            }
        }
        Programs::ScratchFlood => {
            let block = vec![b'x'; 1 << 16];
            for number in 0.. {
                std::fs::write(format!("/tmp/{number}"), &block).map_err(|e| e.to_string())?;
            }
            Ok("it took everything".to_owned())
        }
    }
}
