//! A branch behind a NAT, a path that loses, and STUN servers: the world around one exchange, in
//! virtual time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use branchline_probes::wire::stun::{Class, Method, Writer, attribute};
use branchline_probes::{Chance, nat_behavior as facts};
use branchline_probes::{
    Exchange, FactKey, Input, LegId, Moment, OptionValue, Outcome, Output, Refusal, Stamp, Target,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::desk::{self, millis};

/// RFC 4787 §4.1, and "nothing is translated".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    None,
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// RFC 4787 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filtering {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// The NAT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nat {
    pub(crate) mapping: Mapping,
    pub(crate) filtering: Filtering,
    pub(crate) hairpin: bool,
    /// How long it remembers who is silent; what comes in renews nothing.
    pub(crate) lifetime: Duration,
    /// Whether it keeps the port where it can.
    pub(crate) keeps_port: bool,
    /// When it forgets everything.
    pub(crate) flushes_at: Option<Moment>,
}

impl Nat {
    pub(crate) fn new(mapping: Mapping, filtering: Filtering) -> Self {
        let lifetime = Duration::from_secs(3600);
        Self { mapping, filtering, hairpin: false, lifetime, keeps_port: false, flushes_at: None }
    }
}

/// The STUN servers.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// What OTHER-ADDRESS says.
    pub(crate) other: Option<SocketAddr>,
    /// Whether it is called CHANGED-ADDRESS, and the address is in clear, as RFC 3489 has it.
    pub(crate) is_old: bool,
    /// Whether anything comes from the other IP address.
    pub(crate) other_lives: bool,
    /// What becomes of CHANGE-REQUEST.
    pub(crate) change: Change,
    /// Whether RESPONSE-PORT is known.
    pub(crate) response_port: bool,
    /// Whether a device on the way writes the inner address into MAPPED-ADDRESS.
    pub(crate) alg: bool,
    /// How many requests of one run are answered.
    pub(crate) patience: usize,
    /// The error that every request gets.
    pub(crate) error: Option<u16>,
    /// What the server says in place of the true mapped address.
    pub(crate) lie: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Heeded,
    Ignored,
    Rejected,
    /// The request is thrown away.
    Swallowed,
}

impl Default for Servers {
    fn default() -> Self {
        Self {
            other: Some(address(OTHER)),
            is_old: false,
            other_lives: true,
            change: Change::Heeded,
            response_port: true,
            alg: false,
            patience: usize::MAX,
            error: None,
            lie: None,
        }
    }
}

pub(crate) const SERVER: &str = "198.51.100.10:3478";
pub(crate) const OTHER: &str = "198.51.100.11:3479";
pub(crate) const SECOND: &str = "192.0.2.77:3478";
pub(crate) const OUTSIDE: &str = "203.0.113.2";
const INSIDE: &str = "10.77.0.2";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an IP address")
}

/// The path between the NAT and the servers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    /// The share of packets that is lost, each way.
    pub(crate) loss: f64,
    /// By how much packets are later than others, at most.
    pub(crate) jitter: Duration,
}

/// What strangers say when a request leaves: from where, what.
pub(crate) type Forge = fn(&[u8]) -> Vec<(SocketAddr, Vec<u8>)>;

/// All of it.
pub(crate) struct World {
    nat: Nat,
    servers: Servers,
    path: Path,
    chance: StdRng,
    now: Moment,
    bindings: BTreeMap<(SocketAddr, Option<(IpAddr, u16)>), Binding>,
    has_flushed: bool,
    legs: Vec<SocketAddr>,
    happens: Vec<(Moment, usize, Happening)>,
    count: usize,
    answered: usize,
    /// What comes from nowhere with each answer.
    pub(crate) forge: Option<Forge>,
    /// Who says no to packets to this IP address.
    pub(crate) refuses: Option<IpAddr>,
    /// The only packet to which somebody says no, counted from zero.
    pub(crate) refuses_once: Option<usize>,
    pub(crate) opened: Vec<LegId>,
    pub(crate) most_open: usize,
    pub(crate) sent: Vec<(Moment, SocketAddr, Vec<u8>)>,
    is_open: BTreeMap<LegId, bool>,
}

struct Binding {
    outer: SocketAddr,
    contacts: Vec<SocketAddr>,
    used: Moment,
}

enum Happening {
    Connected(LegId),
    Arrived(LegId, SocketAddr, Vec<u8>),
    Refused(LegId, SocketAddr),
}

/// How a run went.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) ended: Moment,
    pub(crate) world: World,
}

impl Run {
    pub(crate) fn word(&self, key: &FactKey<&'static str>) -> &'static str {
        self.outcome.facts.read(key).unwrap_or("absent")
    }

    pub(crate) fn words(&self) -> [&'static str; 3] {
        [self.word(&facts::MAPPING), self.word(&facts::FILTERING), self.word(&facts::HAIRPIN)]
    }

    pub(crate) fn label(&self) -> &'static str {
        self.outcome.failure.as_ref().map_or("", |(_, failure)| failure.label())
    }

    /// What was sent to this IP address.
    pub(crate) fn sent_to(&self, wanted: &str) -> usize {
        self.world.sent.iter().filter(|(_, to, _)| to.ip() == ip(wanted)).count()
    }
}

impl World {
    pub(crate) fn new(nat: Nat) -> Self {
        Self {
            nat,
            servers: Servers::default(),
            path: Path::default(),
            chance: StdRng::seed_from_u64(0),
            now: Moment::START,
            bindings: BTreeMap::new(),
            has_flushed: false,
            legs: Vec::new(),
            happens: Vec::new(),
            count: 0,
            answered: 0,
            forge: None,
            refuses: None,
            refuses_once: None,
            opened: Vec::new(),
            most_open: 0,
            sent: Vec::new(),
            is_open: BTreeMap::new(),
        }
    }

    pub(crate) fn with_servers(mut self, servers: Servers) -> Self {
        self.servers = servers;
        self
    }

    pub(crate) fn with_path(mut self, path: Path, seed: u32) -> Self {
        self.path = path;
        self.chance = StdRng::seed_from_u64(u64::from(seed));
        self
    }

    /// Runs an exchange of a module with these options to its end.
    pub(crate) fn run(mut self, set: &[(&str, OptionValue)]) -> Run {
        let module = desk::module("nat-behavior", set);
        let target = Target {
            name: "a-target".into(),
            site: "a-site".into(),
            host: "stun.example.net".into(),
            address: address(SERVER),
            transport: None,
            started: std::time::SystemTime::UNIX_EPOCH,
        };
        let mut seed = [0; 32];
        self.chance.fill(&mut seed);
        let mut exchange = module.begin(&target, Chance::from_seed(seed));
        let outcome = self.drive(exchange.as_mut());
        assert!(self.now.elapsed() <= module.timeout(), "it outlives its timeout");
        Run { outcome, ended: self.now, world: self }
    }

    fn drive(&mut self, exchange: &mut dyn Exchange) -> Outcome {
        let mut idle = 0;
        loop {
            match exchange.poll_output() {
                Output::Done(outcome) => return outcome,
                Output::Open(leg) => {
                    let inner = if self.nat.mapping == Mapping::None { OUTSIDE } else { INSIDE };
                    let port = 40_000 + u16::try_from(self.legs.len()).expect("few");
                    assert_eq!(usize::from(leg.id.0), self.legs.len(), "legs are numbered");
                    self.legs.push(SocketAddr::new(ip(inner), port));
                    self.opened.push(leg.id);
                    self.is_open.insert(leg.id, true);
                    let open = self.is_open.values().filter(|is_open| **is_open).count();
                    self.most_open = self.most_open.max(open);
                    self.happen(desk::OPENING, Happening::Connected(leg.id));
                }
                Output::Close(leg) => {
                    assert_eq!(self.is_open.insert(leg, false), Some(true), "it was open");
                }
                Output::Transmit { leg, to, bytes } => {
                    assert_eq!(self.is_open.get(&leg), Some(&true), "it is open");
                    self.sent.push((self.now, to, bytes.clone()));
                    let sent = Input::Sent { leg, number: 0, stamp: Stamp::Kernel };
                    exchange.handle_input(sent, self.now);
                    self.leave(leg, to, &bytes);
                }
                Output::Intend(_) => panic!("nothing is left behind"),
                Output::Wait { until, .. } => {
                    let next = self.happens.iter().min_by_key(|(at, count, _)| (*at, *count));
                    let Some(&(at, count, _)) = next.filter(|(at, ..)| *at <= until) else {
                        idle = if until <= self.now { idle + 1 } else { 0 };
                        assert!(idle < 100, "it spins at {:?}", self.now);
                        self.now = self.now.max(until);
                        exchange.handle_input(Input::Timeout, self.now);
                        continue;
                    };
                    self.now = self.now.max(at);
                    let index = self.happens.iter().position(|it| it.1 == count);
                    let (_, _, happening) = self.happens.remove(index.expect("it is there"));
                    self.tell(exchange, &happening);
                }
            }
        }
    }

    fn tell(&self, exchange: &mut dyn Exchange, happening: &Happening) {
        let input = match happening {
            Happening::Connected(leg) => {
                Input::Connected { leg: *leg, local: self.legs[usize::from(leg.0)] }
            }
            Happening::Arrived(leg, from, bytes) => {
                let stamp = Stamp::Kernel;
                Input::Received { leg: *leg, from: *from, bytes, stamp, dscp: None }
            }
            Happening::Refused(leg, to) => {
                let refusal = Refusal::Prohibited { icmp_type: 3, code: 13 };
                Input::Refused { leg: *leg, to: *to, by: Some(ip("10.77.0.1")), refusal }
            }
        };
        exchange.handle_input(input, self.now);
    }

    fn happen(&mut self, after: Duration, happening: Happening) {
        self.count += 1;
        self.happens.push((self.now + after, self.count, happening));
    }

    fn is_lost(&mut self) -> bool {
        self.chance.random::<f64>() < self.path.loss
    }

    /// A packet of ours leaves through the NAT.
    fn leave(&mut self, leg: LegId, to: SocketAddr, bytes: &[u8]) {
        if self.refuses == Some(to.ip()) || self.refuses_once == Some(self.sent.len() - 1) {
            return self.happen(millis(1), Happening::Refused(leg, to));
        }
        let outer = self.bind(self.legs[usize::from(leg.0)], to);
        if to.ip() == ip(OUTSIDE) {
            if self.nat.hairpin && !self.is_lost() && !self.is_lost() {
                self.enter(outer, to, bytes.to_vec());
            }
            return;
        }
        if self.is_lost() {
            return;
        }
        for (from, bytes) in self.forge.map(|forge| forge(bytes)).unwrap_or_default() {
            self.happen(millis(1), Happening::Arrived(leg, from, bytes));
        }
        if let Some((from, back_to, answer)) = self.answer(outer, to, bytes)
            && !self.is_lost()
        {
            self.enter(from, back_to, answer);
        }
    }

    /// A packet comes to the NAT's outside.
    fn enter(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let (lifetime, filtering, now) = (self.nat.lifetime, self.nat.filtering, self.now);
        let lets_in = |binding: &Binding| {
            let mut contacts = binding.contacts.iter();
            binding.outer == to
                && now.since(binding.used) <= lifetime
                && match filtering {
                    Filtering::EndpointIndependent => true,
                    Filtering::AddressDependent => contacts.any(|it| it.ip() == from.ip()),
                    Filtering::AddressAndPortDependent => contacts.any(|it| *it == from),
                }
        };
        let found = self.bindings.iter().find(|(_, binding)| lets_in(binding));
        let Some((&(inner, _), _)) = found else { return };
        let leg = self.legs.iter().position(|it| *it == inner).expect("it is ours");
        let leg = LegId(u8::try_from(leg).expect("few"));
        if self.is_open.get(&leg) == Some(&true) {
            let jitter = self.path.jitter.mul_f64(self.chance.random());
            self.happen(millis(20) + jitter, Happening::Arrived(leg, from, bytes));
        }
    }

    fn bind(&mut self, inner: SocketAddr, to: SocketAddr) -> SocketAddr {
        let (now, lifetime) = (self.now, self.nat.lifetime);
        if self.nat.flushes_at.is_some_and(|at| at <= now) && !self.has_flushed {
            self.has_flushed = true;
            self.bindings.clear();
        }
        self.bindings.retain(|_, binding| now.since(binding.used) <= lifetime);
        let key = match self.nat.mapping {
            Mapping::None | Mapping::EndpointIndependent => None,
            Mapping::AddressDependent => Some((to.ip(), 0)),
            Mapping::AddressAndPortDependent => Some((to.ip(), to.port())),
        };
        let port = if self.nat.mapping == Mapping::None || (self.nat.keeps_port && key.is_none()) {
            inner.port()
        } else {
            let free: u16 = self.chance.random_range(1_024..40_000);
            free
        };
        let outer = SocketAddr::new(ip(OUTSIDE), port);
        let binding = self.bindings.entry((inner, key)).or_insert_with(|| Binding {
            outer,
            contacts: Vec::new(),
            used: now,
        });
        binding.used = now;
        if !binding.contacts.contains(&to) {
            binding.contacts.push(to);
        }
        binding.outer
    }

    /// What a server answers: from where, to where, what.
    fn answer(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        request: &[u8],
    ) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let (server, other, second) = (address(SERVER), address(OTHER), address(SECOND));
        let is_ours = [server.ip(), other.ip()].contains(&to.ip())
            && [server.port(), other.port()].contains(&to.port());
        if !(is_ours || to == second) || (to.ip() == other.ip() && !self.servers.other_lives) {
            return None;
        }
        self.answered += 1;
        if self.answered > self.servers.patience {
            return None;
        }
        let id = request[8..20].try_into().expect("twelve bytes");
        let error = |code: u16| {
            let [class, number] = [code / 100, code % 100].map(|it| it.to_be_bytes()[1]);
            Writer::new(Class::Error, Method::Binding, &id)
                .with(attribute::ERROR_CODE, &[0, 0, class, number])
                .finish()
        };
        let change = attribute_of(request, attribute::CHANGE_REQUEST).map(|value| value[3]);
        let mut origin = to;
        let code = match (self.servers.error, change, self.servers.change) {
            (Some(code), ..) => Some(code),
            (None, Some(_), Change::Swallowed) => return None,
            (None, Some(_), Change::Rejected) => Some(420),
            (None, Some(flags), Change::Heeded) => {
                let swap = |it, [one, two]: [_; 2]| if it == one { two } else { one };
                if flags & 4 != 0 {
                    origin.set_ip(if to.ip() == server.ip() { other.ip() } else { server.ip() });
                }
                if flags & 2 != 0 {
                    origin.set_port(swap(to.port(), [server.port(), other.port()]));
                }
                None
            }
            (None, ..) => None,
        };
        if origin.ip() == other.ip() && !self.servers.other_lives {
            return None;
        }
        let mut back_to = from;
        let port = attribute_of(request, attribute::RESPONSE_PORT);
        if let (Some(port), true) = (port, self.servers.response_port) {
            back_to.set_port(u16::from_be_bytes([port[0], port[1]]));
        }
        if let Some(code) = code {
            return Some((origin, from, error(code)));
        }
        let seen = self.servers.lie.unwrap_or(from);
        let mut writer = Writer::new(Class::Success, Method::Binding, &id);
        if !self.servers.is_old {
            writer = writer.with_xor_address(attribute::XOR_MAPPED_ADDRESS, seen);
        }
        let clear = if self.servers.alg { address("10.77.0.2:40000") } else { seen };
        writer = writer.with_address(attribute::MAPPED_ADDRESS, clear);
        if let Some(claim) = self.servers.other.filter(|_| is_ours) {
            let old = attribute::CHANGED_ADDRESS;
            let kind = if self.servers.is_old { old } else { attribute::OTHER_ADDRESS };
            writer = writer.with_address(kind, claim);
        }
        Some((origin, back_to, writer.finish()))
    }
}

/// The value of an attribute (RFC 8489 §14).
pub(crate) fn attribute_of(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = &message[20..];
    while rest.len() >= 4 {
        let kind = u16::from_be_bytes([rest[0], rest[1]]);
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if kind == wanted {
            return rest.get(4..4 + length);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
    None
}
