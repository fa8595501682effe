//! A SIP mirror: each request is answered with the bytes that arrived, so that both ends can be
//! laid side by side and what was rewritten on the way is seen.

mod gate;
mod network;
mod reflection;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::sip::{Frame, Frames, PONG};
use crate::sockets;
use gate::Gate;
use reflection::reflect;

pub use gate::Tally;
pub use network::{BadNetwork, Network};

/// How long a request may be, in bytes.
const LONGEST_REQUEST: usize = 4096;
/// How long to rest where no connection can be taken: this host has no file left, say.
const REST: Duration = Duration::from_millis(100);

/// Where a mirror is, and for whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Who is answered; where nobody is named, this host alone.
    pub allow: Vec<Network>,
    /// What it does at most.
    pub limits: Limits,
}

/// What a mirror does at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers within a second, in all.
    pub answers_a_second: usize,
    /// TCP connections at once, in all.
    pub connections: usize,
    /// How long a TCP connection stays open that brings no whole message.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answers_a_second: 100, connections: 64, idle: Duration::from_secs(30) }
    }
}

/// A running mirror; dropping it closes every socket.
///
/// It brings a runtime of its own, so that it can be started and dropped from anywhere.
#[derive(Debug)]
pub struct Mirror {
    runtime: Option<Runtime>,
    addresses: Vec<SocketAddr>,
    allowed: Vec<Network>,
    hall: Hall,
}

/// What all sockets of a mirror share.
#[derive(Clone, Debug)]
struct Hall {
    gate: Arc<Mutex<Gate>>,
    seats: Arc<Semaphore>,
    idle: Duration,
}

impl Mirror {
    /// Starts a mirror.
    ///
    /// # Errors
    ///
    /// When it would be open to other hosts and nobody says to which, or when a socket cannot be
    /// bound.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let Settings { listen, allow, limits } = settings;
        let open = listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
        if let (Some(open), true) = (open, allow.is_empty()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{open} is open to other hosts, and nothing says to which\n\nhint: name the \
                     networks that may ask, as in `--allow 192.0.2.0/24`; a mirror for\n      \
                     everybody would send to whoever's address is forged"
                ),
            ));
        }
        let allowed = if allow.is_empty() { Network::LOOPBACK.to_vec() } else { allow.clone() };
        let gate = Gate::new(allowed.clone(), limits.answers_a_second);
        let hall = Hall {
            gate: Arc::new(Mutex::new(gate)),
            seats: Arc::new(Semaphore::new(limits.connections)),
            idle: limits.idle,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mirror")
            .enable_all()
            .build()?;
        // Sockets are handed to the runtime that is entered.
        let entered = runtime.enter();
        let mut addresses = Vec::new();
        for address in listen {
            let (udp, tcp) = sockets::udp_and_tcp_at(*address)
                .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
            addresses.push(udp.local_addr()?);
            tokio::spawn(hall.clone().serve_udp(UdpSocket::from_std(udp)?));
            tokio::spawn(hall.clone().serve_tcp(TcpListener::from_std(tcp)?));
        }
        drop(entered);
        Ok(Self { runtime: Some(runtime), addresses, allowed, hall })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Who is answered.
    #[must_use]
    pub fn allowed(&self) -> &[Network] {
        &self.allowed
    }

    /// What it did until now.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.hall.gate(|gate| gate.tally())
    }

    /// Waits for Ctrl-C or SIGTERM; calls `ready` once either would be heard.
    ///
    /// # Errors
    ///
    /// When signals cannot be heard, or `ready` fails.
    pub fn until_interrupted(&self, ready: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            ready()?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        })
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // Does not wait: a runtime that waits may not be dropped within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Hall {
    fn gate<T>(&self, ask: impl FnOnce(&mut Gate) -> T) -> T {
        ask(&mut self.gate.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer to a message from somebody who is allowed, while there is room for one.
    fn answer(&self, message: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        let answer = reflect(message, from);
        self.gate(|gate| match answer {
            Some(answer) => gate.has_room(Instant::now()).then_some(answer),
            None => {
                gate.note_unusable();
                None
            }
        })
    }

    /// Answers to where a datagram came from, and never to what its Via says.
    async fn serve_udp(self, socket: UdpSocket) {
        // One byte more shows what is too long.
        let mut buffer = [0; LONGEST_REQUEST + 1];
        loop {
            // A client that is gone already reaches us as an error; the next may come.
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            if !self.gate(|gate| gate.admits(from.ip())) {
                continue;
            }
            if length > LONGEST_REQUEST {
                self.gate(Gate::note_unusable);
            } else if let Some(answer) = self.answer(&buffer[..length], from) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                sleep(REST).await;
                continue;
            };
            if !self.gate(|gate| gate.admits(from.ip())) {
                continue;
            }
            let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else { continue };
            let hall = self.clone();
            // How a connection ends is the client's affair.
            tokio::spawn(async move { hall.converse(stream, from, seat).await });
        }
    }

    /// Answers on a connection; the seat, which comes last, is given back before it is closed.
    async fn converse(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        _seat: OwnedSemaphorePermit,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut frames = Frames::new(LONGEST_REQUEST);
        loop {
            let frame = match timeout(self.idle, frames.next(&mut stream)).await? {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(error) => {
                    if error.kind() == io::ErrorKind::InvalidData {
                        self.gate(Gate::note_unusable);
                    }
                    return Err(error);
                }
            };
            let answer = match frame {
                Frame::Ping => Some(PONG.to_vec()),
                Frame::Message(message) => self.answer(&message, from),
            };
            if let Some(answer) = answer {
                timeout(self.idle, stream.write_all(&answer)).await??;
            }
        }
    }
}
