//! The open legs of one exchange, and what happens on them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use branchline_probes::{Leg, LegId, Moment, Transport};

use super::clock::Clock;
use super::event::{Event, What};
use super::stream::StreamLeg;
use super::udp::UdpLeg;

enum Socket {
    Udp(UdpLeg),
    Stream(Box<StreamLeg>),
    /// It could not be opened, and that has been told.
    Closed,
}

/// Every leg of one exchange, by its number.
#[derive(Default)]
pub(super) struct Legs {
    sockets: BTreeMap<LegId, Socket>,
    /// What happened while opening.
    told: Vec<(Event, Moment)>,
}

impl Legs {
    /// Opens a leg; what comes of it is an event.
    pub(super) fn open(&mut self, leg: Leg, clock: &Clock) {
        let opened = match leg.transport {
            Transport::Udp => UdpLeg::open(&leg).map(|(socket, local)| {
                self.tell(leg.id, What::Connected { local }, clock);
                Socket::Udp(socket)
            }),
            Transport::Tcp | Transport::Tls => {
                StreamLeg::open(&leg).map(|leg| Socket::Stream(Box::new(leg)))
            }
        };
        let socket = opened.unwrap_or_else(|error| {
            self.tell(leg.id, What::Failed { problem: error.kind() }, clock);
            Socket::Closed
        });
        self.sockets.insert(leg.id, socket);
    }

    /// Closes a leg.
    pub(super) fn close(&mut self, leg: LegId) {
        self.sockets.remove(&leg);
        self.told.retain(|(event, _)| event.leg != leg);
    }

    /// Sends on a leg; a leg that is not open takes nothing.
    pub(super) fn transmit(&mut self, leg: LegId, to: SocketAddr, bytes: &[u8], clock: &Clock) {
        let sent = match self.sockets.get_mut(&leg) {
            Some(Socket::Udp(socket)) => socket.send(to, bytes, clock),
            Some(Socket::Stream(socket)) => {
                socket.send(bytes);
                Ok(())
            }
            Some(Socket::Closed) | None => Ok(()),
        };
        if let Err(error) = sent {
            self.tell(leg, What::Failed { problem: error.kind() }, clock);
        }
    }

    /// Waits for the next event of any leg. Dropping the future loses nothing.
    pub(super) async fn event(&mut self, clock: &Clock) -> (Event, Moment) {
        if !self.told.is_empty() {
            return self.told.remove(0);
        }
        let waiting = self.sockets.iter_mut().map(|(id, socket)| {
            Box::pin(async move {
                let (what, at) = match socket {
                    Socket::Udp(socket) => socket.event(clock).await,
                    Socket::Stream(socket) => socket.event(clock).await,
                    Socket::Closed => std::future::pending().await,
                };
                (Event { leg: *id, what }, at)
            })
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(waiting).await.0
    }

    fn tell(&mut self, leg: LegId, what: What, clock: &Clock) {
        self.told.push((Event { leg, what }, clock.now()));
    }
}
