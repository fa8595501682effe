//! DNS messages on a stream: each behind its length (RFC 1035 §4.2.2).

/// A message as a stream carries it: behind its length in two bytes (RFC 1035 §4.2.2).
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), &message[..usize::from(length)]].concat()
}

/// Messages out of a stream's pieces; it holds at most one message that is not whole.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Takes in the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// The next whole message.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let message = rest.get(..usize::from(u16::from_be_bytes(*length)))?.to_vec();
        self.0.drain(..2 + message.len());
        Some(message)
    }
}
