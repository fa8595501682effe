//! A network as `address/prefix`.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The widest network that can be allowed: the largest private one is as wide (RFC 1918 §3).
const WIDEST_IPV4: u32 = 8;
/// The same for IPv6, where a provider has /32 at most, as a rule.
const WIDEST_IPV6: u32 = 16;

/// A network from which requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// Why a text is no network that can be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadNetwork {
    /// It is not `address/prefix`.
    Unreadable,
    /// The address has bits behind the prefix.
    HostBits(Network),
    /// It is wider than the widest that can be allowed, whose prefix this is.
    TooWide(u32),
}

impl fmt::Display for BadNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => {
                write!(
                    formatter,
                    "it is no network; write `192.0.2.0/24`, `2001:db8::/32` or an address"
                )
            }
            Self::HostBits(network) => {
                write!(
                    formatter,
                    "the address has bits behind the prefix; the network is `{network}`"
                )
            }
            Self::TooWide(widest) => {
                write!(
                    formatter,
                    "it is too wide, which makes a mirror for everybody; /{widest} is the widest"
                )
            }
        }
    }
}

impl Error for BadNetwork {}

impl Network {
    /// This host alone.
    pub const LOOPBACK: [Self; 2] = [
        Self { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
        Self { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
    ];

    /// Whether the address lies within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && masked(address, self.prefix) == masked(self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork::Unreadable)?;
        let (longest, widest) = match address {
            IpAddr::V4(_) => (Ipv4Addr::BITS, WIDEST_IPV4),
            IpAddr::V6(_) => (Ipv6Addr::BITS, WIDEST_IPV6),
        };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| BadNetwork::Unreadable)?,
            None => longest,
        };
        if prefix > longest {
            return Err(BadNetwork::Unreadable);
        }
        if prefix < widest {
            return Err(BadNetwork::TooWide(widest));
        }
        let network = masked(address, prefix);
        if network != address {
            return Err(BadNetwork::HostBits(Self { address: network, prefix }));
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// The address without what stands behind the prefix.
fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(Ipv4Addr::BITS.saturating_sub(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(Ipv6Addr::BITS.saturating_sub(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{BadNetwork, Network};

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        for (text, within, beyond) in [
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("192.0.2.0/24", "192.0.2.0", "::c000:200"),
        ] {
            assert!(network(text).contains(address(within)), "{text}: {within}");
            assert!(!network(text).contains(address(beyond)), "{text}: {beyond}");
        }
    }

    #[test]
    fn this_host_is_all_of_127_and_one_address_of_ipv6() {
        let is_here = |text| Network::LOOPBACK.iter().any(|own| own.contains(address(text)));

        assert!(is_here("127.255.0.1") && is_here("::1"));
        assert!(!is_here("128.0.0.1") && !is_here("::2"));
    }

    #[test]
    fn a_network_for_everybody_is_none() {
        for text in ["0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/7"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork::TooWide(8)), "{text}");
        }
        assert_eq!("::/0".parse::<Network>(), Err(BadNetwork::TooWide(16)));
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let error = "192.0.2.7/24".parse::<Network>().unwrap_err();

        assert_eq!(
            error.to_string(),
            "the address has bits behind the prefix; the network is `192.0.2.0/24`"
        );
        for text in ["", "lyon", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2/24"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork::Unreadable), "{text}");
        }
    }
}
