//! Data through the relay and back, or not.

use std::net::SocketAddr;

use branchline_probes::turn_allocation::{ECHO_RTT, ERROR_CODE, LOOP_REFUSED};
use branchline_probes::{Ignored, OptionValue, Phase};

use crate::server::{CHANNEL_BIND, CREATE_PERMISSION, SEND, Turn};
use crate::{module, run, seconds};

#[test]
fn a_lost_echo_is_sent_again_and_then_has_no_round_trip() {
    let mut turn = Turn { lost_echoes: 2, ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "");
    assert_eq!(turn.heard().iter().filter(|it| **it == SEND).count(), 3);
    // The echo on the channel came at once.
    assert!(seen.outcome.facts.read(&ECHO_RTT).is_some());

    let mut turn =
        Turn { lost_echoes: 1, errors: [(CHANNEL_BIND, (403, true))].into(), ..Turn::new() };
    let seen = run(&*module(&[]), &mut turn);
    assert_eq!(seen.outcome.facts.read(&ECHO_RTT), None);
}

#[test]
fn silence_of_the_relay_is_a_failure_at_the_echo_and_frees_the_allocation() {
    let mut turn = Turn { lost_echoes: usize::MAX, ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    let (phase, failure) = seen.outcome.failure.as_ref().expect("it fails");
    assert_eq!((*phase, failure.label()), (Phase::Echo, "no_response"));
    assert_eq!(seen.fact("send_echo").as_deref(), Some("Flag(false)"));
    assert_eq!(seen.fact("channel_echo"), None);
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
    assert!(turn.allocations.is_empty());
}

#[test]
fn a_relay_that_carries_indications_and_no_channel_says_which_echo_was_lost() {
    let mut turn = Turn { is_channel_lost: true, ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    let (phase, failure) = seen.outcome.failure.as_ref().expect("it fails");
    assert_eq!((*phase, failure.label()), (Phase::Echo, "no_response"));
    assert_eq!(seen.fact("send_echo").as_deref(), Some("Flag(true)"));
    assert_eq!(seen.fact("channel_echo").as_deref(), Some("Flag(false)"));
    assert!(turn.allocations.is_empty());
}

#[test]
fn a_deadline_in_the_middle_of_the_echo_still_frees_the_allocation() {
    let mut turn = Turn { lost_echoes: usize::MAX, ..Turn::new() };

    let seen = run(&*module(&[("timeout", seconds(2))]), &mut turn);

    let (phase, failure) = seen.outcome.failure.as_ref().expect("it fails");
    assert_eq!((*phase, failure.label()), (Phase::Echo, "deadline"));
    assert!(turn.allocations.is_empty());
    assert!(seen.ended.elapsed() <= std::time::Duration::from_secs(2));
}

#[test]
fn a_server_that_will_not_relay_to_itself_is_no_failure() {
    for method in [CREATE_PERMISSION, CHANNEL_BIND] {
        let mut turn = Turn { errors: [(method, (403, true))].into(), ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "");
        assert_eq!(seen.outcome.facts.read(&LOOP_REFUSED), Some(true));
        assert_eq!(seen.fact("channel_echo"), None);
        assert_eq!(seen.outcome.facts.read(&ERROR_CODE), None);
        assert!(turn.allocations.is_empty());
    }
}

#[test]
fn a_peer_of_the_engineer_s_is_used_and_its_refusal_is_a_failure() {
    let echo: SocketAddr = "192.0.2.77:3480".parse().expect("an address");
    let module = module(&[("peer", OptionValue::Endpoint(echo))]);
    let mut turn = Turn::new();

    let seen = run(&*module, &mut turn);

    assert_eq!(seen.label(), "");
    assert!(
        turn.requests.iter().filter(|it| it.value(0x0012).is_some()).all(|it| it.peer() == echo)
    );

    let mut turn = Turn { errors: [(CREATE_PERMISSION, (403, true))].into(), ..Turn::new() };
    let seen = run(&*module, &mut turn);
    assert_eq!(seen.label(), "rejected");
    assert_eq!(seen.outcome.facts.read(&ERROR_CODE), Some(403));
    assert_eq!(seen.fact("error_cause").as_deref(), Some("Word(\"forbidden\")"));
    assert_eq!(seen.outcome.facts.read(&LOOP_REFUSED), None);
    assert!(turn.allocations.is_empty());
}

#[test]
fn data_that_is_not_ours_is_no_echo() {
    let mut turn = Turn { is_spoiling: true, ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "no_response");
    assert_eq!(seen.fact("send_echo").as_deref(), Some("Flag(false)"));
    assert_eq!(seen.ignored(Ignored::Mismatch), 5);
    assert!(turn.allocations.is_empty());
}
