//! The burst: loss, round trips and jitter of a row of Bindings, and what must not disturb them.

use std::collections::BTreeSet;
use std::time::Duration;

use branchline_probes::stun_binding::{
    BURST_RECEIVED, BURST_SENT, CLOCK, ERROR_CODE, JITTER, LOSS_RATIO, MAPPED_ADDRESS, RTT,
    RTT_MAX, RTT_MEAN, RTT_MIN, RTT_P50, RTT_P95, RTT_P99, TRANSMISSIONS,
};
use branchline_probes::{
    Ignored, Input, LegId, Moment, OptionValue, Output, Phase, Refusal, Stamp,
};

use super::desk::{self, News, Reply, Run, Wanted, begin, millis, module, run};
use super::{ERROR, attribute, lie, message, truth};

fn options(count: u64) -> Vec<(&'static str, OptionValue)> {
    vec![("burst", OptionValue::Count(count))]
}

/// An exchange whose n-th request, from zero, gets what `answers` says.
fn bursting(
    options: &[(&str, OptionValue)],
    mut answers: impl FnMut(usize, &[u8]) -> Reply,
) -> Run {
    let module = module("stun-binding", options);
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(_, _, request) => {
            count += 1;
            answers(count - 1, request)
        }
    };
    run(begin(&*module, 7).as_mut(), &mut world)
}

fn after(delay: u64, request: &[u8]) -> Reply {
    vec![(millis(delay), News::answer(truth(request)))]
}

#[test]
fn none_is_sent_where_none_is_asked_for() {
    let result = bursting(&options(0), |_, request| after(20, request));

    assert_eq!((result.label(), result.sent.len()), ("", 1));
    assert_eq!(result.outcome.facts.read(&BURST_SENT), None);
    assert_eq!(result.outcome.facts.read(&LOSS_RATIO), None);
}

#[test]
fn paced_requests_follow_the_first_each_with_an_id_of_its_own() {
    let result = bursting(&options(25), |_, request| after(30, request));

    // The first is answered after 30 ms; then one leaves every 20 ms.
    let expected: Vec<u128> = [0].into_iter().chain((0..25).map(|index| 30 + 20 * index)).collect();
    assert_eq!(result.schedule(), expected);
    let ids: BTreeSet<_> = result.sent.iter().map(|(.., bytes)| bytes[8..20].to_vec()).collect();
    assert_eq!((ids.len(), result.label()), (26, ""));
    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&BURST_SENT), facts.read(&BURST_RECEIVED)), (Some(25), Some(25)));
    assert_eq!((facts.read(&LOSS_RATIO), facts.read(&JITTER)), (Some(0.0), Some(Duration::ZERO)));
    assert_eq!((facts.read(&TRANSMISSIONS), facts.read(&RTT)), (Some(1), Some(millis(30))));
    // The last answer ends it: 510 ms after the first request's, and its own 30 ms.
    assert_eq!(result.ended.elapsed(), desk::OPENING + millis(30 + 24 * 20 + 30));
    let phases: Vec<_> = result.outcome.phases.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Request, Phase::Burst]);
}

#[test]
fn round_trips_are_told_by_nearest_rank_and_loss_as_a_ratio() {
    // Of twenty the round trips are 10, 20, … 200 ms; five more are lost.
    let result = bursting(&options(25), |count, request| match count {
        0 => after(10, request),
        21.. => Vec::new(),
        count => after(10 * count as u64, request),
    });

    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&BURST_SENT), facts.read(&BURST_RECEIVED)), (Some(25), Some(20)));
    assert_eq!(facts.read(&LOSS_RATIO), Some(0.2));
    let told = [RTT_MIN, RTT_MEAN, RTT_P50, RTT_P95, RTT_P99, RTT_MAX];
    let told = told.each_ref().map(|key| facts.read(key).unwrap().as_millis());
    assert_eq!(told, [10, 105, 100, 190, 200, 200]);
    assert_eq!(result.label(), "");
}

// RFC 3550 §6.4.1: J += (|D| - J) / 16, by hand.
#[test]
fn jitter_is_that_of_rfc_3550() {
    // Round trips of 20, 36, 20 and 20 ms: differences 16, 16 and 0 ms.
    let delays = [20, 20, 36, 20, 20];
    let result =
        bursting(&[options(4), vec![("pace", duration(100))]].concat(), |count, request| {
            after(delays[count], request)
        });

    let expected = [16.0, 16.0, 0.0].iter().fold(0.0, |jitter, d| jitter + (d - jitter) / 16.0);
    let found = result.outcome.facts.read(&JITTER).unwrap().as_secs_f64() * 1_000.0;
    assert!((found - expected).abs() < 0.001, "{found} ms, not {expected} ms");
}

fn duration(count: u64) -> OptionValue {
    OptionValue::Duration(millis(count))
}

// RFC 3550 §6.4.1 compares packets "in order of arrival (not necessarily in sequence)".
#[test]
fn jitter_compares_answers_as_they_arrive() {
    // Sent 20 ms apart, with round trips of 45, 10 and 10 ms: they arrive as 10, 45 and 10.
    let delays = [10, 45, 10, 10];
    let result = bursting(&options(3), |count, request| after(delays[count], request));

    let differences = [35.0, 35.0];
    let expected = differences.iter().fold(0.0, |jitter, d| jitter + (d - jitter) / 16.0);
    let found = result.outcome.facts.read(&JITTER).unwrap().as_secs_f64() * 1_000.0;
    assert!((found - expected).abs() < 0.001, "{found} ms, not {expected} ms");
}

#[test]
fn of_an_answer_that_comes_twice_the_first_counts() {
    let result = bursting(&options(2), |count, request| match count {
        1 => [after(10, request), after(15, request)].concat(),
        _ => after(10, request),
    });

    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&BURST_RECEIVED), facts.read(&RTT_MAX)), (Some(2), Some(millis(10))));
    assert!(result.outcome.ignored.is_empty());
}

#[test]
fn nothing_of_a_burst_is_repeated_and_silence_is_loss_not_failure() {
    let result = bursting(&options(25), |count, request| match count {
        0 => after(20, request),
        _ => Vec::new(),
    });

    let facts = &result.outcome.facts;
    assert_eq!((result.label(), result.sent.len()), ("", 26));
    assert_eq!(facts.read(&LOSS_RATIO), Some(1.0));
    assert_eq!((facts.read(&JITTER), facts.read(&RTT_MIN)), (None, None));
    // The last request left at 20 + 480 ms, and was waited for 1 s and a usual round trip.
    assert_eq!(result.ended.elapsed(), desk::OPENING + millis(20 + 480 + 1_020));
}

#[test]
fn an_answer_that_is_a_second_late_counts_and_one_later_still_does_not() {
    for (delay, received) in [(1_019, 1), (1_021, 0)] {
        let result = bursting(&options(1), |count, request| match count {
            0 => after(20, request),
            _ => after(delay, request),
        });

        assert_eq!(result.outcome.facts.read(&BURST_RECEIVED), Some(received), "{delay} ms");
    }
}

#[test]
fn answers_out_of_order_are_those_of_their_own_requests() {
    let result = bursting(&options(2), |count, request| match count {
        1 => after(50, request),
        _ => after(10, request),
    });

    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&RTT_MIN), facts.read(&RTT_MAX)), (Some(millis(10)), Some(millis(50))));
    assert_eq!(facts.read(&LOSS_RATIO), Some(0.0));
}

// D-STUN-1
#[test]
fn what_answers_no_request_of_the_burst_is_no_answer() {
    let stranger = "192.0.2.11:5060".parse().unwrap();
    let result = bursting(&options(4), |count, request| {
        let mut other = truth(request);
        other[19] ^= 1;
        let twice = vec![(millis(5), News::answer(truth(request))); 2];
        match count {
            0 => after(20, request),
            1 => vec![(millis(5), News::answer(other))],
            2 => vec![(millis(5), News::Heard { from: stranger, bytes: truth(request) })],
            3 => vec![(millis(5), News::answer(request.to_vec()))],
            _ => twice,
        }
    });

    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&BURST_RECEIVED), facts.read(&LOSS_RATIO)), (Some(1), Some(0.75)));
    let ignored = [Ignored::Mismatch, Ignored::Stranger, Ignored::Unasked];
    assert_eq!(ignored.map(|reason| result.ignored(reason)), [1, 1, 1]);
    assert_eq!(facts.read(&MAPPED_ADDRESS), Some("203.0.113.5:40112".parse().unwrap()));
}

// D-STUN-1
#[test]
fn an_answer_to_a_request_of_the_burst_that_has_not_left_is_no_answer() {
    // The ids of a burst are not known to anybody before they are sent; the same seed knows them.
    let ids: Vec<Vec<u8>> = bursting(&options(3), |_, request| after(20, request))
        .sent
        .into_iter()
        .map(|(.., bytes)| bytes)
        .collect();
    let result = bursting(&options(3), |count, request| match count {
        0 => after(20, request),
        1 => vec![(millis(5), News::answer(truth(&ids[3])))],
        _ => Vec::new(),
    });

    assert_eq!(result.outcome.facts.read(&BURST_RECEIVED), Some(0));
    assert_eq!(result.ignored(Ignored::Mismatch), 1);
}

#[test]
fn a_late_answer_to_the_first_request_does_not_disturb_the_burst() {
    let result = bursting(&options(2), |count, request| match count {
        0 => vec![
            (millis(20), News::answer(truth(request))),
            (millis(45), News::answer(lie(request))),
        ],
        _ => after(20, request),
    });

    assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:40112)");
    assert_eq!(result.outcome.facts.read(&BURST_RECEIVED), Some(2));
    assert!(result.outcome.ignored.is_empty(), "{:?}", result.outcome.ignored);
}

#[test]
fn the_transmissions_of_the_first_request_do_not_shift_those_of_the_burst() {
    // Two requests are lost before the first answer; then round trips of 30 ms.
    let result = bursting(&options(3), |count, request| match count {
        0 | 1 => Vec::new(),
        _ => after(30, request),
    });

    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&TRANSMISSIONS), facts.read(&RTT)), (Some(3), None));
    assert_eq!((facts.read(&RTT_MIN), facts.read(&RTT_MAX)), (Some(millis(30)), Some(millis(30))));
}

#[test]
fn a_server_that_turns_to_errors_in_the_burst_has_rejected() {
    let result = bursting(&options(3), |count, request| match count {
        2 => {
            let code = attribute(0x0009, &[&[0, 0, 5, 0], &b"Server Error"[..]].concat());
            vec![(millis(5), News::answer(message(ERROR, request, &[code])))]
        }
        _ => after(10, request),
    });

    assert_eq!((result.label(), result.sent.len()), ("rejected", 3));
    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&ERROR_CODE), Some(500));
    assert_eq!((facts.read(&BURST_SENT), facts.read(&LOSS_RATIO)), (Some(2), None));
    assert_eq!(result.outcome.failure.map(|(phase, _)| phase), Some(Phase::Burst));
}

#[test]
fn a_burst_that_is_broken_off_says_nothing_of_loss() {
    let refused = News::Refused { by: None, refusal: Refusal::Port };
    for (news, label) in
        [(News::Cancelled, "cancelled"), (refused, "refused"), (News::Failed, "local")]
    {
        let result = bursting(&options(25), |count, request| match count {
            9 => vec![(millis(1), news.clone())],
            _ => after(10, request),
        });

        let facts = &result.outcome.facts;
        assert_eq!((result.label(), facts.read(&BURST_SENT)), (label, Some(9)));
        assert_eq!((facts.read(&LOSS_RATIO), facts.read(&JITTER)), (None, None), "{label}");
        assert!(facts.read(&MAPPED_ADDRESS).is_some());
    }
}

#[test]
fn a_burst_that_the_timeout_would_cut_is_shorter_and_waits_for_all_its_answers() {
    // The first answer comes after 1.52 s; 25 requests would need 1.98 s more.
    let options = [options(25), vec![("timeout", duration(3_300))]].concat();
    let result = bursting(&options, |count, request| match count {
        0 | 1 => Vec::new(),
        _ if count < 10 => after(20, request),
        _ => Vec::new(),
    });

    let facts = &result.outcome.facts;
    // Each request keeps 1.5 s for its answer: at 1.52, 1.54, … 1.80 s there is room for that.
    assert_eq!((facts.read(&BURST_SENT), facts.read(&BURST_RECEIVED)), (Some(14), Some(7)));
    assert_eq!((facts.read(&LOSS_RATIO), result.label()), (Some(0.5), ""));
    assert!(result.ended.elapsed() <= millis(3_300));
}

#[test]
fn where_no_time_is_left_no_burst_is_sent_and_no_loss_is_told() {
    let options = [options(25), vec![("timeout", duration(2_500))]].concat();
    let result = bursting(&options, |count, request| match count {
        0 | 1 => Vec::new(),
        _ => after(20, request),
    });

    let facts = &result.outcome.facts;
    assert_eq!((result.label(), facts.read(&BURST_SENT)), ("", Some(0)));
    assert_eq!(facts.read(&LOSS_RATIO), None);
}

// A host that slept, or is busy, must not make up for it: the network would see a flood.
#[test]
fn a_busy_host_sends_late_requests_at_the_same_pace() {
    let module = module("stun-binding", &options(3));
    let mut exchange = begin(&*module, 7);
    let leg = LegId(0);
    let mut sent = Vec::new();
    let mut number = 0;
    let mut now = Moment::START;
    let mut is_open = false;
    loop {
        match exchange.poll_output() {
            Output::Open(_) => is_open = true,
            Output::Transmit { bytes, .. } => {
                sent.push(now.elapsed().as_millis());
                exchange.handle_input(Input::Sent { leg, number, stamp: Stamp::Kernel }, now);
                number += 1;
                let (from, bytes) = (desk::peer(), truth(&bytes));
                let stamp = if number == 1 { Stamp::Kernel } else { Stamp::Program };
                let input = Input::Received { leg, from, bytes: &bytes, stamp, dscp: None };
                exchange.handle_input(input, now);
            }
            Output::Wait { .. } if is_open => {
                is_open = false;
                let local = desk::LOCAL.parse().unwrap();
                exchange.handle_input(Input::Connected { leg, local }, now);
            }
            Output::Wait { until, .. } => {
                // Every timer fires half a second late.
                now = until + millis(500);
                exchange.handle_input(Input::Timeout, now);
            }
            Output::Done(outcome) => {
                assert_eq!(sent, [0, 0, 520, 1_040]);
                assert_eq!(outcome.facts.read(&CLOCK), Some("program"));
                return;
            }
            Output::Close(_) | Output::Intend(_) => {}
        }
    }
}
