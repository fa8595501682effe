//! Bursts and gaps against hand-made streams and the code of RFC 3611 appendix A.2.

use std::time::Duration;

use branchline_probes::media::bursts::{Bursts, GMIN, worst_window};

use crate::{Dice, assert_near, millis};

const FRAME: Duration = Duration::from_millis(20);

/// A stream from runs: so many received, so many missing, and so on.
fn stream(runs: &[usize]) -> Vec<bool> {
    let run = |(place, length): (usize, &usize)| vec![place % 2 == 1; *length];
    runs.iter().enumerate().flat_map(run).collect()
}

fn bursts(runs: &[usize]) -> Bursts {
    Bursts::of(&stream(runs), FRAME)
}

#[test]
fn a_stream_without_loss_is_one_gap() {
    let it = bursts(&[750]);

    assert_eq!((it.bursts, it.burst_density, it.burst_duration), (0, None, None));
    assert_eq!((it.gap_density, it.gap_duration), (Some(0.0), Some(Duration::from_secs(15))));
    assert_eq!(it.burst_r, 1.0);
}

#[test]
fn no_packets_are_neither_burst_nor_gap() {
    let it = bursts(&[]);

    assert_eq!((it.bursts, it.burst_density, it.burst_duration), (0, None, None));
    assert_eq!((it.gap_density, it.gap_duration, it.burst_r), (None, None, 1.0));
}

#[test]
fn isolated_losses_belong_to_the_gap() {
    let it = bursts(&[20, 1, 16, 1, 62]);

    assert_eq!((it.bursts, it.burst_density), (0, None));
    assert_eq!(it.gap_density, Some(0.02));
    assert_eq!(it.gap_duration, Some(millis(2_000)));
}

#[test]
fn losses_fifteen_packets_apart_are_one_burst() {
    let it = bursts(&[20, 1, 15, 1, 63]);

    assert_eq!((it.bursts, it.burst_duration), (1, Some(millis(17 * 20))));
    assert_near(it.burst_density.expect("a burst"), 2.0 / 17.0);
    // Of 20 and of 63 packets.
    assert_eq!((it.gap_density, it.gap_duration), (Some(0.0), Some(millis(41 * 20 + 10))));
}

/// Bursts of 2 in 2 and of 4 in 6 packets, gaps of 10, 20 (one of them missing) and 62.
#[test]
fn two_bursts_are_averaged() {
    let it = bursts(&[10, 2, 16, 1, 3 + 16, 3, 2, 1, 46]);

    assert_eq!((it.bursts, it.burst_duration), (2, Some(millis(80))));
    assert_eq!(it.burst_density, Some(0.75));
    assert_near(it.gap_density.expect("gaps"), 1.0 / 92.0);
    // (10 + 36 + 46) × 20 ms ÷ 3
    assert_eq!(it.gap_duration, Some(Duration::from_nanos(613_333_333)));
}

#[test]
fn a_stream_that_is_all_missing_is_one_burst() {
    let it = bursts(&[0, 50]);

    assert_eq!(
        (it.bursts, it.burst_density, it.burst_duration),
        (1, Some(1.0), Some(millis(1_000)))
    );
    assert_eq!((it.gap_density, it.gap_duration, it.burst_r), (None, None, 1.0));
}

/// 7 of 100 missing in runs of 5, 1 and 1: 7/3 in a row where 100/93 are expected.
#[test]
fn the_burst_ratio_is_the_mean_run_over_that_of_random_loss() {
    assert_near(bursts(&[20, 5, 40, 1, 20, 1, 13]).burst_r, 7.0 / 3.0 * 0.93);
}

#[test]
fn the_burst_ratio_of_random_loss_is_about_1() {
    let mut dice = Dice::new(11);
    let missing: Vec<bool> = (0..200_000).map(|_| dice.roll(100) < 10).collect();

    let burst_r = Bursts::of(&missing, FRAME).burst_r;
    assert!((1.0..1.02).contains(&burst_r), "{burst_r}");
}

/// The counters of RFC 3611 appendix A.2, fed packet by packet.
#[derive(Default)]
struct Counters {
    packets: usize,
    lost: usize,
    c11: usize,
    c13: usize,
    c14: usize,
    c22: usize,
    c23: usize,
    c33: usize,
}

impl Counters {
    fn feed(&mut self, is_missing: bool) {
        if !is_missing {
            self.packets += 1;
            return;
        }
        if self.packets >= 16 {
            if self.lost == 1 {
                self.c14 += 1;
            } else {
                self.c13 += 1;
            }
            self.lost = 1;
            self.c11 += self.packets;
        } else {
            self.lost += 1;
            if self.packets == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.packets - 1;
            }
        }
        self.packets = 0;
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("it is small"))
}

#[test]
fn densities_and_durations_are_those_of_the_rfc_s_own_counters() {
    let mut dice = Dice::new(5);
    let mut with_bursts = 0;
    for _ in 0..2_000 {
        // A chain of two states, of any length, rate and stickiness.
        let (rate, stay, length) = (1 + dice.roll(20), dice.roll(90), 1 + dice.place(600));
        let mut was_missing = false;
        let missing: Vec<bool> = (0..length)
            .map(|_| {
                was_missing = dice.roll(100) < if was_missing { stay } else { rate };
                was_missing
            })
            .collect();

        // The stream is taken to stand between received packets; a loss further out makes the
        // counters count its ends, and is taken off them again.
        let mut it = Counters { lost: 1, ..Counters::default() };
        let around = [false; 16];
        for is_missing in around.iter().chain(&missing).chain(&around).chain(&[true]) {
            it.feed(*is_missing);
        }
        let isolated = it.c14 - 1;
        let within_bursts = it.c22 + it.c23 + it.c13 + it.c23 + it.c33;
        let p32 = float(it.c23) / float(it.c13 + it.c23 + it.c33);
        let p23 =
            if it.c22 + it.c23 < 1 { 1.0 } else { 1.0 - float(it.c22) / float(it.c22 + it.c23) };

        let ours = Bursts::of(&missing, FRAME);

        assert_eq!(ours.bursts, it.c13, "{missing:?}");
        if it.c13 > 0 {
            with_bursts += 1;
            assert_near(ours.burst_density.expect("a burst"), p23 / (p23 + p32));
            let mean = float(within_bursts) * 0.02 / float(it.c13);
            assert_near(ours.burst_duration.expect("a burst").as_secs_f64(), mean);
        } else {
            assert_eq!(ours.burst_density, None);
        }
        let within_gaps = it.c11 - 32 + isolated;
        assert_eq!(ours.gap_density.is_some(), within_gaps > 0, "{missing:?}");
        if let Some(density) = ours.gap_density {
            assert_near(density, float(isolated) / float(within_gaps));
        }
    }
    assert!((500..1_900).contains(&with_bursts), "{with_bursts} of 2000 had bursts");
}

#[test]
fn a_gap_loses_one_of_seventeen_at_most() {
    let runs: Vec<usize> = [GMIN, 1].repeat(40);
    let it = bursts(&runs);

    assert_eq!(it.bursts, 0);
    assert_near(it.gap_density.expect("a gap"), 1.0 / 17.0);
}

#[test]
fn the_worst_window_finds_the_worst_wherever_it_is() {
    for runs in [&[0, 3, 97][..], &[97, 3], &[50, 3, 47], &[40, 1, 7, 2, 50], &[5, 1, 20, 3, 71]] {
        assert_eq!(worst_window(&stream(runs), 10), Some(0.3), "{runs:?}");
    }
}

#[test]
fn losses_further_apart_than_a_window_do_not_add_up() {
    assert_eq!(worst_window(&stream(&[40, 1, 9, 1, 49]), 10), Some(0.1));
    assert_eq!(worst_window(&stream(&[40, 1, 8, 1, 50]), 10), Some(0.2));
}

#[test]
fn of_a_stream_shorter_than_a_window_all_counts() {
    assert_eq!(worst_window(&stream(&[3, 1]), 10), Some(0.25));
    assert_eq!(worst_window(&[], 10), None);
    assert_eq!(worst_window(&[true, false], 0), Some(1.0), "a window holds one at least");
}
