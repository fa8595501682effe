//! What the branch's router does to packets, seen by ping and by plain sockets.

use std::net::SocketAddr;
use std::time::Duration;

use crate::branch::{
    Branch, CLIENT, CLIENT_6, CLOUD, CLOUD_6, CLOUD_TOO, GATEWAY, GATEWAY_6, Nat, Traffic,
};
use crate::coturn::Coturn;
use crate::process::{ask_over_udp_inside, program, run_well, words};
use crate::stund::Stund;
use crate::wait::eventually;

use super::wire::Ping;

#[test]
fn a_router_that_loses_five_percent_each_way_loses_every_tenth_ping() {
    let branch = Branch::behind(Nat::PortRestricted);
    branch.lose(Traffic::All, 5.0);

    let ping = Ping::run(&branch, &["-i", "0.002", "-c", "2000", CLOUD]);

    // 9.75 % of 2000, and six standard deviations either way.
    assert!((115..275).contains(&ping.lost()), "{ping:#?}");
}

#[test]
fn a_router_that_loses_udp_only_loses_no_ping() {
    let branch = Branch::behind(Nat::PortRestricted);
    let _coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();
    branch.lose(Traffic::Udp, 100.0);

    let ping = Ping::run(&branch, &["-i", "0.002", "-c", "50", CLOUD]);

    assert_eq!(ping.lost(), 0, "{ping:#?}");
    assert!(ask(&branch, CLOUD, 3478).is_err());
}

#[test]
fn a_router_that_rejects_says_so_until_it_is_healed() {
    let branch = Branch::behind(Nat::PortRestricted);
    let _coturn = Coturn::at(&[CLOUD, CLOUD_6]).inside(&branch.at_cloud()).start();
    let ask = |address| ask(&branch, address, 3478);
    branch.reject(Traffic::Udp);

    let refused = ask(CLOUD).unwrap_err();
    assert!(refused.contains("No route to host"), "{refused}");
    let refused = ask(CLOUD_6).unwrap_err();
    assert!(refused.contains("Permission denied"), "{refused}");

    branch.heal();
    assert!(ask(CLOUD).is_ok());
    assert!(ask(CLOUD_6).is_ok());
}

#[test]
fn a_router_that_bleaches_clears_the_marks_of_packets() {
    let branch = Branch::behind(Nat::Symmetric);
    let expedited = branch.meter("ip dscp ef icmp type echo-request");
    let ping = || Ping::run(&branch, &["-i", "0.002", "-c", "10", "-Q", "0xb8", CLOUD]);

    assert_eq!(ping().lost(), 0);
    assert_eq!(expedited.packets(), 10);

    branch.bleach_dscp();
    assert_eq!(ping().lost(), 0);
    assert_eq!(expedited.packets(), 10);
}

#[test]
fn a_router_that_drops_one_port_lets_the_others_pass() {
    let branch = Branch::behind(Nat::PortRestricted);
    let _stund = Stund::start(&branch.at_cloud(), [CLOUD, CLOUD_TOO]);
    branch.drop(Traffic::Matching("udp dport 3478"));

    assert!(ask(&branch, CLOUD, 3478).is_err());
    assert!(ask(&branch, CLOUD, 3479).is_ok());
}

#[test]
fn a_router_that_restarts_forgets_the_exchanges_that_it_knew() {
    let branch = Branch::behind(Nat::Symmetric);
    let _coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();
    ask(&branch, CLOUD, 3478).unwrap();
    assert_eq!(known(&branch), 1);

    branch.forget_all();

    assert_eq!(known(&branch), 0);
}

#[test]
fn an_impatient_router_forgets_an_exchange_that_is_silent() {
    let branch = Branch::behind(Nat::Symmetric);
    let _coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();
    branch.forget_udp_after(2);
    ask(&branch, CLOUD, 3478).unwrap();
    assert_eq!(known(&branch), 1);

    // The kernel's own patience is 30 s.
    eventually("a router that forgot", Duration::from_secs(10), || match known(&branch) {
        0 => Ok(()),
        known => Err(format!("{known} are known")),
    });
}

#[test]
fn nobody_reaches_the_client_unasked_where_its_address_is_translated() {
    for (nat, reached) in [(Nat::None, 1), (Nat::PortRestricted, 0), (Nat::Symmetric, 0)] {
        let branch = Branch::behind(nat);
        let ping = |address| Ping::run_at(&branch.at_cloud(), &["-c", "1", address]).received;

        assert_eq!(ping(CLIENT), reached, "{nat:?}");
        // Nothing translates IPv6.
        assert_eq!(ping(CLIENT_6), 1, "{nat:?}");
    }
}

#[test]
fn what_comes_back_is_metered_at_the_client() {
    let branch = Branch::behind(Nat::FullCone);
    let replies = branch.meter_at_client("icmp type echo-reply");
    let requests = branch.meter_at_client("icmp type echo-request");

    assert_eq!(Ping::run(&branch, &["-i", "0.002", "-c", "10", CLOUD]).received, 10);

    assert_eq!(replies.packets(), 10);
    assert_eq!(requests.packets(), 0);
}

#[test]
fn a_cable_that_is_pulled_and_put_back_carries_again() {
    let branch = Branch::behind(Nat::PortRestricted);

    branch.unplug();
    assert_eq!(Ping::run(&branch, &["-c", "1", "-W", "0.2", GATEWAY]).received, 0);

    branch.plug();
    for address in [CLOUD, CLOUD_6, GATEWAY, GATEWAY_6] {
        assert_eq!(Ping::run(&branch, &["-c", "1", address]).received, 1);
    }
}

/// How many UDP exchanges the router knows.
#[track_caller]
fn known(branch: &Branch) -> usize {
    let conntrack = program("conntrack", "conntrack").display().to_string();
    run_well(&words(&branch.at_router(), &[&conntrack, "-L", "-p", "udp"])).lines().count()
}

/// Asks a STUN server for the client's address.
pub(super) fn ask(branch: &Branch, address: &str, port: u16) -> Result<Vec<u8>, String> {
    let server = SocketAddr::new(address.parse().expect("it is an address"), port);
    ask_over_udp_inside(&branch.at_client(), server, BINDING_REQUEST)
}

/// A Binding request of 20 bytes (RFC 8489 §5): type, length, magic cookie, transaction id.
const BINDING_REQUEST: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42branch-test!";
