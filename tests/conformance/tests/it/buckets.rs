//! Buckets of keys and values, and containers of objects, where the operator says: in files that outlive the process, on a
//! server, or nowhere; and what is said when that cannot be.

use longshore_test_support::{postgres, redis};
use serde_json::{Value, json};

use crate::artifacts::{guest, with_manifest};
use crate::desk::{Desk, Said};

const ASKS: &str =
    "[[capabilities.keyvalue]]\nname = \"notes\"\naccess = \"rw\"\nreason = \"keeps\"\n";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("stores.wasm", with_manifest(&guest("stores"), ASKS));
    desk
}

/// Runs commands on the bucket `notes`, in a process of its own.
fn on(desk: &Desk, commands: &Value, flags: &[&str]) -> Said {
    let input = json!(["notes", commands]).to_string();
    let run = ["run", "stores.wasm", "-f", "on", "--input", &input, "--allow", "keyvalue=notes:rw"];
    desk.run(&[&run, flags].concat())
}

fn value(said: &Said) -> Value {
    assert_eq!(said.status, Some(0), "{said}");
    serde_json::from_str(&said.stdout).unwrap()
}

#[test]
fn a_bucket_survives_from_one_process_to_the_next_in_a_file_of_the_home() {
    let desk = desk();
    let written = on(&desk, &json!([["set", "a", "1"], ["count", "n", "41"]]), &[]);
    assert_eq!(value(&written), json!(["", "41"]));
    let read = on(&desk, &json!([["get", "a"], ["count", "n", "1"], ["keys"]]), &[]);
    assert_eq!(value(&read), json!(["1", "42", "2"]));
    let file = desk.state().join("keyvalue.db");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Elsewhere, it is another bucket.
    let other = on(&desk, &json!([["get", "a"]]), &["--keyvalue", "notes=memory"]);
    assert_eq!(value(&other), json!(["none"]));
    let path = format!("notes=sqlite:{}", desk.at("here.db").display());
    assert_eq!(value(&on(&desk, &json!([["set", "a", "2"]]), &["--keyvalue", &path])), json!([""]));
    assert!(desk.at("here.db").exists());
    assert_eq!(value(&on(&desk, &json!([["get", "a"]]), &[])), json!(["1"]));
    desk.every_run_is_closed();
}

#[test]
fn the_settings_say_where_a_bucket_is_and_how_much_it_holds() {
    let desk = desk();
    let config = desk.state().join("config.toml");
    std::fs::create_dir_all(desk.state()).unwrap();
    let settings = "[keyvalue.notes]\nbackend = \"sqlite\"\npath = \"data/notes.db\"\nmax-keys = 1\n\
                    [keyvalue.\"*\"]\nbackend = \"none\"\n";
    std::fs::write(&config, settings).unwrap();
    assert_eq!(value(&on(&desk, &json!([["set", "a", "1"]]), &[])), json!([""]));
    assert!(desk.state().join("data/notes.db").exists());
    let over = on(&desk, &json!([["set", "b", "1"]]), &[]);
    assert_eq!(over.status, Some(6), "{over}");
    assert!(over.stderr.contains("keyvalue-keys"), "{over}");
    std::fs::write(&config, "[keyvalue.\"*\"]\nbackend = \"none\"\n").unwrap();
    let nowhere = on(&desk, &json!([["get", "a"]]), &[]);
    assert_eq!(nowhere.status, Some(1), "{nowhere}");
    assert!(nowhere.to_string().contains("no-such-store"), "{nowhere}");
    desk.every_run_is_closed();
}

#[test]
fn a_mistake_in_the_settings_is_told_with_its_place_and_without_the_address() {
    let desk = desk();
    std::fs::create_dir_all(desk.state()).unwrap();
    for (settings, place, says) in [
        ("[keyvalue.Notes]\nbackend = \"memory\"\n", ":1:11:", "Notes"),
        ("[keyvalue.notes]\nbackend = \"sqlit\"\n", ":2:11:", "did you mean `sqlite`?"),
        ("[keyvalue.notes]\nbackend = \"memory\"\npath = \"x\"\n", ":3:1:", "unknown key `path`"),
        ("[keyvalue.notes]\nbackend = \"redis\"\n", ":1:1:", "lacks the key `url`"),
        ("[keyvalue.notes]\nbackend = \"redis\"\nurl = \"hunter2\"\n", ":3:7:", "a source is"),
        (
            "[keyvalue.notes]\nbackend = \"redis\"\nurl = \"postgres://:hunter2@h\"\n",
            ":3:7:",
            "begins with `redis://`",
        ),
        ("[keyvalue.notes]\nbackend = \"memory\"\nmax-keys = 0\n", ":3:12:", "from 1 to"),
        ("[keyvalue]\nnotes = \"memory\"\n", ":2:9:", "must be a table"),
        (
            "[keyvalue.n]\nbackend = \"postgres\"\nurl = \"env:URL\"\ntable = \"a-b\"\n",
            ":4:9:",
            "lower-case letters",
        ),
    ] {
        std::fs::write(desk.state().join("config.toml"), settings).unwrap();
        let said = on(&desk, &json!([]), &[]);
        assert_eq!(said.status, Some(2), "{said}");
        assert!(said.stderr.contains("error[LS-CFG-001]"), "{said}");
        assert!(said.stderr.contains(place) && said.stderr.contains(says), "{settings}: {said}");
        assert!(!said.to_string().contains("hunter2"), "{said}");
    }
    let url = "[keyvalue.notes]\nbackend = \"redis\"\nurl = \"redis://:hunter2@\"\n";
    std::fs::write(desk.state().join("config.toml"), url).unwrap();
    let said = on(&desk, &json!([]), &[]);
    assert!(said.stderr.contains("error[LS-STO-006]") && said.status == Some(2), "{said}");
    assert!(!said.to_string().contains("hunter2"), "{said}");
    std::fs::remove_file(desk.state().join("config.toml")).unwrap();
    for flag in ["notes", "Notes=memory", "notes=cloud", "notes=redis", "notes=redis:hunter2"] {
        let said = on(&desk, &json!([]), &["--keyvalue", flag]);
        assert!(said.stderr.contains("error[LS-CLI-001]") && said.status == Some(2), "{said}");
        assert!(!said.stderr.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_bucket_on_a_server_is_shared_and_its_password_is_seen_nowhere() {
    let Some(server) = redis::own() else { return };
    let mut desk = desk();
    desk.set("NOTES_URL", &server.database());
    std::fs::create_dir_all(desk.state()).unwrap();
    let settings = "[keyvalue.notes]\nbackend = \"redis\"\nurl = \"env:NOTES_URL\"\n";
    std::fs::write(desk.state().join("config.toml"), settings).unwrap();
    assert_eq!(value(&on(&desk, &json!([["set", "a", "1"]]), &[])), json!([""]));
    assert_eq!(value(&on(&desk, &json!([["get", "a"]]), &[])), json!(["1"]));
    let well = desk.does(&["doctor"]);
    assert!(well.contains("buckets") && well.contains("notes"), "{well}");
    server.stop();
    let down = on(&desk, &json!([["set", "a", "2"]]), &[]);
    assert_eq!(down.status, Some(1), "the component was told, and failed: {down}");
    assert!(down.to_string().contains("unavailable, try again: LS-STO-001"), "{down}");
    let journal = desk.document(&["runs", "show", "last"]).to_string();
    assert!(journal.contains("LS-STO-001"), "{journal}");
    let ill = desk.run(&["doctor"]);
    assert!(ill.status == Some(7) && ill.stdout.contains("LS-STO-001"), "{ill}");
    for said in [well, down.to_string(), journal, ill.to_string()] {
        assert!(!said.contains(redis::PASSWORD), "{said}");
    }
    desk.every_run_is_closed();
}

#[test]
fn a_container_survives_from_one_process_to_the_next_in_a_folder_of_the_home() {
    let desk = Desk::new();
    let asks =
        "[[capabilities.blobstore]]\nname = \"pages\"\naccess = \"rw\"\nreason = \"keeps\"\n";
    desk.write("blobs.wasm", with_manifest(&guest("blobs"), asks));
    let on = |commands: Value, flags: &[&str]| {
        let input = json!(["pages", commands]).to_string();
        let run = ["run", "blobs.wasm", "-f", "on", "--input", &input, "--allow"];
        value(&desk.run(&[&run[..], &["blobstore=pages:rw"], flags].concat()))
    };
    let write = json!([["create"], ["write", "../a", "hello"], ["fill", "large", "100000"]]);
    assert_eq!(on(write, &[]), json!(["pages", "", ""]));
    let read = || json!([["get", "../a"], ["stream", "large"], ["names"]]);
    assert_eq!(on(read(), &[]), json!(["hello", "100000", "../a,large"]));
    assert!(desk.state().join("blobs/c-pages/objects").is_dir());
    let gone = "error: no such container";
    let elsewhere = on(read(), &["--blobstore", "pages=memory"]);
    assert_eq!(elsewhere, json!([gone, gone, gone]));
    let path = format!("pages=folder:{}", desk.at("pages").display());
    assert_eq!(on(json!([["create"]]), &["--blobstore", &path]), json!(["pages"]));
    assert!(desk.at("pages/c-pages").is_dir());
    let nowhere = on(json!([["create"]]), &["--blobstore", "pages=none"]);
    assert_eq!(nowhere, json!([gone]));
    let settings = "[blobstore.pages]\nbackend = \"folder\"\nmax-objects = 2\nmax = 1\n";
    std::fs::write(desk.state().join("config.toml"), settings).unwrap();
    let wrong = desk.run(&["run", "blobs.wasm", "-f", "on", "--input", "[]"]);
    assert!(
        wrong.stderr.contains("error[LS-CFG-001]") && wrong.stderr.contains(":4:1:"),
        "{wrong}"
    );
    std::fs::write(desk.state().join("config.toml"), settings.replace("max = 1\n", "")).unwrap();
    let input = json!(["pages", [["write", "third", "v"]]]).to_string();
    let full =
        ["run", "blobs.wasm", "-f", "on", "--input", &input, "--allow", "blobstore=pages:rw"];
    let full = desk.run(&full);
    assert!(full.status == Some(6) && full.stderr.contains("blobstore-objects"), "{full}");
    desk.every_run_is_closed();
}

/// Three processes that count in one bucket at once, in steps of one.
fn counts_together(desk: &Desk, flags: &[&str]) {
    let commands: Vec<_> = (0..20).map(|_| json!(["count", "n", "1"])).collect();
    let input = json!(["notes", commands]).to_string();
    let run = ["run", "stores.wasm", "-f", "on", "--input", &input, "--allow", "keyvalue=notes:rw"];
    let all = [&run[..], flags].concat();
    let started = [(); 3].map(|()| desk.start(&all));
    for process in started {
        let said = process.wait_with_output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    let sum = on(desk, &json!([["get", "n"], ["keys"]]), flags);
    assert_eq!(value(&sum), json!(["60", "1"]));
}

#[test]
fn processes_that_count_at_once_lose_nothing_wherever_the_bucket_is() {
    let (Some(cache), Some(database)) = (redis::shared(), postgres::shared()) else { return };
    let mut desk = desk();
    desk.set("CACHE_URL", &cache.database());
    desk.set("DATABASE_URL", &database.database());
    counts_together(&desk, &[]);
    counts_together(&desk, &["--keyvalue", "notes=redis:env:CACHE_URL"]);
    counts_together(&desk, &["--keyvalue", "notes=postgres:env:DATABASE_URL"]);
    desk.every_run_is_closed();
}
