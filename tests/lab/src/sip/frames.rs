//! SIP messages in a stream, told apart by their Content-Length (RFC 3261 §18.3).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What ends a message's headers, and what a client sends to keep a connection alive.
const BLANK_LINE: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";

/// The response to [`Frame::Ping`] (RFC 5626 §3.5.1).
pub(crate) const PONG: &[u8] = LINE_END;

/// One thing that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Two line ends between messages, which want one in return (RFC 5626 §3.5.1).
    Ping,
    /// A whole message: its start line, its headers and its body, byte for byte.
    Message(Vec<u8>),
}

/// What has arrived of a stream, and how long one message of it may be.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    longest: usize,
}

impl Frames {
    /// Nothing yet.
    pub(crate) const fn new(longest: usize) -> Self {
        Self { buffer: Vec::new(), longest }
    }

    /// The next frame; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// When the stream fails, or what it brings is no message, or too long a one: where the next
    /// one would begin is unknown then.
    pub(crate) async fn next<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Takes the first whole frame off what has arrived.
    fn take(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if self.buffer.starts_with(BLANK_LINE) {
                self.buffer.drain(..BLANK_LINE.len());
                return Ok(Some(Frame::Ping));
            }
            // It may become a ping yet.
            if BLANK_LINE.starts_with(&self.buffer) {
                return Ok(None);
            }
            if !self.buffer.starts_with(LINE_END) {
                break;
            }
            // A single line end before a start line says nothing (RFC 3261 §7.5).
            self.buffer.drain(..LINE_END.len());
        }
        let end = self.buffer.windows(BLANK_LINE.len()).position(|window| window == BLANK_LINE);
        let Some(end) = end else {
            return if self.buffer.len() > self.longest { Err(unusable()) } else { Ok(None) };
        };
        let body = content_length(&self.buffer[..end]).ok_or_else(unusable)?;
        let length = (end + BLANK_LINE.len()).saturating_add(body);
        if length > self.longest {
            return Err(unusable());
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        Ok(Some(Frame::Message(self.buffer.drain(..length).collect())))
    }
}

fn unusable() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// The length of the body; `None` where the headers name none, or two.
fn content_length(headers: &[u8]) -> Option<usize> {
    let mut lengths = headers.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let is_length =
            name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l");
        is_length.then_some(value)
    });
    let length = lengths.next()?;
    if lengths.any(|other| other != length) || !length.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(length).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Frame, Frames, content_length};

    /// What is taken off a stream that brought this.
    fn taken(stream: &[u8]) -> Vec<Frame> {
        let mut frames = Frames { buffer: stream.to_vec(), longest: 64 };
        std::iter::from_fn(|| frames.take().unwrap()).collect()
    }

    fn message(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_are_taken_one_by_one_and_with_their_bodies() {
        let taken = taken(b"A\r\nl: 2\r\n\r\nhiB\r\nContent-Length:0\r\n\r\nC\r\nl: 3\r\n\r\nhi");

        let first = message("A\r\nl: 2\r\n\r\nhi");
        assert_eq!(taken, [first, message("B\r\nContent-Length:0\r\n\r\n")]);
    }

    #[test]
    fn a_message_may_come_byte_by_byte() {
        let mut frames = Frames::new(64);
        let mut taken = Vec::new();

        for byte in b"\r\n\r\nA\r\nl: 2\r\n\r\nhi" {
            frames.buffer.push(*byte);
            taken.extend(frames.take().unwrap());
        }

        assert_eq!(taken, [Frame::Ping, message("A\r\nl: 2\r\n\r\nhi")]);
    }

    // RFC 5626 §3.5.1
    #[test]
    fn two_line_ends_are_a_ping_and_one_is_nothing() {
        assert_eq!(taken(b"\r\n\r\n\r\n\r\n"), [Frame::Ping, Frame::Ping]);
        assert_eq!(taken(b"\r\nA\r\nl:0\r\n\r\n"), [message("A\r\nl:0\r\n\r\n")]);
        assert_eq!(taken(b"\r\n"), []);
    }

    #[test]
    fn what_does_not_say_where_it_ends_ends_the_connection() {
        for stream in [
            &b"A\r\nB: c\r\n\r\n"[..],
            b"A\r\nl: x\r\n\r\n",
            b"A\r\nl: +1\r\n\r\n",
            b"A\r\nl: \r\n\r\n",
            b"A\r\nl: 1\r\nContent-Length: 2\r\n\r\n",
            b"A\r\nl: 99999999999999999999999\r\n\r\n",
            b"A\r\nl: 60\r\n\r\n",
            &[b'x'; 65],
        ] {
            let mut frames = Frames { buffer: stream.to_vec(), longest: 64 };

            assert!(frames.take().is_err(), "{:?}", stream.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_length_has_a_long_and_a_short_name() {
        assert_eq!(content_length(b"A\r\nCONTENT-LENGTH : 7"), Some(7));
        assert_eq!(content_length(b"A\r\nL:7\r\nl: 7"), Some(7));
        assert_eq!(content_length(b"A\r\nX-l: 7"), None);
    }
}
