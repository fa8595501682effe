//! Why a request gets no response.

use super::hpack;

/// Why a request gets no response. Each of them ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer did not begin with SETTINGS (RFC 9113 §3.4): it speaks HTTP/1.1, or no HTTP.
    #[error("not HTTP/2")]
    NotHttp2,
    /// A frame longer than the 16 384 bytes that we allow (RFC 9113 §4.2).
    #[error("a frame of more than {} bytes", super::frame::MOST_PAYLOAD)]
    FrameTooLarge,
    /// A frame whose length, padding or content its type does not allow.
    #[error("a broken frame")]
    BrokenFrame,
    /// A frame that must not come here: on this stream, in this order, or to a client at all.
    #[error("an unexpected frame")]
    UnexpectedFrame,
    /// More frames that bring nothing of the response than a peer needs.
    #[error("more than {} frames that bring no response", super::MOST_FRAMES)]
    TooManyFrames,
    /// A header block, or what it stands for, of more than [`hpack::MOST_BYTES`].
    #[error("headers of more than {} bytes", hpack::MOST_BYTES)]
    HeadersTooLarge,
    /// A header block that cannot be decompressed.
    #[error("a broken header block: {0}")]
    BrokenHeaders(#[source] hpack::Malformed),
    /// Header fields that no HTTP response has (RFC 9113 §8.1.1): no status or two of them, a name
    /// in upper case, a field of the connection, trailers that end nothing.
    #[error("headers of no response")]
    BadHeaders,
    /// A body longer than any DNS message; the status may tell why.
    #[error("a body of more than {} bytes with status {status}", super::MOST_BODY)]
    BodyTooLarge {
        /// The status code of the response.
        status: u16,
    },
    /// Content-Length and the body differ (RFC 9113 §8.1.1).
    #[error("a wrong Content-Length")]
    WrongLength,
    /// More was sent than we granted (RFC 9113 §6.9).
    #[error("more bytes than flow control allows")]
    FlowControl,
    /// The peer gave the request up: RST_STREAM (RFC 9113 §6.4).
    #[error("the request was reset: {0}")]
    Reset(ErrorCode),
    /// The peer gave the connection up before it answered: GOAWAY (RFC 9113 §6.8).
    #[error("the connection was ended: {0}")]
    GoAway(ErrorCode),
}

impl From<hpack::Malformed> for Error {
    fn from(malformed: hpack::Malformed) -> Self {
        match malformed {
            hpack::Malformed::TooLarge => Self::HeadersTooLarge,
            hpack::Malformed::Truncated
            | hpack::Malformed::TooLong
            | hpack::Malformed::NoSuchIndex
            | hpack::Malformed::BadHuffman
            | hpack::Malformed::BadTableSize => Self::BrokenHeaders(malformed),
        }
    }
}

/// The peer's reason (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x00);

    /// Its name in RFC 9113 §7, `OTHER` where it has none.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self.0 {
            0x00 => "NO_ERROR",
            0x01 => "PROTOCOL_ERROR",
            0x02 => "INTERNAL_ERROR",
            0x03 => "FLOW_CONTROL_ERROR",
            0x04 => "SETTINGS_TIMEOUT",
            0x05 => "STREAM_CLOSED",
            0x06 => "FRAME_SIZE_ERROR",
            0x07 => "REFUSED_STREAM",
            0x08 => "CANCEL",
            0x09 => "COMPRESSION_ERROR",
            0x0A => "CONNECT_ERROR",
            0x0B => "ENHANCE_YOUR_CALM",
            0x0C => "INADEQUATE_SECURITY",
            0x0D => "HTTP_1_1_REQUIRED",
            _ => "OTHER",
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({:#04x})", self.word(), self.0)
    }
}
