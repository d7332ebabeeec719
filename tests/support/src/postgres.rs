//! A real PostgreSQL on loopback, from Debian's package, with its data in a temporary folder. It ends
//! with the test process, however that ends.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::tools;

/// The password of both users: `longshore`, who may do anything, and `captain`, to whom the databases
/// belong and who may do nothing else.
pub const PASSWORD: &str = "wharf-and-tide";

/// Debian keeps the server's programs here, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Ends the server when standard input ends, which it does with the process that holds the other end.
/// `$1` is the program, `$2` the folder of data, `$3` the port, `$4` what is removed afterwards, `$5`
/// whether it speaks TLS.
const WATCH: &str = r#"
"$1" -D "$2" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
    -c max_connections=60 -c shared_buffers=16MB -c dynamic_shared_memory_type=posix \
    -c log_min_messages=warning -c ssl="$5" </dev/null >"$2/log" 2>&1 &
cat >/dev/null
kill -QUIT $! 2>/dev/null
wait $!
[ -z "$4" ] || rm -rf "$4"
"#;

/// A server of one's own.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    owner: Option<(u32, u32)>,
    /// The certificate with which it speaks TLS.
    certificate: Option<Vec<u8>>,
    running: Mutex<Option<Running>>,
    databases: AtomicU64,
}

#[derive(Debug)]
struct Running {
    watch: Child,
    _alive: ChildStdin,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Clients are sent away, everything is written.
    Fast,
    /// Like a crash: what is not in the log is lost, and the next start recovers.
    Immediate,
}

/// A server that the tests of this process share. `None` means: skip the test; that was said aloud.
///
/// # Panics
///
/// When it is missing and `LONGSHORE_REQUIRE_SERVERS` is `1`, or when it does not start.
#[must_use]
pub fn shared() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    let shared = SHARED.get_or_init(Postgres::start);
    if shared.is_none() {
        skip();
    }
    shared.as_ref()
}

/// A server of the test's own, which it may stop. `None` means: skip the test; that was said aloud.
///
/// # Panics
///
/// As [`shared`].
#[must_use]
pub fn own() -> Option<Postgres> {
    let server = Postgres::start();
    if server.is_none() {
        skip();
    }
    server
}

/// The same for a server that speaks TLS, with the certificate of 127.0.0.1 in PEM that it signed
/// itself.
///
/// # Panics
///
/// As [`shared`]; also when `openssl` is missing and `LONGSHORE_REQUIRE_SERVERS` is `1`.
#[must_use]
pub fn with_tls() -> Option<(Postgres, Vec<u8>)> {
    let openssl = tools::find("openssl")?;
    let Some(mut server) = Postgres::make() else {
        skip();
        return None;
    };
    let data = server.data();
    let made = server
        .command(&openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "3650", "-subj", "/CN=longshore-test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(data.join("server.key"))
        .arg("-out")
        .arg(data.join("server.crt"))
        .output()
        .expect("openssl starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = std::fs::read(data.join("server.crt")).expect("openssl wrote it");
    server.certificate = Some(certificate.clone());
    server.come_up();
    Some((server, certificate))
}

fn skip() {
    tools::skip(&format!("no PostgreSQL below `{DEBIAN}`: install the package `postgresql`"));
}

/// The newest version that is installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        path.join("bin/initdb").exists().then(|| (version, path.join("bin")))
    });
    versions.max().map(|(_, programs)| programs)
}

/// Whom the server runs as: it refuses to be root.
fn owner() -> Option<(u32, u32)> {
    let me = std::fs::metadata("/proc/self").ok()?;
    if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let found = ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Some(found.expect("a user that is not root"))
}

impl Postgres {
    fn start() -> Option<Self> {
        let mut server = Self::make()?;
        server.come_up();
        Some(server)
    }

    /// A server that does not run yet.
    fn make() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new()
            .prefix("longshore-postgres-")
            .tempdir()
            .expect("a temporary folder")
            .keep();
        let owner = owner();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("root may do this");
        }
        let (running, databases) = Default::default();
        let server =
            Self { programs, folder, port: 0, owner, certificate: None, running, databases };
        server.initialize();
        Some(server)
    }

    /// Starts it on a free port. The port is free when it is chosen and may be taken when the server
    /// wants it: then another one is.
    fn come_up(&mut self) {
        for _ in 0..5 {
            let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            self.port = probe.local_addr().expect("a bound socket has an address").port();
            drop(probe);
            if self.run() {
                let captain = format!("CREATE ROLE captain LOGIN PASSWORD '{PASSWORD}'");
                self.sql("postgres", &captain);
                return;
            }
            self.end_watch();
        }
        panic!("PostgreSQL did not start: {}", self.log())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data().join("log")).unwrap_or_default()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn initialize(&self) {
        let password = self.folder.join("password");
        let mut file = std::fs::File::create(&password).expect("a file in a temporary folder");
        writeln!(file, "{PASSWORD}").expect("a file in a temporary folder");
        let made = self
            .command(&self.programs.join("initdb"))
            .args(["--username=longshore", "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", self.data().display()))
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Starts the server; false when it does not come up.
    fn run(&self) -> bool {
        let mut watch = self
            .command(Path::new("/bin/sh"))
            .args(["-c", WATCH, "watch"])
            .arg(self.programs.join("postgres"))
            .arg(self.data())
            .arg(self.port.to_string())
            .arg(&self.folder)
            .arg(if self.certificate.is_some() { "on" } else { "off" })
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let alive = watch.stdin.take().expect("it is piped");
        *self.running() = Some(Running { watch, _alive: alive });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            // It writes `ready` into this file once it takes connections.
            let said = std::fs::read_to_string(self.data().join("postmaster.pid"));
            if said.is_ok_and(|said| said.contains("ready")) && TcpStream::connect(address).is_ok()
            {
                return true;
            }
            if self.log().contains("could not bind") {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process of the server.
    fn pid(&self) -> Option<String> {
        let said = std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        said.lines().next().map(str::to_owned)
    }

    /// Stops the server and waits until it has ended. What connects meanwhile is refused.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn stop(&self, how: Stop) {
        let signal = match how {
            Stop::Fast => "-INT",
            Stop::Immediate => "-QUIT",
        };
        let pid = self.pid().expect("the server runs");
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the server can be stopped");
        let gone = Path::new("/proc").join(&pid);
        let until = Instant::now() + Duration::from_secs(60);
        while gone.exists() && !is_zombie(&gone) {
            assert!(Instant::now() < until, "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts a server that was stopped, with the same data on the same port.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_again(&self) {
        // The data outlives the shell that watched over the server before: it is told to end, and to
        // leave them.
        self.end_watch();
        let _ = std::fs::remove_file(self.data().join("postmaster.pid"));
        assert!(self.run(), "PostgreSQL did not start again: {}", self.log());
    }

    /// Ends the shell that watches, before it can remove anything.
    fn end_watch(&self) {
        if let Some(mut before) = self.running().take() {
            let _ = before.watch.kill();
            let _ = before.watch.wait();
        }
    }

    /// The address of a new, empty database, as its owner.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER captain"));
        format!("postgres://captain:{PASSWORD}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement with `psql` and gives what it prints.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let done = self
            .command(&self.programs.join("psql"))
            .env("PGPASSWORD", PASSWORD)
            .args(["-h", "127.0.0.1", "-U", "longshore", "-X", "-q", "-A", "-t"])
            .args(["-v", "ON_ERROR_STOP=1", "-p", &self.port.to_string(), "-d", database])
            .args(["-c", statement])
            .output()
            .expect("psql starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Whether the process has ended and nobody has asked how.
fn is_zombie(process: &Path) -> bool {
    std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") Z "))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(running) = self.running().take() {
            let Running { mut watch, _alive } = running;
            drop(_alive);
            let _ = watch.wait();
        }
    }
}
