//! Responses with a few bytes or lines broken, by the million: none panics the reader, none is read
//! as more than it says, and what is kept of it is bounded.

use branchline_probes::wire::sip::{Malformed, Response};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// How many in the test that always runs.
const SOME: u32 = 50_000;
/// How many in the test that `just fuzz` runs.
const MANY: u32 = 10_000_000;

/// What every response repeats.
const REPEATED: &str = "Via: SIP/2.0/UDP 198.51.100.7:40112;branch=z9hG4bK6f1c9aa0b3d2e4f5;rport=40112;\
    received=198.51.100.7\r\nFrom: <sip:probe-lyon@sip.example.com>;tag=5d3f0a9be1c24477\r\n\
    To: <sip:probe-lyon@sip.example.com>;tag=b27e1a1d33786ee96866153576d0a49e.5d2c\r\n\
    Call-ID: 8f14e45fceea167a5a36dedd4bea2543\r\nCSeq: 2 REGISTER\r\n";

/// The same, compact and folded where that is allowed.
const COMPACT: &str = "v:SIP / 2.0 / UDP 198.51.100.7:40112 ;rport ; branch = z9hG4bK6f1c9aa0b3d2e4f5\r\n\
    f : \"Probe, \\\"Lyon\\\"\"\r\n <sip:probe-lyon@sip.example.com>\r\n\t; tag = 5d3f0a9be1c24477\r\n\
    t: sip:probe-lyon@sip.example.com;tag=1\r\ni: 8f14e45fceea167a5a36dedd4bea2543\r\n\
    CSEQ: 0002 REGISTER\r\n";

/// Responses such as Kamailio, Asterisk and SIPp send.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let contacts = "Contact: <sip:8f14e45f@198.51.100.7:40112;transport=udp>;expires=60;received=\
        \"sip:198.51.100.7:40112\", \"Desk, 2\" <sip:201@192.0.2.20>;q=0.5;expires=3571\r\n\
        Contact: sip:201@192.0.2.21;expires=17;+sip.instance=\"<urn:uuid:0-1>\"\r\n";
    let challenges = "WWW-Authenticate: Digest realm=\"sip.example.com\", nonce=\"ZbO+7GWzvcCv\", \
        algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"5ccc\\\"069\", stale=TRUE\r\n\
        WWW-Authenticate: Bearer realm=\"x\", Digest realm=\"sip.example.com\",nonce=\"ZbO\"\r\n\
        Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"n\", algorithm=MD5\r\n";
    let granted = "Expires: 60\r\nAuthentication-Info: nextnonce=\"47364c23\", qop=auth, \
        rspauth=\"6629fae49393a05397450978507c4ef1\", cnonce=\"0a4f\", nc=00000001\r\n\
        Path: <sip:edge.example.com;lr>,<sip:edge2.example.com;lr>\r\n\
        Service-Route: <sip:home.example.com;lr>\r\nAllow: INVITE, ACK,\r\n BYE, CANCEL\r\n";
    let server = "Server: kamailio (5.6.3 (x86_64/linux))\r\n";
    let empty = "Content-Length: 0\r\n\r\n";
    let body = "Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nbusy\r\n";
    let texts = [
        format!("SIP/2.0 100 Trying\r\n{REPEATED}{server}{empty}"),
        format!("SIP/2.0 200 OK\r\n{REPEATED}{contacts}{granted}{server}{empty}"),
        format!(
            "SIP/2.0 200 OK\r\n{COMPACT}m: <sip:8f14e45f@h>\r\n ;\r\n expires = 60\r\nl: 0\r\n\r\n"
        ),
        format!("SIP/2.0 302 Moved\r\n{REPEATED}Contact: <sip:other.example.com>;q=1\r\n{empty}"),
        format!("SIP/2.0 401 Unauthorized\r\n{REPEATED}{challenges}{server}{empty}"),
        format!("SIP/2.0 407 Proxy\r\n{COMPACT}{challenges}l:0\r\n\r\n"),
        format!("SIP/2.0 423 Interval Too Brief\r\n{REPEATED}Min-Expires: 120\r\n{empty}"),
        format!("SIP/2.0 503 \r\n{REPEATED}Retry-After: 30 (be, so; kind);duration=9\r\n{body}"),
    ];
    texts.map(String::into_bytes).into()
}

/// The message with a few things broken, most often where its grammar is.
pub(super) fn mutate(seed_message: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed_message.to_vec();
    for _ in 0..chance.random_range(1..4) {
        if chance.random_range(0..3) == 0 {
            bytes = break_lines(&bytes, chance);
        } else {
            break_bytes(&mut bytes, chance);
        }
    }
    bytes
}

fn break_bytes(bytes: &mut Vec<u8>, chance: &mut StdRng) {
    const ODD: [&[u8]; 26] = [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n ",
        b"\r\n\r\n",
        b"\0",
        b"\t",
        b" ",
        b",",
        b";",
        b":",
        b"=",
        b"\"",
        b"\\",
        b"<",
        b">",
        b"/",
        b"*",
        b"-",
        b"0",
        b"4294967296",
        b"\xFF",
        b"\xC3\xA9",
        b"SIP/2.0",
        b";branch=x",
        b"Digest ",
    ];
    let at = chance.random_range(0..=bytes.len());
    let until = (at + chance.random_range(0..48)).min(bytes.len());
    let odd = ODD[chance.random_range(0..ODD.len())];
    match chance.random_range(0..8) {
        0 => bytes.truncate(at),
        1 => {
            bytes.drain(at..until);
        }
        2 => {
            let copy = bytes[at..until].to_vec();
            bytes.splice(at..at, copy);
        }
        3 => {
            let mut noise = vec![0; until - at];
            chance.fill_bytes(&mut noise);
            bytes.splice(at..until, noise);
        }
        4 | 5 => {
            bytes.splice(at..at, odd.iter().copied());
        }
        6 => {
            let end = (at + odd.len()).min(bytes.len());
            bytes.splice(at..end, odd.iter().copied());
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.random_range(0..8);
            }
        }
    }
}

fn break_lines(bytes: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return Vec::new();
    }
    let (one, other) = (chance.random_range(0..lines.len()), chance.random_range(0..lines.len()));
    match chance.random_range(0..32) {
        0..6 => lines.swap(one, other),
        6..12 => {
            lines.remove(one);
        }
        12..18 => lines.insert(one, lines[other].clone()),
        // Folded before a byte of it.
        18..24 => {
            let at = chance.random_range(0..=lines[one].len());
            lines[one].splice(at..at, *b"\r\n ");
        }
        // The line ends otherwise.
        24..28 => {
            let end = lines[one].trim_ascii_end().len();
            let ends: [&[u8]; 5] = [b"\n", b"", b"\r", b" \r\n", b"\r\r\n"];
            lines[one].splice(end.., ends[chance.random_range(0..ends.len())].iter().copied());
        }
        // As many as there may be, or a few more.
        28 | 29 => {
            let copies = vec![lines[other].clone(); chance.random_range(100..140)];
            lines.splice(one..one, copies);
        }
        30 => {
            let at = chance.random_range(0..=lines[one].len());
            let more = vec![b'x'; chance.random_range(8_000..8_400)];
            lines[one].splice(at..at, more);
        }
        _ => lines[one].extend(vec![b'x'; chance.random_range(60_000..66_000)]),
    }
    lines.concat()
}

/// What stands behind the line ends before a message.
fn begun(message: &[u8]) -> &[u8] {
    let start = message.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or_default();
    &message[start..]
}

/// What a message says, by a reader that knows nothing of the one that is tested: the lines of its
/// headers that do not continue another one, and what stands behind the empty line.
fn lines_and_rest(message: &[u8]) -> (usize, &[u8]) {
    let message = begun(message);
    let (mut at, mut lines) = (0, 0);
    for (index, line) in message.split_inclusive(|&byte| byte == b'\n').enumerate() {
        at += line.len();
        if line == b"\n" || line == b"\r\n" {
            break;
        }
        lines += usize::from(index > 0 && !b" \t".contains(&line[0]));
    }
    (lines, &message[at..])
}

/// Asks a response everything, and holds every answer against the message.
fn question(response: &Response, message: &[u8]) {
    let all = message.len();
    let (lines, rest) = lines_and_rest(message);
    let status = begun(message)[b"SIP/2.0".len()..].trim_ascii_start();

    assert!(all <= 64 * 1024);
    assert!((100..700).contains(&response.code));
    assert!(status.starts_with(response.code.to_string().as_bytes()));
    assert!(response.reason.len() <= 8 * 1024);
    let length = response.number("content-length").map_or(rest.len(), |length| length as usize);
    assert_eq!(Some(response.body.as_slice()), rest.get(..length));
    let mut headers = 0;
    for name in NAMES {
        for value in response.all(name) {
            headers += 1;
            assert!(value.len() <= 8 * 1024);
            assert_eq!(value, value.trim_ascii());
            assert!(!value.iter().any(|byte| b"\0\r\n".contains(byte)));
        }
        let texts = response.texts(name);
        assert!(texts.iter().map(|text| text.len()).sum::<usize>() <= all);
        assert!(texts.iter().all(|text| !text.is_empty()));
        assert!(response.number(name).is_none() || response.first(name).is_some());
    }
    assert!(headers <= lines.min(128), "{}", message.escape_ascii());
    assert!(response.all("via").count() <= response.vias().len());
    for via in response.vias() {
        let kept = [Some(via.sent_by), via.branch, via.received, via.rport];
        assert!(kept.iter().flatten().map(Vec::len).sum::<usize>() <= 8 * 1024);
    }
    for contact in response.contacts() {
        assert!(!contact.uri.is_empty() && contact.uri.len() <= 8 * 1024);
    }
    for challenge in response.challenges() {
        let kept = [Some(challenge.realm), Some(challenge.nonce), challenge.opaque, challenge.qop];
        assert!(kept.iter().flatten().map(Vec::len).sum::<usize>() <= 8 * 1024);
    }
    if let Some((number, method)) = response.sequence() {
        assert!(!method.is_empty());
        let cseq = response.first("cseq").expect("it was read");
        let digits = cseq.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
        let text = String::from_utf8(digits.copied().collect()).expect("digits");
        assert_eq!(text.parse(), Ok(number));
    }
    for name in ["from", "to", "call-id", "cseq"] {
        assert!(response.all(name).count() <= 1);
    }
    let from = response.first("from").map_or(0, <[u8]>::len);
    assert!(response.from_tag().is_none_or(|tag| tag.len() < from));
    assert!(response.retry_after().is_none() || response.first("retry-after").is_some());
    let info = response.authentication_info();
    assert!(info.is_none() || response.first("authentication-info").is_some());
}

/// Every header of the seeds.
const NAMES: [&str; 19] = [
    "via",
    "from",
    "to",
    "call-id",
    "cseq",
    "contact",
    "expires",
    "min-expires",
    "retry-after",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "path",
    "service-route",
    "allow",
    "server",
    "content-type",
    "content-length",
    "subject",
];

fn break_responses(rounds: u32) {
    let seeds = seeds();
    let mut chance = StdRng::seed_from_u64(9);
    let (mut good, mut refused) = (0, [0; 5]);
    for _ in 0..rounds {
        let seed = &seeds[chance.random_range(0..seeds.len())];
        let mutant = mutate(seed, &mut chance);

        let read = Response::read(&mutant);

        match read {
            Ok(response) => {
                good += 1;
                question(&response, &mutant);
                assert_eq!(Response::read(&mutant), Ok(response));
            }
            Err(Malformed::Request) => refused[0] += 1,
            Err(Malformed::NotAResponse) => refused[1] += 1,
            Err(Malformed::TooLarge) => refused[2] += 1,
            Err(Malformed::BrokenHeader) => refused[3] += 1,
            Err(Malformed::WrongLength) => refused[4] += 1,
        }
        let after = Response::read(seed).expect("a good one is read after any other");
        assert_eq!(after.sequence(), Some((2, &b"REGISTER"[..])));
    }
    // The mutations reach the depth of the reader, and are not all harmless. Requests are rare.
    assert!(good > rounds / 10 && good < rounds / 10 * 9, "{good} of {rounds}");
    assert!(refused[1..].iter().all(|&count| count > rounds / 500), "{refused:?} of {rounds}");
}

#[test]
fn every_seed_is_read_whole() {
    let codes = seeds().into_iter().map(|seed| {
        let response = Response::read(&seed).expect("a seed is a good response");
        question(&response, &seed);
        assert_eq!(response.from_tag().as_deref(), Some(&b"5d3f0a9be1c24477"[..]));
        assert_eq!(response.vias().len(), 1);
        (response.code, response.contacts().len(), response.challenges().len())
    });

    let expected = [
        (100, 0, 0),
        (200, 3, 0),
        (200, 1, 0),
        (302, 1, 0),
        (401, 0, 2),
        (407, 0, 1),
        (423, 0, 0),
        (503, 0, 0),
    ];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
}

// I1, D-SIP-2, D-SIP-3
#[test]
fn no_broken_response_panics_the_reader_or_is_read_as_more_than_it_says() {
    break_responses(SOME);
}

// I1, M1
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn ten_million_broken_responses() {
    break_responses(MANY);
}
