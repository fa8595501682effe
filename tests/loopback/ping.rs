//! An exchange that says "ping" and keeps a diary, and peers for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use branchline::driver;
use branchline_probes::{
    Exchange, Input, Leg, LegId, Moment, Outcome, Output, Refusal, Stamp, TlsProblem, Transport,
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
    Secured,
    Insecure(TlsProblem),
    Sent(u32, Stamp),
    Received(SocketAddr, Vec<u8>, Stamp),
    Refused(Option<IpAddr>, Refusal),
    Closed,
    Failed,
    Timeout,
    Cancelled,
}

pub(crate) type Diary = Arc<Mutex<Vec<(Moment, Told)>>>;

/// Opens one leg, says "ping" until the deadline, and is done with four bytes of answer, a
/// refusal or being called off.
pub(crate) struct Ping {
    pub(crate) leg: Leg,
    pub(crate) deadline: Moment,
    pub(crate) now: Moment,
    pub(crate) state: State,
    pub(crate) diary: Diary,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Begun,
    Opening,
    Open,
    Asked(usize),
    Done,
}

impl Ping {
    pub(crate) fn new(transport: Transport, peer: SocketAddr, patience: Duration) -> Self {
        Self {
            leg: Leg::new(LEG, transport, peer),
            deadline: Moment::after(patience),
            now: Moment::START,
            state: State::Begun,
            diary: Diary::default(),
        }
    }

    pub(crate) fn told(&self) -> Vec<(Moment, Told)> {
        self.diary.lock().expect("nobody panicked").clone()
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
            Input::Secured { .. } => Told::Secured,
            Input::Insecure { problem, .. } => Told::Insecure(problem),
            Input::Sent { number, stamp, .. } => Told::Sent(number, stamp),
            Input::Received { from, bytes, stamp, .. } => Told::Received(from, bytes.into(), stamp),
            Input::Refused { by, refusal, .. } => Told::Refused(by, refusal),
            Input::Closed { .. } => Told::Closed,
            Input::Failed { .. } => Told::Failed,
            Input::Timeout => Told::Timeout,
            Input::Cancelled => Told::Cancelled,
        };
        self.state = match (&told, self.state) {
            (Told::Connected(_), State::Opening) => State::Open,
            (Told::Received(_, bytes, _), State::Asked(missing)) if bytes.len() < missing => {
                State::Asked(missing - bytes.len())
            }
            (Told::Received(..) | Told::Refused(..), _)
            | (Told::Closed | Told::Failed | Told::Insecure(_) | Told::Cancelled, _) => State::Done,
            (Told::Connected(_) | Told::Secured | Told::Sent(..) | Told::Timeout, state) => state,
        };
        self.diary.lock().expect("nobody panicked").push((now, told));
    }

    fn poll_output(&mut self) -> Output {
        match self.state {
            State::Begun => {
                self.state = State::Opening;
                Output::Open(self.leg.clone())
            }
            State::Open => {
                self.state = State::Asked(4);
                Output::Transmit { leg: LEG, to: self.leg.peer, bytes: b"ping".to_vec() }
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
