//! Reading a SIP response: tolerant of style, strict about its end.

use super::header::{self, AuthenticationInfo, Challenge, Contact, Via};

/// A response, its headers unfolded and in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 699.
    pub code: u16,
    /// The server's own words.
    pub reason: Vec<u8>,
    headers: Vec<Header>,
    /// The body, cut to Content-Length.
    pub body: Vec<u8>,
}

/// A header's full lower-case name and its value.
type Header = (Vec<u8>, Vec<u8>);

/// Why bytes are no SIP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A request of somebody who takes us for a server.
    #[error("a SIP request")]
    Request,
    /// No SIP at all.
    #[error("not a SIP response")]
    NotAResponse,
    /// More than a response of ours can need: 64 KiB, 128 headers, 8 KiB a header.
    #[error("too large")]
    TooLarge,
    /// A line that is no header, one with a NUL or a bare carriage return, two of a header that
    /// there may be one of, or no empty line behind the headers.
    #[error("a broken header")]
    BrokenHeader,
    /// Content-Length is no number, is given twice with two values, promises more than came, or is
    /// missing on a stream.
    #[error("a wrong Content-Length")]
    WrongLength,
}

impl Response {
    /// Reads one datagram (RFC 3261 §7, §18.3).
    ///
    /// Accepted though unusual: lines that end in a bare LF, empty lines before the message,
    /// folded headers, compact and oddly cased header names, white space before the colon, a
    /// missing reason, octets that are not UTF-8. Octets behind Content-Length are dropped.
    ///
    /// # Errors
    ///
    /// [`Malformed`] says which rule it breaks.
    pub fn read(datagram: &[u8]) -> Result<Self, Malformed> {
        if datagram.len() > MOST_BYTES {
            return Err(Malformed::TooLarge);
        }
        let start = datagram.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or_default();
        let mut rest = &datagram[start..];
        let first = next_line(&mut rest);
        let (code, reason) = status_line(first).ok_or(if is_request_line(first) {
            Malformed::Request
        } else {
            Malformed::NotAResponse
        })?;
        if !is_clean(first) {
            return Err(Malformed::BrokenHeader);
        }
        if reason.len() > MOST_HEADER_BYTES {
            return Err(Malformed::TooLarge);
        }
        let headers = headers(&mut rest)?;
        let mut response = Self { code, reason, headers, body: Vec::new() };
        response.body = match response.content_length()? {
            Some(length) => rest.get(..length).ok_or(Malformed::WrongLength)?.to_vec(),
            None => rest.to_vec(),
        };
        Ok(response)
    }

    /// Every value of a header, by its full lower-case name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let is_it = move |header: &&Header| header.0 == name.as_bytes();
        self.headers.iter().filter(is_it).map(|(_, value)| value.as_slice())
    }

    /// The first value of a header.
    #[must_use]
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Every Via, top first.
    #[must_use]
    pub fn vias(&self) -> Vec<Via> {
        let values = self.all("via").flat_map(|value| header::split_list(value, b','));
        values.map(|value| Via::read(value.trim_ascii()).unwrap_or_default()).collect()
    }

    /// Every contact binding that the response lists.
    #[must_use]
    pub fn contacts(&self) -> Vec<Contact> {
        let values = self.all("contact").flat_map(|value| header::split_list(value, b','));
        values.filter_map(|value| Contact::read(value.trim_ascii())).collect()
    }

    /// Every Digest challenge, in the order of the message.
    #[must_use]
    pub fn challenges(&self) -> Vec<Challenge> {
        let name = if self.code == 407 { "proxy-authenticate" } else { "www-authenticate" };
        self.all(name).flat_map(Challenge::read_all).collect()
    }

    /// CSeq: the number and the method.
    #[must_use]
    pub fn sequence(&self) -> Option<(u32, &[u8])> {
        let value = self.first("cseq")?.trim_ascii();
        let gap = value.iter().position(u8::is_ascii_whitespace)?;
        Some((header::number(&value[..gap])?, value[gap..].trim_ascii()))
    }

    /// The `tag` of From.
    #[must_use]
    pub fn from_tag(&self) -> Option<Vec<u8>> {
        header::tag(self.first("from")?)
    }

    /// What the server says behind credentials that it took.
    #[must_use]
    pub fn authentication_info(&self) -> Option<AuthenticationInfo> {
        AuthenticationInfo::read(self.all("authentication-info"))
    }

    /// After how many seconds to ask again (RFC 3261 §20.33); what a comment or parameters add is
    /// left out.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.first("retry-after")?;
        let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
        let (seconds, rest) = value.split_at(end);
        let is_over = rest.first().is_none_or(|byte| b" \t(;".contains(byte));
        header::number(seconds).filter(|_| is_over)
    }

    /// The elements of a header that is a list, such as `path`, `service-route` or `allow`, over all
    /// its lines.
    #[must_use]
    pub fn texts<'a>(&'a self, name: &'a str) -> Vec<&'a [u8]> {
        let elements = self.all(name).flat_map(|value| header::split_list(value, b','));
        elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).collect()
    }

    /// The URI of a header that names somebody, such as `from` or `to`.
    #[must_use]
    pub fn uri(&self, name: &str) -> Option<Vec<u8>> {
        Contact::read(self.first(name)?).map(|named| named.uri)
    }

    /// A header that is a number, such as `expires` or `min-expires`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        header::number(self.first(name)?)
    }

    fn content_length(&self) -> Result<Option<usize>, Malformed> {
        let mut length = None;
        for value in self.all("content-length") {
            let read = header::number(value).ok_or(Malformed::WrongLength)? as usize;
            if length.is_some_and(|earlier| earlier != read) {
                return Err(Malformed::WrongLength);
            }
            length = Some(read);
        }
        Ok(length)
    }
}

/// How long the message is with which a stream begins; `None` where its headers are not whole yet.
/// A request counts, too.
pub(super) fn framed_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut length = 0;
    loop {
        let Some(line) = bytes[length..].iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let is_empty = matches!(&bytes[length..length + line], b"" | b"\r");
        length += line + 1;
        if is_empty {
            break;
        }
    }
    let mut head = &bytes[..length];
    let _start = next_line(&mut head);
    let message =
        Response { code: 0, reason: Vec::new(), headers: headers(&mut head)?, body: Vec::new() };
    match message.content_length()?.ok_or(Malformed::WrongLength)? {
        body if length + body > MOST_BYTES => Err(Malformed::TooLarge),
        body => Ok(Some(length + body)),
    }
}

/// `SIP/2.0 200 OK`, the reason left out or not.
fn status_line(line: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (version, rest) = line.split_at_checked(b"SIP/2.0".len())?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
    let (digits, reason) = rest.split_at_checked(3)?;
    let code: u16 = header::number(digits)?.try_into().ok()?;
    let is_status = version.eq_ignore_ascii_case(b"SIP/2.0")
        && (100..700).contains(&code)
        && reason.first().is_none_or(|&byte| byte == b' ');
    is_status.then(|| (code, reason.trim_ascii().to_vec()))
}

/// `METHOD uri SIP/2.0`, white space behind it or not (RFC 4475 §3.1.2.10).
fn is_request_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let version = line.len().checked_sub(b" SIP/2.0".len()).map(|start| &line[start..]);
    version.is_some_and(|version| version.eq_ignore_ascii_case(b" SIP/2.0"))
}

fn is_clean(line: &[u8]) -> bool {
    !line.contains(&0) && !line.contains(&b'\r')
}

/// The next line, without its end; what follows stays in `rest`.
fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|&byte| byte == b'\n');
    let line = &rest[..end.unwrap_or(rest.len())];
    *rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn headers(rest: &mut &[u8]) -> Result<Vec<Header>, Malformed> {
    let mut headers: Vec<Header> = Vec::new();
    loop {
        // A message that ends within its headers was cut: what it lacks may be what matters.
        if rest.is_empty() {
            return Err(Malformed::BrokenHeader);
        }
        let line = next_line(rest);
        if line.is_empty() {
            return Ok(headers);
        }
        if !is_clean(line) {
            return Err(Malformed::BrokenHeader);
        }
        let is_folded = line[0] == b' ' || line[0] == b'\t';
        match headers.last_mut() {
            Some((name, _)) if is_folded && NEVER_FOLDED.contains(&name.as_slice()) => {
                return Err(Malformed::BrokenHeader);
            }
            Some((_, value)) if is_folded => {
                let more = line.trim_ascii();
                if !value.is_empty() && !more.is_empty() {
                    value.push(b' ');
                }
                value.extend_from_slice(more);
            }
            _ => {
                let (name, value) = header_line(line).ok_or(Malformed::BrokenHeader)?;
                let is_single = SINGLE.contains(&name.as_slice());
                if is_single && headers.iter().any(|(earlier, _)| *earlier == name) {
                    return Err(Malformed::BrokenHeader);
                }
                headers.push((name, value));
            }
        }
        let is_large = |(name, value): &Header| name.len().max(value.len()) > MOST_HEADER_BYTES;
        if headers.len() > MOST_HEADERS || headers.last().is_some_and(is_large) {
            return Err(Malformed::TooLarge);
        }
    }
}

fn header_line(line: &[u8]) -> Option<Header> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = line[..colon].trim_ascii_end().to_ascii_lowercase();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    let is_name = !name.is_empty() && name.iter().all(is_token);
    is_name.then(|| (full_name(name), line[colon + 1..].trim_ascii().to_vec()))
}

/// The compact forms (RFC 3261 §7.3.3, §20).
fn full_name(name: Vec<u8>) -> Vec<u8> {
    let full: &[u8] = match name.as_slice() {
        b"i" => b"call-id",
        b"m" => b"contact",
        b"e" => b"content-encoding",
        b"l" => b"content-length",
        b"c" => b"content-type",
        b"f" => b"from",
        b"s" => b"subject",
        b"k" => b"supported",
        b"t" => b"to",
        b"v" => b"via",
        _ => return name,
    };
    full.to_vec()
}

/// Headers by which messages are told apart: whoever folds them smuggles.
const NEVER_FOLDED: [&[u8]; 3] = [b"content-length", b"cseq", b"via"];
/// Headers by which an answer is matched to its request: of two that differ, another reader might
/// take the other one.
const SINGLE: [&[u8]; 4] = [b"call-id", b"cseq", b"from", b"to"];
pub(super) const MOST_BYTES: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
const MOST_HEADER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::{Malformed, Response};

    /// A response with these lines as its headers.
    fn read(lines: &str) -> Response {
        Response::read(format!("SIP/2.0 200 OK\r\n{lines}\r\n").as_bytes()).expect("well formed")
    }

    // RFC 3261 §20.33
    #[test]
    fn retry_after_is_a_number_of_seconds_whatever_stands_behind_it() {
        for (value, seconds) in [
            ("18000;duration=3600", Some(18_000)),
            ("120 (I'm in a meeting; call later)", Some(120)),
            ("120(now)", Some(120)),
            ("0", Some(0)),
            ("5 ; duration = 3", Some(5)),
            ("4294967296", None),
            ("-1", None),
            ("1.5", None),
            ("5s", None),
            ("", None),
            ("Mon, 21 Jul 1997 18:48:34 GMT", None),
        ] {
            let response = read(&format!("Retry-After: {value}\r\n"));

            assert_eq!(response.retry_after(), seconds, "{value}");
        }
        assert_eq!(read("").retry_after(), None);
    }

    // RFC 3261 §7.3.1
    #[test]
    fn a_list_is_one_over_lines_commas_and_folds() {
        let response = read(
            "Path: <sip:a,1@h;lr>,\"B, C\" <sip:b@h> , \r\nAllow: INVITE\r\n\
             PATH: ,<sip:c@h>,\r\n <sip:d@h>\r\n",
        );

        let path: [&[u8]; 4] =
            [b"<sip:a,1@h;lr>", b"\"B, C\" <sip:b@h>", b"<sip:c@h>", b"<sip:d@h>"];
        assert_eq!(response.texts("path"), path);
        assert_eq!(response.texts("allow"), [b"INVITE"]);
        assert!(response.texts("service-route").is_empty());
    }

    #[test]
    fn a_fold_adds_one_space_between_words_and_none_elsewhere() {
        let response = read("Subject:\r\n \t one\r\n\ttwo  \r\n \r\nServer: s\r\n \r\n");

        assert_eq!(response.first("subject"), Some(&b"one two"[..]));
        assert_eq!(response.first("server"), Some(&b"s"[..]));
    }

    #[test]
    fn authentication_info_is_read_over_all_its_lines() {
        let response =
            read("Authentication-Info: nextnonce=\"n2\"\r\nauthentication-info: qop=auth\r\n");

        let info = response.authentication_info().expect("it is there");

        assert_eq!(info.next_nonce.as_deref(), Some(&b"n2"[..]));
        assert_eq!(info.qop.as_deref(), Some(&b"auth"[..]));
        assert_eq!(read("").authentication_info(), None);
    }

    // RFC 3261 §7.1: the version has no case.
    #[test]
    fn a_request_is_told_whatever_its_case_and_what_stands_behind_it() {
        for line in ["OPTIONS sip:a@b SIP/2.0", "OPTIONS sip:a@b sip/2.0", "X y SIP/2.0 \t "] {
            let text = format!("{line}\r\nVia: x\r\n\r\n");

            assert_eq!(Response::read(text.as_bytes()), Err(Malformed::Request), "{line}");
        }
    }

    // D-SIP-2
    #[test]
    fn a_nul_or_a_bare_carriage_return_breaks_the_status_line_as_well() {
        for line in ["SIP/2.0 200 O\0K", "SIP/2.0 200 O\rK", "SIP/2.0 200 OK\r"] {
            let text = format!("{line}\r\nX: x\r\n\r\n");

            assert_eq!(Response::read(text.as_bytes()), Err(Malformed::BrokenHeader), "{line:?}");
        }
    }

    // D-SIP-3
    #[test]
    fn neither_a_name_nor_a_reason_is_longer_than_8_kib() {
        let name = |length| format!("SIP/2.0 200 OK\r\n{}: x\r\n\r\n", "x".repeat(length));
        let reason = |length| format!("SIP/2.0 200 {}\r\n\r\n", "x".repeat(length));

        for text in [name(8192), reason(8192)] {
            assert!(Response::read(text.as_bytes()).is_ok());
        }
        for text in [name(8193), reason(8193)] {
            assert_eq!(Response::read(text.as_bytes()), Err(Malformed::TooLarge));
        }
    }
}
