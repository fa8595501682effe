//! `Chance`: all randomness that an exchange may use, drawn from a seed that it is given.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// A cryptographically strong generator, seeded from outside.
///
/// Identifiers that keep forged answers out (transaction ids, branches, nonces) are drawn from
/// here, so the driver seeds it from the operating system, and a test from a constant: with the
/// same seed an exchange says the same bytes.
pub struct Chance(StdRng);

impl Chance {
    /// Starts from a seed of 256 bits.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    /// Draws `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Draws a number from 0 to 65535.
    pub fn number(&mut self) -> u16 {
        self.0.random()
    }

    /// Draws yes or no.
    pub fn flag(&mut self) -> bool {
        self.0.random()
    }

    /// Draws `N` bytes and writes them in lower-case hexadecimal.
    pub fn token<const N: usize>(&mut self) -> String {
        hex(&self.bytes::<N>())
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}
