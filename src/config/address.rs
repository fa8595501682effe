//! `Address`: a host, and a port where one is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use branchline_probes::{Chance, Foreign, Module};

use crate::check::Whom;

/// A host and, where it was written, a port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an address literal, an IPv6 one without brackets.
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Address {
    /// Reads `host:port`, `host`, `[v6]:port`, `[v6]` or an IPv6 literal.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to follow "`address` of target `x`".
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('@') {
            return Err("takes a host and a port alone, without a user name");
        }
        if text.contains('/') {
            return Err("takes a host and a port, not a URL");
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: None });
        }
        if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            if host.parse::<Ipv6Addr>().is_err() {
                return Err("has no IPv6 address between its brackets");
            }
            return match rest.strip_prefix(':') {
                Some(port) => Ok(Self { host: host.to_owned(), port: Some(parse_port(port)?) }),
                None if rest.is_empty() => Ok(Self { host: host.to_owned(), port: None }),
                None => Err("has something other than a port behind its brackets"),
            };
        }
        let (host, port) = match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => {
                return Err("is neither a host with a port nor an IPv6 address");
            }
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (text, None),
        };
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Address {
    /// Which addresses a check of this module asks: where there is no port, those that the module
    /// has found for the name.
    pub(super) fn whom(&self, module: &dyn Module) -> Whom {
        let is_name = self.host.parse::<IpAddr>().is_err();
        // Whether there is a locator is no matter of chance.
        let is_located = self.port.is_none()
            && is_name
            && module.locator(&self.host, Chance::from_seed([0; 32])).is_some();
        if is_located { Whom::Located } else { Whom::Host }
    }
}

/// The text of an address that is wrong, to follow what is wrong with it; what may hold a
/// password is not repeated.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('@') { String::new() } else { format!(": \"{}\"", Foreign::new(text)) }
}

/// Whether `host` is an IPv4 address or a name that the DNS can hold.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    if host.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    check_name(host.strip_suffix('.').unwrap_or(host)).map_err(|problem| match problem {
        NameProblem::Empty => "has no host",
        NameProblem::NotAscii => "has a host name that is not in its ASCII form (xn--…)",
        NameProblem::Labels | NameProblem::Long => "has a host that is no host name",
        // No top-level domain is a number: this is an IPv4 address gone wrong.
        NameProblem::Number => "has a host that is no IPv4 address",
    })
}

/// Why a text is no name that the DNS can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameProblem {
    Empty,
    NotAscii,
    /// One of its labels is empty, longer than 63 bytes or holds what a host name cannot hold.
    Labels,
    /// It is longer than 253 bytes.
    Long,
    /// Its last label is a number.
    Number,
}

/// Whether a text, without its last dot, is a name that the DNS can hold.
pub(super) fn check_name(name: &str) -> Result<(), NameProblem> {
    if name.is_empty() {
        return Err(NameProblem::Empty);
    }
    if !name.is_ascii() {
        return Err(NameProblem::NotAscii);
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !name.split('.').all(is_label) {
        return Err(NameProblem::Labels);
    }
    if name.len() > 253 {
        return Err(NameProblem::Long);
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(NameProblem::Number);
    }
    Ok(())
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| is_number && *port > 0)
        .ok_or("has a port that is not between 1 and 65535")
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_host_is_read_with_and_without_its_port() {
        for (text, host, port) in [
            ("turn.example.net:3478", "turn.example.net", Some(3478)),
            ("turn.example.net", "turn.example.net", None),
            ("turn.example.net.", "turn.example.net.", None),
            ("_sip._udp.example.net:1", "_sip._udp.example.net", Some(1)),
            ("192.0.2.1:65535", "192.0.2.1", Some(65535)),
            ("[2001:db8::1]:53", "2001:db8::1", Some(53)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("localhost", "localhost", None),
        ] {
            assert_eq!(Address::parse(text), Ok(Address { host: host.to_owned(), port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":53",
            "a:",
            "a:0",
            "a:65536",
            "a:+53",
            "a:b",
            "a:1:2",
            "-a",
            "a-",
            "a..b",
            "a b",
            "192.0.2.300",
            "192.0.2",
            "[192.0.2.1]:53",
            "[::1",
            "[::1]53",
            "sip:a:5060",
            "a/b",
            "stun://a",
            "a@b",
            "bücher.example",
            "a<b",
            "a;b",
            "a\"b",
            "a\rb",
            "::1%eth0",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        assert!(Address::parse(&"a.".repeat(128)).is_err());
        assert!(Address::parse(&"a".repeat(64)).is_err());
    }
}
