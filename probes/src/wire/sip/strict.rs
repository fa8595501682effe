//! The pattern to which the vendor's guide holds the SIP URI of a trunk:
//!
//! ```text
//! ^sip:([a-zA-Z0-9.-]+)@([a-zA-Z0-9.-]+)(:[0-9]+)?$
//! ```
//!
//! It is **not** the grammar of RFC 3261 §25.1, whatever the guide calls it. Valid URIs fail it
//! (`sip:+33400000000@example.net`, every `sips:`, parameters, IPv6 addresses), and what is no URI
//! fits it (`sip:a@-..:0`). [`SipUri::read`](super::SipUri::read) is the grammar; this tells
//! whether the trunk settings would take the text, too.

use super::uri::BadUri;

/// Checks a text against the pattern.
///
/// # Errors
///
/// [`BadUri`] tells the first character that does not fit the pattern, counted from 1.
pub fn check(text: &str) -> Result<(), BadUri> {
    let bad = |at, what| Err(BadUri::at(text, at, what));
    let scheme = text.bytes().zip(*SCHEME).take_while(|(one, other)| one == other).count();
    if scheme < SCHEME.len() {
        return bad(scheme, "it has to begin with \"sip:\", in lower case");
    }
    let at = scheme + run(&text[scheme..]);
    match text.as_bytes().get(at) {
        Some(b'@') if at == scheme => return bad(at, "the user is missing"),
        Some(b'@') => {}
        Some(_) => return bad(at, "a user has only letters, digits, \".\" and \"-\""),
        None => return bad(at, "\"@\" and the domain are missing"),
    }
    let host = at + 1;
    let end = host + run(&text[host..]);
    match text.as_bytes().get(end) {
        None if end == host => return bad(end, "the domain is missing"),
        None => return Ok(()),
        Some(b':') if end > host => {}
        Some(_) => return bad(end, "a domain has only letters, digits, \".\" and \"-\""),
    }
    let port = &text[end + 1..];
    match port.bytes().position(|byte| !byte.is_ascii_digit()) {
        Some(wrong) => bad(end + 1 + wrong, "a port has only digits, and nothing follows it"),
        None if port.is_empty() => bad(text.len(), "the port is missing"),
        None => Ok(()),
    }
}

/// How many characters of `[a-zA-Z0-9.-]` a text begins with.
fn run(text: &str) -> usize {
    text.bytes().take_while(|it| it.is_ascii_alphanumeric() || b".-".contains(it)).count()
}

const SCHEME: &[u8; 4] = b"sip:";

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_fits_the_pattern_passes_be_it_a_uri_or_not() {
        for text in [
            "sip:trunk@customer.carrier.net:5060",
            "sip:1001@192.0.2.4",
            "sip:A.b-9@H",
            "sip:a@-..:0",
            "sip:a@b:00099999",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn valid_uris_that_do_not_fit_are_told_by_their_first_character_too_many() {
        let position = |text| check(text).expect_err(text).position;

        assert_eq!(position("sip:+33400000000@example.net"), 5);
        assert_eq!(position("sips:1001@example.net"), 4);
        assert_eq!(position("SIP:1001@example.net"), 1);
        assert_eq!(position("sip:1001@example.net;transport=tcp"), 21);
        assert_eq!(position("sip:1001@example.net:5060;lr"), 26);
        assert_eq!(position("sip:1001@example.net?a=b"), 21);
        assert_eq!(position("sip:a%20b@example.net"), 6);
        assert_eq!(position("sip:1001@[2001:db8::1]"), 10);
        assert_eq!(position("sip:1001:secret@example.net"), 9);
        assert_eq!(position("sip:example.net"), 16);
        assert_eq!(position("sip:a_b@example.net"), 6);
    }

    #[test]
    fn what_is_no_uri_at_all_is_told_by_its_first_wrong_character_counted_as_people_count() {
        let position = |text| check(text).expect_err(text).position;

        assert_eq!(position(""), 1);
        assert_eq!(position("si"), 3);
        assert_eq!(position("sip:"), 5);
        assert_eq!(position("sip:@b"), 5);
        assert_eq!(position("sip:a@"), 7);
        assert_eq!(position("sip:a@:1"), 7);
        assert_eq!(position("sip:a@b:"), 9);
        assert_eq!(position("sip:a@b:50x"), 11);
        assert_eq!(position("sip:a@b\n"), 8);
        assert_eq!(position(" sip:a@b"), 1);
        assert_eq!(position("sip:é@b"), 5);
        assert_eq!(position("sip:a@b@é"), 8);
    }
}
