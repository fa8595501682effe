//! What header fields make a response (RFC 9113 §8.1.1, §8.2, §8.3.2).

use super::Error;
use super::hpack::Field;

/// A response, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 999.
    pub status: u16,
    /// Content-Type, where there is one and no more.
    pub content_type: Option<Vec<u8>>,
    /// The body, at most [`MOST_BODY`](super::MOST_BODY) bytes.
    pub body: Vec<u8>,
}

/// Reads the header fields of a final or interim response; its body is empty as yet. With them
/// comes the Content-Length.
pub(super) fn read(fields: &[Field]) -> Result<(Response, Option<usize>), Error> {
    let (first, rest) = fields.split_first().ok_or(Error::BadHeaders)?;
    // There is but one pseudo-header field, and it stands in front of all others (RFC 9113 §8.3).
    let status = (first.name == b":status").then_some(&first.value);
    let status = status.and_then(|value| status_code(value)).ok_or(Error::BadHeaders)?;
    check(rest)?;
    let mut types = rest.iter().filter(|field| field.name == b"content-type");
    let content_type = types.next().filter(|_| types.next().is_none());
    let content_type = content_type.map(|field| field.value.clone());
    let mut length = None;
    for field in rest.iter().filter(|field| field.name == b"content-length") {
        let read = number(&field.value).ok_or(Error::BadHeaders)?;
        if length.is_some_and(|earlier| earlier != read) {
            return Err(Error::BadHeaders);
        }
        length = Some(read);
    }
    Ok((Response { status, content_type, body: Vec::new() }, length))
}

/// Checks fields among which no pseudo-header field may be.
pub(super) fn check(fields: &[Field]) -> Result<(), Error> {
    let is_sound = |field: &Field| {
        is_name(&field.name)
            && is_value(&field.value)
            && !OF_A_CONNECTION.contains(&field.name.as_slice())
    };
    if fields.iter().all(is_sound) { Ok(()) } else { Err(Error::BadHeaders) }
}

/// RFC 9113 §8.2.1. The colon of a pseudo-header field is none of a name.
fn is_name(name: &[u8]) -> bool {
    let is_sound =
        |&byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b':';
    !name.is_empty() && name.iter().all(is_sound)
}

/// RFC 9113 §8.2.1.
fn is_value(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| byte.is_some_and(|byte| b" \t".contains(byte));
    !value.iter().any(|byte| b"\0\r\n".contains(byte))
        && !is_blank(value.first())
        && !is_blank(value.last())
}

/// Three digits (RFC 9110 §15).
fn status_code(value: &[u8]) -> Option<u16> {
    let &[hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', units @ b'0'..=b'9'] = value else {
        return None;
    };
    let digit = |byte| u16::from(byte - b'0');
    Some(100 * digit(hundreds) + 10 * digit(tens) + digit(units))
}

fn number(value: &[u8]) -> Option<usize> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// What HTTP/1.1 says of a connection (RFC 9113 §8.2.2): whoever sends it hands on messages that
/// it did not read.
const OF_A_CONNECTION: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];
