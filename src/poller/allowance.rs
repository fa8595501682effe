//! What the headers of an answer say about the requests that the vendor still allows.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// From this share of the vendor's window on, what is left of it is made to last.
const THRESHOLD: f64 = 0.8;

/// The longest time that a window is believed to have left.
const LONGEST: Duration = Duration::from_secs(60);

/// What one answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Allowance {
    /// How long the vendor asks to wait after a refusal: seconds, a date, or the rest of its
    /// window.
    pub(super) wait: Option<Duration>,
    /// How the rest of the window is to be spent, where most of it is.
    pub(super) scarcity: Option<Scarcity>,
}

/// A window of the vendor that is nearly used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scarcity {
    /// How long the window goes on.
    pub(super) rest: Duration,
    /// How far apart requests have to be to fit into it.
    pub(super) spacing: Duration,
}

impl Allowance {
    /// Reads what is there; nothing has to be.
    pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let after = text(RETRY_AFTER.as_str());
        let reset = text("inin-ratelimit-reset").and_then(seconds);
        let number = |name| text(name).and_then(number);
        let wait = after.and_then(seconds).or_else(|| after.and_then(|date| until(date, now)));
        Self {
            wait: wait.or(reset),
            scarcity: scarcity(
                number("inin-ratelimit-count"),
                number("inin-ratelimit-allowed"),
                reset,
            ),
        }
    }
}

fn scarcity(count: Option<f64>, allowed: Option<f64>, reset: Option<Duration>) -> Option<Scarcity> {
    let (count, allowed, reset) = (count?, allowed?, reset?);
    if allowed < 1.0 || count < allowed * THRESHOLD || reset.is_zero() {
        return None;
    }
    let rest = reset.min(LONGEST);
    let left = (allowed - count).max(0.0);
    Some(Scarcity { rest, spacing: rest.div_f64(left.floor() + 1.0) })
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
    // More than a day is cut later anyway, and would not fit a `Duration` at some point.
    Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
}

fn until(date: &str, now: SystemTime) -> Option<Duration> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Allowance, Scarcity};

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        said(headers).wait
    }

    fn scarce(
        count: &'static str,
        allowed: &'static str,
        reset: &'static str,
    ) -> Option<(u64, u128)> {
        let headers = [
            ("inin-ratelimit-count", count),
            ("inin-ratelimit-allowed", allowed),
            ("inin-ratelimit-reset", reset),
        ];
        let scarcity = said(&headers).scarcity;
        scarcity.map(|Scarcity { rest, spacing }| (rest.as_secs(), spacing.as_millis()))
    }

    fn said(headers: &[(&'static str, &'static str)]) -> Allowance {
        let headers: HeaderMap = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        // RFC 9110 §5.6.7 has this very date as its example.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        Allowance::of(&headers, now)
    }

    // F12
    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(asked(&[("retry-after", "42")]), Some(Duration::from_secs(42)));
        assert_eq!(asked(&[("retry-after", "-5")]), Some(Duration::ZERO));
        assert_eq!(
            asked(&[("retry-after", "1000000000")]),
            Some(Duration::from_secs(86_400)),
            "clamped again by the gate"
        );
        assert_eq!(
            asked(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            asked(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]),
            Some(Duration::ZERO)
        );
    }

    // F12
    #[test]
    fn garbage_is_no_answer_and_the_rest_of_the_window_is() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "soon")]), None);
        assert_eq!(asked(&[("retry-after", "NaN")]), None);
        assert_eq!(
            asked(&[("retry-after", "soon"), ("inin-ratelimit-reset", "17")]),
            Some(Duration::from_secs(17))
        );
    }

    #[test]
    fn from_four_fifths_of_a_window_on_its_rest_is_shared_out() {
        assert_eq!(scarce("1", "300", "61"), None);
        assert_eq!(scarce("239", "300", "30"), None);
        assert_eq!(scarce("240", "300", "30"), Some((30, 491)), "60 are left");
        assert_eq!(scarce("299", "300", "30"), Some((30, 15_000)));
        assert_eq!(scarce("300", "300", "30"), Some((30, 30_000)));
        assert_eq!(scarce("900", "300", "30"), Some((30, 30_000)));
        assert_eq!(scarce("300", "300", "86400"), Some((60, 60_000)), "no window is that long");
    }

    #[test]
    fn what_is_no_allowance_slows_nobody_down() {
        for (count, allowed, reset) in [
            ("many", "300", "30"),
            ("300", "", "30"),
            ("300", "300", "soon"),
            ("300", "0", "30"),
            ("-1", "300", "30"),
            ("NaN", "300", "30"),
            ("300", "inf", "30"),
            ("300", "300", "0"),
        ] {
            assert_eq!(scarce(count, allowed, reset), None, "{count} {allowed} {reset}");
        }
        assert_eq!(said(&[]), Allowance::default());
    }
}
