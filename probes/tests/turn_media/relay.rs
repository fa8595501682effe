//! A TURN server by hand, behind a way that loses, delays, doubles and unmarks as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::wire::stun::{
    self, Class, Integrity, Key, Message, Method, PasswordAlgorithm, Writer, attribute,
    read_channel_data, write_channel_data,
};
use branchline_probes::{
    Chance, Exchange, Fact, Input, Intent, Leg, LegId, Module, Moment, OptionValue, Options,
    Outcome, Output, PROBES, Refusal, Secret, Stamp, TIMEOUT, Target,
};

pub(crate) const SERVER: &str = "192.0.2.10:3478";
pub(crate) const USER: &str = "probe";
pub(crate) const PASSWORD: &str = "marker";
pub(crate) const REALM: &[u8] = b"branch.test";
const NONCE: &[u8] = b"a-nonce";
/// One way of what is no voice.
pub(crate) const ONE_WAY: Duration = Duration::from_millis(5);
pub(crate) const SENDER: LegId = LegId(0);
pub(crate) const RECEIVER: LegId = LegId(1);

pub(crate) fn server() -> SocketAddr {
    SERVER.parse().expect("an address")
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A module of the probe with these options besides its credentials.
pub(crate) fn try_module(
    set: &[(&str, OptionValue)],
) -> Result<Box<dyn Module>, branchline_probes::BadOption> {
    let probe = PROBES.iter().find(|probe| probe.name() == "turn-media").expect("it is listed");
    let mut options = Options::defaults(probe.options());
    let timeout = TIMEOUT.spec();
    for (key, value) in set {
        let mut specs = probe.options().iter().chain([&timeout]);
        options.set(specs.find(|spec| spec.name == *key).expect("an option"), value.clone());
    }
    probe.module(&options)
}

pub(crate) fn credentials() -> Vec<(&'static str, OptionValue)> {
    vec![
        ("username", OptionValue::Text(USER.to_owned())),
        ("password", OptionValue::Secret(Secret::new(PASSWORD.to_owned()))),
    ]
}

pub(crate) fn module(set: &[(&'static str, OptionValue)]) -> Box<dyn Module> {
    let all: Vec<_> = credentials().into_iter().chain(set.iter().cloned()).collect();
    try_module(&all).expect("the options are valid")
}

pub(crate) fn duration(value: Duration) -> (&'static str, OptionValue) {
    ("duration", OptionValue::Duration(value))
}

pub(crate) fn target() -> Target {
    Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: "relay.example".into(),
        address: server(),
        transport: None,
        started: SystemTime::UNIX_EPOCH,
    }
}

pub(crate) fn begin(module: &dyn Module, seed: u8) -> Box<dyn Exchange> {
    module.begin(&target(), Chance::from_seed([seed; 32]))
}

/// What arrives on which leg, from whom, when the n-th packet of voice leaves.
pub(crate) type Noise<'a> = dyn FnMut(usize, &[u8]) -> Vec<(LegId, SocketAddr, Vec<u8>)> + 'a;

/// What the world does; everything that is not said goes well.
pub(crate) struct World<'a> {
    /// How long each copy of the voice packet that left as the n-th takes; none is a loss.
    pub(crate) fate: Box<dyn FnMut(usize) -> Vec<Duration> + 'a>,
    /// Whether a datagram of signalling is lost.
    pub(crate) loses: Box<dyn FnMut() -> bool + 'a>,
    /// By how much this host wakes up late.
    pub(crate) lateness: Box<dyn FnMut() -> Duration + 'a>,
    /// How long a packet that was handed to the kernel stays there.
    pub(crate) queue: Box<dyn FnMut() -> Duration + 'a>,
    /// The mark of what arrives.
    pub(crate) mark: Option<u8>,
    /// What the server says to a request, if not yes.
    pub(crate) refuses: Box<dyn FnMut(Method, usize) -> Option<u16> + 'a>,
    /// What else arrives with each voice packet.
    pub(crate) noise: Box<Noise<'a>>,
    /// Whether the server answers Data indications although there is a channel.
    pub(crate) indicates: bool,
    /// Whether the n-th Binding request is answered.
    pub(crate) answers_binding: Box<dyn FnMut(usize) -> bool + 'a>,
    pub(crate) cancelled_at: Option<Moment>,
    /// When a router begins to refuse what the leg sends.
    pub(crate) refused_from: Option<(LegId, Moment)>,
    /// When the server closes a stream.
    pub(crate) closed_at: Option<(LegId, Moment)>,
    pub(crate) stamp: Stamp,
}

impl Default for World<'_> {
    fn default() -> Self {
        Self {
            fate: Box::new(|_| vec![millis(40)]),
            loses: Box::new(|| false),
            lateness: Box::new(|| Duration::ZERO),
            queue: Box::new(|| Duration::ZERO),
            mark: Some(46),
            refuses: Box::new(|_, _| None),
            noise: Box::new(|_, _| Vec::new()),
            indicates: false,
            answers_binding: Box::new(|_| true),
            cancelled_at: None,
            refused_from: None,
            closed_at: None,
            stamp: Stamp::Kernel,
        }
    }
}

/// What happens at a moment.
enum Happening {
    Connected(LegId),
    Sent(LegId, u32),
    AtServer(LegId, Vec<u8>),
    Heard(LegId, SocketAddr, Vec<u8>),
    Refused(LegId),
    Closed(LegId),
    Cancelled,
}

/// How an exchange went.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) legs: Vec<Leg>,
    pub(crate) intents: Vec<Intent>,
    /// Of every packet of voice: when it was handed over, and when it left.
    pub(crate) voice: Vec<(Moment, Moment)>,
    /// Every destination.
    pub(crate) destinations: BTreeSet<SocketAddr>,
    pub(crate) ended: Moment,
    /// What the server still holds, by the leg for which.
    pub(crate) held: BTreeSet<LegId>,
    /// How often it granted an allocation.
    pub(crate) granted: usize,
    /// When each Binding request was handed over.
    pub(crate) bindings: Vec<Moment>,
}

impl Run {
    pub(crate) fn label(&self) -> &'static str {
        self.outcome.failure.as_ref().map_or("", |(_, failure)| failure.label())
    }

    pub(crate) fn stage(&self) -> &'static str {
        self.outcome.failure.as_ref().map_or("", |(phase, _)| phase.label())
    }

    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.read(name)
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.read(name)
    }

    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        self.read(name)
    }

    pub(crate) fn word(&self, name: &str) -> Option<&'static str> {
        self.read(name)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.read(name)
    }

    fn read<T: Fact>(&self, name: &str) -> Option<T> {
        let (_, value) = self.outcome.facts.iter().find(|(spec, _)| spec.name == name)?;
        T::from_value(value)
    }
}

/// One client's allocation.
#[derive(Default)]
struct Held {
    permitted: BTreeSet<SocketAddr>,
    channels: BTreeMap<u16, SocketAddr>,
}

#[derive(Default)]
struct Server {
    held: BTreeMap<LegId, Held>,
    granted: usize,
    asked: BTreeMap<u16, usize>,
    /// Connections that are no more.
    closed: BTreeSet<LegId>,
}

pub(crate) fn relayed(leg: LegId) -> SocketAddr {
    SocketAddr::new("192.0.2.99".parse().expect("an address"), 50_000 + u16::from(leg.0))
}

fn key() -> Key {
    Key::long_term(PasswordAlgorithm::Md5, Integrity::Sha1, USER, REALM, PASSWORD)
}

impl Server {
    /// The answer to a request, and the peer to which ChannelData goes.
    fn answer(&mut self, leg: LegId, bytes: &[u8], world: &mut World<'_>) -> Option<Vec<u8>> {
        if self.closed.contains(&leg) {
            return None;
        }
        let message = stun::read(bytes).expect("the client speaks STUN");
        let Message { method, transaction, .. } = message;
        let success = || Writer::new(Class::Success, method, &transaction);
        let error = |code: u16| {
            let value = [0, 0, u8::try_from(code / 100).expect("few"), (code % 100) as u8];
            Writer::new(Class::Error, method, &transaction).with(attribute::ERROR_CODE, &value)
        };
        if method == Method::Binding {
            let at = "198.51.100.7:40112".parse().expect("an address");
            let answer = success().with_xor_address(attribute::XOR_MAPPED_ADDRESS, at);
            let count = self.asked.entry(method.number()).or_default();
            *count += 1;
            return (world.answers_binding)(*count - 1).then(|| answer.with_fingerprint());
        }
        if !message.has_integrity {
            let challenge = error(401).with(attribute::REALM, REALM).with(attribute::NONCE, NONCE);
            return Some(challenge.finish());
        }
        assert!(key().proves(bytes), "the client signs with its password");
        let count = self.asked.entry(method.number()).or_default();
        *count += 1;
        if let Some(code) = (world.refuses)(method, *count) {
            return Some(error(code).signed(&key()).finish());
        }
        let peer = message.xor_peer;
        let answer = match method {
            Method::Allocate => {
                // RFC 8656 §7.2: a retransmission gets the same answer again.
                self.granted += usize::from(!self.held.contains_key(&leg));
                self.held.entry(leg).or_default();
                success()
                    .with_xor_address(attribute::XOR_RELAYED_ADDRESS, relayed(leg))
                    .with_number(attribute::LIFETIME, 600)
            }
            Method::Refresh if message.lifetime == Some(0) => match self.held.remove(&leg) {
                Some(_) => success().with_number(attribute::LIFETIME, 0),
                None => error(437),
            },
            Method::CreatePermission | Method::ChannelBind => match self.held.get_mut(&leg) {
                Some(held) => {
                    let peer = peer.expect("it names a peer");
                    held.permitted.insert(peer);
                    if method == Method::ChannelBind {
                        held.channels.insert(channel_number(bytes), peer);
                    }
                    success()
                }
                None => error(437),
            },
            other @ (Method::Refresh
            | Method::Binding
            | Method::Send
            | Method::Data
            | Method::Other(_)) => panic!("the client asks for {other:?}"),
        };
        Some(answer.signed(&key()).finish())
    }

    /// Where ChannelData of a leg comes out, and as what.
    fn relay(
        &self,
        leg: LegId,
        number: u16,
        data: &[u8],
        as_data: bool,
    ) -> Option<(LegId, Vec<u8>)> {
        let peer = *self.held.get(&leg)?.channels.get(&number)?;
        let (to, held) = self.held.iter().find(|(leg, _)| relayed(**leg) == peer)?;
        if !held.permitted.contains(&relayed(leg)) {
            return None;
        }
        let channel = held.channels.iter().find(|(_, peer)| **peer == relayed(leg));
        let bytes = match channel {
            Some((number, _)) if !as_data => write_channel_data(*number, data, false),
            _ => data_indication(relayed(leg), data),
        };
        Some((*to, bytes))
    }
}

pub(crate) fn data_indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    Writer::new(Class::Indication, Method::Data, &[9; 12])
        .with_xor_address(attribute::XOR_PEER_ADDRESS, peer)
        .with(attribute::DATA, data)
        .finish()
}

fn channel_number(bytes: &[u8]) -> u16 {
    let mut rest = &bytes[20..];
    while rest.len() >= 4 {
        let kind = u16::from_be_bytes([rest[0], rest[1]]);
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if kind == attribute::CHANNEL_NUMBER {
            return u16::from_be_bytes([rest[4], rest[5]]);
        }
        rest = &rest[4 + length.next_multiple_of(4)..];
    }
    panic!("a ChannelBind without CHANNEL-NUMBER")
}

/// Lets the exchange run to its end.
pub(crate) fn run(exchange: &mut dyn Exchange, mut world: World<'_>) -> Run {
    let mut now = Moment::START;
    let mut queue: BTreeMap<(Moment, usize), Happening> = BTreeMap::new();
    let mut order = 0;
    let mut relay = Server::default();
    let mut numbers: BTreeMap<LegId, u32> = BTreeMap::new();
    let mut run = Run {
        outcome: Outcome::default(),
        legs: Vec::new(),
        intents: Vec::new(),
        voice: Vec::new(),
        destinations: BTreeSet::new(),
        ended: Moment::START,
        held: BTreeSet::new(),
        granted: 0,
        bindings: Vec::new(),
    };
    let mut put = |queue: &mut BTreeMap<_, _>, at: Moment, it: Happening| {
        order += 1;
        queue.insert((at, order), it);
    };
    if let Some(at) = world.cancelled_at {
        put(&mut queue, at, Happening::Cancelled);
    }
    if let Some((leg, at)) = world.closed_at {
        put(&mut queue, at, Happening::Closed(leg));
    }
    let mut idle = 0;
    loop {
        match exchange.poll_output() {
            Output::Done(outcome) => {
                run.outcome = outcome;
                run.ended = now;
                // What is still on its way arrives, too.
                for ((_, _), it) in queue {
                    if let Happening::AtServer(leg, bytes) = it {
                        relay.answer(leg, &bytes, &mut world);
                    }
                }
                run.held = relay.held.keys().copied().collect();
                run.granted = relay.granted;
                return run;
            }
            Output::Open(leg) => {
                put(&mut queue, now + Duration::from_micros(70), Happening::Connected(leg.id));
                run.legs.push(leg);
            }
            Output::Close(_) => {}
            Output::Intend(intent) => run.intents.push(intent),
            Output::Transmit { leg, to, bytes } => {
                run.destinations.insert(to);
                let number = numbers.entry(leg).or_default();
                let left = now + (world.queue)();
                put(&mut queue, left, Happening::Sent(leg, *number));
                *number += 1;
                if world.refused_from.is_some_and(|(it, from)| it == leg && now >= from) {
                    put(&mut queue, left + ONE_WAY, Happening::Refused(leg));
                    continue;
                }
                if let Some((number, data)) = read_channel_data(&bytes) {
                    let place = run.voice.len();
                    run.voice.push((now, left));
                    for (leg, from, bytes) in (world.noise)(place, data) {
                        put(&mut queue, left + millis(1), Happening::Heard(leg, from, bytes));
                    }
                    let came = relay.relay(leg, number, data, world.indicates);
                    for transit in (world.fate)(place) {
                        if let Some((to, bytes)) = came.clone() {
                            put(&mut queue, left + transit, Happening::Heard(to, server(), bytes));
                        }
                    }
                } else if !(world.loses)() {
                    if bytes[..2] == [0, 1] {
                        run.bindings.push(now);
                    }
                    put(&mut queue, left + ONE_WAY, Happening::AtServer(leg, bytes));
                }
            }
            Output::Wait { until, .. } => {
                let first = queue.first_key_value().map(|((at, _), _)| *at);
                let Some(first) = first.filter(|at| *at <= until) else {
                    idle = if until <= now { idle + 1 } else { 0 };
                    assert!(idle < 100, "it spins at {now:?}");
                    now = now.max(until) + (world.lateness)();
                    assert!(now.elapsed() < Duration::from_secs(3600), "it never ends");
                    exchange.handle_input(Input::Timeout, now);
                    continue;
                };
                let ((at, _), happening) = queue.pop_first().expect("there is one");
                // The kernel's stamp may lie before what the program knows to have passed.
                debug_assert_eq!(at, first);
                now = now.max(at);
                let stamp = world.stamp;
                match happening {
                    Happening::Connected(leg) => {
                        let local = SocketAddr::new(
                            "198.51.100.7".parse().expect("an address"),
                            40_000 + u16::from(leg.0),
                        );
                        exchange.handle_input(Input::Connected { leg, local }, now);
                    }
                    Happening::Sent(leg, number) => {
                        exchange.handle_input(Input::Sent { leg, number, stamp }, at);
                    }
                    Happening::AtServer(leg, bytes) => {
                        if let Some(answer) = relay.answer(leg, &bytes, &mut world)
                            && !(world.loses)()
                        {
                            put(&mut queue, at + ONE_WAY, Happening::Heard(leg, server(), answer));
                        }
                    }
                    Happening::Heard(leg, from, bytes) => {
                        let dscp = world.mark;
                        let input = Input::Received { leg, from, bytes: &bytes, stamp, dscp };
                        exchange.handle_input(input, at);
                    }
                    Happening::Refused(leg) => {
                        let by = Some("192.0.2.1".parse().expect("an address"));
                        let refusal = Refusal::Prohibited { icmp_type: 3, code: 13 };
                        let to = server();
                        exchange.handle_input(Input::Refused { leg, to, by, refusal }, now);
                    }
                    Happening::Closed(leg) => {
                        // With the connection the server forgets (RFC 8656 §3.1).
                        relay.held.remove(&leg);
                        relay.closed.insert(leg);
                        exchange.handle_input(Input::Closed { leg }, now);
                    }
                    Happening::Cancelled => exchange.handle_input(Input::Cancelled, now),
                }
            }
        }
    }
}
