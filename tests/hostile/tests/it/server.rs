//! A server on loopback that answers in every wrong way, and remembers the bytes that it was sent.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What no guest may get hold of.
pub(crate) const SECRET: &str = "the-servers-secret";
/// What unpacks to ten megabytes of nothing.
pub(crate) const BOMB: &[u8] = include_bytes!("bomb.gz");

type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// The server; it ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    seen: Seen,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let address =
            SocketAddr::from((Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port()));
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Seen::default());
        let (stopped, log) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let mut serving = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (stopped, log) = (Arc::clone(&stopped), Arc::clone(&log));
                // The client may hang up on a liar: that is what is being tested.
                serving.push(std::thread::spawn(move || drop(serve(stream, &stopped, &log))));
            }
            serving.into_iter().for_each(|one| drop(one.join()));
        });
        Self { address, stop, seen, thread: Some(thread) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The bytes of each connection so far, up to what was answered.
    pub(crate) fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, stop: &AtomicBool, seen: &Seen) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    let mut request = Vec::new();
    let slot = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Vec::new());
        seen.len() - 1
    };
    let keep = |bytes: &[u8]| {
        seen.lock().unwrap_or_else(PoisonError::into_inner)[slot] = bytes.to_vec();
    };
    while !stop.load(Ordering::Relaxed) && request.len() < 64 << 20 {
        let whole = request[..request.len().min(8192)].windows(4).any(|end| end == b"\r\n\r\n");
        let mut block = [0; 64 << 10];
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(n) => request.extend_from_slice(&block[..n]),
            Err(_) if whole => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        keep(&request[..request.len().min(64 << 10)]);
        // Some bodies are to be seen too: for those the pause after the head is waited for.
        if whole && !request.starts_with(b"POST") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let path = path.split('?').next().unwrap_or_default();
    // What is bound to a path is asked for below it.
    let path = path.strip_prefix("/page").unwrap_or(path);
    answer(&mut stream, path, &text, stop)?;
    stream.shutdown(Shutdown::Write)
}

fn answer(to: &mut TcpStream, path: &str, asked: &str, stop: &AtomicBool) -> io::Result<()> {
    let ever = || !stop.load(Ordering::Relaxed);
    let pause = || std::thread::sleep(Duration::from_millis(20));
    let ok = b"HTTP/1.1 200 OK\r\n";
    match path {
        "/slow-head" => trickle(to, ok, b"x-slow: ", &ever),
        "/slow-body" => trickle(to, b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"", &ever),
        "/silent" => {
            while ever() {
                pause();
            }
            Ok(())
        }
        "/endless-head" => repeat(to, ok, b"x-more: and more\r\n", &ever),
        "/large-header" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nx-large: ")?;
            to.write_all(&vec![b'x'; 4 << 20])?;
            to.write_all(b"\r\ncontent-length: 2\r\n\r\nok")
        }
        "/endless-body" => repeat(to, b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 64 << 10], &ever),
        "/bomb" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ";
            to.write_all(format!("{head}{}\r\n\r\n", BOMB.len()).as_bytes())?;
            to.write_all(BOMB)
        }
        "/both-lengths" => to.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
              0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nhidden!",
        ),
        "/two-lengths" => to.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\nhello and much more",
        ),
        "/odd-length" => to.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551617\r\n\r\nhello",
        ),
        "/odd-chunk" => to.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello",
        ),
        "/informational" => {
            repeat(to, b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", &ever)
        }
        "/break-off" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello"),
        "/switch" => to.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nraw bytes",
        ),
        "/trailers" => repeat(
            to,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            b"x-trailer: and more\r\n",
            &ever,
        ),
        "/echo" => to.write_all(echo(asked).as_bytes()),
        "/redirect" | "/redirect-away" => {
            let port = to.local_addr()?.port();
            let host = if path == "/redirect" { "127.0.0.1" } else { "127.0.0.2" };
            let head = "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nconnection: close\r\nlocation: ";
            to.write_all(format!("{head}http://{host}:{port}/redirect\r\n\r\n").as_bytes())
        }
        _ => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
            to.write_all(format!("{head}{}\r\n\r\n{SECRET}", SECRET.len()).as_bytes())
        }
    }
}

/// An answer whose headers repeat the authorization that was sent.
fn echo(asked: &str) -> String {
    let sent = asked.lines().find_map(|line| line.strip_prefix("authorization: "));
    let sent = sent.unwrap_or("nothing");
    let plain = sent.trim_start_matches("Bearer ");
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\
         location: http://127.0.0.2/{plain}\r\nx-echo: {sent}\r\n\r\n"
    )
}

/// Writes `start`, then `more`, then a byte at a time for ever.
fn trickle(
    to: &mut TcpStream,
    start: &[u8],
    more: &[u8],
    ever: &dyn Fn() -> bool,
) -> io::Result<()> {
    to.write_all(start)?;
    to.write_all(more)?;
    while ever() {
        to.write_all(b"x")?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Writes `start`, then `more` for ever.
fn repeat(
    to: &mut TcpStream,
    start: &[u8],
    more: &[u8],
    ever: &dyn Fn() -> bool,
) -> io::Result<()> {
    to.write_all(start)?;
    while ever() {
        to.write_all(more)?;
    }
    Ok(())
}
