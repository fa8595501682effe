//! Legs over UDP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_probes::{Refusal, Stamp, Transport};
use tokio::net::UdpSocket;

use crate::ping::{LOOPBACKS, PATIENCE, Ping, Told, closed_udp_port, drive, udp_echo};

// The kernel begins to stamp arrivals a moment after a first socket of the host has asked for it,
// and ends with the last: so one exchange waits beside those that are timed.
#[tokio::test]
async fn a_datagrams_round_trip_is_timed_by_the_kernel() {
    let silent = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let mut keeper = Ping::new(Transport::Udp, silent.local_addr().unwrap(), 4 * PATIENCE);
    tokio::spawn(async move { drive(&mut keeper).await });
    for address in LOOPBACKS {
        let peer = udp_echo(address).await;
        let expected = Told::Received(peer, b"ping".to_vec(), Stamp::Kernel);
        let begun = Instant::now();
        let mut stamped = None;
        while stamped.is_none() && begun.elapsed() < PATIENCE {
            let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);
            let took = drive(&mut ping).await;
            stamped = (ping.last() == expected).then(|| (ping.told(), took));
        }

        let (told, took) = stamped.expect("the kernel stamps an answer in time");
        let [(_, connected), (left, sent), (arrived, _)] = &told[..] else { panic!("{told:?}") };
        assert!(matches!(connected, Told::Connected(local) if local.ip() == peer.ip()));
        assert_eq!(*sent, Told::Sent(0, Stamp::Kernel));
        let rtt = arrived.since(*left);
        assert!(rtt > Duration::ZERO && rtt <= took, "{rtt:?} of {took:?}");
    }
}

#[tokio::test]
async fn a_closed_udp_port_is_refused_by_its_host() {
    for address in LOOPBACKS {
        let peer = closed_udp_port(address);
        let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Refused(Some(peer.ip()), Refusal::Port));
        assert!(took < PATIENCE, "{took:?}");
    }
}

// D-DNS-1
#[tokio::test]
async fn a_datagram_from_another_address_is_never_read() {
    let peer = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let stranger = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let elsewhere = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let address = peer.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        let (_, from) = peer.recv_from(&mut buffer).await.expect("the ping comes");
        for _ in 0..100 {
            stranger.send_to(b"lies", from).await.expect("loopback takes it");
            elsewhere.send_to(b"lies", from).await.expect("loopback takes it");
        }
        peer.send_to(b"true", from).await.expect("loopback takes it");
    });
    let mut ping = Ping::new(Transport::Udp, address, PATIENCE);

    drive(&mut ping).await;

    let told = ping.told().into_iter();
    let heard: Vec<(SocketAddr, Vec<u8>)> = told
        .filter_map(|(_, told)| match told {
            Told::Received(from, bytes, _) => Some((from, bytes)),
            Told::Connected(_) | Told::Secured | Told::Sent(..) | Told::Refused(..) => None,
            Told::Closed | Told::Failed | Told::Insecure(_) => None,
            Told::Timeout | Told::Cancelled => None,
        })
        .collect();
    assert_eq!(heard, [(address, b"true".to_vec())]);
}

// I9
#[tokio::test]
async fn an_address_that_this_host_cannot_reach_is_its_own_fault() {
    // A broadcast address takes no datagram from a socket that did not ask for the right to.
    let peer = "255.255.255.255:9".parse().unwrap();
    let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.last(), Told::Failed);
}
