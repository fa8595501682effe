//! The relay as a client of another make sees it, over real sockets.

mod client;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use branchline_lab::{Cloud, Faults, Relay, SCENARIOS, Scenario};
use client::{ADDITIONAL_FAMILY, Client, REQUESTED_FAMILY, Relayed, TCP, Transport, UDP};

const EVERY: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];
/// The first channel number (RFC 8656 §12).
const CHANNEL: u16 = 0x4000;

/// A healthy cloud but for the relay.
fn cloud(relay: Relay) -> Cloud {
    let healthy = SCENARIOS[0];
    let scenario = Scenario { faults: Faults { relay, ..healthy.faults }, ..healthy };
    Cloud::start(&scenario).expect("loopback is there")
}

/// A peer that is no client of the relay's.
fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let address = socket.local_addr().expect("its address");
    (socket, address)
}

/// What has reached the peer by now.
fn heard(peer: &UdpSocket) -> Vec<u8> {
    peer.set_nonblocking(true).expect("it can");
    let mut heard = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(length) = peer.recv(&mut buffer) {
        assert_eq!(length, 1);
        heard.push(buffer[0]);
    }
    heard
}

#[test]
fn binding_is_answered_over_every_transport() {
    let cloud = cloud(Relay::Answers);

    for transport in EVERY {
        let mut client = Client::new(&cloud, transport);
        let response = client.bind();

        assert_eq!(response.mapped, Some(client.address), "{transport:?}");
        assert_eq!(response.software, "branchline-lab", "{transport:?}");
    }
}

#[test]
fn a_response_can_be_had_from_another_address_and_port() {
    let cloud = cloud(Relay::Answers);
    let relay = cloud.addresses().relay;
    let (client, _) = peer();
    // CHANGE-REQUEST: address and port (RFC 5780 §7.2).
    let request =
        [&[0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42][..], b"transaction!", &[0, 3, 0, 4, 0, 0, 0, 6]]
            .concat();

    client.send_to(&request, relay).unwrap();
    let mut response = [0; 512];
    let (_, from) = client.recv_from(&mut response).unwrap();

    assert_eq!(&response[..2], &[1, 1]);
    assert_eq!(&response[8..20], b"transaction!");
    assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, 2));
    assert_ne!(from.port(), relay.port());
}

#[test]
fn an_allocation_lives_until_it_is_freed() {
    let cloud = cloud(Relay::Answers);

    for transport in EVERY {
        let mut client = Client::new(&cloud, transport);
        let allocated = client.allocate();

        assert!(allocated.is_success, "{transport:?}: {allocated:?}");
        assert_eq!(allocated.lifetime, Some(600), "{transport:?}");
        assert_eq!(allocated.mapped, Some(client.address), "{transport:?}");
        assert_eq!(allocated.relayed.unwrap().ip(), Ipv4Addr::LOCALHOST, "{transport:?}");
        assert_eq!(cloud.allocations(), 1, "{transport:?}");

        let freed = client.free();

        assert_eq!(freed.lifetime, Some(0), "{transport:?}: {freed:?}");
        assert_eq!(cloud.allocations(), 0, "{transport:?}");
    }
}

#[test]
fn sha_256_and_a_hashed_name_are_served_and_refused_in_kind() {
    let (serving, full) = (cloud(Relay::Answers), cloud(Relay::Quota));
    let (_, peer) = peer();

    let mut client = Client::new(&serving, Transport::Udp).of_today();
    let served = client.allocate();
    assert!(served.is_success, "{served:?}");
    assert!(client.permit(peer).is_success);
    assert_eq!(client.free().lifetime, Some(0));

    let refused = Client::new(&full, Transport::Udp).of_today().allocate();
    assert_eq!(refused.error, Some(486));
}

#[test]
fn a_client_is_relayed_to_itself() {
    let cloud = cloud(Relay::Answers);

    for transport in EVERY {
        let mut client = Client::new(&cloud, transport);
        let own = client.allocate().relayed.unwrap();
        assert!(client.permit(own).is_success, "{transport:?}");

        client.send(own, b"hello");
        let said = Relayed::Indication { peer: own, data: b"hello".to_vec() };
        assert_eq!(client.relayed(), said, "{transport:?}");

        assert!(client.bind_channel(CHANNEL, own).is_success, "{transport:?}");
        // Neither is as long as its padding would make it.
        for data in [b"a".as_slice(), b"rather"] {
            client.send_on_channel(CHANNEL, data);
            let said = Relayed::Channel { number: CHANNEL, data: data.to_vec() };
            assert_eq!(client.relayed(), said, "{transport:?}");
        }
    }
}

#[test]
fn two_clients_are_relayed_to_each_other() {
    let cloud = cloud(Relay::Answers);
    let [mut here, mut there] = [Transport::Udp, Transport::Tls].map(|by| Client::new(&cloud, by));
    let [from, to] = [&mut here, &mut there].map(|client| client.allocate().relayed.unwrap());
    assert_eq!(cloud.allocations(), 2);
    assert!(here.permit(to).is_success);
    assert!(there.bind_channel(CHANNEL, from).is_success);

    here.send(to, b"ping");
    assert_eq!(there.relayed(), Relayed::Channel { number: CHANNEL, data: b"ping".to_vec() });
    there.send_on_channel(CHANNEL, b"pong");
    assert_eq!(here.relayed(), Relayed::Indication { peer: to, data: b"pong".to_vec() });
}

#[test]
fn nothing_is_relayed_without_permission() {
    let cloud = cloud(Relay::Answers);
    let mut client = Client::new(&cloud, Transport::Udp);
    client.allocate();
    let (peer, address) = peer();

    client.send(address, b"x");
    client.bind();

    assert_eq!(heard(&peer), b"");
}

#[test]
fn an_allocation_ends_with_its_connection() {
    let cloud = cloud(Relay::Answers);
    let mut client = Client::new(&cloud, Transport::Tcp);
    client.allocate();
    assert_eq!(cloud.allocations(), 1);

    client.hang_up();

    assert_eq!(cloud.allocations(), 0);
}

#[test]
fn a_stream_that_is_no_stun_is_closed() {
    let cloud = cloud(Relay::Answers);
    let mut stream = TcpStream::connect(cloud.addresses().relay).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();

    stream.write_all(&[0xff; 64]).unwrap();

    match stream.read(&mut [0; 64]) {
        Ok(length) => assert_eq!(length, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn allocations_are_bounded() {
    let cloud = cloud(Relay::Answers);
    let mut clients: Vec<_> = (0..64).map(|_| Client::new(&cloud, Transport::Udp)).collect();
    for client in &mut clients {
        assert!(client.allocate().is_success);
    }

    let refused = Client::new(&cloud, Transport::Tcp).allocate();

    assert_eq!(refused.error, Some(486));
    assert_eq!(cloud.allocations(), 64);
}

#[test]
fn what_is_not_relayed_is_refused_for_what_it_is() {
    let cloud = cloud(Relay::Answers);
    let ip6 = vec![2, 0, 0, 0];
    let client = || Client::new(&cloud, Transport::Tcp);

    let tcp = client().allocate_with(TCP, &[]);
    let family = client().allocate_with(UDP, &[(REQUESTED_FAMILY, ip6.clone())]);
    let mut dual = client();
    let both = dual.allocate_with(UDP, &[(ADDITIONAL_FAMILY, ip6)]);

    assert_eq!(tcp.error, Some(442));
    assert_eq!(family.error, Some(440));
    // RFC 8656 §7.2: one family is enough.
    assert!(both.is_success, "{both:?}");
    assert!(both.relayed.unwrap().is_ipv4());
    assert_eq!(cloud.allocations(), 1);
}

#[test]
fn a_relay_that_is_silent_over_udp_serves_over_streams() {
    let cloud = cloud(Relay::UdpSilent);
    let mut silent = Client::new(&cloud, Transport::Udp);
    silent.knock();

    for transport in [Transport::Tcp, Transport::Tls] {
        assert!(Client::new(&cloud, transport).allocate().is_success, "{transport:?}");
    }

    assert!(silent.is_left_alone());
}

#[test]
fn another_password_is_challenged_again() {
    let cloud = cloud(Relay::OtherPassword);

    for transport in EVERY {
        let refused = Client::new(&cloud, transport).allocate();

        assert_eq!(refused.error, Some(401), "{transport:?}");
    }
    assert_eq!(cloud.allocations(), 0);
}

#[test]
fn a_quota_that_is_reached_refuses_the_allocation() {
    let cloud = cloud(Relay::Quota);

    for transport in EVERY {
        let refused = Client::new(&cloud, transport).allocate();

        assert_eq!(refused.error, Some(486), "{transport:?}");
    }
    assert_eq!(cloud.allocations(), 0);
}

#[test]
fn forbidden_peers_are_refused_and_not_sent_to() {
    let cloud = cloud(Relay::PeersForbidden);
    let mut client = Client::new(&cloud, Transport::Udp);
    let (peer, address) = peer();
    assert!(client.allocate().is_success);

    assert_eq!(client.permit(address).error, Some(403));
    assert_eq!(client.bind_channel(CHANNEL, address).error, Some(403));
    client.send(address, b"x");
    client.send_on_channel(CHANNEL, b"y");
    assert_eq!(client.free().lifetime, Some(0));

    assert_eq!(heard(&peer), b"");
    assert_eq!(cloud.allocations(), 0);
}

#[test]
fn silent_media_is_permitted_and_disappears() {
    let cloud = cloud(Relay::MediaSilent);
    let mut client = Client::new(&cloud, Transport::Udp);
    let (peer, address) = peer();
    client.allocate();

    assert!(client.permit(address).is_success);
    client.send(address, b"x");
    client.bind();

    assert_eq!(heard(&peer), b"");
}

#[test]
fn lossy_media_loses_eight_of_a_hundred() {
    let cloud = cloud(Relay::LossyMedia);
    let mut client = Client::new(&cloud, Transport::Udp);
    let (peer, address) = peer();
    client.allocate();
    client.permit(address);

    for number in 1..=100 {
        client.send(address, &[number]);
    }
    // The relay takes one after the other, so all were relayed before this is answered.
    client.bind();

    let heard = heard(&peer);
    let lost: Vec<u8> = (1..=100).filter(|number| !heard.contains(number)).collect();
    assert_eq!(lost, [13, 25, 38, 50, 63, 75, 88, 100]);
}
