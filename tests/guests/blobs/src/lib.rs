//! Keeps objects with the host.

wit_bindgen::generate!({ path: "wit", world: "guest", generate_all });

use exports::fixtures::blobs::blobs::Guest;
use wasi::blobstore::blobstore::{self, ObjectId};
use wasi::blobstore::container::Container;
use wasi::blobstore::types::{IncomingValue, OutgoingValue};
use wasi::io::streams::StreamError;

struct Blobs;

impl Guest for Blobs {
    fn on(container: String, commands: Vec<Vec<String>>) -> Vec<String> {
        let told = |words: &Vec<String>| match one(&container, words) {
            Ok(said) => said,
            Err(why) => format!("error: {why}"),
        };
        commands.iter().map(told).collect()
    }
}

fn one(name: &str, words: &[String]) -> Result<String, String> {
    let word = |n: usize| words.get(n).map_or("", String::as_str);
    let number = |n: usize| word(n).parse::<u64>().unwrap_or(u64::MAX);
    let fill = |n: usize| vec![b'x'; number(n) as usize];
    match word(0) {
        "create" => return blobstore::create_container(name)?.name(),
        "exists" => return Ok(blobstore::container_exists(name)?.to_string()),
        "remove" => return blobstore::delete_container(name).map(|()| String::new()),
        "copy" | "move" => {
            let from = ObjectId { container: name.to_owned(), object: word(1).to_owned() };
            let to = ObjectId { container: word(2).to_owned(), object: word(3).to_owned() };
            let done = match word(0) {
                "copy" => blobstore::copy_object(&from, &to),
                _ => blobstore::move_object(&from, &to),
            };
            return done.map(|()| String::new());
        }
        "nameless" => {
            let value = OutgoingValue::new_outgoing_value();
            send(&value, word(1).as_bytes())?;
            return OutgoingValue::finish(value).map(|()| String::new());
        }
        _ => {}
    }
    let container = blobstore::get_container(name)?;
    let object = word(1);
    match word(0) {
        "write" => write(&container, object, word(2).as_bytes()),
        "write-first" => write_first(&container, object, word(2).as_bytes()),
        "fill" => write(&container, object, &fill(2)),
        "fill-first" => write_first(&container, object, &fill(2)),
        "abandon" => {
            let value = OutgoingValue::new_outgoing_value();
            container.write_data(object, &value)?;
            send(&value, word(2).as_bytes())
        }
        "unclosed" => {
            let value = OutgoingValue::new_outgoing_value();
            let body = value.outgoing_value_write_body().map_err(|()| "no body".to_owned())?;
            container.write_data(object, &value)?;
            let done = OutgoingValue::finish(value);
            drop(body);
            done
        }
        "get" => {
            let value = container.get_data(object, 0, u64::MAX)?;
            return Ok(text(IncomingValue::incoming_value_consume_sync(value)?));
        }
        "part" => {
            let value = container.get_data(object, number(2), number(3))?;
            let size = value.size();
            let read = text(IncomingValue::incoming_value_consume_sync(value)?);
            return Ok(format!("{size}: {read}"));
        }
        "stream" => {
            let value = container.get_data(object, 0, u64::MAX)?;
            return Ok(drain(value)?.to_string());
        }
        "held" => {
            let value = container.get_data(object, 0, u64::MAX)?;
            write(&container, object, word(2).as_bytes())?;
            container.delete_object(object)?;
            return Ok(text(IncomingValue::incoming_value_consume_sync(value)?));
        }
        "info" => {
            let info = container.object_info(object)?;
            return Ok(format!("{}/{}: {}", info.container, info.name, info.size));
        }
        "created" => {
            let times = (container.info()?.created_at, container.object_info(object)?.created_at);
            return Ok(format!("{} {}", times.0 > 0, times.1 > 0));
        }
        "has" => return Ok(container.has_object(object)?.to_string()),
        "delete" if words.len() == 2 => container.delete_object(object),
        "delete" => container.delete_objects(&words[1..]),
        "clear" => container.clear(),
        "names" => {
            let mut names = container.list_objects()?.read_stream_object_names(u64::MAX)?.0;
            names.sort();
            return Ok(names.join(","));
        }
        "pages" => {
            let (names, mut pages, mut told) = (container.list_objects()?, 0, 0);
            loop {
                let (page, ended) = names.read_stream_object_names(number(1))?;
                (pages, told) = (pages + 1, told + page.len());
                if ended {
                    return Ok(format!("{told} in {pages}"));
                }
            }
        }
        "skip" => {
            let (skipped, ended) = container.list_objects()?.skip_stream_object_names(number(1))?;
            return Ok(format!("{skipped} {ended}"));
        }
        "open" => {
            let mut held = Vec::new();
            for _ in 0..number(1) {
                held.push(container.get_data(word(2), 0, u64::MAX)?);
            }
            return Ok(held.len().to_string());
        }
        other => return Err(format!("no such command: {other}")),
    }
    .map(|()| String::new())
}

/// Its name first, so that its bytes are streamed.
fn write(container: &Container, object: &str, bytes: &[u8]) -> Result<(), String> {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(object, &value)?;
    send(&value, bytes)?;
    OutgoingValue::finish(value)
}

/// Its bytes first.
fn write_first(container: &Container, object: &str, bytes: &[u8]) -> Result<(), String> {
    let value = OutgoingValue::new_outgoing_value();
    send(&value, bytes)?;
    container.write_data(object, &value)?;
    OutgoingValue::finish(value)
}

fn send(value: &OutgoingValue, bytes: &[u8]) -> Result<(), String> {
    let body = value.outgoing_value_write_body().map_err(|()| "no body".to_owned())?;
    assert!(value.outgoing_value_write_body().is_err(), "there is one stream");
    for chunk in bytes.chunks(4096) {
        body.blocking_write_and_flush(chunk).map_err(said)?;
    }
    Ok(())
}

fn drain(value: IncomingValue) -> Result<usize, String> {
    let stream = IncomingValue::incoming_value_consume_async(value)?;
    let mut total = 0;
    loop {
        match stream.blocking_read(10_000) {
            Ok(bytes) => total += bytes.len(),
            Err(StreamError::Closed) => return Ok(total),
            Err(error) => return Err(said(error)),
        }
    }
}

fn said(error: StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(why) => why.to_debug_string(),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

export!(Blobs);
