//! Legs over UDP.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use branchline_probes::{Hears, Leg, Refusal, Stamp, Transport};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use crate::ping::{
    LEG, LOOPBACKS, PATIENCE, Ping, Told, closed_udp_port, drive, own_port, udp_echo,
};

// The kernel begins to stamp arrivals a moment after a first socket of the host has asked for it,
// and ends with the last: so one exchange waits beside those that are timed.
#[tokio::test]
async fn a_datagrams_round_trip_is_timed_by_the_kernel() {
    let silent = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let mut keeper = Ping::new(Transport::Udp, silent.local_addr().unwrap(), 4 * PATIENCE);
    tokio::spawn(async move { drive(&mut keeper).await });
    for (address, hears) in both(LOOPBACKS, [Hears::Peer, Hears::Anyone]) {
        let peer = udp_echo(address).await;
        let expected = Told::Received(peer, b"ping".to_vec(), Stamp::Kernel, Some(0));
        let begun = Instant::now();
        let mut stamped = None;
        while stamped.is_none() && begun.elapsed() < PATIENCE {
            let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);
            ping.leg.hears = hears;
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

        assert_eq!(ping.last(), Told::Refused(peer, Some(peer.ip()), Refusal::Port));
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

    assert_eq!(ping.heard(), [(address, b"true".to_vec())]);
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

/// Each of the one with each of the other.
fn both<A: Copy, B: Copy, const N: usize, const M: usize>(a: [A; N], b: [B; M]) -> Vec<(A, B)> {
    a.into_iter().flat_map(|a| b.into_iter().map(move |b| (a, b))).collect()
}

fn hearing_anyone(peer: SocketAddr) -> Ping {
    Ping::on(Leg::new(LEG, Transport::Udp, peer).hearing_anyone(), PATIENCE)
}

#[tokio::test]
async fn a_leg_that_hears_anyone_speaks_to_several_and_tells_them_apart() {
    for address in LOOPBACKS {
        let (first, second) = (udp_echo(address).await, udp_echo(address).await);
        let mut ping = hearing_anyone(first);
        ping.says = vec![(first, b"one.".to_vec()), (second, b"two.".to_vec())];
        ping.awaits = 8;

        drive(&mut ping).await;

        let mut heard = ping.heard();
        heard.sort();
        let mut expected = [(first, b"one.".to_vec()), (second, b"two.".to_vec())];
        expected.sort();
        assert_eq!(heard, expected);
    }
}

#[tokio::test]
async fn the_address_of_a_leg_that_hears_anyone_is_the_one_that_others_see() {
    for address in LOOPBACKS {
        let peer = UdpSocket::bind(address).await.unwrap();
        let stranger = UdpSocket::bind(address).await.unwrap();
        let strange = stranger.local_addr().unwrap();
        let mut ping = hearing_anyone(peer.local_addr().unwrap());
        let seen = tokio::spawn(async move {
            let mut buffer = [0; 64];
            let (_, from) = peer.recv_from(&mut buffer).await.expect("the ping comes");
            stranger.send_to(b"news", from).await.expect("loopback takes it");
            from
        });

        drive(&mut ping).await;

        assert_eq!(ping.local(), seen.await.unwrap());
        assert_eq!(ping.heard(), [(strange, b"news".to_vec())]);
    }
}

#[tokio::test]
async fn a_refusal_names_the_address_that_nobody_listens_at() {
    for address in LOOPBACKS {
        let silent = UdpSocket::bind(address).await.unwrap();
        let closed = closed_udp_port(address);
        let mut ping = hearing_anyone(silent.local_addr().unwrap());
        ping.says = vec![(silent.local_addr().unwrap(), b"ping".to_vec()), (closed, b"x".to_vec())];

        drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Refused(closed, Some(closed.ip()), Refusal::Port));
    }
}

#[tokio::test]
async fn a_leg_has_the_local_port_that_it_asks_for_or_fails() {
    for (address, hears) in both(LOOPBACKS, [Hears::Peer, Hears::Anyone]) {
        let peer = UdpSocket::bind(address).await.unwrap();
        let port = own_port();
        let mut leg = Leg::new(LEG, Transport::Udp, peer.local_addr().unwrap()).from_port(port);
        leg.hears = hears;
        let mut ping = Ping::on(leg.clone(), PATIENCE);
        let seen = tokio::spawn(async move {
            let mut buffer = [0; 64];
            let (_, from) = peer.recv_from(&mut buffer).await.expect("the ping comes");
            peer.send_to(b"pong", from).await.expect("loopback takes it");
            from
        });
        drive(&mut ping).await;
        assert_eq!((ping.local().port(), seen.await.unwrap().port()), (port, port));

        let _holder = std::net::UdpSocket::bind((leg.peer.ip(), port)).expect("it is free again");
        let mut late = Ping::on(leg, PATIENCE);
        drive(&mut late).await;
        assert_eq!(late.last(), Told::Failed);
    }
}

/// RFC 4594 §4.1: the DSCP of telephony, expedited forwarding.
const EF: u8 = 46;

/// A socket whose packets carry a DSCP, and that is told the class of what arrives.
fn marking(address: &str, dscp: u8) -> Socket {
    let address: SocketAddr = address.parse().expect("it is one");
    let socket =
        Socket::new(Domain::for_address(address), Type::DGRAM, None).expect("loopback is there");
    let class = u32::from(dscp) << 2;
    let marked = if address.is_ipv6() {
        socket.set_tclass_v6(class).and(socket.set_recv_tclass_v6(true))
    } else {
        socket.set_tos_v4(class).and(socket.set_recv_tos_v4(true))
    };
    marked.and(socket.bind(&address.into())).expect("anyone may do so");
    socket
}

/// The traffic class of the next datagram, and who sent it.
fn next_class(socket: &Socket) -> (i32, SockaddrStorage) {
    let (mut buffer, mut control) = ([0; 64], nix::cmsg_space!(i32, i32));
    let mut pieces = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::empty();
    let message = recvmsg(socket.as_raw_fd(), &mut pieces, Some(&mut control), flags);
    let message = message.expect("a datagram comes");
    let classes = message.cmsgs().expect("there was room for them").filter_map(|control| {
        if let ControlMessageOwned::Ipv4Tos(class) = control {
            Some(i32::from(class))
        } else if let ControlMessageOwned::Ipv6TClass(class) = control {
            Some(class)
        } else {
            None
        }
    });
    (classes.last().expect("the kernel tells the class"), message.address.expect("and the sender"))
}

#[tokio::test]
async fn a_mark_goes_out_with_each_packet_and_the_mark_of_an_answer_is_told() {
    for (address, hears) in both(LOOPBACKS, [Hears::Peer, Hears::Anyone]) {
        for (ours, theirs) in [(EF, 0), (0, EF)] {
            let peer = marking(address, theirs);
            let to = peer.local_addr().unwrap().as_socket().unwrap();
            let mut ping = Ping::on(Leg::new(LEG, Transport::Udp, to).marked(ours), PATIENCE);
            ping.leg.hears = hears;
            let seen = tokio::task::spawn_blocking(move || {
                let (class, from) = next_class(&peer);
                nix::sys::socket::sendto(peer.as_raw_fd(), b"pong", &from, MsgFlags::empty())
                    .unwrap();
                class
            });

            drive(&mut ping).await;

            assert_eq!(seen.await.unwrap(), i32::from(ours) * 4);
            let Told::Received(_, _, _, dscp) = ping.last() else { panic!("{:?}", ping.last()) };
            assert_eq!(dscp, Some(theirs));
        }
    }
}
