//! A call's worth of media: packets out and in, and what is made of them.
//!
//! Budget: a packet is written or read in at most 50 ns, of which a call needs a hundred each second
//! (measured: 3 ns), and 15 s of voice (750 packets) are received and reported in at most 50 µs
//! (22 µs). A whole exchange of turn-media thinks for at most 0.5 ms in its 16 s, relay included
//! (0.19 ms), so that measuring a call takes no time from another one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::media::e_model::{Codec, mos, r_factor};
use branchline_probes::media::reception::{Playout, Reception};
use branchline_probes::media::rtp::{FRAME, PayloadType, Voice};
use branchline_probes::wire::stun::{
    self, Class, Integrity, Key, Method, PasswordAlgorithm, Writer, attribute, read_channel_data,
};
use branchline_probes::{
    Chance, Input, LegId, Module, Moment, OptionValue, Options, Outcome, Output, PROBES, Secret,
    Stamp, Target,
};
use criterion::{Criterion, criterion_group, criterion_main};

/// 15 s of voice at 50 packets a second.
const PACKETS: u32 = 750;

/// How long each packet is under way: 20 to 83 ms, every 50th never arriving.
fn transit(packet: u32) -> Option<Duration> {
    let spread = packet.wrapping_mul(2_654_435_761) >> 26;
    (packet % 50 != 7).then(|| Duration::from_millis(20 + u64::from(spread)))
}

fn receive() -> Reception {
    let playout = Playout { jitter_buffer: Duration::from_millis(60), frame: FRAME };
    let mut reception = Reception::new(playout, 750);
    for packet in 0..PACKETS {
        let sent = Moment::after(FRAME * packet);
        reception.sent(packet, sent);
        if let Some(transit) = black_box(transit(packet)) {
            reception.received(packet, sent + transit);
        }
    }
    reception
}

const USER: &str = "probe";
const PASSWORD: &str = "a password";
const REALM: &[u8] = b"example.net";

fn module() -> Box<dyn Module> {
    let probe = PROBES.iter().find(|probe| probe.name() == "turn-media").expect("it is listed");
    let mut options = Options::defaults(probe.options());
    for (key, value) in [
        ("username", OptionValue::Text(USER.to_owned())),
        ("password", OptionValue::Secret(Secret::new(PASSWORD.to_owned()))),
    ] {
        let spec = probe.options().iter().find(|spec| spec.name == key).expect("an option");
        options.set(spec, value);
    }
    probe.module(&options).expect("the options are valid")
}

/// What a relay says to a request.
fn answer(leg: LegId, request: &[u8], key: &Key) -> Vec<u8> {
    let message = stun::read(request).expect("the exchange speaks STUN");
    let begin = |class| Writer::new(class, message.method, &message.transaction);
    if !message.has_integrity {
        return begin(Class::Error)
            .with(attribute::ERROR_CODE, &[0, 0, 4, 1])
            .with(attribute::REALM, REALM)
            .with(attribute::NONCE, b"a nonce")
            .finish();
    }
    let success = begin(Class::Success);
    let success = if message.method == Method::Allocate {
        let relayed = SocketAddr::from(([192, 0, 2, 99], 50_000 + u16::from(leg.0)));
        success
            .with_xor_address(attribute::XOR_RELAYED_ADDRESS, relayed)
            .with_number(attribute::LIFETIME, 600)
    } else {
        success
    };
    success.signed(key).finish()
}

/// When it arrives, in which order, on which leg, and what.
type Arriving = (Moment, u32, LegId, Vec<u8>);

/// Runs one exchange with a relay that answers after 10 ms and gives every packet back after 40.
fn run(module: &dyn Module, key: &Key) -> Outcome {
    let peer: SocketAddr = ([192, 0, 2, 10], 3478).into();
    let target = Target {
        name: "relay".into(),
        site: "lyon".into(),
        host: "192.0.2.10".into(),
        address: peer,
        transport: None,
        started: SystemTime::UNIX_EPOCH,
    };
    let mut exchange = module.begin(&target, Chance::from_seed([7; 32]));
    let mut arriving: BinaryHeap<Reverse<Arriving>> = BinaryHeap::new();
    let (mut now, mut numbers) = (Moment::START, [0_u32; 3]);
    loop {
        match exchange.poll_output() {
            Output::Done(outcome) => return outcome,
            Output::Open(leg) => {
                let local = ([198, 51, 100, 7], 40_000 + u16::from(leg.id.0)).into();
                exchange.handle_input(Input::Connected { leg: leg.id, local }, now);
            }
            Output::Close(_) | Output::Intend(_) => {}
            Output::Transmit { leg, bytes, .. } => {
                let number = &mut numbers[usize::from(leg.0)];
                let stamp = Stamp::Kernel;
                exchange.handle_input(Input::Sent { leg, number: *number, stamp }, now);
                *number += 1;
                let (after, to, bytes) = match read_channel_data(&bytes) {
                    Some(_) => (40, LegId(1), bytes),
                    None => (10, leg, answer(leg, &bytes, key)),
                };
                let at = now + Duration::from_millis(after);
                arriving.push(Reverse((at, *number, to, bytes)));
            }
            Output::Wait { until, .. } => match arriving.peek() {
                Some(Reverse((at, ..))) if *at <= until => {
                    let Some(Reverse((at, _, leg, bytes))) = arriving.pop() else { continue };
                    now = at;
                    let (stamp, dscp) = (Stamp::Kernel, Some(46));
                    let input = Input::Received { leg, from: peer, bytes: &bytes, stamp, dscp };
                    exchange.handle_input(input, now);
                }
                Some(_) | None => {
                    now = until;
                    exchange.handle_input(Input::Timeout, now);
                }
            },
        }
    }
}

fn media(criterion: &mut Criterion) {
    let voice = Voice::draw(PayloadType::Pcmu, &mut Chance::from_seed([7; 32]));
    criterion.bench_function("print_rtp_packet", |bencher| {
        bencher.iter(|| voice.packet(black_box(300)));
    });
    let packet = voice.packet(300);
    criterion.bench_function("parse_rtp_packet", |bencher| {
        bencher.iter(|| voice.index_of(black_box(&packet)).expect("it is ours"));
    });
    criterion.bench_function("reception_15_s", |bencher| {
        bencher.iter(|| receive().report().expect("packets were sent"));
    });
    let report = receive().report().expect("packets were sent");
    criterion.bench_function("e_model", |bencher| {
        bencher.iter(|| {
            let delay = Codec::G711Plc.mouth_to_ear(Duration::from_millis(40), FRAME);
            let (loss, burst_r) = black_box((report.unplayed, report.bursts.burst_r));
            mos(r_factor(Codec::G711Plc, loss, burst_r, delay))
        });
    });
    let module = module();
    let key = Key::long_term(PasswordAlgorithm::Md5, Integrity::Sha1, USER, REALM, PASSWORD);
    assert_eq!(run(&*module, &key).failure, None, "it measures a success");
    criterion.bench_function("exchange_turn_media_15_s", |bencher| {
        bencher.iter(|| run(&*module, &key));
    });
}

criterion_group!(benches, media);
criterion_main!(benches);
