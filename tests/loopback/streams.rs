//! Legs over TCP.

use branchline_probes::{Refusal, Stamp, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ping::{LOOPBACKS, PATIENCE, Ping, Told, closed_tcp_port, drive, tcp_server};

#[tokio::test]
async fn a_closed_tcp_port_is_refused_by_its_host() {
    for address in LOOPBACKS {
        let peer = closed_tcp_port(address);
        let mut ping = Ping::new(Transport::Tcp, peer, PATIENCE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Refused(Some(peer.ip()), Refusal::Reset));
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
        assert_eq!(told[2], Told::Received(peer, b"ping".to_vec(), Stamp::Program));
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
    assert_eq!(reset.last(), Told::Refused(Some(resetting.ip()), Refusal::Reset));
}
