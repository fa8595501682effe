//! The relay: STUN and TURN (RFC 8656) on one port over UDP and TCP, and over TLS on another.

mod desk;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use tokio::net::TcpListener;
use turn_server_proto::types::TransportType;

use crate::scenario::Relay;
use crate::sockets;
use crate::stun::{CORNERS, Corners};
use crate::tls::Authority;
use desk::{Desk, Terms};

/// The one account.
pub(crate) const USER: &str = "lyon";
/// The realm of its password.
const REALM: &str = "relay.lyon.example";

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Where Binding is answered, too (RFC 5780).
const OTHER_HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A running relay.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    tls_address: SocketAddr,
    terms: Arc<Terms>,
    /// Sockets that only hold their ports.
    _silent: Option<[UdpSocket; CORNERS]>,
}

impl Server {
    /// Starts a relay that knows this password for its one account, on the runtime that is entered.
    pub(crate) fn start(fault: Relay, password: String, authority: &Authority) -> io::Result<Self> {
        let (udp, tcp) = sockets::corners([HOST, OTHER_HOST])?;
        let address = tcp.local_addr()?;
        let over_tls = sockets::tcp(HOST, 0)?;
        let tls_address = over_tls.local_addr()?;
        let acceptor = authority.vouch("branchline-lab relay", &[HOST.to_string()])?;
        let terms = Arc::new(Terms::new(USER, REALM, password, fault));

        let silent = if fault == Relay::UdpSilent {
            Some(udp)
        } else {
            serve_udp(udp, Arc::clone(&terms))?;
            None
        };
        for (listener, tls) in [(tcp, None), (over_tls, Some(acceptor))] {
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(stream::serve(listener, tls, Arc::clone(&terms)));
        }
        Ok(Self { address, tls_address, terms, _silent: silent })
    }

    /// Where it is, over UDP and TCP.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, over TLS.
    pub(crate) const fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// How many allocations it holds.
    pub(crate) fn allocations(&self) -> usize {
        self.terms.allocations()
    }
}

fn serve_udp(sockets: [UdpSocket; CORNERS], terms: Arc<Terms>) -> io::Result<()> {
    let [first, port, address, both] = sockets.map(tokio::net::UdpSocket::from_std);
    let corners = Arc::new(Corners::new([first?, port?, address?, both?])?);
    for here in 1..CORNERS {
        let corners = Arc::clone(&corners);
        tokio::spawn(async move { corners.serve(here).await });
    }
    tokio::spawn(async move { serve_first_corner(&corners, terms).await });
    Ok(())
}

/// Answers Binding and TURN until the task is dropped.
async fn serve_first_corner(corners: &Corners, terms: Arc<Terms>) {
    let (socket, here) = corners.at(0);
    let mut desk = Desk::new(TransportType::Udp, here, terms);
    let mut buffer = vec![0; 65_536];
    loop {
        let replies = tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // A client that is gone already reaches us as an error; the next may come.
                let Ok((length, from)) = received else { continue };
                let message = &buffer[..length];
                if corners.respond(message, from, 0).await {
                    continue;
                }
                desk.receive(message.to_vec(), from)
            }
            replies = desk.relayed() => replies,
        };
        for (client, reply) in replies {
            let _ = socket.send_to(&reply, client).await;
        }
    }
}
