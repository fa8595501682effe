//! What other testers get wrong, one test each: turnutils_stunclient, stuntman's client, pion's
//! stun-nat-behaviour and turnutils_uclient.

use branchline_probes::stun_binding::{
    BURST_SENT, JITTER, LOSS_RATIO, MAPPED_ADDRESS, NAT, RTT, TRANSMISSIONS,
};
use branchline_probes::wire::stun::{Class, Method, Writer, binding_request};
use branchline_probes::{Ignored, Input, LegId, Moment, OptionValue, Output, Stamp};

use super::desk::{self, News, Wanted, begin, millis, module, run};
use super::{ERROR, SUCCESS, ask, attribute, lie, message, truth, xor_mapped};

// turnutils_stunclient sends one request and says "timeout".
#[test]
fn a_server_whose_first_answer_is_lost_is_not_down() {
    let result = ask(|count, request| if count == 0 { Vec::new() } else { vec![truth(request)] });

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(2));
}

// stuntman waits for 3 s and pion's for as long, in all.
#[test]
fn a_server_that_answers_only_the_seventh_request_is_not_down() {
    let result = ask(|count, request| if count == 6 { vec![truth(request)] } else { Vec::new() });

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(7));
}

// pion's takes whatever comes.
#[test]
fn an_answer_to_somebody_elses_request_is_no_answer() {
    let result = ask(|_, request| {
        let mut other = lie(request);
        other[8..20].fill(7);
        vec![other]
    });

    assert_eq!((result.label(), result.ignored(Ignored::Mismatch)), ("unusable", 7));
    assert_eq!(result.outcome.facts.read(&MAPPED_ADDRESS), None);
}

// pion's does not look from where it comes.
#[test]
fn an_answer_from_somewhere_else_is_no_answer() {
    let from = "192.0.2.66:3478".parse().unwrap();
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(_, _, request) => {
            vec![(millis(20), News::Heard { from, bytes: truth(request) })]
        }
    };

    let result = run(begin(&*module("stun-binding", &[]), 7).as_mut(), &mut world);

    assert_eq!((result.label(), result.ignored(Ignored::Stranger)), ("no_response", 7));
}

// turnutils_stunclient ends with 0 after an error response.
#[test]
fn a_stun_error_is_a_failure() {
    for (class, number) in [(3, 0), (4, 0), (4, 1), (4, 20), (5, 0), (6, 99)] {
        let code = attribute(0x0009, &[0, 0, class, number]);
        let result = ask(|_, request| vec![message(ERROR, request, std::slice::from_ref(&code))]);

        assert_eq!(result.label(), "rejected", "{class} {number}");
    }
}

// turnutils_stunclient ends with 0 after a reply that is not STUN.
#[test]
fn a_reply_that_is_not_stun_is_a_failure() {
    let result = ask(|_, _| vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()]);

    assert_eq!((result.label(), result.ignored(Ignored::Malformed)), ("unusable", 7));
}

// stuntman's client ends with 0 whatever happened.
#[test]
fn silence_is_a_failure() {
    assert_eq!(ask(|_, _| Vec::new()).label(), "no_response");
}

// pion's compares with 0.0.0.0 and never sees that there is no NAT.
#[test]
fn the_address_of_the_socket_itself_is_no_nat() {
    let own = xor_mapped([198, 51, 100, 7], 40_112);
    let result = ask(|_, request| vec![message(SUCCESS, request, std::slice::from_ref(&own))]);

    assert_eq!(result.outcome.facts.read(&NAT), Some(false));
}

// A port that changed is a NAT, too.
#[test]
fn the_own_address_with_another_port_is_a_nat() {
    let own = xor_mapped([198, 51, 100, 7], 40_113);
    let result = ask(|_, request| vec![message(SUCCESS, request, std::slice::from_ref(&own))]);

    assert_eq!(result.outcome.facts.read(&NAT), Some(true));
}

// Others tell the time since the last repetition, or the first, as the round trip.
#[test]
fn a_repeated_request_has_no_round_trip_rather_than_a_wrong_one() {
    let result = ask(|count, request| if count == 1 { vec![truth(request)] } else { Vec::new() });

    assert_eq!(result.outcome.facts.read(&RTT), None);
}

// Others print "4 % loss" where a ratio is meant, or 0 where nothing was measured.
#[test]
fn loss_is_a_ratio_of_one_and_absent_where_none_was_measured() {
    let burst = [("burst", OptionValue::Count(25))];
    let mut count = 0;
    let mut world = desk::world(|_, request| {
        count += 1;
        if count == 20 { Vec::new() } else { vec![truth(request)] }
    });
    let lossy = run(begin(&*module("stun-binding", &burst), 7).as_mut(), &mut world);
    let silent = run(begin(&*module("stun-binding", &burst), 7).as_mut(), &mut desk::silence());

    assert_eq!(lossy.outcome.facts.read(&LOSS_RATIO), Some(0.04));
    assert_eq!(silent.label(), "no_response");
    assert_eq!(silent.outcome.facts.read(&LOSS_RATIO), None);
    assert_eq!(silent.outcome.facts.read(&BURST_SENT), None);
}

// turnutils_uclient's jitter is the distance from a pace of 20 ms, so a busy sender has some.
#[test]
fn a_sender_that_keeps_its_pace_badly_has_no_jitter() {
    let options = [("burst", OptionValue::Count(25)), ("pace", OptionValue::Duration(millis(33)))];
    let module = module("stun-binding", &options);

    let mut world = desk::world(|_, request| vec![truth(request)]);
    let result = run(begin(&*module, 7).as_mut(), &mut world);

    assert_eq!(result.outcome.facts.read(&JITTER), Some(millis(0)));
}

// D-STUN-8
#[test]
fn a_million_requests_at_an_open_socket_get_no_byte_in_return() {
    let module = module("stun-binding", &[("burst", OptionValue::Count(2))]);
    let mut exchange = begin(&*module, 7);
    let (leg, from) = (LegId(0), desk::peer());
    let mut now = Moment::START;
    let mut transmissions = 0;
    let local = desk::LOCAL.parse().unwrap();
    assert!(matches!(exchange.poll_output(), Output::Open(_)));
    exchange.handle_input(Input::Connected { leg, local }, now);
    let stranger = "203.0.113.66:3478".parse().unwrap();
    loop {
        match exchange.poll_output() {
            Output::Transmit { .. } => transmissions += 1,
            Output::Wait { until, .. } if transmissions < 7 => {
                now = until;
                exchange.handle_input(Input::Timeout, now);
            }
            Output::Wait { .. } => break,
            Output::Open(_) | Output::Close(_) | Output::Intend(_) | Output::Done(_) => {
                panic!("it waits for its answer")
            }
        }
    }

    let requests = [
        binding_request(&[7; 12]),
        Writer::new(Class::Request, Method::Allocate, &[7; 12]).finish(),
        Writer::new(Class::Indication, Method::Binding, &[7; 12]).finish(),
    ];
    for count in 0..1_000_000 {
        let bytes = &requests[count % requests.len()];
        let from = if count % 2 == 0 { from } else { stranger };
        let input = Input::Received { leg, from, bytes, stamp: Stamp::Kernel, dscp: None };
        exchange.handle_input(input, now);

        assert!(matches!(exchange.poll_output(), Output::Wait { .. }));
    }
}
