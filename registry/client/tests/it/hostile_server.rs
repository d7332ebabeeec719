//! An HTTP server that says exactly what a test wants, bytes and all; it knows nothing of
//! registries.

use std::sync::{Arc, Mutex};

use longshore_reference::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What goes out: raw bytes, then the end of the connection or silence.
pub(crate) struct Answer {
    bytes: Vec<u8>,
    hang: bool,
}

impl Answer {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), hang: false }
    }

    pub(crate) fn silence() -> Self {
        Self { bytes: Vec::new(), hang: true }
    }

    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !headers.iter().any(|(name, _)| matches!(*name, "content-length" | "transfer-encoding"))
        {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        Self { bytes: [head.as_bytes(), b"\r\n", body].concat(), hang: false }
    }

    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::new(200, &[], body)
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::new(status, &[], b"")
    }
}

/// A server, its address, and what it was asked.
pub(crate) struct Server {
    pub(crate) host: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), log.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), kept.clone()));
            }
        });
        Self { host, log }
    }

    pub(crate) fn log(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log().iter().map(Request::line).collect()
    }
}

pub(crate) async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    mut stream: S,
    answer: Arc<impl Fn(&Request) -> Answer>,
    log: Arc<Mutex<Vec<Request>>>,
) {
    let mut bytes = Vec::new();
    let head = loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, target, headers, body: bytes.split_off(head + 4) };
    let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    while request.body.len() < length {
        let mut piece = [0; 65536];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.body.extend_from_slice(&piece[..count]),
        }
    }
    let Answer { bytes, hang } = answer(&request);
    log.lock().unwrap().push(request);
    let _ = stream.write_all(&bytes).await;
    if hang {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

/// A component's manifest whose layer claims to be `layer`, of that size.
pub(crate) fn manifest_of(layer: &[u8], size: u64) -> Vec<u8> {
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
         \"config\":{{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"{}\",\
         \"size\":2}},\"layers\":[{{\"mediaType\":\"application/wasm\",\"digest\":\"{}\",\
         \"size\":{size},\"urls\":[\"http://127.0.0.1:1/stolen\"]}}]}}",
        Digest::of(b"{}"),
        Digest::of(layer)
    )
    .into_bytes()
}
