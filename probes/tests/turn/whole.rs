//! From the first request to the release, with what is reported of it.

use std::time::Duration;

use branchline_probes::turn_allocation::{
    ECHO_RTT, INTEGRITY, LIFETIME, MAPPED_ADDRESS, MODE, NONCE_RENEWALS, RELAYED_ADDRESS, RTT,
    TRANSMISSIONS,
};
use branchline_probes::{OptionValue, Phase};

use crate::desk::{LOCAL, News, Wanted, millis, peer};
use crate::server::{
    ALLOCATE, CHANNEL_BIND, CHANNEL_DATA, CREATE_PERMISSION, REFRESH, RELAYED, SEND, Turn,
};
use crate::{desk, module, run};

#[test]
fn without_credentials_a_challenge_is_the_success() {
    let mut turn = Turn::new();

    let seen = run(&*desk::module("turn-allocation", &[]), &mut turn);

    assert_eq!(seen.outcome.failure, None);
    assert_eq!(seen.outcome.facts.read(&MODE), Some("challenge"));
    assert_eq!(seen.fact("realm").as_deref(), Some("Text(\"branch.test\")"));
    assert_eq!(seen.outcome.phases, [(Phase::Challenge, millis(20))]);
    assert_eq!(turn.log, [(ALLOCATE, false, peer())]);
    assert!(seen.fact("error_code").is_none() && seen.fact("freed").is_none());
    assert!(!seen.outcome.left_behind);
}

#[test]
fn without_credentials_an_open_server_is_told_apart_and_its_allocation_freed() {
    let mut turn = Turn { is_open: true, ..Turn::new() };

    let seen = run(&*desk::module("turn-allocation", &[]), &mut turn);

    assert_eq!(seen.outcome.failure, None);
    assert_eq!(seen.outcome.facts.read(&MODE), Some("open"));
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
    assert_eq!(turn.heard(), [ALLOCATE, REFRESH]);
    assert!(turn.allocations.is_empty());
}

#[test]
fn with_credentials_data_goes_through_the_relay_and_back_both_ways_and_all_is_freed() {
    let mut turn = Turn::new();

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.outcome.failure, None, "{}", seen.trace);
    assert_eq!(
        turn.heard(),
        [ALLOCATE, ALLOCATE, CREATE_PERMISSION, SEND, CHANNEL_BIND, CHANNEL_DATA, REFRESH, REFRESH]
    );
    let facts = &seen.outcome.facts;
    assert_eq!(facts.read(&MODE), Some("credentials"));
    assert_eq!(facts.read(&RELAYED_ADDRESS), RELAYED.parse().ok());
    assert_eq!(facts.read(&MAPPED_ADDRESS), LOCAL.parse().ok());
    assert_eq!(facts.read(&LIFETIME), Some(Duration::from_secs(600)));
    assert_eq!(facts.read(&INTEGRITY), Some("sha1"));
    assert_eq!(facts.read(&NONCE_RENEWALS), Some(0));
    assert_eq!(facts.read(&TRANSMISSIONS), Some(5));
    assert_eq!(facts.read(&RTT), Some(millis(20)));
    assert_eq!(facts.read(&ECHO_RTT), Some(millis(20)));
    for (name, value) in [
        ("send_echo", "Flag(true)"),
        ("channel_echo", "Flag(true)"),
        ("userhash", "Flag(false)"),
        ("freed", "Flag(true)"),
        ("clock", "Word(\"kernel\")"),
    ] {
        assert_eq!(seen.fact(name).as_deref(), Some(value), "{name}");
    }
    for absent in ["error_code", "relay_loop_refused", "password_algorithm", "alternate_server"] {
        assert_eq!(seen.fact(absent), None, "{absent}");
    }
    let phases: Vec<_> = seen.outcome.phases.iter().map(|(phase, _)| phase.label()).collect();
    assert_eq!(
        phases,
        ["challenge", "allocate", "permission", "echo", "permission", "echo", "refresh", "release"]
    );
    assert!(turn.allocations.is_empty() && !seen.outcome.left_behind);
    assert!(!seen.outcome.back_off);
}

// D-STUN-6
#[test]
fn no_address_that_the_server_claims_is_ever_spoken_to() {
    let mut turn = Turn::new();

    let seen = run(&*module(&[]), &mut turn);

    assert!(turn.log.iter().all(|(_, _, to)| *to == peer()), "{:?}", turn.log);
    assert_eq!(seen.opened.len(), 1);
    let peers = turn.requests.iter().filter(|it| it.value(0x0012).is_some());
    assert_eq!(peers.map(|it| it.peer()).collect::<Vec<_>>(), [RELAYED.parse().unwrap(); 3]);
}

// D-STUN-7
#[test]
fn a_lifetime_is_an_hour_at_most_and_zero_or_none_is_no_allocation() {
    let mut long = Turn { lifetime: Some(u32::MAX), ..Turn::new() };
    let seen = run(&*module(&[]), &mut long);
    assert_eq!(seen.outcome.facts.read(&LIFETIME), Some(Duration::from_secs(3600)));
    assert_eq!(seen.label(), "");

    for lifetime in [Some(0), None] {
        let mut turn = Turn { lifetime, ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "misbehaved", "{lifetime:?}");
        assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
        assert!(turn.allocations.is_empty());
    }
}

// D-STUN-7: what a Refresh grants changes nothing of what the Allocate did, and an allocation that
// the server has ended by itself is gone.
#[test]
fn whatever_a_refresh_grants_the_allocation_is_freed() {
    for refreshed in [0, 3601, u32::MAX] {
        let mut turn = Turn { refreshed: Some(refreshed), ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "", "{refreshed}: {}", seen.trace);
        assert_eq!(seen.outcome.facts.read(&LIFETIME), Some(Duration::from_secs(600)));
        assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"), "{refreshed}");
        assert!(turn.allocations.is_empty() && !seen.outcome.left_behind);
        assert_eq!(turn.requests.iter().filter(|it| it.kind == REFRESH).count(), 2);
    }
}

#[test]
fn the_intent_is_told_before_the_first_datagram_and_not_over_a_stream() {
    let udp = run(&*module(&[]), &mut Turn::new());
    let tcp = run(&*module(&[("transport", OptionValue::Word("tcp"))]), &mut Turn::new());

    let place = |trace: &str, what: &str| trace.find(what);
    assert_eq!(udp.trace.matches("Intend(").count(), 1);
    assert!(place(&udp.trace, "Intend(") < place(&udp.trace, "Transmit"), "{}", udp.trace);
    assert!(udp.trace.contains(&format!("local: {LOCAL}, peer: {}", peer())), "{}", udp.trace);
    assert_eq!(place(&tcp.trace, "Intend("), None);
}

#[test]
fn over_a_stream_answers_come_in_any_pieces_and_channel_data_is_padded() {
    for piece in [1, 3, 7, 1000] {
        let mut turn = Turn { piece: Some(piece), ..Turn::new() };
        let module = module(&[("transport", OptionValue::Word("tcp"))]);

        let seen = run(&*module, &mut turn);

        assert_eq!(seen.label(), "", "{piece}: {}", seen.trace);
        assert!(seen.sent.iter().all(|(.., bytes)| bytes.len() % 4 == 0));
        assert!(turn.allocations.is_empty());
    }
}

#[test]
fn a_stream_that_the_server_closes_holds_nothing() {
    let mut turn = Turn::new();
    let mut world = |wanted: Wanted<'_>| {
        let mut reply = turn.respond(wanted);
        if turn.heard().len() == 3 {
            reply = vec![(millis(5), News::Closed)];
        }
        reply
    };
    let module = module(&[("transport", OptionValue::Word("tcp"))]);

    let seen = desk::run(desk::begin(&*module, 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "closed");
    assert_eq!(seen.outcome.failure.as_ref().unwrap().0, Phase::Permission);
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
    assert!(!seen.outcome.left_behind);
}

#[test]
fn bytes_on_a_stream_that_begin_no_message_are_the_server_s_fault() {
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(..) => vec![(millis(5), News::answer(*b"SSH-2.0-a-server\r\n"))],
    };
    let module = module(&[("transport", OptionValue::Word("tcp"))]);

    let seen = desk::run(desk::begin(&*module, 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "misbehaved");
}

#[test]
fn the_family_of_the_relayed_address_is_asked_for_where_it_matters() {
    for (family, value) in [(None, None), (Some("ip4"), Some(1)), (Some("ip6"), Some(2))] {
        let set: Vec<_> = family.map(|it| ("family", OptionValue::Word(it))).into_iter().collect();
        let mut turn = Turn::new();

        run(&*module(&set), &mut turn);

        let asked = turn.requests[1].value(0x0017).map(<[u8]>::to_vec);
        assert_eq!(asked, value.map(|it| vec![it, 0, 0, 0]), "{family:?}");
    }
}
