//! What an allocation makes of what it hears.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::request::{Answer, Ask, Denial};
use super::super::{
    ALLOCATION_MISMATCH, STALE_NONCE, TRY_ALTERNATE, UNAUTHENTICATED, WRONG_CREDENTIALS,
};
use super::{Allocation, Event, Flight, Hold, Origin};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::moment::Moment;
use crate::observation::Ignored;
use crate::probe::{Input, Stamp};
use crate::wire::stun::{self, Class, Frame, Malformed, Message, Method, read_channel_data};

/// When something was heard.
#[derive(Clone, Copy)]
struct Heard {
    at: Moment,
    stamp: Stamp,
    dscp: Option<u8>,
}

impl Allocation {
    /// Takes in an input of its leg; what is not believed is counted in `conversation`.
    pub(crate) fn hear(&mut self, input: &Input<'_>, now: Moment, conversation: &mut Conversation) {
        match *input {
            Input::Sent { leg, stamp, .. } if leg == self.leg => {
                if let Some(flight) = &mut self.flight {
                    flight.request.sent(now, stamp);
                }
            }
            Input::Received { leg, from, bytes, stamp, dscp } if leg == self.leg => {
                let heard = Heard { at: now, stamp, dscp };
                for reason in self.receive(from, bytes, heard) {
                    conversation.ignore(self.ignore(reason));
                }
            }
            Input::Closed { leg } if leg == self.leg => {
                if let Some(flight) = self.flight.take() {
                    let (peer, awaited) = (self.server, flight.ask.awaited());
                    self.conclude(flight, Denial::seen(Failure::Closed { peer, awaited }));
                }
            }
            Input::Connected { .. }
            | Input::Secured { .. }
            | Input::Insecure { .. }
            | Input::Sent { .. }
            | Input::Received { .. }
            | Input::Refused { .. }
            | Input::Closed { .. }
            | Input::Failed { .. }
            | Input::Timeout
            | Input::Cancelled => {}
        }
    }

    /// A datagram, or a piece of a stream; what of it is not believed, and why.
    fn receive(&mut self, from: SocketAddr, bytes: &[u8], heard: Heard) -> Vec<Ignored> {
        if from != self.server {
            return vec![Ignored::Stranger];
        }
        if !self.is_stream {
            let taken = match read_channel_data(bytes) {
                Some((number, data)) => self.hear_channel(number, data.to_vec(), heard),
                None => self.hear_message(bytes, heard),
            };
            return taken.err().into_iter().collect();
        }
        let mut ignored = Vec::new();
        self.frames.push(bytes);
        while let Some(frame) = self.frames.pop() {
            let taken = match frame {
                Ok(Frame::Stun(bytes)) => self.hear_message(&bytes, heard),
                Ok(Frame::Channel { number, data }) => self.hear_channel(number, data, heard),
                Err(_) => {
                    if let Some(flight) = self.flight.take() {
                        let denial = Denial::seen(self.misbehaved(
                            "RFC 8489 §6.2.2",
                            "bytes on its stream that begin no message",
                        ));
                        self.conclude(flight, denial);
                    }
                    Err(Ignored::Malformed)
                }
            };
            ignored.extend(taken.err());
        }
        ignored
    }

    fn hear_channel(&mut self, number: u16, bytes: Vec<u8>, heard: Heard) -> Result<(), Ignored> {
        if self.hold != Hold::Surely {
            return Err(Ignored::Unasked);
        }
        self.hand_over(Origin::Channel(number), bytes, heard);
        Ok(())
    }

    fn hand_over(&mut self, origin: Origin, bytes: Vec<u8>, heard: Heard) {
        let Heard { at, stamp, dscp } = heard;
        self.events.push_back(Event::Data { origin, bytes, at, stamp, dscp });
    }

    /// Whether this is a message for us (RFC 8489 §6.3, §9.2.5), and what it says.
    fn hear_message(&mut self, bytes: &[u8], heard: Heard) -> Result<(), Ignored> {
        let message = stun::read(bytes).map_err(|malformed| match malformed {
            Malformed::NotStun => Ignored::Malformed,
            Malformed::Fingerprint => Ignored::Unproven,
        })?;
        match message.class {
            Class::Request => return Err(Ignored::Unasked),
            Class::Indication => return self.hear_indication(message, heard),
            Class::Success | Class::Error => {}
        }
        let Some(flight) = self.flight.as_ref() else { return Err(Ignored::Unasked) };
        if message.method != flight.ask.method() {
            return Err(Ignored::Unasked);
        }
        if message.transaction != flight.transaction {
            return Err(Ignored::Mismatch);
        }
        if message.has_unknown_required {
            return Err(Ignored::Malformed);
        }
        let code = message.error.as_ref().map(|(code, _)| *code);
        let is_challenge =
            message.class == Class::Error && matches!(code, Some(UNAUTHENTICATED | STALE_NONCE));
        if flight.is_signed && !is_challenge && !self.authentication.proves(bytes) {
            self.hear_unproven(&message);
            return Err(Ignored::Unproven);
        }
        if let Some(flight) = self.flight.take() {
            self.count(&flight);
            self.note(&flight, &message, heard);
            match message.class {
                Class::Success => self.succeed(flight, &message),
                Class::Error | Class::Request | Class::Indication => {
                    self.fail(flight, &message, heard.at);
                }
            }
        }
        Ok(())
    }

    fn hear_indication(&mut self, message: Message, heard: Heard) -> Result<(), Ignored> {
        if message.method != Method::Data || self.hold != Hold::Surely {
            return Err(Ignored::Unasked);
        }
        let (Some(peer), Some(data), false) =
            (message.xor_peer, message.data, message.has_unknown_required)
        else {
            return Err(Ignored::Malformed);
        };
        self.hand_over(Origin::Peer(peer), data, heard);
        Ok(())
    }

    /// A response to a signed request without a right signature is not the answer (RFC 8489
    /// §9.2.5). Over a stream no better one can follow; a datagram may be forged, so the wait
    /// goes on, and an error is remembered for its end.
    fn hear_unproven(&mut self, message: &Message) {
        let denial = if message.class == Class::Error && message.error.is_some() {
            self.rejection(message)
        } else {
            Denial::seen(self.misbehaved("RFC 8489 §9.2.5", "a response without valid integrity"))
        };
        if self.is_stream {
            if let Some(flight) = self.flight.take() {
                self.conclude(flight, denial);
            }
        } else if let Some(flight) = self.flight.as_mut().filter(|_| denial.code.is_some()) {
            flight.unproven.get_or_insert(denial);
        }
    }

    fn note(&mut self, flight: &Flight, message: &Message, heard: Heard) {
        let is_first = self.notes.transmissions == flight.request.transmissions();
        if is_first && let Some(round_trip) = flight.request.round_trip(heard.at, heard.stamp) {
            self.notes.rtt.get_or_insert(round_trip);
        }
        if let Some(software) = &message.software {
            self.notes.software = Some(Foreign::new(software));
        }
        if let Some(realm) = &message.realm {
            self.notes.realm = Some(Foreign::new(realm));
        }
    }

    fn succeed(&mut self, flight: Flight, message: &Message) {
        let Flight { ask, began, is_signed, .. } = flight;
        match ask {
            Ask::Allocate { .. } => {
                self.hold = Hold::Surely;
                self.notes.is_open = !is_signed;
            }
            Ask::Release => self.hold = Hold::Nothing,
            Ask::CreatePermission { .. } | Ask::ChannelBind { .. } | Ask::Refresh => {}
        }
        match Answer::read(ask, message) {
            Ok(answer) => self.events.push_back(Event::Granted { ask, answer, began }),
            Err((rule, what)) => {
                let denial = Denial::seen(self.misbehaved(rule, what));
                self.deny(ask, began, denial);
            }
        }
    }

    fn fail(&mut self, flight: Flight, message: &Message, now: Moment) {
        let Flight { ask, began, is_signed, .. } = flight;
        let Some((code, _)) = &message.error else {
            self.suspect(&flight);
            let denial = Denial::seen(
                self.misbehaved("RFC 8489 §6.3.4", "an error response without ERROR-CODE"),
            );
            return self.deny(ask, began, denial);
        };
        // An earlier transmission may have been granted, and that answer lost; a demand for
        // credentials or for another server shows that it was not.
        let is_settled = *code == TRY_ALTERNATE || (*code == UNAUTHENTICATED && !is_signed);
        if flight.request.transmissions() > 1 && !is_settled {
            self.suspect(&flight);
        }
        let mut rejection = self.rejection(message);
        rejection.is_of_credentials =
            is_signed && matches!(*code, UNAUTHENTICATED | WRONG_CREDENTIALS);
        let is_answered = match *code {
            UNAUTHENTICATED if !self.authentication.has_login() => {
                if message.realm.is_none() || message.nonce.is_none() {
                    let rule = "RFC 8489 §9.2.4";
                    let what = "a challenge without REALM or NONCE";
                    return self.deny(ask, began, Denial::seen(self.misbehaved(rule, what)));
                }
                // Who asks for credentials that we do not have granted us nothing.
                if self.hold != Hold::Surely {
                    self.hold = Hold::Nothing;
                }
                self.asks.clear();
                return self.events.push_back(Event::Barred { began });
            }
            UNAUTHENTICATED if !is_signed => true,
            // A server that could name realm after realm would collect a proof for each.
            UNAUTHENTICATED => {
                let may_move = !flight.is_renewed && !self.has_moved;
                may_move && self.authentication.is_of_another_realm(message)
            }
            STALE_NONCE => {
                let is_renewal = self.authentication.is_of_another_nonce(message)
                    && !self.authentication.is_of_another_realm(message);
                is_signed && !flight.is_renewed && is_renewal
            }
            ALLOCATION_MISMATCH if ask == Ask::Release && self.may_be_overtaken() => {
                let later = now + LOOKS_AGAIN[usize::from(self.looks)];
                self.looks += 1;
                self.flight = Some(self.flight(ask, began, later));
                return;
            }
            ALLOCATION_MISMATCH if ask == Ask::Release => {
                self.hold = Hold::Nothing;
                false
            }
            _ => false,
        };
        if !is_answered {
            return self.deny(ask, began, rejection);
        }
        if let Err(failure) = self.authentication.answer(self.server, message) {
            rejection.failure = failure;
            return self.deny(ask, began, rejection);
        }
        if !is_signed {
            self.events.push_back(Event::Challenged { began });
        }
        let mut again = self.flight(ask, if is_signed { began } else { now }, now);
        again.is_renewed = is_signed;
        self.has_moved |= is_signed && *code == UNAUTHENTICATED;
        self.notes.nonce_renewals += u64::from(*code == STALE_NONCE);
        self.flight = Some(again);
    }

    /// Whether "there is no such allocation" may be said too early: an Allocate that was not
    /// answered can still be on its way, or wait in the server for its key to be looked up, when
    /// the release that was sent after it is answered.
    fn may_be_overtaken(&self) -> bool {
        let is_open = self.hold != Hold::Nothing && self.hold != Hold::Surely;
        is_open && !self.is_stream && usize::from(self.looks) < LOOKS_AGAIN.len()
    }

    /// The end of a request that has no answer.
    fn conclude(&mut self, flight: Flight, denial: Denial) {
        self.count(&flight);
        self.suspect(&flight);
        self.deny(flight.ask, flight.began, denial);
    }

    fn rejection(&self, message: &Message) -> Denial {
        let (code, reason) = message.error.clone().unwrap_or_default();
        let (peer, reason) = (self.server, Foreign::new(reason));
        Denial {
            failure: Failure::Rejected { peer, code, reason },
            code: Some(code),
            alternate: message.alternate_server,
            is_of_credentials: false,
        }
    }

    const fn misbehaved(&self, rule: &'static str, what: &'static str) -> Failure {
        Failure::Misbehaved { peer: self.server, rule, what }
    }
}

/// How long after each answer an allocation is released once more that might have been late.
const LOOKS_AGAIN: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1000)];
