//! The proof that a message comes from who knows the password (RFC 8489 §14.5, §14.6, §9.2).

use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::attribute;

/// How a password becomes a key (RFC 8489 §18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PasswordAlgorithm {
    /// MD5, the only one before RFC 8489.
    Md5,
    /// SHA-256.
    Sha256,
}

impl PasswordAlgorithm {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Md5 => 0x0001,
            Self::Sha256 => 0x0002,
        }
    }
}

/// Which integrity attribute proves a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY, an HMAC-SHA1.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, an HMAC-SHA256.
    Sha256,
}

/// The key of a long-term credential, and the attribute that it is used for.
#[derive(Clone)]
pub struct Key {
    bytes: Zeroizing<Vec<u8>>,
    integrity: Integrity,
}

impl Key {
    /// The key of a user in a realm (RFC 8489 §9.2.2).
    #[must_use]
    pub fn long_term(
        algorithm: PasswordAlgorithm,
        integrity: Integrity,
        user: &str,
        realm: &[u8],
        password: &str,
    ) -> Self {
        let parts = [user.as_bytes(), b":", realm, b":", password.as_bytes()];
        let bytes = match algorithm {
            PasswordAlgorithm::Md5 => digest::<Md5>(&parts),
            PasswordAlgorithm::Sha256 => digest::<Sha256>(&parts),
        };
        Self { bytes: Zeroizing::new(bytes), integrity }
    }

    /// The key of a short-term credential (RFC 8489 §9.1.1).
    #[must_use]
    pub fn short_term(integrity: Integrity, password: &str) -> Self {
        Self { bytes: Zeroizing::new(password.as_bytes().to_vec()), integrity }
    }

    /// Which attribute it is used for.
    #[must_use]
    pub const fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// The code of a message up to its integrity attribute, whose header's length already counts
    /// that attribute.
    pub(super) fn code_of(&self, bytes: &[u8]) -> Vec<u8> {
        match self.integrity {
            Integrity::Sha1 => self.mac::<Hmac<Sha1>>(&[bytes]),
            Integrity::Sha256 => self.mac::<Hmac<Sha256>>(&[bytes]),
        }
    }

    /// Whether a whole message carries this key's integrity attribute, and the right one. The
    /// comparison takes the same time wherever a wrong code differs.
    #[must_use]
    pub fn proves(&self, message: &[u8]) -> bool {
        // The code covers the length up to itself, not that of the whole message.
        let &[_, _, upper, lower, ..] = message else { return false };
        if message.len() != HEADER + usize::from(u16::from_be_bytes([upper, lower])) {
            return false;
        }
        let (kind, lengths) = match self.integrity {
            Integrity::Sha1 => (attribute::MESSAGE_INTEGRITY, &[20][..]),
            // It may be cut to no less than 16 bytes, a multiple of 4.
            Integrity::Sha256 => (attribute::MESSAGE_INTEGRITY_SHA256, &[16, 20, 24, 28, 32][..]),
        };
        let Some((offset, code)) = find(message, kind) else { return false };
        let Ok(length) = u16::try_from(offset - HEADER + 4 + code.len()) else { return false };
        if !lengths.contains(&code.len()) {
            return false;
        }
        let parts = [&message[..2], &length.to_be_bytes(), &message[4..offset]];
        match self.integrity {
            Integrity::Sha1 => verify::<Hmac<Sha1>>(&self.bytes, &parts, code),
            Integrity::Sha256 => verify::<Hmac<Sha256>>(&self.bytes, &parts, code),
        }
    }

    fn mac<M: Mac + hmac::digest::KeyInit>(&self, parts: &[&[u8]]) -> Vec<u8> {
        // HMAC takes a key of any length.
        let Ok(mut mac) = <M as Mac>::new_from_slice(&self.bytes) else { return Vec::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
}

fn verify<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
    let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_truncated_left(code).is_ok()
}

/// Where the first attribute of this kind begins, and its value; of a message whose attributes add
/// up. Behind MESSAGE-INTEGRITY-SHA256 nothing counts.
fn find(message: &[u8], kind: u16) -> Option<(usize, &[u8])> {
    let mut offset = HEADER;
    loop {
        let header = message.get(offset..offset + 4)?;
        let found = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if found == kind {
            return Some((offset, message.get(offset + 4..offset + 4 + length)?));
        }
        if found == attribute::MESSAGE_INTEGRITY_SHA256 {
            return None;
        }
        offset += 4 + length.next_multiple_of(4);
    }
}

/// USERHASH of a user in a realm (RFC 8489 §14.4).
#[must_use]
pub fn user_hash(user: &str, realm: &[u8]) -> Vec<u8> {
    digest::<Sha256>(&[user.as_bytes(), b":", realm])
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().to_vec()
}

const HEADER: usize = 20;
