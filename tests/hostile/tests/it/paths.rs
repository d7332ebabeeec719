//! Reaching files outside the granted directories.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore::Request;
use longshore::model::LimitName;
use longshore_hostile::Paths;
use tempfile::TempDir;

use crate::ground::{Ground, attack, refused};
use crate::stage::{allow, both, ceiling};

/// What lies outside.
const SECRET: &str = "the secret";

/// Folders for one attack: `data` is granted, `secret.txt` lies beside it.
struct Field(TempDir);

impl Field {
    fn new() -> Self {
        let field = Self(tempfile::tempdir().unwrap());
        let folder = field.0.path();
        for sub in ["data/inner", "data/other", "other", "outside"] {
            std::fs::create_dir_all(folder.join(sub)).unwrap();
        }
        for (name, text) in [
            ("data/inside.txt", "inside"),
            ("data/inner/deep.txt", "deep"),
            ("secret.txt", SECRET),
            ("outside/secret.txt", SECRET),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        field
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    fn grant(&self, guest: &str, host: &str, access: &str) -> String {
        format!("dir={guest}={}:{access}", self.0.path().join(host).display())
    }

    /// Everything outside `data` is as it was, and what was granted for reading too.
    fn unharmed(&self, inside: bool) {
        for secret in ["secret.txt", "outside/secret.txt"] {
            assert_eq!(std::fs::read_to_string(self.0.path().join(secret)).unwrap(), SECRET);
        }
        let mut names: Vec<_> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["data", "other", "outside", "secret.txt"], "it left its directory");
        if inside {
            let text = std::fs::read_to_string(self.data().join("inside.txt")).unwrap();
            assert_eq!(text, "inside");
        }
    }
}

fn request(ground: &Ground, what: Paths, grants: &[String]) -> Request {
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let policy = both(
        both(allow(&["clock", "random"]), allow(&grants)),
        ceiling(LimitName::DeadlineMs, 10_000),
    );
    attack(&ground.guest("paths"), &format!("[\"{}\"]", what.name()), policy)
}

/// Carries out `attack`; it must be refused as is said here.
pub(crate) async fn meet(ground: &Ground, attack: Paths) {
    let field = Field::new();
    let data = field.data();
    prepare(attack, &data);
    let rw = |guest: &str, host: &str| field.grant(guest, host, "rw");
    let grants = match attack {
        Paths::HardLinkToWrite | Paths::RenameBetween => {
            vec![field.grant("/data", "data", "ro"), rw("/other", "other")]
        }
        Paths::WriteReadOnly | Paths::OpenFlags => vec![field.grant("/data", "data", "ro")],
        Paths::ReplacedDirectory => vec![rw("/data", "data"), rw("/other", "data/other")],
        _ => vec![rw("/data", "data")],
    };
    let swapping = (attack == Paths::LinkRace).then(|| Swapping::start(&data));
    let ran = ground.run(&request(ground, attack, &grants)).await;
    drop(swapping);
    refused(&ran, expected(attack));
    if attack == Paths::ReplacedDirectory {
        // It could not put a link where the grant pointed to, so no later run is led through one, whatever it is granted.
        let other = data.join("other");
        assert!(other.symlink_metadata().is_err(), "a link was planted");
        let alone = request(ground, attack, &[rw("/other", "data/other")]);
        ground.stage.host.request(&alone).await.expect_err("there is nothing to be granted");
        // And where somebody else did, a component that may have been it is not led there.
        symlink("../outside", &other).unwrap();
        let request = request(ground, attack, &grants);
        let error = ground.stage.host.request(&request).await.expect_err("it must not run");
        assert!(error.to_string().contains("data/other"), "{error:#?}");
    }
    field.unharmed(true);
}

/// What lies in the directory before the guest comes.
fn prepare(attack: Paths, data: &Path) {
    let link = |target: &str, name: &str| symlink(target, data.join(name)).unwrap();
    match attack {
        Paths::ProcSelf => link("/proc", "proc-link"),
        Paths::LinkPlanted | Paths::HardLinkOut => {
            link("../secret.txt", "planted-up");
            link("/etc/passwd", "planted-absolute");
            link("../outside", "planted-dir");
        }
        Paths::LinkLoop => link("loop", "loop"),
        Paths::Device => {
            link("/dev/null", "planted-null");
            link("/dev/tty", "planted-tty");
        }
        Paths::Pipe => {
            let made = std::process::Command::new("mkfifo").arg(data.join("pipe")).status();
            assert!(made.unwrap().success());
        }
        Paths::LinkRace => {
            std::fs::create_dir(data.join("honest")).unwrap();
            std::fs::write(data.join("honest/file.txt"), "inside").unwrap();
            std::fs::write(data.join("../outside/file.txt"), SECRET).unwrap();
        }
        _ => {}
    }
}

/// The guest's answer, where the attack failed.
fn expected(attack: Paths) -> &'static str {
    match attack {
        Paths::Climb => "not-permitted",
        Paths::ClimbInTheMiddle => {
            "inner/../../secret.txt: not-permitted, inner/./../../secret.txt: not-permitted"
        }
        Paths::Absolute => "entity not found",
        Paths::AbsoluteInDirectory => {
            "/etc/passwd: not-permitted, //etc/passwd: not-permitted, \
             /data/inside.txt: not-permitted, /: not-permitted"
        }
        Paths::ProcSelf => {
            "proc-link/self/environ: not-permitted, proc-link/self/fd/0: not-permitted, \
             ../../../../../../../../proc/self/environ: not-permitted"
        }
        Paths::LinkOut => "up: not-permitted, through: not-permitted",
        Paths::LinkAbsolute => "not-permitted",
        Paths::LinkPlanted => {
            "planted-up: not-permitted, planted-absolute: not-permitted, \
             planted-dir/secret.txt: not-permitted"
        }
        Paths::LinkLoop => "loop: loop, loop/inside.txt: loop",
        Paths::LinkRace => "only ever its own",
        Paths::HardLinkOut => {
            "from outside: not-permitted, to outside: not-permitted, \
             of a link that leads out: invalid"
        }
        Paths::ReplacedDirectory => "not-permitted",
        Paths::Pipe => "not-permitted",
        Paths::HardLinkToWrite => "not-permitted",
        Paths::RenameOut => "out: not-permitted, in: not-permitted",
        Paths::RenameBetween => "not-permitted",
        Paths::WriteReadOnly => {
            "create a directory: not-permitted, link: not-permitted, remove: not-permitted, \
             remove a directory: not-permitted, rename: not-permitted, date: not-permitted, \
             date the open: not-permitted, truncate: not-permitted, write: not-permitted, \
             write a stream: not-permitted, append: not-permitted"
        }
        Paths::OpenFlags => "960 combinations: no-entry, not-directory, not-permitted, unsupported",
        Paths::Device => "planted-null: not-permitted, planted-tty: not-permitted",
        Paths::Nul => "after: invalid, before: invalid",
        Paths::LongName => "300: name-too-long, 5000: name-too-long, 1000000: name-too-long",
        Paths::TrailingDots => {
            ".. /secret.txt: no-entry, ..\\secret.txt: no-entry, .../secret.txt: no-entry, \
             . ./secret.txt: no-entry, inner/...: no-entry, ..;/secret.txt: no-entry"
        }
        Paths::Unicode => {
            "leader: no-entry, full width: no-entry, division: no-entry, full width slash: no-entry, \
             percent: no-entry, percent slash: no-entry, turned: no-entry"
        }
        Paths::LetterCase => "INSIDE.TXT: no-entry, Inner/DEEP.txt: no-entry",
        Paths::NoName => "no-entry",
        Paths::Times => "the last second: overflow, the last signed second: overflow",
    }
}

/// Swaps the directory `swap` with a link to the outside, as fast as it can.
struct Swapping {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapping {
    fn start(data: &Path) -> Self {
        let data = data.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (swap, next) = (data.join("swap"), data.join("next"));
            while !stopped.load(Ordering::Relaxed) {
                for target in ["honest", "../outside"] {
                    symlink(target, &next).unwrap();
                    std::fs::rename(&next, &swap).unwrap();
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Swapping {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
