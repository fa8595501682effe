//! SIP over UDP, and what gets lost on the road to the registrar.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::message::Request;
use super::registry::Registry;
use crate::scenario::Registrar;

/// What a request may weigh where the path is unknown, in bytes (RFC 3261 §18.1.1).
const LARGEST: usize = 1300;
/// How many transactions a lossy road remembers.
const TRANSACTIONS: usize = 64;

/// The road that datagrams take to the registrar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Road {
    /// All of them arrive.
    Clear,
    /// Those above [`LARGEST`] disappear, as where fragments do.
    Narrow,
    /// The first transmission of each request disappears; these came before, oldest first.
    Lossy(VecDeque<(SocketAddr, String)>),
}

impl Road {
    /// The road of a scenario.
    pub(super) const fn to(registrar: Registrar) -> Self {
        match registrar {
            Registrar::LargeDropped => Self::Narrow,
            Registrar::Lossy => Self::Lossy(VecDeque::new()),
            Registrar::Answers
            | Registrar::OtherPassword
            | Registrar::Silent
            | Registrar::Closed
            | Registrar::Rewritten
            | Registrar::Overloaded => Self::Clear,
        }
    }

    fn is_lost(&mut self, datagram: &[u8], from: SocketAddr) -> bool {
        match self {
            Self::Clear => false,
            Self::Narrow => datagram.len() > LARGEST,
            Self::Lossy(before) => {
                let Some(request) = Request::read(datagram) else { return false };
                let transaction = (from, request.transaction());
                if before.contains(&transaction) {
                    return false;
                }
                if before.len() == TRANSACTIONS {
                    before.pop_front();
                }
                before.push_back(transaction);
                true
            }
        }
    }
}

/// Answers on this socket as long as the runtime lives.
pub(super) fn start(socket: std::net::UdpSocket, road: Road, registry: Registry) -> io::Result<()> {
    let socket = UdpSocket::from_std(socket)?;
    tokio::spawn(serve(socket, road, registry));
    Ok(())
}

async fn serve(socket: UdpSocket, mut road: Road, registry: Registry) {
    let mut buffer = vec![0; 65_536];
    loop {
        // A client that is gone already reaches us as an error; the next may come.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = &buffer[..length];
        if road.is_lost(datagram, from) {
            continue;
        }
        if let Some(response) = registry.answer(datagram, from) {
            let _ = socket.send_to(&response, from).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::Road;
    use crate::scenario::Registrar;

    fn client() -> SocketAddr {
        "127.0.0.1:40112".parse().unwrap()
    }

    fn request(branch: &str) -> String {
        format!(
            "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\n\
             From: <sip:a@x>\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n"
        )
    }

    #[test]
    fn of_each_request_a_lossy_road_loses_the_first_transmission_alone() {
        let mut road = Road::to(Registrar::Lossy);

        let lost = ["one", "one", "two", "one", "two"]
            .map(|branch| road.is_lost(request(branch).as_bytes(), client()));

        assert_eq!(lost, [true, false, true, false, false]);
    }

    // RFC 3261 §18.1.1
    #[test]
    fn a_narrow_road_loses_what_is_larger_than_1300_bytes() {
        let mut road = Road::to(Registrar::LargeDropped);

        assert!(!road.is_lost(&[b'x'; 1300], client()));
        assert!(road.is_lost(&[b'x'; 1301], client()));
    }

    #[test]
    fn a_clear_road_loses_nothing() {
        let mut road = Road::to(Registrar::Answers);

        assert!(!road.is_lost(request("one").as_bytes(), client()));
        assert!(!road.is_lost(&[b'x'; 65_000], client()));
    }
}
