//! A small, tolerant reader of SIP requests, and a writer of responses.
//!
//! It shares nothing with the product's reader, so that what the product sends is read by other
//! code than what wrote it.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// A request, borrowed from its datagram.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(super) uri: &'a str,
    headers: Vec<(&'a str, String)>,
}

impl<'a> Request<'a> {
    /// Reads a request; `None` for responses and for what nobody could answer.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        // A body may be anything.
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let text = str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]).ok()?;
        let mut lines = text.trim_start_matches(['\r', '\n']).lines();
        let mut first = lines.next()?.split_whitespace();
        let (method, uri) = (first.next()?, first.next()?);
        // A response's reason may be any words, also those that end a request's first line.
        if first.next()? != "SIP/2.0" || first.next().is_some() || method.contains('/') {
            return None;
        }
        let mut headers: Vec<(&str, String)> = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if line.starts_with([' ', '\t']) {
                let (_, value) = headers.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line.split_once(':')?;
                headers.push((long_name(name.trim()), value.trim().to_owned()));
            }
        }
        let request = Self { method, uri, headers };
        let is_complete = ["Via", "From", "To", "Call-ID", "CSeq"]
            .into_iter()
            .all(|name| request.header(name).is_some());
        is_complete.then_some(request)
    }

    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header of this name, in order.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// What tells a retransmission from a new request (RFC 3261 §17.2.3).
    pub(super) fn transaction(&self) -> String {
        let part = |name| self.header(name).unwrap_or_default();
        format!("{}\n{}\n{}", part("Via"), part("CSeq"), part("Call-ID"))
    }

    /// The address-of-record that the request is about: the URI of its To.
    pub(super) fn address_of_record(&self) -> &str {
        self.header("To").map(uri_of).unwrap_or_default()
    }

    /// A response of the registrar to this request.
    pub(super) fn respond(&self, status: &str, from: SocketAddr, more: &[String]) -> Vec<u8> {
        let server = "Server: branchline-lab".to_owned();
        self.respond_with(status, from, &[&[server], more].concat(), "")
    }

    /// A response to this request, with what every response repeats of it.
    pub(crate) fn respond_with(
        &self,
        status: &str,
        from: SocketAddr,
        more: &[String],
        body: &str,
    ) -> Vec<u8> {
        let mut text = format!("SIP/2.0 {status}\r\n");
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{name}: {value}\r\n");
        };
        for (index, via) in self.all("Via").enumerate() {
            if index == 0 {
                line("Via", &stamp_via(via, from));
            } else {
                line("Via", via);
            }
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let value = self.header(name).unwrap_or_default();
            if name == "To" && !value.contains(";tag=") {
                line(name, &format!("{value};tag=lab"));
            } else {
                line(name, value);
            }
        }
        for header in more {
            if let Some((name, value)) = header.split_once(": ") {
                line(name, value);
            }
        }
        line("Content-Length", &body.len().to_string());
        text.push_str("\r\n");
        text.push_str(body);
        text.into_bytes()
    }
}

/// Notes in the top Via whence the request really came (RFC 3261 §18.2.1, RFC 3581 §4).
fn stamp_via(via: &str, from: SocketAddr) -> String {
    // One header may hold several; those behind the first are of others.
    let top = split_list(via).first().map_or(0, |top| top.len());
    let (top, rest) = via.split_at(top);
    let parts = top.split(';').filter_map(|part| {
        let name = part.trim().to_ascii_lowercase();
        if name == "rport" {
            return Some(format!("rport={}", from.port()));
        }
        // Whoever wrote it before knew it less well.
        (!name.starts_with("received=")).then(|| part.to_owned())
    });
    let received = from.ip().to_canonical();
    format!("{};received={received}{rest}", parts.collect::<Vec<_>>().join(";"))
}

/// The URI of a From, To or Contact value: what stands in angle brackets, or before a parameter.
pub(super) fn uri_of(value: &str) -> &str {
    match value.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((uri, _)) => uri,
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// A parameter of a From, To or Contact value, outside of its URI.
pub(super) fn parameter<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let parameters = value.split_once('>').map_or(value, |(_, rest)| rest);
    parameters.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Splits a header's value at commas, but not at those in quotes or angle brackets.
pub(super) fn split_list(value: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut angled) = (false, false, false);
    for (index, character) in value.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            ',' if !quoted && !angled => {
                parts.push(value[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

/// The long form of a compact header name (RFC 3261 §7.3.3), and our spelling of those we look for.
pub(super) fn long_name(name: &str) -> &str {
    const NAMES: [(&str, &str); 6] = [
        ("v", "Via"),
        ("f", "From"),
        ("t", "To"),
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("l", "Content-Length"),
    ];
    let is_name = |(short, long): &&(&str, &str)| {
        name.eq_ignore_ascii_case(short) || name.eq_ignore_ascii_case(long)
    };
    NAMES.iter().find(is_name).map_or(name, |(_, long)| long)
}

#[cfg(test)]
mod tests {
    use super::{Request, parameter, split_list, stamp_via, uri_of};

    #[test]
    fn compact_and_folded_headers_are_read() {
        let bytes = b"REGISTER sip:x SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z\r\nf: <sip:a@x>\r\n\
            t: <sip:a@x>\r\ni: 1\r\nCSeq: 1\r\n REGISTER\r\n\r\n";

        let request = Request::read(bytes).unwrap();

        assert_eq!(request.header("cseq"), Some("1 REGISTER"));
        assert_eq!(request.address_of_record(), "sip:a@x");
    }

    #[test]
    fn what_no_registrar_could_answer_is_dropped() {
        for bytes in [
            &b""[..],
            b"SIP/2.0 200 OK\r\n\r\n",
            b"REGISTER sip:x SIP/2.0\r\n\r\n",
            b"REGISTER sip:x SIP/2.0\r\n folded\r\n\r\n",
            // It has all that a response needs, and is one.
            b"SIP/2.0 200 SIP/2.0\r\nv: h\r\nf: a\r\nt: b\r\ni: 1\r\nCSeq: 1 X\r\n\r\n",
            &[0xff; 32],
        ] {
            assert!(Request::read(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn a_via_says_whence_the_request_came() {
        let stamped = stamp_via("SIP/2.0/UDP h:5060;rport;branch=z", ([127, 0, 0, 1], 9).into());

        assert_eq!(stamped, "SIP/2.0/UDP h:5060;rport=9;branch=z;received=127.0.0.1");
    }

    #[test]
    fn only_the_top_via_is_stamped_and_only_once() {
        let stamped = stamp_via(
            "SIP/2.0/TCP h;received=192.0.2.1;branch=z, SIP/2.0/UDP i;rport",
            ([127, 0, 0, 1], 9).into(),
        );

        assert_eq!(stamped, "SIP/2.0/TCP h;branch=z;received=127.0.0.1, SIP/2.0/UDP i;rport");
    }

    #[test]
    fn a_body_may_be_anything() {
        let bytes = b"MESSAGE sip:x SIP/2.0\r\nv: SIP/2.0/UDP h\r\nf: <sip:a@x>\r\n\
            t: <sip:a@x>\r\ni: 1\r\nCSeq: 1 MESSAGE\r\n\r\n\xff\xfe";

        assert_eq!(Request::read(bytes).map(|request| request.method), Some("MESSAGE"));
    }

    #[test]
    fn a_contact_falls_into_its_parts() {
        let list = split_list("\"a, b\" <sip:a@h;x=1,2>;expires=60, sip:c@h;q=1");

        assert_eq!(list, ["\"a, b\" <sip:a@h;x=1,2>;expires=60", "sip:c@h;q=1"]);
        assert_eq!(uri_of(list[0]), "sip:a@h;x=1,2");
        assert_eq!(parameter(list[0], "expires"), Some("60"));
        assert_eq!(uri_of(list[1]), "sip:c@h");
        assert_eq!(parameter(list[1], "q"), Some("1"));
    }
}
