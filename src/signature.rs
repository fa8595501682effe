//! Signatures of what is sent from program to program: HMAC-SHA256 (RFC 2104) over the moment, a dot
//! and the body, in lower-case hexadecimal, behind `sha256=`.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use branchline_probes::Secret;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// The header that has the signature.
pub const SIGNATURE: &str = "x-branchline-signature";

/// The header that has the moment, in seconds since 1970-01-01T00:00:00Z.
pub const TIMESTAMP: &str = "x-branchline-timestamp";

/// The signature of a body that is sent at this moment, as the header has it.
#[must_use]
pub fn sign(secret: &Secret, timestamp: u64, body: &[u8]) -> String {
    let mut text = String::from(PREFIX);
    for byte in mac(secret, timestamp, body).finalize().into_bytes() {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether one of the secrets made this signature. It takes as long for a wrong signature as for a
/// right one, whatever is wrong with it.
#[must_use]
pub fn is_signed(secrets: &[Secret], timestamp: u64, body: &[u8], signature: &str) -> bool {
    let given = digest(signature.strip_prefix(PREFIX).unwrap_or(signature)).unwrap_or_default();
    secrets.iter().fold(false, |is_signed, secret| {
        is_signed | mac(secret, timestamp, body).verify_slice(&given).is_ok()
    })
}

/// The seconds since 1970-01-01T00:00:00Z; 0 before it.
#[must_use]
pub fn epoch_seconds(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since: Duration| since.as_secs())
}

fn mac(secret: &Secret, timestamp: u64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed(secret.expose().as_bytes());
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// A key may have any length (RFC 2104 §2); one that is longer than a block is its digest.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    let digest = Sha256::digest(key);
    let key = if key.len() > block.len() { digest.as_slice() } else { key };
    block[..key.len()].copy_from_slice(key);
    Hmac::new(&block.into())
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    // A number may have a sign, a digit may not.
    if hex.len() != 2 * digest.len() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

const PREFIX: &str = "sha256=";

#[cfg(test)]
mod tests {
    use branchline_probes::Secret;

    use super::{is_signed, sign};

    const BODY: &[u8] = b"{\"id\":\"wh-1\"}";

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::new((*text).to_owned())).collect()
    }

    /// Printed by `printf '1715783520.{"id":"wh-1"}' | openssl dgst -sha256 -hmac key`.
    const BY_OPENSSL: &str =
        "sha256=0c44d70a570fcc7100ad449f0844cab2bc1497dcafea32e0761641934a1442bd";

    const LONG_BY_OPENSSL: &str =
        "sha256=286a21c082de07607aad3355e11b25e1478be3d91fb26acce6bb471ad26ee0c7";

    #[test]
    fn a_signature_is_what_openssl_computes() {
        let [key] = &secrets(&["key"])[..] else { panic!("one secret") };

        assert_eq!(sign(key, 1_715_783_520, BODY), BY_OPENSSL);
    }

    #[test]
    fn a_key_that_is_longer_than_a_block_signs_as_openssl_has_it() {
        let [key] = &secrets(&[&"k".repeat(65)])[..] else { panic!("one secret") };

        assert_eq!(sign(key, 1_715_783_520, BODY), LONG_BY_OPENSSL);
    }

    // D-HOOK-1
    #[test]
    fn either_of_two_secrets_signs_while_one_replaces_the_other() {
        let both = secrets(&["new", "old"]);
        let [new, old, other] = &secrets(&["new", "old", "other"])[..] else { panic!("three") };

        let is_signed = |by| is_signed(&both, 7, BODY, &sign(by, 7, BODY));

        assert!(is_signed(new));
        assert!(is_signed(old));
        assert!(!is_signed(other));
    }

    // D-HOOK-1
    #[test]
    fn a_signature_is_written_in_digits_alone() {
        let key = secrets(&["key"]);
        let begins_with_zero = |it: &u64| sign(&key[0], *it, BODY).starts_with("sha256=0");
        let moment = (0..1000).find(begins_with_zero).expect("one of sixteen does");
        let right = sign(&key[0], moment, BODY);

        let with_sign = right.replacen("=0", "=+", 1);

        assert!(is_signed(&key, moment, BODY, &right));
        assert!(!is_signed(&key, moment, BODY, &with_sign));
    }

    // D-HOOK-1
    #[test]
    fn a_signature_of_another_moment_or_body_or_of_a_wrong_shape_is_none() {
        let key = secrets(&["key"]);
        let right = sign(&key[0], 7, BODY);

        for (timestamp, body, signature) in [
            (8, BODY, right.as_str()),
            (7, b"{}".as_slice(), right.as_str()),
            (7, BODY, &right[..right.len() - 1]),
            (7, BODY, &right[..right.len() - 2]),
            (7, BODY, "sha256="),
            (7, BODY, ""),
            (7, BODY, "sha256=zz"),
        ] {
            assert!(!is_signed(&key, timestamp, body, signature), "{signature}");
        }
        assert!(is_signed(&key, 7, BODY, &right));
        assert!(is_signed(&key, 7, BODY, &right["sha256=".len()..]), "the prefix may be missing");
    }
}
