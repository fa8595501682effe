//! Address literals, read so that the first wrong character is known.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Reads an IPv4 address: four numbers up to 255.
///
/// RFC 3261 §25.1 would let a number begin with a zero; some read such a number as octal, so none
/// does (RFC 3986 §3.2.2).
///
/// # Errors
///
/// How many characters fit before the first wrong one; all of them where something is missing.
pub fn v4(text: &str) -> Result<Ipv4Addr, usize> {
    text.parse().map_err(|_| fitting::<Ipv4Addr>(text, ENDINGS_OF_V4))
}

/// Reads an IPv6 address (RFC 4291 §2.2), without brackets and without a zone.
///
/// # Errors
///
/// As [`v4`].
pub fn v6(text: &str) -> Result<Ipv6Addr, usize> {
    text.parse().map_err(|_| fitting::<Ipv6Addr>(text, ENDINGS_OF_V6))
}

/// How many characters of a text an address can begin with: one of these endings completes every
/// beginning of one.
fn fitting<T: FromStr>(text: &str, endings: &[&str]) -> usize {
    let is_beginning =
        |text: &str| endings.iter().any(|ending| T::from_str(&format!("{text}{ending}")).is_ok());
    text.char_indices()
        .position(|(at, character)| !is_beginning(&text[..at + character.len_utf8()]))
        .unwrap_or_else(|| text.chars().count())
}

const ENDINGS_OF_V4: &[&str] = &["", "0", "0.0", "0.0.0", ".0", ".0.0", ".0.0.0"];
const ENDINGS_OF_V6: &[&str] = &["", "0", ":", "::", "0.0", "0.0.0", ".0", ".0.0"];

#[cfg(test)]
mod tests {
    use super::{v4, v6};

    #[test]
    fn the_first_character_that_no_ipv4_address_can_have_is_told() {
        for (text, fits) in [
            ("", 0),
            ("192", 3),
            ("192.0.2", 7),
            ("192.0.2.", 8),
            ("192.0.2.256", 10),
            ("1923.0.2.4", 3),
            ("192.0.2.1.", 9),
            ("192.0.2.1.5", 9),
            ("192.00.2.1", 5),
            ("192..2.1", 4),
            (".1.2.3", 0),
            ("192.0.2.x", 8),
            ("192.0.é.1", 6),
        ] {
            assert_eq!(v4(text), Err(fits), "{text}");
        }
        assert!(v4("255.0.10.200").is_ok());
    }

    #[test]
    fn the_first_character_that_no_ipv6_address_can_have_is_told() {
        for (text, fits) in [
            ("", 0),
            (":", 1),
            (":1", 1),
            ("2001:db8", 8),
            ("2001:db8:", 9),
            ("2001:db8:::1", 10),
            ("2001:db8::1::2", 12),
            ("2001:db8::g", 10),
            ("20011::1", 4),
            ("1:2:3:4:5:6:7:8:9", 15),
            ("::1%eth0", 3),
            ("::ffff:192.0.2.300", 17),
            ("fe80::é", 6),
        ] {
            assert_eq!(v6(text), Err(fits), "{text}");
        }
        for text in ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::ffff:192.0.2.1"] {
            assert!(v6(text).is_ok(), "{text}");
        }
    }
}
