//! A UDP socket, of one peer or of anyone: ICMP errors find their way back to it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use branchline_probes::{Hears, Leg, Moment, Stamp};
use nix::sys::socket::{MsgFlags, SockaddrStorage, TimestampingFlag, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::clock::Clock;
use super::event::What;
use super::refusal::{self, Entry};

/// Keeps the kernel stamping arrivals for as long as it lives.
///
/// The kernel stamps packets only while some socket asks for it, and begins a moment after the
/// first one asks: on a host where nobody else asks, the answers of the first exchange would have
/// no stamp. Hold one of these while exchanges run.
pub struct KeepsStamping(Option<Socket>);

impl KeepsStamping {
    /// Asks the kernel; where it refuses, exchanges use the program's clock, and say so.
    #[must_use]
    pub fn begin() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).ok();
        Self(socket.filter(|socket| stamp_packets(socket).is_ok()))
    }

    /// Whether the kernel agreed.
    #[must_use]
    pub const fn is_stamping(&self) -> bool {
        self.0.is_some()
    }
}

fn stamp_packets(socket: &Socket) -> nix::Result<()> {
    let flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    setsockopt(socket, sockopt::Timestamping, &flags)
}

/// A leg over UDP.
pub(super) struct UdpLeg {
    socket: UdpSocket,
    peer: SocketAddr,
    hears: Hears,
    /// The address that the kernel uses towards the peer.
    local: SocketAddr,
    /// Packets that left and whose stamp has not come, with the program's view of when.
    unstamped: VecDeque<(u32, Moment)>,
    sent: u32,
    happened: VecDeque<(What, Moment)>,
}

impl UdpLeg {
    /// Opens a socket of its own.
    pub(super) fn open(leg: &Leg) -> io::Result<(Self, SocketAddr)> {
        let (peer, is_ipv6) = (leg.peer, leg.peer.is_ipv6());
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        refusal::queue_errors(&socket, is_ipv6)?;
        refusal::tell_class(&socket, is_ipv6)?;
        // Without kernel stamps the program's clock serves, and the observation says so.
        let _ = stamp_packets(&socket);
        prepare(&socket, leg)?;
        if leg.hears == Hears::Peer {
            socket.connect(&peer.into())?;
        }
        let socket = UdpSocket::from_std(socket.into())?;
        let mut local = socket.local_addr()?;
        if leg.hears == Hears::Anyone {
            let port = local.port();
            local = source_towards(peer)?;
            local.set_port(port);
        }
        let leg = Self {
            socket,
            peer,
            hears: leg.hears,
            local,
            unstamped: VecDeque::new(),
            sent: 0,
            happened: VecDeque::new(),
        };
        Ok((leg, local))
    }

    /// Sends one datagram, now or not at all.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: &[u8], clock: &Clock) -> io::Result<()> {
        debug_assert!(
            self.hears == Hears::Anyone || to == self.peer,
            "a leg that hears its peer speaks to it alone"
        );
        // An earlier ICMP error would be reported in place of sending.
        self.read_error_queue(clock);
        let before = clock.now();
        let socket = self.socket.as_raw_fd();
        let sent = match self.hears {
            Hears::Peer => nix::sys::socket::send(socket, bytes, MsgFlags::MSG_DONTWAIT),
            Hears::Anyone => {
                let to = SockaddrStorage::from(to);
                nix::sys::socket::sendto(socket, bytes, &to, MsgFlags::MSG_DONTWAIT)
            }
        };
        match sent {
            Ok(_) => {
                self.unstamped.push_back((self.sent, before));
                self.sent += 1;
                Ok(())
            }
            Err(error) => {
                let error = io::Error::from(error);
                let before = self.happened.len();
                self.read_error_queue(clock);
                let is_told = self.happened.len() > before;
                match refusal::refusal_of(&error) {
                    _ if is_told => Ok(()),
                    Some(refusal) => {
                        let refused = What::Refused { to, by: None, refusal };
                        self.happened.push_back((refused, clock.now()));
                        Ok(())
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub(super) async fn event(&mut self, clock: &Clock) -> (What, Moment) {
        loop {
            if let Some(event) = self.happened.pop_front() {
                return event;
            }
            let interest = Interest::READABLE | Interest::ERROR;
            if let Err(error) = self.socket.ready(interest).await {
                return (What::Failed { problem: error.kind() }, clock.now());
            }
            // The stamp of a request has to be known before its answer.
            self.read_error_queue(clock);
            self.read_datagram(clock);
            if self.happened.is_empty() {
                // What is no news must not keep the timers from firing, however much there is.
                tokio::task::yield_now().await;
            }
        }
    }

    fn read_error_queue(&mut self, clock: &Clock) {
        loop {
            let socket = &self.socket;
            let entry = socket.try_io(Interest::ERROR, || refusal::next_entry(socket.as_fd()));
            // Not every kernel says that the queue has something, so it is read in any case.
            let entry = entry.or_else(|_| refusal::next_entry(socket.as_fd()));
            match entry {
                Ok(Entry::Sent { number, stamp }) => {
                    let Some(index) = self.unstamped.iter().position(|(it, _)| *it == number)
                    else {
                        continue;
                    };
                    let Some((number, left)) = self.unstamped.remove(index) else { continue };
                    let (at, stamp) = match clock.moment(stamp) {
                        (at, Stamp::Kernel) => (at, Stamp::Kernel),
                        (_, Stamp::Program) => (left, Stamp::Program),
                    };
                    self.happened.push_back((What::Sent { number, stamp }, at));
                }
                // What this host's own kernel says of a peer elsewhere, it says of itself: no
                // neighbour answers, or a rule of its own forbids.
                Ok(Entry::Refused { to, by, refusal }) => {
                    let to = to.filter(|_| self.hears == Hears::Anyone).unwrap_or(self.peer);
                    // What this host's own kernel says of a peer elsewhere, it says of itself: no
                    // neighbour answers, or a rule of its own forbids.
                    let is_own = by.is_some_and(|by| by == self.local.ip() && by != to.ip());
                    let what = if is_own {
                        What::Failed { problem: io::ErrorKind::HostUnreachable }
                    } else {
                        What::Refused { to, by, refusal }
                    };
                    self.happened.push_back((what, clock.now()));
                }
                Ok(Entry::Other) => {}
                Err(_) => return,
            }
        }
    }

    fn read_datagram(&mut self, clock: &Clock) {
        let socket = &self.socket;
        let read = SCRATCH.with_borrow_mut(|buffer| {
            let receive = || refusal::receive(socket.as_fd(), buffer);
            let packet = socket.try_io(Interest::READABLE, receive)?;
            Ok::<_, io::Error>((buffer[..packet.length].to_vec(), packet))
        });
        match read {
            // It came between this socket's having a port and its having a peer.
            Ok((_, packet)) if self.is_stranger(packet.from) => {}
            Ok((bytes, packet)) => {
                let (at, stamp) = clock.moment(packet.stamp);
                for (number, left) in self.unstamped.drain(..) {
                    let sent = What::Sent { number, stamp: Stamp::Program };
                    self.happened.push_back((sent, left));
                }
                let from = packet.from.filter(|_| self.hears == Hears::Anyone);
                let (from, dscp) = (from.unwrap_or(self.peer), packet.dscp);
                self.happened.push_back((What::Received { from, bytes, stamp, dscp }, at));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The error queue has told more of the same, or tells it at the next turn.
            Err(error) => {
                let before = self.happened.len();
                self.read_error_queue(clock);
                if self.happened.len() == before {
                    let what = match refusal::refusal_of(&error) {
                        Some(refusal) => What::Refused { to: self.peer, by: None, refusal },
                        None => What::Failed { problem: error.kind() },
                    };
                    self.happened.push_back((what, clock.now()));
                }
            }
        }
    }

    fn is_stranger(&self, from: Option<SocketAddr>) -> bool {
        let is_other =
            |from: SocketAddr| from.ip() != self.peer.ip() || from.port() != self.peer.port();
        self.hears == Hears::Peer && from.is_some_and(is_other)
    }
}

/// Gives a new socket the local port and the mark that a leg asks for.
pub(super) fn prepare(socket: &Socket, leg: &Leg) -> io::Result<()> {
    let is_ipv6 = leg.peer.is_ipv6();
    if leg.dscp != 0 {
        let class = u32::from(leg.dscp) << 2;
        if is_ipv6 {
            socket.set_tclass_v6(class)?;
        } else {
            socket.set_tos_v4(class)?;
        }
    }
    if leg.local_port != 0 || leg.hears == Hears::Anyone {
        let any = if is_ipv6 {
            // The same port of the other family belongs to somebody else.
            socket.set_only_v6(true)?;
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        socket.bind(&SocketAddr::new(any, leg.local_port).into())?;
    }
    Ok(())
}

/// The address from which this host speaks to `peer`: connecting a socket sends nothing and tells.
fn source_towards(peer: SocketAddr) -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
    socket.connect(&peer.into())?;
    let local = socket.local_addr()?.as_socket();
    local.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// The addresses of the families in which this host has a way out: connecting a socket sends
/// nothing and tells. A site without IPv6 is no site with broken servers. Where there is no way to
/// any, all are kept, and each says so.
pub(super) fn with_a_way(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let has_way = |address: &SocketAddr| {
        let socket = Socket::new(Domain::for_address(*address), Type::DGRAM, Some(Protocol::UDP));
        let no_way = [io::ErrorKind::NetworkUnreachable, io::ErrorKind::AddrNotAvailable];
        match socket.and_then(|socket| socket.connect(&(*address).into())) {
            Err(error) => !no_way.contains(&error.kind()),
            Ok(()) => true,
        }
    };
    let (ways, dead_ends): (Vec<_>, Vec<_>) = addresses.into_iter().partition(has_way);
    if ways.is_empty() { dead_ends } else { ways }
}

thread_local! {
    /// Where a datagram arrives before its bytes are copied out: one for each thread, since an
    /// outage lets every exchange wait at once.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; LARGEST_DATAGRAM]);
}

/// The largest payload of a UDP datagram over IPv4 and IPv6 without jumbograms.
const LARGEST_DATAGRAM: usize = 65_535;
