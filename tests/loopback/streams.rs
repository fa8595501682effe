//! Legs over TCP.

use branchline_probes::{Leg, Refusal, Stamp, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ping::{
    LEG, LOOPBACKS, PATIENCE, Ping, Told, closed_tcp_port, drive, own_port, tcp_server,
};

#[tokio::test]
async fn a_closed_tcp_port_is_refused_by_its_host() {
    for address in LOOPBACKS {
        let peer = closed_tcp_port(address);
        let mut ping = Ping::new(Transport::Tcp, peer, PATIENCE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Refused(peer, Some(peer.ip()), Refusal::Reset));
        assert!(took < PATIENCE, "{took:?}");
    }
}

#[tokio::test]
async fn a_stream_brings_its_echo() {
    for address in LOOPBACKS {
        let peer = tcp_server(address, |mut stream| async move {
            let mut buffer = [0; 4];
            let _ = stream.read_exact(&mut buffer).await;
            let _ = stream.write_all(&buffer).await;
        })
        .await;
        let mut ping = Ping::new(Transport::Tcp, peer, PATIENCE);

        drive(&mut ping).await;

        let told: Vec<Told> = ping.told().into_iter().map(|(_, told)| told).collect();
        assert!(matches!(told[0], Told::Connected(local) if local.ip() == peer.ip()), "{told:?}");
        assert_eq!(told[1], Told::Sent(0, Stamp::Program));
        assert_eq!(told[2], Told::Received(peer, b"ping".to_vec(), Stamp::Program, None));
    }
}

#[tokio::test]
async fn a_stream_that_the_peer_closes_or_resets_is_told() {
    let closing = tcp_server(LOOPBACKS[0], |mut stream| async move {
        let mut buffer = [0; 4];
        let _ = stream.read_exact(&mut buffer).await;
    })
    .await;
    let resetting = tcp_server(LOOPBACKS[0], |stream| async move {
        // What was sent stays unread, so closing is a reset.
        let _ = stream.readable().await;
    })
    .await;
    let (mut closed, mut reset) = (
        Ping::new(Transport::Tcp, closing, PATIENCE),
        Ping::new(Transport::Tcp, resetting, PATIENCE),
    );

    drive(&mut closed).await;
    drive(&mut reset).await;

    assert_eq!(closed.last(), Told::Closed);
    assert_eq!(reset.last(), Told::Refused(resetting, Some(resetting.ip()), Refusal::Reset));
}

#[tokio::test]
async fn each_transmission_on_a_stream_is_told_when_it_has_left() {
    let peer = tcp_server(LOOPBACKS[0], |mut stream| async move {
        let mut buffer = [0; 8];
        let _ = stream.read_exact(&mut buffer).await;
        let _ = stream.write_all(&buffer).await;
    })
    .await;
    let mut ping = Ping::new(Transport::Tcp, peer, PATIENCE);
    ping.says = vec![(peer, b"ping".to_vec()), (peer, b"pong".to_vec())];
    ping.awaits = 8;

    drive(&mut ping).await;

    let sent = [Told::Sent(0, Stamp::Program), Told::Sent(1, Stamp::Program)];
    let told: Vec<Told> = ping.told().into_iter().map(|(_, told)| told).collect();
    assert_eq!(told[1..3], sent);
    assert_eq!(ping.heard(), [(peer, b"pingpong".to_vec())]);
}

#[tokio::test]
async fn a_stream_leaves_from_the_port_that_its_leg_asks_for() {
    let peer = tcp_server(LOOPBACKS[0], |mut stream| async move {
        let port = stream.peer_addr().expect("it is connected").port();
        let _ = stream.write_all(&u32::from(port).to_be_bytes()).await;
    })
    .await;
    let port = own_port();
    let mut ping = Ping::on(Leg::new(LEG, Transport::Tcp, peer).from_port(port), PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.local().port(), port);
    assert_eq!(ping.heard(), [(peer, u32::from(port).to_be_bytes().to_vec())]);
}
