//! A TCP connection, from its SYN to its end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use branchline_probes::{Moment, Refusal, Stamp};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::clock::Clock;
use super::event::What;
use super::refusal::{self, Entry};

/// A leg over TCP.
pub(super) struct StreamLeg {
    stream: TcpStream,
    peer: SocketAddr,
    state: State,
    outgoing: Vec<u8>,
    sent: u32,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Over,
}

impl StreamLeg {
    /// Sends the SYN.
    pub(super) fn open(peer: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        refusal::queue_errors(&socket, peer.is_ipv6())?;
        match socket.connect(&peer.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into())?,
            peer,
            state: State::Connecting,
            outgoing: Vec::new(),
            sent: 0,
            buffer: vec![0; PIECE],
        })
    }

    /// Takes bytes to send as soon as the connection lets it.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.outgoing.extend_from_slice(bytes);
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub(super) async fn event(&mut self, clock: &Clock) -> (What, Moment) {
        let what = loop {
            match self.state {
                State::Over => std::future::pending().await,
                State::Connecting => {
                    if let Err(error) = self.stream.writable().await {
                        break self.over(What::Failed { problem: error.kind() });
                    }
                    break self.connected();
                }
                State::Open => {
                    let interest = if self.outgoing.is_empty() {
                        Interest::READABLE
                    } else {
                        Interest::READABLE | Interest::WRITABLE
                    };
                    let ready = match self.stream.ready(interest).await {
                        Ok(ready) => ready,
                        Err(error) => break self.over(What::Failed { problem: error.kind() }),
                    };
                    let done = if ready.is_writable() && !self.outgoing.is_empty() {
                        self.write()
                    } else {
                        self.read()
                    };
                    if let Some(what) = done {
                        break what;
                    }
                }
            }
        };
        (what, clock.now())
    }

    fn connected(&mut self) -> What {
        match self.stream.take_error() {
            Ok(None) => match self.stream.local_addr() {
                Ok(local) => {
                    self.state = State::Open;
                    What::Connected { local }
                }
                Err(error) => self.over(What::Failed { problem: error.kind() }),
            },
            Ok(Some(error)) | Err(error) => self.failed(&error),
        }
    }

    fn write(&mut self) -> Option<What> {
        match self.stream.try_write(&self.outgoing) {
            Ok(length) => {
                self.outgoing.drain(..length);
                self.outgoing.is_empty().then(|| {
                    let number = self.sent;
                    self.sent += 1;
                    What::Sent { number, stamp: Stamp::Program }
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(self.failed(&error)),
        }
    }

    fn read(&mut self) -> Option<What> {
        match self.stream.try_read(&mut self.buffer) {
            Ok(0) => Some(self.over(What::Closed)),
            Ok(length) => {
                let bytes = self.buffer[..length].to_vec();
                Some(What::Received { from: self.peer, bytes, stamp: Stamp::Program })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(self.failed(&error)),
        }
    }

    /// Who said no, as far as the error queue tells; else what the error number means.
    fn failed(&mut self, error: &io::Error) -> What {
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
            if let Entry::Refused { by, refusal } = entry {
                what = What::Refused { to: self.peer, by, refusal };
            }
        }
        self.over(what)
    }

    fn over(&mut self, what: What) -> What {
        self.state = State::Over;
        what
    }
}

/// How much is read at once.
const PIECE: usize = 4096;
