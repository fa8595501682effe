//! An exchange that says "ping" and keeps a diary, and peers for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use branchline::driver;
use branchline_probes::{
    Certificate, Exchange, Handshake, Input, Leg, LegId, Moment, Outcome, Output, Refusal, Stamp,
    TlsProblem, Transport, TrustedBy,
};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

pub(crate) const LEG: LegId = LegId(0);
pub(crate) const LOOPBACKS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];
/// How long a peer that answers is waited for: a busy machine may be slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// When an exchange with a peer that does not answer ends.
pub(crate) const DEADLINE: Duration = Duration::from_millis(300);
/// I2 asks for 50 ms; a busy machine gets ten times as much.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(500);

/// What an exchange was told, with its moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Connected(SocketAddr),
    Secured(Handshake),
    Insecure(TlsProblem, Option<Certificate>, Option<TrustedBy>),
    Sent(u32, Stamp),
    /// From whom, what, by whose clock, and with which DSCP.
    Received(SocketAddr, Vec<u8>, Stamp, Option<u8>),
    /// To whom it was sent, and who said no.
    Refused(SocketAddr, Option<IpAddr>, Refusal),
    Closed,
    Failed,
    Timeout,
    Cancelled,
}

pub(crate) type Diary = Arc<Mutex<Vec<(Moment, Told)>>>;

/// Opens one leg, says "ping" at once, and is done with four bytes of answer, a refusal, the
/// deadline or being called off.
pub(crate) struct Ping {
    pub(crate) leg: Leg,
    /// What it says, and to whom.
    pub(crate) says: Vec<(SocketAddr, Vec<u8>)>,
    /// How many bytes it waits for.
    pub(crate) awaits: usize,
    pub(crate) deadline: Moment,
    pub(crate) now: Moment,
    pub(crate) state: State,
    pub(crate) diary: Diary,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Begun,
    Opening,
    Open(usize),
    Asked(usize),
    Done,
}

impl Ping {
    pub(crate) fn new(transport: Transport, peer: SocketAddr, patience: Duration) -> Self {
        Self::on(Leg::new(LEG, transport, peer), patience)
    }

    pub(crate) fn on(leg: Leg, patience: Duration) -> Self {
        Self {
            says: vec![(leg.peer, b"ping".to_vec())],
            awaits: 4,
            leg,
            deadline: Moment::after(patience),
            now: Moment::START,
            state: State::Begun,
            diary: Diary::default(),
        }
    }

    pub(crate) fn told(&self) -> Vec<(Moment, Told)> {
        self.diary.lock().expect("nobody panicked").clone()
    }

    /// The local address of the leg.
    pub(crate) fn local(&self) -> SocketAddr {
        let local = self.told().into_iter().find_map(|(_, told)| match told {
            Told::Connected(local) => Some(local),
            Told::Secured(_) | Told::Insecure(..) | Told::Sent(..) | Told::Received(..) => None,
            Told::Refused(..) | Told::Closed | Told::Failed => None,
            Told::Timeout | Told::Cancelled => None,
        });
        local.expect("the leg was open")
    }

    /// What it heard, and from whom.
    pub(crate) fn heard(&self) -> Vec<(SocketAddr, Vec<u8>)> {
        let heard = self.told().into_iter().filter_map(|(_, told)| match told {
            Told::Received(from, bytes, ..) => Some((from, bytes)),
            Told::Connected(_) | Told::Secured(_) | Told::Insecure(..) | Told::Sent(..) => None,
            Told::Refused(..) | Told::Closed | Told::Failed => None,
            Told::Timeout | Told::Cancelled => None,
        });
        heard.collect()
    }

    /// What the exchange was told last.
    pub(crate) fn last(&self) -> Told {
        self.told().pop().expect("it was told something").1
    }
}

impl Exchange for Ping {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.now = self.now.max(now);
        let told = match input {
            Input::Connected { local, .. } => Told::Connected(local),
            Input::Secured { handshake, .. } => Told::Secured(handshake.clone()),
            Input::Insecure { problem, certificate, trusted_by, .. } => {
                Told::Insecure(problem, certificate.cloned(), trusted_by)
            }
            Input::Sent { number, stamp, .. } => Told::Sent(number, stamp),
            Input::Received { from, bytes, stamp, dscp, .. } => {
                Told::Received(from, bytes.into(), stamp, dscp)
            }
            Input::Refused { to, by, refusal, .. } => Told::Refused(to, by, refusal),
            Input::Closed { .. } => Told::Closed,
            Input::Failed { .. } => Told::Failed,
            Input::Timeout => Told::Timeout,
            Input::Cancelled => Told::Cancelled,
        };
        self.state = match (&told, self.state) {
            (Told::Connected(_), State::Opening) => State::Open(0),
            (Told::Received(_, bytes, ..), State::Asked(missing)) if bytes.len() < missing => {
                State::Asked(missing - bytes.len())
            }
            (Told::Received(..) | Told::Refused(..), _)
            | (Told::Closed | Told::Failed | Told::Insecure(..) | Told::Cancelled, _) => {
                State::Done
            }
            (Told::Connected(_) | Told::Secured(_) | Told::Sent(..) | Told::Timeout, state) => {
                state
            }
        };
        self.diary.lock().expect("nobody panicked").push((now, told));
    }

    fn poll_output(&mut self) -> Output {
        match self.state {
            State::Begun => {
                self.state = State::Opening;
                Output::Open(self.leg.clone())
            }
            State::Open(said) => {
                let (to, bytes) = self.says[said].clone();
                let is_last = said + 1 == self.says.len();
                self.state =
                    if is_last { State::Asked(self.awaits) } else { State::Open(said + 1) };
                Output::Transmit { leg: LEG, to, bytes }
            }
            State::Opening | State::Asked(_) if self.now < self.deadline => {
                Output::Wait { until: self.deadline, reason: "the echo" }
            }
            State::Opening | State::Asked(_) | State::Done => Output::Done(Outcome::default()),
        }
    }
}

/// Drives the exchange to its end; how long that took.
pub(crate) async fn drive(ping: &mut Ping) -> Duration {
    let begun = Instant::now();
    let peer = ping.leg.peer;
    driver::drive(ping, peer, &CancellationToken::new(), None).await;
    begun.elapsed()
}

/// The address of a UDP port that echoes every datagram.
pub(crate) async fn udp_echo(address: &str) -> SocketAddr {
    let socket = UdpSocket::bind(address).await.expect("loopback is there");
    let local = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    local
}

/// The address of a TCP port whose connections are handed to `serve`.
pub(crate) async fn tcp_server<F, S>(address: &str, serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.expect("loopback is there");
    let local = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    local
}

/// A port on which nobody listens: it was bound a moment ago, by somebody who kept it from others
/// of its kind until now.
pub(crate) fn closed_udp_port(address: &str) -> SocketAddr {
    let socket = std::net::UdpSocket::bind(address).expect("loopback is there");
    socket.local_addr().expect("it is bound")
}

pub(crate) fn closed_tcp_port(address: &str) -> SocketAddr {
    let listener = std::net::TcpListener::bind(address).expect("loopback is there");
    listener.local_addr().expect("it is bound")
}

/// A port that no other test has, and that the kernel gives to nobody by itself: it is below
/// `net.ipv4.ip_local_port_range`.
pub(crate) fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [.., high, low] = (std::process::id() * 16).to_be_bytes();
    10_000
        + u16::from_be_bytes([high, low]).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
            % 20_000
}
