//! A bad sample for every Rust rule, and the good neighbour that must pass.

use super::*;

fn told(path: &str, text: &str) -> Vec<String> {
    check(&File::new(path, text)).into_iter().map(|breach| breach.to_string()).collect()
}

fn one(path: &str, text: &str, part: &str) {
    let told = told(path, text);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(part), "`{}` lacks `{part}`", told[0]);
}

fn none(path: &str, text: &str) {
    assert_eq!(told(path, text), Vec::<String>::new());
}

#[test]
fn a_file_without_its_head_is_a_breach() {
    one("host/model/src/a.rs", "use x::y;\n", "opens without");
    one("host/model/src/a.rs", "/// Not a head.\nstruct A;\n", "opens without");
    one("host/model/src/a.rs", "", "opens without");
    none("host/model/src/a.rs", "\n//! Head.\nstruct A;\n");
}

#[test]
fn a_file_of_801_lines_is_a_breach_and_800_are_not() {
    let lines = |count: usize| format!("//! Head.\n{}", "// x\n".repeat(count - 1));
    none("host/model/src/a.rs", &lines(800));
    one("host/model/src/a.rs", &lines(801), "801 lines");
}

#[test]
fn a_function_of_71_lines_is_a_breach_wherever_it_stands() {
    let body = |count: usize| "x();\n".repeat(count - 2);
    let free = |count: usize| format!("//! H.\nfn f() {{\n{}}}\n", body(count));
    none("host/model/src/a.rs", &free(70));
    one("host/model/src/a.rs", &free(71), ":2: `f` has 71 lines");
    let method = format!("//! H.\nimpl A {{ fn m() {{\n{}}} }}\n", body(71));
    one("host/model/src/a.rs", &method, "`m` has 71 lines");
    let default = format!("//! H.\ntrait A {{ fn d() {{\n{}}} }}\n", body(71));
    one("host/model/src/a.rs", &default, "`d` has 71 lines");
    let inner = format!("//! H.\nmod a {{ fn i() {{\n{}}} }}\n", body(71));
    one("tests/e2e/src/a.rs", &inner, "`i` has 71 lines");
}

#[test]
fn names_that_say_nothing_are_breaches() {
    one("host/model/src/a/mod.rs", "//! H.\n", "rather than `mod.rs`");
    one("host/model/src/utils.rs", "//! H.\n", "`utils` says nothing");
    one("host/common/src/lib.rs", "//! H.\n", "`common` says nothing");
    one("host/model/src/a.rs", "//! H.\nmod helpers {}\n", "`mod helpers` says nothing");
}

#[test]
fn a_glob_may_be_imported_in_a_test_but_never_re_exported() {
    one("host/model/src/a.rs", "//! H.\npub use a::{b::*, c};\n", "re-exports everything");
    one("host/model/src/a.rs", "//! H.\npub(crate) use a::*;\n", "re-exports everything");
    none("host/model/src/a.rs", "//! H.\nuse super::*;\n");
}

#[test]
fn unfinished_work_is_a_breach_in_tests_too() {
    one("tests/e2e/src/a.rs", "//! H.\nfn f() { todo!() }\n", "`todo!`");
    one("host/model/src/a.rs", "//! H.\nfn f() { unimplemented!(\"x\") }\n", "`unimplemented!`");
    one(
        "tests/e2e/tests/a.rs",
        "//! H.\n#[test]\n#[ignore = \"slow\"]\nfn f() {}\n",
        "ignored test",
    );
    none("host/model/src/a.rs", "//! todo!()\n/// todo!()\nfn f() { g(\"todo!()\") } // todo!()\n");
}

#[test]
fn a_pure_room_may_not_touch_the_disk_however_it_is_spelled() {
    let path = "host/policy/src/a.rs";
    one(path, "//! H.\nfn f() { std::fs::read(p); }\n", ":2: `std::fs`");
    one(path, "//! H.\nuse std::{io, fs::File};\n", "`std::fs`");
    one(path, "//! H.\nuse std::fs as disk;\n", "`std::fs`");
    none(path, "//! H.\n#[cfg(test)]\nmod tests {\n use std::fs;\n}\n");
    none("host/policy/tests/a.rs", "//! H.\nuse std::fs;\n");
    none("registry/client/src/a.rs", "//! H.\nuse std::fs;\n");
}

#[test]
fn only_the_rooms_that_own_it_read_the_wall_clock_or_end_the_process() {
    let clock = "//! H.\nfn f() { std::time::SystemTime::now(); }\n";
    one("host/engine/src/a.rs", clock, "`SystemTime::now`");
    none("host/runtime/src/a.rs", clock);
    let exit = "//! H.\nfn f() { std::process::exit(1); }\n";
    one("host/runtime/src/a.rs", exit, "`std::process::exit`");
    none("host/cli/src/main.rs", exit);
}

#[test]
fn a_library_that_prints_is_a_breach() {
    let print = "//! H.\nfn f() { println!(\"x\"); }\n";
    one("host/runtime/src/a.rs", print, "only host/cli prints");
    one("registry/client/src/a.rs", "//! H.\nfn f() { dbg!(x); }\n", "only host/cli prints");
    none("host/cli/src/a.rs", print);
    none("host/runtime/examples/a.rs", print);
    none("plugins/fetch/src/lib.rs", print);
}

#[test]
fn text_that_is_not_rust_is_a_breach() {
    one("host/model/src/a.rs", "//! H.\nfn f( {\n", "does not parse");
}
