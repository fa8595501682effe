//! The one request of a connection, and all that goes before it.

use super::frame::{
    self, DATA, END_HEADERS, END_STREAM, HEADERS, MOST_PAYLOAD, SETTINGS, WINDOW_UPDATE,
};
use super::{STREAM, WINDOW, hpack};

/// A POST of a message that is answered by one of the same media type, as RFC 8484 §4.1 has it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Host and port as the URI has them; the port is left out where it is 443.
    pub authority: &'a str,
    /// Path and query, from the slash on.
    pub path: &'a str,
    /// Content-Type, and all that we accept: `application/dns-message`.
    pub media_type: &'a str,
    /// What is posted.
    pub body: &'a [u8],
}

/// A request that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no request: names are 1 to {MOST_NAME} visible ASCII characters, a path begins with a slash, \
     a body has at most {MOST_POSTED} bytes"
)]
pub struct BadRequest;

impl Request<'_> {
    /// The first bytes of a connection: the client's preface (RFC 9113 §3.4), what we grant, and
    /// the whole request.
    pub(super) fn write(&self) -> Result<Vec<u8>, BadRequest> {
        let is_name = |name: &str| {
            (1..=MOST_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let are_names = [self.authority, self.path, self.media_type].into_iter().all(is_name);
        if !are_names || !self.path.starts_with('/') || self.body.len() > MOST_POSTED {
            return Err(BadRequest);
        }
        let mut bytes = PREFACE.to_vec();
        frame::write(&mut bytes, SETTINGS, 0, 0, &settings());
        frame::write(&mut bytes, WINDOW_UPDATE, 0, 0, &(WINDOW - FIRST_WINDOW).to_be_bytes());
        frame::write(&mut bytes, HEADERS, END_HEADERS, STREAM, &self.block());
        let mut rest = self.body;
        loop {
            let (part, behind) = rest.split_at(rest.len().min(MOST_PAYLOAD));
            let flags = if behind.is_empty() { END_STREAM } else { 0 };
            frame::write(&mut bytes, DATA, flags, STREAM, part);
            rest = behind;
            if rest.is_empty() {
                return Ok(bytes);
            }
        }
    }

    /// The header block, without a word for the peer's dynamic table: nothing follows that could
    /// point there.
    fn block(&self) -> Vec<u8> {
        // `:method: POST` and `:scheme: https`, whole fields of the static table.
        let mut block = vec![0x83, 0x87];
        hpack::write_literal(&mut block, AUTHORITY, self.authority);
        hpack::write_literal(&mut block, PATH, self.path);
        hpack::write_literal(&mut block, ACCEPT, self.media_type);
        hpack::write_literal(&mut block, CONTENT_TYPE, self.media_type);
        hpack::write_literal(&mut block, CONTENT_LENGTH, &self.body.len().to_string());
        block
    }
}

/// Our settings (RFC 9113 §6.5.2), six bytes each.
fn settings() -> Vec<u8> {
    const ENABLE_PUSH: u16 = 0x02;
    const INITIAL_WINDOW_SIZE: u16 = 0x04;
    const MAX_HEADER_LIST_SIZE: u16 = 0x06;
    let most = u32::try_from(hpack::MOST_BYTES).unwrap_or(u32::MAX);
    let settings = [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW), (MAX_HEADER_LIST_SIZE, most)];
    let bytes = settings.map(|(name, value): (u16, u32)| (name.to_be_bytes(), value.to_be_bytes()));
    bytes.into_iter().flat_map(|(name, value)| name.into_iter().chain(value)).collect()
}

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The window of a connection, both ways, before anybody grants more (RFC 9113 §6.9.2).
const FIRST_WINDOW: u32 = 65_535;
/// What may leave before the peer has said anything, and the longest DNS message.
const MOST_POSTED: usize = FIRST_WINDOW as usize;
/// Three of them fit one HEADERS frame.
const MOST_NAME: usize = 4096;

/// Indices of the static table (RFC 7541 Appendix A) whose names we use.
const AUTHORITY: u8 = 1;
const PATH: u8 = 4;
const ACCEPT: u8 = 19;
const CONTENT_LENGTH: u8 = 28;
const CONTENT_TYPE: u8 = 31;
