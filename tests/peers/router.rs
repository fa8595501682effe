//! A router that says no: what the kernel's own refusals look like from the client behind it.

use crate::agent::{Probed, probe};
use crate::coturn::Coturn;
use crate::netns::{Network, ROUTER, ROUTER_6, SERVER, SERVER_6};

/// A branch behind a router, and a STUN server that both of its addresses reach until the router
/// is told otherwise.
struct Branch {
    // First, so that the server ends before its namespace does.
    _coturn: Coturn,
    network: Network,
}

impl Branch {
    #[track_caller]
    fn new() -> Self {
        let network = Network::new();
        let coturn =
            Coturn::at(&[SERVER, SERVER_6]).inside(&network.at_server()).port(STUN).start();
        Self { _coturn: coturn, network }
    }

    fn probe(&self, target: &str) -> Probed {
        probe("stun-binding", target)
            .option("transport", "udp")
            .option("timeout", "2s")
            .inside(&self.network.at_client())
            .run()
    }
}

#[test]
fn a_router_that_forwards_is_not_seen() {
    let branch = Branch::new();

    for target in [format!("{SERVER}:{STUN}"), format!("[{SERVER_6}]:{STUN}")] {
        branch.probe(&target).assert_success();
    }
}

#[test]
fn a_router_that_prohibits_is_named_over_ipv4() {
    let branch = Branch::new();
    branch.network.forbid("ip protocol udp udp dport 3478 reject with icmp type admin-prohibited");

    let probed = branch.probe(&format!("{SERVER}:{STUN}"));

    probed.assert_failure("prohibited");
    assert_eq!(probed.seen["failure"]["by"], ROUTER);
}

#[test]
fn a_router_that_prohibits_is_named_over_ipv6() {
    let branch = Branch::new();
    branch
        .network
        .forbid("meta nfproto ipv6 udp dport 3478 reject with icmpv6 type admin-prohibited");

    let probed = branch.probe(&format!("[{SERVER_6}]:{STUN}"));

    probed.assert_failure("prohibited");
    assert_eq!(probed.seen["failure"]["by"], ROUTER_6);
}

#[test]
fn a_router_that_drops_is_silence_and_nobody_is_named() {
    let branch = Branch::new();
    branch.network.forbid("udp dport 3478 drop");

    for target in [format!("{SERVER}:{STUN}"), format!("[{SERVER_6}]:{STUN}")] {
        let probed = branch.probe(&target);

        let reason = probed.reason().as_str().unwrap_or_default();
        assert!(["deadline", "no_response"].contains(&reason), "{probed:#?}");
        probed.assert_failure(reason);
        assert_eq!(probed.seen["failure"]["by"], serde_json::Value::Null);
    }
}

#[test]
fn a_port_that_is_closed_at_the_server_is_refused_by_the_server_not_by_the_router() {
    let branch = Branch::new();

    for (target, by) in
        [(format!("{SERVER}:3479"), SERVER), (format!("[{SERVER_6}]:3479"), SERVER_6)]
    {
        let probed = branch.probe(&target);

        probed.assert_failure("refused");
        assert_eq!(probed.seen["failure"]["by"], by);
    }
}

#[test]
fn a_router_without_a_route_is_named_as_the_one_that_has_none() {
    let branch = Branch::new();

    for (target, by) in [("10.78.0.1:3478", ROUTER), ("[fd78::1]:3478", ROUTER_6)] {
        let probed = branch.probe(target);

        probed.assert_failure("unreachable");
        assert_eq!(probed.seen["failure"]["by"], by);
    }
}

const STUN: u16 = 3478;
