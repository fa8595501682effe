//! A server that sends us on (RFC 8489 §10).

use std::net::SocketAddr;

use branchline_probes::turn_allocation::{ALTERNATE_SERVER, ERROR_CAUSE, TRANSMISSIONS};
use branchline_probes::{LegId, Module, OptionValue};

use crate::desk::{self, News, Run, Wanted, millis};
use crate::server::{ALLOCATE, REALM, Turn};
use crate::{module, text};

const ALTERNATE: &str = "192.0.2.11:3479";

fn alternate() -> SocketAddr {
    ALTERNATE.parse().expect("an address")
}

fn following(transport: &'static str, realm: &str) -> Box<dyn Module> {
    module(&[
        ("alternate_servers", OptionValue::Addresses(vec![alternate().ip()])),
        ("realm", text(realm)),
        ("transport", OptionValue::Word(transport)),
    ])
}

/// An exchange with a first server that sends everyone to `to`, and a second one there.
fn run(module: &dyn Module, to: SocketAddr, second: &mut Turn) -> (Run, Turn) {
    let mut first = Turn { first_error: Some((300, Some(to))), ..Turn::new() };
    let seen = desk::run(desk::begin(module, 7).as_mut(), &mut |wanted| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(_, to, _) if to == desk::peer() => first.respond(wanted),
        Wanted::Bytes(..) => second.respond(wanted),
    });
    (seen, first)
}

// D-STUN-5
#[test]
fn an_alternate_server_that_nobody_allowed_is_not_spoken_to() {
    let elsewhere = "192.0.2.12:3479".parse().expect("an address");
    for (module, to) in [(module(&[]), alternate()), (following("udp", REALM), elsewhere)] {
        let mut second = Turn::new();

        let (seen, first) = run(&*module, to, &mut second);

        assert_eq!(seen.label(), "rejected");
        assert_eq!(seen.outcome.facts.read(&ERROR_CAUSE), Some("try_alternate"));
        assert_eq!(seen.outcome.facts.read(&ALTERNATE_SERVER), Some(to));
        assert_eq!((seen.opened.len(), first.log.len(), second.log.len()), (1, 1, 0));
    }
}

// D-STUN-5
#[test]
fn an_allowed_alternate_server_is_followed_once_on_a_leg_of_its_own() {
    for transport in ["udp", "tcp"] {
        let mut second = Turn::new();

        let (seen, first) = run(&*following(transport, REALM), alternate(), &mut second);

        assert_eq!(seen.label(), "", "{}", seen.trace);
        assert_eq!(seen.outcome.facts.read(&ALTERNATE_SERVER), Some(alternate()));
        let legs: Vec<_> = seen.opened.iter().map(|leg| (leg.id, leg.peer)).collect();
        assert_eq!(legs, [(LegId(0), desk::peer()), (LegId(1), alternate())]);
        assert!(seen.trace.contains("Close(LegId(0))"));
        assert_eq!(first.log, [(ALLOCATE, false, desk::peer())]);
        assert_eq!(seen.outcome.facts.read(&TRANSMISSIONS), Some(6));
        assert!(second.allocations.is_empty());
        let intends = if transport == "udp" { 2 } else { 0 };
        assert_eq!(seen.trace.matches("Intend(").count(), intends);
    }
}

// D-STUN-5. Nothing has to be remembered of a loop: each exchange takes one step at most, so the
// longest circle is from the target to one alternate server and ends there, and the next exchange
// begins at the target again, with at most one message to each.
#[test]
fn servers_that_send_us_in_circles_are_left_at_the_second() {
    for to in [desk::peer(), alternate(), SocketAddr::new(alternate().ip(), 9)] {
        let mut second = Turn { first_error: Some((300, Some(to))), ..Turn::new() };

        let (seen, first) = run(&*following("udp", REALM), alternate(), &mut second);

        assert_eq!(seen.label(), "rejected");
        assert_eq!((first.log.len(), second.log.len(), seen.opened.len()), (1, 1, 2));
    }
    // Nor does a server send us to itself.
    let to_itself = module(&[
        ("alternate_servers", OptionValue::Addresses(vec![desk::peer().ip()])),
        ("realm", text(REALM)),
    ]);
    let (seen, first) = run(&*to_itself, desk::peer(), &mut Turn::new());
    assert_eq!((seen.label(), first.log.len()), ("rejected", 1));
}

// D-STUN-5
#[test]
fn an_alternate_server_of_another_realm_gets_no_credentials() {
    let mut second = Turn::new();
    second.realms = ["other.test"].into();

    let (seen, _) = run(&*following("udp", REALM), alternate(), &mut second);

    assert_eq!(seen.label(), "auth_realm");
    assert_eq!(second.signed(ALLOCATE), 0);
}

#[test]
fn called_off_between_two_servers_the_exchange_ends() {
    let mut world = {
        let mut first = Turn { first_error: Some((300, Some(alternate()))), ..Turn::new() };
        move |wanted: Wanted<'_>| match wanted {
            Wanted::Open(leg) if leg.id == LegId(1) => vec![(millis(3), News::Cancelled)],
            Wanted::Open(_) | Wanted::Bytes(..) => first.respond(wanted),
        }
    };

    let seen = desk::run(desk::begin(&*following("udp", REALM), 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "cancelled");
    assert!(!seen.outcome.left_behind);
}
