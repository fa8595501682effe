//! Messages in and out, byte for byte.
//!
//! Budget: a STUN or DNS message is read or written in at most 1 µs, half of what the two UDP system
//! calls of its round trip cost (measured: 0.05 to 0.9 µs), a SIP message, which is text, in at most
//! 3 µs (0.5 to 1.7 µs), and a STUN message with an integrity in 3 µs, for its two hashes (0.5 to
//! 1.8 µs). Of a stream 20 messages are cut in 1 µs (0.35 µs). So parsing stays out of the way of
//! three ratios of DESIGN §7: STUN transactions per second at least half of a plain C loop, REGISTER
//! with digest at most twice the CPU of `SIPp`, and DNS at most a tenth of the CPU of
//! `blackbox_exporter`. CI compares counted instructions, never seconds.

use std::hint::black_box;

use branchline_probes::wire::{dns, sip, stun};
use criterion::{Criterion, criterion_group, criterion_main};

/// RFC 5769 §2.2.
const BINDING_RESPONSE: &[u8] = &[
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
];

/// As a resolver is asked.
const ASKING: dns::Asking = dns::Asking { recursion: true, nsid: true };

/// `a.example A`, answered by a CNAME and an address.
const DNS_RESPONSE: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0\
    \x01a\x07example\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e\
    \xc0\x27\0\x01\0\x01\0\0\x01\x2c\0\x04\xcb\0\x71\x50";

const CHALLENGE: &[u8] = b"SIP/2.0 401 Unauthorized\r\n\
    Via: SIP/2.0/UDP 198.51.100.7:40112;branch=z9hG4bK0123456789abcdef;rport=40112;received=203.0.113.5\r\n\
    From: <sip:probe-lyon@sip.example.com>;tag=0123456789abcdef\r\n\
    To: <sip:probe-lyon@sip.example.com>;tag=r1\r\n\
    Call-ID: 0123456789abcdef0123456789abcdef\r\n\
    CSeq: 1 REGISTER\r\n\
    WWW-Authenticate: Digest realm=\"sip.example.com\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n\
    WWW-Authenticate: Digest realm=\"sip.example.com\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n\
    Server: a registrar\r\n\
    Content-Length: 0\r\n\r\n";

fn allocate(key: &stun::Key) -> Vec<u8> {
    stun::Writer::new(stun::Class::Request, stun::Method::Allocate, &[7; 12])
        .with(stun::attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
        .with(stun::attribute::USERNAME, b"probe-lyon")
        .with(stun::attribute::REALM, b"example.org")
        .with(stun::attribute::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .signed(key)
        .with_fingerprint()
}

/// An Allocate out and in again, proven, by either hash; and the framing of a stream.
fn relay(criterion: &mut Criterion) {
    for (integrity, algorithm, name) in [
        (stun::Integrity::Sha1, stun::PasswordAlgorithm::Md5, "sha1"),
        (stun::Integrity::Sha256, stun::PasswordAlgorithm::Sha256, "sha256"),
    ] {
        let key =
            stun::Key::long_term(algorithm, integrity, "probe-lyon", b"example.org", "a password");
        criterion.bench_function(&format!("print_allocate_{name}"), |bencher| {
            bencher.iter(|| allocate(black_box(&key)));
        });
        let message = allocate(&key);
        criterion.bench_function(&format!("parse_and_prove_allocate_{name}"), |bencher| {
            bencher.iter(|| {
                let message = black_box(&message);
                assert!(key.proves(message));
                stun::read(message).expect("a message")
            });
        });
    }

    let voice = stun::write_channel_data(0x4001, &[0; 172], true);
    let stream = [BINDING_RESPONSE, &voice].concat().repeat(10);
    criterion.bench_function("cut_stream_of_20_messages", |bencher| {
        bencher.iter(|| {
            let mut frames = stun::Frames::new();
            frames.push(black_box(&stream));
            std::iter::from_fn(|| frames.pop()).filter(Result::is_ok).count()
        });
    });
    criterion.bench_function("parse_channel_data", |bencher| {
        bencher.iter(|| stun::read_channel_data(black_box(&voice)).map(|(number, _)| number));
    });
}

fn wire(criterion: &mut Criterion) {
    criterion.bench_function("print_binding_request", |bencher| {
        bencher.iter(|| stun::binding_request(black_box(&[7; 12])));
    });
    criterion.bench_function("parse_binding_response", |bencher| {
        bencher.iter(|| stun::read(black_box(BINDING_RESPONSE)).expect("a response"));
    });

    let question = dns::Question::new("a.example", "A").expect("a question");
    criterion.bench_function("print_dns_query", |bencher| {
        bencher.iter(|| dns::query(black_box(0x1234), &question, ASKING).expect("a query"));
    });
    criterion.bench_function("parse_dns_response", |bencher| {
        bencher
            .iter(|| dns::read_response(black_box(DNS_RESPONSE), &question).expect("a response"));
    });

    let whose = "sip:probe-lyon@sip.example.com";
    let contact = b"<sip:branchline-0123456789abcdef@198.51.100.7:40112>;expires=60";
    let further = [("Contact", contact.to_vec()), ("Expires", b"60".to_vec())];
    let register = sip::Request {
        method: "REGISTER",
        uri: "sip:sip.example.com",
        transport: "UDP",
        local: "198.51.100.7:40112".parse().expect("an address"),
        branch: "0123456789abcdef",
        from: whose,
        from_tag: "0123456789abcdef",
        to: whose,
        call_id: "0123456789abcdef0123456789abcdef",
        sequence: 1,
        further: &further,
        least_bytes: 0,
    };
    criterion.bench_function("print_register", |bencher| {
        bencher.iter(|| black_box(&register).write());
    });
    criterion.bench_function("parse_sip_challenge", |bencher| {
        bencher.iter(|| {
            let response = sip::Response::read(black_box(CHALLENGE)).expect("a response");
            (response.vias(), response.challenges())
        });
    });
}

criterion_group!(benches, wire, relay);
criterion_main!(benches);
