//! A call's worth of media: packets out and in, and what is made of them.
//!
//! Budget: a packet is written or read in at most 1 µs, half of what the two UDP system calls of
//! its round trip cost, and 15 s of voice (750 packets) are received and reported in at most
//! 200 µs, so that measuring a call takes no time from another one.

use std::hint::black_box;
use std::time::Duration;

use branchline_probes::media::e_model::{Codec, mos, r_factor};
use branchline_probes::media::reception::{Playout, Reception};
use branchline_probes::media::rtp::{FRAME, PayloadType, Voice};
use branchline_probes::{Chance, Moment};
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
}

criterion_group!(benches, media);
criterion_main!(benches);
