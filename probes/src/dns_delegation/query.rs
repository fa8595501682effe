//! `Query`: one question to one nameserver, each from a port of its own (D-DNS-1); by a datagram,
//! and by a stream where the answer does not fit or somebody seems to be guessing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::conversation::{Conversation, Request, Step};
use crate::failure::Failure;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Input, Output};
use crate::target::Transport;
use crate::transaction::Retransmission;
use crate::wire::dns::delegation::Reply;
use crate::wire::dns::{self, Asking, Frames, Question};

/// The legs of an exchange, which are numbered in the order of opening, and what is to be done
/// with them.
#[derive(Default)]
pub(super) struct Legs {
    opened: u8,
    outputs: VecDeque<Output>,
}

impl Legs {
    fn open(&mut self, transport: Transport, peer: SocketAddr) -> LegId {
        let id = LegId(self.opened);
        // Two legs for each of `MOST_QUERIES` are half of what there is.
        self.opened = self.opened.saturating_add(1);
        self.outputs.push_back(Output::Open(Leg::new(id, transport, peer)));
        id
    }

    fn close(&mut self, leg: LegId) {
        self.outputs.push_back(Output::Close(leg));
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// How long a nameserver is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// There is another to ask.
    Brief,
    /// There is none: without this one there is no way at all.
    Long,
}

impl Patience {
    fn timer(self, now: Moment) -> Retransmission {
        match self {
            Self::Brief => Retransmission::dns(now, BRIEF_INTERVAL, BRIEF_ATTEMPTS),
            Self::Long => Retransmission::dns(now, LONG_INTERVAL, LONG_ATTEMPTS),
        }
    }
}

/// How far the query has come on one leg.
enum State {
    Opening(Moment),
    Asked(Request),
    Over,
}

struct Carrier {
    leg: LegId,
    state: State,
}

impl Carrier {
    fn is_going_on(&self) -> bool {
        !matches!(self.state, State::Over)
    }

    fn end(&mut self, legs: &mut Legs) {
        if self.is_going_on() {
            self.state = State::Over;
            legs.close(self.leg);
        }
    }
}

/// What a query wants.
pub(super) enum Wish {
    /// Do this.
    Output(Output),
    /// It is over, with an answer or without.
    Over(Result<Box<Reply>, Failure>),
}

pub(super) struct Query {
    pub(super) server: SocketAddr,
    question: Question,
    /// The same, as datagrams spell it, where only who repeats that is believed.
    spelled: Option<Question>,
    id: u16,
    phase: Phase,
    patience: Patience,
    began: Moment,
    datagrams: Carrier,
    stream: Option<Carrier>,
    frames: Frames,
    /// Whether the datagram's answer was truncated, so that only the stream can bring it.
    is_truncated: bool,
    /// Why a carrier ended without an answer; the last one counts.
    failure: Option<Failure>,
    transmissions: u32,
    /// What the server seems to have said, and is not the answer.
    messages: u64,
    reply: Option<Box<Reply>>,
}

impl Query {
    /// Asks `server`; the id and the spelling are from the exchange's chance.
    pub(super) fn begin(
        (server, question): (SocketAddr, Question),
        (phase, patience): (Phase, Patience),
        (id, spelled): (u16, Option<Question>),
        now: Moment,
        legs: &mut Legs,
    ) -> Self {
        let leg = legs.open(Transport::Udp, server);
        Self {
            server,
            question,
            spelled,
            id,
            phase,
            patience,
            began: now,
            datagrams: Carrier { leg, state: State::Opening(now) },
            stream: None,
            frames: Frames::default(),
            is_truncated: false,
            failure: None,
            transmissions: 0,
            messages: 0,
            reply: None,
        }
    }

    /// Whether this leg is one of its own.
    pub(super) fn has(&self, leg: LegId) -> bool {
        self.carriers().any(|carrier| carrier.leg == leg)
    }

    /// Takes in what happened on one of its legs.
    pub(super) fn handle_input(
        &mut self,
        input: &Input<'_>,
        legs: &mut Legs,
        conversation: &mut Conversation,
    ) {
        let (now, peer) = (conversation.now, self.server);
        match *input {
            Input::Connected { leg, .. } => self.ask(leg, now),
            Input::Sent { leg, stamp, .. } => {
                if let Some(Carrier { state: State::Asked(request), .. }) = self.carrier(leg) {
                    request.sent(now, stamp);
                }
            }
            Input::Received { from, .. } if from != peer => conversation.ignore(Ignored::Stranger),
            Input::Received { leg, .. } if !self.is_asked(leg) => {}
            Input::Received { leg, bytes, .. } if leg == self.datagrams.leg => {
                self.hear_datagram(bytes, legs, conversation);
            }
            Input::Received { leg, bytes, .. } => {
                self.frames.push(bytes);
                if let Some(message) = self.frames.pop() {
                    self.hear_message(leg, &message, legs, conversation);
                }
            }
            Input::Refused { leg, by, refusal, .. } => {
                self.give_up(leg, Failure::Refused { peer, by, refusal }, legs);
            }
            Input::Failed { leg, problem } => {
                self.give_up(leg, Failure::Local { peer, problem }, legs);
            }
            Input::Closed { leg } => {
                self.give_up(leg, Failure::Closed { peer, awaited: AWAITED }, legs);
            }
            Input::Secured { .. } | Input::Insecure { .. } | Input::Timeout | Input::Cancelled => {}
        }
    }

    /// What is to be done now.
    pub(super) fn poll(&mut self, now: Moment, deadline: Moment, legs: &mut Legs) -> Wish {
        let mut wait = deadline;
        let stream = self.stream.as_ref().map(|carrier| carrier.leg);
        for leg in [Some(self.datagrams.leg), stream].into_iter().flatten() {
            match self.poll_carrier(leg, now, deadline) {
                Some(Step::Output(Output::Wait { until, .. })) => wait = wait.min(until),
                Some(Step::Output(output)) => return Wish::Output(output),
                Some(Step::Over(failure)) => self.give_up(leg, failure, legs),
                None => {}
            }
        }
        if let Some(reply) = self.reply.take() {
            return Wish::Over(Ok(reply));
        }
        if self.carriers().any(Carrier::is_going_on) {
            return Wish::Output(Output::Wait { until: wait, reason: AWAITED });
        }
        let failure = self.failure.take().unwrap_or(Failure::Internal);
        Wish::Over(Err(self.end_of_wait(failure)))
    }

    /// What it means that the exchange has no more time.
    pub(super) fn at_deadline(&self, now: Moment) -> Failure {
        let (peer, transmissions) = (self.server, self.transmissions);
        let waited = now.since(self.began);
        self.end_of_wait(Failure::Deadline { peer, awaited: AWAITED, transmissions, waited })
    }

    fn is_asked(&self, leg: LegId) -> bool {
        let is_it = |carrier: &Carrier| carrier.leg == leg;
        self.carriers().any(|it| is_it(it) && matches!(it.state, State::Asked(_)))
    }

    fn carriers(&self) -> impl Iterator<Item = &Carrier> {
        std::iter::once(&self.datagrams).chain(&self.stream)
    }

    fn carrier(&mut self, leg: LegId) -> Option<&mut Carrier> {
        let mut all = std::iter::once(&mut self.datagrams).chain(&mut self.stream);
        all.find(|carrier| carrier.leg == leg)
    }

    fn poll_carrier(&mut self, leg: LegId, now: Moment, deadline: Moment) -> Option<Step> {
        let (peer, is_stream) = (self.server, leg != self.datagrams.leg);
        let carrier = self.carrier(leg)?;
        match &mut carrier.state {
            State::Over => None,
            // A socket for datagrams is there at once, or fails.
            State::Opening(_) if !is_stream => {
                Some(Step::Output(Output::Wait { until: deadline, reason: AWAITED }))
            }
            State::Opening(began) if now >= *began + STREAM_PATIENCE => {
                let waited = now.since(*began);
                Some(Step::Over(Failure::NoResponse { peer, transmissions: 0, waited }))
            }
            State::Opening(began) => {
                let until = deadline.min(*began + STREAM_PATIENCE);
                Some(Step::Output(Output::Wait { until, reason: AWAITED }))
            }
            State::Asked(request) => {
                let step = request.poll(peer, now, deadline);
                self.transmissions +=
                    u32::from(matches!(step, Step::Output(Output::Transmit { .. })));
                Some(step)
            }
        }
    }

    fn ask(&mut self, leg: LegId, now: Moment) {
        let (phase, is_stream) = (self.phase, leg != self.datagrams.leg);
        // A name from a packet fits into a packet, so that there is always a query.
        let spelled = self.spelled.as_ref().filter(|_| !is_stream).unwrap_or(&self.question);
        let query = dns::query(self.id, spelled, ASKING).unwrap_or_default();
        let (timer, bytes) = if is_stream {
            (Retransmission::reliable(now, STREAM_PATIENCE), dns::framed(&query))
        } else {
            (self.patience.timer(now), query)
        };
        if let Some(carrier) = self.carrier(leg)
            && matches!(carrier.state, State::Opening(_))
        {
            carrier.state = State::Asked(Request::new(leg, phase, timer, bytes, AWAITED, now));
        }
    }

    fn hear_datagram(&mut self, bytes: &[u8], legs: &mut Legs, conversation: &mut Conversation) {
        match self.accept(bytes, self.spelled.as_ref()) {
            Ok(reply) if reply.response.truncated => {
                self.is_truncated = true;
                self.datagrams.end(legs);
                self.want_stream(conversation.now, legs);
            }
            Ok(reply) => self.finish(reply, legs),
            Err(reason) => {
                conversation.ignore(reason);
                self.messages += 1;
                // Who cannot see our packets cannot speak on a stream; a true answer by datagram
                // still counts (D-DNS-4).
                if reason == Ignored::Mismatch {
                    self.want_stream(conversation.now, legs);
                }
            }
        }
    }

    fn hear_message(
        &mut self,
        leg: LegId,
        message: &[u8],
        legs: &mut Legs,
        conversation: &mut Conversation,
    ) {
        match self.accept(message, None) {
            Ok(reply) => self.finish(reply, legs),
            // Nobody can slip a message into a stream from aside: the server itself wrote it.
            Err(reason) => {
                conversation.ignore(reason);
                self.messages += 1;
                let (peer, messages) = (self.server, self.messages);
                self.give_up(leg, Failure::Unusable { peer, messages, transmissions: 1 }, legs);
            }
        }
    }

    /// Whether this is the answer; where the query was spelled at random, whoever did not see it
    /// has to guess that, too.
    fn accept(&self, message: &[u8], spelled: Option<&Question>) -> Result<Box<Reply>, Ignored> {
        let reply = Reply::read(message, &self.question).map_err(|_| Ignored::Malformed)?;
        if !reply.response.is_answer {
            return Err(Ignored::Unasked);
        }
        let mut questions = reply.response.questions.iter();
        let is_spelled =
            spelled.is_none_or(|spelled| questions.all(|question| question.is_spelled_as(spelled)));
        let is_ours = reply.answers(self.id, &self.question);
        if is_ours && is_spelled { Ok(Box::new(reply)) } else { Err(Ignored::Mismatch) }
    }

    /// A stream that was tried before, because somebody seemed to be guessing, is not tried again.
    fn want_stream(&mut self, now: Moment, legs: &mut Legs) {
        if self.stream.is_none() {
            let leg = legs.open(Transport::Tcp, self.server);
            self.stream = Some(Carrier { leg, state: State::Opening(now) });
        }
    }

    fn finish(&mut self, reply: Box<Reply>, legs: &mut Legs) {
        self.reply = Some(reply);
        self.close(legs);
    }

    /// Closes what is open.
    fn close(&mut self, legs: &mut Legs) {
        self.datagrams.end(legs);
        if let Some(stream) = &mut self.stream {
            stream.end(legs);
        }
    }

    /// One carrier cannot bring the answer. What the datagrams met is what counts, unless it was
    /// theirs to say that only the stream can bring it.
    fn give_up(&mut self, leg: LegId, failure: Failure, legs: &mut Legs) {
        let is_stream = leg != self.datagrams.leg;
        let Some(carrier) = self.carrier(leg).filter(|carrier| carrier.is_going_on()) else {
            return;
        };
        carrier.end(legs);
        if !is_stream || self.is_truncated || self.failure.is_none() {
            self.failure = Some(failure);
        }
        // Nobody is there: a stream finds nobody either.
        if !is_stream && matches!(self.failure, Some(Failure::Refused { .. })) {
            self.close(legs);
        }
    }

    /// Silence is what it is only where the server said nothing at all.
    fn end_of_wait(&self, failure: Failure) -> Failure {
        let (peer, messages) = (self.server, self.messages);
        if let Failure::NoResponse { transmissions, .. } | Failure::Deadline { transmissions, .. } =
            failure
            && messages > 0
        {
            return Failure::Unusable { peer, messages, transmissions };
        }
        failure
    }
}

/// What is awaited, for people.
const AWAITED: &str = "the DNS response";

/// The next nameserver is the better second try: two queries in 1.5 s, where a stub resolver,
/// which has one way only, waits for 5 s between them.
const BRIEF_INTERVAL: Duration = Duration::from_millis(750);
const BRIEF_ATTEMPTS: u32 = 2;
/// Six queries in 12 s: more than half of the probe's default timeout.
const LONG_INTERVAL: Duration = Duration::from_secs(2);
const LONG_ATTEMPTS: u32 = 6;
/// A connection, and then its answer: a lost SYN is repeated after 1 s (RFC 6298 §2).
const STREAM_PATIENCE: Duration = Duration::from_secs(3);

/// Of the zones that it serves itself, whoever of its machines answers.
const ASKING: Asking = Asking { recursion: false, nsid: false };
