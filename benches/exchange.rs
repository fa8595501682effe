//! Whole exchanges in memory: from a seed to an outcome, without a socket.
//!
//! Budget: an exchange thinks for at most as long as its packets cost the kernel: 5 µs for STUN
//! and DNS (one round trip on a socket of its own), 50 µs for REGISTER with digest (three round
//! trips and two hashed answers) and for a whole allocation (eight round trips, six of them signed
//! both ways, of which the signing of the answers is the bench's own). It protects three ratios of DESIGN §7: STUN transactions per
//! second at least half of a plain C loop, REGISTER with digest at most twice the CPU of `SIPp`,
//! and DNS at most a tenth of the CPU of `blackbox_exporter`. CI compares counted instructions,
//! never seconds.

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

fn target() -> Target {
    Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: "192.0.2.10".into(),
        address: "192.0.2.10:5060".parse().expect("an address"),
        started: std::time::SystemTime::UNIX_EPOCH,
    }
}

/// Makes the answer to the n-th transmission.
type Answer = fn(usize, &[u8]) -> Vec<u8>;

/// Runs one exchange.
fn run(module: &dyn Module, target: &Target, answer: Answer) -> Outcome {
    let mut exchange = module.begin(target, Chance::from_seed([7; 32]));
    let local: SocketAddr = "198.51.100.7:40112".parse().expect("an address");
    let mut now = Moment::START;
    let mut pending: Option<(LegId, Vec<u8>)> = None;
    let mut count = 0;
    loop {
        match exchange.poll_output() {
            Output::Done(outcome) => return outcome,
            Output::Open(leg) => {
                exchange.handle_input(Input::Connected { leg: leg.id, local }, now);
            }
            Output::Close(_) | Output::Intend(_) => {}
            Output::Transmit { leg, bytes, .. } => {
                let number = u32::try_from(count).expect("few");
                exchange.handle_input(Input::Sent { leg, number, stamp: Stamp::Kernel }, now);
                pending = Some((leg, answer(count, &bytes)));
                count += 1;
            }
            Output::Wait { .. } => {
                let (leg, bytes) = pending.take().expect("every request has its answer");
                now = now + Duration::from_millis(20);
                let (from, stamp) = (target.address, Stamp::Kernel);
                exchange.handle_input(
                    Input::Received { leg, from, bytes: &bytes, stamp, dscp: None },
                    now,
                );
            }
        }
    }
}

fn binding_response(_: usize, request: &[u8]) -> Vec<u8> {
    const XOR_MAPPED: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xBD, 0xA2, 0xEA, 0x12, 0xD5, 0x47];
    [&[1, 1, 0, 12], &request[4..20], &XOR_MAPPED].concat()
}

fn dns_response(_: usize, query: &[u8]) -> Vec<u8> {
    const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xcb\0\x71\x50";
    const OPT: usize = 11;
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
    let all: [(&str, Box<dyn Module>, Answer); 4] = [
        ("exchange_stun_binding", module("stun-binding", &[]), binding_response),
        ("exchange_turn_allocation", module("turn-allocation", &caller), turn_response),
        ("exchange_dns_query", module("dns-query", &[name]), dns_response),
        ("exchange_sip_register", module("sip-register", &phone), sip_response),
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
