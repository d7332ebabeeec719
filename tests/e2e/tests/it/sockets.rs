//! Sockets from inside a guest: to granted names and addresses and nowhere else, looked up by the host, journaled before and
//! counted after, in every version of `wasi:sockets`.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use longshore::model::{CapabilityKind, Effect, Event, FaultKind, LimitName};
use serde_json::json;

use crate::artifacts::{ACTION, guest, with_manifest};
use crate::egress::{ANYWHERE, egress, names};
use crate::http::{denied, flag_of};
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

/// A server that says back what it is told.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                let _ = stream.read_to_end(&mut said);
                let _ = stream.write_all(&said);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

/// The same with datagrams.
fn echo_of_datagrams() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    address
}

fn effects(ran: &Ran) -> Vec<Effect> {
    let of = |event: &Event| match event {
        Event::EffectStarted(started) => Some(started.what.clone()),
        _ => None,
    };
    ran.events().filter_map(of).collect()
}

fn tcp(host: &str, port: u16) -> String {
    json!([host, port, "ahoy"]).to_string()
}

#[tokio::test]
async fn a_granted_address_is_reached_and_journaled_before() {
    let (stage, server) = (Stage::new(), echo());
    let request = ask(&egress(&stage), "tcp", tcp("127.0.0.1", server.port()));
    let ran = stage.run(&request.allow(allow(&[&format!("tcp={server}")]))).await;
    assert_eq!(ran.value(), "ahoy");
    let host = "127.0.0.1".to_owned();
    assert_eq!(effects(&ran), [Effect::Tcp { host, address: server.to_string() }]);
    let usage = ran.report.usage;
    assert_eq!((usage.connections, usage.lookups), (1, 0));
    assert_eq!((usage.egress_sent_bytes, usage.egress_received_bytes), (4, 4));
    assert!(denied(&ran).is_empty());
}

#[tokio::test]
async fn a_granted_name_is_looked_up_by_the_host_and_leads_to_what_was_vetted() {
    let server = echo();
    let port = server.port();
    let (stage, asked) = names(&[&["127.0.0.1"]]);
    let policy = allow(&[&format!("tcp=db.example:{port}"), "private=db.example"]);
    let request = ask(&egress(&stage), "tcp", tcp("db.example", port)).allow(policy.clone());
    let ran = stage.run(&request).await;
    assert_eq!(ran.value(), "ahoy");
    let name = "db.example".to_owned();
    let tcp_effect = Effect::Tcp { host: name.clone(), address: server.to_string() };
    assert_eq!(effects(&ran), [Effect::Dns { name }, tcp_effect]);
    assert_eq!((asked(), ran.report.usage.lookups), (1, 1));
    // Its address under another port, or without the name, is nobody's.
    let other = echo();
    for (name, address) in [("db.example", other), ("localhost", server)] {
        let input = json!([name, address.to_string()]).to_string();
        let request = ask(&egress(&stage), "tcp-elsewhere", input).allow(policy.clone());
        let ran = stage.run(&request).await;
        assert!(ran.failure()["code"].is_string());
        let last = denied(&ran).pop().unwrap();
        assert_eq!(last.capability, CapabilityKind::Tcp, "{last:?}");
    }
}

#[tokio::test]
async fn nothing_is_reached_without_a_grant_and_the_hints_to_the_letter_allow_it() {
    let (stage, server) = (Stage::new(), echo());
    let port = server.port();
    let request = ask(&egress(&stage), "tcp", tcp("localhost", port));
    let mut policy = longshore::policy::Policy::default();
    for expected in ["dns=localhost".to_owned(), format!("tcp=localhost:{port}")] {
        let ran = stage.run(&request.clone().allow(policy.clone())).await;
        assert!(ran.failure()["code"].is_string());
        let denial = denied(&ran).remove(0);
        assert_eq!(
            (denial.asked.as_str(), flag_of(&denial)),
            (expected.as_str(), expected.clone())
        );
        policy.allow_flag(&expected).unwrap();
    }
    assert_eq!(stage.run(&request.allow(policy)).await.value(), "ahoy");
    let datagram = json!(["127.0.0.1", port, "ahoy", 1]).to_string();
    let ran = stage.run(&ask(&egress(&stage), "udp", datagram)).await;
    assert_eq!(denied(&ran)[0].asked, format!("udp={server}"));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = json!([free.to_string()]).to_string();
    let ran = stage.run(&ask(&egress(&stage), "listen", listen)).await;
    assert_eq!(denied(&ran)[0].asked, format!("listen={free}"));
}

#[tokio::test]
async fn a_lookup_gives_vetted_addresses_of_granted_names_only() {
    let (stage, asked) = names(&[&["1.1.1.1", "2606:4700::1111"], &["1.1.1.1", "10.0.0.1"]]);
    let look_up = |name: &str| ask(&egress(&stage), "look-up", json!([name]).to_string());
    let policy = allow(&["dns=*.example"]);
    let ran = stage.run(&look_up("a.example").allow(policy.clone())).await;
    assert_eq!(ran.value(), json!(["1.1.1.1", "2606:4700::1111"]));
    let ran = stage.run(&look_up("b.example").allow(policy.clone())).await;
    assert!(ran.failure()["code"].is_string(), "one bad address among good ones");
    assert_eq!(flag_of(&denied(&ran)[0]), "private=b.example");
    assert_eq!(asked(), 2);
    for name in
        ["a.other", "b.a.example", "localhost", "a example", "xn--nothing.", "0x7f.1", "127.1"]
    {
        let ran = stage.run(&look_up(name).allow(policy.clone())).await;
        assert!(ran.failure()["code"].is_string(), "{name}");
    }
    assert_eq!(asked(), 2, "what is not granted is not asked");
}

#[tokio::test]
async fn a_wildcard_never_reaches_a_private_address() {
    let (stage, server) = (Stage::new(), echo());
    let policy = allow(&["tcp=*:*", "udp=*:*", "dns=*"]);
    for host in ["127.0.0.1", "localhost", "::1", "169.254.169.254", "10.0.0.1"] {
        let request = ask(&egress(&stage), "tcp", tcp(host, server.port())).allow(policy.clone());
        let ran = stage.run(&request).await;
        assert!(ran.failure()["code"].is_string() && !denied(&ran).is_empty(), "{host}");
    }
}

#[tokio::test]
async fn connections_are_accepted_where_it_is_granted() {
    let stage = Stage::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = std::thread::spawn(move || {
        for _ in 0..500 {
            if let Ok(mut stream) = TcpStream::connect(free) {
                stream.write_all(b"ahoy").unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        String::new()
    });
    let request = ask(&egress(&stage), "listen", json!([free.to_string()]).to_string());
    let ran = stage.run(&request.allow(allow(&[&format!("listen={free}")]))).await;
    assert_eq!((ran.value(), client.join().unwrap().as_str()), (json!("ahoy"), "ahoy"));
    assert_eq!(effects(&ran), [Effect::Listen { address: free.to_string() }]);
    assert_eq!(ran.report.usage.connections, 1);
}

#[tokio::test]
async fn datagrams_go_to_granted_addresses_and_are_counted() {
    let (stage, server) = (Stage::new(), echo_of_datagrams());
    let input = json!(["127.0.0.1", server.port(), "ahoy", 3]).to_string();
    let policy = allow(&[&format!("udp={server}")]);
    let request = ask(&egress(&stage), "udp", input);
    let ran = stage.run(&request.clone().allow(policy.clone())).await;
    assert_eq!(ran.value(), "ahoy");
    let host = "127.0.0.1".to_owned();
    assert_eq!(effects(&ran), [Effect::Udp { host, address: server.to_string() }], "the first");
    assert_eq!(ran.report.usage.datagrams, 6, "three each way");
    let few = both(policy, ceiling(LimitName::Datagrams, 2));
    stage.run(&request.allow(few)).await.hit(FaultKind::Budget, LimitName::Datagrams);
}

#[tokio::test]
async fn connections_lookups_sockets_and_bytes_are_bounded() {
    let (stage, server) = (Stage::new(), echo());
    let port = server.port();
    let host = allow(&[&format!("tcp=localhost:{port}")]);
    let tight = |name, value| both(host.clone(), ceiling(name, value));
    let often = ask(&egress(&stage), "tcp-many", json!(["localhost", port, 5]).to_string());
    for name in [LimitName::Connections, LimitName::Lookups, LimitName::Sockets] {
        let request = often.clone().allow(tight(name, 3));
        stage.run(&request).await.hit(FaultKind::Budget, name);
    }
    let hoard = ask(&egress(&stage), "hoard", "[1000]");
    stage.run(&hoard).await.hit(FaultKind::Budget, LimitName::Sockets);
    let once = ask(&egress(&stage), "tcp", tcp("localhost", port));
    for name in [LimitName::EgressSentBytes, LimitName::EgressReceivedBytes] {
        let request = once.clone().allow(tight(name, 3));
        stage.run(&request).await.hit(FaultKind::Budget, name);
    }
}

/// The same component built against the first release of WASI 0.2: the version in its imports is all that differs.
fn of_the_first_release(component: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let mut changed = 0;
    for at in 0..bytes.len().saturating_sub(6) {
        if bytes[at..].starts_with(b"@0.2.") && !bytes[at + 6].is_ascii_digit() {
            bytes[at + 5] = b'0';
            changed += 1;
        }
    }
    assert!(changed > 0, "it imports WASI 0.2");
    bytes
}

#[tokio::test]
async fn an_older_minor_version_goes_through_the_same_check() {
    let (stage, server) = (Stage::new(), echo());
    let port = server.port();
    let old = of_the_first_release(&guest("egress"));
    let old = stage.file("old.wasm", with_manifest(&old, &format!("{ACTION}{ANYWHERE}")));
    let request = ask(&old, "tcp", tcp("localhost", port));
    let ran = stage.run(&request.clone()).await;
    assert_eq!(denied(&ran)[0].asked, "dns=localhost");
    let direct = ask(&old, "tcp", tcp("127.0.0.1", port)).allow(allow(&["dns=localhost"]));
    assert_eq!(denied(&stage.run(&direct).await)[0].asked, format!("tcp={server}"));
    let policy = allow(&[&format!("tcp=localhost:{port}")]);
    let ran = stage.run(&request.clone().allow(policy.clone())).await;
    assert_eq!(ran.value(), "ahoy");
    assert_eq!((effects(&ran).len(), ran.report.usage.egress_sent_bytes), (2, 4));
    let tight = both(policy, ceiling(LimitName::EgressSentBytes, 3));
    stage.run(&request.allow(tight)).await.hit(FaultKind::Budget, LimitName::EgressSentBytes);
}

#[tokio::test]
async fn the_next_generation_goes_through_the_same_check() {
    let (stage, server) = (Stage::new(), echo());
    let port = server.port();
    let third = stage.file("third.wasm", guest("egress3"));
    let say = |name: &str| ask(&third, "say", json!([name, port, "ahoy"]).to_string());
    let ran = stage.run(&say("localhost")).await;
    assert!(ran.failure().as_str().unwrap().starts_with("lookup: "), "{:?}", ran.report.outcome);
    assert_eq!(denied(&ran)[0].asked, "dns=localhost");
    let ran = stage.run(&say("127.0.0.1").allow(allow(&["dns=localhost"]))).await;
    assert!(ran.failure().as_str().unwrap().starts_with("connect: "), "{:?}", ran.report.outcome);
    assert_eq!(denied(&ran)[0].asked, format!("tcp={server}"));
    let policy = allow(&[&format!("tcp=localhost:{port}")]);
    let ran = stage.run(&say("localhost").allow(policy.clone())).await;
    assert_eq!(ran.value(), "ahoy");
    let usage = ran.report.usage;
    assert_eq!((effects(&ran).len(), usage.connections, usage.lookups), (2, 1, 1));
    assert_eq!((usage.egress_sent_bytes, usage.egress_received_bytes), (4, 4));
    for name in [
        LimitName::EgressSentBytes,
        LimitName::EgressReceivedBytes,
        LimitName::Sockets,
        LimitName::Connections,
        LimitName::Lookups,
    ] {
        let less = if name.as_str().starts_with("egress") { 3 } else { 0 };
        let tight = both(policy.clone(), ceiling(name, less));
        stage.run(&say("localhost").allow(tight)).await.hit(FaultKind::Budget, name);
    }
}
