//! `Agent`: the client side of SIP that every exchange shares. It opens its leg, sends one request
//! at a time as a transaction, and tells its answer from everything else.

mod hearing;
mod secrets;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::echo::{Echo, Sent};
use super::facts::MAPPED_ADDRESS;
use super::mapping::Mapping;
use super::settings::Settings;
use crate::chance::Chance;
use crate::conversation::{Conversation, Request, Step};
use crate::failure::Failure;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::Phase;
use crate::probe::{Input, Output};
use crate::target::{Target, Transport};
use crate::transaction::{Retransmission, SIP_TIMER_F};
use crate::way::Opening;
use crate::wire::sip::{self, Frames, Response};

/// Who asks, and in whose name.
pub(crate) struct Agent {
    leg: Leg,
    stun_server: Option<SocketAddr>,
    /// The URI of From.
    pub(crate) from: String,
    /// The URI of To.
    pub(crate) to: String,
    from_tag: String,
    call_id: String,
    chance: Chance,
    sequence: u32,
    /// A leg on which nothing is heard any more.
    closing: Option<LegId>,
    state: State,
    frames: Option<Frames>,
    /// What is to be asked once the leg is open.
    waiting: Option<Ask>,
    events: VecDeque<Event>,
    /// The address from which it spoke first: there its contact stays.
    pub(crate) local: Option<SocketAddr>,
    /// The address from which it speaks on the leg that is open.
    source: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    /// What the answers showed of the way.
    pub(crate) echo: Echo,
    /// Requests that were to be answered, and how often they were sent.
    pub(crate) tally: Tally,
    has_asked: bool,
    /// What proves that we know the password: it is kept out of all that is told.
    secrets: Vec<Vec<u8>>,
    is_mirror: bool,
    /// Whether a mirror gave back what it received.
    pub(crate) has_mirrored: bool,
}

/// How many requests were sent, repeated ones included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) transactions: u64,
    pub(crate) transmissions: u64,
}

/// A request that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    /// Names and values of what it says besides what every request does.
    pub(crate) further: Vec<(&'static str, Vec<u8>)>,
    /// The URI of our contact in it, and what marks it as ours.
    pub(crate) contact: Option<(String, String)>,
    pub(crate) phase: Phase,
    pub(crate) awaited: &'static str,
    /// How large it is to be at least, where it may be larger than a datagram should be.
    pub(crate) least_bytes: usize,
    /// How long it is repeated over UDP.
    pub(crate) patience: Patience,
}

/// How long a request without an answer is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// To the end of the RFC's schedule.
    Whole,
    /// A few times, where silence is no surprise.
    Brief,
}

/// What came of it.
pub(crate) enum Event {
    /// The leg is open, and what waited is on its way.
    Ready,
    /// The final answer to the request in flight.
    Answered(Box<Response>),
    /// The request in flight, or the leg before it, got no answer.
    Over(Phase, Failure),
}

enum State {
    Opening(Opening),
    Mapping(Mapping),
    Idle,
    Asking(Box<Flight>),
    /// There is no leg.
    Shut,
}

struct Flight {
    request: Request,
    sent: Sent,
    method: &'static str,
    bytes: Vec<u8>,
    provisional: u32,
    is_counted: bool,
}

impl Agent {
    pub(crate) fn new(
        settings: &Settings,
        target: &Target,
        (from, to): (String, String),
        mut chance: Chance,
    ) -> Self {
        let mut leg = settings.way.leg(LegId(0), target);
        let stun_server = settings.stun_server.filter(|_| leg.transport == Transport::Udp);
        if stun_server.is_some() {
            leg = leg.hearing_anyone();
        }
        let echo = Echo { is_sealed: leg.transport == Transport::Tls, ..Echo::default() };
        // The rest of the range is left to count up (RFC 3261 §8.1.1.5: below 2^31).
        let sequence = u32::from_be_bytes(chance.bytes()) >> 2;
        Self {
            from_tag: chance.token::<8>(),
            call_id: chance.token::<16>(),
            chance,
            frames: leg.transport.is_stream().then(Frames::new),
            state: State::Opening(Opening::new(leg.clone(), Moment::START)),
            leg,
            stun_server,
            from,
            to,
            sequence,
            closing: None,
            waiting: None,
            events: VecDeque::new(),
            local: None,
            source: None,
            mapped: None,
            echo,
            secrets: Vec::new(),
            tally: Tally::default(),
            has_asked: false,
            is_mirror: settings.is_mirror,
            has_mirrored: false,
        }
    }

    pub(crate) const fn transport(&self) -> Transport {
        self.leg.transport
    }

    /// What a sip URI says of it (RFC 3261 §19.1.1); UDP goes without saying.
    pub(crate) const fn transport_parameter(&self) -> &'static str {
        match self.leg.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        }
    }

    pub(crate) const fn leg_id(&self) -> LegId {
        self.leg.id
    }

    /// Whether a request that was to be answered was sent more than once.
    pub(crate) const fn was_repeated(&self) -> bool {
        self.tally.transmissions > self.tally.transactions
    }

    /// How often the request in flight was sent; 0 where there is none.
    pub(crate) fn transmissions(&self) -> u64 {
        match &self.state {
            State::Asking(flight) => flight.request.transmissions(),
            State::Opening(_) | State::Mapping(_) | State::Idle | State::Shut => 0,
        }
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends a request, on a new leg where the old one is gone.
    ///
    /// # Errors
    ///
    /// [`Failure`] where it would be larger than a datagram may be.
    pub(crate) fn ask(&mut self, ask: Ask, conversation: &Conversation) -> Result<(), Failure> {
        match &self.state {
            State::Shut => {
                self.leg.id = LegId(self.leg.id.0.wrapping_add(1));
                self.frames = self.leg.transport.is_stream().then(Frames::new);
                self.state = State::Opening(Opening::new(self.leg.clone(), conversation.now));
                self.waiting = Some(ask);
                Ok(())
            }
            State::Opening(_) | State::Mapping(_) => {
                self.waiting = Some(ask);
                Ok(())
            }
            State::Idle | State::Asking(_) => self.send(ask, conversation),
        }
    }

    /// Forgets the request in flight, and counts it.
    pub(crate) fn drop_request(&mut self) {
        if matches!(self.state, State::Asking(_)) {
            let State::Asking(flight) = std::mem::replace(&mut self.state, State::Idle) else {
                return;
            };
            self.count(&flight);
        }
    }

    /// Takes in what happened.
    pub(crate) fn hear(&mut self, input: &Input<'_>, now: Moment, conversation: &mut Conversation) {
        if let State::Mapping(mapping) = &mut self.state
            && mapping.hear(input, now)
        {
            return self.mapped(conversation);
        }
        match *input {
            Input::Sent { stamp, .. } => {
                if let State::Asking(flight) = &mut self.state {
                    flight.request.sent(now, stamp);
                }
            }
            Input::Received { leg, from, bytes, stamp, .. } if leg == self.leg.id => {
                self.receive(from, bytes, now, stamp, conversation);
            }
            Input::Refused { leg, to, .. } if leg == self.leg.id && to == conversation.peer => {
                self.fail(input, conversation);
            }
            Input::Failed { leg, .. } | Input::Insecure { leg, .. } if leg == self.leg.id => {
                self.fail(input, conversation);
            }
            Input::Closed { leg } if leg == self.leg.id => self.closed(conversation),
            Input::Connected { .. } | Input::Secured { .. } => {
                if let State::Opening(opening) = &mut self.state
                    && let Some(local) = opening.hear(input, conversation)
                {
                    self.opened(local, conversation);
                }
            }
            Input::Received { .. }
            | Input::Refused { .. }
            | Input::Failed { .. }
            | Input::Insecure { .. }
            | Input::Closed { .. }
            | Input::Timeout
            | Input::Cancelled => {}
        }
    }

    /// What is to be done before `deadline`; `None` where an event tells what came of it, or there
    /// is nothing in flight.
    pub(crate) fn poll(
        &mut self,
        conversation: &mut Conversation,
        deadline: Moment,
    ) -> Option<Output> {
        if let Some(leg) = self.closing.take() {
            return Some(Output::Close(leg));
        }
        if !self.events.is_empty() {
            return None;
        }
        let Conversation { peer, now, .. } = *conversation;
        let (phase, step) = match &mut self.state {
            State::Opening(opening) => (opening.phase(), opening.poll(now, deadline)),
            State::Mapping(mapping) => match mapping.poll(now, deadline) {
                Some(output) => return Some(output),
                None => {
                    self.mapped(conversation);
                    return self.poll(conversation, deadline);
                }
            },
            State::Asking(flight) => {
                (flight.request.phase, flight.request.poll(peer, now, deadline))
            }
            State::Idle | State::Shut => return None,
        };
        match step {
            Step::Output(output) => Some(output),
            Step::Over(failure) => {
                // Who began to speak is not silent.
                if self.frames.as_ref().is_some_and(Frames::is_partial) {
                    conversation.heard();
                }
                let failure = conversation.end_of_wait(failure);
                self.over(phase, failure, conversation);
                None
            }
        }
    }

    fn opened(&mut self, local: SocketAddr, conversation: &Conversation) {
        self.local.get_or_insert(local);
        self.source = Some(local);
        self.state = State::Idle;
        match self.stun_server.filter(|_| self.mapped.is_none()) {
            Some(server) => {
                let transaction = self.chance.bytes();
                // What is only compared with must not use up the time of what is asked.
                let Conversation { now, deadline, .. } = *conversation;
                let end = now + deadline.since(now) / 4;
                let mapping = Mapping::new(self.leg.id, server, transaction, now, end);
                self.state = State::Mapping(mapping);
            }
            None => self.ready(conversation),
        }
    }

    /// The STUN server has answered, or is not waited for any longer.
    fn mapped(&mut self, conversation: &mut Conversation) {
        if let State::Mapping(mapping) = &self.state {
            self.mapped = mapping.mapped();
        }
        if let Some(mapped) = self.mapped {
            conversation.state(&MAPPED_ADDRESS, mapped);
        }
        self.state = State::Idle;
        self.ready(conversation);
    }

    fn ready(&mut self, conversation: &Conversation) {
        let Some(ask) = self.waiting.take() else {
            return self.events.push_back(Event::Ready);
        };
        let phase = ask.phase;
        if let Err(failure) = self.send(ask, conversation) {
            self.events.push_back(Event::Over(phase, failure));
        }
    }

    fn send(&mut self, ask: Ask, conversation: &Conversation) -> Result<(), Failure> {
        self.drop_request();
        let (Some(local), Conversation { peer, now, .. }) = (self.source, conversation) else {
            return Err(Failure::Internal);
        };
        self.sequence += 1;
        self.secrets.extend(secrets::of(&ask.further));
        let branch = self.chance.token::<16>();
        let transport = self.leg.transport;
        let bytes = sip::Request {
            method: ask.method,
            uri: &ask.uri,
            transport: word(transport),
            local,
            branch: &branch,
            from: &self.from,
            from_tag: &self.from_tag,
            to: &self.to,
            call_id: &self.call_id,
            sequence: self.sequence,
            further: &ask.further,
            least_bytes: ask.least_bytes,
        }
        .write();
        if !transport.is_stream() && bytes.len() > LARGEST_DATAGRAM.max(ask.least_bytes) {
            let rule = "RFC 3261 §18.1.1";
            let what = "its challenge is so long that the answer exceeds 1300 bytes";
            return Err(Failure::Misbehaved { peer: *peer, rule, what });
        }
        let timer = match (transport, ask.patience) {
            (Transport::Udp, Patience::Whole) => Retransmission::sip(*now),
            (Transport::Udp, Patience::Brief) => Retransmission::sip_brief(*now),
            (Transport::Tcp | Transport::Tls, Patience::Whole) => {
                Retransmission::reliable(*now, SIP_TIMER_F)
            }
            (Transport::Tcp | Transport::Tls, Patience::Brief) => {
                Retransmission::reliable(*now, BRIEF)
            }
        };
        let sent = Sent {
            local,
            branch: sip::branch_parameter(&branch),
            from: self.from.clone(),
            from_tag: self.from_tag.clone(),
            to: self.to.clone(),
            call_id: self.call_id.clone(),
            contact: ask.contact,
        };
        let is_counted = !matches!(ask.phase, Phase::Unregister | Phase::Verify | Phase::Large);
        self.state = State::Asking(Box::new(Flight {
            request: Request::new(self.leg.id, ask.phase, timer, bytes.clone(), ask.awaited, *now),
            sent,
            method: ask.method,
            bytes,
            provisional: 0,
            is_counted,
        }));
        Ok(())
    }

    fn fail(&mut self, input: &Input<'_>, conversation: &mut Conversation) {
        let Some(failure) = conversation.failure_of(input) else { return };
        // A socket of datagrams outlives a refusal.
        let is_end = self.frames.is_some() || !matches!(input, Input::Refused { .. });
        let phase = match &self.state {
            State::Opening(opening) => opening.phase(),
            State::Asking(flight) => flight.request.phase,
            State::Mapping(_) | State::Idle | State::Shut => Phase::Connect,
        };
        self.over(phase, failure, conversation);
        if is_end {
            self.state = State::Shut;
        }
    }

    fn closed(&mut self, conversation: &mut Conversation) {
        if matches!(self.state, State::Asking(_) | State::Opening(_)) {
            let peer = conversation.peer;
            let (phase, awaited) = match &self.state {
                State::Asking(flight) => (flight.request.phase, "the SIP request"),
                State::Opening(opening) => (opening.phase(), "the TLS handshake"),
                State::Mapping(_) | State::Idle | State::Shut => (Phase::Connect, "anything"),
            };
            self.over(phase, Failure::Closed { peer, awaited }, conversation);
        }
        self.state = State::Shut;
    }

    /// Ends the wait for an answer on a stream that can bring none any more.
    fn give_up(&mut self, conversation: &mut Conversation) {
        if let State::Asking(flight) = &self.state {
            let Conversation { peer, now, .. } = *conversation;
            let transmissions = flight.request.timer.transmissions();
            let waited = now.since(flight.request.began);
            let silence = Failure::NoResponse { peer, transmissions, waited };
            let (phase, failure) = (flight.request.phase, conversation.end_of_wait(silence));
            self.over(phase, failure, conversation);
        }
        self.closing = Some(self.leg.id);
        self.state = State::Shut;
    }

    fn over(&mut self, phase: Phase, failure: Failure, conversation: &mut Conversation) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking(flight) => {
                conversation.ended(flight.request.phase, flight.request.began);
                self.count(&flight);
            }
            State::Opening(_) => self.state = State::Shut,
            State::Mapping(_) | State::Idle | State::Shut => {}
        }
        self.waiting = None;
        self.events.push_back(Event::Over(phase, failure));
    }

    fn count(&mut self, flight: &Flight) {
        if flight.is_counted {
            self.tally.transactions += 1;
            self.tally.transmissions += flight.request.transmissions();
        }
    }
}

/// The transport as Via writes it.
const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
    }
}

/// RFC 3261 §18.1.1: a larger request needs a transport with congestion control.
pub(crate) const LARGEST_DATAGRAM: usize = 1300;
/// As long as the brief schedule over UDP.
const BRIEF: Duration = Duration::from_millis(7_500);
