//! What the other side says: which message is the answer to the request in flight, and which is not.

use std::net::SocketAddr;

use super::{Agent, Event, State, secrets};
use crate::conversation::Conversation;
use crate::moment::Moment;
use crate::observation::Ignored;
use crate::probe::Stamp;
use crate::sip::facts::{CLOCK, RTT};
use crate::sip::mirror;
use crate::wire::sip::{Frames, Malformed, Response};

impl Agent {
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        now: Moment,
        stamp: Stamp,
        conversation: &mut Conversation,
    ) {
        if from != conversation.peer {
            return conversation.ignore(Ignored::Stranger);
        }
        if self.frames.is_none() {
            return self.take(bytes, now, stamp, conversation);
        }
        if let Some(frames) = &mut self.frames {
            frames.push(bytes);
        }
        while let Some(frame) = self.frames.as_mut().and_then(Frames::pop) {
            match frame {
                Ok(message) => self.take(&message, now, stamp, conversation),
                // Who cannot be read is not listened to any longer: whatever follows may be
                // somebody else's message.
                Err(_) => {
                    conversation.ignore(Ignored::Malformed);
                    self.give_up(conversation);
                }
            }
        }
    }

    /// Takes one whole message.
    fn take(&mut self, bytes: &[u8], now: Moment, stamp: Stamp, conversation: &mut Conversation) {
        let response = match self.accept(&secrets::hidden(bytes, &self.secrets)) {
            Ok(response) => response,
            Err(reason) => return conversation.ignore(reason),
        };
        let State::Asking(flight) = &mut self.state else { return };
        if response.code < 200 {
            flight.provisional += 1;
            conversation.heard();
            self.echo.compare(&flight.sent, &response, self.mapped);
            if flight.provisional > MOST_PROVISIONAL {
                conversation.ignore(Ignored::Unasked);
            } else {
                flight.request.timer.proceed();
            }
            return;
        }
        if !self.has_asked
            && let Some((rtt, stamp)) = flight.request.round_trip(now, stamp)
        {
            conversation.state(&RTT, rtt);
            conversation.state(&CLOCK, stamp.label());
        }
        self.has_asked = true;
        let is_mirrored = response.first("content-type") == Some(MIRROR.as_bytes());
        if self.is_mirror
            && is_mirrored
            && let Some(received) = mirror::decode(&response.body)
        {
            // It tells all that a comparison would.
            self.has_mirrored = true;
            self.echo.mirror(&flight.bytes, &received);
        } else {
            self.echo.compare(&flight.sent, &response, self.mapped);
        }
        conversation.ended(flight.request.phase, flight.request.began);
        self.drop_request();
        self.events.push_back(Event::Answered(Box::new(response)));
    }

    /// Whether this is the answer to the request in flight (RFC 3261 §17.1.3, §8.1.3.3).
    fn accept(&mut self, bytes: &[u8]) -> Result<Response, Ignored> {
        let State::Asking(flight) = &self.state else { return Err(Ignored::Unasked) };
        let response = Response::read(bytes).map_err(|malformed| match malformed {
            Malformed::Request => Ignored::Unasked,
            Malformed::NotAResponse
            | Malformed::TooLarge
            | Malformed::BrokenHeader
            | Malformed::WrongLength => Ignored::Malformed,
        })?;
        let sent = &flight.sent;
        let vias = response.vias();
        let is_call = response.first("call-id") == Some(sent.call_id.as_bytes());
        let is_sequence = response.sequence() == Some((self.sequence, flight.method.as_bytes()));
        let is_tag = response.from_tag().as_deref() == Some(sent.from_tag.as_bytes());
        let is_branch =
            vias.len() == 1 && vias[0].branch.as_deref() == Some(sent.branch.as_bytes());
        if is_call && is_sequence && is_tag && is_branch {
            return Ok(response);
        }
        // Nobody who did not see the request knows three of these: it is an answer that was
        // tampered with, and no answer for that.
        let known = [is_call, is_sequence, is_tag, is_branch];
        let is_tampered = known.iter().filter(|is_it| **is_it).count() == known.len() - 1
            && is_sequence
            && (is_call || is_branch);
        if is_tampered {
            self.echo.compare(sent, &response, None);
        }
        Err(Ignored::Mismatch)
    }
}

/// A server may say "trying" now and then; more is noise.
const MOST_PROVISIONAL: u32 = 32;
/// What a mirror calls the body in which it gives back what it received.
const MIRROR: &str = "application/vnd.branchline.mirror";
