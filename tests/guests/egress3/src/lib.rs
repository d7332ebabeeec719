//! Opens sockets through WASI 0.3.

wit_bindgen::generate!({ path: "wit", world: "guest", generate_all });

use wasi::sockets::ip_name_lookup::resolve_addresses;
use wasi::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket,
};

struct Sockets;

impl exports::fixtures::egress3::sockets::Guest for Sockets {
    async fn say(name: String, port: u16, text: String) -> Result<String, String> {
        let found = resolve_addresses(name).await.map_err(|error| format!("lookup: {error:?}"))?;
        let Some(IpAddress::Ipv4(address)) = found.first().copied() else {
            return Err("no address".to_owned());
        };
        let socket =
            TcpSocket::create(IpAddressFamily::Ipv4).map_err(|e| format!("create: {e:?}"))?;
        let remote = IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address });
        socket.connect(remote).await.map_err(|error| format!("connect: {error:?}"))?;
        let (mut writer, reader) = wit_stream::new();
        let sent = socket.send(reader);
        writer.write_all(text.into_bytes()).await;
        drop(writer);
        sent.await.map_err(|error| format!("send: {error:?}"))?;
        let (answer, _) = socket.receive();
        let answer = answer.collect().await;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

export!(Sockets);
