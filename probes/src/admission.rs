//! To which addresses that a packet named a request may go (D-STUN-6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far an address can be meant to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Never a destination: unspecified, multicast, broadcast, reserved, link-local, IPv4-mapped.
    Nowhere,
    /// This host (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    Host,
    /// One site or one provider: private (RFC 1918 §3), shared (RFC 6598 §7) or unique local
    /// (RFC 4193 §3). The bits are the first 16 of IPv4, the first 48 of IPv6.
    Site(u64),
    /// Everywhere else.
    Global,
}

/// Whether a request may go to `claimed`, an address that `server` named in an answer.
///
/// The operator told us to speak to `server`, and to those in `allowed`; what `server` names is a
/// claim. It is taken where it reaches as far as `server` itself and no further in: a server on
/// the Internet cannot point at this host, this site or a link, and one of this site cannot point
/// at another network of it. `own` are the addresses that are ours as far as we know.
pub(crate) fn is_admitted(
    claimed: SocketAddr,
    server: SocketAddr,
    allowed: &[IpAddr],
    own: &[IpAddr],
) -> bool {
    let (scope, ip) = (scope(claimed.ip()), claimed.ip());
    let is_possible = scope != Scope::Nowhere
        && claimed.port() != 0
        && claimed.is_ipv4() == server.is_ipv4()
        && !own.contains(&ip);
    is_possible && (allowed.contains(&ip) || scope == self::scope(server.ip()))
}

/// Whether a question may go to `claimed`, an address to which the way from `start` led.
///
/// As in [`is_admitted`] it is taken where it reaches as far as `start` and no further in. But the
/// servers of one name stand in both families, and those of one site in several of its networks.
pub(crate) fn reaches_as_far(claimed: IpAddr, start: IpAddr) -> bool {
    matches!(
        (scope(claimed), scope(start)),
        (Scope::Host, Scope::Host)
            | (Scope::Site(_), Scope::Site(_))
            | (Scope::Global, Scope::Global)
    )
}

/// How far an address of a server reaches that the DNS names for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is never a server's: see [`Scope::Nowhere`].
    Nowhere,
    /// It is this host.
    Host,
    /// It is somebody else's: of this site or anywhere, since the servers of a domain may well
    /// stand in the office.
    Beyond,
}

/// How far `ip` reaches, an address that the DNS names.
pub(crate) fn reach(ip: IpAddr) -> Reach {
    match scope(behind_nat64(ip)) {
        Scope::Nowhere => Reach::Nowhere,
        Scope::Host if ip.is_ipv6() && ip != IpAddr::V6(Ipv6Addr::LOCALHOST) => Reach::Nowhere,
        Scope::Host => Reach::Host,
        Scope::Site(_) | Scope::Global => Reach::Beyond,
    }
}

/// Where a site has IPv6 alone, its resolver puts IPv4 addresses behind this prefix (RFC 6147,
/// RFC 6052 §2.1).
fn behind_nat64(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = ip else { return ip };
    let [0x64, 0xFF9B, 0, 0, 0, 0, high, low] = six.segments() else { return ip };
    let [[first, second], [third, fourth]] = [high, low].map(u16::to_be_bytes);
    Ipv4Addr::new(first, second, third, fourth).into()
}

/// Whether `claimed` can serve as the other address of `server`: RFC 5780 §7.4 wants one that
/// differs in both IP address and port.
pub(crate) fn differs_in_both(claimed: SocketAddr, server: SocketAddr) -> bool {
    claimed.ip() != server.ip() && claimed.port() != server.port()
}

fn scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(ip) => scope_of_v4(ip),
        IpAddr::V6(ip) => scope_of_v6(ip),
    }
}

fn scope_of_v4(ip: Ipv4Addr) -> Scope {
    let [first, second, ..] = ip.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    if first == 0 || first >= 224 || ip.is_link_local() {
        Scope::Nowhere
    } else if ip.is_loopback() {
        Scope::Host
    } else if ip.is_private() || is_shared {
        Scope::Site(u64::from(u16::from_be_bytes([first, second])))
    } else {
        Scope::Global
    }
}

fn scope_of_v6(ip: Ipv6Addr) -> Scope {
    let [first, second, third, ..] = ip.segments();
    // Addresses that stand for an IPv4 address reach wherever that one does: mapped
    // (RFC 4291 §2.5.5.2), NAT64 (RFC 6052 §2.1, RFC 8215 §3), 6to4 (RFC 3056 §2) and
    // Teredo (RFC 4380 §4).
    let is_translated = ip.to_ipv4().is_some() && !ip.is_loopback()
        || first == 0x64 && second == 0xFF9B
        || first == 0x2002
        || first == 0x2001 && second == 0;
    let is_site_local = first & 0xFFC0 == 0xFEC0;
    let is_nowhere = ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local();
    if is_nowhere || is_translated || is_site_local {
        Scope::Nowhere
    } else if ip.is_loopback() {
        Scope::Host
    } else if first & 0xFE00 == 0xFC00 {
        let [first, second, third] = [first, second, third].map(u64::from);
        Scope::Site(first << 32 | second << 16 | third)
    } else {
        Scope::Global
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    fn is_admitted(claimed: &str, server: &str, allowed: &[&str]) -> bool {
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let ip = |text: &&str| -> IpAddr { text.parse().expect("an IP address") };
        let own = ["10.77.0.2", "203.0.113.2"].map(|text| ip(&text));
        let allowed: Vec<_> = allowed.iter().map(ip).collect();
        super::is_admitted(address(claimed), address(server), &allowed, &own)
    }

    // D-STUN-6
    #[test]
    fn a_server_names_only_what_reaches_as_far_as_itself() {
        for (claimed, server) in [
            ("198.51.100.11:3479", "198.51.100.10:3478"),
            ("127.0.0.2:3479", "127.0.0.1:3478"),
            ("10.1.9.9:3479", "10.1.0.1:3478"),
            ("100.64.0.2:3479", "100.64.0.1:3478"),
            ("[2001:db8::2]:3479", "[2001:db8::1]:3478"),
            ("[fd00:1:2:3::1]:3479", "[fd00:1:2::1]:3478"),
        ] {
            assert!(is_admitted(claimed, server, &[]), "{claimed} of {server}");
        }
        for (claimed, server) in [
            ("127.0.0.1:3479", "198.51.100.10:3478"),
            ("10.0.0.1:3479", "198.51.100.10:3478"),
            ("192.168.1.1:80", "198.51.100.10:3478"),
            ("172.16.0.1:80", "198.51.100.10:3478"),
            ("100.64.0.1:80", "198.51.100.10:3478"),
            ("10.2.0.1:3479", "10.1.0.1:3478"),
            ("198.51.100.10:3479", "10.1.0.1:3478"),
            ("198.51.100.10:3479", "127.0.0.1:3478"),
            ("[2001:db8::2]:3479", "198.51.100.10:3478"),
            ("[::1]:3479", "[2001:db8::1]:3478"),
            ("[fd00::1]:3479", "[2001:db8::1]:3478"),
            ("[fd00:1:3::1]:3479", "[fd00:1:2::1]:3478"),
        ] {
            assert!(!is_admitted(claimed, server, &[]), "{claimed} of {server}");
        }
    }

    // D-STUN-6
    #[test]
    fn an_address_that_is_never_a_destination_is_refused_even_where_it_is_allowed() {
        for (claimed, server) in [
            ("169.254.169.254:80", "198.51.100.10:3478"),
            ("0.0.0.0:3479", "198.51.100.10:3478"),
            ("0.1.2.3:3479", "198.51.100.10:3478"),
            ("224.0.0.1:3479", "198.51.100.10:3478"),
            ("240.0.0.1:3479", "198.51.100.10:3478"),
            ("255.255.255.255:3479", "198.51.100.10:3478"),
            ("10.77.0.2:3479", "198.51.100.10:3478"),
            ("203.0.113.2:3479", "198.51.100.10:3478"),
            ("198.51.100.11:0", "198.51.100.10:3478"),
            ("[::]:3479", "[2001:db8::1]:3478"),
            ("[ff02::1]:3479", "[2001:db8::1]:3478"),
            ("[fe80::1]:3479", "[2001:db8::1]:3478"),
            ("[fec0::1]:3479", "[2001:db8::1]:3478"),
            ("[::ffff:127.0.0.1]:3479", "[2001:db8::1]:3478"),
            ("[::127.0.0.1]:3479", "[2001:db8::1]:3478"),
            ("[64:ff9b::7f00:1]:3479", "[2001:db8::1]:3478"),
            ("[2002:7f00:1::1]:3479", "[2001:db8::1]:3478"),
            ("[2001:0:7f00:1::1]:3479", "[2001:db8::1]:3478"),
        ] {
            let ip = claimed.parse::<SocketAddr>().expect("an address").ip().to_string();
            assert!(!is_admitted(claimed, server, &[&ip]), "{claimed} of {server}");
        }
    }

    // D-SSRF-2
    #[test]
    fn a_server_of_a_domain_may_be_in_the_office_or_behind_nat64_and_is_never_everybody() {
        use super::Reach::{Beyond, Host, Nowhere};
        for (ip, expected) in [
            ("192.0.2.1", Beyond),
            ("10.1.0.1", Beyond),
            ("100.64.0.2", Beyond),
            ("2001:db8::1", Beyond),
            ("fd00::1", Beyond),
            ("64:ff9b::c000:201", Beyond),
            ("127.0.0.1", Host),
            ("127.3.0.1", Host),
            ("::1", Host),
            ("64:ff9b::7f00:1", Nowhere),
            ("64:ff9b::e000:1", Nowhere),
            ("64:ff9b:1::c000:201", Nowhere),
            ("::ffff:127.0.0.1", Nowhere),
            ("169.254.169.254", Nowhere),
            ("fe80::1", Nowhere),
            ("0.0.0.0", Nowhere),
            ("::", Nowhere),
            ("224.0.0.1", Nowhere),
            ("ff02::1", Nowhere),
            ("255.255.255.255", Nowhere),
        ] {
            let ip = ip.parse().expect("an IP address");
            assert_eq!(super::reach(ip), expected, "{ip}");
        }
    }

    #[test]
    fn what_the_configuration_allows_is_admitted_from_anywhere() {
        assert!(is_admitted("10.2.0.1:3479", "198.51.100.10:3478", &["10.2.0.1"]));
    }

    // D-STUN-6
    #[test]
    fn a_way_leads_to_other_networks_and_families_but_no_further_in_or_out() {
        let reaches_as_far = |claimed: &str, start: &str| {
            let ip = |text: &str| -> IpAddr { text.parse().expect("an IP address") };
            super::reaches_as_far(ip(claimed), ip(start))
        };
        for (claimed, start) in [
            ("198.51.100.11", "192.0.2.1"),
            ("2001:db8::2", "192.0.2.1"),
            ("192.0.2.1", "2001:db8::2"),
            ("10.2.0.1", "10.1.0.1"),
            ("fd00:1:3::1", "10.1.0.1"),
            ("127.0.0.2", "127.0.0.1"),
            ("::1", "127.0.0.1"),
        ] {
            assert!(reaches_as_far(claimed, start), "{claimed} from {start}");
        }
        for (claimed, start) in [
            ("127.0.0.1", "192.0.2.1"),
            ("::1", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.1"),
            ("fd00::1", "192.0.2.1"),
            ("127.0.0.1", "10.1.0.1"),
            ("192.0.2.1", "10.1.0.1"),
            ("192.0.2.1", "127.0.0.1"),
            ("169.254.169.254", "192.0.2.1"),
            ("224.0.0.1", "192.0.2.1"),
            ("255.255.255.255", "192.0.2.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::ffff:127.0.0.1", "2001:db8::1"),
            ("fe80::1", "fe80::1"),
        ] {
            assert!(!reaches_as_far(claimed, start), "{claimed} from {start}");
        }
    }
}
