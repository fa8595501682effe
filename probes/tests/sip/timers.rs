//! When a request is sent again over UDP, and when nobody waits any longer (RFC 3261 §17.1.2, F55).

use std::time::Duration;

use branchline_probes::sip::facts::{CLOCK, RETRANSMISSIONS, RTT, TRANSMISSIONS};
use branchline_probes::{Failure, OptionValue};

use crate::desk::{OPENING, Run, millis};
use crate::{anonymous, counts, header, ok, options, readings, register, response};

const WHOLE: [u128; 11] =
    [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

fn timeout(of: Duration) -> (&'static str, OptionValue) {
    ("timeout", OptionValue::Duration(of))
}

fn counted(result: &Run) -> (Option<u64>, Option<u64>) {
    let facts = &result.outcome.facts;
    (facts.read(&TRANSMISSIONS), facts.read(&RETRANSMISSIONS))
}

/// When the requests to register left.
fn registrations(result: &Run) -> Vec<u128> {
    let (count, _) = counts(result);
    result.schedule()[..count].to_vec()
}

// RFC 3261 §17.1.2.2
#[test]
fn given_silence_options_is_sent_eleven_times_and_over_after_32_s() {
    let result = options(&[], |_, _| Vec::new());

    assert_eq!((result.label(), result.schedule().as_slice()), ("no_response", &WHOLE[..]));
    assert_eq!(result.ended.elapsed(), OPENING + millis(32_000));
    assert_eq!(counted(&result), (Some(11), Some(10)));
    let bytes: Vec<_> = result.sent.iter().map(|(.., bytes)| bytes).collect();
    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]), "the same transaction");
}

// RFC 3261 §17.1.2.2, F55
#[test]
fn given_silence_a_registration_is_over_after_32_s_and_eight_are_kept_for_the_removal() {
    let result = register(&*anonymous(&[]), |_, _| Vec::new());

    let (_, failure) = result.outcome.failure.as_ref().expect("it failed");
    let Failure::NoResponse { transmissions: 11, waited, .. } = failure else {
        panic!("{failure:?}");
    };
    assert!(millis(31_999) <= *waited && *waited <= millis(32_000), "{waited:?}");
    assert_eq!(registrations(&result), WHOLE);
    assert_eq!(result.ended.elapsed(), millis(40_000));
    let first = result.sent[11].0;
    let removals: Vec<_> =
        result.sent[11..].iter().map(|(at, ..)| at.since(first).as_millis()).collect();
    assert_eq!(removals, [0, 500, 1_500, 3_500, 7_500]);
}

// F55
#[test]
fn a_timeout_cuts_the_schedule_and_says_so() {
    // A fifth is kept for the removal, which the same silence meets.
    for (whole, expected) in [(5_000, 4), (10_000, 5), (20_000, 7)] {
        let result = register(&*anonymous(&[timeout(millis(whole))]), |_, _| Vec::new());

        assert_eq!((result.label(), registrations(&result).len()), ("deadline", expected));
        assert_eq!(result.ended.elapsed(), millis(whole), "never later");
        let until = whole - whole / 5;
        let (_, failure) = result.outcome.failure.as_ref().expect("it failed");
        let Failure::Deadline { waited, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(waited.as_millis(), u128::from(until) - 1, "since the first request");
    }
    let result = options(&[timeout(millis(3_000))], |_, _| Vec::new());
    assert_eq!((result.label(), result.ended.elapsed()), ("deadline", millis(3_000)));
    assert_eq!(result.schedule(), [0, 500, 1_500]);
}

// RFC 3261 §17.1.2.2: "reset timer E with a value of T2" in Proceeding.
#[test]
fn a_provisional_answer_to_a_later_transmission_slows_those_that_follow() {
    let result = options(&[], |count, request| match count {
        2 => vec![response(request, "183 Session Progress", "")],
        _ => Vec::new(),
    });

    // Timer E runs already, for 2 s; what follows is T2.
    assert_eq!(result.schedule()[..6], [0, 500, 1_500, 3_500, 7_500, 11_500]);
    let first = options(&[], |count, request| match count {
        0 => vec![response(request, "100 Trying", "")],
        _ => Vec::new(),
    });
    assert_eq!(first.schedule(), [0, 500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500]);
    assert_eq!((first.label(), first.ended.elapsed()), ("unusable", OPENING + millis(32_000)));
}

// F55
#[test]
fn a_final_answer_ends_the_retransmissions_whatever_was_provisional() {
    let result = options(&[], |count, request| match count {
        0 => vec![response(request, "100 Trying", "")],
        1 => vec![response(request, "200 OK", "")],
        _ => Vec::new(),
    });

    assert_eq!((result.label(), result.schedule().as_slice()), ("", &[0, 500][..]));
    assert_eq!(counted(&result), (Some(2), Some(1)));
    assert_eq!(result.outcome.facts.read(&RTT), None, "nobody can tell which one was answered");
}

#[test]
fn what_is_counted_are_the_registrations_and_not_what_takes_them_back() {
    let mut removals = 0;
    let result = register(&*anonymous(&[]), |count, request| {
        let is_removal = header(request, "Expires") == Some("0");
        removals += usize::from(is_removal);
        match count {
            0 | 1 => Vec::new(),
            _ if is_removal && removals < 3 => Vec::new(),
            _ => vec![ok(request)],
        }
    });

    assert_eq!((counts(&result), readings(&result)), ((3, 3), 1));
    assert_eq!(counted(&result), (Some(3), Some(2)));
}

#[test]
fn the_round_trip_is_that_of_the_first_request_alone() {
    let result = register(&*anonymous(&[]), |_, request| vec![ok(request)]);

    assert_eq!(result.outcome.facts.read(&RTT), Some(millis(20)));
    assert_eq!(result.outcome.facts.read(&CLOCK), Some("kernel"));
    assert_eq!(counted(&result), (Some(1), Some(0)));
}
