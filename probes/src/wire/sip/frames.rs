//! Where a message ends on a stream (RFC 3261 §18.3): Content-Length says, and nobody guesses.

use super::response::{self, Malformed};

/// Cuts a stream into its messages, however its pieces arrive.
///
/// Pop until nothing is left after each push. What does not say where it ends, or says so twice,
/// ends the stream: nobody can tell where the next message would begin.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Frames {
    /// A stream that brought nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        if !self.is_over {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Whether a message has begun and is not whole yet.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.bytes.iter().any(|byte| !b"\r\n".contains(byte))
    }

    /// The next whole message; `None` where more bytes are needed, or the stream is over. Empty
    /// lines between messages are keep-alives (RFC 5626 §3.5.1).
    ///
    /// # Errors
    ///
    /// [`Malformed`], once, where nobody can tell where the message ends.
    pub fn pop(&mut self) -> Option<Result<Vec<u8>, Malformed>> {
        if self.is_over {
            return None;
        }
        let is_break = |byte: &u8| b"\r\n".contains(byte);
        let start = self.bytes.iter().position(|byte| !is_break(byte)).unwrap_or(self.bytes.len());
        self.bytes.drain(..start);
        match response::framed_length(&self.bytes) {
            Ok(Some(length)) if length <= self.bytes.len() => {
                let rest = self.bytes.split_off(length);
                Some(Ok(std::mem::replace(&mut self.bytes, rest)))
            }
            Ok(Some(_)) => None,
            Ok(None) if self.bytes.len() <= response::MOST_BYTES => None,
            Ok(None) => self.end(Malformed::TooLarge),
            Err(malformed) => self.end(malformed),
        }
    }

    fn end(&mut self, malformed: Malformed) -> Option<Result<Vec<u8>, Malformed>> {
        *self = Self { bytes: Vec::new(), is_over: true };
        Some(Err(malformed))
    }
}
