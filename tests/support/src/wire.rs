//! A minimal HTTP/1.1 server on a thread, one request per connection, so that answers can be wrong
//! in every way.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The head of a request, and as much of its body as came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(&self.target)
    }

    fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream).take(64 << 20);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut request = Self { method, target, headers: Vec::new(), body: Vec::new() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => {
                    request.headers.push((name.to_owned(), value.trim().to_owned()));
                }
                None => break,
            }
        }
        if request.header("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            // A client that gives up in the middle has sent what it has sent.
            let _ = chunks(&mut reader, &mut request.body);
        } else {
            let length = request.header("content-length").and_then(|text| text.parse().ok());
            reader.by_ref().take(length.unwrap_or(0)).read_to_end(&mut request.body)?;
        }
        Ok(request)
    }
}

/// Reads a body in chunks to its end, so that no client is answered before it has said everything.
fn chunks(reader: &mut impl io::BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        reader.by_ref().take(size).read_to_end(body)?;
        // The end of the chunk, or the end of the trailers, of which there are none.
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// A server; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Calls `answer` for every request, on a thread of its own, with a stream to write to. `stop`
    /// tells answers that never end when to.
    pub(crate) fn start(
        answer: impl Fn(Request, &mut TcpStream, &AtomicBool) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let answer = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (answer, stopped) = (Arc::clone(&answer), Arc::clone(&stopped));
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let timeout = Some(Duration::from_secs(60));
                    let _ = stream.set_read_timeout(timeout);
                    let _ = stream.set_write_timeout(timeout);
                    if let Ok(request) = Request::read(&stream) {
                        // The client may hang up on a liar: that is what is being tested.
                        let _ = answer(request, &mut stream, &stopped);
                    }
                    let _ = stream.shutdown(Shutdown::Write);
                });
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes the head of an answer; `length` is what it claims, which need not be true.
pub(crate) fn head(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    length: u64,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {length}\r\n\r\n"));
    stream.write_all(text.as_bytes())
}

/// Writes an answer; a `HEAD` gets its head only.
pub(crate) fn answer(
    stream: &mut TcpStream,
    request: &Request,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    head(stream, status, headers, body.len() as u64)?;
    if request.method != "HEAD" {
        stream.write_all(body)?;
    }
    stream.flush()
}
