//! Who is in the cloud, and at which addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A nameserver or a resolver. Each is a process of its own, at addresses of its own, on port 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// The root, 198.51.100.20: `a.root-servers.net`. It delegates `test`.
    Root,
    /// The nameserver of `test`, 198.51.100.21: `ns.test`. It delegates the zones below.
    Top,
    /// The nameserver of `other.test`, 198.51.100.22: `ns.other.test`.
    Other,
    /// The only nameserver of `six.test`, 2001:db8:51::23: `ns.six.test`. It has no IPv4 address.
    Six,
    /// The primary of `lyon.test`, 198.51.100.31: `ns1.lyon.test`. It takes updates.
    Primary,
    /// A secondary of `lyon.test`, 198.51.100.32: `ns2.lyon.test`.
    Second,
    /// A secondary of `lyon.test`, 198.51.100.33: `ns3.other.test`, for which `test` has no glue.
    Third,
    /// 198.51.100.34: `ns4.lyon.test`, to which `lyon.test` is delegated and which refuses it.
    Lame,
    /// The resolver of the branch, 198.51.100.53: unbound, over TLS and HTTPS as well.
    Resolver,
    /// Another unbound, 198.51.100.54, told the same as the first: what the resolver does when
    /// nobody but the test asks it.
    Twin,
    /// A BIND that resolves, 198.51.100.55, and makes an address of every name that is not there.
    Rewriter,
}

impl Host {
    /// Every one of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Root,
        Self::Top,
        Self::Other,
        Self::Six,
        Self::Primary,
        Self::Second,
        Self::Third,
        Self::Lame,
        Self::Resolver,
        Self::Twin,
        Self::Rewriter,
    ];

    /// Those that hold a copy of `lyon.test` and learn of a change late.
    pub(crate) const SECONDARIES: [Self; 2] = [Self::Second, Self::Third];

    /// Its address: IPv4, where it has one.
    pub(crate) fn address(self) -> IpAddr {
        self.address_4().map_or_else(|| self.address_6(), IpAddr::from)
    }

    /// Its IPv6 address.
    pub(crate) fn address_6(self) -> IpAddr {
        let number = self.number();
        let read_in_hex = u16::from(number / 10 * 16 + number % 10);
        Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, 0, read_in_hex).into()
    }

    /// Its IPv4 address, if it has one.
    pub(crate) fn address_4(self) -> Option<Ipv4Addr> {
        (self != Self::Six).then(|| Ipv4Addr::new(198, 51, 100, self.number()))
    }

    /// The last number of its addresses, which reads the same in both.
    fn number(self) -> u8 {
        match self {
            Self::Root => 20,
            Self::Top => 21,
            Self::Other => 22,
            Self::Six => 23,
            Self::Primary => 31,
            Self::Second => 32,
            Self::Third => 33,
            Self::Lame => 34,
            Self::Resolver => 53,
            Self::Twin => 54,
            Self::Rewriter => 55,
        }
    }
}

impl From<Host> for IpAddr {
    fn from(host: Host) -> Self {
        host.address()
    }
}
