//! RTP (RFC 3550) as a G.711 call sends it, and the way to know our own packets again.

use std::time::Duration;

use crate::chance::Chance;

/// The sound that one packet carries: 20 ms, the default of RFC 3551 §4.2.
pub const FRAME: Duration = Duration::from_millis(20);

/// The bytes of sound in one packet: 20 ms of 8000 samples a second, one byte each
/// (RFC 3551 §4.5.14).
pub const PAYLOAD_BYTES: usize = 160;

/// The bytes of the fixed header (RFC 3550 §5.1).
pub const HEADER_BYTES: usize = 12;

/// The bytes of one packet of ours, without UDP and IP.
pub const PACKET_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES;

/// What marks a packet as ours: the first bytes of its payload.
pub type Token = [u8; 16];

/// By how much the timestamp grows from packet to packet: one per sample of [`FRAME`].
const TIMESTAMP_STEP: u32 = 160;

/// RFC 3550 §5.1: the version in use, in the two highest bits.
const VERSION: u8 = 2;

/// G.711 in one of its two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadType {
    /// µ-law, of North America and Japan.
    Pcmu,
    /// A-law, of everywhere else.
    Pcma,
}

impl PayloadType {
    /// The number of it in a packet (RFC 3551 §6).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The sample of silence (ITU-T G.711: the positive zero, its even bits inverted in A-law).
    const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xFF,
            Self::Pcma => 0xD5,
        }
    }
}

/// One stream of packets, 20 ms of G.711 each.
///
/// Packets are counted from 0 by an index that does not wrap with the 16 bits of the sequence
/// number; it wraps with the timestamp, after 26 843 545 packets, which are six days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// The law of the sound.
    pub payload_type: PayloadType,
    /// The synchronisation source, the same in every packet.
    pub ssrc: u32,
    /// The sequence number of packet 0.
    pub sequence: u16,
    /// The timestamp of packet 0, in samples.
    pub timestamp: u32,
    /// What tells our packets from those of strangers.
    pub token: Token,
}

impl Voice {
    /// A stream whose source, first numbers (RFC 3550 §5.1: they should be random) and token are
    /// drawn from `chance`.
    #[must_use]
    pub fn draw(payload_type: PayloadType, chance: &mut Chance) -> Self {
        Self {
            payload_type,
            ssrc: u32::from_be_bytes(chance.bytes()),
            sequence: chance.number(),
            timestamp: u32::from_be_bytes(chance.bytes()),
            token: chance.bytes(),
        }
    }

    /// The packet of this index: silence behind the token. The marker bit is never set, as without
    /// silence suppression it must not be (RFC 3551 §4.1).
    #[must_use]
    pub fn packet(&self, index: u32) -> [u8; PACKET_BYTES] {
        let mut bytes = [self.payload_type.silence(); PACKET_BYTES];
        bytes[0] = VERSION << 6;
        bytes[1] = self.payload_type.number();
        bytes[2..4].copy_from_slice(&self.sequence.wrapping_add(low_bits(index)).to_be_bytes());
        let elapsed = index.wrapping_mul(TIMESTAMP_STEP);
        bytes[4..8].copy_from_slice(&self.timestamp.wrapping_add(elapsed).to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[12..28].copy_from_slice(&self.token);
        bytes
    }

    /// Which packet of this stream the bytes are; `None` where they are none of it.
    #[must_use]
    pub fn index_of(&self, bytes: &[u8]) -> Option<u32> {
        let packet = Packet::read(bytes)?;
        let is_ours = packet.payload_type == self.payload_type.number()
            && packet.ssrc == self.ssrc
            && packet.payload.len() == PAYLOAD_BYTES
            && packet.payload.starts_with(&self.token);
        let elapsed = packet.timestamp.wrapping_sub(self.timestamp);
        let index = elapsed / TIMESTAMP_STEP;
        let is_whole = elapsed.is_multiple_of(TIMESTAMP_STEP)
            && packet.sequence == self.sequence.wrapping_add(low_bits(index));
        (is_ours && is_whole).then_some(index)
    }
}

/// The part of an index that a sequence number holds.
fn low_bits(index: u32) -> u16 {
    let [_, _, high, low] = index.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// A packet of anyone's, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The seven bits of the payload type.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in units of the payload's clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload, without contributing sources, header extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads one packet; `None` where the bytes are none (RFC 3550 §A.1): too short, of another
    /// version, or with lists and padding that end beyond them.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3], rest) =
            bytes.split_first_chunk::<HEADER_BYTES>()?;
        if first >> 6 != VERSION {
            return None;
        }
        let sources = usize::from(first & 0x0F) * 4;
        let rest = rest.get(sources..)?;
        let has_extension = first & 0x10 != 0;
        let rest = if has_extension { after_extension(rest)? } else { rest };
        let has_padding = first & 0x20 != 0;
        let payload = if has_padding { before_padding(rest)? } else { rest };
        Some(Self {
            payload_type: second & 0x7F,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload,
        })
    }
}

/// Skips a header extension, whose length counts 32-bit words behind its own first
/// (RFC 3550 §5.3.1).
fn after_extension(bytes: &[u8]) -> Option<&[u8]> {
    let (&[_, _, high, low], rest) = bytes.split_first_chunk::<4>()?;
    rest.get(usize::from(u16::from_be_bytes([high, low])) * 4..)
}

/// Drops the padding, whose last byte counts all of it, itself included (RFC 3550 §5.1).
fn before_padding(bytes: &[u8]) -> Option<&[u8]> {
    let padding = usize::from(*bytes.last()?);
    let end = bytes.len().checked_sub(padding)?;
    if padding == 0 { None } else { bytes.get(..end) }
}
