//! How exchanges end that their peer does not end: at their deadline, or called off.

use std::time::{Duration, Instant};

use branchline::driver;
use branchline_probes::{Exchange, Input, Moment, Output, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::ping::{DEADLINE, LOOPBACKS, PATIENCE, Ping, TOLERANCE, Told, drive, tcp_server};

// I2
#[tokio::test]
async fn a_silent_peer_ends_at_the_deadline() {
    let silent = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let mute = tcp_server(LOOPBACKS[0], |stream| async move {
        let _kept_open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let peers = [(Transport::Udp, silent.local_addr().unwrap()), (Transport::Tcp, mute)];
    for (transport, peer) in peers {
        let mut ping = Ping::new(transport, peer, DEADLINE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Timeout, "{transport:?}");
        assert!(took >= DEADLINE && took <= DEADLINE + TOLERANCE, "{transport:?} {took:?}");
    }
}

// I2
#[tokio::test]
async fn a_peer_that_drips_or_floods_ends_at_the_deadline() {
    let dripping = tcp_server(LOOPBACKS[0], |mut stream| async move {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            if stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
    .await;
    let flooding = tcp_server(LOOPBACKS[0], |mut stream| async move {
        while stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
    })
    .await;
    for peer in [dripping, flooding] {
        let mut ping = Insatiable(Ping::new(Transport::Tcp, peer, DEADLINE));
        let begun = Instant::now();

        driver::drive(&mut ping, peer, &CancellationToken::new(), None).await;

        let took = begun.elapsed();
        assert!(took >= DEADLINE && took <= DEADLINE + TOLERANCE, "{took:?}");
    }
}

/// A ping that is content with no answer.
struct Insatiable(Ping);

impl Exchange for Insatiable {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        if matches!(input, Input::Received { .. }) {
            self.0.now = self.0.now.max(now);
        } else {
            self.0.handle_input(input, now);
        }
    }

    fn poll_output(&mut self) -> Output {
        self.0.poll_output()
    }
}

#[tokio::test]
async fn being_called_off_reaches_the_exchange() {
    let silent = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let peer = silent.local_addr().unwrap();
    let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);
    let cancel = CancellationToken::new();
    let canceller = cancel.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4];
        let _ = silent.recv(&mut buffer).await;
        canceller.cancel();
    });

    driver::drive(&mut ping, peer, &cancel, None).await;

    let told = ping.told();
    assert_eq!(told.iter().filter(|(_, it)| *it == Told::Cancelled).count(), 1);
    assert_eq!(ping.last(), Told::Cancelled);
}
