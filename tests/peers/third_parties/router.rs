//! What the branch's router does to packets, seen by ping and by plain sockets.

use std::net::SocketAddr;
use std::time::Duration;

use crate::branch::{Branch, CLOUD, CLOUD_6, GATEWAY, Nat, Traffic};
use crate::coturn::Coturn;
use crate::process::{ask_over_udp_inside, run_well, words};

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
    branch.lose(Traffic::Udp, 100.0);

    let ping = Ping::run(&branch, &["-i", "0.002", "-c", "50", CLOUD]);

    assert_eq!(ping.lost(), 0, "{ping:#?}");
}

#[test]
fn a_router_that_rejects_says_so_until_it_is_healed() {
    let branch = Branch::behind(Nat::PortRestricted);
    let _coturn = Coturn::at(&[CLOUD, CLOUD_6]).inside(&branch.at_cloud()).start();
    let ask = |address: &str| {
        let server = SocketAddr::new(address.parse().unwrap(), 3478);
        ask_over_udp_inside(&branch.at_client(), server, BINDING_REQUEST)
    };
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
fn a_router_that_restarts_or_is_impatient_forgets_a_port_that_it_gave() {
    let branch = Branch::behind(Nat::Symmetric);
    let coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).line("log-binding").start();
    let _ = &coturn;
    let known = || {
        let table = run_well(&words(&branch.at_router(), &["conntrack", "-L", "-p", "udp"]));
        table.lines().count()
    };
    let server = SocketAddr::new(CLOUD.parse().unwrap(), 3478);
    let ask = || ask_over_udp_inside(&branch.at_client(), server, BINDING_REQUEST);

    ask().unwrap();
    assert_eq!(known(), 1);
    branch.forget_all();
    assert_eq!(known(), 0);

    branch.forget_udp_after(1);
    ask().unwrap();
    crate::wait::eventually("the end of an exchange", Duration::from_secs(5), || {
        let known = known();
        if known == 0 { Ok(()) } else { Err(format!("{known} are known")) }
    });
}

#[test]
fn a_cable_that_is_pulled_and_put_back_carries_again() {
    let branch = Branch::behind(Nat::PortRestricted);

    branch.unplug();
    assert_eq!(Ping::run(&branch, &["-c", "1", "-W", "0.2", GATEWAY]).received, 0);

    branch.plug();
    for address in [CLOUD, CLOUD_6] {
        assert_eq!(Ping::run(&branch, &["-c", "1", address]).received, 1);
    }
}

/// A Binding request of 20 bytes (RFC 8489 §5): type, length, magic cookie, transaction id.
const BINDING_REQUEST: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42branch-test!";
