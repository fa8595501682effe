//! What is not ours is not counted, however it comes.

use branchline_probes::wire::stun::write_channel_data;
use branchline_probes::{Ignored, Outcome};

use crate::relay::{
    Noise, RECEIVER, Run, SENDER, World, begin, data_indication, duration, millis, module, relayed,
    run, server,
};

fn with(noise: Box<Noise<'_>>) -> Run {
    let module = module(&[duration(millis(1_000))]);
    run(begin(&*module, 7).as_mut(), World { noise, ..World::default() })
}

fn calm() -> Run {
    with(Box::new(|_, _| Vec::new()))
}

/// The outcome without what was ignored, and how much was for this reason.
fn split(mut outcome: Outcome, reason: Ignored) -> (Outcome, Option<u64>) {
    let count = outcome.ignored.remove(&reason);
    (outcome, count)
}

// I12
#[test]
fn rtp_of_a_stranger_on_our_channel_is_counted_as_unproven() {
    let foreign = |_: usize, data: &[u8]| {
        let mut other = data.to_vec();
        other[20] ^= 1;
        let short = &data[..40];
        vec![
            (RECEIVER, server(), write_channel_data(0x4000, &other, false)),
            (RECEIVER, server(), write_channel_data(0x4000, short, false)),
        ]
    };

    let (outcome, count) = split(with(Box::new(foreign)).outcome, Ignored::Unproven);

    assert_eq!((outcome, count), (calm().outcome, Some(100)));
}

#[test]
fn our_own_packets_from_another_peer_or_channel_are_strangers() {
    let other = "203.0.113.9:4000".parse().expect("an address");
    let forged = move |_: usize, data: &[u8]| {
        vec![
            (RECEIVER, server(), data_indication(other, data)),
            (RECEIVER, server(), data_indication(relayed(RECEIVER), data)),
            (RECEIVER, server(), write_channel_data(0x4001, data, false)),
            (SENDER, server(), write_channel_data(0x4000, data, false)),
            (RECEIVER, other, write_channel_data(0x4000, data, false)),
        ]
    };

    let (outcome, count) = split(with(Box::new(forged)).outcome, Ignored::Stranger);

    assert_eq!((outcome, count), (calm().outcome, Some(250)));
}

#[test]
fn a_packet_that_has_not_left_yet_cannot_have_come() {
    let early = |_: usize, data: &[u8]| {
        let mut next = data.to_vec();
        let number = u16::from_be_bytes([next[2], next[3]]).wrapping_add(5);
        next[2..4].copy_from_slice(&number.to_be_bytes());
        let stamp = u32::from_be_bytes([next[4], next[5], next[6], next[7]]).wrapping_add(800);
        next[4..8].copy_from_slice(&stamp.to_be_bytes());
        vec![(RECEIVER, server(), write_channel_data(0x4000, &next, false))]
    };

    let (outcome, count) = split(with(Box::new(early)).outcome, Ignored::Mismatch);

    assert_eq!((outcome, count), (calm().outcome, Some(50)));
}

// I3
#[test]
fn a_flood_of_copies_is_a_number_and_nothing_else() {
    let flood = |_: usize, data: &[u8]| {
        vec![(RECEIVER, server(), write_channel_data(0x4000, data, false)); 500]
    };

    let it = with(Box::new(flood));

    assert_eq!((it.count("sent"), it.count("received")), (Some(50), Some(50)));
    // 500 copies and the packet itself, of which one counts.
    assert_eq!(it.count("duplicates"), Some(50 * 500));
    assert_eq!((it.ended, it.held.len()), (calm().ended, 0));
}

#[test]
fn noise_alone_is_no_media_and_no_silence() {
    let module = module(&[duration(millis(1_000))]);
    let noise = |_: usize, _: &[u8]| {
        vec![(RECEIVER, server(), write_channel_data(0x4000, &[0x80; 172], false))]
    };
    let world =
        World { noise: Box::new(noise), fate: Box::new(|_| Vec::new()), ..World::default() };

    let it = run(begin(&*module, 7).as_mut(), world);

    assert_eq!((it.label(), it.stage()), ("unusable", "media"));
    assert_eq!((it.count("received"), it.held.len()), (Some(0), 0));
}
