//! A desk on which one exchange runs: virtual time, and every byte of the other side by hand.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use branchline_probes::{
    Certificate, Chance, Exchange, Handshake, Input, Leg, LegId, Module, Moment, OptionValue,
    Options, Outcome, Output, PROBES, Probe, Refusal, Stamp, Target, TlsProblem, TrustedBy,
};

/// Whom every exchange speaks to.
pub(crate) const PEER: &str = "192.0.2.10:5060";
/// When every exchange begins.
pub(crate) const STARTED: SystemTime = SystemTime::UNIX_EPOCH;
/// From where it speaks.
pub(crate) const LOCAL: &str = "198.51.100.7:40112";
/// How long a socket takes to open.
pub(crate) const OPENING: Duration = Duration::from_micros(70);

pub(crate) fn peer() -> SocketAddr {
    PEER.parse().expect("an address")
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The probe of this name.
pub(crate) fn probe(name: &str) -> &'static dyn Probe {
    *PROBES.iter().find(|probe| probe.name() == name).expect("it is listed")
}

/// A module of the probe, with these options over the defaults.
pub(crate) fn module(name: &str, set: &[(&str, OptionValue)]) -> Box<dyn Module> {
    let probe = probe(name);
    let mut options = Options::defaults(probe.options());
    let timeout = branchline_probes::TIMEOUT.spec();
    for (key, value) in set {
        let mut specs = probe.options().iter().chain([&timeout]);
        let spec = specs.find(|spec| spec.name == *key).expect("an option of the probe");
        options.set(spec, value.clone());
    }
    probe.module(&options).expect("the options are valid")
}

/// An exchange of the module with [`PEER`].
pub(crate) fn begin(module: &dyn Module, seed: u8) -> Box<dyn Exchange> {
    begin_with(module, Chance::from_seed([seed; 32]))
}

/// An exchange of the module with [`PEER`], with this chance.
pub(crate) fn begin_with(module: &dyn Module, chance: Chance) -> Box<dyn Exchange> {
    module.begin(&target(), chance)
}

/// Whom every exchange speaks to, with its names.
pub(crate) fn target() -> Target {
    Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: "host.example".into(),
        address: peer(),
        transport: None,
        started: STARTED,
    }
}

/// What the other side, or the way there, does.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Connected,
    ConnectedFrom(SocketAddr),
    Secured(Box<Handshake>),
    /// With the certificate that was shown, which this host trusts.
    Insecure(TlsProblem, Option<Box<Certificate>>),
    Heard {
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    Refused {
        by: Option<IpAddr>,
        refusal: Refusal,
    },
    Failed,
    Closed,
    Cancelled,
}

impl News {
    /// Bytes from the right peer.
    pub(crate) fn answer(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Heard { from: peer(), bytes: bytes.into() }
    }
}

/// What the exchange wants, as the other side sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Open(&'a Leg),
    Bytes(LegId, SocketAddr, &'a [u8]),
}

/// What comes of it, each after a while.
pub(crate) type Reply = Vec<(Duration, News)>;

/// How an exchange went.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) opened: Vec<Leg>,
    pub(crate) sent: Vec<(Moment, LegId, Vec<u8>)>,
    pub(crate) ended: Moment,
    /// Every input and output, as text.
    pub(crate) trace: String,
}

impl Run {
    /// The label of the failure, empty where there is none.
    pub(crate) fn label(&self) -> &'static str {
        self.outcome.failure.as_ref().map_or("", |(_, failure)| failure.label())
    }

    /// When the transmissions left, in whole milliseconds since the first.
    pub(crate) fn schedule(&self) -> Vec<u128> {
        let first = self.sent.first().map(|(at, ..)| *at).unwrap_or_default();
        self.sent.iter().map(|(at, ..)| at.since(first).as_millis()).collect()
    }

    /// The transmissions as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.sent.iter().map(|(.., bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// A fact, by its name, in its Debug form.
    pub(crate) fn fact(&self, name: &str) -> Option<String> {
        let mut facts = self.outcome.facts.iter();
        facts.find(|(spec, _)| spec.name == name).map(|(_, value)| format!("{value:?}"))
    }

    /// How much was ignored for this reason.
    pub(crate) fn ignored(&self, reason: branchline_probes::Ignored) -> u64 {
        self.outcome.ignored.get(&reason).copied().unwrap_or_default()
    }
}

/// Lets the exchange run to its end, with `respond` as the world around it.
///
/// # Panics
///
/// When the exchange neither waits nor ends: it spins, or waits beyond a virtual hour.
pub(crate) fn run(
    exchange: &mut dyn Exchange,
    respond: &mut dyn FnMut(Wanted<'_>) -> Reply,
) -> Run {
    let mut now = Moment::START;
    let mut queue: Vec<(Moment, LegId, News)> = Vec::new();
    let (mut opened, mut sent, mut trace) = (Vec::new(), Vec::new(), String::new());
    let mut idle = 0;
    loop {
        let output = exchange.poll_output();
        trace.push_str(&format!("{now:?} {output:?}\n"));
        let (leg, reply) = match output {
            Output::Done(outcome) => return Run { outcome, opened, sent, ended: now, trace },
            Output::Open(leg) => {
                let reply = respond(Wanted::Open(&leg));
                let id = leg.id;
                opened.push(leg);
                (id, reply)
            }
            Output::Close(_) | Output::Intend(_) => continue,
            Output::Transmit { leg, to, bytes } => {
                let number = sent.iter().filter(|(_, it, _)| *it == leg).count();
                let number = u32::try_from(number).expect("few");
                let input = Input::Sent { leg, number, stamp: Stamp::Kernel };
                exchange.handle_input(input, now);
                let reply = respond(Wanted::Bytes(leg, to, &bytes));
                sent.push((now, leg, bytes));
                (leg, reply)
            }
            Output::Wait { until, .. } => {
                let first = queue.iter().map(|(at, ..)| *at).min().filter(|at| *at <= until);
                let Some(first) = first else {
                    idle = if until <= now { idle + 1 } else { 0 };
                    assert!(idle < 100, "it spins at {now:?}");
                    now = now.max(until);
                    assert!(now.elapsed() < Duration::from_secs(3600), "it never ends");
                    exchange.handle_input(Input::Timeout, now);
                    continue;
                };
                let index = queue.iter().position(|(at, ..)| *at == first).expect("it is there");
                let (at, leg, news) = queue.remove(index);
                now = now.max(at);
                trace.push_str(&format!("{now:?} {leg:?} {news:?}\n"));
                exchange.handle_input(input(leg, &news), now);
                continue;
            }
        };
        queue.extend(reply.into_iter().map(|(after, news)| (now + after, leg, news)));
    }
}

fn input(leg: LegId, news: &News) -> Input<'_> {
    match news {
        News::Connected => Input::Connected { leg, local: LOCAL.parse().expect("an address") },
        News::ConnectedFrom(local) => Input::Connected { leg, local: *local },
        News::Secured(handshake) => Input::Secured { leg, handshake },
        News::Insecure(problem, certificate) => Input::Insecure {
            leg,
            problem: *problem,
            certificate: certificate.as_deref(),
            trusted_by: certificate.is_some().then_some(TrustedBy::Host),
        },
        News::Heard { from, bytes } => {
            Input::Received { leg, from: *from, bytes, stamp: Stamp::Kernel, dscp: None }
        }
        News::Refused { by, refusal } => {
            Input::Refused { leg, to: peer(), by: *by, refusal: *refusal }
        }
        News::Failed => Input::Failed { leg, problem: std::io::ErrorKind::AddrNotAvailable },
        News::Closed => Input::Closed { leg },
        News::Cancelled => Input::Cancelled,
    }
}

/// A world in which every leg opens, and each transmission gets the answers that `answers` gives
/// it 20 ms later; it is told how many came before on any leg.
pub(crate) fn world(
    mut answers: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>>,
) -> impl FnMut(Wanted<'_>) -> Reply {
    let mut count = 0;
    move |wanted| match wanted {
        Wanted::Open(_) => vec![(OPENING, News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            let all = answers(count, bytes);
            count += 1;
            all.into_iter().map(|answer| (millis(20), News::answer(answer))).collect()
        }
    }
}

/// A world in which every leg opens and nothing comes back.
pub(crate) fn silence() -> impl FnMut(Wanted<'_>) -> Reply {
    world(|_, _| Vec::new())
}
