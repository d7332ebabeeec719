//! Tries to reach past its sockets.

/// Opens sockets.
#[longshore_guest::action(package = "hostile:sockets@0.1.0", interface = "sockets")]
pub mod sockets {
    /// Carries out the attack against the server at this port of loopback: what it got hold of, or how it was refused.
    pub fn attack(name: String, port: u16) -> Result<String, String> {
        let attack = longshore_hostile::Sockets::named(&name).ok_or("no such attack")?;
        crate::deeds::carry_out(attack, port)
    }
}

/// The attacks.
mod deeds {
    use longshore_hostile::Sockets;
    use wasip2::sockets::instance_network::instance_network;
    use wasip2::sockets::ip_name_lookup::resolve_addresses;
    use wasip2::sockets::network::{
        ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress,
        Ipv6SocketAddress,
    };
    use wasip2::sockets::tcp::TcpSocket;
    use wasip2::sockets::tcp_create_socket::create_tcp_socket;
    use wasip2::sockets::udp::OutgoingDatagram;
    use wasip2::sockets::udp_create_socket::create_udp_socket;

    type Tried = Result<String, ErrorCode>;

    fn tries<const N: usize>(tried: [(&str, Tried); N]) -> Result<String, String> {
        let mut refused = Vec::new();
        for (name, tried) in tried {
            match tried {
                Ok(loot) => return Ok(format!("{name}: {loot}")),
                Err(code) => refused.push(code.name()),
            }
        }
        refused.dedup();
        Err(refused.join(", "))
    }

    fn v4(a: u8, b: u8, c: u8, d: u8, port: u16) -> IpSocketAddress {
        IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (a, b, c, d) })
    }

    fn v6(address: [u16; 8], port: u16) -> IpSocketAddress {
        let [a, b, c, d, e, f, g, h] = address;
        let address = (a, b, c, d, e, f, g, h);
        IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info: 0, address, scope_id: 0 })
    }

    fn family(address: IpSocketAddress) -> IpAddressFamily {
        match address {
            IpSocketAddress::Ipv4(_) => IpAddressFamily::Ipv4,
            IpSocketAddress::Ipv6(_) => IpAddressFamily::Ipv6,
        }
    }

    fn finished<T>(
        mut step: impl FnMut() -> Result<T, ErrorCode>,
        socket: &TcpSocket,
    ) -> Result<T, ErrorCode> {
        loop {
            match step() {
                Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
                ended => return ended,
            }
        }
    }

    fn connect(to: IpSocketAddress) -> Tried {
        let socket = create_tcp_socket(family(to))?;
        socket.start_connect(&instance_network(), to)?;
        let (input, output) = finished(|| socket.finish_connect(), &socket)?;
        let _ = output.blocking_write_and_flush(b"GET /secret HTTP/1.1\r\n\r\n");
        let bytes = input.blocking_read(200).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn datagram(to: IpSocketAddress) -> Tried {
        let socket = create_udp_socket(family(to))?;
        let local = match to {
            IpSocketAddress::Ipv4(_) => v4(0, 0, 0, 0, 0),
            IpSocketAddress::Ipv6(_) => v6([0; 8], 0),
        };
        socket.start_bind(&instance_network(), local)?;
        socket.finish_bind()?;
        let (_, outgoing) = socket.stream(None)?;
        outgoing.subscribe().block();
        outgoing.check_send()?;
        let datagram = OutgoingDatagram { data: b"hello".to_vec(), remote_address: Some(to) };
        outgoing.send(&[datagram]).map(|n| format!("{n} sent"))
    }

    fn look_up(name: &str) -> Tried {
        let found = resolve_addresses(&instance_network(), name)?;
        let mut addresses: Vec<IpAddress> = Vec::new();
        loop {
            match found.resolve_next_address() {
                Ok(Some(address)) => addresses.push(address),
                Ok(None) => return Ok(format!("{addresses:?}")),
                Err(ErrorCode::WouldBlock) => found.subscribe().block(),
                Err(code) => return Err(code),
            }
        }
    }

    fn listen(at: IpSocketAddress) -> Tried {
        let socket = create_tcp_socket(family(at))?;
        socket.start_bind(&instance_network(), at)?;
        finished(|| socket.finish_bind(), &socket)?;
        socket.start_listen()?;
        finished(|| socket.finish_listen(), &socket)?;
        Ok("listening".to_owned())
    }

    pub(crate) fn carry_out(attack: Sockets, port: u16) -> Result<String, String> {
        const MAPPED: [u16; 8] = [0, 0, 0, 0, 0, 0xffff, 0x7f00, 1];
        match attack {
            Sockets::Connect => tries([
                ("loopback", connect(v4(127, 0, 0, 1, port))),
                ("loopback too", connect(v4(127, 8, 8, 8, port))),
                ("six", connect(v6([0, 0, 0, 0, 0, 0, 0, 1], port))),
                ("private", connect(v4(10, 0, 0, 1, port))),
                ("metadata", connect(v4(169, 254, 169, 254, 80))),
            ]),
            Sockets::ConnectUnspecified => {
                tries([("four", connect(v4(0, 0, 0, 0, port))), ("six", connect(v6([0; 8], port)))])
            }
            Sockets::ConnectMapped => tries([
                ("mapped", connect(v6(MAPPED, port))),
                ("nat64", connect(v6([0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1], port))),
                ("6to4", connect(v6([0x2002, 0x7f00, 1, 0, 0, 0, 0, 0], port))),
            ]),
            Sockets::Datagram => tries([
                ("loopback", datagram(v4(127, 0, 0, 1, port))),
                ("name server", datagram(v4(127, 0, 0, 53, 53))),
                ("mapped", datagram(v6(MAPPED, port))),
                ("everyone", datagram(v4(255, 255, 255, 255, port))),
            ]),
            Sockets::LookUp => tries([
                ("another", look_up("other.test")),
                ("itself", look_up("localhost")),
                ("above", look_up("test")),
            ]),
            Sockets::LookUpLoopback => tries([
                ("loopback", look_up("loopback.test")),
                ("mixed", look_up("mixed.test")),
                ("metadata", look_up("metadata.test")),
            ]),
            Sockets::Listen => tries([
                ("any", listen(v4(0, 0, 0, 0, 0))),
                ("loopback", listen(v4(127, 0, 0, 1, 0))),
                ("port", listen(v4(127, 0, 0, 1, 8080))),
                ("six", listen(v6([0; 8], 0))),
            ]),
            Sockets::SocketFlood => {
                let mut kept = Vec::new();
                loop {
                    kept.push(create_tcp_socket(IpAddressFamily::Ipv4).map_err(|c| c.name())?);
                }
            }
            Sockets::LookUpFlood => loop {
                let _ = look_up("nobody.granted.test");
            },
            Sockets::ConnectFlood => loop {
                drop(connect(v4(127, 0, 0, 1, port)).map_err(|c| c.name())?);
            },
        }
    }
}
