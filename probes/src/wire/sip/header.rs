//! The values of SIP headers: lists, parameters, Via, Contact and challenges, out of raw bytes.

use std::collections::BTreeSet;

/// The top Via of a response (RFC 3261 §20.42).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// Who sent the request, in its own view: `192.0.2.1:5060`.
    pub sent_by: Vec<u8>,
    /// The transaction.
    pub branch: Option<Vec<u8>>,
    /// The address from which the server received the request, an IPv6 address without the brackets
    /// that about half of all servers add (RFC 5118 §4.5).
    pub received: Option<Vec<u8>>,
    /// The port from which the server received the request (RFC 3581).
    pub rport: Option<Vec<u8>>,
}

impl Via {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let (front, parameters) = split_parameters(value);
        // `SIP / 2.0 / UDP host:port`: the transport ends in white space.
        let after_transport = front.splitn(3, |&byte| byte == b'/').nth(2)?.trim_ascii_start();
        let gap = after_transport.iter().position(u8::is_ascii_whitespace)?;
        Some(Self {
            sent_by: after_transport[gap..].trim_ascii().to_vec(),
            branch: parameter(&parameters, b"branch"),
            received: parameter(&parameters, b"received").map(without_brackets),
            rport: parameter(&parameters, b"rport"),
        })
    }
}

/// One contact binding (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The URI, without its angle brackets.
    pub uri: Vec<u8>,
    /// How many seconds the binding still holds.
    pub expires: Option<u32>,
}

impl Contact {
    /// Neither `*`, which only a request may say (RFC 3261 §10.2.2), nor nothing is a contact.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let (uri, rest) = match unquoted_position(value, b'<') {
            Some(open) => {
                let close = open + value[open..].iter().position(|&byte| byte == b'>')?;
                (&value[open + 1..close], &value[close + 1..])
            }
            // Without brackets, parameters are the header's, not the URI's.
            None => {
                value.split_at(value.iter().position(|&byte| byte == b';').unwrap_or(value.len()))
            }
        };
        let (_, parameters) = split_parameters(rest);
        let uri = uri.trim_ascii();
        if uri.is_empty() || uri == b"*" {
            return None;
        }
        Some(Self {
            uri: uri.to_vec(),
            expires: parameter(&parameters, b"expires").and_then(|it| number(&it)),
        })
    }
}

/// A demand for credentials by digest (RFC 7616 §3.3, RFC 8760 §2).
///
/// Texts are kept as they stood between their quotes, escapes included: so they are hashed and
/// sent back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The realm.
    pub realm: Vec<u8>,
    /// The nonce.
    pub nonce: Vec<u8>,
    /// What is to be sent back unchanged.
    pub opaque: Option<Vec<u8>>,
    /// The algorithm's word; none means MD5.
    pub algorithm: Option<Vec<u8>>,
    /// The qualities of protection on offer.
    pub qop: Option<Vec<u8>>,
    /// Whether the credentials were right and only the nonce was old.
    pub stale: bool,
}

impl Challenge {
    /// Reads every Digest challenge of one header value: RFC 3261 puts one in each header, and
    /// HTTP's habit of joining them by commas is found as well.
    ///
    /// A challenge that says a parameter twice is none (RFC 9110 §11.2).
    pub(super) fn read_all(value: &[u8]) -> Vec<Self> {
        let mut challenges: Vec<(&[u8], Parameters<'_>)> = Vec::new();
        for element in split_list(value, b',') {
            let element = element.trim_ascii();
            let name_end = element.iter().position(|&byte| byte == b'=').unwrap_or(element.len());
            let head = element[..name_end].trim_ascii_end();
            // `Digest realm` before the equals sign: a scheme, then the first parameter.
            let parameter = match head.iter().rposition(u8::is_ascii_whitespace) {
                Some(gap) => {
                    challenges.push((head[..gap].trim_ascii(), Vec::new()));
                    &element[gap + 1..]
                }
                None => element,
            };
            if let (Some((_, parameters)), Some((name, value))) =
                (challenges.last_mut(), split_once(parameter, b'='))
            {
                parameters.push((name.trim_ascii(), value.trim_ascii()));
            }
        }
        let digests =
            challenges.iter().filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"digest"));
        digests.filter_map(|(_, parameters)| Self::of(parameters)).collect()
    }

    fn of(parameters: &Parameters<'_>) -> Option<Self> {
        (!is_ambiguous(parameters)).then(|| Self {
            realm: parameter(parameters, b"realm").unwrap_or_default(),
            nonce: parameter(parameters, b"nonce").unwrap_or_default(),
            opaque: parameter(parameters, b"opaque"),
            algorithm: parameter(parameters, b"algorithm"),
            qop: parameter(parameters, b"qop"),
            stale: parameter(parameters, b"stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
        })
    }
}

/// What a server says behind credentials that it took (RFC 3261 §20.6, RFC 7616 §3.5).
///
/// Texts are kept as they stood between their quotes, escapes included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationInfo {
    /// The nonce for the next request.
    pub next_nonce: Option<Vec<u8>>,
    /// The quality of protection of the response.
    pub qop: Option<Vec<u8>>,
    /// The digest by which the server shows that it knows the password, too.
    pub response_auth: Option<Vec<u8>>,
    /// The client's nonce, repeated.
    pub client_nonce: Option<Vec<u8>>,
    /// The count of the client's nonce, repeated.
    pub nonce_count: Option<Vec<u8>>,
}

impl AuthenticationInfo {
    /// Reads the values of every such header as one list; one that says a parameter twice is none.
    pub(super) fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let elements = values.flat_map(|value| split_list(value, b','));
        let parameters: Parameters<'a> = elements
            .filter_map(|element| split_once(element, b'='))
            .map(|(name, value)| (name.trim_ascii(), value.trim_ascii()))
            .collect();
        if parameters.is_empty() || is_ambiguous(&parameters) {
            return None;
        }
        Some(Self {
            next_nonce: parameter(&parameters, b"nextnonce"),
            qop: parameter(&parameters, b"qop"),
            response_auth: parameter(&parameters, b"rspauth"),
            client_nonce: parameter(&parameters, b"cnonce"),
            nonce_count: parameter(&parameters, b"nc"),
        })
    }
}

/// Splits a header's list at `separator`, but not inside quotes or angle brackets.
pub(super) fn split_list(value: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut in_quotes, mut in_brackets, mut escaped) = (0, false, false, false);
    for (index, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_brackets = true,
            b'>' if !in_quotes => in_brackets = false,
            _ if byte == separator && !in_quotes && !in_brackets => {
                parts.push(&value[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[start..]);
    parts
}

/// A decimal number that fits 32 bits; anything else is none.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    let digits = digits.trim_ascii();
    let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_decimal.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

type Parameters<'a> = Vec<(&'a [u8], &'a [u8])>;

/// The front of a value, and the parameters behind it.
fn split_parameters(value: &[u8]) -> (&[u8], Parameters<'_>) {
    let mut parts = split_list(value, b';').into_iter();
    let front = parts.next().unwrap_or_default();
    let parameters = parts.map(|part| {
        let (name, value) = split_once(part, b'=').unwrap_or((part, b""));
        (name.trim_ascii(), value.trim_ascii())
    });
    (front, parameters.collect())
}

/// The `tag` of a From or To (RFC 3261 §20.20): a token, whose quotes would be its own.
pub(super) fn tag(value: &[u8]) -> Option<Vec<u8>> {
    let (_, parameters) = split_parameters(value);
    only(&parameters, b"tag").map(<[u8]>::to_vec)
}

fn parameter(parameters: &Parameters<'_>, wanted: &[u8]) -> Option<Vec<u8>> {
    only(parameters, wanted).map(unquote)
}

/// A parameter that is said once; none may be said twice (RFC 3261 §7.3.1), and whoever reads the
/// other one of two would understand another message.
fn only<'a>(parameters: &Parameters<'a>, wanted: &[u8]) -> Option<&'a [u8]> {
    let mut found = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let (_, value) = found.next()?;
    found.next().is_none().then_some(*value)
}

fn is_ambiguous(parameters: &Parameters<'_>) -> bool {
    let mut names = BTreeSet::new();
    !parameters.iter().all(|(name, _)| names.insert(name.to_ascii_lowercase()))
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn unquote(value: &[u8]) -> Vec<u8> {
    let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.unwrap_or(value).to_vec()
}

fn without_brackets(address: Vec<u8>) -> Vec<u8> {
    let inner = address.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    inner.map(<[u8]>::to_vec).unwrap_or(address)
}

fn unquoted_position(value: &[u8], wanted: u8) -> Option<usize> {
    let (mut in_quotes, mut escaped) = (false, false);
    value.iter().position(|&byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            _ => {}
        }
        byte == wanted && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use super::{AuthenticationInfo, Challenge, Contact, Via, split_list, tag};

    #[test]
    fn challenges_joined_by_a_comma_are_two() {
        let value = br#"Digest realm="a\"b, c", nonce="n1", qop="auth,auth-int", algorithm=SHA-256,
                       Digest realm="d", nonce="n2" , stale=TRUE"#;

        let challenges = Challenge::read_all(value);

        assert_eq!(challenges.len(), 2);
        assert_eq!(challenges[0].realm, br#"a\"b, c"#);
        assert_eq!(challenges[0].qop.as_deref(), Some(&b"auth,auth-int"[..]));
        assert_eq!(challenges[0].algorithm.as_deref(), Some(&b"SHA-256"[..]));
        assert!(challenges[1].stale);
    }

    #[test]
    fn another_scheme_is_no_digest_challenge_and_hides_none() {
        let value = b"Bearer realm=\"x\", DIGEST  realm=\"r\",nonce=\"n\"";

        let challenges = Challenge::read_all(value);

        assert_eq!(challenges.len(), 1);
        assert_eq!(challenges[0].realm, b"r");
    }

    #[test]
    fn a_contact_is_read_with_and_without_brackets() {
        let bracketed = Contact::read(br#""A <B" <sip:1@192.0.2.1:5060;x=y>;q=1;expires=60"#);
        let bare = Contact::read(b"sip:1@192.0.2.1;expires=30");

        let bracketed = bracketed.expect("a contact");
        assert_eq!(bracketed.uri, b"sip:1@192.0.2.1:5060;x=y");
        assert_eq!(bracketed.expires, Some(60));
        assert_eq!(bare.expect("a contact").expires, Some(30));
    }

    #[test]
    fn a_via_is_read_with_spaces_and_ipv6() {
        let via = Via::read(
            b"SIP / 2.0 / UDP [2001:db8::9]:5060;rport=5061 ;received=2001:db8::9;branch=z9hG4bK7",
        )
        .expect("a Via");

        assert_eq!(via.sent_by, b"[2001:db8::9]:5060");
        assert_eq!(via.rport.as_deref(), Some(&b"5061"[..]));
        assert_eq!(via.received.as_deref(), Some(&b"2001:db8::9"[..]));
        assert_eq!(via.branch.as_deref(), Some(&b"z9hG4bK7"[..]));
    }

    // RFC 5118 §4.5
    #[test]
    fn received_is_one_address_with_and_without_brackets() {
        for received in ["[2001:db8::9]", "2001:db8::9", "\"[2001:db8::9]\""] {
            let value = format!("SIP/2.0/UDP h;received={received};branch=z9hG4bK7");

            let via = Via::read(value.as_bytes()).expect("a Via");

            assert_eq!(via.received.as_deref(), Some(&b"2001:db8::9"[..]), "{received}");
        }
    }

    #[test]
    fn what_stands_in_quotes_is_no_parameter_and_no_further_via() {
        let value = br#"SIP/2.0/UDP h;x="a;branch=z9hG4bKno, \"b";branch=z9hG4bK7"#;

        let vias = split_list(value, b',');

        assert_eq!(vias.len(), 1);
        let branch = Via::read(vias[0]).expect("a Via").branch;
        assert_eq!(branch.as_deref(), Some(&b"z9hG4bK7"[..]));
    }

    // RFC 3261 §7.3.1
    #[test]
    fn a_parameter_that_is_said_twice_says_nothing() {
        let via = Via::read(b"SIP/2.0/UDP h;branch=z9hG4bK7;BRANCH=z9hG4bK7;rport=9");
        let contact = Contact::read(b"<sip:1@192.0.2.1>;expires=60;q=1;Expires=0");

        let via = via.expect("a Via");
        assert_eq!((via.branch, via.rport.as_deref()), (None, Some(&b"9"[..])));
        assert_eq!(contact.expect("a contact").expires, None);
        assert_eq!(tag(b"<sip:a@b>;tag=1;tag=2"), None);
    }

    // RFC 9110 §11.2
    #[test]
    fn a_challenge_that_says_a_parameter_twice_is_none_and_hides_none() {
        for twice in [
            r#"realm="a", nonce="n", REALM="b""#,
            r#"realm="a", nonce="n", algorithm=SHA-256, algorithm=MD5"#,
            r#"realm="a", nonce="n", x=1, x=1"#,
        ] {
            let value = format!(r#"Digest {twice}, Digest realm="r", nonce="n""#);

            let challenges = Challenge::read_all(value.as_bytes());

            assert_eq!(challenges.len(), 1, "{twice}");
            assert_eq!(challenges[0].realm, b"r", "{twice}");
        }
    }

    // RFC 3261 §10.2.2: only a request says it.
    #[test]
    fn neither_a_star_nor_nothing_is_a_contact() {
        for value in ["*", " * ", "", "<>", "\"Name\" <>;expires=60", ";expires=60", "<*>"] {
            assert_eq!(Contact::read(value.as_bytes()), None, "{value}");
        }
    }

    // RFC 3261 §20.10: a URI with a comma has to stand in brackets.
    #[test]
    fn a_comma_in_brackets_or_quotes_parts_no_contacts() {
        let value =
            br#"<sip:a,b@h>;expires=1, "C, <D>" <sip:c@h>;q=0.5;expires=2,sip:d@h;expires=3"#;

        let contacts = split_list(value, b',').into_iter().filter_map(Contact::read);

        let read: Vec<_> = contacts.map(|contact| (contact.uri, contact.expires)).collect();
        let expected: [(&[u8], _); 3] =
            [(b"sip:a,b@h", Some(1)), (b"sip:c@h", Some(2)), (b"sip:d@h", Some(3))];
        assert_eq!(read, expected.map(|(uri, expires)| (uri.to_vec(), expires)));
    }

    // RFC 3261 §25.1: EQUAL and SEMI may have white space around them.
    #[test]
    fn a_tag_is_read_with_spaces_and_never_out_of_a_name_or_a_uri() {
        let value = br#""Eve;tag=1" <sip:eve@example.com;tag=2> ; TAG = 3"#;

        assert_eq!(tag(value).as_deref(), Some(&b"3"[..]));
        assert_eq!(tag(b"<sip:eve@example.com;tag=2>"), None);
    }

    // RFC 3261 §20.6
    #[test]
    fn what_follows_upon_credentials_is_read() {
        let value = br#"nextnonce="47364c23\"4,", qop=auth , RSPAUTH="6629fae4",cnonce="0a4f113b",
                       nc=00000001, x=y"#;

        let info = AuthenticationInfo::read([&value[..]].into_iter()).expect("it is there");

        assert_eq!(info.next_nonce.as_deref(), Some(&br#"47364c23\"4,"#[..]));
        assert_eq!(info.qop.as_deref(), Some(&b"auth"[..]));
        assert_eq!(info.response_auth.as_deref(), Some(&b"6629fae4"[..]));
        assert_eq!(info.client_nonce.as_deref(), Some(&b"0a4f113b"[..]));
        assert_eq!(info.nonce_count.as_deref(), Some(&b"00000001"[..]));
    }

    #[test]
    fn what_follows_upon_credentials_may_stand_in_two_lines_but_not_twice() {
        let read = |values: &[&'static str]| {
            AuthenticationInfo::read(values.iter().map(|value| value.as_bytes()))
        };

        let both = read(&["nextnonce=\"a\"", "qop=auth"]).expect("it is there");

        assert_eq!(both.next_nonce.as_deref(), Some(&b"a"[..]));
        assert_eq!(both.qop.as_deref(), Some(&b"auth"[..]));
        assert_eq!(read(&["nextnonce=\"a\"", "nextnonce=\"b\""]), None);
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["nothing"]), None);
    }
}
