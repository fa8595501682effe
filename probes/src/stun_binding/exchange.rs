//! The exchange of `stun-binding`: one Binding, and the burst that may follow.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::burst::{Answered, Burst, Plan};
use super::{
    ALTERNATE_SERVER, BOGUS, CLOCK, ERROR_CODE, LEG, LOCAL_ADDRESS, MAPPED_ADDRESS, NAT,
    OTHER_ADDRESS, RESPONSE_ORIGIN, REWRITTEN, RTT, SOFTWARE, StunModule, TRANSMISSIONS,
};
use crate::chance::Chance;
use crate::conversation::{Conversation, Request, Step};
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Output, Stamp};
use crate::target::Target;
use crate::transaction::{Retransmission, STUN_RTO, STUN_TI};
use crate::way::Opening;
use crate::wire::stun::{self, Class, Frame, Frames, Malformed, Message, Method, TransactionId};

pub(super) struct StunExchange {
    conversation: Conversation,
    chance: Chance,
    transaction: TransactionId,
    /// What a stream brought; `None` over UDP, where a datagram is a message.
    frames: Option<Frames>,
    local: Option<SocketAddr>,
    burst: Option<Plan>,
    state: State,
}

enum State {
    Opening(Opening),
    AwaitingResponse(Request),
    Bursting(Burst),
    Done,
}

impl StunExchange {
    pub(super) fn new(module: &StunModule, target: &Target, mut chance: Chance) -> Self {
        Self {
            transaction: chance.bytes(),
            chance,
            frames: module.way.transport.is_stream().then(Frames::new),
            local: None,
            burst: module.burst,
            state: State::Opening(Opening::new(module.way.leg(LEG, target), Moment::START)),
            conversation: Conversation::new(target.address, module.timeout),
        }
    }
}

impl Exchange for StunExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if let Some(failure) = self.conversation.failure_of(&input) {
            return self.finish(Err(failure));
        }
        match (&mut self.state, input) {
            (State::Opening(opening), input) => {
                if let Some(local) = opening.hear(&input, &mut self.conversation) {
                    self.local = Some(local);
                    self.conversation.state(&LOCAL_ADDRESS, local);
                    self.ask();
                }
            }
            (State::AwaitingResponse(request), Input::Sent { stamp, .. }) => {
                request.sent(now, stamp);
            }
            (State::Bursting(burst), Input::Sent { number, stamp, .. }) => {
                burst.sent(number, now, stamp);
            }
            (State::AwaitingResponse(_), Input::Closed { .. }) => {
                let (peer, awaited) = (self.conversation.peer, "the Binding request");
                self.finish(Err(Failure::Closed { peer, awaited }));
            }
            (_, Input::Received { from, bytes, stamp, .. }) => {
                self.hear(from, bytes, now, stamp);
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Output {
        let Conversation { peer, now, deadline, .. } = self.conversation;
        let step = match &mut self.state {
            State::Opening(opening) => opening.poll(now, deadline),
            State::AwaitingResponse(request) => request.poll(peer, now, deadline),
            State::Bursting(burst) => match burst.poll(peer, now, deadline) {
                Some(output) => Step::Output(output),
                None => return self.end(Ok(())),
            },
            State::Done => return Output::Done(self.conversation.outcome.clone()),
        };
        match step {
            Step::Output(output) => output,
            Step::Over(failure) => {
                // Who began to speak is not silent.
                if self.frames.as_ref().is_some_and(Frames::is_partial) {
                    self.conversation.heard();
                }
                let failure = self.conversation.end_of_wait(failure);
                self.end(Err(failure))
            }
        }
    }
}

impl StunExchange {
    fn ask(&mut self) {
        let now = self.conversation.now;
        self.state = State::AwaitingResponse(Request::new(
            LEG,
            Phase::Request,
            if self.frames.is_some() {
                Retransmission::reliable(now, STUN_TI)
            } else {
                Retransmission::stun(now, STUN_RTO)
            },
            stun::binding_request(&self.transaction),
            "the STUN response",
            now,
        ));
    }

    /// Takes in a datagram, or the next piece of a stream.
    fn hear(&mut self, from: SocketAddr, bytes: &[u8], now: Moment, stamp: Stamp) {
        if from != self.conversation.peer {
            return self.conversation.ignore(Ignored::Stranger);
        }
        let Some(frames) = &mut self.frames else {
            return self.take(bytes, now, stamp);
        };
        frames.push(bytes);
        while let Some(frame) = self.frames.as_mut().and_then(Frames::pop) {
            match frame {
                Ok(Frame::Stun(message)) => self.take(&message, now, stamp),
                Ok(Frame::Channel { .. }) => self.conversation.ignore(Ignored::Unasked),
                Err(_) => {
                    self.conversation.ignore(Ignored::Malformed);
                    self.give_up();
                }
            }
        }
    }

    /// Ends the wait for an answer on a stream that can bring none any more.
    fn give_up(&mut self) {
        let State::AwaitingResponse(request) = &self.state else { return };
        let Conversation { peer, now, .. } = self.conversation;
        let (transmissions, waited) = (request.timer.transmissions(), now.since(request.began));
        let silence = Failure::NoResponse { peer, transmissions, waited };
        let failure = self.conversation.end_of_wait(silence);
        self.finish(Err(failure));
    }

    /// Takes one whole message.
    fn take(&mut self, bytes: &[u8], now: Moment, stamp: Stamp) {
        let message = match accept(bytes) {
            Ok(message) => message,
            Err(reason) => return self.conversation.ignore(reason),
        };
        match &mut self.state {
            State::AwaitingResponse(_) if message.transaction == self.transaction => {
                self.learn(&message, now, stamp);
            }
            State::Bursting(burst) => match burst.answered(&message.transaction, now, stamp) {
                Answered::Now if message.class == Class::Error => self.reject(&message),
                Answered::Now => {}
                Answered::Before => self.conversation.heard(),
                // The answer to a repetition of the first request.
                Answered::Never if message.transaction == self.transaction => {
                    self.conversation.heard();
                }
                Answered::Never => self.conversation.ignore(Ignored::Mismatch),
            },
            State::AwaitingResponse(_) => self.conversation.ignore(Ignored::Mismatch),
            State::Opening(_) | State::Done => {}
        }
    }

    fn learn(&mut self, response: &Message, now: Moment, stamp: Stamp) {
        let State::AwaitingResponse(request) = &self.state else { return };
        let round_trip = request.round_trip(now, stamp);
        if let Some((rtt, stamp)) = round_trip {
            self.conversation.state(&RTT, rtt);
            self.conversation.state(&CLOCK, stamp.label());
        }
        let peer = self.conversation.peer;
        if let Some(software) = &response.software {
            self.conversation.state(&SOFTWARE, Foreign::new(software));
        }
        let is_success = response.class == Class::Success;
        let mapped = response.xor_mapped.or(response.mapped).filter(|_| is_success);
        self.claims(response, mapped);
        if !is_success {
            return self.reject(response);
        }
        if let (Some(clear), Some(xored)) = (response.mapped, response.xor_mapped) {
            self.conversation.state(&REWRITTEN, clear != xored);
        }
        let Some(mapped) = mapped else {
            let rule = "RFC 8489 §6.3.3";
            let what = "a Binding success without XOR-MAPPED-ADDRESS";
            return self.finish(Err(Failure::Misbehaved { peer, rule, what }));
        };
        if let Some(local) = self.local.filter(|_| !is_bogus(mapped, peer)) {
            self.conversation.state(&NAT, mapped != local);
        }
        self.succeed(round_trip.map(|(rtt, _)| rtt));
    }

    /// Notes the addresses that the server tells: claims, that are compared and never spoken to.
    fn claims(&mut self, response: &Message, mapped: Option<SocketAddr>) {
        let peer = self.conversation.peer;
        let claims = [
            (&MAPPED_ADDRESS, mapped),
            (&RESPONSE_ORIGIN, response.response_origin),
            (&OTHER_ADDRESS, response.other_address),
            (&ALTERNATE_SERVER, response.alternate_server),
        ];
        for (key, claim) in claims {
            if let Some(claim) = claim {
                self.conversation.state(key, claim);
            }
        }
        let told: Vec<_> = claims.into_iter().filter_map(|(_, claim)| claim).collect();
        if !told.is_empty() {
            let is_any_bogus = told.into_iter().any(|claim| is_bogus(claim, peer));
            self.conversation.state(&BOGUS, is_any_bogus);
        }
    }

    /// Ends with the server's error.
    fn reject(&mut self, response: &Message) {
        let peer = self.conversation.peer;
        let Some((code, reason)) = response.error.clone() else {
            let rule = "RFC 8489 §6.3.4";
            let what = "an error response without ERROR-CODE";
            return self.finish(Err(Failure::Misbehaved { peer, rule, what }));
        };
        self.conversation.state(&ERROR_CODE, u64::from(code));
        let reason = Foreign::new(reason);
        self.finish(Err(Failure::Rejected { peer, code, reason }));
    }

    /// The first Binding succeeded: goes on to the burst, where one is wanted.
    fn succeed(&mut self, rtt: Option<Duration>) {
        let (Some(plan), State::AwaitingResponse(request)) = (self.burst, &self.state) else {
            return self.finish(Ok(()));
        };
        let first = request.timer.transmissions();
        self.conversation.state(&TRANSMISSIONS, request.transmissions());
        self.conversation.ended(request.phase, request.began);
        let now = self.conversation.now;
        self.state = State::Bursting(Burst::new(plan, &mut self.chance, now, first, rtt));
    }

    fn end(&mut self, result: Result<(), Failure>) -> Output {
        self.finish(result);
        Output::Done(self.conversation.outcome.clone())
    }

    fn finish(&mut self, result: Result<(), Failure>) {
        let phase = match &self.state {
            State::Done => return,
            State::Opening(opening) => opening.phase(),
            State::AwaitingResponse(request) => {
                self.conversation.state(&TRANSMISSIONS, request.transmissions());
                self.conversation.ended(request.phase, request.began);
                request.phase
            }
            State::Bursting(burst) => {
                burst.note(result.is_ok(), &mut self.conversation);
                self.conversation.ended(Phase::Burst, burst.began);
                Phase::Burst
            }
        };
        if let Err(failure) = result {
            self.conversation.fail(phase, failure);
        }
        self.state = State::Done;
    }
}

/// Whether this is an answer to a Binding that can be understood (RFC 8489 §6.3.3, §6.3.4).
fn accept(bytes: &[u8]) -> Result<Message, Ignored> {
    let message = stun::read(bytes).map_err(|malformed| match malformed {
        Malformed::NotStun => Ignored::Malformed,
        Malformed::Fingerprint => Ignored::Unproven,
    })?;
    let is_response = matches!(message.class, Class::Success | Class::Error);
    if !is_response || message.method != Method::Binding {
        return Err(Ignored::Unasked);
    }
    if message.has_unknown_required {
        return Err(Ignored::Malformed);
    }
    Ok(message)
}

/// Whether nobody can be seen from, or reached at, this address: it is no unicast address, an IPv4
/// one in the clothes of IPv6, without a port, or this host's own loopback as seen from elsewhere.
fn is_bogus(claim: SocketAddr, peer: SocketAddr) -> bool {
    let is_no_unicast = match claim.ip() {
        // RFC 1122 §3.2.1.3 (0/8), RFC 1112 §4 (240/4, the broadcast address among it).
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_multicast() || ip.octets()[0] >= 240,
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast() || ip.to_ipv4_mapped().is_some(),
    };
    let is_foreign_loopback = claim.ip().is_loopback() && !peer.ip().is_loopback();
    is_no_unicast || is_foreign_loopback || claim.port() == 0
}
