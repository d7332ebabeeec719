//! What an address is for: the public internet, a private network, or something that a name must never lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that `host` spells, if it is one; IPv6 in brackets.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On the public internet.
    Public,
    /// This machine, or a private network: loopback, RFC 1918, carrier-grade NAT, unique-local.
    Private,
    /// Everything else: link-local and metadata, multicast, documentation, reserved, and IPv6 that stands for another address.
    Special,
}

/// What `address` is for (IANA special-purpose registries, RFC 6890 and its updates).
pub(crate) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => kind_of_v4(v4),
        IpAddr::V6(v6) => kind_of_v6(v6),
    }
}

/// Metadata services at addresses that look like others: Alibaba Cloud in the space of carrier-grade NAT, Azure's host agent
/// on a public address, AWS in unique-local space.
const METADATA_V4: [Ipv4Addr; 2] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)];

fn kind_of_v4(address: Ipv4Addr) -> Kind {
    let [a, b, c, _] = address.octets();
    let special = METADATA_V4.contains(&address)
        || a == 0 // "this network"
        || (a == 169 && b == 254) // link-local, and the cloud's metadata
        || (a == 192 && b == 0 && (c == 0 || c == 2)) // protocol assignments, TEST-NET-1
        || (a == 192 && b == 31 && c == 196) // AS112
        || (a == 192 && b == 52 && c == 193) // AMT
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 192 && b == 175 && c == 48) // AS112
        || (a == 198 && (b == 18 || b == 19)) // benchmarks
        || (a == 198 && b == 51 && c == 100) // TEST-NET-2
        || (a == 203 && b == 0 && c == 113) // TEST-NET-3
        || a >= 224; // multicast, reserved, broadcast
    let private = a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168);
    match (special, private) {
        (true, _) => Kind::Special,
        (false, true) => Kind::Private,
        (false, false) => Kind::Public,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    if METADATA_V6.contains(&address) {
        return Kind::Special;
    }
    if address == Ipv6Addr::LOCALHOST || segments[0] & 0xfe00 == 0xfc00 {
        return Kind::Private;
    }
    // Only global unicast is public, and within it not what embeds or stands for another address. What is left outside of it:
    // IPv4-mapped and -compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), link-local, site-local, multicast, discard.
    let global = segments[0] & 0xe000 == 0x2000;
    let special = match (segments[0], segments[1]) {
        (0x2001, second) => second < 0x0200 || second == 0x0db8, // IETF, Teredo, ORCHID; documentation
        (0x2002, _) => true,                                     // 6to4
        (0x2620, 0x004f) => segments[2] == 0x8000,               // AS112
        (0x3fff, second) => second < 0x1000,                     // documentation
        _ => false,
    };
    if global && !special { Kind::Public } else { Kind::Special }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "64:ff9b:1:ffff::a00:1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "ff0e::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "2620:4f:8000::1",
        "100::1",
        "5f00::1",
        "4000::1",
    ];
    const PRIVATE: &[&str] = &[
        "10.0.0.1",
        "10.255.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "100.64.0.1",
        "100.127.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "::1",
        "fc00::1",
        "fdff::1",
    ];
    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "169.253.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "198.17.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    ];

    #[test]
    fn every_address_is_public_private_or_special_in_whatever_disguise() {
        for (kind_of, texts) in
            [(Kind::Special, SPECIAL), (Kind::Private, PRIVATE), (Kind::Public, PUBLIC)]
        {
            for text in texts {
                assert_eq!(kind(text.parse().unwrap()), kind_of, "{text}");
            }
        }
    }
}
