//! Percentiles and jitter against numbers made by hand and by exact fractions elsewhere.

use std::time::Duration;

use branchline_probes::Moment;
use branchline_probes::media::distribution::{Distribution, Interarrival, percentile};

use crate::{Dice, at, millis};

/// 500 transits of 20 to 50 ms from a generator that is easily written anywhere (the multiplier
/// and increment of Knuth's MMIX, seed 12345).
fn transits() -> Vec<Duration> {
    let mut state = 12_345_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        Duration::from_nanos(20_000_000 + (state >> 33) % 30_000_000)
    };
    std::iter::repeat_with(next).take(500).collect()
}

/// The jitter of packets that left 20 ms apart and were under way for so long.
fn jitter(transits: &[Duration]) -> Option<Duration> {
    let mut jitter = Interarrival::default();
    let mut sent = at(7);
    for transit in transits {
        jitter.arrived(sent, sent + *transit);
        sent = sent + millis(20);
    }
    jitter.jitter()
}

#[track_caller]
fn assert_within_a_nanosecond(actual: Option<Duration>, expected: f64) {
    let nanos = actual.expect("there is one").as_nanos();
    let nanos = f64::from(u32::try_from(nanos).expect("it is short"));
    assert!((nanos - expected).abs() <= 1.0, "{nanos} is not {expected}");
}

/// J = 0, then 4/16 = 0.25, 0.25 + (2 − 0.25)/16 = 23/64, 345/1024, 13367/16384 ms.
#[test]
fn jitter_of_five_packets_is_what_a_hand_computes() {
    let transits = [10, 14, 12, 12, 20].map(millis);

    assert_eq!(jitter(&transits[..1]), None);
    assert_within_a_nanosecond(jitter(&transits[..2]), 250_000.0);
    assert_within_a_nanosecond(jitter(&transits[..3]), 359_375.0);
    assert_within_a_nanosecond(jitter(&transits[..4]), 336_914.062_5);
    assert_within_a_nanosecond(jitter(&transits), 815_856.933_593_75);
}

#[test]
fn jitter_of_500_packets_is_that_of_exact_fractions() {
    let transits = transits();

    assert_eq!(transits[0], Duration::from_nanos(45_318_264), "the generator is the same");
    assert_within_a_nanosecond(jitter(&transits[..50]), 11_439_020.232_982_174);
    assert_within_a_nanosecond(jitter(&transits), 11_755_293.048_668_56);
}

#[test]
fn clocks_that_disagree_make_no_jitter() {
    let mut ahead = Interarrival::default();
    for packet in 0..100 {
        ahead.arrived(at(3_600_000 + packet * 20), at(packet * 20));
    }

    assert_eq!(ahead.jitter(), Some(Duration::ZERO));
}

#[test]
fn the_longest_times_there_are_do_not_overflow() {
    let mut jitter = Interarrival::default();
    for packet in 0..1_000 {
        let end = Moment::after(Duration::MAX);
        let (sent, received) = if packet % 2 == 0 { (at(0), end) } else { (end, at(0)) };
        jitter.arrived(sent, received);
    }

    assert_eq!(jitter.jitter(), Some(Duration::from_nanos(u64::MAX)));
}

#[test]
fn a_percentile_is_the_nearest_rank() {
    let five = [15, 20, 35, 40, 50].map(millis);
    // Ranks 1, 2, 2, 3 and 5: ⌈0.25⌉, ⌈1.5⌉, ⌈2⌉, ⌈2.5⌉ and 5.
    for (percent, expected) in [(5, 15), (30, 20), (40, 20), (50, 35), (100, 50)] {
        assert_eq!(percentile(&five, percent), Some(millis(expected)), "{percent}");
    }
    assert_eq!(percentile(&five, 0), Some(millis(15)));
    assert_eq!(percentile(&five, 255), Some(millis(50)));
    assert_eq!(percentile(&[], 50), None);
}

#[test]
fn five_hundred_durations_are_summed_up_as_elsewhere() {
    let nanos = Duration::from_nanos;

    let expected = Distribution {
        count: 500,
        min: nanos(20_012_561),
        mean: nanos(34_857_016),
        p50: nanos(34_612_681),
        p95: nanos(48_657_992),
        p99: nanos(49_729_831),
        max: nanos(49_962_099),
    };
    assert_eq!(Distribution::of(transits()), Some(expected));
}

#[test]
fn nothing_has_no_distribution() {
    assert_eq!(Distribution::of([]), None);
}

#[test]
fn one_duration_is_all_of_its_distribution() {
    let one = Distribution::of([millis(7)]).expect("there is one");

    assert_eq!([one.min, one.mean, one.p50, one.p95, one.p99, one.max], [millis(7); 6]);
}

#[test]
fn percentiles_rise_with_their_percentage() {
    let mut dice = Dice::new(3);
    for _ in 0..500 {
        let count = 1 + dice.place(300);
        let durations: Vec<Duration> =
            (0..count).map(|_| Duration::from_nanos(u64::from(dice.roll(1_000)))).collect();

        let it = Distribution::of(durations.iter().copied()).expect("there is one at least");

        assert!([it.min, it.p50, it.p95, it.p99, it.max].is_sorted(), "{it:?}");
        assert!(it.min <= it.mean && it.mean <= it.max, "{it:?}");
        for measured in [it.min, it.p50, it.p95, it.p99, it.max] {
            assert!(durations.contains(&measured), "{it:?}");
        }
        let not_longer = durations.iter().filter(|duration| **duration <= it.p95).count();
        assert!(not_longer * 100 >= 95 * count, "{it:?}");
    }
}

#[test]
fn the_mean_of_the_longest_durations_does_not_overflow() {
    let it = Distribution::of([Duration::MAX; 3]).expect("there are three");

    assert_eq!(it.max, Duration::MAX);
    assert_eq!(it.mean, Duration::from_nanos(u64::MAX));
}
