//! The exchange of `dns-query`: datagrams first, a stream where an answer does not fit or somebody
//! seems to be guessing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{
    ANSWER_COUNT, ANSWERS, ATTEMPTS, AUTHENTIC, AUTHORITATIVE, CLOCK, DnsModule, INTERVAL,
    NEGATIVE_TTL, QUESTION, RCODE, RECURSION_AVAILABLE, RTT, SERIAL, TRANSMISSIONS, TRUNCATED, TTL,
    WHOLE_SCHEDULE,
};
use crate::conversation::{Conversation, Request, Step};
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Output, Stamp};
use crate::target::Transport;
use crate::transaction::Retransmission;
use crate::wire::dns::{self, Frames, Response};

const DATAGRAMS: LegId = LegId(0);
const STREAM: LegId = LegId(1);

pub(super) struct DnsExchange {
    conversation: Conversation,
    module: DnsModule,
    id: u16,
    datagrams: Way,
    stream: Way,
    frames: Frames,
    /// Whether only the stream can bring the answer: it was asked for, or the datagram's answer
    /// was truncated.
    needs_stream: bool,
    /// Why the stream failed, where the datagrams went on without it.
    stream_failure: Option<(Phase, Failure)>,
    is_done: bool,
}

impl DnsExchange {
    pub(super) fn new(module: DnsModule, peer: SocketAddr, id: u16) -> Self {
        let mut conversation = Conversation::new(peer, module.timeout);
        conversation.state(&QUESTION, Foreign::new(module.question.to_string()));
        Self {
            conversation,
            needs_stream: module.transport == Transport::Tcp,
            module,
            id,
            datagrams: Way::Unused,
            stream: Way::Unused,
            frames: Frames::default(),
            stream_failure: None,
            is_done: false,
        }
    }
}

/// How far the query has come by one transport.
enum Way {
    Unused,
    Wanted,
    Opening(Moment),
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
            Input::Connected { leg, .. } => self.ask(leg),
            Input::Sent { leg, stamp, .. } => {
                if let Way::Asked(request) = self.way(leg) {
                    request.sent(now, stamp);
                }
            }
            Input::Received { from, .. } if from != self.conversation.peer => {
                self.conversation.ignore(Ignored::Stranger);
            }
            Input::Received { leg: STREAM, bytes, stamp, .. } => {
                self.frames.push(bytes);
                while let Some(message) = self.frames.pop() {
                    self.hear(STREAM, &message, now, stamp);
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
            Input::Secured { .. } | Input::Timeout => {}
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
        let way = self.way(leg);
        match way {
            Way::Unused | Way::Over => None,
            Way::Wanted => {
                *way = Way::Opening(now);
                let transport = if leg == STREAM { Transport::Tcp } else { Transport::Udp };
                Some(Output::Open(Leg::new(leg, transport, peer)))
            }
            Way::Opening(began) if now >= deadline => {
                let waited = now.since(*began);
                let awaited = "the connection";
                self.give_up(leg, Failure::Deadline { peer, awaited, transmissions: 0, waited });
                None
            }
            Way::Opening(_) => Some(Output::Wait { until: deadline, reason: "the connection" }),
            Way::Asked(request) => match request.poll(peer, now, deadline) {
                Step::Output(output) => Some(output),
                Step::Over(failure) => {
                    let failure = self.conversation.end_of_wait(failure);
                    self.give_up(leg, failure);
                    None
                }
            },
        }
    }

    fn ask(&mut self, leg: LegId) {
        let now = self.conversation.now;
        let Way::Opening(began) = *self.way(leg) else { return };
        let Ok(query) = dns::query(self.id, &self.module.question, self.module.recursion) else {
            return self.finish(Phase::Request, Err(Failure::Internal));
        };
        let (timer, bytes) = if leg == STREAM {
            self.conversation.ended(Phase::Connect, began);
            (Retransmission::reliable(now, WHOLE_SCHEDULE), dns::framed(&query))
        } else {
            (Retransmission::dns(now, INTERVAL, ATTEMPTS), query)
        };
        *self.way(leg) =
            Way::Asked(Request::new(leg, Phase::Request, timer, bytes, "the DNS response", now));
    }

    fn hear(&mut self, leg: LegId, message: &[u8], now: Moment, stamp: Stamp) {
        if self.is_done || !matches!(self.way(leg), Way::Asked(_)) {
            return;
        }
        match self.accept(message) {
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
    fn accept(&self, message: &[u8]) -> Result<Response, Ignored> {
        let response =
            dns::read_response(message, &self.module.question).map_err(|_| Ignored::Malformed)?;
        if !response.is_answer {
            return Err(Ignored::Unasked);
        }
        let repeats_ours = response.questions == [self.module.question.clone()];
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
            let transmissions = request.transmissions();
            self.conversation.state(&TRANSMISSIONS, transmissions);
            if let Some((rtt, stamp)) = round_trip {
                self.conversation.state(&RTT, rtt);
                self.conversation.state(&CLOCK, stamp.label());
            }
        }
        let seconds = |count: u32| Duration::from_secs(count.into());
        let conversation = &mut self.conversation;
        conversation.state(&RCODE, Response::rcode_word(response.rcode));
        conversation.state(&AUTHORITATIVE, response.authoritative);
        conversation.state(&RECURSION_AVAILABLE, response.recursion_available);
        conversation.state(&AUTHENTIC, response.authentic);
        if leg == DATAGRAMS {
            conversation.state(&TRUNCATED, false);
        }
        if let Some(ttl) = response.answers.iter().map(|record| record.ttl).min() {
            conversation.state(&TTL, seconds(ttl));
        }
        if let Some(soa) = response.soa {
            conversation.state(&SERIAL, soa.serial.into());
            if !response.has_asked_type() {
                conversation.state(&NEGATIVE_TTL, seconds(soa.negative_ttl));
            }
        }
        let count = response.answers.iter().filter(|record| record.is_of_asked_type).count();
        conversation.state(&ANSWER_COUNT, count as u64);
        let answers = response.answers.iter().take(SHOWN).map(|record| Foreign::new(&record.text));
        conversation.state(&ANSWERS, answers.collect());
        let judgement = self.judge(response);
        self.finish(Phase::Request, judgement);
    }

    fn judge(&self, response: &Response) -> Result<(), Failure> {
        let peer = self.conversation.peer;
        if response.rcode != 0 {
            let reason = Foreign::new(Response::rcode_word(response.rcode));
            return Err(Failure::Rejected { peer, code: response.rcode, reason });
        }
        let unexpected = |found: String, expected: String| {
            Err(Failure::UnexpectedAnswer { peer, found: Foreign::new(found), expected })
        };
        if !response.has_asked_type() {
            let found = match response.answers.last() {
                // Who does not resolve for others may know the alias and not where it leads.
                Some(_) if !self.module.recursion && self.module.expect.is_empty() => {
                    return Ok(());
                }
                Some(alias) => format!("the alias {} alone", alias.text),
                None if response.soa.is_some() => "no data".to_owned(),
                None => "a referral, or nothing".to_owned(),
            };
            return unexpected(found, format!("an answer to {}", self.module.question));
        }
        let expect = &self.module.expect;
        let found: Vec<IpAddr> = response.answers.iter().filter_map(|it| it.address).collect();
        if !expect.is_empty() && !found.iter().all(|address| expect.contains(address)) {
            return unexpected(listed(&found), listed(expect));
        }
        Ok(())
    }

    /// One transport cannot bring the answer; the exchange fails with the last one that could.
    fn give_up(&mut self, leg: LegId, failure: Failure) {
        let phase = match std::mem::replace(self.way(leg), Way::Over) {
            Way::Asked(request) => {
                self.conversation.state(&TRANSMISSIONS, request.transmissions());
                self.conversation.ended(request.phase, request.began);
                request.phase
            }
            Way::Unused | Way::Wanted | Way::Opening(_) | Way::Over => Phase::Connect,
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
        if let Err(failure) = result {
            self.conversation.fail(phase, failure);
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    if texts.is_empty() { "no address".to_owned() } else { texts.join(", ") }
}

/// How many records an observation keeps.
const SHOWN: usize = 32;
