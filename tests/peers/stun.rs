//! STUN against coturn.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::agent::probe;
use crate::coturn::Coturn;
use crate::process::free_port;

#[test]
fn coturn_and_the_probe_agree_on_our_address_over_udp_and_ipv4() {
    let coturn = on_loopback();

    let probed = probe("stun-binding", SocketAddr::new(LOOPBACK, coturn.port))
        .option("transport", "udp")
        .run();

    probed.assert_success();
    assert_eq!(mapped_address(probed.fact("mapped_address")).ip(), LOOPBACK);
    assert_eq!(probed.fact("transmissions"), 1);
    let software = probed.fact("software").as_str().unwrap_or_default();
    assert!(software.contains("Coturn"), "{probed:#?}");
    assert!(probed.fact("rtt_seconds").as_f64().is_some_and(|rtt| rtt > 0.0), "{probed:#?}");
    assert_eq!(probed.seen["transport"], "udp");
    assert_eq!(probed.seen["address"], format!("127.0.0.1:{}", coturn.port));
}

#[test]
fn coturn_and_the_probe_agree_on_our_address_over_udp_and_ipv6() {
    assert!(
        UdpSocket::bind((LOOPBACK_6, 0)).is_ok(),
        "this host has no ::1: `sysctl -w net.ipv6.conf.lo.disable_ipv6=0` brings it back"
    );
    let coturn = on_loopback();

    let probed = probe("stun-binding", SocketAddr::new(LOOPBACK_6, coturn.port))
        .option("transport", "udp")
        .run();

    probed.assert_success();
    assert_eq!(mapped_address(probed.fact("mapped_address")).ip(), LOOPBACK_6);
    assert_eq!(probed.fact("transmissions"), 1);
    assert_eq!(probed.seen["address"], format!("[::1]:{}", coturn.port));
}

#[test]
fn a_closed_port_is_refused_by_the_host_itself_at_the_first_packet() {
    let port = free_port(LOOPBACK);

    let probed = probe("stun-binding", SocketAddr::new(LOOPBACK, port))
        .option("transport", "udp")
        .option("timeout", "8s")
        .run();

    probed.assert_failure("refused");
    assert_eq!(probed.seen["failure"]["by"], "127.0.0.1");
    assert_eq!(probed.seen["failure"]["stage"], "request");
    let elapsed = probed.seen["elapsed_seconds"].as_f64().expect("how long it took");
    assert!(elapsed < 8.0, "the timeout was waited for: {probed:#?}");
}

fn mapped_address(fact: &serde_json::Value) -> SocketAddr {
    let text = fact.as_str().unwrap_or_else(|| panic!("no address: {fact}"));
    text.parse().unwrap_or_else(|problem| panic!("{problem}: {text}"))
}

/// A coturn on both loopback addresses.
#[track_caller]
fn on_loopback() -> Coturn {
    Coturn::at(&["127.0.0.1", "::1"]).free_port(LOOPBACK).start()
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const LOOPBACK_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
