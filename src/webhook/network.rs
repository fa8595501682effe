//! `Network`: addresses that share a prefix.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that share a prefix, as `192.0.2.0/24`; one address alone is one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is not written so.
    #[error("is no address, and no network such as 192.0.2.0/24")]
    Form,
    /// Bits behind the prefix are set: maybe another prefix was meant.
    #[error("has bits of its address behind its prefix")]
    Host,
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && masked(address, self.prefix) == masked(self.address, self.prefix)
    }

    /// Those of the loopback.
    #[must_use]
    pub fn loopback() -> Vec<Self> {
        vec![
            Self { address: IpAddr::from([127, 0, 0, 0]), prefix: 8 },
            Self { address: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), prefix: 128 },
        ]
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let prefix = match prefix {
            None => bits(address),
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse().map_err(|_| NetworkError::Form)?
            }
            Some(_) => return Err(NetworkError::Form),
        };
        if prefix > bits(address) {
            return Err(NetworkError::Form);
        }
        if masked(address, prefix) != masked(address, bits(address)) {
            return Err(NetworkError::Host);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The address without what is behind the prefix.
pub(super) fn masked(address: IpAddr, prefix: u32) -> u128 {
    let (number, bits) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let behind = bits - prefix.min(bits);
    number.checked_shr(behind).unwrap_or_default().checked_shl(behind).unwrap_or_default()
}

const fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::{Network, NetworkError};

    fn network(text: &str) -> Network {
        text.parse().expect("it is one")
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (of, within, without) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9"),
        ] {
            assert!(network(of).contains(within.parse().expect("an address")), "{of} {within}");
            assert!(!network(of).contains(without.parse().expect("an address")), "{of} {without}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/+4", "::/129", "host", "1.2.3/8"]
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Form), "{text}");
        }
        assert_eq!("192.0.2.7/24".parse::<Network>(), Err(NetworkError::Host));
    }
}
