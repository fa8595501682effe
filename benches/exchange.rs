//! Whole exchanges in memory: from a seed to an outcome, without a socket.
//!
//! Budget: an exchange thinks for at most as long as its packets cost the kernel: 5 µs for STUN
//! and DNS (one round trip on a socket of its own; measured: 1.6 and 3.3 µs), 30 µs for REGISTER
//! with digest (three round trips and two hashed answers; 13 µs) and for a whole allocation (eight
//! round trips, six of them signed both ways, of which the signing of the answers is the bench's
//! own; 17 µs), and 100 µs for the behaviour of a NAT (three repeats of some ten round trips, and
//! their answers; 50 µs). It protects three ratios of DESIGN §7: STUN transactions per second at
//! least half of a plain C loop, REGISTER with digest at most twice the CPU of `SIPp`, and DNS at
//! most a tenth of the CPU of `blackbox_exporter`. CI compares counted instructions, never seconds.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use branchline_probes::wire::stun::{
    Class, Integrity, Key, Method, PasswordAlgorithm, TransactionId, Writer, attribute,
};
use branchline_probes::{
    Chance, Input, LegId, Module, Moment, OptionValue, Options, Outcome, Output, PROBES, Secret,
    Stamp, Target,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn module(name: &str, set: &[(&str, OptionValue)]) -> Box<dyn Module> {
    let probe = PROBES.iter().find(|probe| probe.name() == name).expect("it is listed");
    let mut options = Options::defaults(probe.options());
    for (key, value) in set {
        let spec = probe.options().iter().find(|spec| spec.name == *key).expect("an option");
        options.set(spec, value.clone());
    }
    probe.module(&options).expect("the options are valid")
}

/// Any will do: an exchange is told whom it asks.
const PORT: u16 = 3478;

fn target() -> Target {
    Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: "192.0.2.10".into(),
        address: ([192, 0, 2, 10], PORT).into(),
        transport: None,
        started: std::time::SystemTime::UNIX_EPOCH,
    }
}

/// Makes the answer to the n-th transmission: from whom it comes, on which leg, and what it says.
type Answer = fn(usize, LegId, SocketAddr, &[u8]) -> (SocketAddr, LegId, Vec<u8>);

/// The port of the first leg; each further one has the next.
const FIRST_PORT: u16 = 40_112;

/// Runs one exchange whose every transmission is answered after 20 ms.
fn run(module: &dyn Module, target: &Target, answer: Answer) -> Outcome {
    let mut exchange = module.begin(target, Chance::from_seed([7; 32]));
    let (mut now, mut count) = (Moment::START, 0);
    let mut arriving = VecDeque::new();
    loop {
        match exchange.poll_output() {
            Output::Done(outcome) => return outcome,
            Output::Open(leg) => {
                let local = ([198, 51, 100, 7], FIRST_PORT + u16::from(leg.id.0)).into();
                exchange.handle_input(Input::Connected { leg: leg.id, local }, now);
            }
            Output::Close(_) | Output::Intend(_) => {}
            Output::Transmit { leg, to, bytes } => {
                let number = u32::try_from(count).expect("few");
                exchange.handle_input(Input::Sent { leg, number, stamp: Stamp::Kernel }, now);
                arriving.push_back((now + AFTER, answer(count, leg, to, &bytes)));
                count += 1;
            }
            Output::Wait { until, .. } => {
                let is_there = arriving.front().is_some_and(|(at, _)| *at <= until);
                let arrived = if is_there { arriving.pop_front() } else { None };
                let Some((at, (from, leg, bytes))) = arrived else {
                    now = until;
                    exchange.handle_input(Input::Timeout, now);
                    continue;
                };
                now = at;
                let (stamp, dscp) = (Stamp::Kernel, None);
                let input = Input::Received { leg, from, bytes: &bytes, stamp, dscp };
                exchange.handle_input(input, now);
            }
        }
    }
}

/// How long an answer is under way.
const AFTER: Duration = Duration::from_millis(20);

/// What a STUN server with two addresses says through a full-cone NAT that is a hairpin (RFC 5780).
fn nat_response(
    _: usize,
    leg: LegId,
    to: SocketAddr,
    request: &[u8],
) -> (SocketAddr, LegId, Vec<u8>) {
    const OUTSIDE: [u8; 4] = [203, 0, 113, 2];
    const CHANGE_IP: u8 = 4;
    const CHANGE_PORT: u8 = 2;
    let mapped = SocketAddr::from((OUTSIDE, FIRST_PORT + u16::from(leg.0)));
    if to.ip() == mapped.ip() {
        let turned = to.port() - FIRST_PORT;
        return (mapped, LegId(u8::try_from(turned).expect("a leg")), request.to_vec());
    }
    // CHANGE-REQUEST is the first attribute of who has one.
    let change = if request.get(20..22) == Some(&[0, 3]) { request[27] } else { 0 };
    let origin = |changes: u8| {
        let is_first_ip = (to.ip() == target().address.ip()) == (changes & CHANGE_IP == 0);
        let is_first_port = (to.port() == PORT) == (changes & CHANGE_PORT == 0);
        let last = if is_first_ip { 10 } else { 11 };
        SocketAddr::from(([192, 0, 2, last], if is_first_port { PORT } else { PORT + 1 }))
    };
    let from = origin(change);
    let transaction: TransactionId = request[8..20].try_into().expect("a header");
    let response = Writer::new(Class::Success, Method::Binding, &transaction)
        .with_xor_address(attribute::XOR_MAPPED_ADDRESS, mapped)
        .with_address(attribute::RESPONSE_ORIGIN, from)
        .with_address(attribute::OTHER_ADDRESS, SocketAddr::from(([192, 0, 2, 11], PORT + 1)));
    (from, leg, response.finish())
}

fn binding_response(request: &[u8]) -> Vec<u8> {
    const XOR_MAPPED: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xBD, 0xA2, 0xEA, 0x12, 0xD5, 0x47];
    [&[1, 1, 0, 12], &request[4..20], &XOR_MAPPED].concat()
}

fn dns_response(query: &[u8]) -> Vec<u8> {
    const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xcb\0\x71\x50";
    const OPT: usize = 15;
    let question = &query[12..query.len() - OPT];
    [&query[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], question, ADDRESS].concat()
}

fn sip_response(count: usize, request: &[u8]) -> Vec<u8> {
    const CHALLENGE: &[u8] = b"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest \
        realm=\"sip.example.com\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n";
    const OK: &[u8] = b"SIP/2.0 200 OK\r\n";
    let headers = request.iter().position(|&byte| byte == b'\n').expect("it has lines") + 1;
    [if count == 0 { CHALLENGE } else { OK }, &request[headers..]].concat()
}

static TURN_KEY: LazyLock<Key> = LazyLock::new(|| {
    let (algorithm, integrity) = (PasswordAlgorithm::Md5, Integrity::Sha1);
    Key::long_term(algorithm, integrity, "probe-lyon", b"example.net", "a password")
});

/// The answer to each message of an allocation: challenge, Allocate, CreatePermission, Send,
/// ChannelBind, ChannelData, Refresh, release.
fn turn_response(count: usize, message: &[u8]) -> Vec<u8> {
    const DATA: usize = 5;
    if count == DATA {
        return message.to_vec();
    }
    let transaction: TransactionId = message[8..20].try_into().expect("a header");
    let success = |method| Writer::new(Class::Success, method, &transaction);
    let relayed = "192.0.2.10:50000".parse().expect("an address");
    let refreshed = |lifetime| success(Method::Refresh).with_number(attribute::LIFETIME, lifetime);
    let answer = match count {
        0 => {
            return Writer::new(Class::Error, Method::Allocate, &transaction)
                .with(attribute::ERROR_CODE, b"\0\0\x04\x01Unauthorized")
                .with(attribute::REALM, b"example.net")
                .with(attribute::NONCE, b"nonce")
                .finish();
        }
        1 => success(Method::Allocate)
            .with_xor_address(attribute::XOR_RELAYED_ADDRESS, relayed)
            .with_number(attribute::LIFETIME, 600),
        2 => success(Method::CreatePermission),
        3 => {
            // The data is the last attribute of a Send indication.
            let data = &message[message.len() - 16..];
            return Writer::new(Class::Indication, Method::Data, &transaction)
                .with_xor_address(attribute::XOR_PEER_ADDRESS, relayed)
                .with(attribute::DATA, data)
                .finish();
        }
        4 => success(Method::ChannelBind),
        6 => refreshed(600),
        _ => refreshed(0),
    };
    answer.signed(&TURN_KEY).finish()
}

fn exchanges(criterion: &mut Criterion) {
    let target = target();
    let name = ("name", OptionValue::Text("lyon.example.com".to_owned()));
    let whose = OptionValue::Text("sip:probe-lyon@sip.example.com".to_owned());
    let password = OptionValue::Secret(Secret::new("a password".to_owned()));
    let caller =
        [("username", OptionValue::Text("probe-lyon".to_owned())), ("password", password.clone())];
    let phone = [
        ("address_of_record", whose),
        ("password", password),
        ("allow_cleartext", OptionValue::Flag(true)),
    ];
    let all: [(&str, Box<dyn Module>, Answer); 5] = [
        ("exchange_stun_binding", module("stun-binding", &[]), |_, leg, to, bytes| {
            (to, leg, binding_response(bytes))
        }),
        (
            "exchange_turn_allocation",
            module("turn-allocation", &caller),
            |count, leg, to, bytes| (to, leg, turn_response(count, bytes)),
        ),
        ("exchange_nat_behavior", module("nat-behavior", &[]), nat_response),
        ("exchange_dns_query", module("dns-query", &[name]), |_, leg, to, bytes| {
            (to, leg, dns_response(bytes))
        }),
        ("exchange_sip_register", module("sip-register", &phone), |count, leg, to, bytes| {
            (to, leg, sip_response(count, bytes))
        }),
    ];
    for (name, module, answer) in all {
        assert_eq!(run(&*module, &target, answer).failure, None, "{name} measures a success");
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| run(&*module, &target, answer));
        });
    }
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
