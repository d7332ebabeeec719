//! How the binary `longshore` is linked: the functions that a start of `longshore run` goes through lie side by side, functions
//! of the same code are kept once, and relocations are packed. All of it only makes it smaller and quicker to start; where the
//! linker or the C library cannot do it, it is left out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sections of those functions, as patterns, a line each; `just order` writes it.
const ORDER: &str = "startup.order";

/// The first C library whose loader reads packed relocations (its release notes, "DT_RELR").
const PACKING: (u32, u32) = (2, 36);

#[allow(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    if variable("PROFILE") != "release" || !links_with_lld() {
        return;
    }
    let script = PathBuf::from(variable("OUT_DIR")).join("startup.ld");
    match std::fs::read_to_string(ORDER).and_then(|order| std::fs::write(&script, layout(&order))) {
        Ok(()) => println!("cargo::rustc-link-arg-bin=longshore=-Wl,-T,{}", script.display()),
        Err(error) => println!("cargo::warning=the order of functions is left out: {error}"),
    }
    // Addresses of functions tell nobody apart: Rust promises none (reference, "Function pointer types"), and neither SQLite nor
    // ring compares any of equal code.
    println!("cargo::rustc-link-arg-bin=longshore=-Wl,--icf=all");
    if variable("HOST") == variable("TARGET") && glibc().is_some_and(|found| found >= PACKING) {
        println!("cargo::rustc-link-arg-bin=longshore=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the linker is the one that rustc brings along for this target, and nobody chose another.
fn links_with_lld() -> bool {
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let chosen =
        ["linker", "fuse-ld", "link-self-contained"].iter().any(|word| flags.contains(word));
    if variable("TARGET") != "x86_64-unknown-linux-gnu"
        || !variable("RUSTC_LINKER").is_empty()
        || chosen
    {
        return false;
    }
    let printed = said(Command::new(variable("RUSTC")).args(["--print", "sysroot"]));
    printed.is_some_and(|sysroot| {
        Path::new(sysroot.trim())
            .join("lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld")
            .is_file()
    })
}

/// The version of the C library that the binary will be linked with: it needs that one or a newer one anyway.
fn glibc() -> Option<(u32, u32)> {
    let said = said(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// A linker script that adds to the linker's own: one section of those functions, before that of all others.
fn layout(order: &str) -> String {
    let mut script = String::from("SECTIONS {\n  .text.startup : {\n");
    for pattern in order.lines().filter(|line| !line.starts_with('#')) {
        let _ = writeln!(script, "    *(.text.{pattern})");
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    script
}
