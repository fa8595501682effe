//! When the next server is asked instead (RFC 3263 §4.3).

use std::net::SocketAddr;
use std::time::Duration;

use branchline_probes::locate::{moves_on, passed_over};
use branchline_probes::{
    Failure, Foreign, OptionValue, Refusal, TlsProblem, Transport, Unresolved, Weakness,
};

use super::anonymous;

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

fn rejected(code: u16) -> Failure {
    Failure::Rejected { peer: peer(), code, reason: Foreign::new("No") }
}

#[test]
fn silence_no_way_and_503_are_reasons_to_ask_the_next() {
    let (peer, waited, awaited) = (peer(), Duration::from_secs(32), "the answer");
    for failure in [
        Failure::NoResponse { peer, transmissions: 11, waited },
        Failure::Deadline { peer, awaited, transmissions: 3, waited },
        Failure::Unusable { peer, messages: 1, transmissions: 11 },
        Failure::Refused { peer, by: None, refusal: Refusal::Port },
        Failure::TlsFailed {
            peer,
            problem: TlsProblem::UnknownIssuer,
            issuer: None,
            trusted_by: None,
        },
        Failure::Closed { peer, awaited },
        Failure::Local { peer, problem: std::io::ErrorKind::HostUnreachable },
        rejected(503),
    ] {
        assert!(moves_on(&failure), "{failure}");
    }
}

#[test]
fn any_other_answer_ends_the_walk() {
    let peer = peer();
    let found = || Foreign::new("x");
    for failure in [
        rejected(401),
        rejected(403),
        rejected(404),
        rejected(486),
        rejected(500),
        rejected(504),
        rejected(600),
        Failure::Misbehaved { peer, rule: "RFC 3261 §10.2.1", what: "a lie" },
        Failure::UnexpectedAnswer { peer, found: found(), expected: String::new() },
        Failure::AuthRealm { peer, found: found(), expected: String::new() },
        Failure::AuthWeak { peer, weakness: Weakness::Downgraded },
        Failure::Unresolved { host: String::new(), problem: Unresolved::NoAddress },
        Failure::Cancelled,
        Failure::Internal,
    ] {
        assert!(!moves_on(&failure), "{failure}");
    }
}

#[test]
fn who_was_passed_over_is_told_with_the_reason() {
    let silence =
        Failure::NoResponse { peer: peer(), transmissions: 11, waited: Duration::from_secs(32) };

    let told = |transport, failure| passed_over(transport, peer(), failure).to_string();

    assert_eq!(told(Transport::Udp, &silence), "udp 192.0.2.1:5060 no_response");
    assert_eq!(told(Transport::Tcp, &rejected(503)), "tcp 192.0.2.1:5060 rejected 503");
}

#[test]
fn only_who_asks_for_it_fails_over() {
    assert!(!anonymous(&[]).fails_over());
    assert!(anonymous(&[("failover", OptionValue::Flag(true))]).fails_over());
}
