//! The exchange of `turn-media`: two allocations, one stream from the one to the other, and both
//! freed on every path.

mod ending;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bindings::{self, Bindings};
use super::facts::{
    CARRIER, DIRECTION, DSCP_SENT, RELAY_LOOP_REFUSED, RELAYED_ADDRESS, RELAYED_ADDRESS_RECEIVING,
};
use super::notes;
use super::side::Side;
use super::stream::{Due, Stream};
use super::{MediaModule, packets_in};
use crate::chance::Chance;
use crate::conversation::{Conversation, Step};
use crate::failure::Failure;
use crate::leg::LegId;
use crate::media::rtp::{FRAME, Voice};
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Intent, Output, Stamp};
use crate::relay::{self, Allocation, Answer, Ask, Denial, Event, Origin};
use crate::target::Target;
use crate::way::Opening;

/// The side that sends, and the one that receives.
const SENDER: usize = 0;
const RECEIVER: usize = 1;
/// The leg of the Binding requests.
const LAST_LEG: LegId = LegId(2);
/// The first channel of those that there are (RFC 8656 §12): each side needs one.
const CHANNEL: u16 = 0x4000;
/// A permission and a channel for each side.
const PERMITS: u8 = 4;
/// The time that is kept back for the release, at most; a fifth of a short timeout.
const RELEASE: Duration = Duration::from_secs(8);
/// What is shorter says too little.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long Binding requests stand in for voice, at most.
const LONGEST_BINDINGS: Duration = Duration::from_secs(5);

pub(super) struct MediaExchange {
    module: Arc<MediaModule>,
    target: Target,
    conversation: Conversation,
    chance: Chance,
    sides: [Side; 2],
    outputs: VecDeque<Output>,
    is_loop_refused: bool,
    /// What was not taken before the first packet left.
    ignored_before: u64,
    /// Whether there was something to free.
    was_likely_held: bool,
    state: State,
}

enum State {
    /// A side's leg comes up.
    Opening {
        side: usize,
        opening: Opening,
    },
    /// A side asks for its relayed address.
    Allocating,
    /// Both sides ask the relay to let the other one through.
    Permitting {
        since: Moment,
        missing: u8,
    },
    /// Voice is on its way.
    Streaming {
        voice: Voice,
        stream: Stream,
    },
    /// Both sides give back what they hold.
    Releasing {
        since: Moment,
        end: Moment,
    },
    /// The relay refused the loop, and a leg for Binding requests comes up.
    Reopening(Opening),
    /// Binding requests are on their way.
    Asking {
        bindings: Box<Bindings>,
        began: Moment,
    },
    Done,
}

impl MediaExchange {
    pub(super) fn new(module: Arc<MediaModule>, target: &Target, mut chance: Chance) -> Self {
        let is_stream = module.way.transport.is_stream();
        let login = module.credentials.login(target.started);
        let mut side = |leg| {
            let chance = Chance::from_seed(chance.bytes());
            let login = Some(login.clone());
            Side::new(leg, Allocation::new(leg, target.address, is_stream, login, chance))
        };
        let sides = [side(LegId(0)), side(LegId(1))];
        let leg = module.way.leg(LegId(0), target).marked(module.dscp);
        Self {
            conversation: Conversation::new(target.address, module.timeout),
            state: State::Opening { side: SENDER, opening: Opening::new(leg, Moment::START) },
            target: target.clone(),
            outputs: VecDeque::new(),
            is_loop_refused: false,
            ignored_before: 0,
            was_likely_held: false,
            module,
            chance,
            sides,
        }
    }
}

impl Exchange for MediaExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        for side in &mut self.sides {
            side.allocation.hear(&input, now, &mut self.conversation);
        }
        if let Some(failure) = self.conversation.failure_of(&input) {
            return self.break_off(&input, failure);
        }
        match &mut self.state {
            State::Opening { opening, .. } | State::Reopening(opening) => {
                if let Some(local) = opening.hear(&input, &mut self.conversation) {
                    self.opened(local);
                }
            }
            State::Streaming { stream, .. } => {
                if let Input::Sent { leg, number, stamp } = input
                    && leg == self.sides[SENDER].leg
                    && !self.module.way.transport.is_stream()
                {
                    stream.left(number, now, stamp);
                }
            }
            State::Asking { bindings, .. } => {
                bindings.hear(&input, now, &mut self.conversation);
            }
            State::Allocating
            | State::Permitting { .. }
            | State::Releasing { .. }
            | State::Done => {}
        }
        self.take_events();
        if let Input::Closed { leg } = input {
            self.closed(leg);
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            if let Some(output) = self.step() {
                return output;
            }
        }
    }
}

impl MediaExchange {
    /// What the state wants; `None` where it has changed.
    fn step(&mut self) -> Option<Output> {
        let Conversation { now, deadline, .. } = self.conversation;
        let end_of_work = self.end_of_work();
        match &mut self.state {
            State::Done => Some(Output::Done(self.conversation.outcome.clone())),
            State::Opening { side, opening } => {
                // Before the first leg there is nothing to release.
                let limit = if *side == SENDER { deadline } else { end_of_work };
                match opening.poll(now, limit) {
                    Step::Output(output) => Some(output),
                    Step::Over(failure) => {
                        let phase = opening.phase();
                        self.stop(phase, failure);
                        None
                    }
                }
            }
            State::Reopening(opening) => match opening.poll(now, deadline) {
                Step::Output(output) => Some(output),
                Step::Over(failure) => {
                    let phase = opening.phase();
                    self.stop(phase, failure);
                    None
                }
            },
            State::Allocating | State::Permitting { .. } => self.converse(end_of_work),
            State::Streaming { voice, stream } => match stream.due(now) {
                Due::Wait(until) => Some(Output::Wait { until, reason: "the next packet" }),
                Due::Packet(packet) => {
                    let side = &mut self.sides[SENDER];
                    stream.leaves(packet, side.transmit(), now);
                    let bytes = side.allocation.channel_data(CHANNEL, &voice.packet(packet));
                    Some(Output::Transmit { leg: side.leg, to: self.target.address, bytes })
                }
                Due::Over => {
                    self.end_stream();
                    None
                }
            },
            State::Releasing { end, .. } => {
                let end = *end;
                if self.sides.iter().all(|side| side.allocation.pending().is_none()) {
                    self.released();
                    return None;
                }
                self.converse(end)
            }
            State::Asking { bindings, .. } => {
                let output = bindings.poll(now);
                if output.is_none() {
                    self.end_bindings();
                }
                output
            }
        }
    }

    /// What the requests of either side want; `None` where something came of one.
    fn converse(&mut self, deadline: Moment) -> Option<Output> {
        let now = self.conversation.now;
        let mut first: Option<(Moment, &'static str)> = None;
        for index in 0..self.sides.len() {
            match self.sides[index].poll(now, deadline) {
                Some(Output::Wait { until, reason }) => {
                    let is_earlier = first.is_none_or(|(earliest, _)| until < earliest);
                    first = if is_earlier { Some((until, reason)) } else { first };
                }
                Some(output) => return Some(output),
                None if self.take_events() => return None,
                None => {}
            }
        }
        if let Some((until, reason)) = first {
            return Some(Output::Wait { until, reason });
        }
        // Nothing is asked and nothing came of it.
        self.stop(Phase::Request, Failure::Internal);
        None
    }

    /// Learns of everything that came of something; whether anything did.
    fn take_events(&mut self) -> bool {
        let mut has_any = false;
        for index in 0..self.sides.len() {
            while let Some(event) = self.sides[index].allocation.next_event() {
                has_any = true;
                self.learn(index, event);
            }
        }
        has_any
    }

    fn learn(&mut self, index: usize, event: Event) {
        match event {
            Event::Challenged { began } => self.conversation.ended(Phase::Challenge, began),
            // There are always credentials.
            Event::Barred { .. } => self.stop(Phase::Challenge, Failure::Internal),
            Event::Granted { ask, answer, began } => match ask {
                Ask::Allocate { .. } => {
                    self.conversation.ended(Phase::Allocate, began);
                    self.allocated(index, answer);
                }
                Ask::CreatePermission { .. } | Ask::ChannelBind { .. } => self.permitted(),
                Ask::Refresh | Ask::Release => {}
            },
            Event::Denied { ask, denial, .. } => self.denied(ask, denial),
            Event::Data { origin, bytes, at, stamp, dscp } => {
                if let Err(reason) = self.came(index, origin, &bytes, (at, stamp), dscp) {
                    self.conversation.ignore(reason);
                }
            }
        }
    }

    /// A leg is open, and speaks from `local`.
    fn opened(&mut self, local: SocketAddr) {
        match std::mem::replace(&mut self.state, State::Allocating) {
            State::Opening { side, .. } => {
                let side = &mut self.sides[side];
                let peer = self.target.address;
                if !self.module.way.transport.is_stream() {
                    let intent = Intent { leg: side.leg, local, peer, mark: None };
                    self.outputs.push_back(Output::Intend(intent));
                }
                side.allocation.ask(Ask::Allocate { family: self.module.family });
            }
            State::Reopening(_) => self.ask_bindings(),
            state @ (State::Allocating
            | State::Permitting { .. }
            | State::Streaming { .. }
            | State::Releasing { .. }
            | State::Asking { .. }
            | State::Done) => self.state = state,
        }
    }

    fn allocated(&mut self, index: usize, answer: Answer) {
        self.sides[index].relayed = answer.relayed;
        if index == SENDER {
            let leg = self.module.way.leg(self.sides[RECEIVER].leg, &self.target);
            let opening = Opening::new(leg, self.conversation.now);
            self.state = State::Opening { side: RECEIVER, opening };
            return;
        }
        let (Some(sending), Some(receiving)) =
            (self.sides[SENDER].relayed, self.sides[RECEIVER].relayed)
        else {
            return self.stop(Phase::Allocate, Failure::Internal);
        };
        self.conversation.state(&RELAYED_ADDRESS, sending);
        self.conversation.state(&RELAYED_ADDRESS_RECEIVING, receiving);
        for (side, peer) in self.sides.iter_mut().zip([receiving, sending]) {
            side.allocation.ask(Ask::CreatePermission { peer });
            side.allocation.ask(Ask::ChannelBind { peer, number: CHANNEL });
        }
        self.state = State::Permitting { since: self.conversation.now, missing: PERMITS };
    }

    fn permitted(&mut self) {
        let State::Permitting { since, missing } = &mut self.state else { return };
        *missing -= 1;
        if *missing == 0 {
            let since = *since;
            self.conversation.ended(Phase::Permission, since);
            self.conversation.state(&RELAY_LOOP_REFUSED, false);
            self.begin_stream();
        }
    }

    /// The server did not do what a side asked.
    fn denied(&mut self, ask: Ask, denial: Denial) {
        if ask == Ask::Release {
            return;
        }
        if let Some(code) = denial.code {
            self.conversation.state(&relay::ERROR_CODE, u64::from(code));
            self.conversation.state(&relay::ERROR_CAUSE, relay::cause(code));
        }
        if ask.phase() == Phase::Permission && denial.code == Some(relay::FORBIDDEN) {
            self.conversation.state(&RELAY_LOOP_REFUSED, true);
            self.is_loop_refused = true;
            return self.release();
        }
        self.conversation.outcome.back_off |= denial.is_of_credentials;
        self.stop(ask.phase(), denial.failure);
    }

    /// As much voice as was asked for, or as the timeout leaves room for.
    fn begin_stream(&mut self) {
        let now = self.conversation.now;
        let drain = self.module.drain();
        let room = self.end_of_work().since(now).saturating_sub(drain);
        let duration = self.module.duration.min(room);
        if duration < SHORTEST.min(self.module.duration) {
            let (peer, awaited) = (self.target.address, "a second of voice");
            let waited = now.since(Moment::START);
            let failure = Failure::Deadline { peer, awaited, transmissions: 0, waited };
            return self.stop(Phase::Media, failure);
        }
        self.ignored_before = self.ignored();
        self.conversation.state(&DIRECTION, "loop");
        self.conversation.state(&CARRIER, self.module.way.transport.label());
        self.conversation.state(&DSCP_SENT, u64::from(self.module.dscp));
        let voice = Voice::draw(self.module.payload_type, &mut self.chance);
        let stream = Stream::new(packets_in(duration), self.module.jitter_buffer, drain, now);
        self.state = State::Streaming { voice, stream };
    }

    /// Something came through the relay.
    fn came(
        &mut self,
        index: usize,
        origin: Origin,
        bytes: &[u8],
        (at, stamp): (Moment, Stamp),
        dscp: Option<u8>,
    ) -> Result<(), Ignored> {
        let State::Streaming { voice, stream } = &mut self.state else {
            return Err(Ignored::Unasked);
        };
        let is_from_sender = match origin {
            Origin::Channel(number) => number == CHANNEL,
            Origin::Peer(peer) => Some(peer) == self.sides[SENDER].relayed,
        };
        if index != RECEIVER || !is_from_sender {
            return Err(Ignored::Stranger);
        }
        let packet = voice.index_of(bytes).ok_or(Ignored::Unproven)?;
        if !stream.has_sent(packet) {
            return Err(Ignored::Mismatch);
        }
        stream.came(packet, at, stamp, dscp);
        Ok(())
    }

    /// Every packet was sent, and those under way have had their time.
    fn end_stream(&mut self) {
        let State::Streaming { stream, .. } = &self.state else { return };
        let transmissions = stream.sent();
        let waited = self.conversation.now.since(stream.start());
        if !stream.has_arrivals() {
            let failure = self.nothing_came(transmissions, waited);
            self.conversation.fail(Phase::Media, failure);
        }
        notes::state(stream, self.module.jitter_buffer, &mut self.conversation);
        self.conversation.ended(Phase::Media, stream.start());
        self.release();
    }

    /// Ends the work at hand for this failure, and gives back what is held.
    fn stop(&mut self, phase: Phase, failure: Failure) {
        self.conversation.fail(phase, failure);
        match std::mem::replace(&mut self.state, State::Done) {
            State::Streaming { stream, .. } => {
                notes::state_beginning(&stream, &mut self.conversation);
                self.conversation.ended(Phase::Media, stream.start());
                self.release();
            }
            State::Opening { .. } | State::Allocating | State::Permitting { .. } => self.release(),
            State::Asking { began, .. } => self.conversation.ended(Phase::Burst, began),
            state @ State::Releasing { .. } => self.state = state,
            State::Reopening(_) | State::Done => {}
        }
    }

    /// As many Binding requests as the timeout leaves room for.
    fn ask_bindings(&mut self) {
        let Conversation { now, deadline, .. } = self.conversation;
        let room = deadline.since(now).saturating_sub(bindings::PATIENCE);
        let duration = self.module.duration.min(LONGEST_BINDINGS).min(room);
        if duration < FRAME {
            self.state = State::Done;
            return;
        }
        self.ignored_before = self.ignored();
        self.conversation.state(&DIRECTION, "binding");
        self.conversation.state(&CARRIER, self.module.way.transport.label());
        let bindings = Bindings::new(
            LAST_LEG,
            self.target.address,
            packets_in(duration),
            self.module.way.transport.is_stream(),
            now,
            Chance::from_seed(self.chance.bytes()),
        );
        self.state = State::Asking { bindings: Box::new(bindings), began: now };
    }

    fn end_bindings(&mut self) {
        let State::Asking { bindings, began } = std::mem::replace(&mut self.state, State::Done)
        else {
            return;
        };
        let stream = bindings.stream();
        notes::state_bindings(stream, &mut self.conversation);
        self.conversation.ended(Phase::Burst, began);
        if !stream.has_arrivals() {
            let waited = self.conversation.now.since(began);
            let failure = self.nothing_came(stream.sent(), waited);
            self.conversation.fail(Phase::Burst, failure);
        }
    }

    /// What it means that none of so many packets came: silence only where nothing else did since
    /// the first of them left.
    fn nothing_came(&self, transmissions: u32, waited: Duration) -> Failure {
        let peer = self.target.address;
        match self.ignored() - self.ignored_before {
            0 => Failure::NoResponse { peer, transmissions, waited },
            messages => Failure::Unusable { peer, messages, transmissions },
        }
    }

    /// How much the server said that was not taken.
    fn ignored(&self) -> u64 {
        let reasons = self.conversation.outcome.ignored.iter();
        reasons.filter(|(reason, _)| **reason != Ignored::Stranger).map(|(_, count)| count).sum()
    }

    /// Where the exchange is.
    fn phase(&self) -> Phase {
        match &self.state {
            State::Opening { opening, .. } | State::Reopening(opening) => opening.phase(),
            State::Allocating => Phase::Allocate,
            State::Permitting { .. } => Phase::Permission,
            State::Streaming { .. } => Phase::Media,
            State::Asking { .. } => Phase::Burst,
            State::Releasing { .. } | State::Done => Phase::Release,
        }
    }

    fn end_of_work(&self) -> Moment {
        end_of_work(self.module.timeout)
    }
}

/// When the release has to begin.
pub(super) fn end_of_work(timeout: Duration) -> Moment {
    Moment::after(timeout - RELEASE.min(timeout / 5))
}
