//! Who is let in: addresses and networks (RFC 4632 §3.1, RFC 4291 §2.3).

use branchline_probes::written;
use serde_json::Value;

use super::findings::Checking;
use super::item_of;

/// Checks a list of addresses and networks; an empty one is a list, too.
pub(super) fn check(value: &Value, path: &str, checking: &mut Checking) {
    let Some(items) = value.as_array() else {
        checking.wrong(path, None, "this is no list of networks", EXAMPLE);
        return;
    };
    for (index, item) in items.iter().enumerate() {
        let path = item_of(path, index);
        match item.as_str().map(network) {
            Some(Ok(())) => checking.right(),
            Some(Err((at, what))) => checking.wrong(&path, Some(at + 1), what, REMEDY),
            None => checking.wrong(&path, None, "this is no network", REMEDY),
        }
    }
}

/// How many characters of a text fit before the first that no network has, and what is wrong.
fn network(text: &str) -> Result<(), (usize, &'static str)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let most = if address.contains(':') {
        written::v6(address).map_err(|at| (at, "no IPv6 address"))?;
        128
    } else {
        written::v4(address).map_err(|at| (at, "no IPv4 address"))?;
        32
    };
    let Some(prefix) = prefix else { return Ok(()) };
    let what =
        if most == 32 { "a prefix is from /0 to /32" } else { "a prefix is from /0 to /128" };
    let fits = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = digits == "0" || !digits.starts_with('0');
        is_number && is_plain && digits.parse::<u32>().is_ok_and(|bits| bits <= most)
    };
    let wrong = prefix.char_indices().find(|(at, it)| !fits(&prefix[..at + it.len_utf8()]));
    match wrong {
        // What fits before it is ASCII.
        Some((at, _)) => Err((address.len() + 1 + at, what)),
        None if prefix.is_empty() => Err((text.len(), what)),
        None => Ok(()),
    }
}

const EXAMPLE: &str = "for example: [\"192.0.2.0/24\"]";
const REMEDY: &str = "write it as 192.0.2.0/24, 2001:db8::/32 or one address";

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn a_network_is_an_address_and_how_many_of_its_bits_count() {
        for text in [
            "10.0.0.0/8",
            "192.168.1.0/24",
            "0.0.0.0/0",
            "192.0.2.1",
            "2001:db8::/32",
            "::/0",
            "::1/128",
            "10.1.2.3/8",
        ] {
            assert_eq!(network(text), Ok(()), "{text}");
        }
        for (text, fits) in [
            ("", 0),
            ("10.0.0/8", 6),
            ("10.0.0.256/8", 9),
            ("10.0.0.0/", 9),
            ("10.0.0.0/33", 10),
            ("10.0.0.0/08", 10),
            ("10.0.0.0/+8", 9),
            ("10.0.0.0/8 ", 10),
            ("10.0.0.0/8/8", 10),
            ("10.0.0.0/é", 9),
            ("2001:db8::/129", 13),
            ("2001:db8:/32", 9),
            ("office", 0),
        ] {
            assert_eq!(network(text).map_err(|(at, _)| at), Err(fits), "{text}");
        }
    }
}
