//! What `files` does, through WASI 0.3: streams into files, timers, entropy.

wit_bindgen::generate!({ path: "wit", world: "guest" });

use exports::fixtures::files_async::steps::Guest;
use wasip3::clocks::{monotonic_clock, system_clock};
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};

struct Steps;

impl Guest for Steps {
    async fn run(steps: Vec<String>) -> Vec<String> {
        let mut answers = Vec::new();
        let mut open = Vec::new();
        for step in steps {
            let words: Vec<_> = step.split(' ').collect();
            answers.push(match step_of(&words, &mut open).await {
                Ok(answer) => answer,
                Err(code) => format!("error: {code:?}"),
            });
        }
        answers
    }
}

async fn step_of(words: &[&str], open: &mut Vec<Descriptor>) -> Result<String, ErrorCode> {
    let create = OpenFlags::CREATE;
    let write = DescriptorFlags::READ | DescriptorFlags::WRITE;
    match *words {
        ["read", path] => {
            let file = at(path, OpenFlags::empty(), DescriptorFlags::READ).await?;
            let (stream, done) = file.read_via_stream(0);
            let bytes = stream.collect().await;
            done.await?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        ["write", path, text] => {
            let file = at(path, create | OpenFlags::TRUNCATE, write).await?;
            put(&file, text.as_bytes().to_vec(), None).await?;
        }
        ["create", path, text] => {
            let file = at(path, create, write).await?;
            put(&file, text.as_bytes().to_vec(), None).await?;
        }
        ["overwrite", path, text] => {
            let file = at(path, OpenFlags::empty(), write).await?;
            put(&file, text.as_bytes().to_vec(), None).await?;
        }
        ["append", path, text] => {
            let file = at(path, OpenFlags::empty(), write).await?;
            put(&file, text.as_bytes().to_vec(), Some(())).await?;
        }
        ["pump", path, size] => {
            let file = at(path, create | OpenFlags::TRUNCATE, write).await?;
            put(&file, vec![b'x'; size.parse().unwrap_or_default()], None).await?;
        }
        ["grow", path, size] => {
            let file = at(path, create, write).await?;
            file.set_size(size.parse().unwrap_or_default()).await?;
        }
        ["mkdir", path] => {
            let (folder, name) = below(path)?;
            folder.create_directory_at(name).await?;
        }
        ["unlink", path] => {
            let (folder, name) = below(path)?;
            folder.unlink_file_at(name).await?;
        }
        ["rename", from, to] => {
            let ((folder, name), (new_folder, new_name)) = (below(from)?, below(to)?);
            folder.rename_at(name, &new_folder, new_name).await?;
        }
        ["open-many", path, count] => {
            for _ in 0..count.parse().unwrap_or(0) {
                open.push(at(path, OpenFlags::empty(), DescriptorFlags::READ).await?);
            }
        }
        ["now"] => return Ok(system_clock::now().seconds.to_string()),
        ["ticks"] => return Ok((monotonic_clock::now() / 1_000_000).to_string()),
        ["sleep", ms] => {
            let ms: u64 = ms.parse().unwrap_or_default();
            monotonic_clock::wait_for(ms * 1_000_000).await;
        }
        ["random"] => return Ok(format!("{:x?}", wasip3::random::random::get_random_bytes(16))),
        _ => return Ok(format!("no such step: {}", words.join(" "))),
    }
    Ok("ok".to_owned())
}

/// The folder that `path` is below, and the path in it.
fn below(path: &str) -> Result<(Descriptor, String), ErrorCode> {
    let found = get_directories().into_iter().find_map(|(folder, at)| {
        let rest = path.strip_prefix(at.as_str())?.strip_prefix('/')?.to_owned();
        Some((folder, rest))
    });
    found.ok_or(ErrorCode::NoEntry)
}

async fn at(path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    let (folder, name) = below(path)?;
    folder.open_at(PathFlags::SYMLINK_FOLLOW, name, open, flags).await
}

/// Writes through a stream: at the start, or at the end.
async fn put(file: &Descriptor, bytes: Vec<u8>, append: Option<()>) -> Result<(), ErrorCode> {
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let done = match append {
        Some(()) => file.append_via_stream(receiver),
        None => file.write_via_stream(receiver, 0),
    };
    sender.write_all(bytes).await;
    drop(sender);
    done.await
}

export!(Steps);
