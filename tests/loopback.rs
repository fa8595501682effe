//! The driver with real sockets: one case for each transport, and one for each way in which the
//! kernel says no.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use branchline::check::Check;
use branchline::driver;
use branchline_probes::{
    BadOption, Chance, Exchange, FactSpec, Failure, Input, Leg, LegId, Module, Moment, OptionSpec,
    Options, Outcome, Output, Phase, Probe, Refusal, Stamp, Target, TlsProblem, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

const LEG: LegId = LegId(0);
const LOOPBACKS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];
/// How long a peer that answers is waited for: a busy machine may be slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// When an exchange with a peer that does not answer ends.
const DEADLINE: Duration = Duration::from_millis(300);
/// I2 asks for 50 ms; a busy machine gets ten times as much.
const TOLERANCE: Duration = Duration::from_millis(500);

/// What an exchange was told, with its moment.
#[derive(Clone, Debug, PartialEq)]
enum Told {
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

type Diary = Arc<Mutex<Vec<(Moment, Told)>>>;

/// Opens one leg, says "ping" until the deadline, and is done with four bytes of answer, a
/// refusal or being called off.
struct Ping {
    leg: Leg,
    deadline: Moment,
    now: Moment,
    state: State,
    diary: Diary,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begun,
    Opening,
    Open,
    Asked(usize),
    Done,
}

impl Ping {
    fn new(transport: Transport, peer: SocketAddr, patience: Duration) -> Self {
        Self {
            leg: Leg::new(LEG, transport, peer),
            deadline: Moment::after(patience),
            now: Moment::START,
            state: State::Begun,
            diary: Diary::default(),
        }
    }

    fn told(&self) -> Vec<(Moment, Told)> {
        self.diary.lock().expect("nobody panicked").clone()
    }

    /// What the exchange was told last.
    fn last(&self) -> Told {
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
async fn drive(ping: &mut Ping) -> Duration {
    let begun = Instant::now();
    let peer = ping.leg.peer;
    driver::drive(ping, peer, &CancellationToken::new(), None).await;
    begun.elapsed()
}

/// The address of a UDP port that echoes every datagram.
async fn udp_echo(address: &str) -> SocketAddr {
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
async fn tcp_server<F, S>(address: &str, serve: F) -> SocketAddr
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
fn closed_udp_port(address: &str) -> SocketAddr {
    let socket = std::net::UdpSocket::bind(address).expect("loopback is there");
    socket.local_addr().expect("it is bound")
}

fn closed_tcp_port(address: &str) -> SocketAddr {
    let listener = std::net::TcpListener::bind(address).expect("loopback is there");
    listener.local_addr().expect("it is bound")
}

// The kernel begins to stamp arrivals a moment after a first socket of the host has asked for it,
// and ends with the last: so one exchange waits beside those that are timed.
#[tokio::test]
async fn a_datagrams_round_trip_is_timed_by_the_kernel() {
    let silent = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let mut keeper = Ping::new(Transport::Udp, silent.local_addr().unwrap(), 4 * PATIENCE);
    tokio::spawn(async move { drive(&mut keeper).await });
    for address in LOOPBACKS {
        let peer = udp_echo(address).await;
        let expected = Told::Received(peer, b"ping".to_vec(), Stamp::Kernel);
        let begun = Instant::now();
        let mut stamped = None;
        while stamped.is_none() && begun.elapsed() < PATIENCE {
            let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);
            let took = drive(&mut ping).await;
            stamped = (ping.last() == expected).then(|| (ping.told(), took));
        }

        let (told, took) = stamped.expect("the kernel stamps an answer in time");
        let [(_, connected), (left, sent), (arrived, _)] = &told[..] else { panic!("{told:?}") };
        assert!(matches!(connected, Told::Connected(local) if local.ip() == peer.ip()));
        assert_eq!(*sent, Told::Sent(0, Stamp::Kernel));
        let rtt = arrived.since(*left);
        assert!(rtt > Duration::ZERO && rtt <= took, "{rtt:?} of {took:?}");
    }
}

#[tokio::test]
async fn a_closed_udp_port_is_refused_by_its_host() {
    for address in LOOPBACKS {
        let peer = closed_udp_port(address);
        let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Refused(Some(peer.ip()), Refusal::Port));
        assert!(took < PATIENCE, "{took:?}");
    }
}

#[tokio::test]
async fn a_closed_tcp_port_is_refused_by_its_host() {
    for address in LOOPBACKS {
        let peer = closed_tcp_port(address);
        let mut ping = Ping::new(Transport::Tcp, peer, PATIENCE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Refused(Some(peer.ip()), Refusal::Reset));
        assert!(took < PATIENCE, "{took:?}");
    }
}

#[tokio::test]
async fn a_stream_brings_its_echo() {
    for address in LOOPBACKS {
        let peer = tcp_server(address, |mut stream| async move {
            let mut buffer = [0; 4];
            let _ = stream.read_exact(&mut buffer).await;
            let _ = stream.write_all(&buffer).await;
        })
        .await;
        let mut ping = Ping::new(Transport::Tcp, peer, PATIENCE);

        drive(&mut ping).await;

        let told: Vec<Told> = ping.told().into_iter().map(|(_, told)| told).collect();
        assert!(matches!(told[0], Told::Connected(local) if local.ip() == peer.ip()), "{told:?}");
        assert_eq!(told[1], Told::Sent(0, Stamp::Program));
        assert_eq!(told[2], Told::Received(peer, b"ping".to_vec(), Stamp::Program));
    }
}

#[tokio::test]
async fn a_stream_that_the_peer_closes_or_resets_is_told() {
    let closing = tcp_server(LOOPBACKS[0], |mut stream| async move {
        let mut buffer = [0; 4];
        let _ = stream.read_exact(&mut buffer).await;
    })
    .await;
    let resetting = tcp_server(LOOPBACKS[0], |stream| async move {
        // What was sent stays unread, so closing is a reset.
        let _ = stream.readable().await;
    })
    .await;
    let (mut closed, mut reset) = (
        Ping::new(Transport::Tcp, closing, PATIENCE),
        Ping::new(Transport::Tcp, resetting, PATIENCE),
    );

    drive(&mut closed).await;
    drive(&mut reset).await;

    assert_eq!(closed.last(), Told::Closed);
    assert_eq!(reset.last(), Told::Refused(Some(resetting.ip()), Refusal::Reset));
}

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

// D-DNS-1
#[tokio::test]
async fn a_datagram_from_another_address_is_never_read() {
    let peer = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let stranger = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let elsewhere = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let address = peer.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        let (_, from) = peer.recv_from(&mut buffer).await.expect("the ping comes");
        for _ in 0..100 {
            stranger.send_to(b"lies", from).await.expect("loopback takes it");
            elsewhere.send_to(b"lies", from).await.expect("loopback takes it");
        }
        peer.send_to(b"true", from).await.expect("loopback takes it");
    });
    let mut ping = Ping::new(Transport::Udp, address, PATIENCE);

    drive(&mut ping).await;

    let told = ping.told().into_iter();
    let heard: Vec<(SocketAddr, Vec<u8>)> = told
        .filter_map(|(_, told)| match told {
            Told::Received(from, bytes, _) => Some((from, bytes)),
            Told::Connected(_) | Told::Secured | Told::Sent(..) | Told::Refused(..) => None,
            Told::Closed | Told::Failed | Told::Insecure(_) => None,
            Told::Timeout | Told::Cancelled => None,
        })
        .collect();
    assert_eq!(heard, [(address, b"true".to_vec())]);
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

// I9
#[tokio::test]
async fn an_address_that_this_host_cannot_reach_is_its_own_fault() {
    // A broadcast address takes no datagram from a socket that did not ask for the right to.
    let peer = "255.255.255.255:9".parse().unwrap();
    let mut ping = Ping::new(Transport::Udp, peer, PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.last(), Told::Failed);
}

/// A probe whose exchanges do what a test wants.
struct Invented(fn(SocketAddr) -> Box<dyn Exchange>);

impl Probe for Invented {
    fn name(&self) -> &'static str {
        "invented-probe"
    }

    fn about(&self) -> &'static str {
        "what would an invented probe see?"
    }

    fn sample(&self) -> &'static str {
        ""
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn timeout(&self) -> Duration {
        PATIENCE
    }

    fn facts(&self) -> &'static [FactSpec] {
        &[]
    }

    fn module(&self, _: &Options) -> Result<Box<dyn Module>, BadOption> {
        Ok(Box::new(InventedModule(self.0)))
    }
}

struct InventedModule(fn(SocketAddr) -> Box<dyn Exchange>);

impl Module for InventedModule {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        9
    }

    fn timeout(&self) -> Duration {
        PATIENCE
    }

    fn begin(&self, target: &Target, _: Chance) -> Box<dyn Exchange> {
        (self.0)(target.address)
    }
}

fn check(probe: &'static Invented, host: &str, port: u16) -> Check {
    Check {
        site: "lyon".into(),
        target: "a-target".into(),
        host: host.into(),
        port,
        module_name: "a-module".into(),
        probe,
        module: probe.module(&Options::defaults(&[])).expect("it has no options").into(),
        fingerprint: "".into(),
        interval: PATIENCE,
        required: false,
        trunk: None,
        edge_group: None,
    }
}

struct Bomb(Ping);

impl Exchange for Bomb {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        assert!(!matches!(input, Input::Connected { .. }), "this panic is part of the test");
        self.0.handle_input(input, now);
    }

    fn poll_output(&mut self) -> Output {
        self.0.poll_output()
    }
}

// I1
#[tokio::test]
async fn a_panic_inside_an_exchange_is_an_internal_failure() {
    static BOMB: Invented =
        Invented(|peer| Box::new(Bomb(Ping::new(Transport::Udp, peer, PATIENCE))));
    let check = check(&BOMB, "127.0.0.1", closed_udp_port(LOOPBACKS[0]).port());

    let observations = driver::observe(&check, &CancellationToken::new(), None).await;

    assert_eq!(observations.len(), 1);
    assert_eq!(observations[0].outcome.failure, Some((Phase::Request, Failure::Internal)));
}

#[tokio::test]
async fn an_observation_names_what_was_observed() {
    static PING: Invented = Invented(|peer| Box::new(Ping::new(Transport::Udp, peer, PATIENCE)));
    let peer = udp_echo(LOOPBACKS[0]).await;
    let check = check(&PING, "127.0.0.1", peer.port());
    let steps = Mutex::new(BTreeMap::new());
    let watcher = |step: driver::Step| {
        steps.lock().expect("nobody panicked").insert(step.what, step.address);
    };

    let observations = driver::observe(&check, &CancellationToken::new(), Some(&watcher)).await;

    let [observation] = &observations[..] else { panic!("{observations:?}") };
    assert_eq!(observation.reference(), format!("a-module@a-target ({peer})"));
    assert_eq!((observation.probe, observation.site.as_str()), ("invented-probe", "lyon"));
    // An address was no name to resolve.
    assert!(observation.outcome.phases.is_empty());
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.get("send 4 bytes"), Some(&peer));
    assert!(steps.keys().any(|what| what.starts_with("wait for the echo until")));
}
