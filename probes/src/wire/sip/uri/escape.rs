//! Which characters a part may hold, and what its escapes stand for.

/// The first byte of a part that it cannot hold: `unreserved`, escapes and these others can stand
/// there (RFC 3261 §25.1).
pub(super) fn first_wrong(text: &str, others: &[u8]) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if escaped(&bytes[at..]).is_some() {
            at += 3;
        } else if byte.is_ascii_alphanumeric() || MARK.contains(&byte) || others.contains(&byte) {
            at += 1;
        } else {
            return Some(at);
        }
    }
    None
}

/// What is wrong with the byte at which a part ends too early; `otherwise` where nothing better is
/// known.
pub(super) const fn words(byte: u8, otherwise: &'static str) -> &'static str {
    match byte {
        b'%' => "two hexadecimal digits follow a \"%\"",
        b' ' => "a blank cannot stand in a URI; its escape is %20",
        b'<' | b'>' | b'"' => "this character belongs around a URI, not into it",
        0..0x20 | 0x7F => "a control character cannot stand in a URI",
        0x80.. => "only ASCII can stand in a URI; all else is escaped, as UTF-8",
        _ => otherwise,
    }
}

/// A part with its escapes resolved, once. What is reserved (RFC 2396 §2.2) differs from its
/// escape, so such an escape stays, and so does that of the percent sign itself.
pub(super) fn normal(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) if b";/?:@&=+$,%".contains(&byte) => {
                bytes.extend(rest[..3].iter().map(u8::to_ascii_uppercase));
                rest = &rest[3..];
            }
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// `escaped = "%" HEXDIG HEXDIG`, at the beginning.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

const MARK: &[u8] = b"-_.!~*'()";
