//! What became of a stream: every packet is one thing and one thing only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use branchline_probes::media::reception::{Arrival, Playout, Reception, Report};

use crate::{Dice, assert_near, at, millis};

const FRAME: Duration = Duration::from_millis(20);

fn reception(capacity: usize) -> Reception {
    Reception::new(Playout { jitter_buffer: millis(60), frame: FRAME }, capacity)
}

/// A packet every 20 ms; each is received so many milliseconds after it left, in the order given,
/// `None` being never.
fn report(transits: &[Option<u64>]) -> Report {
    let mut reception = reception(transits.len());
    for (sequence, transit) in (0_u32..).zip(transits) {
        let sent = u64::from(sequence) * 20;
        reception.sent(sequence, at(sent));
        if let Some(transit) = transit {
            reception.received(sequence, at(sent + transit));
        }
    }
    reception.report().expect("packets were sent")
}

/// Packets that are said to arrive in this order, each after 30 ms.
fn arriving(order: &[u32]) -> Report {
    let mut reception = reception(order.len());
    for sequence in 0..u32::try_from(order.len()).expect("few") {
        reception.sent(sequence, at(u64::from(sequence) * 20));
    }
    for &sequence in order {
        reception.received(sequence, at(u64::from(sequence) * 20 + 30));
    }
    reception.report().expect("packets were sent")
}

#[test]
fn a_stream_that_arrives_whole_has_nothing_to_complain_of() {
    let it = report(&[Some(30); 750]);

    assert_eq!((it.sent, it.received, it.lost, it.late), (750, 750, 0, 0));
    assert_eq!((it.duplicates, it.reordered), (0, 0));
    assert_eq!((it.loss_ratio, it.late_ratio, it.unplayed.percent()), (0.0, 0.0, 0.0));
    assert_eq!(it.worst_window_loss_ratio, 0.0);
    assert_eq!((it.jitter, it.delay_variation_p95), (Some(millis(0)), Some(millis(0))));
    let transit = it.transit.expect("all came");
    assert_eq!((transit.min, transit.mean, transit.max), (millis(30), millis(30), millis(30)));
    assert_eq!((it.bursts.bursts, it.bursts.burst_r), (0, 1.0));
}

#[test]
fn without_a_packet_sent_there_is_nothing_to_report() {
    let mut it = reception(10);
    assert_eq!(it.report(), None);

    it.received(3, at(5));
    assert_eq!(it.report(), None);
}

#[test]
fn of_a_stream_that_never_arrives_no_delay_is_known() {
    let it = report(&[None; 20]);

    assert_eq!((it.sent, it.received, it.lost, it.late), (20, 0, 20, 0));
    assert_eq!((it.loss_ratio, it.unplayed.percent()), (1.0, 100.0));
    assert_eq!((it.transit, it.jitter, it.delay_variation_p95), (None, None, None));
}

#[test]
fn one_packet_has_a_delay_and_no_jitter() {
    let it = report(&[Some(30), None]);

    assert_eq!(it.transit.map(|transit| transit.max), Some(millis(30)));
    assert_eq!((it.jitter, it.delay_variation_p95), (None, Some(millis(0))));
}

/// The fastest takes 25 ms and the jitter buffer 60 ms more.
#[test]
fn late_is_what_comes_after_the_jitter_buffer_has_run_dry() {
    let it = report(&[Some(40), Some(85), Some(25), Some(86), None, Some(300)]);

    assert_eq!((it.received, it.lost, it.late), (5, 1, 2));
    assert_near(it.loss_ratio, 1.0 / 6.0);
    assert_near(it.late_ratio, 2.0 / 6.0);
    assert_near(it.unplayed.percent(), 50.0);
    assert_eq!(it.delay_variation_p95, Some(millis(275)));
    assert_eq!(it.bursts.burst_duration, Some(millis(60)), "late packets are in the burst");
    assert_near(it.worst_window_loss_ratio, 1.0 / 6.0);
}

#[test]
fn a_duplicate_is_counted_and_changes_nothing_else() {
    let mut it = reception(4);
    for sequence in 0..4 {
        it.sent(sequence, at(u64::from(sequence) * 20));
    }
    assert_eq!(it.received(0, at(30)), Arrival::First);
    assert_eq!(it.received(2, at(70)), Arrival::First);
    let before = it.report().expect("four were sent");

    for late in [71, 500, 9_000] {
        assert_eq!(it.received(2, at(late)), Arrival::Duplicate);
        assert_eq!(it.received(0, at(late)), Arrival::Duplicate);
    }

    let after = it.report().expect("four were sent");
    assert_eq!(after, Report { duplicates: 6, ..before.clone() });
    assert_eq!((before.lost, before.duplicates), (2, 0));
}

/// RFC 4737 §3.3: reordered is what comes after a higher number, not what overtook.
#[test]
fn reordered_is_what_was_overtaken() {
    for (order, expected) in [
        (&[0, 1, 2, 3, 4][..], 0),
        (&[0, 2, 1, 3, 4], 1),
        (&[4, 0, 1, 2, 3], 4),
        (&[1, 2, 3, 4, 0], 1),
        (&[4, 3, 2, 1, 0], 4),
        (&[0, 3, 1, 2, 4], 2),
    ] {
        let it = arriving(order);
        assert_eq!((it.reordered, it.lost, it.loss_ratio), (expected, 0, 0.0), "{order:?}");
    }
}

/// Microsoft Teams asks for less than 10 % in 200 ms, which three of these ten packets are not.
#[test]
fn the_worst_200_ms_are_ten_packets() {
    let mut transits = [Some(30); 200];
    for lost in [20, 61, 64, 70, 120, 129, 130] {
        transits[lost] = None;
    }

    let it = report(&transits);

    assert_near(it.loss_ratio, 0.035);
    assert_near(it.worst_window_loss_ratio, 0.3);
}

#[test]
fn the_worst_200_ms_follow_the_length_of_a_frame() {
    let mut it = Reception::new(Playout { jitter_buffer: millis(60), frame: millis(40) }, 50);
    for sequence in 0..50 {
        it.sent(sequence, at(u64::from(sequence) * 40));
        if ![7, 11].contains(&sequence) {
            it.received(sequence, at(u64::from(sequence) * 40 + 30));
        }
    }
    assert_near(it.report().expect("fifty").worst_window_loss_ratio, 0.4);
}

#[test]
fn frames_of_no_length_or_endless_ones_do_no_harm() {
    for frame in [Duration::ZERO, Duration::MAX] {
        let mut it = Reception::new(Playout { jitter_buffer: Duration::MAX, frame }, 2);
        it.sent(0, at(0));
        it.sent(1, at(20));
        it.received(0, at(30));
        let it = it.report().expect("two");
        assert_eq!((it.lost, it.late, it.worst_window_loss_ratio), (1, 0, 1.0), "{frame:?}");
    }
}

#[test]
fn numbers_beyond_the_capacity_are_ignored() {
    let mut it = reception(2);
    for sequence in [0, 1, 2, u32::MAX] {
        it.sent(sequence, at(0));
    }
    assert_eq!(it.received(0, at(30)), Arrival::First);
    for sequence in [2, 2, u32::MAX] {
        assert_eq!(it.received(sequence, at(30)), Arrival::Beyond);
    }

    let it = it.report().expect("two were sent");
    assert_eq!((it.sent, it.received, it.lost, it.duplicates), (2, 1, 1, 0));
}

#[test]
fn a_packet_that_was_never_sent_proves_nothing() {
    let mut it = reception(10);
    it.sent(0, at(0));
    it.sent(1, at(20));
    for stranger in [9, 9, 5] {
        it.received(stranger, at(1));
    }
    it.received(1, at(50));
    it.received(0, at(31));

    let it = it.report().expect("two were sent");
    assert_eq!((it.sent, it.received, it.lost), (2, 2, 0));
    assert_eq!((it.duplicates, it.reordered), (0, 1));
    assert_eq!(it.transit.map(|transit| transit.min), Some(millis(30)));
}

#[test]
fn a_packet_that_we_never_sent_is_not_lost() {
    let mut it = reception(10);
    for sequence in [0, 1, 7, 8] {
        it.sent(sequence, at(u64::from(sequence) * 20));
        it.received(sequence, at(u64::from(sequence) * 20 + 30));
    }
    let it = it.report().expect("four were sent");
    assert_eq!((it.sent, it.received, it.lost, it.bursts.bursts), (4, 4, 0, 0));
}

#[test]
fn the_kernel_s_stamp_replaces_ours_even_after_the_packet_came() {
    let mut it = reception(1);
    it.sent(0, at(0));
    it.received(0, at(30));
    it.sent(0, at(5));

    let it = it.report().expect("one was sent");
    assert_eq!(it.transit.map(|transit| transit.max), Some(millis(25)));
}

/// turnutils_uclient takes the mean of |interarrival − 20 ms| and would report 3 ms here.
#[test]
fn a_sender_that_keeps_its_pace_badly_makes_no_jitter() {
    let constant = |packet: u64| packet * 23;
    let wavering = |packet: u64| packet * 20 + packet % 3 * 6;
    for sent in [constant, wavering] {
        let mut it = reception(750);
        for packet in 0..750 {
            it.sent(packet, at(sent(u64::from(packet))));
            it.received(packet, at(sent(u64::from(packet)) + 40));
        }
        let it = it.report().expect("750 were sent");
        assert_eq!((it.jitter, it.late), (Some(Duration::ZERO), 0));
    }
}

/// Transits of 30 and 31 ms in turn: |D| is always 1 ms, where whole milliseconds of a mean
/// deviation would read 0 or 1.
#[test]
fn jitter_has_fractions_of_a_millisecond() {
    let transits: Vec<_> = (0..10).map(|packet| Some(30 + packet % 2)).collect();

    let jitter = report(&transits).jitter.expect("ten came");

    // 1 − (15/16)⁹ ms
    assert_near(jitter.as_secs_f64() * 1e3, 0.440_575_493);
}

#[test]
fn jitter_follows_the_order_of_arrival() {
    let mut it = reception(3);
    for (sequence, sent) in [(0, 0), (1, 20), (2, 40)] {
        it.sent(sequence, at(sent));
    }
    // Transits 10, 40, 10 by number; by arrival 10, 10, 40.
    for (sequence, received) in [(0, 10), (2, 50), (1, 60)] {
        it.received(sequence, at(received));
    }

    // 30/16 ms, and not 30/16 + (30 − 30/16)/16.
    let jitter = it.report().expect("three").jitter;
    assert_eq!(jitter, Some(Duration::from_micros(1_875)));
}

/// A network as bad as the dice say, beside the plainest bookkeeping of what it did.
#[test]
fn every_packet_sent_is_received_or_lost_whatever_the_network_does() {
    let mut dice = Dice::new(9);
    for round in 0..300 {
        let count = 1 + dice.roll(400);
        let (loss, copies, wait) = (dice.roll(60), dice.roll(30), 1 + dice.roll(200));
        let mut under_way: Vec<(u64, u32)> = Vec::new();
        for sequence in 0..count {
            let sent = u64::from(sequence) * 20;
            if dice.roll(100) >= loss {
                under_way.push((sent + 10 + u64::from(dice.roll(wait)), sequence));
                while dice.roll(100) < copies {
                    under_way.push((sent + 10 + u64::from(dice.roll(wait)), sequence));
                }
            }
        }
        under_way.sort_unstable();
        let mut first = BTreeMap::new();
        for (received, sequence) in &under_way {
            first.entry(*sequence).or_insert(*received);
        }

        let mut it = reception(400);
        (0..count).for_each(|sequence| it.sent(sequence, at(u64::from(sequence) * 20)));
        for (received, sequence) in &under_way {
            it.received(*sequence, at(*received));
        }
        let it = it.report().expect("one at least was sent");

        let transit = |(sequence, received): (&u32, &u64)| received - u64::from(*sequence) * 20;
        let transits: BTreeSet<u64> = first.iter().map(transit).collect();
        let fastest = transits.first().copied().unwrap_or_default();
        let late = first.iter().map(transit).filter(|it| it - fastest > 60).count();
        let overtaken = first
            .iter()
            .filter(|(sequence, received)| {
                first.iter().any(|(other, earlier)| {
                    other > sequence && (earlier, other) < (received, sequence)
                })
            })
            .count();
        assert_eq!(it.received + it.lost, it.sent, "round {round}");
        assert_eq!(it.received, first.len(), "round {round}");
        assert_eq!(it.late, late, "round {round}");
        assert_eq!(it.reordered, overtaken, "round {round}");
        let copies = u64::try_from(under_way.len() - first.len()).expect("few");
        assert_eq!(it.duplicates, copies, "round {round}");
        assert_near(it.unplayed.percent(), (it.loss_ratio + it.late_ratio) * 100.0);
        assert!((0.0..=100.0).contains(&it.unplayed.percent()), "round {round}");
        assert!((0.0..=1.0).contains(&it.worst_window_loss_ratio), "round {round}");
    }
}

#[test]
fn order_alone_is_no_loss() {
    let mut dice = Dice::new(13);
    for _ in 0..200 {
        let mut order: Vec<u32> = (0..100).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, dice.place(place + 1));
        }
        let it = arriving(&order);
        assert_eq!((it.received, it.lost, it.late, it.loss_ratio), (100, 0, 0, 0.0));
    }
}
