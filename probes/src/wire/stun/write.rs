//! Writing messages: a header, attributes, and the proofs that end them.

use std::net::{IpAddr, SocketAddr};

use stun_types::attribute::Fingerprint;

use super::integrity::{Integrity, Key};
use super::{Class, Method, TransactionId, attribute};

/// A message that is being written.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl Writer {
    /// Begins with a header (RFC 8489 §5).
    #[must_use]
    pub fn new(class: Class, method: Method, transaction: &TransactionId) -> Self {
        let class = match class {
            Class::Request => 0b00,
            Class::Indication => 0b01,
            Class::Success => 0b10,
            Class::Error => 0b11,
        };
        let number = method.number();
        let kind = number & 0x00F
            | (number & 0x070) << 1
            | (number & 0xF80) << 2
            | (class & 0b01) << 4
            | (class & 0b10) << 7;
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE);
        bytes.extend(transaction);
        Self { bytes, transaction: *transaction }
    }

    /// Adds an attribute with its padding (RFC 8489 §14); one of more than 65 535 bytes is cut.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let value = &value[..usize::from(length)];
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.note_length(0);
        self
    }

    /// Adds an attribute whose value is a number of four bytes.
    #[must_use]
    pub fn with_number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// Adds an address in clear (RFC 8489 §14.1).
    #[must_use]
    pub fn with_address(self, kind: u16, address: SocketAddr) -> Self {
        self.with(kind, &address_value(address, &[0; 16]))
    }

    /// Adds an address XORed with the magic cookie and the transaction id (RFC 8489 §14.2).
    #[must_use]
    pub fn with_xor_address(self, kind: u16, address: SocketAddr) -> Self {
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&MAGIC_COOKIE);
        mask[4..].copy_from_slice(&self.transaction);
        self.with(kind, &address_value(address, &mask))
    }

    /// Adds the integrity attribute of this key; only FINGERPRINT may follow.
    #[must_use]
    pub fn signed(mut self, key: &Key) -> Self {
        let (kind, length) = match key.integrity() {
            Integrity::Sha1 => (attribute::MESSAGE_INTEGRITY, 20),
            Integrity::Sha256 => (attribute::MESSAGE_INTEGRITY_SHA256, 32),
        };
        self.note_length(4 + length);
        let code = key.code_of(&self.bytes);
        self.with(kind, &code)
    }

    /// Ends the message with a FINGERPRINT (RFC 8489 §14.7).
    #[must_use]
    pub fn with_fingerprint(mut self) -> Vec<u8> {
        self.note_length(8);
        let sum = Fingerprint::compute(&[self.bytes.as_slice()]);
        let masked: Vec<u8> =
            sum.iter().zip(FINGERPRINT_MASK).map(|(byte, mask)| byte ^ mask).collect();
        self.with(FINGERPRINT, &masked).finish()
    }

    /// The message as it stands.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes the length of all that follows the header and of `more` that is still to come.
    fn note_length(&mut self, more: usize) {
        let length = u16::try_from(self.bytes.len() - HEADER + more).unwrap_or(u16::MAX);
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

fn address_value(address: SocketAddr, mask: &[u8; 16]) -> Vec<u8> {
    let port = address.port() ^ u16::from_be_bytes([mask[0], mask[1]]);
    let (family, octets) = match address.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    value.extend(port.to_be_bytes());
    value.extend(octets.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    value
}

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_MASK: [u8; 4] = *b"STUN";
