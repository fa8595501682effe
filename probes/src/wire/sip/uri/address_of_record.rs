//! `AddressOfRecord`: the URI of whom a registration is for.

use std::fmt;

use super::escape::{first_wrong, words};
use super::read::{Reader, USER};
use super::{BadUri, Scheme, SipUri};

/// Whose registration it is: `sip:user@host` or `sips:user@host`, without port, parameters,
/// headers and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressOfRecord {
    uri: SipUri,
    user: String,
}

impl AddressOfRecord {
    /// Reads `sip:user@host`.
    ///
    /// # Errors
    ///
    /// [`BadUri`] tells the position of the first character that does not fit, counted from 1.
    pub fn read(text: &str) -> Result<Self, BadUri> {
        let mut reader = Reader::new(text);
        let scheme = reader.scheme()?;
        let (Some(user), _) = reader.userinfo(false)? else {
            let rest = reader.rest();
            let wrong = first_wrong(rest, USER);
            let what = wrong.map_or(NO_DOMAIN, |at| words(rest.as_bytes()[at], NO_DOMAIN));
            return Err(reader.bad(wrong.unwrap_or(rest.len()), what));
        };
        let host = reader.host()?;
        match reader.rest().bytes().next() {
            Some(b':') => return Err(reader.bad(0, "a port does not belong here")),
            Some(b';') => return Err(reader.bad(0, "parameters do not belong here")),
            Some(b'?') => return Err(reader.bad(0, "headers do not belong here")),
            Some(_) | None => reader.end()?,
        }
        let (parameters, headers) = (Vec::new(), Vec::new());
        let named = Some(user.clone());
        let uri =
            SipUri { scheme, user: named, password: None, host, port: None, parameters, headers };
        Ok(Self { uri, user })
    }

    /// `sip` or `sips`.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.uri.scheme
    }

    /// The user part.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The host part: a domain or an address literal.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.uri.host
    }
}

impl fmt::Display for AddressOfRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(formatter)
    }
}

const NO_DOMAIN: &str = "\"@\" and the domain are missing";

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

    #[test]
    fn what_a_uri_may_have_and_an_address_of_record_may_not_is_refused_where_it_begins() {
        let bad = |text| AddressOfRecord::read(text).expect_err(text).to_string();

        assert_eq!(bad("sip:1001@example.com:5060"), "a port does not belong here (character 21)");
        assert_eq!(
            bad("sip:1001@[2001:db8::1];lr"),
            "parameters do not belong here (character 23)"
        );
        assert_eq!(bad("sip:1001@a?b=c d"), "headers do not belong here (character 11)");
        assert_eq!(
            bad("sip:10 01"),
            "a blank cannot stand in a URI; its escape is %20 (character 7)"
        );
        assert_eq!(AddressOfRecord::read("SIPS:1@a").expect("it is one").to_string(), "sips:1@a");
    }
}
