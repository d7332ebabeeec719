//! Attacks on containers of objects.

use crate::tries;
use crate::wasi::blobstore::blobstore::{self, ObjectId};
use crate::wasi::blobstore::container::Container;
use crate::wasi::blobstore::types::{IncomingValue, OutgoingValue};
use crate::wasi::io::streams::OutputStream;

fn mine() -> Result<Container, String> {
    if !blobstore::container_exists("mine")? {
        blobstore::create_container("mine")?;
    }
    blobstore::get_container("mine")
}

fn body(value: &OutgoingValue) -> Result<OutputStream, String> {
    value.outgoing_value_write_body().map_err(|()| "no body".to_owned())
}

fn write(container: &Container, name: &str, bytes: &[u8]) -> Result<(), String> {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(name, &value)?;
    send(&body(&value)?, bytes)?;
    OutgoingValue::finish(value)
}

fn send(body: &OutputStream, bytes: &[u8]) -> Result<(), String> {
    for chunk in bytes.chunks(4096) {
        body.blocking_write_and_flush(chunk).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn read(container: &Container, name: &str) -> Result<Vec<u8>, String> {
    IncomingValue::incoming_value_consume_sync(container.get_data(name, 0, u64::MAX)?)
}

/// What looks like a path must be none, neither for writing nor for reading.
pub(crate) fn names_as_paths() -> Result<String, String> {
    let container = mine()?;
    let names = [
        "../escape", "../../escape", "/etc/passwd", "..", ".", "", "objects/../../escape", "a\0b",
        "\\..\\escape", "~/.ssh/id_rsa", "/proc/self/environ", "container", "CON", "a\u{2215}b",
    ];
    for name in names {
        if let Ok(found) = read(&container, name) {
            return Ok(format!("{}: {} bytes", name.escape_debug(), found.len()));
        }
        write(&container, name, name.as_bytes())?;
        if read(&container, name)? != name.as_bytes() {
            return Ok(format!("{} is another's", name.escape_debug()));
        }
    }
    let mut told = container.list_objects()?.read_stream_object_names(1000)?.0;
    container.clear()?;
    told.retain(|name| !names.contains(&name.as_str()));
    if told.is_empty() { Err("each is its own".to_owned()) } else { Ok(format!("{told:?}")) }
}

pub(crate) fn other_container() -> Result<String, String> {
    let container = mine()?;
    write(&container, "o", b"bytes")?;
    let id = |container: &str| ObjectId { container: container.to_owned(), object: "o".to_owned() };
    let names = ["theirs", "../theirs", "mine/../theirs", "*", "MINE", "mine\0", "", "c-mine"];
    let mut tried = Vec::new();
    for name in names {
        tried.push((format!("get {name}"), blobstore::get_container(name).map(drop)));
        tried.push((format!("create {name}"), blobstore::create_container(name).map(drop)));
        tried.push((format!("remove {name}"), blobstore::delete_container(name)));
        tried.push((format!("ask for {name}"), blobstore::container_exists(name).map(drop)));
        tried.push((format!("copy to {name}"), blobstore::copy_object(&id("mine"), &id(name))));
        tried.push((format!("move from {name}"), blobstore::move_object(&id(name), &id("mine"))));
    }
    tried.sort_by(|a, b| a.1.cmp(&b.1));
    tries(tried)
}

pub(crate) fn read_only() -> Result<String, String> {
    let container = blobstore::get_container("shown")?;
    let value = OutgoingValue::new_outgoing_value();
    let id = |container: &str| ObjectId { container: container.to_owned(), object: "o".to_owned() };
    tries([
        ("write".to_owned(), container.write_data("o", &value)),
        ("delete".to_owned(), container.delete_object("o")),
        ("delete many".to_owned(), container.delete_objects(&["o".to_owned()])),
        ("clear".to_owned(), container.clear()),
        ("remove".to_owned(), blobstore::delete_container("shown")),
        ("copy".to_owned(), blobstore::copy_object(&id("shown"), &id("shown"))),
        ("move".to_owned(), blobstore::move_object(&id("shown"), &id("mine"))),
    ])
}

pub(crate) fn long_name() -> Result<String, String> {
    write(&mine()?, &"n".repeat(1 << 20), b"")?;
    Ok("it was written".to_owned())
}

pub(crate) fn endless() -> Result<String, String> {
    let container = mine()?;
    let value = OutgoingValue::new_outgoing_value();
    container.write_data("endless", &value)?;
    let body = body(&value)?;
    loop {
        send(&body, &[0; 64 << 10])?;
    }
}

/// It never gets a name, so the host must keep it somewhere.
pub(crate) fn endless_unnamed() -> Result<String, String> {
    let mut held = Vec::new();
    loop {
        let value = OutgoingValue::new_outgoing_value();
        send(&body(&value)?, &vec![0; 1 << 20])?;
        held.push(value);
    }
}

pub(crate) fn draft_flood() -> Result<String, String> {
    let mut held = Vec::new();
    loop {
        held.push(OutgoingValue::new_outgoing_value());
    }
}

/// None of them is ever finished.
pub(crate) fn drafts_on_disk() -> Result<String, String> {
    let container = mine()?;
    let mut held = Vec::new();
    for n in 0.. {
        let value = OutgoingValue::new_outgoing_value();
        container.write_data(&format!("draft-{n}"), &value)?;
        send(&body(&value)?, &vec![0; 1 << 20])?;
        held.push(value);
    }
    Ok("no end".to_owned())
}

pub(crate) fn reader_flood() -> Result<String, String> {
    let container = mine()?;
    write(&container, "o", b"bytes")?;
    let mut held = Vec::new();
    loop {
        held.push(container.get_data("o", 0, u64::MAX)?);
    }
}

pub(crate) fn object_flood() -> Result<String, String> {
    let container = mine()?;
    for n in 0.. {
        write(&container, &format!("flood-{n}"), b"")?;
    }
    Ok("no end".to_owned())
}

pub(crate) fn names_flood() -> Result<String, String> {
    let container = mine()?;
    let mut held = Vec::new();
    loop {
        held.push(container.list_objects()?);
    }
}

/// A value that was finished is given to a container again.
pub(crate) fn name_after_finish() -> Result<String, String> {
    let container = mine()?;
    let value = OutgoingValue::new_outgoing_value();
    container.write_data("o", &value)?;
    let handle = value.handle();
    OutgoingValue::finish(value)?;
    // SAFETY: it is not: the handle was given away, which is the attack.
    let again = unsafe { OutgoingValue::from_handle(handle) };
    container.write_data("o", &again)?;
    Ok("it was written".to_owned())
}

/// A value is finished while its stream lives, so that it might change afterwards.
pub(crate) fn stream_after_finish() -> Result<String, String> {
    let container = mine()?;
    let value = OutgoingValue::new_outgoing_value();
    container.write_data("o", &value)?;
    let body = body(&value)?;
    OutgoingValue::finish(value)?;
    send(&body, b"late")?;
    Ok("it was written".to_owned())
}

pub(crate) fn odd_ranges() -> Result<String, String> {
    let container = mine()?;
    write(&container, "o", b"bytes")?;
    let ranges = [(5, 5), (5, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 0), (1, 0), (4, 3)];
    let tried = ranges.map(|(start, end)| {
        (format!("{start} to {end}"), container.get_data("o", start, end).map(drop))
    });
    let refused = tries(tried);
    let all = container.get_data("o", 0, u64::MAX)?.size();
    if all == 5 { refused } else { Ok(format!("{all} bytes")) }
}
