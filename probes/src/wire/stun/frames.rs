//! Where a message ends on a stream (RFC 8489 §6.2.2), and ChannelData (RFC 8656 §12.4, §12.5).

use std::ops::RangeInclusive;

use super::Malformed;

/// One message of a stream that carries STUN and ChannelData.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A STUN message, whole; [`super::read`] reads it.
    Stun(Vec<u8>),
    /// ChannelData.
    Channel {
        /// The channel's number.
        number: u16,
        /// What a peer sent, without padding.
        data: Vec<u8>,
    },
}

/// The numbers that a channel can have (RFC 8656 §12).
pub const CHANNELS: RangeInclusive<u16> = 0x4000..=0x4FFF;

/// Cuts a stream into its messages, however its pieces arrive.
///
/// Pop until nothing is left after each push. What begins neither a STUN message nor ChannelData
/// ends the stream: nobody can tell where the next message would begin.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    start: usize,
    is_overflowing: bool,
    is_over: bool,
}

impl Frames {
    /// A stream that brought nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next piece. Of what is not popped in time no more than four of the longest
    /// messages is kept; the stream ends behind them.
    pub fn push(&mut self, piece: &[u8]) {
        if self.is_over || self.is_overflowing {
            return;
        }
        self.bytes.drain(..self.start);
        self.start = 0;
        let room = MOST_BUFFERED - self.bytes.len();
        self.is_overflowing = piece.len() > room;
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Whether a message has begun and is not whole yet.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.start < self.bytes.len()
    }

    /// The next whole message; `None` where more bytes are needed, or the stream is over.
    ///
    /// # Errors
    ///
    /// [`Malformed`], once, where the bytes that follow can begin no message.
    pub fn pop(&mut self) -> Option<Result<Frame, Malformed>> {
        if self.is_over {
            return None;
        }
        let rest = &self.bytes[self.start..];
        match next(rest) {
            Next::Whole(frame, length) => {
                self.start += length;
                Some(Ok(frame))
            }
            Next::Partial if !self.is_overflowing => None,
            Next::Partial | Next::Neither => {
                *self = Self { is_over: true, ..Self::default() };
                Some(Err(Malformed::NotStun))
            }
        }
    }
}

/// How the next bytes of a stream begin.
enum Next {
    Whole(Frame, usize),
    Partial,
    Neither,
}

fn next(rest: &[u8]) -> Next {
    let Some(&first) = rest.first() else { return Next::Partial };
    let is_stun = first & 0b1100_0000 == 0;
    if !is_stun && !CHANNELS.contains(&(u16::from(first) << 8)) {
        return Next::Neither;
    }
    let &[kind, low, upper, lower, ref cookie @ ..] = rest else { return Next::Partial };
    let length = u16::from_be_bytes([upper, lower]);
    let (length, more) = (usize::from(length), usize::from(length).next_multiple_of(4));
    if !is_stun {
        let Some(data) = rest.get(4..4 + more) else { return Next::Partial };
        let number = u16::from_be_bytes([kind, low]);
        return Next::Whole(Frame::Channel { number, data: data[..length].to_vec() }, 4 + more);
    }
    let cookie = &cookie[..cookie.len().min(MAGIC_COOKIE.len())];
    if length != more || !MAGIC_COOKIE.starts_with(cookie) {
        return Next::Neither;
    }
    rest.get(..HEADER + length)
        .map_or(Next::Partial, |whole| Next::Whole(Frame::Stun(whole.to_vec()), HEADER + length))
}

/// Reads ChannelData that came as a datagram: the channel's number and the data. Over UDP it may
/// be padded to a multiple of four bytes, and need not be (RFC 8656 §12.5).
#[must_use]
pub fn read_channel_data(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let &[kind, low, upper, lower, ref rest @ ..] = datagram else { return None };
    let number = u16::from_be_bytes([kind, low]);
    let length = usize::from(u16::from_be_bytes([upper, lower]));
    let is_sound = CHANNELS.contains(&number) && rest.len() <= length.next_multiple_of(4);
    rest.get(..length).filter(|_| is_sound).map(|data| (number, data))
}

/// Writes ChannelData, padded for a stream; data of more than 65 535 bytes are cut.
#[must_use]
pub fn write_channel_data(number: u16, data: &[u8], is_stream: bool) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut bytes = [number.to_be_bytes(), length.to_be_bytes()].concat();
    bytes.extend_from_slice(&data[..usize::from(length)]);
    if is_stream {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// Four STUN messages of the greatest length that their header can tell.
const MOST_BUFFERED: usize = 4 * (HEADER + u16::MAX as usize);
