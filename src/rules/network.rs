//! Addresses and prefixes as the vendor writes them, and which addresses tell anything.

use std::net::IpAddr;

/// An address, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `None` where the text is neither an address nor a prefix.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    pub(super) fn is_of_family(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        let share = |one: u128, other: u128, all: u32| {
            (one ^ other).checked_shr(all - self.bits).unwrap_or_default() == 0
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                share(own.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => share(own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether others on the Internet can have seen this address: it is not private (RFC 1918 §3),
/// shared with other customers (RFC 6598 §7), unique local (RFC 4193 §3), of a link or of a host.
pub(super) fn is_public(address: IpAddr) -> bool {
    let inward = match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            first == 0
                || first >= 224
                || ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unicast_link_local()
                || ip.is_unique_local()
                || ip.to_ipv4().is_some()
        }
    };
    !inward
}

/// Whether two public addresses of one family lead into the same site: an IPv4 address is that of
/// its NAT, of IPv6 each host has its own within the site's prefix, a /48 (RFC 6177 §2) or longer.
pub(super) fn is_same_site(one: IpAddr, other: IpAddr) -> bool {
    let bits = if one.is_ipv4() { 32 } else { 48 };
    Network { address: one, bits }.contains(other)
}

/// The host of a SIP URI, where it is an address (RFC 3261 §19.1.1).
pub(super) fn host_of_uri(uri: &str) -> Option<IpAddr> {
    let uri = uri.split_once('<').map_or(uri, |(_, rest)| rest);
    let uri = uri.split('>').next()?.trim();
    let (scheme, rest) = uri.split_once(':')?;
    if !["sip", "sips"].iter().any(|it| scheme.eq_ignore_ascii_case(it)) {
        return None;
    }
    // A user may hold `;` and `?`, but no `@`.
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split([';', '?']).next()?;
    let host = match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => rest.split(':').next()?,
    };
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Network, host_of_uri, is_public, is_same_site};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_prefix_contains_what_begins_with_its_bits() {
        let contains = |network: &str, address: &str| {
            Network::parse(network).expect("a network").contains(ip(address))
        };

        assert!(contains("203.0.113.0/24", "203.0.113.255"));
        assert!(!contains("203.0.113.0/24", "203.0.112.255"));
        assert!(contains("203.0.113.7", "203.0.113.7"));
        assert!(!contains("203.0.113.7", "203.0.113.6"));
        assert!(contains("0.0.0.0/0", "203.0.113.7"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8:1::/48", "2001:db8:1:ffff::1"));
        assert!(!contains("2001:db8:1::/48", "2001:db8:2::1"));
        assert!(contains("::/0", "2001:db8:2::1"));
        for nonsense in ["", "lyon", "203.0.113.0/33", "203.0.113.0/x", "203.0.113.0/-1", "::/129"]
        {
            assert_eq!(Network::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn addresses_of_a_site_or_a_provider_are_not_public() {
        for inward in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:203.0.113.7",
        ] {
            assert!(!is_public(ip(inward)), "{inward}");
        }
        for public in ["203.0.113.7", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2001:db8::1"]
        {
            assert!(is_public(ip(public)), "{public}");
        }
    }

    #[test]
    fn a_site_has_one_address_of_ipv4_and_a_prefix_of_ipv6() {
        assert!(is_same_site(ip("203.0.113.7"), ip("203.0.113.7")));
        assert!(!is_same_site(ip("203.0.113.7"), ip("203.0.113.8")));
        assert!(is_same_site(ip("2001:db8:1:2::7"), ip("2001:db8:1:3::8")));
        assert!(!is_same_site(ip("2001:db8:1::7"), ip("2001:db8:2::7")));
    }

    #[test]
    fn the_host_of_a_uri_is_read_where_it_is_an_address() {
        let four = Some(ip("203.0.113.7"));
        for uri in [
            "sip:203.0.113.7",
            "sip:203.0.113.7:5060;transport=tls",
            "SIPS:desk;x=1@203.0.113.7:5061",
            "\"Desk\" <sip:desk@203.0.113.7;ob>;expires=60",
        ] {
            assert_eq!(host_of_uri(uri), four, "{uri}");
        }
        assert_eq!(host_of_uri("sip:[2001:db8::1]:5060"), Some(ip("2001:db8::1")));
        for other in ["", "sip:", "tel:+33400000000", "sip:desk@example.net", "203.0.113.7"] {
            assert_eq!(host_of_uri(other), None, "{other}");
        }
    }
}
