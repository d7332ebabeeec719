//! Tries to leave its directories. Uses the bindings of WASI itself: the standard library tidies paths before the host sees them.

/// Reaches for files.
#[longshore_guest::action(package = "hostile:paths@0.1.0", interface = "paths")]
pub mod paths {
    /// Carries out the attack: what it got hold of, or how it was refused.
    pub fn attack(name: String) -> Result<String, String> {
        let attack = longshore_hostile::Paths::named(&name).ok_or("no such attack")?;
        crate::deeds::carry_out(attack)
    }
}

/// The attacks.
mod deeds {
    use longshore_hostile::Paths;
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{
        Datetime, Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
    };

    type Tried = Result<String, ErrorCode>;

    /// What each of several tries came to: the first success, or all the refusals.
    fn tries<N: Into<String>>(
        tried: impl IntoIterator<Item = (N, Tried)>,
    ) -> Result<String, String> {
        let mut refused = Vec::new();
        for (name, tried) in tried {
            let name = name.into();
            match tried {
                Ok(loot) => return Ok(format!("{name}: {loot}")),
                Err(code) => refused.push(if name.is_empty() {
                    code.name().to_owned()
                } else {
                    format!("{name}: {}", code.name())
                }),
            }
        }
        Err(refused.join(", "))
    }

    fn once(tried: Tried) -> Result<String, String> {
        tries([("", tried)])
    }

    /// The granted directory at `path`.
    fn dir(path: &str) -> Result<Descriptor, ErrorCode> {
        let found = get_directories().into_iter().find(|(_, own)| own == path);
        found.map(|(dir, _)| dir).ok_or(ErrorCode::NoEntry)
    }

    fn open(path: &str) -> Result<Descriptor, ErrorCode> {
        dir("/data")?.open_at(
            PathFlags::SYMLINK_FOLLOW,
            path,
            OpenFlags::empty(),
            DescriptorFlags::READ,
        )
    }

    fn read(path: &str) -> Tried {
        let (bytes, _) = open(path)?.read(200, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read_each<N: Into<String>>(
        paths: impl IntoIterator<Item = (N, String)>,
    ) -> Result<String, String> {
        tries(paths.into_iter().map(|(name, path)| (name, read(&path))))
    }

    fn named<'a>(paths: &[&'a str]) -> Vec<(&'a str, String)> {
        paths.iter().map(|path| (*path, (*path).to_owned())).collect()
    }

    pub(crate) fn carry_out(attack: Paths) -> Result<String, String> {
        match attack {
            Paths::Climb => once(read("../secret.txt")),
            Paths::ClimbInTheMiddle => {
                read_each(named(&["inner/../../secret.txt", "inner/./../../secret.txt"]))
            }
            Paths::Absolute => match std::fs::read_to_string("/etc/passwd") {
                Ok(loot) => Ok(loot),
                Err(error) => Err(error.kind().to_string()),
            },
            Paths::AbsoluteInDirectory => {
                read_each(named(&["/etc/passwd", "//etc/passwd", "/data/inside.txt", "/"]))
            }
            Paths::ProcSelf => read_each(named(&[
                "proc-link/self/environ",
                "proc-link/self/fd/0",
                "../../../../../../../../proc/self/environ",
            ])),
            Paths::LinkOut => tries([
                ("up", link_and_read("../secret.txt", "mine-up")),
                ("through", link_and_read("inner/../../secret.txt", "mine-through")),
            ]),
            Paths::LinkAbsolute => once(link_and_read("/etc/passwd", "mine-absolute")),
            Paths::LinkPlanted => {
                read_each(named(&["planted-up", "planted-absolute", "planted-dir/secret.txt"]))
            }
            Paths::LinkLoop => read_each(named(&["loop", "loop/inside.txt"])),
            Paths::LinkRace => race(),
            Paths::HardLinkOut => tries([
                ("from outside", hard_link("../secret.txt", "/data", "mine")),
                ("to outside", hard_link("inside.txt", "/data", "../mine")),
                ("of a link that leads out", hard_link_followed("planted-up", "mine")),
            ]),
            Paths::HardLinkToWrite => once(link_to_write()),
            Paths::RenameOut => tries([
                ("out", rename("inside.txt", "/data", "../outside.txt")),
                ("in", rename("../secret.txt", "/data", "mine.txt")),
            ]),
            Paths::RenameBetween => once(rename("inside.txt", "/other", "mine.txt")),
            Paths::WriteReadOnly => write_read_only(),
            Paths::OpenFlags => open_flags(),
            Paths::ReplacedDirectory => replace_directory(),
            Paths::Pipe => once(read("pipe")),
            Paths::Device => read_each(named(&["planted-null", "planted-tty"])),
            Paths::Nul
            | Paths::LongName
            | Paths::TrailingDots
            | Paths::Unicode
            | Paths::LetterCase
            | Paths::NoName => odd_names(attack),
            Paths::Times => end_of_time(),
        }
    }

    fn odd_names(attack: Paths) -> Result<String, String> {
        match attack {
            Paths::Nul => read_each([
                ("after", "inside.txt\0.png".to_owned()),
                ("before", "\0../secret.txt".to_owned()),
            ]),
            Paths::LongName => {
                read_each([300, 5_000, 1_000_000].map(|n| (n.to_string(), "a".repeat(n))))
            }
            Paths::TrailingDots => read_each(named(&[
                ".. /secret.txt",
                "..\\secret.txt",
                ".../secret.txt",
                ". ./secret.txt",
                "inner/...",
                "..;/secret.txt",
            ])),
            Paths::Unicode => read_each(
                [
                    ("leader", "\u{2025}/secret.txt"),
                    ("full width", "\u{ff0e}\u{ff0e}/secret.txt"),
                    ("division", "..\u{2215}secret.txt"),
                    ("full width slash", "..\u{ff0f}secret.txt"),
                    ("percent", "%2e%2e/secret.txt"),
                    ("percent slash", "..%2fsecret.txt"),
                    ("turned", "\u{202e}..\u{202c}/secret.txt"),
                ]
                .map(|(name, path)| (name, path.to_owned())),
            ),
            Paths::LetterCase => read_each(named(&["INSIDE.TXT", "Inner/DEEP.txt"])),
            Paths::NoName => read_each(named(&[""])),
            _ => Err("not a name".to_owned()),
        }
    }

    fn link_and_read(target: &str, name: &str) -> Tried {
        dir("/data")?.symlink_at(target, name)?;
        read(name)
    }

    /// Opens the same path again and again while the test swaps a directory in it.
    fn race() -> Result<String, String> {
        let mut seen = 0;
        for _ in 0..4_000 {
            match read("swap/file.txt").as_deref() {
                Ok("inside") => seen += 1,
                Ok(loot) => return Ok(loot.to_owned()),
                Err(_) => {}
            }
        }
        Err(if seen > 0 { "only ever its own".to_owned() } else { "nothing at all".to_owned() })
    }

    fn hard_link(from: &str, to: &str, name: &str) -> Tried {
        dir("/data")?.link_at(PathFlags::empty(), from, &dir(to)?, name)?;
        Ok("linked".to_owned())
    }

    fn hard_link_followed(from: &str, name: &str) -> Tried {
        let data = dir("/data")?;
        data.link_at(PathFlags::SYMLINK_FOLLOW, from, &data, name)?;
        Ok("linked".to_owned())
    }

    fn link_to_write() -> Tried {
        let other = dir("/other")?;
        dir("/data")?.link_at(PathFlags::empty(), "inside.txt", &other, "mine.txt")?;
        let mine = other.open_at(
            PathFlags::empty(),
            "mine.txt",
            OpenFlags::empty(),
            DescriptorFlags::WRITE,
        )?;
        mine.write(b"overwritten", 0)?;
        Ok("written".to_owned())
    }

    fn rename(from: &str, to: &str, name: &str) -> Tried {
        dir("/data")?.rename_at(from, &dir(to)?, name)?;
        Ok("moved".to_owned())
    }

    fn write_read_only() -> Result<String, String> {
        let with = |deed: fn(&Descriptor) -> Result<(), ErrorCode>| -> Tried {
            deed(&dir("/data")?).map(|()| "done".to_owned())
        };
        let on_file = |deed: fn(&Descriptor) -> Result<(), ErrorCode>| -> Tried {
            deed(&open("inside.txt")?).map(|()| "done".to_owned())
        };
        tries([
            ("create a directory", with(|dir| dir.create_directory_at("new"))),
            ("link", with(|dir| dir.symlink_at("inside.txt", "link"))),
            ("remove", with(|dir| dir.unlink_file_at("inside.txt"))),
            ("remove a directory", with(|dir| dir.remove_directory_at("inner"))),
            ("rename", with(|dir| dir.rename_at("inside.txt", dir, "renamed.txt"))),
            (
                "date",
                with(|dir| {
                    let now = NewTimestamp::Now;
                    dir.set_times_at(PathFlags::empty(), "inside.txt", now, now)
                }),
            ),
            ("date the open", on_file(|file| file.set_times(NewTimestamp::Now, NewTimestamp::Now))),
            ("truncate", on_file(|file| file.set_size(0))),
            ("write", on_file(|file| file.write(b"x", 0).map(drop))),
            ("write a stream", on_file(|file| file.write_via_stream(0).map(drop))),
            ("append", on_file(|file| file.append_via_stream().map(drop))),
        ])
    }

    fn open_flags() -> Result<String, String> {
        let (mut refused, mut count) = (Vec::new(), 0);
        for open in 0..16 {
            for wanted in 0..64 {
                let open = OpenFlags::from_bits_truncate(open);
                let wanted = DescriptorFlags::from_bits_truncate(wanted);
                let writes = DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY;
                let changes = OpenFlags::CREATE | OpenFlags::TRUNCATE;
                if !wanted.intersects(writes) && !open.intersects(changes) {
                    continue;
                }
                count += 1;
                for name in ["inside.txt", "new.txt"] {
                    let opened = dir("/data")
                        .and_then(|dir| dir.open_at(PathFlags::empty(), name, open, wanted));
                    match opened.and_then(|file| file.write(b"overwritten", 0)) {
                        Ok(_) => return Ok(format!("wrote {name} by {open:?} {wanted:?}")),
                        Err(code) => refused.push(code.name()),
                    }
                }
            }
        }
        refused.sort_unstable();
        refused.dedup();
        Err(format!("{count} combinations: {}", refused.join(", ")))
    }

    /// `/data` holds the directory that is granted as `/other`.
    fn replace_directory() -> Result<String, String> {
        let replace = || {
            let data = dir("/data")?;
            data.rename_at("other", &data, "was-other")?;
            data.symlink_at("../outside", "other")
        };
        if let Err(code) = dir("/other").and_then(|other| {
            let flags = DescriptorFlags::READ;
            other.open_at(PathFlags::SYMLINK_FOLLOW, "secret.txt", OpenFlags::empty(), flags)
        }) {
            return match replace() {
                Ok(()) => Err(format!("replaced; before that {}", code.name())),
                Err(code) => Err(code.name().to_owned()),
            };
        }
        Ok("the secret".to_owned())
    }

    fn end_of_time() -> Result<String, String> {
        let date = |seconds| -> Tried {
            let at = NewTimestamp::Timestamp(Datetime { seconds, nanoseconds: 999_999_999 });
            dir("/data")?.set_times_at(PathFlags::empty(), "inside.txt", at, at)?;
            Ok("dated".to_owned())
        };
        tries([
            ("the last second", date(u64::MAX)),
            ("the last signed second", date(i64::MAX as u64 + 1)),
        ])
    }
}
