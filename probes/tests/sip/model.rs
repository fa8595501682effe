//! A registrar by the rules of RFC 3261 §10.3, and weather that delays and loses what is said to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use branchline_probes::{Exchange, Input, Intent, LegId, Moment, Outcome, Output, Stamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::desk::{self, millis};
use crate::{header, must, parameter, response};

/// Where the registrar believes every phone to be.
const SEEN: &str = "203.0.113.5:40999";
/// The contact of the phone that is there as well.
pub(crate) const PHONE: &str = "sip:desk@10.0.0.9:5060";

/// What a registrar is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// It wants credentials.
    pub(crate) is_guarded: bool,
    /// It takes each nonce once.
    pub(crate) is_fussy: bool,
    /// It stores where it saw the phone in place of where the phone says that it is.
    pub(crate) stores_as_seen: bool,
    /// After how many answers it closes a connection, once.
    pub(crate) closes_after: Option<usize>,
}

struct Binding {
    uri: String,
    call_id: String,
    sequence: u32,
}

pub(crate) struct Registrar {
    manner: Manner,
    bindings: Vec<Binding>,
    /// What was answered in each transaction (RFC 3261 §17.2.2).
    answered: BTreeMap<String, String>,
    nonces: BTreeSet<String>,
    asked: usize,
}

impl Registrar {
    /// One that holds a phone's binding already.
    pub(crate) fn new(manner: Manner) -> Self {
        let phone = Binding { uri: PHONE.into(), call_id: "phone".into(), sequence: 9 };
        let (answered, nonces) = (BTreeMap::new(), BTreeSet::new());
        Self { manner, bindings: vec![phone], answered, nonces, asked: 0 }
    }

    /// What it holds.
    pub(crate) fn held(&self) -> Vec<&str> {
        self.bindings.iter().map(|binding| binding.uri.as_str()).collect()
    }

    /// Under which call, and with which number, the phone's binding was stored last.
    pub(crate) fn phone(&self) -> Option<(&str, u32)> {
        let phone = self.bindings.iter().find(|binding| binding.uri == PHONE)?;
        Some((&phone.call_id, phone.sequence))
    }

    fn hear(&mut self, request: &str) -> String {
        let branch = parameter(must(request, "Via"), "branch").expect("it has one").to_owned();
        if let Some(known) = self.answered.get(&branch) {
            return known.clone();
        }
        let answer = self.decide(request);
        self.answered.insert(branch, answer.clone());
        answer
    }

    fn decide(&mut self, request: &str) -> String {
        let authorization = header(request, "Authorization");
        let nonce = authorization.and_then(|value| parameter(value, "nonce")).unwrap_or_default();
        if self.manner.is_guarded && !self.nonces.contains(nonce) {
            self.asked += 1;
            let fresh = format!("n{}", self.asked);
            let stale = if authorization.is_some() { ", stale=true" } else { "" };
            self.nonces.insert(fresh.clone());
            return crate::challenge(request, "SHA-256", &fresh, stale);
        }
        if self.manner.is_fussy {
            let nonce = nonce.to_owned();
            self.nonces.remove(&nonce);
        }
        if let Some(contact) = header(request, "Contact") {
            let (uri, expires) = contact
                .strip_prefix('<')
                .and_then(|rest| rest.split_once(">;expires="))
                .expect("it is a contact with a lifetime");
            if !self.bind(uri, expires == "0", request) {
                return response(request, "500 Server Internal Error", "");
            }
        }
        let held = self.held();
        let listed = held.iter().map(|uri| format!("Contact: <{uri}>;expires=55\r\n"));
        response(request, "200 OK", &listed.collect::<String>())
    }

    /// RFC 3261 §10.3, step 7: whether the change was made.
    fn bind(&mut self, uri: &str, is_removal: bool, request: &str) -> bool {
        let sequence = must(request, "CSeq").split(' ').next().expect("a number");
        let sequence = sequence.parse().expect("a number");
        let call_id = must(request, "Call-ID").to_owned();
        let stored = match uri.split_once('@') {
            Some((user, _)) if self.manner.stores_as_seen && !is_removal => {
                format!("{user}@{SEEN}")
            }
            _ => uri.to_owned(),
        };
        let known = self.bindings.iter().position(|binding| binding.uri == stored);
        if let Some(known) = known.map(|index| &self.bindings[index])
            && known.call_id == call_id
            && known.sequence >= sequence
        {
            return false;
        }
        self.bindings.retain(|binding| binding.uri != stored);
        if !is_removal {
            self.bindings.push(Binding { uri: stored, call_id, sequence });
        }
        true
    }
}

/// What happens to what is said.
pub(crate) struct Weather {
    chance: StdRng,
    loss: f64,
    /// Whether what is said later can arrive earlier.
    is_stream: bool,
}

impl Weather {
    /// Datagrams, of which this part is lost.
    pub(crate) fn datagrams(seed: u64, loss: f64) -> Self {
        Self { chance: StdRng::seed_from_u64(seed), loss, is_stream: false }
    }

    /// A stream: late, and nothing is lost.
    pub(crate) fn stream() -> Self {
        Self { chance: StdRng::seed_from_u64(0), loss: 0.0, is_stream: true }
    }

    /// How long something takes; `None` where it is lost.
    fn way(&mut self) -> Option<Duration> {
        let delay = if self.is_stream { 100 } else { self.chance.random_range(50..=150) };
        (self.chance.random_range(0.0..1.0) >= self.loss).then(|| millis(delay))
    }
}

/// When somebody intervenes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stop {
    Never,
    /// The exchange is called off after so many outputs, and after a part of the wait that the last
    /// of them may be.
    Cancel(usize, f64),
    /// The process is killed after so many outputs.
    Kill(usize),
}

/// How an exchange went.
pub(crate) struct Life {
    /// `None` where it was killed.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) outputs: usize,
    pub(crate) sent: Vec<String>,
}

enum Arrival {
    Open,
    AtRegistrar(String),
    AtUs(String),
    Closed,
}

/// Lets an exchange live, and what it has said arrive, also after its end.
pub(crate) fn live(
    exchange: &mut dyn Exchange,
    registrar: &mut Registrar,
    weather: &mut Weather,
    stop: Stop,
) -> Life {
    let mut life = Life { outcome: None, intents: Vec::new(), outputs: 0, sent: Vec::new() };
    let mut queue: Vec<(Moment, LegId, Arrival)> = Vec::new();
    let (mut now, mut answers, mut closed) = (Moment::START, 0, BTreeSet::new());
    loop {
        let output = exchange.poll_output();
        life.outputs += 1;
        assert!(life.outputs < 1_000, "it never ends");
        let next = queue.iter().map(|(at, ..)| *at).min();
        let mut until = None;
        match output {
            Output::Done(outcome) => {
                life.outcome = Some(outcome);
                break;
            }
            Output::Open(leg) => queue.push((now + millis(1), leg.id, Arrival::Open)),
            Output::Close(_) => {}
            Output::Intend(intent) => life.intents.push(intent),
            Output::Transmit { leg, bytes, .. } => {
                exchange.handle_input(Input::Sent { leg, number: 0, stamp: Stamp::Kernel }, now);
                let text = String::from_utf8(bytes).expect("it is text");
                life.sent.push(text.clone());
                if let Some(way) = weather.way() {
                    queue.push((now + way, leg, Arrival::AtRegistrar(text)));
                }
            }
            Output::Wait { until: latest, .. } => {
                until = Some(next.map_or(latest, |next| next.min(latest)).max(now));
            }
        }
        match stop {
            Stop::Kill(after) if after == life.outputs => break,
            Stop::Cancel(after, part) if after == life.outputs => {
                let rest = until.map_or(Duration::ZERO, |until| until.since(now));
                now = now + rest.mul_f64(part);
                exchange.handle_input(Input::Cancelled, now);
                continue;
            }
            Stop::Never | Stop::Cancel(..) | Stop::Kill(_) => {}
        }
        let Some(until) = until else { continue };
        now = until;
        if next.is_none_or(|next| next > now) {
            exchange.handle_input(Input::Timeout, now);
            continue;
        }
        let index = queue.iter().position(|(at, ..)| Some(*at) == next).expect("it is there");
        let (_, leg, arrival) = queue.remove(index);
        match arrival {
            Arrival::Open => {
                let local = desk::LOCAL.parse().expect("an address");
                exchange.handle_input(Input::Connected { leg, local }, now);
            }
            Arrival::AtRegistrar(_) if closed.contains(&leg) => {}
            Arrival::AtRegistrar(text) => {
                let answer = registrar.hear(&text);
                answers += 1;
                if let Some(way) = weather.way() {
                    queue.push((now + way, leg, Arrival::AtUs(answer)));
                }
                if registrar.manner.closes_after == Some(answers) {
                    closed.insert(leg);
                    queue.push((now + millis(100), leg, Arrival::Closed));
                }
            }
            Arrival::AtUs(text) => {
                let (from, bytes, stamp) = (desk::peer(), text.as_bytes(), Stamp::Kernel);
                let input = Input::Received { leg, from, bytes, stamp, dscp: None };
                exchange.handle_input(input, now);
            }
            Arrival::Closed => exchange.handle_input(Input::Closed { leg }, now),
        }
    }
    queue.sort_by_key(|(at, ..)| *at);
    for (_, leg, arrival) in queue {
        if let Arrival::AtRegistrar(text) = arrival
            && !closed.contains(&leg)
        {
            registrar.hear(&text);
        }
    }
    life
}
