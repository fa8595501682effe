//! Published messages, byte for byte, and what an integrity attribute proves.

use branchline_probes::wire::stun::{
    Class, Integrity, Key, Method, PasswordAlgorithm, Writer, attribute, read, user_hash,
};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// RFC 5769 §2.1: a request with a short-term credential.
pub(crate) const REQUEST: &[u8] = &[
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

/// RFC 5769 §2.2: a response over IPv4.
pub(crate) const RESPONSE_IPV4: &[u8] = &[
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
];

/// RFC 5769 §2.3: a response over IPv6.
pub(crate) const RESPONSE_IPV6: &[u8] = &[
    0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa,
    0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14,
    0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
    0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
];

/// RFC 5769 §2.4: a request with a long-term credential.
pub(crate) const LONG_TERM: &[u8] = &[
    0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0,
    0x29, 0xda, 0x41, 0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88, 0xe3, 0x83,
    0xaa, 0xe3, 0x83, 0x83, 0xe3, 0x82, 0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00, 0x15, 0x00, 0x1c,
    0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34,
    0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x14, 0x00, 0x0b,
    0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x08, 0x00, 0x14,
    0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8, 0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2,
    0x8c, 0xa8, 0x96, 0x66,
];

/// RFC 8489 §B.1 as erratum 6268 corrects it: USERHASH and MESSAGE-INTEGRITY-SHA256.
pub(crate) const SHA256: &[u8] = &[
    0x00, 0x01, 0x00, 0x90, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0,
    0x29, 0xda, 0x41, 0x2e, 0x00, 0x1e, 0x00, 0x20, 0x4a, 0x3c, 0xf3, 0x8f, 0xef, 0x69, 0x92, 0xbd,
    0xa9, 0x52, 0xc6, 0x78, 0x04, 0x17, 0xda, 0x0f, 0x24, 0x81, 0x94, 0x15, 0x56, 0x9e, 0x60, 0xb2,
    0x05, 0xc4, 0x6e, 0x41, 0x40, 0x7f, 0x17, 0x04, 0x00, 0x15, 0x00, 0x29, 0x6f, 0x62, 0x4d, 0x61,
    0x74, 0x4a, 0x6f, 0x73, 0x32, 0x41, 0x41, 0x41, 0x43, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b,
    0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76,
    0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d,
    0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x1d, 0x00, 0x04, 0x00, 0x02, 0x00, 0x00,
    0x00, 0x1c, 0x00, 0x20, 0xb5, 0xc7, 0xbf, 0x00, 0x5b, 0x6c, 0x52, 0xa2, 0x1c, 0x51, 0xc5, 0xe8,
    0x92, 0xf8, 0x19, 0x24, 0x13, 0x62, 0x96, 0xcb, 0x92, 0x7c, 0x43, 0x14, 0x93, 0x09, 0x27, 0x8c,
    0xc6, 0x51, 0x8e, 0x65,
];

/// The password of RFC 5769 §2.1 to §2.3.
const SHORT: &str = "VOkJxbRl1RmTxUk/WvJxBt";
/// The user of RFC 5769 §2.4 and RFC 8489 §B.1.
const USER: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
/// Their password, as SASLprep leaves it.
const LONG: &str = "TheMatrIX";
const REALM: &[u8] = b"example.org";
const NONCE: &[u8] = b"f//499k954d6OL34oL9FSTvy64sA";
const NONCE_WITH_COOKIE: &[u8] = b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA";

pub(crate) fn short_term() -> Key {
    Key::short_term(Integrity::Sha1, SHORT)
}

pub(crate) fn long_term() -> Key {
    Key::long_term(PasswordAlgorithm::Md5, Integrity::Sha1, USER, REALM, LONG)
}

pub(crate) fn sha256() -> Key {
    Key::long_term(PasswordAlgorithm::Sha256, Integrity::Sha256, USER, REALM, LONG)
}

/// Every published message, its key, and where its integrity attribute ends.
pub(crate) fn published() -> [(&'static str, &'static [u8], Key, usize); 5] {
    [
        ("RFC 5769 §2.1", REQUEST, short_term(), REQUEST.len() - 8),
        ("RFC 5769 §2.2", RESPONSE_IPV4, short_term(), RESPONSE_IPV4.len() - 8),
        ("RFC 5769 §2.3", RESPONSE_IPV6, short_term(), RESPONSE_IPV6.len() - 8),
        ("RFC 5769 §2.4", LONG_TERM, long_term(), LONG_TERM.len()),
        ("RFC 8489 §B.1", SHA256, sha256(), SHA256.len()),
    ]
}

fn id(message: &[u8]) -> [u8; 12] {
    message[8..20].try_into().expect("twelve bytes")
}

// RFC 5769 §2.1
#[test]
fn the_request_with_a_short_term_credential_reads_as_published() {
    let request = read(REQUEST).unwrap();

    assert_eq!((request.class, request.method), (Class::Request, Method::Binding));
    assert_eq!(request.transaction, REQUEST[8..20]);
    assert_eq!(request.software.as_deref(), Some(&b"STUN test client"[..]));
    assert!(request.has_integrity);
    // PRIORITY is ICE's (RFC 8445 §16.1), which nobody here speaks.
    assert!(request.has_unknown_required);
}

// RFC 5769 §2.2
#[test]
fn the_response_over_ipv4_reads_as_published() {
    let response = read(RESPONSE_IPV4).unwrap();

    assert_eq!((response.class, response.method), (Class::Success, Method::Binding));
    assert_eq!(response.transaction, RESPONSE_IPV4[8..20]);
    assert_eq!(response.xor_mapped, Some("192.0.2.1:32853".parse().unwrap()));
    assert_eq!(response.software.as_deref(), Some(&b"test vector"[..]));
    assert!(response.has_integrity && !response.has_unknown_required);
}

// RFC 5769 §2.3
#[test]
fn the_response_over_ipv6_reads_as_published() {
    let response = read(RESPONSE_IPV6).unwrap();

    let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(response.xor_mapped, Some(expected));
    assert!(response.has_integrity && !response.has_unknown_required);
}

// RFC 5769 §2.4, RFC 8489 §B.1
#[test]
fn the_requests_with_a_long_term_credential_read_as_published() {
    for (bytes, nonce) in [(LONG_TERM, NONCE), (SHA256, NONCE_WITH_COOKIE)] {
        let request = read(bytes).unwrap();

        assert_eq!((request.class, request.method), (Class::Request, Method::Binding));
        assert_eq!(request.realm.as_deref(), Some(REALM));
        assert_eq!(request.nonce.as_deref(), Some(nonce));
        assert!(request.has_integrity && !request.has_unknown_required);
    }
}

#[test]
fn every_published_integrity_is_proven_by_its_key_and_by_no_other() {
    let keys = [short_term(), long_term(), sha256()];
    for (name, bytes, right, _) in published() {
        assert!(right.proves(bytes), "{name}");

        let proven = keys.iter().filter(|key| key.proves(bytes)).count();
        assert_eq!(proven, 1, "{name}");
        for password in ["", "VOkJxbRl1RmTxUk/WvJxBT", "TheMatrIX "] {
            for integrity in [Integrity::Sha1, Integrity::Sha256] {
                assert!(!Key::short_term(integrity, password).proves(bytes), "{name}");
                for algorithm in [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256] {
                    let key = Key::long_term(algorithm, integrity, USER, REALM, password);
                    assert!(!key.proves(bytes), "{name}");
                }
            }
        }
    }
}

#[test]
fn our_writer_makes_the_published_requests_byte_for_byte() {
    let md5 = Writer::new(Class::Request, Method::Binding, &id(LONG_TERM))
        .with(attribute::USERNAME, USER.as_bytes())
        .with(attribute::NONCE, NONCE)
        .with(attribute::REALM, REALM)
        .signed(&long_term())
        .finish();
    let sha256 = Writer::new(Class::Request, Method::Binding, &id(SHA256))
        .with(attribute::USERHASH, &user_hash(USER, REALM))
        .with(attribute::NONCE, NONCE_WITH_COOKIE)
        .with(attribute::REALM, REALM)
        .with_number(attribute::PASSWORD_ALGORITHM, 0x0002_0000)
        .signed(&sha256())
        .finish();

    assert_eq!(md5, LONG_TERM);
    assert_eq!(sha256, SHA256);
}

/// The published messages that pad with spaces, where we pad with zeros (RFC 8489 §14): all is
/// equal but the padding and what is computed over it.
#[test]
fn our_writer_makes_the_other_published_messages_but_for_their_padding() {
    let request = Writer::new(Class::Request, Method::Binding, &id(REQUEST))
        .with(0x8022, b"STUN test client")
        .with_number(0x0024, 0x6e00_01ff)
        .with(0x8029, &REQUEST[52..60])
        .with(attribute::USERNAME, b"evtj:h6vY")
        .signed(&short_term())
        .with_fingerprint();
    let response = |published: &[u8], mapped: &str| {
        Writer::new(Class::Success, Method::Binding, &id(published))
            .with(0x8022, b"test vector")
            .with_xor_address(attribute::XOR_MAPPED_ADDRESS, mapped.parse().unwrap())
            .signed(&short_term())
            .with_fingerprint()
    };
    let ipv4 = response(RESPONSE_IPV4, "192.0.2.1:32853");
    let ipv6 = response(RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");

    for (ours, published, padding) in
        [(request, REQUEST, 73..76), (ipv4, RESPONSE_IPV4, 35..36), (ipv6, RESPONSE_IPV6, 35..36)]
    {
        let mut patched = ours.clone();
        patched[padding.clone()].fill(b' ');
        let code = published.len() - 28;
        assert_eq!(patched[..code], published[..code]);
        assert_eq!(patched[code + 20..code + 24], [0x80, 0x28, 0x00, 0x04]);
        assert!(ours[padding].iter().all(|byte| *byte == 0));
        assert!(read(&ours).is_ok() && short_term().proves(&ours));
    }
}

// RFC 8489 §14.4
#[test]
fn the_published_user_hash_is_that_of_its_user() {
    assert_eq!(user_hash(USER, REALM), SHA256[24..56]);
}

// D-STUN-2
#[test]
fn one_flipped_bit_anywhere_under_an_integrity_leaves_it_unproven() {
    for (name, bytes, key, end) in published() {
        for index in 0..end {
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[index] ^= 1 << bit;

                assert!(!key.proves(&flipped), "{name}: bit {bit} of byte {index}");
            }
        }
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// A message that ends in an integrity attribute whose code is `code` of all before it.
fn sealed(before: &[u8], kind: u16, length: usize, code: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = before.to_vec();
    let whole = u16::try_from(bytes.len() - 20 + 4 + length).expect("it is short");
    bytes[2..4].copy_from_slice(&whole.to_be_bytes());
    let mut code = code(&bytes);
    code.resize(length, 0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(u16::try_from(length).expect("it is short").to_be_bytes());
    bytes.extend(code);
    bytes
}

fn unsigned() -> Vec<u8> {
    let mapped = "192.0.2.1:32853".parse().expect("an address");
    Writer::new(Class::Success, Method::Binding, &[7; 12])
        .with_xor_address(attribute::XOR_MAPPED_ADDRESS, mapped)
        .finish()
}

// RFC 8489 §14.6: at least 16 bytes, at most 32, a multiple of 4; RFC 8489 §14.5: 20 and no other.
#[test]
fn a_cut_sha_256_code_is_good_from_16_bytes_on_and_a_cut_sha_1_code_never() {
    let (key256, key1) =
        (Key::short_term(Integrity::Sha256, "pw"), Key::short_term(Integrity::Sha1, "pw"));
    for length in 0..=40 {
        let message = sealed(&unsigned(), 0x001C, length, |all| hmac_sha256(b"pw", &[all]));
        assert_eq!(key256.proves(&message), [16, 20, 24, 28, 32].contains(&length), "{length}");

        let message = sealed(&unsigned(), 0x0008, length, |all| hmac_sha1(b"pw", &[all]));
        assert_eq!(key1.proves(&message), length == 20, "{length}");
    }
}

// RFC 8489 §14.5, §14.6: of both, MESSAGE-INTEGRITY-SHA256 comes last and covers the other.
#[test]
fn a_message_with_both_codes_is_proven_by_each_key() {
    let one = sealed(&unsigned(), 0x0008, 20, |all| hmac_sha1(b"one", &[all]));
    let both = sealed(&one, 0x001C, 32, |all| hmac_sha256(b"two", &[all]));

    assert!(Key::short_term(Integrity::Sha1, "one").proves(&both));
    assert!(Key::short_term(Integrity::Sha256, "two").proves(&both));
    assert!(!Key::short_term(Integrity::Sha1, "two").proves(&both));
    assert!(!Key::short_term(Integrity::Sha256, "one").proves(&both));
}

// D-STUN-1
#[test]
fn a_code_that_comes_twice_or_behind_the_last_one_counts_no_more() {
    let sha1 = Key::short_term(Integrity::Sha1, "pw");
    let forged = sealed(&unsigned(), 0x0008, 20, |_| vec![0; 20]);
    let second = sealed(&forged, 0x0008, 20, |all| hmac_sha1(b"pw", &[all]));
    let behind = sealed(&unsigned(), 0x001C, 32, |_| vec![0; 32]);
    let behind = sealed(&behind, 0x0008, 20, |all| hmac_sha1(b"pw", &[all]));

    assert!(sha1.proves(&sealed(&unsigned(), 0x0008, 20, |all| hmac_sha1(b"pw", &[all]))));
    assert!(!sha1.proves(&second));
    assert!(!sha1.proves(&behind));
}

#[test]
fn a_message_without_an_integrity_is_proven_by_nobody() {
    for key in [short_term(), long_term(), sha256()] {
        assert!(!key.proves(&unsigned()));
        assert!(!key.proves(&[]));
        assert!(!key.proves(&[0; 20]));
    }
}
