//! Moments: as the product writes them, and as a watch saw them come.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::wait::eventually;

use super::watch::Renewal;

/// A moment in the product's JSON.
#[track_caller]
pub(super) fn moment(value: &Value) -> SystemTime {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no moment"));
    let stamp: jiff::Timestamp = text.parse().expect("RFC 3339");
    stamp.into()
}

/// Asserts that a moment is no further than `most` from that of a renewal.
#[track_caller]
pub(super) fn assert_within(most: Duration, at: SystemTime, renewal: &Renewal) {
    let is_early = at + most < renewal.last.asked;
    let is_late = at > renewal.anew.heard + most;
    let off = distance(at, renewal.anew.heard);
    assert!(!is_early && !is_late, "{off:+.3} s off: {at:?} {renewal:?}");
}

/// Seconds from a renewal, or any other moment, to this one.
pub(super) fn distance(at: SystemTime, from: SystemTime) -> f64 {
    match at.duration_since(from) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

/// Waits for the next moment that is so far into a second of the clock.
#[track_caller]
pub(super) fn await_place_in_second(place: Duration) {
    let within = |at: SystemTime| {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Duration::from_nanos(since.subsec_nanos().into())
    };
    eventually("a place in a second", Duration::from_secs(3), || {
        let left = within(SystemTime::now() - place);
        if left < Duration::from_millis(50) { Ok(()) } else { Err(format!("{left:?} past")) }
    });
}
