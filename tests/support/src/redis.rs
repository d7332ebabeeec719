//! A real Redis on loopback, from Debian's package, which keeps nothing on disk. It ends with the test process, however that ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::tools;

/// The password of the only user.
pub const PASSWORD: &str = "wharf-and-tide";

/// Ends the server when standard input ends, which it does with the process that holds the other end.
/// `$1` is the program, `$2` the port, `$3` the password; what follows are options.
const WATCH: &str = r#"
program="$1" port="$2" password="$3"
shift 3
"$program" --port "$port" --bind 127.0.0.1 --requirepass "$password" --save '' --appendonly no \
    --databases 4096 --dir / --daemonize no "$@" </dev/null >/dev/null 2>&1 &
cat >/dev/null
kill -KILL $! 2>/dev/null
wait $!
"#;

/// A server of one's own.
#[derive(Debug)]
pub struct Redis {
    program: std::path::PathBuf,
    port: u16,
    /// The port for TLS, with its certificate and key.
    tls: Option<(u16, tempfile::TempDir)>,
    running: Mutex<Option<(Child, ChildStdin)>>,
    databases: AtomicU64,
}

/// A server that the tests of this process share. `None` means: skip the test; that was said aloud.
///
/// # Panics
///
/// When it is missing and `LONGSHORE_REQUIRE_SERVERS` is `1`, or when it does not start.
#[must_use]
pub fn shared() -> Option<&'static Redis> {
    static SHARED: OnceLock<Option<Redis>> = OnceLock::new();
    SHARED.get_or_init(own).as_ref()
}

/// A server of the test's own, which it may stop. `None` means: skip the test; that was said aloud.
///
/// # Panics
///
/// As [`shared`].
#[must_use]
pub fn own() -> Option<Redis> {
    start(tools::find("redis-server")?, None)
}

/// The same for a server that speaks TLS too, with the certificate of 127.0.0.1 in PEM that it signed itself.
///
/// # Panics
///
/// As [`shared`]; also when `openssl` is missing and `LONGSHORE_REQUIRE_SERVERS` is `1`.
#[must_use]
pub fn with_tls() -> Option<(Redis, Vec<u8>)> {
    let (program, openssl) = (tools::find("redis-server")?, tools::find("openssl")?);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = Command::new(openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "3650", "-subj", "/CN=longshore-test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.path().join("key"))
        .arg("-out")
        .arg(folder.path().join("certificate"))
        .output()
        .expect("openssl starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = std::fs::read(folder.path().join("certificate")).expect("openssl wrote it");
    Some((start(program, Some(folder))?, certificate))
}

fn start(program: std::path::PathBuf, tls: Option<tempfile::TempDir>) -> Option<Redis> {
    let (running, databases) = Default::default();
    let tls = tls.map(|folder| (0, folder));
    let mut server = Redis { program, port: 0, tls, running, databases };
    // A port is free when it is chosen and may be taken when the server wants it: then another one is.
    for _ in 0..5 {
        let probes = [(); 2]
            .map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
            .map(|probe| probe.local_addr().expect("a bound socket has an address").port());
        server.port = probes[0];
        if let Some((port, _)) = &mut server.tls {
            *port = probes[1];
        }
        if server.run() {
            return Some(server);
        }
        server.stop();
    }
    panic!("Redis did not start")
}

impl Redis {
    fn running(&self) -> std::sync::MutexGuard<'_, Option<(Child, ChildStdin)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server; false when it does not come up.
    fn run(&self) -> bool {
        let mut watch = Command::new("/bin/sh")
            .args(["-c", WATCH, "watch"])
            .arg(&self.program)
            .args([&self.port.to_string(), PASSWORD])
            .args(self.options())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let alive = watch.stdin.take().expect("it is piped");
        *self.running() = Some((watch, alive));
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if self.ask("PING").is_some_and(|answer| answer.starts_with("+PONG")) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn options(&self) -> Vec<std::ffi::OsString> {
        let Some((port, folder)) = &self.tls else { return Vec::new() };
        let file = |name: &str| folder.path().join(name).into_os_string();
        let port = port.to_string();
        let mut options = Vec::new();
        options.extend(["--tls-auth-clients", "no", "--tls-port", &port].map(Into::into));
        options.extend(["--tls-cert-file".into(), file("certificate")]);
        options.extend(["--tls-key-file".into(), file("key")]);
        options.extend(["--tls-ca-cert-file".into(), file("certificate")]);
        options
    }

    /// Sends one command, as a line, and gives the first line of its answer; none where there is no server.
    #[must_use]
    pub fn ask(&self, command: &str) -> Option<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "AUTH {PASSWORD}\r\n{command}\r\n").ok()?;
        BufReader::new(stream).lines().nth(1)?.ok()
    }

    /// Ends the server as a crash would, with all that it held. What connects afterwards is refused.
    pub fn stop(&self) {
        if let Some((mut watch, alive)) = self.running().take() {
            drop(alive);
            let _ = watch.wait();
        }
    }

    /// Starts a server that was stopped, empty, on the same port.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_again(&self) {
        assert!(self.run(), "Redis did not start again");
    }

    /// The address of an empty database.
    #[must_use]
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        format!("redis://:{PASSWORD}@127.0.0.1:{}/{number}", self.port)
    }
}

impl Redis {
    /// The address of an empty database, over TLS.
    ///
    /// # Panics
    ///
    /// When the server does not speak it.
    #[must_use]
    pub fn encrypted(&self) -> String {
        let (port, _) = self.tls.as_ref().expect("a server that speaks TLS");
        let plain = self.database();
        let number = plain.rsplit('/').next().unwrap_or_default();
        format!("rediss://:{PASSWORD}@127.0.0.1:{port}/{number}")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
