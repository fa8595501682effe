//! A TCP connection, from its SYN to its end, and TLS on it where the leg asks for that.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use branchline_probes::{Leg, Moment, Refusal, Stamp, Tls, Transport};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::clock::Clock;
use super::event::What;
use super::refusal::{self, Entry};
use super::tls::Session;
use super::udp;

/// A leg over TCP or TLS.
pub(super) struct StreamLeg {
    stream: TcpStream,
    peer: SocketAddr,
    state: State,
    /// What TLS asks for, until the connection stands.
    tls: Option<Tls>,
    session: Option<Session>,
    outgoing: Outgoing,
    sent: u32,
    buffer: Vec<u8>,
    happened: VecDeque<What>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Over,
}

/// What waits to be sent, and where each transmission ends in it.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    ends: VecDeque<usize>,
    /// Transmissions that were taken whole, and of which nobody has been told.
    untold: u32,
}

impl Outgoing {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push_back(self.bytes.len());
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The first bytes that waited were taken.
    fn take(&mut self, length: usize) {
        self.taken += length;
        while self.ends.front().is_some_and(|end| *end <= self.taken) {
            self.ends.pop_front();
            self.untold += 1;
        }
        if self.ends.is_empty() {
            self.bytes.clear();
            self.taken = 0;
        }
    }
}

impl StreamLeg {
    /// Sends the SYN.
    pub(super) fn open(leg: &Leg) -> io::Result<Self> {
        let peer = leg.peer;
        if (leg.transport == Transport::Tls) != leg.tls.is_some() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        refusal::queue_errors(&socket, peer.is_ipv6())?;
        udp::prepare(&socket, leg)?;
        match socket.connect(&peer.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into())?,
            peer,
            state: State::Connecting,
            tls: leg.tls.clone(),
            session: None,
            outgoing: Outgoing::default(),
            sent: 0,
            buffer: vec![0; PIECE],
            happened: VecDeque::new(),
        })
    }

    /// Takes bytes to send as soon as the connection lets it; over TLS, once the peer has proved
    /// its name.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        if self.state != State::Over {
            self.outgoing.push(bytes);
        }
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub(super) async fn event(&mut self, clock: &Clock) -> (What, Moment) {
        loop {
            if let Some(what) = self.happened.pop_front() {
                return (what, clock.now());
            }
            match self.state {
                State::Over => std::future::pending().await,
                State::Connecting => match self.stream.writable().await {
                    Ok(()) => self.connected(),
                    Err(error) => self.over(What::Failed { problem: error.kind() }),
                },
                State::Open => {
                    let interest = if self.wants_write() {
                        Interest::READABLE | Interest::WRITABLE
                    } else {
                        Interest::READABLE
                    };
                    match self.stream.ready(interest).await {
                        Ok(ready) if ready.is_writable() && self.wants_write() => self.write(),
                        Ok(_) => self.read(),
                        Err(error) => self.over(What::Failed { problem: error.kind() }),
                    }
                }
            }
            if self.happened.is_empty() {
                // A peer that floods with what is no news must not keep the timers from firing.
                tokio::task::yield_now().await;
            }
        }
    }

    fn connected(&mut self) {
        let local = match self.stream.take_error() {
            Ok(None) => self.stream.local_addr(),
            Ok(Some(error)) | Err(error) => return self.failed(&error),
        };
        match local {
            Ok(local) => {
                self.state = State::Open;
                self.happened.push_back(What::Connected { local });
            }
            Err(error) => return self.over(What::Failed { problem: error.kind() }),
        }
        match self.tls.take().map(|tls| Session::begin(&tls, self.peer)) {
            None => {}
            Some(Ok(session)) => self.session = Some(session),
            Some(Err(what)) => self.over(what),
        }
    }

    fn wants_write(&self) -> bool {
        let has_bytes = !self.outgoing.waiting().is_empty();
        match &self.session {
            None => has_bytes,
            Some(session) => session.wants_write() || (has_bytes && session.is_up()),
        }
    }

    fn write(&mut self) {
        let written = match &mut self.session {
            None => {
                let written = self.stream.try_write(self.outgoing.waiting());
                written.map(|length| self.outgoing.take(length))
            }
            Some(session) => {
                if session.is_up() {
                    let length = session.say(self.outgoing.waiting());
                    self.outgoing.take(length);
                }
                session.flush(&self.stream)
            }
        };
        match written {
            Ok(()) => {
                for _ in 0..std::mem::take(&mut self.outgoing.untold) {
                    let number = self.sent;
                    self.sent += 1;
                    self.happened.push_back(What::Sent { number, stamp: Stamp::Program });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.hear_last_words();
                if self.state != State::Over {
                    self.failed(&error);
                }
            }
        }
    }

    /// A peer that ends TLS says why and goes, and what was on its way to it is answered with a
    /// reset: the word is there all the same.
    fn hear_last_words(&mut self) {
        while self.state != State::Over
            && let Some(session) = &mut self.session
            && let Ok(length @ 1..) = self.stream.try_read(&mut self.buffer)
        {
            let heard = session.hear(&self.buffer[..length]);
            self.take_in(heard);
        }
    }

    fn read(&mut self) {
        let length = match self.stream.try_read(&mut self.buffer) {
            Ok(0) => return self.over(What::Closed),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => return self.failed(&error),
        };
        let heard = match &mut self.session {
            None => {
                let (from, bytes) = (self.peer, self.buffer[..length].to_vec());
                vec![What::Received { from, bytes, stamp: Stamp::Program, dscp: None }]
            }
            Some(session) => session.hear(&self.buffer[..length]),
        };
        self.take_in(heard);
    }

    fn take_in(&mut self, heard: Vec<What>) {
        for what in heard {
            if is_end(&what) {
                self.over(what);
            } else {
                self.happened.push_back(what);
            }
        }
    }

    /// Who said no, as far as the error queue tells; else what the error number means.
    fn failed(&mut self, error: &io::Error) {
        const NO_NETWORK: Refusal = Refusal::Unreachable { network: true, icmp_type: 3, code: 0 };
        let mut what = match (refusal::refusal_of(error), error.kind()) {
            (Some(Refusal::Reset), _) | (None, io::ErrorKind::BrokenPipe) => {
                What::Refused { to: self.peer, by: Some(self.peer.ip()), refusal: Refusal::Reset }
            }
            (Some(refusal), _) => What::Refused { to: self.peer, by: None, refusal },
            // The SYN had left: it is a router that has no way, not this host.
            (None, io::ErrorKind::NetworkUnreachable) => {
                What::Refused { to: self.peer, by: None, refusal: NO_NETWORK }
            }
            (None, problem) => What::Failed { problem },
        };
        while let Ok(entry) = refusal::next_entry(self.stream.as_fd()) {
            if let Entry::Refused { by, refusal, .. } = entry {
                what = What::Refused { to: self.peer, by, refusal };
            }
        }
        self.over(what);
    }

    /// Nothing happens on it after this. The peer is told why, where TLS has a word for it.
    fn over(&mut self, what: What) {
        self.state = State::Over;
        self.outgoing = Outgoing::default();
        if let Some(session) = &mut self.session {
            let _ = session.flush(&self.stream);
        }
        self.happened.push_back(what);
    }
}

impl Drop for StreamLeg {
    fn drop(&mut self) {
        if let Some(session) = self.session.as_mut().filter(|_| self.state == State::Open) {
            session.farewell(&self.stream);
        }
    }
}

fn is_end(what: &What) -> bool {
    match what {
        What::Connected { .. }
        | What::Secured { .. }
        | What::Sent { .. }
        | What::Received { .. }
        | What::Refused { .. } => false,
        What::Insecure { .. } | What::Closed | What::Failed { .. } => true,
    }
}

/// How much is read at once.
const PIECE: usize = 4096;
