//! Does to files, clocks and entropy what it is told, one step after the other, and says what came of each.

/// Steps.
#[longshore_guest::action(package = "fixtures:files@0.1.0", interface = "steps")]
pub mod steps {
    use std::fs::{self, File, OpenOptions};
    use std::io::{Read as _, Write as _};

    /// Does each of `steps`, words with single spaces between; each answers `ok`, a value, or `error: …`.
    pub fn run(steps: Vec<String>) -> Vec<String> {
        let mut open = Vec::new();
        steps
            .iter()
            .map(|step| {
                let words: Vec<_> = step.split(' ').collect();
                match step_of(&words, &mut open) {
                    Ok(answer) => answer,
                    Err(error) => format!("error: {:?}", error.kind()),
                }
            })
            .collect()
    }

    fn step_of(words: &[&str], open: &mut Vec<File>) -> std::io::Result<String> {
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        match *words {
            ["read", path] => return fs::read_to_string(path),
            ["stat", path] => return Ok(fs::metadata(path)?.len().to_string()),
            ["list", path] => {
                let names: Result<Vec<_>, std::io::Error> = fs::read_dir(path)?
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect();
                let mut names = names?;
                names.sort();
                return Ok(names.join(" "));
            }
            ["write", path, text] => fs::write(path, text)?,
            ["create-new", path, text] => {
                let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
                file.write_all(text.as_bytes())?;
            }
            ["append", path, text] => {
                let mut file = OpenOptions::new().append(true).open(path)?;
                file.write_all(text.as_bytes())?;
            }
            // Opens what is there for writing, without any other flag.
            ["overwrite", path, text] => {
                let mut file = OpenOptions::new().write(true).open(path)?;
                file.write_all(text.as_bytes())?;
            }
            ["set-len", path, size] => {
                OpenOptions::new().write(true).open(path)?.set_len(number(size))?;
            }
            ["grow-new", path, size] => File::create(path)?.set_len(number(size))?,
            // Writes so many bytes, a chunk at a time.
            ["pump", path, size] => {
                let mut file = File::create(path)?;
                let chunk = [b'x'; 8 << 10];
                let mut left = number(size);
                while left > 0 {
                    let n = left.min(chunk.len() as u64);
                    file.write_all(&chunk[..n as usize])?;
                    left -= n;
                }
            }
            ["mkdir", path] => fs::create_dir(path)?,
            ["rmdir", path] => fs::remove_dir(path)?,
            ["unlink", path] => fs::remove_file(path)?,
            ["rename", from, to] => fs::rename(from, to)?,
            ["link", from, to] => fs::hard_link(from, to)?,
            ["symlink", target, path] => symlink(target, path)?,
            ["touch", path] => {
                let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
                File::open(path)?.set_modified(then)?;
            }
            ["open", path] => open.push(File::open(path)?),
            ["open-many", path, count] => {
                for _ in 0..number(count) {
                    open.push(File::open(path)?);
                }
            }
            ["close"] => open.clear(),
            ["read-open"] => {
                let mut text = String::new();
                if let Some(file) = open.last_mut() {
                    file.read_to_string(&mut text)?;
                }
                return Ok(text);
            }
            ["files", folder, count] => {
                for n in 0..number(count) {
                    fs::write(format!("{folder}/{n}"), "")?;
                }
            }
            ["now"] => return Ok(now().to_string()),
            ["ticks"] => return Ok(ticks().to_string()),
            ["sleep", ms] => std::thread::sleep(std::time::Duration::from_millis(number(ms))),
            ["random", which] => return Ok(random(which)),
            _ => return Ok(format!("no such step: {}", words.join(" "))),
        }
        Ok("ok".to_owned())
    }

    #[expect(clippy::disallowed_methods, reason = "the wall clock is what this guest is to show")]
    fn now() -> u128 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| since.as_millis())
    }

    #[cfg(target_family = "wasm")]
    fn ticks() -> u64 {
        wasip2::clocks::monotonic_clock::now() / 1_000_000
    }

    #[cfg(target_family = "wasm")]
    fn random(which: &str) -> String {
        match which {
            "secure" => format!("{:x?}", wasip2::random::random::get_random_bytes(16)),
            "insecure" => format!("{:x?}", wasip2::random::insecure::get_insecure_random_bytes(16)),
            _ => format!("{:x?}", wasip2::random::insecure_seed::insecure_seed()),
        }
    }

    #[cfg(target_os = "wasi")]
    fn symlink(target: &str, path: &str) -> std::io::Result<()> {
        let folder = wasip2::filesystem::preopens::get_directories();
        let below = |path: &str| {
            folder.iter().find_map(|(fd, at)| {
                path.strip_prefix(at.as_str())?.strip_prefix('/').map(|rest| (fd, rest.to_owned()))
            })
        };
        let (fd, rest) = below(path).ok_or(std::io::ErrorKind::NotFound)?;
        fd.symlink_at(target, &rest).map_err(|code| std::io::Error::other(code.to_string()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn ticks() -> u64 {
        0
    }

    #[cfg(not(target_family = "wasm"))]
    fn random(_: &str) -> String {
        String::new()
    }

    #[cfg(not(target_os = "wasi"))]
    fn symlink(_: &str, _: &str) -> std::io::Result<()> {
        Ok(())
    }
}
