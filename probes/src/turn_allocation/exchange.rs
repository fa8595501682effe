//! The exchange of `turn-allocation`: allocate, let an echo through, and free it on every path.

mod notes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::echo::{By, CHANNEL, Echo};
use super::{ALTERNATE_SERVER, CHANNEL_ECHO, ECHO_RTT, LOOP_REFUSED, MODE, SEND_ECHO, TurnModule};
use crate::chance::Chance;
use crate::conversation::{Conversation, Step};
use crate::failure::Failure;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Intent, Output, Stamp};
use crate::relay::{self, Allocation, Answer, Ask, Denial, Event, Login, Origin};
use crate::target::Target;
use crate::way::Opening;

const LEG: LegId = LegId(0);
const ALTERNATE_LEG: LegId = LegId(1);
/// The time that is kept back for the release, at most; a fifth of a short timeout.
const RELEASE: Duration = Duration::from_secs(8);
/// When called off, the release may take no longer.
const HASTY_RELEASE: Duration = Duration::from_secs(5);

pub(super) struct TurnExchange {
    module: Arc<TurnModule>,
    conversation: Conversation,
    chance: Chance,
    login: Option<Login>,
    leg: Leg,
    allocation: Allocation,
    relayed: Option<SocketAddr>,
    /// What was sent to a server that sent us on.
    earlier_transmissions: u64,
    /// Whether there was something to free.
    was_likely_held: bool,
    state: State,
}

enum State {
    Opening(Opening),
    /// The socket is open; what follows is to be remembered.
    Intending(SocketAddr),
    /// A request is in flight.
    Asking,
    Echoing(Echo),
    /// The release is in flight.
    Releasing,
    /// The server sent us on, and its leg is to be closed.
    Moving,
    Done,
}

impl TurnExchange {
    pub(super) fn new(module: Arc<TurnModule>, target: &Target, mut chance: Chance) -> Self {
        let credentials = module.credentials.as_ref();
        let login = credentials.map(|it| it.login(target.started));
        let leg = module.way.leg(LEG, target);
        Self {
            conversation: Conversation::new(target.address, module.timeout),
            allocation: allocation(&leg, login.clone(), &mut chance),
            module,
            chance,
            login,
            state: State::Opening(Opening::new(leg.clone(), Moment::START)),
            leg,
            relayed: None,
            earlier_transmissions: 0,
            was_likely_held: false,
        }
    }
}

fn allocation(leg: &Leg, login: Option<Login>, chance: &mut Chance) -> Allocation {
    let chance = Chance::from_seed(chance.bytes());
    Allocation::new(leg.id, leg.peer, leg.transport.is_stream(), login, chance)
}

impl Exchange for TurnExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if leg_of(&input).is_some_and(|leg| leg != self.leg.id) {
            return;
        }
        match (&mut self.state, input) {
            (State::Done, _) => {}
            (_, Input::Cancelled) => self.call_off(),
            (_, Input::Refused { .. } | Input::Failed { .. } | Input::Insecure { .. }) => {
                let Some(failure) = self.conversation.failure_of(&input) else { return };
                self.break_off(failure);
            }
            (State::Opening(opening), input) => {
                if let Some(local) = opening.hear(&input, &mut self.conversation) {
                    self.state = State::Intending(local);
                } else if matches!(input, Input::Closed { .. }) {
                    self.lose("the TLS handshake");
                }
            }
            (State::Echoing(_), Input::Closed { .. }) => self.lose("the echo through the relay"),
            (state, input) => {
                if let (State::Echoing(echo), Input::Sent { stamp, .. }) = (state, input) {
                    echo.request.sent(now, stamp);
                }
                self.allocation.hear(&input, now, &mut self.conversation);
                self.take_events();
            }
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            let Conversation { peer, now, deadline, .. } = self.conversation;
            let soon = deadline.min(self.main_deadline());
            let step = match &mut self.state {
                State::Opening(opening) => opening.poll(now, deadline),
                State::Intending(local) => {
                    let (leg, local) = (self.leg.id, *local);
                    self.allocation.ask(Ask::Allocate { family: self.module.family });
                    self.state = State::Asking;
                    if self.leg.transport.is_stream() {
                        continue;
                    }
                    return Output::Intend(Intent { leg, local, peer, mark: None });
                }
                State::Echoing(echo) => echo.request.poll(peer, now, soon),
                State::Asking | State::Releasing => {
                    let is_release = matches!(self.state, State::Releasing);
                    let end = if is_release { deadline } else { soon };
                    if let Some(output) = self.allocation.poll(now, end) {
                        return output;
                    }
                    if !self.take_events() {
                        self.conversation.fail(Phase::Request, Failure::Internal);
                        self.finish();
                    }
                    continue;
                }
                State::Moving => {
                    let left = Output::Close(self.leg.id);
                    self.leg.id = ALTERNATE_LEG;
                    self.leg.peer = peer;
                    self.allocation = allocation(&self.leg, self.login.clone(), &mut self.chance);
                    self.state = State::Opening(Opening::new(self.leg.clone(), now));
                    return left;
                }
                State::Done => return Output::Done(self.conversation.outcome.clone()),
            };
            match step {
                Step::Output(output) => return output,
                Step::Over(failure) => self.give_up(failure),
            }
        }
    }
}

impl TurnExchange {
    /// When the release must begin.
    fn main_deadline(&self) -> Moment {
        let timeout = self.module.timeout;
        Moment::after(timeout - RELEASE.min(timeout / 5))
    }

    /// The peer that is to echo.
    fn peer(&self) -> Option<SocketAddr> {
        self.module.peer.or(self.relayed)
    }

    /// Takes what came of the last input; whether there was anything.
    fn take_events(&mut self) -> bool {
        let mut is_any = false;
        while let Some(event) = self.allocation.next_event() {
            is_any = true;
            match event {
                Event::Challenged { began } => self.conversation.ended(Phase::Challenge, began),
                Event::Barred { began } => {
                    self.conversation.ended(Phase::Challenge, began);
                    if !matches!(self.state, State::Releasing) {
                        self.conversation.state(&MODE, "challenge");
                    }
                    self.finish();
                }
                Event::Granted { ask, answer, began } => {
                    self.conversation.ended(ask.phase(), began);
                    self.go_on(ask, answer);
                }
                Event::Denied { ask, denial, began } => self.hear_denial(ask, denial, began),
                Event::Data { origin, bytes, at, stamp, .. } => {
                    self.hear_data(origin, &bytes, at, stamp);
                }
            }
        }
        is_any
    }

    fn go_on(&mut self, ask: Ask, answer: Answer) {
        match (ask, self.peer()) {
            (Ask::Allocate { .. }, _) => {
                self.note_allocation(answer);
                self.relayed = answer.relayed;
                match self.peer().filter(|_| self.login.is_some()) {
                    Some(peer) => self.allocation.ask(Ask::CreatePermission { peer }),
                    None => self.release(),
                }
            }
            (Ask::CreatePermission { .. }, Some(peer)) => self.send_echo(By::Send, peer),
            (Ask::ChannelBind { .. }, Some(peer)) => self.send_echo(By::Channel, peer),
            (Ask::CreatePermission { .. } | Ask::ChannelBind { .. }, None) | (Ask::Refresh, _) => {
                self.release();
            }
            (Ask::Release, _) => self.finish(),
        }
    }

    fn send_echo(&mut self, by: By, peer: SocketAddr) {
        let now = self.conversation.now;
        let (allocation, chance) = (&mut self.allocation, &mut self.chance);
        self.state = State::Echoing(Echo::new(by, self.leg.id, peer, allocation, chance, now));
    }

    fn hear_data(&mut self, origin: Origin, bytes: &[u8], at: Moment, stamp: Stamp) {
        let peer = self.peer();
        let (State::Echoing(echo), Some(peer)) = (&self.state, peer) else {
            return self.conversation.ignore(Ignored::Unasked);
        };
        if !echo.is_back(origin, bytes, peer) {
            return self.conversation.ignore(Ignored::Mismatch);
        }
        self.conversation.ended(Phase::Echo, echo.request.began);
        if let Some((rtt, _)) = echo.request.round_trip(at, stamp) {
            self.conversation.state(&ECHO_RTT, rtt);
        }
        match echo.by {
            By::Send => {
                self.conversation.state(&SEND_ECHO, true);
                self.allocation.ask(Ask::ChannelBind { peer, number: CHANNEL });
            }
            By::Channel => {
                self.conversation.state(&CHANNEL_ECHO, true);
                self.allocation.ask(Ask::Refresh);
            }
        }
        self.state = State::Asking;
    }

    fn hear_denial(&mut self, ask: Ask, denial: Denial, began: Moment) {
        let Denial { failure, code, alternate, is_of_credentials } = denial;
        let phase = if code == Some(relay::UNAUTHENTICATED) && !is_of_credentials {
            Phase::Challenge
        } else {
            ask.phase()
        };
        self.conversation.ended(phase, began);
        if let Some(alternate) = alternate {
            self.conversation.state(&ALTERNATE_SERVER, alternate);
        }
        if ask == Ask::Release {
            return self.finish();
        }
        let is_loop = ask.phase() == Phase::Permission && self.module.peer.is_none();
        if code == Some(relay::FORBIDDEN) && is_loop {
            self.conversation.state(&LOOP_REFUSED, true);
            return self.allocation.ask(Ask::Refresh);
        }
        if code == Some(relay::TRY_ALTERNATE)
            && let Some(alternate) = alternate.filter(|it| self.may_follow(*it))
        {
            self.earlier_transmissions += self.allocation.notes().transmissions;
            self.conversation.peer = alternate;
            self.state = State::Moving;
            return;
        }
        if let (Some(code), Failure::Rejected { .. }) = (code, &failure) {
            self.note_error(code);
        }
        self.conversation.outcome.back_off |= is_of_credentials;
        self.fail(phase, failure);
    }

    /// Once, to a server that the configuration names, and never back.
    fn may_follow(&self, alternate: SocketAddr) -> bool {
        self.leg.id == LEG
            && !self.allocation.may_hold()
            && alternate != self.leg.peer
            && self.module.alternate_servers.contains(&alternate.ip())
    }

    /// The wait for a socket or an echo is over.
    fn give_up(&mut self, failure: Failure) {
        let phase = self.phase();
        if let State::Echoing(echo) = &self.state {
            self.conversation.ended(phase, echo.request.began);
            let fact = match echo.by {
                By::Send => &SEND_ECHO,
                By::Channel => &CHANNEL_ECHO,
            };
            self.conversation.state(fact, false);
        }
        self.fail(phase, failure);
    }

    /// Somebody on the way said no, or this host could not send.
    fn break_off(&mut self, failure: Failure) {
        if matches!(self.state, State::Releasing) {
            return self.finish();
        }
        let phase = self.phase();
        self.conversation.fail(phase, failure);
        // A request that left before may have been heard, and its answer lost.
        if self.allocation.may_have_been_heard() && !self.leg.transport.is_stream() {
            self.release();
        } else {
            self.finish();
        }
    }

    /// The server closed the stream, and what it held ends with the stream.
    fn lose(&mut self, awaited: &'static str) {
        let (phase, peer) = (self.phase(), self.conversation.peer);
        self.conversation.fail(phase, Failure::Closed { peer, awaited });
        self.finish();
    }

    fn call_off(&mut self) {
        let soon = self.conversation.now + HASTY_RELEASE;
        self.conversation.deadline = self.conversation.deadline.min(soon);
        if !matches!(self.state, State::Releasing) {
            self.fail(self.phase(), Failure::Cancelled);
        }
    }

    fn fail(&mut self, phase: Phase, failure: Failure) {
        let was_closed = matches!(failure, Failure::Closed { .. });
        self.conversation.fail(phase, failure);
        if self.allocation.may_hold() && !was_closed {
            self.release();
        } else {
            self.finish();
        }
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State::Opening(opening) => opening.phase(),
            State::Echoing(_) => Phase::Echo,
            State::Intending(_) | State::Moving => Phase::Allocate,
            State::Asking | State::Releasing | State::Done => {
                self.allocation.pending().map_or(Phase::Allocate, Ask::phase)
            }
        }
    }

    fn release(&mut self) {
        self.was_likely_held |= self.allocation.is_likely_to_hold();
        self.allocation.release();
        self.state = State::Releasing;
    }

    fn finish(&mut self) {
        self.was_likely_held |= self.allocation.is_likely_to_hold();
        // A stream ends with the exchange, and what it held ends with the stream.
        if self.leg.transport.is_stream() {
            self.allocation.closed();
        } else {
            self.allocation.abandon();
        }
        self.note_all();
        self.state = State::Done;
    }
}

/// The leg that an input speaks of.
fn leg_of(input: &Input<'_>) -> Option<LegId> {
    match *input {
        Input::Connected { leg, .. }
        | Input::Secured { leg, .. }
        | Input::Insecure { leg, .. }
        | Input::Sent { leg, .. }
        | Input::Received { leg, .. }
        | Input::Refused { leg, .. }
        | Input::Closed { leg }
        | Input::Failed { leg, .. } => Some(leg),
        Input::Timeout | Input::Cancelled => None,
    }
}
