//! The values of SIP headers: lists, parameters, Via, Contact and challenges, out of raw bytes.

/// The top Via of a response (RFC 3261 §20.42).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// Who sent the request, in its own view: `192.0.2.1:5060`.
    pub sent_by: Vec<u8>,
    /// The transaction.
    pub branch: Option<Vec<u8>>,
    /// The address from which the server received the request.
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
            received: parameter(&parameters, b"received"),
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
        Some(Self {
            uri: uri.trim_ascii().to_vec(),
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
    pub(super) fn read_all(value: &[u8]) -> Vec<Self> {
        let mut challenges: Vec<Option<Self>> = Vec::new();
        for element in split_list(value, b',') {
            let element = element.trim_ascii();
            let name_end = element.iter().position(|&byte| byte == b'=').unwrap_or(element.len());
            let head = element[..name_end].trim_ascii_end();
            // `Digest realm` before the equals sign: a scheme, then the first parameter.
            let parameter = match head.iter().rposition(u8::is_ascii_whitespace) {
                Some(gap) => {
                    let is_digest = head[..gap].trim_ascii().eq_ignore_ascii_case(b"digest");
                    challenges.push(is_digest.then(Self::default));
                    &element[gap + 1..]
                }
                None => element,
            };
            if let Some(Some(challenge)) = challenges.last_mut() {
                challenge.take(parameter);
            }
        }
        challenges.into_iter().flatten().collect()
    }

    fn take(&mut self, parameter: &[u8]) {
        let Some((name, value)) = split_once(parameter, b'=') else { return };
        let value = unquote(value.trim_ascii());
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"realm" => self.realm = value,
            b"nonce" => self.nonce = value,
            b"opaque" => self.opaque = Some(value),
            b"algorithm" => self.algorithm = Some(value),
            b"qop" => self.qop = Some(value),
            b"stale" => self.stale = value.eq_ignore_ascii_case(b"true"),
            _ => {}
        }
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

fn split_parameters(value: &[u8]) -> (&[u8], Parameters<'_>) {
    let mut parts = split_list(value, b';').into_iter();
    let front = parts.next().unwrap_or_default();
    let parameters = parts.map(|part| {
        let (name, value) = split_once(part, b'=').unwrap_or((part, b""));
        (name.trim_ascii(), value.trim_ascii())
    });
    (front, parameters.collect())
}

fn parameter(parameters: &Parameters<'_>, wanted: &[u8]) -> Option<Vec<u8>> {
    let found = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| unquote(value))
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn unquote(value: &[u8]) -> Vec<u8> {
    let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.unwrap_or(value).to_vec()
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
    use super::{Challenge, Contact, Via};

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
}
