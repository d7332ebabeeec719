//! Sockets past their grant.

use longshore::model::{FaultKind, LimitName};
use longshore_hostile::Sockets;

use crate::ground::{Ground, attack, denials, refused};
use crate::server::Server;
use crate::stage::{allow, both, ceiling};

/// Carries out `attack`; it must end as is said here.
pub(crate) async fn meet(ground: &Ground, what: Sockets) {
    let server = Server::start();
    let port = server.port();
    let here = format!("tcp=127.0.0.1:{port}");
    let granted = match what {
        Sockets::Connect | Sockets::ConnectUnspecified | Sockets::ConnectMapped => {
            allow(&["tcp=*:*"])
        }
        Sockets::Datagram => allow(&["udp=*:*"]),
        Sockets::LookUp => allow(&["dns=granted.test", "tcp=granted.test:80"]),
        Sockets::LookUpLoopback => allow(&["dns=*.test"]),
        Sockets::Listen | Sockets::SocketFlood => allow(&[&here]),
        Sockets::LookUpFlood => {
            both(allow(&["dns=*.granted.test"]), ceiling(LimitName::Lookups, 20))
        }
        Sockets::ConnectFlood => both(allow(&[&here]), ceiling(LimitName::Connections, 20)),
    };
    let policy =
        both(granted, allow(&["clock", "random", "tcp=unused.test:1", "udp=unused.test:1"]));
    let policy = both(policy, allow(&["dns=unused.test"]));
    let input = format!("[\"{}\", {port}]", what.name());
    let ran = ground.run(&attack(&ground.guest("sockets"), &input, policy)).await;
    match what {
        Sockets::SocketFlood => ran.hit(FaultKind::Budget, LimitName::Sockets),
        Sockets::LookUpFlood => ran.hit(FaultKind::Budget, LimitName::Lookups),
        Sockets::ConnectFlood => ran.hit(FaultKind::Budget, LimitName::Connections),
        _ => {
            // What is no address to connect to at all is refused before any grant is asked.
            let (expected, denied) = match what {
                Sockets::ConnectMapped => ("invalid-argument, access-denied", true),
                Sockets::ConnectUnspecified => ("invalid-argument", false),
                Sockets::Datagram => ("access-denied, invalid-argument, access-denied", true),
                _ => ("access-denied", true),
            };
            refused(&ran, expected);
            assert_eq!(!denials(&ran).is_empty(), denied, "{:?}", ran.names());
            assert_eq!(server.seen(), Vec::<String>::new(), "it got through");
        }
    }
}
