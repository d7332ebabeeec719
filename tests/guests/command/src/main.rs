//! A plain command: prints its arguments and its input, and ends with the status in `--exit=<n>`.

use std::io::Read as _;

fn main() -> std::process::ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    for argument in &arguments {
        println!("argument: {argument}");
    }
    let mut input = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut input) {
        eprintln!("cannot read the input: {error}");
        return std::process::ExitCode::from(2);
    }
    println!("input: {input}");
    let status =
        arguments.iter().find_map(|argument| argument.strip_prefix("--exit=")?.parse::<u8>().ok());
    std::process::ExitCode::from(status.unwrap_or(0))
}
