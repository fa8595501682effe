//! `Ladder`: the ways to one server side by side, and what the one that works costs a call.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::way::TLS_VERSION;
use branchline_probes::{Observation, Phase, Transport, Verdict};

/// The ways to one address, which the same probe tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// The targets that have it, in the order of the configuration.
    pub targets: Vec<String>,
    /// The probe's name.
    pub probe: &'static str,
    /// The address.
    pub address: IpAddr,
    /// The ways, the cheapest first.
    pub rungs: Vec<Rung>,
}

/// One way: a transport to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// What carries the bytes.
    pub transport: Transport,
    /// The port.
    pub port: u16,
    /// What the latest exchange on it said.
    pub verdict: Verdict,
    /// Why it does not work: a failure's label.
    pub reason: Option<&'static str>,
    /// How long the transport's own handshake took.
    pub connect: Option<Duration>,
    /// How long the TLS handshake took.
    pub tls: Option<Duration>,
    /// From the first question to its answer.
    pub first_answer: Option<Duration>,
    /// How many round trips pass before the first question can be asked.
    round_trips: u32,
}

/// Every ladder that these observations show: two ways or more to one address. A server may be two
/// targets, as one over TLS has a port of its own; then the ways have to differ in transport, too,
/// since two services of one host are no ladder.
#[must_use]
pub fn of<'a>(observations: impl IntoIterator<Item = &'a Arc<Observation>>) -> Vec<Ladder> {
    let mut ladders: BTreeMap<(usize, IpAddr), Ladder> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for observation in observations {
        let Some((address, rung)) = Rung::of(observation) else { continue };
        let place = order.iter().position(|it| *it == observation.probe).unwrap_or_else(|| {
            order.push(observation.probe);
            order.len() - 1
        });
        let ladder = ladders.entry((place, address)).or_insert_with(|| Ladder {
            targets: Vec::new(),
            probe: observation.probe,
            address,
            rungs: Vec::new(),
        });
        ladder.add(rung);
        if !ladder.targets.contains(&observation.target) {
            ladder.targets.push(observation.target.clone());
        }
    }
    ladders.into_values().filter(Ladder::has_steps).collect()
}

impl Ladder {
    /// The cheapest way that works.
    #[must_use]
    pub fn cheapest(&self) -> Option<&Rung> {
        self.rungs.iter().filter(|rung| rung.works()).min_by_key(|rung| rung.price())
    }

    /// What the cheapest way that works costs, in words.
    #[must_use]
    pub fn cost(&self) -> String {
        match self.cheapest() {
            Some(rung) if self.is_of_signalling() => {
                format!("{} works: {}", rung.name(), rung.cost_of_signalling())
            }
            Some(rung) if rung.transport.is_stream() => {
                format!("{} works; it costs {}", rung.name(), rung.cost())
            }
            Some(rung) => format!("{} works: {}", rung.name(), rung.cost()),
            None if self.rungs.iter().any(|rung| rung.verdict == Verdict::Unknown) => {
                "no way is known to work".to_owned()
            }
            None => "no way works".to_owned(),
        }
    }

    fn is_of_signalling(&self) -> bool {
        self.probe.starts_with(SIGNALLING)
    }

    fn has_steps(&self) -> bool {
        let first = self.rungs.first().map(|rung| rung.transport);
        let differs = self.rungs.iter().any(|rung| Some(rung.transport) != first);
        differs || self.targets.len() == 1 && self.rungs.len() > 1
    }

    /// Two modules may go the same way: the one that works speaks for it.
    fn add(&mut self, rung: Rung) {
        let same = |it: &&mut Rung| (it.transport, it.port) == (rung.transport, rung.port);
        match self.rungs.iter_mut().find(same) {
            Some(known) if rung.verdict < known.verdict => *known = rung,
            Some(_) => {}
            None => {
                self.rungs.push(rung);
                self.rungs.sort_by_key(|rung| (rung.transport, rung.port));
            }
        }
    }
}

impl Rung {
    /// The way that an observation went, and where to; `None` where it found no address.
    #[must_use]
    pub fn of(observation: &Observation) -> Option<(IpAddr, Self)> {
        let address = observation.address?;
        let outcome = &observation.outcome;
        let verdict = observation.verdict();
        let took = |wanted: Phase| {
            let mut phases = outcome.phases.iter().filter(|(phase, _)| *phase == wanted);
            phases.next().map(|(_, took)| *took)
        };
        let is_handshake =
            |phase: Phase| matches!(phase, Phase::Resolve | Phase::Connect | Phase::Tls);
        let first = outcome.phases.iter().find(|(phase, _)| !is_handshake(*phase));
        // A phase that failed ended without an answer.
        let failed = outcome.failure.as_ref().map(|(stage, _)| *stage);
        let answered = first.filter(|(phase, _)| Some(*phase) != failed);
        let round_trips = match observation.transport {
            Transport::Udp => 0,
            Transport::Tcp => TCP_ROUND_TRIPS,
            Transport::Tls if outcome.facts.read(&TLS_VERSION) == Some("1.2") => {
                TCP_ROUND_TRIPS + TLS_1_2_ROUND_TRIPS
            }
            Transport::Tls => TCP_ROUND_TRIPS + TLS_1_3_ROUND_TRIPS,
        };
        let rung = Self {
            transport: observation.transport,
            port: address.port(),
            verdict,
            reason: observation.failure().map(branchline_probes::Failure::label),
            connect: took(Phase::Connect).filter(|_| observation.transport.is_stream()),
            tls: took(Phase::Tls),
            first_answer: answered.map(|(_, took)| *took),
            round_trips,
        };
        Some((address.ip(), rung))
    }

    /// Whether the latest exchange on it succeeded.
    #[must_use]
    pub fn works(&self) -> bool {
        self.verdict == Verdict::Up
    }

    /// `tls 5349`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.transport.label(), self.port)
    }

    /// From the beginning of the first handshake to the first answer.
    #[must_use]
    pub fn total(&self) -> Option<Duration> {
        let handshakes = self.connect.unwrap_or_default() + self.tls.unwrap_or_default();
        self.first_answer.map(|answer| handshakes + answer)
    }

    /// What this way costs a call beside UDP, in words.
    #[must_use]
    pub fn cost(&self) -> String {
        if !self.transport.is_stream() {
            return "media travels as it should, without a handshake".to_owned();
        }
        let (trips, handshakes) = self.handshakes();
        format!(
            "{trips} more than UDP before the first packet ({handshakes}), and voice that waits \
             behind every lost packet"
        )
    }

    /// What this way costs signalling, in words.
    fn cost_of_signalling(&self) -> String {
        if !self.transport.is_stream() {
            return "requests go out without a handshake".to_owned();
        }
        let (trips, handshakes) = self.handshakes();
        format!("each connection costs {trips} before its first request ({handshakes})")
    }

    /// `2 round trips`, and `TCP and TLS: 20.0 ms here`.
    fn handshakes(&self) -> (String, String) {
        let handshakes = if self.transport == Transport::Tls { "TCP and TLS" } else { "TCP" };
        let trips = if self.round_trips == 1 { "round trip" } else { "round trips" };
        let measured = self.connect.map(|connect| {
            let took = connect + self.tls.unwrap_or_default();
            format!(": {:.1} ms here", took.as_secs_f64() * 1e3)
        });
        (
            format!("{} {trips}", self.round_trips),
            format!("{handshakes}{}", measured.unwrap_or_default()),
        )
    }

    /// Rungs by what they cost: fewer handshakes first, then what is faster here.
    #[must_use]
    pub fn price(&self) -> (Transport, Option<Duration>, u16) {
        (self.transport, self.total(), self.port)
    }
}

/// How the names of probes begin that carry no media.
const SIGNALLING: &str = "sip-";
/// RFC 9293 §3.5: the client speaks when its SYN is answered.
const TCP_ROUND_TRIPS: u32 = 1;
/// RFC 8446 §2: the full handshake takes one round trip.
const TLS_1_3_ROUND_TRIPS: u32 = 1;
/// RFC 5246 §7.3: the full handshake takes two.
const TLS_1_2_ROUND_TRIPS: u32 = 2;
