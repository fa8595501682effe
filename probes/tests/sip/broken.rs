//! Responses with a few bytes broken, by the million, through whole exchanges: none panics, and
//! none makes us say what we never say.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use branchline_probes::sip::facts::STATUS_CODE;
use branchline_probes::sip_register::REMOVED;
use branchline_probes::{
    Exchange, Input, LegId, Module, Moment, OptionValue, Outcome, Output, Stamp,
};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::desk::{self, begin_with, millis};
use crate::{PASSWORD, REALM, header, must, ok, phone, repeated, response};

/// How many in each test that always runs.
const SOME: u32 = 50_000;
/// How many in each test that `just fuzz` runs.
const MANY: u32 = 10_000_000;

/// What our requests are made of.
const NAMES: [&str; 14] = [
    "Accept",
    "Authorization",
    "CSeq",
    "Call-ID",
    "Contact",
    "Content-Length",
    "Expires",
    "From",
    "Max-Forwards",
    "Proxy-Authorization",
    "To",
    "User-Agent",
    "Via",
    "X-Padding",
];

/// What registrars say, and proxies before them.
fn seeds(request: &str) -> Vec<String> {
    let challenges = format!(
        "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"n1\", algorithm=MD5\r\n\
         WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"n2\", algorithm=SHA-256, \
         qop=\"auth,auth-int\", opaque=\"a\\\"b\", Digest realm=\"x\", nonce=\"y\"\r\n"
    );
    let proxy = format!(
        "Proxy-Authenticate: Digest realm=\"{REALM}\", nonce=\"p\", algorithm=SHA-512-256-sess, \
         qop=auth, stale=true\r\n"
    );
    let further = "Authentication-Info: nextnonce=\"n3\", qop=auth\r\n\
                   Service-Route: <sip:p1.example.com;lr>,<sip:p2.example.com;lr>\r\n\
                   Path: <sip:edge.example.com;lr>\r\nServer: a registrar\r\n\
                   m: \"A, <B>\" <sip:desk@10.0.0.9>;expires=3000;q=0.5\r\nContent-Length";
    let body = BASE64_STANDARD.encode(request.replace("Max-Forwards: 70", "Max-Forwards: 69"));
    let mirror = format!(
        "SIP/2.0 200 OK\r\n{}c: application/vnd.branchline.mirror\r\nl: {}\r\n\r\n{body}",
        repeated(request),
        body.len(),
    );
    let held = format!("Contact: {}\r\n", header(request, "Contact").unwrap_or("<sip:a@b>"));
    vec![
        ok(request),
        ok(request).replacen("rport", "rport=40999;received=203.0.113.5", 1),
        ok(request).replacen("Content-Length", further, 1),
        response(request, "200 OK", &held.replace("198.51.100.7", "10.9.9.9")),
        response(request, "100 Trying", ""),
        response(request, "401 Unauthorized", &challenges),
        response(request, "407 Proxy Authentication Required", &proxy),
        response(request, "423 Interval Too Brief", "Min-Expires: 240\r\n"),
        response(request, "302 Moved Temporarily", "Contact: <sip:c@192.0.2.99>;q=1\r\n"),
        response(request, "503 Service Unavailable", "Retry-After: 120 (soon);duration=3\r\n"),
        mirror,
    ]
}

/// Breaks a few bytes, most often those that separate.
fn mutate(chance: &mut StdRng, bytes: &mut Vec<u8>) {
    const ODD: &[u8] = b"\r\n\t \0\"\\<>,;:=@/*09-\x7f\xff";
    for _ in 0..chance.random_range(1..4) {
        let at = chance.random_range(0..=bytes.len());
        match chance.random_range(0..8) {
            0 if chance.random_range(0..4) == 0 => bytes.truncate(at),
            1 => bytes.insert(at, ODD[chance.random_range(0..ODD.len())]),
            2 => {
                let until = (at + chance.random_range(0..64)).min(bytes.len());
                let copy = bytes[at..until].to_vec();
                let to = chance.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            3 => {
                let mut noise = vec![0; chance.random_range(0..24)];
                chance.fill_bytes(&mut noise);
                bytes.extend(noise);
            }
            4 => {
                let until = (at + chance.random_range(0..12)).min(bytes.len());
                bytes.drain(at..until);
            }
            5 | 6 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = ODD[chance.random_range(0..ODD.len())];
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
        }
    }
}

/// What an exchange wants when it wants nothing at once.
enum Next {
    /// It waits for the answer to the last request on this leg.
    Asked(LegId),
    Over(Box<Outcome>),
}

/// An exchange that is spoken to by hand.
struct Spoken {
    exchange: Box<dyn Exchange>,
    now: Moment,
    last: String,
    requests: Vec<String>,
}

impl Spoken {
    fn new(module: &dyn Module, chance: &mut StdRng) -> Self {
        let exchange = begin_with(module, branchline_probes::Chance::from_seed(chance.random()));
        Self { exchange, now: Moment::START, last: String::new(), requests: Vec::new() }
    }

    fn next(&mut self) -> Next {
        let mut asked = LegId(0);
        for _ in 0..1_000 {
            match self.exchange.poll_output() {
                Output::Open(leg) => {
                    asked = leg.id;
                    let local = desk::LOCAL.parse().expect("an address");
                    self.exchange.handle_input(Input::Connected { leg: leg.id, local }, self.now);
                }
                Output::Transmit { leg, bytes, .. } => {
                    asked = leg;
                    // A nonce goes back as it came, be it text or not.
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if text != self.last {
                        assert_modest(&text);
                        self.requests.push(text.clone());
                        self.last = text;
                    }
                }
                Output::Close(_) | Output::Intend(_) => {}
                Output::Wait { until, .. } => {
                    assert!(until >= self.now, "it waits for what is past");
                    return Next::Asked(asked);
                }
                Output::Done(outcome) => return Next::Over(Box::new(outcome)),
            }
        }
        panic!("it spins");
    }

    fn hear(&mut self, leg: LegId, bytes: &[u8]) {
        let (from, stamp) = (desk::peer(), Stamp::Kernel);
        let input = Input::Received { leg, from, bytes, stamp, dscp: None };
        self.exchange.handle_input(input, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.exchange.handle_input(Input::Timeout, self.now);
    }
}

/// Whatever came, a request of ours is one request, of headers that it may have.
fn assert_modest(text: &str) {
    let (head, body) = text.split_once("\r\n\r\n").expect("its headers end");
    assert_eq!(body, "", "{text}");
    let mut lines = head.split("\r\n");
    let first = lines.next().expect("it has lines");
    assert!(first.ends_with(" SIP/2.0") && !text.contains('\0'), "{text}");
    for line in lines {
        let (name, value) = line.split_once(": ").expect("it is a header");
        assert!(NAMES.contains(&name), "{text:?}");
        assert!(!value.contains(['\r', '\n']), "{text:?}");
    }
    assert!(!text.contains(PASSWORD), "{text}");
    if let Some(contact) = header(text, "Contact").filter(|_| text.starts_with("REGISTER")) {
        let expires: u32 = must(text, "Expires").parse().expect("a number");
        assert!(expires <= 300 && contact.matches('>').count() == 1, "{text}");
        assert!(contact.contains("branchline-"), "only ours: {text}");
    }
}

/// What of the exchanges came to something.
#[derive(Debug, Default)]
struct Tally {
    exchanges: u32,
    answered: u32,
    removed: u32,
    streams: u32,
}

fn break_exchanges(rounds: u32) {
    const EACH: u32 = 24;
    let flag = || OptionValue::Flag(true);
    let modules: [Box<dyn Module>; 6] = [
        phone(&[("allow_md5", flag())]),
        phone(&[("transport", OptionValue::Word("tcp"))]),
        phone(&[("large", flag())]),
        crate::anonymous(&[]),
        crate::anonymous(&[("mirror", flag())]),
        desk::module("sip-options", &[("mirror", flag())]),
    ];
    let mut chance = StdRng::seed_from_u64(11);
    let (mut broken, mut tally) = (0, Tally::default());
    while broken < rounds {
        let module = &modules[chance.random_range(0..modules.len())];
        let is_stream = module.transport().is_stream();
        let mut spoken = Spoken::new(&**module, &mut chance);
        tally.exchanges += 1;
        tally.streams += u32::from(is_stream);
        let mut heard = 0;
        let mut answers = (String::new(), Vec::new());
        let outcome = loop {
            let leg = match spoken.next() {
                Next::Asked(leg) => leg,
                Next::Over(outcome) => break *outcome,
            };
            if answers.0 != spoken.last {
                answers = (spoken.last.clone(), seeds(&spoken.last));
            }
            // In the end it is left to itself.
            if heard == EACH || answers.0.is_empty() || chance.random_range(0..6) == 0 {
                spoken.pass(millis(chance.random_range(1..3_000)));
                continue;
            }
            heard += 1;
            broken += 1;
            let mut mutant = match chance.random_range(0..3) {
                0 => answers.1[0].clone().into_bytes(),
                _ => answers.1[chance.random_range(0..answers.1.len())].clone().into_bytes(),
            };
            // Some truth among it leads on.
            if chance.random_range(0..8) > 0 {
                mutate(&mut chance, &mut mutant);
            }
            let at = if is_stream { chance.random_range(0..=mutant.len()) } else { 0 };
            let (front, rest) = mutant.split_at(at);
            if !front.is_empty() {
                spoken.hear(leg, front);
            }
            spoken.hear(leg, rest);
        };
        // Three to register and one more that holds longer, three removals, three readings, and
        // two that are large.
        assert!(spoken.requests.len() <= 12, "{}", spoken.requests.join("\n"));
        tally.answered += u32::from(outcome.facts.read(&STATUS_CODE).is_some());
        tally.removed += u32::from(outcome.facts.read(&REMOVED) == Some(true));
        let text = format!("{outcome:?}");
        assert!(!text.contains(PASSWORD) && !text.contains(['\r', '\n', '\0']), "{text}");
    }
    assert!(tally.answered > tally.exchanges / 2, "{tally:?}");
    assert!(tally.removed > tally.exchanges / 20, "{tally:?}");
    assert!(tally.streams > tally.exchanges / 10, "{tally:?}");
}

// I1
#[test]
fn no_broken_response_panics_an_exchange_or_puts_words_into_its_mouth() {
    break_exchanges(SOME);
}

// I1, M1
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn exchanges_with_ten_million_broken_responses() {
    break_exchanges(MANY);
}
