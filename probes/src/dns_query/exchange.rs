//! The exchange of `dns-query`: datagrams first, a stream where an answer does not fit or somebody
//! seems to be guessing.

mod answer;
mod inbox;

use std::net::SocketAddr;

use super::facts::{
    CLOCK, CONNECT, QUERY_SUCCEEDED, QUESTION, RANDOM_LABEL, REQUEST, RTT, TRANSMISSIONS, TRUNCATED,
};
use super::{ATTEMPTS, DnsModule, INTERVAL, WHOLE_SCHEDULE};
use crate::chance::Chance;
use crate::conversation::{Conversation, Request, Step};
use crate::failure::{Failure, Standing};
use crate::foreign::Foreign;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Output, Stamp};
use crate::target::{Target, Transport};
use crate::transaction::Retransmission;
use crate::way::Opening;
use crate::wire::dns::{self, Question, Response};

use inbox::{Arrived, Inbox};

const DATAGRAMS: LegId = LegId(0);
const STREAM: LegId = LegId(1);

pub(super) struct DnsExchange {
    conversation: Conversation,
    module: DnsModule,
    target: Target,
    /// What is asked, a random label included.
    question: Question,
    /// The same, as datagrams spell it.
    spelled: Question,
    id: u16,
    datagrams: Way,
    stream: Way,
    inbox: Option<Inbox>,
    /// Whether only the stream can bring the answer: it was asked for, or the datagram's answer
    /// was truncated.
    needs_stream: bool,
    /// Why the stream failed, where the datagrams went on without it.
    stream_failure: Option<(Phase, Failure)>,
    is_done: bool,
}

impl DnsExchange {
    pub(super) fn new(module: DnsModule, target: Target, mut chance: Chance) -> Self {
        let mut conversation = Conversation::new(target.address, module.timeout);
        // RFC 8484 §4.1: the stream tells whose answer it is, and caches know it by its query.
        let id = if module.path.is_some() { 0 } else { chance.number() };
        let mut question = module.question.clone();
        if module.has_random_label {
            // The module has tried that there is room for it.
            question = question.below(&chance.token::<8>()).unwrap_or(question);
            let shown = format!("a random label under {}", module.question);
            conversation.state(&QUESTION, Foreign::new(shown));
            conversation.state(&RANDOM_LABEL, true);
        } else {
            conversation.state(&QUESTION, Foreign::new(question.to_string()));
        }
        let spelled = if module.has_random_case {
            question.respelled(|| chance.flag())
        } else {
            question.clone()
        };
        Self {
            conversation,
            needs_stream: module.way.transport.is_stream(),
            module,
            target,
            question,
            spelled,
            id,
            datagrams: Way::Unused,
            stream: Way::Unused,
            inbox: None,
            stream_failure: None,
            is_done: false,
        }
    }
}

/// How far the query has come by one transport.
enum Way {
    Unused,
    Wanted,
    Opening(Opening),
    Asked(Request),
    Over,
}

impl Exchange for DnsExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if self.is_done {
            return;
        }
        match input {
            Input::Connected { leg, .. } | Input::Secured { leg, .. } => self.open(leg, &input),
            // On a stream what follows the query belongs to the protocol below it.
            Input::Sent { leg: STREAM, number: 1.., .. } => {}
            Input::Sent { leg, stamp, .. } => {
                if let Way::Asked(request) = self.way(leg) {
                    request.sent(now, stamp);
                }
            }
            Input::Received { from, .. } if from != self.conversation.peer => {
                self.conversation.ignore(Ignored::Stranger);
            }
            Input::Received { leg: STREAM, bytes, stamp, .. } => {
                if let Some(inbox) = &mut self.inbox {
                    inbox.push(bytes);
                }
                while let Some(arrived) = self.inbox.as_mut().and_then(Inbox::pop) {
                    self.arrived(arrived, now, stamp);
                }
            }
            Input::Received { leg, bytes, stamp, .. } => self.hear(leg, bytes, now, stamp),
            Input::Closed { leg } => {
                let peer = self.conversation.peer;
                self.give_up(leg, Failure::Closed { peer, awaited: "the DNS query" });
            }
            Input::Refused { leg, .. }
            | Input::Failed { leg, .. }
            | Input::Insecure { leg, .. } => {
                if let Some(failure) = self.conversation.failure_of(&input) {
                    self.give_up(leg, failure);
                }
            }
            Input::Cancelled => self.finish(Phase::Request, Err(Failure::Cancelled)),
            Input::Timeout => {}
        }
    }

    fn poll_output(&mut self) -> Output {
        if let (Way::Unused, Way::Unused) = (&self.datagrams, &self.stream) {
            let first = if self.needs_stream { &mut self.stream } else { &mut self.datagrams };
            *first = Way::Wanted;
        }
        let mut wait: Option<(Moment, &'static str)> = None;
        for leg in [DATAGRAMS, STREAM] {
            match self.poll_way(leg) {
                Some(Output::Wait { until, reason }) => {
                    let earlier = wait.filter(|(earliest, _)| *earliest <= until);
                    wait = Some(earlier.unwrap_or((until, reason)));
                }
                Some(output) => return output,
                None => {}
            }
        }
        match wait {
            Some((until, reason)) if !self.is_done => Output::Wait { until, reason },
            _ => Output::Done(self.conversation.outcome.clone()),
        }
    }
}

impl DnsExchange {
    fn way(&mut self, leg: LegId) -> &mut Way {
        if leg == STREAM { &mut self.stream } else { &mut self.datagrams }
    }

    /// What one transport wants done; nothing where it is not in use.
    fn poll_way(&mut self, leg: LegId) -> Option<Output> {
        if self.is_done {
            return None;
        }
        let Conversation { peer, now, deadline, .. } = self.conversation;
        let reply = self.inbox.as_mut().filter(|_| leg == STREAM).and_then(Inbox::reply);
        if let Some(bytes) = reply {
            return Some(Output::Transmit { leg, to: peer, bytes });
        }
        if matches!(self.way(leg), Way::Wanted) {
            let opening = Opening::new(self.leg(leg, peer), now);
            *self.way(leg) = Way::Opening(opening);
        }
        let step = match self.way(leg) {
            Way::Unused | Way::Wanted | Way::Over => return None,
            Way::Opening(opening) => opening.poll(now, deadline),
            Way::Asked(request) => request.poll(peer, now, deadline),
        };
        match step {
            Step::Output(output) => Some(output),
            Step::Over(failure) => {
                let failure = self.conversation.end_of_wait(failure);
                self.give_up(leg, failure);
                None
            }
        }
    }

    fn leg(&self, id: LegId, peer: SocketAddr) -> Leg {
        if id == STREAM && !self.module.way.transport.is_stream() {
            return Leg::new(id, Transport::Tcp, peer);
        }
        self.module.way.leg(id, &self.target)
    }

    fn open(&mut self, leg: LegId, input: &Input<'_>) {
        let way = if leg == STREAM { &mut self.stream } else { &mut self.datagrams };
        let Way::Opening(opening) = way else { return };
        if opening.hear(input, &mut self.conversation).is_some() {
            self.ask(leg);
        }
    }

    fn ask(&mut self, leg: LegId) {
        let now = self.conversation.now;
        let question = if leg == STREAM { &self.question } else { &self.spelled };
        let Ok(query) = dns::query(self.id, question, self.module.asking) else {
            return self.finish(Phase::Request, Err(Failure::Internal));
        };
        let (timer, bytes) = if leg == STREAM {
            let opened = self.leg(leg, self.conversation.peer);
            let path = self.module.path.as_deref();
            let asking = Inbox::asking(&query, path, opened.tls.as_ref(), opened.peer.port());
            let Some((inbox, bytes)) = asking else {
                return self.finish(Phase::Request, Err(Failure::Internal));
            };
            self.inbox = Some(inbox);
            (Retransmission::reliable(now, WHOLE_SCHEDULE), bytes)
        } else {
            (Retransmission::dns(now, INTERVAL, ATTEMPTS), query)
        };
        *self.way(leg) =
            Way::Asked(Request::new(leg, Phase::Request, timer, bytes, "the DNS response", now));
    }

    fn arrived(&mut self, arrived: Arrived, now: Moment, stamp: Stamp) {
        let peer = self.conversation.peer;
        match arrived {
            Arrived::Message(message) => self.hear(STREAM, &message, now, stamp),
            Arrived::Status(code) => {
                let reason = Foreign::new("by HTTP");
                self.give_up(STREAM, Failure::Rejected { peer, code, reason });
            }
            Arrived::Broken(rule, what) => {
                self.give_up(STREAM, Failure::Misbehaved { peer, rule, what });
            }
        }
    }

    fn hear(&mut self, leg: LegId, message: &[u8], now: Moment, stamp: Stamp) {
        if self.is_done || !matches!(self.way(leg), Way::Asked(_)) {
            return;
        }
        match self.accept(leg, message) {
            Ok(response) if response.truncated && leg == DATAGRAMS => {
                self.conversation.state(&TRUNCATED, true);
                self.needs_stream = true;
                self.datagrams = Way::Over;
                match self.stream_failure.take() {
                    // It was tried already, because somebody seemed to be guessing.
                    Some((phase, failure)) => self.finish(phase, Err(failure)),
                    None => self.want_stream(),
                }
            }
            Ok(response) => self.learn(leg, &response, now, stamp),
            // Nobody can slip a message into a stream from aside: the peer itself wrote it.
            Err(reason) if leg == STREAM => {
                self.conversation.ignore(reason);
                let peer = self.conversation.peer;
                let failure = Failure::Unusable { peer, messages: 1, transmissions: 1 };
                self.give_up(leg, failure);
            }
            Err(reason) => {
                self.conversation.ignore(reason);
                // Somebody may be guessing: a stream is out of the reach of those who cannot see
                // our packets. A true answer by datagram still counts.
                if reason == Ignored::Mismatch {
                    self.want_stream();
                }
            }
        }
    }

    fn want_stream(&mut self) {
        if matches!(self.stream, Way::Unused) {
            self.stream = Way::Wanted;
        }
    }

    /// Whether this is the answer to our query (RFC 5452 §9.1).
    fn accept(&self, leg: LegId, message: &[u8]) -> Result<Response, Ignored> {
        let response =
            dns::read_response(message, &self.question).map_err(|_| Ignored::Malformed)?;
        if !response.is_answer {
            return Err(Ignored::Unasked);
        }
        // Whoever did not see the query has to guess its spelling, too.
        let is_ours = |it: &Question| {
            let needs_spelling = leg == DATAGRAMS && self.module.has_random_case;
            *it == self.question && (!needs_spelling || it.is_spelled_as(&self.spelled))
        };
        let repeats_ours = matches!(&response.questions[..], [it] if is_ours(it));
        // A server that could not read the query, or would not, need not repeat it.
        let is_bare_error = response.questions.is_empty()
            && response.answers.is_empty()
            && matches!(
                Response::rcode_word(response.rcode),
                "FORMERR" | "SERVFAIL" | "NOTIMP" | "REFUSED"
            );
        if response.id == self.id && (repeats_ours || is_bare_error) {
            Ok(response)
        } else {
            Err(Ignored::Mismatch)
        }
    }

    fn learn(&mut self, leg: LegId, response: &Response, now: Moment, stamp: Stamp) {
        if let Way::Asked(request) = self.way(leg) {
            let round_trip = request.round_trip(now, stamp);
            let (transmissions, took) = (request.transmissions(), now.since(request.began));
            self.conversation.state(&TRANSMISSIONS, transmissions);
            self.conversation.state(&REQUEST, took);
            if let Some((rtt, stamp)) = round_trip {
                self.conversation.state(&RTT, rtt);
                self.conversation.state(&CLOCK, stamp.label());
            }
        }
        if leg == DATAGRAMS {
            self.conversation.state(&TRUNCATED, false);
        }
        answer::state(response, &mut self.conversation);
        let judgement = answer::judge(response, &self.module, self.conversation.peer);
        self.finish(Phase::Request, judgement);
    }

    /// One transport cannot bring the answer; the exchange fails with the last one that could.
    fn give_up(&mut self, leg: LegId, failure: Failure) {
        let phase = match std::mem::replace(self.way(leg), Way::Over) {
            Way::Asked(request) => {
                self.conversation.state(&TRANSMISSIONS, request.transmissions());
                self.conversation.ended(request.phase, request.began);
                request.phase
            }
            Way::Opening(opening) => opening.phase(),
            Way::Unused | Way::Wanted | Way::Over => Phase::Connect,
        };
        let other = if leg == STREAM { &self.datagrams } else { &self.stream };
        let other_goes_on = matches!(other, Way::Wanted | Way::Opening(_) | Way::Asked(_));
        let is_refusal = matches!(failure, Failure::Refused { .. }) && leg == DATAGRAMS;
        if !other_goes_on || is_refusal || (leg == STREAM && self.needs_stream) {
            self.finish(phase, Err(failure));
        } else if leg == STREAM {
            self.stream_failure = Some((phase, failure));
        }
    }

    fn finish(&mut self, phase: Phase, result: Result<(), Failure>) {
        if self.is_done {
            return;
        }
        self.is_done = true;
        for way in [&self.datagrams, &self.stream] {
            if let Way::Asked(request) = way {
                self.conversation.ended(request.phase, request.began);
            }
        }
        let is_handshake = |phase: Phase| matches!(phase, Phase::Connect | Phase::Tls);
        let phases = self.conversation.outcome.phases.iter();
        let handshakes: Vec<_> = phases.filter(|(phase, _)| is_handshake(*phase)).collect();
        if !handshakes.is_empty() {
            let took = handshakes.into_iter().map(|(_, took)| *took).sum();
            self.conversation.state(&CONNECT, took);
        }
        if let Err(failure) = result {
            // What this host could not do says nothing of the nameserver.
            if !self.conversation.has_stated(&QUERY_SUCCEEDED)
                && failure.standing() == Standing::Down
            {
                self.conversation.state(&QUERY_SUCCEEDED, false);
            }
            self.conversation.fail(phase, failure);
        }
    }
}
