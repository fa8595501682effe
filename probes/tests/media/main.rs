//! Voice media as numbers, against printed vectors, hand-made streams and hostile bytes.

mod bursts;
mod distribution;
mod e_model;
mod reception;
mod rtp;

use std::time::Duration;

use branchline_probes::{Chance, Moment};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Moment {
    Moment::after(Duration::from_millis(millis))
}

/// Numbers below a bound, the same in every run of the same seed.
struct Dice(Chance);

impl Dice {
    fn new(seed: u8) -> Self {
        Self(Chance::from_seed([seed; 32]))
    }

    /// A number from 0 to `below` − 1; for small bounds the bias does not matter.
    fn roll(&mut self, below: u32) -> u32 {
        u32::from_be_bytes(self.0.bytes()) % below
    }

    fn place(&mut self, below: usize) -> usize {
        usize::try_from(self.roll(u32::try_from(below).expect("it is small"))).expect("it fits")
    }
}

/// Asserts that two numbers agree to a millionth.
#[track_caller]
fn assert_near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-6, "{actual} is not {expected}");
}
