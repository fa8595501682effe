//! `Undo`: taking back what an exchange of an earlier process may have left, from its port and with
//! its user.

use std::time::Duration;

use super::{
    ALLOCATION_MISMATCH, Allocation, Ask, Credentials, Denial, Event, FREED, Login,
    WRONG_CREDENTIALS,
};
use crate::chance::Chance;
use crate::conversation::{Conversation, Step};
use crate::failure::Failure;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::Phase;
use crate::probe::{Exchange, Input, Intent, Output};
use crate::target::{Target, Transport};
use crate::way::Opening;

const LEG: LegId = LegId(0);

/// An exchange that releases whatever is held for the address of an intent.
pub(crate) struct Undo {
    conversation: Conversation,
    chance: Chance,
    /// Under which name it may have been made, if not under the present one.
    earlier: Option<Login>,
    allocation: Allocation,
    state: State,
}

enum State {
    Opening(Opening),
    Releasing,
    Done,
}

impl Undo {
    /// `credentials` and `timeout` are those of the module that intended it.
    pub(crate) fn new(
        credentials: Option<&Credentials>,
        timeout: Duration,
        target: &Target,
        intent: &Intent,
        mut chance: Chance,
    ) -> Self {
        let leg = Leg::new(LEG, Transport::Udp, intent.peer).from_port(intent.local.port());
        let login = credentials.map(|it| it.login(target.started));
        let earlier = credentials.filter(|it| it.is_time_limited());
        let mut conversation = Conversation::new(intent.peer, timeout);
        conversation.outcome.left_behind = true;
        Self {
            conversation,
            earlier: earlier.map(|it| it.earlier_login(target.started)),
            allocation: allocation(intent, login, &mut chance),
            chance,
            state: State::Opening(Opening::new(leg, Moment::START)),
        }
    }

    /// Takes what came of the last input; whether there was anything.
    fn take_events(&mut self) -> bool {
        let mut is_any = false;
        while let Some(event) = self.allocation.next_event() {
            is_any = true;
            match event {
                Event::Challenged { .. } | Event::Data { .. } => {}
                // Without credentials nothing was ever granted by a server that asks for them.
                Event::Barred { .. } | Event::Granted { .. } => self.finish(None),
                Event::Denied { denial, .. } => self.hear_denial(denial),
            }
        }
        is_any
    }

    fn hear_denial(&mut self, denial: Denial) {
        match denial.code {
            Some(ALLOCATION_MISMATCH) => self.finish(None),
            Some(WRONG_CREDENTIALS) if self.earlier.is_some() => {
                let (peer, login) = (self.conversation.peer, self.earlier.take());
                let chance = Chance::from_seed(self.chance.bytes());
                self.allocation = Allocation::new(LEG, peer, false, login, chance);
                self.allocation.ask(Ask::Release);
            }
            Some(_) | None => {
                self.conversation.outcome.back_off = denial.is_of_credentials;
                self.finish(Some(denial.failure));
            }
        }
    }

    fn finish(&mut self, failure: Option<Failure>) {
        let phase = match &self.state {
            State::Opening(opening) => opening.phase(),
            State::Releasing | State::Done => Phase::Release,
        };
        self.conversation.state(&FREED, failure.is_none());
        self.conversation.outcome.left_behind = failure.is_some();
        if let Some(failure) = failure {
            self.conversation.fail(phase, failure);
        }
        self.state = State::Done;
    }
}

fn allocation(intent: &Intent, login: Option<Login>, chance: &mut Chance) -> Allocation {
    Allocation::new(LEG, intent.peer, false, login, Chance::from_seed(chance.bytes()))
}

impl Exchange for Undo {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if matches!(self.state, State::Done) {
            return;
        }
        if let Some(failure) = self.conversation.failure_of(&input) {
            return self.finish(Some(failure));
        }
        match &mut self.state {
            State::Opening(opening) => {
                if opening.hear(&input, &mut self.conversation).is_some() {
                    self.allocation.ask(Ask::Release);
                    self.state = State::Releasing;
                }
            }
            State::Releasing => {
                self.allocation.hear(&input, now, &mut self.conversation);
                let _ = self.take_events();
            }
            State::Done => {}
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            let Conversation { now, deadline, .. } = self.conversation;
            match &mut self.state {
                State::Opening(opening) => match opening.poll(now, deadline) {
                    Step::Output(output) => return output,
                    Step::Over(failure) => self.finish(Some(failure)),
                },
                State::Releasing => match self.allocation.poll(now, deadline) {
                    Some(output) => return output,
                    None if self.take_events() => {}
                    None => self.finish(Some(Failure::Internal)),
                },
                State::Done => return Output::Done(self.conversation.outcome.clone()),
            }
        }
    }
}
