//! SIP URIs (RFC 3261 §19.1.1, §25.1), as far as an address-of-record needs them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whose registration it is: `sip:user@host`, without parameters and without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressOfRecord {
    user: String,
    host: String,
}

impl AddressOfRecord {
    /// Reads `sip:user@host`.
    ///
    /// # Errors
    ///
    /// [`BadUri`] tells the position of the first character that does not fit, counted from 1.
    pub fn read(text: &str) -> Result<Self, BadUri> {
        let bad = |position: usize, what| Err(BadUri { position: position + 1, what });
        let Some(rest) = text.strip_prefix("sip:") else {
            return bad(0, "an address-of-record begins with \"sip:\"");
        };
        let start = text.len() - rest.len();
        let Some(at) = rest.find('@') else {
            return bad(text.len(), "\"@\" and the domain are missing");
        };
        let (user, host) = (&rest[..at], &rest[at + 1..]);
        if user.is_empty() {
            return bad(start, "the user is missing");
        }
        if let Some(index) = first_bad(user) {
            let what = if user[index..].starts_with(':') {
                "a password does not belong into a URI"
            } else {
                "this character cannot stand in a user"
            };
            return bad(start + index, what);
        }
        let host_start = start + at + 1;
        if host.is_empty() {
            return bad(host_start, "the domain is missing");
        }
        if let Some(index) = first_bad_of_host(host) {
            return bad(host_start + index, "this character cannot stand in a domain");
        }
        Ok(Self { user: user.to_owned(), host: host.to_owned() })
    }

    /// The user part.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The host part: a domain or an address literal.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for AddressOfRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sip:{}@{}", self.user, self.host)
    }
}

/// Text that is no address-of-record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no SIP URI: {what} (character {position})")]
pub struct BadUri {
    /// The first character that does not fit, counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// `user = 1*( unreserved / escaped / user-unreserved )`.
fn first_bad(user: &str) -> Option<usize> {
    let bytes = user.as_bytes();
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let is_escape = byte == b'%'
            && bytes
                .get(index + 1..index + 3)
                .is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
        if is_escape {
            index += 3;
        } else if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            index += 1;
        } else {
            return Some(index);
        }
    }
    None
}

/// `host = hostname / IPv4address / IPv6reference`.
fn first_bad_of_host(host: &str) -> Option<usize> {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_err().then_some(1);
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let odd = host.bytes().position(|byte| !byte.is_ascii_alphanumeric() && !b"-.".contains(&byte));
    odd.or_else(|| {
        let mut start = 0;
        host.strip_suffix('.').unwrap_or(host).split('.').find_map(|label| {
            let here = start;
            start += label.len() + 1;
            let is_bad = label.is_empty() || label.starts_with('-') || label.ends_with('-');
            is_bad.then_some(here)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::AddressOfRecord;

    #[test]
    fn an_address_of_record_is_read_and_written_the_same() {
        for text in
            ["sip:1001@sip.example.com", "sip:+33400000000@192.0.2.1", "sip:a%20b@[2001:db8::1]"]
        {
            assert_eq!(AddressOfRecord::read(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_position() {
        let position = |text| AddressOfRecord::read(text).expect_err(text).position;

        assert_eq!(position("1001@example.com"), 1);
        assert_eq!(position("sip:1001"), 9);
        assert_eq!(position("sip:@example.com"), 5);
        assert_eq!(position("sip:10 01@example.com"), 7);
        assert_eq!(position("sip:1001:secret@example.com"), 9);
        assert_eq!(position("sip:1001@exam_ple.com"), 14);
        assert_eq!(position("sip:1001@a..b"), 12);
        assert_eq!(position("sip:1001@"), 10);
        assert_eq!(position("sip:1001@example.com;transport=tcp"), 21);
        assert_eq!(position("sip:1<2@example.com"), 6);
    }
}
