//! STUN against coturn.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;

use crate::agent::probe;
use crate::process::{Server, ask_over_udp, free_port, program};

/// A coturn that answers Binding requests, and no other.
pub(crate) struct Coturn {
    /// Where it answers.
    pub(crate) port: u16,
    /// Its process, for who must wait for it or read its log.
    pub(crate) server: Server,
}

impl Coturn {
    /// Starts it on both loopback addresses and waits for its first answer on each.
    #[track_caller]
    fn on_loopback() -> Self {
        let port = free_port(LOOPBACK);
        let mut coturn = Self::start(&[], port, &["127.0.0.1", "::1"]);
        for address in [LOOPBACK, LOOPBACK_6] {
            let at = SocketAddr::new(address, port);
            coturn.server.await_ready(|| ask_over_udp(at, &binding_request()));
        }
        coturn
    }

    /// Starts it at `addresses`, inside of `wrapper`; whoever calls this waits until it answers.
    #[track_caller]
    pub(crate) fn start(wrapper: &[String], port: u16, addresses: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for coturn");
        let config = folder.path().join("turnserver.conf");
        let path = folder.path().display();
        let mut text =
            addresses.iter().map(|at| format!("listening-ip={at}\n")).collect::<String>();
        text += &format!(
            "listening-port={port}\nrealm=branch.test\nuserdb={path}/users.db\n\
             pidfile={path}/turnserver.pid\nlog-file=stdout\nsimple-log\nfingerprint\n\
             no-tls\nno-dtls\nno-rfc5780\nno-cli\nno-multicast-peers\n"
        );
        std::fs::write(&config, text).expect("the folder is ours to write to");
        let mut command = Command::new(program("turnserver", "coturn"));
        command.arg("-c").arg(config);
        Self { port, server: Server::start_through(wrapper, "coturn", folder, &command) }
    }
}

#[test]
fn coturn_and_the_probe_agree_on_our_address_over_udp_and_ipv4() {
    let coturn = Coturn::on_loopback();

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
    let coturn = Coturn::on_loopback();

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

/// A Binding request of 20 bytes (RFC 8489 §5): type, length, magic cookie, transaction id.
fn binding_request() -> Vec<u8> {
    [&[0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42][..], b"branch-test!"].concat()
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const LOOPBACK_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
