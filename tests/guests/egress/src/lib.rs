//! Speaks to the network in every way that a guest can: HTTP, and the sockets of the standard library.

/// Everything that leaves the sandbox over a network.
#[longshore_guest::action(package = "fixtures:egress@0.1.0", interface = "egress")]
pub mod egress {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

    use longshore_guest::Failure;
    use longshore_guest::http::Request;

    /// What came back.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Answer {
        /// The status.
        pub status: u16,
        /// The headers.
        pub headers: Vec<(String, String)>,
        /// The bytes.
        pub body: Vec<u8>,
    }

    /// Sends a request.
    pub fn send(
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: String,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(method, url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send()?;
        Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body })
    }

    /// Gets a URL so many times, one after the other: how often that went well, and the first failure.
    pub fn many(url: String, times: u32) -> (u32, Option<String>) {
        let (mut well, mut first) = (0, None);
        for _ in 0..times {
            match longshore_guest::http::get(&url) {
                Ok(_) => well += 1,
                Err(failure) => {
                    first.get_or_insert(failure.code);
                }
            }
        }
        (well, first)
    }

    /// Posts to each URL, one after the other: the statuses.
    pub fn post_each(urls: Vec<String>) -> Result<Vec<u16>, Failure> {
        urls.iter().map(|url| Ok(Request::new("POST", url.as_str()).send()?.status)).collect()
    }

    /// Says so many log lines.
    pub fn say_many(times: u32) {
        for _ in 0..times {
            longshore_guest::log::write(longshore_guest::log::Level::Info, "said", &[]);
        }
    }

    /// The addresses of a name.
    pub fn look_up(name: String) -> Result<Vec<String>, Failure> {
        let found = (name.as_str(), 1).to_socket_addrs()?;
        Ok(found.map(|address| address.ip().to_string()).collect())
    }

    /// Says a text over TCP, and what comes back; the name is looked up first.
    pub fn tcp(host: String, port: u16, text: String) -> Result<String, Failure> {
        let mut stream = TcpStream::connect((host.as_str(), port))?;
        stream.write_all(text.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Looks a name up and connects to an address, whatever came of the first.
    pub fn tcp_elsewhere(name: String, address: String) -> Result<(), Failure> {
        let _ = (name.as_str(), 1).to_socket_addrs().map(Iterator::count);
        TcpStream::connect(address)?;
        Ok(())
    }

    /// Connects so many times: how often that went well.
    pub fn tcp_many(host: String, port: u16, times: u32) -> u32 {
        let tries = (0..times).map(|_| TcpStream::connect((host.as_str(), port)));
        tries.filter(Result::is_ok).count() as u32
    }

    /// Accepts one connection and says back what it says.
    pub fn listen(address: String) -> Result<String, Failure> {
        let (mut stream, _) = TcpListener::bind(address)?.accept()?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        stream.write_all(said.as_bytes())?;
        Ok(said)
    }

    /// Says a text in so many datagrams, and what comes back for the last.
    pub fn udp(host: String, port: u16, text: String, times: u32) -> Result<String, Failure> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let mut buffer = [0; 2048];
        let mut answer = String::new();
        for _ in 0..times {
            socket.send_to(text.as_bytes(), (host.as_str(), port))?;
            let (length, _) = socket.recv_from(&mut buffer)?;
            answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        }
        Ok(answer)
    }

    /// Makes so many sockets and keeps them: how many it got.
    pub fn hoard(times: u32) -> u32 {
        let made: Vec<_> =
            (0..times).filter_map(|_| UdpSocket::bind("0.0.0.0:0").ok()).collect();
        made.len() as u32
    }
}
