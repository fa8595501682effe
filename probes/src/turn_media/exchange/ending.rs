//! How a media exchange ends: what is held is given back, whatever happened.

use std::time::Duration;

use super::{LAST_LEG, MediaExchange, RELEASE, State};
use crate::failure::Failure;
use crate::leg::LegId;
use crate::observation::Phase;
use crate::probe::{Input, Output};
use crate::relay::FREED;
use crate::way::Opening;

/// When called off, the release may take no longer.
const HASTY_RELEASE: Duration = Duration::from_secs(5);

impl MediaExchange {
    /// Asks for the release of what the server may hold.
    pub(super) fn release(&mut self) {
        let now = self.conversation.now;
        for side in &mut self.sides {
            self.was_likely_held |= side.allocation.is_likely_to_hold();
            if side.allocation.may_hold() && !side.is_lost {
                side.allocation.release();
            } else {
                side.allocation.abandon();
            }
        }
        let end = self.conversation.deadline.min(now + RELEASE);
        self.state = State::Releasing { since: now, end };
    }

    /// Whatever could be given back is.
    pub(super) fn released(&mut self) {
        let State::Releasing { since, .. } = self.state else { return };
        let has_held = self.conversation.now > since;
        if has_held {
            self.conversation.ended(Phase::Release, since);
        }
        if self.module.way.transport.is_stream() {
            // A stream ends with the exchange, and what it held ends with the stream.
            self.sides.iter_mut().for_each(|side| side.allocation.closed());
        }
        let is_left = self.sides.iter().any(|side| side.allocation.is_likely_to_hold());
        if self.was_likely_held {
            self.conversation.state(&FREED, !is_left);
        }
        self.conversation.outcome.left_behind = is_left;
        self.state = State::Done;
        if self.is_loop_refused && self.conversation.outcome.failure.is_none() {
            self.outputs.extend(self.sides.iter().map(|side| Output::Close(side.leg)));
            let leg = self.module.way.leg(LAST_LEG, &self.target).marked(self.module.dscp);
            self.state = State::Reopening(Opening::new(leg, self.conversation.now));
        }
    }

    /// An input that is a failure by itself.
    pub(super) fn break_off(&mut self, input: &Input<'_>, failure: Failure) {
        if matches!(failure, Failure::Cancelled) {
            let soon = self.conversation.now + HASTY_RELEASE;
            self.conversation.deadline = self.conversation.deadline.min(soon);
            if let State::Releasing { end, .. } = &mut self.state {
                *end = soon.min(*end);
                if self.is_loop_refused {
                    self.conversation.fail(Phase::Release, Failure::Cancelled);
                }
            }
        }
        let phase = self.phase();
        let is_releasing = matches!(self.state, State::Releasing { .. });
        if let Input::Refused { leg, .. } | Input::Failed { leg, .. } | Input::Insecure { leg, .. } =
            *input
            && let Some(side) = self.sides.iter_mut().find(|side| side.leg == leg)
        {
            // A request that left before may have been heard, and its answer lost.
            side.is_lost |= is_releasing || !side.allocation.may_have_been_heard();
            if is_releasing {
                side.allocation.abandon();
            }
        }
        if !is_releasing {
            self.stop(phase, failure);
        }
    }

    /// The server closed the connection of a leg, and with it forgot what it held.
    pub(super) fn closed(&mut self, leg: LegId) {
        let phase = self.phase();
        if let Some(side) = self.sides.iter_mut().find(|side| side.leg == leg) {
            side.allocation.closed();
        }
        if !matches!(self.state, State::Releasing { .. } | State::Done) {
            let peer = self.target.address;
            self.stop(phase, Failure::Closed { peer, awaited: "the end of the stream" });
        }
    }
}
