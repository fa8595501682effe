//! The exchange of `sip-options`: one OPTIONS, and the padded ones that may follow.

use std::sync::Arc;

use super::{ALLOW, OptionsModule};
use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::moment::Moment;
use crate::observation::Phase;
use crate::probe::{Exchange, Input, Output};
use crate::sip::agent::{Agent, Ask, Event, Patience};
use crate::sip::notes::{self, Padded};
use crate::target::{Target, Transport};
use crate::wire::sip::Response;

const METHOD: &str = "OPTIONS";

pub(super) struct OptionsExchange {
    module: Arc<OptionsModule>,
    conversation: Conversation,
    agent: Agent,
    uri: String,
    state: State,
}

enum State {
    Opening,
    Asking,
    Enlarging(Padded),
    Done,
}

impl OptionsExchange {
    pub(super) fn new(module: Arc<OptionsModule>, target: &Target, chance: Chance) -> Self {
        let host = if target.host.contains(':') {
            format!("[{}]", target.host)
        } else {
            target.host.clone()
        };
        let uri = match &module.user {
            Some(user) => format!("sip:{user}@{host}"),
            None => format!("sip:{host}"),
        };
        let names = (format!("sip:branchline@{host}"), uri.clone());
        Self {
            conversation: Conversation::new(target.address, module.timeout),
            agent: Agent::new(&module.settings, target, names, chance),
            module,
            uri,
            state: State::Opening,
        }
    }

    fn request(&self) -> Ask {
        let mut further = vec![("Accept", b"application/sdp".to_vec())];
        if let Some(local) = self.agent.local {
            let transport = self.agent.transport_parameter();
            let contact = format!("<sip:branchline@{local}{transport}>");
            further.push(("Contact", contact.into_bytes()));
        }
        Ask {
            method: METHOD,
            uri: self.uri.clone(),
            further,
            contact: None,
            phase: Phase::Request,
            awaited: "the answer to OPTIONS",
            least_bytes: 0,
            patience: Patience::Whole,
        }
    }

    fn take(&mut self, event: Event) {
        match (&self.state, event) {
            (State::Opening, Event::Ready) => {
                let ask = self.request();
                match self.agent.ask(ask, &self.conversation) {
                    Ok(()) => self.state = State::Asking,
                    Err(failure) => self.fail(Phase::Request, failure),
                }
            }
            (State::Asking, Event::Answered(response)) => self.answered(&response),
            (State::Enlarging(padded), event) => {
                let padded = *padded;
                if padded.note(&event, &mut self.conversation) {
                    self.enlarge(padded);
                } else {
                    self.finish();
                }
            }
            (_, Event::Over(phase, failure)) => self.fail(phase, failure),
            (State::Opening | State::Asking | State::Done, Event::Ready | Event::Answered(_)) => {}
        }
    }

    /// Whoever answers is there, be it to say that OPTIONS is not for everyone; who fails by
    /// itself says so.
    fn answered(&mut self, response: &Response) {
        notes::note(&mut self.conversation, response);
        let allow = notes::listed(response, "allow");
        if !allow.is_empty() {
            self.conversation.state(&ALLOW, allow);
        }
        if self.module.settings.is_mirror && !self.agent.has_mirrored {
            let failure = notes::no_mirror(&self.conversation, response);
            return self.fail(Phase::Request, failure);
        }
        if matches!(response.code, 500..600) && response.code != NOT_IMPLEMENTED {
            let failure = notes::rejection(&self.conversation, response);
            return self.fail(Phase::Request, failure);
        }
        let is_datagram = self.agent.transport() == Transport::Udp;
        if self.module.settings.is_large && is_datagram {
            self.enlarge(Padded::default());
        } else {
            self.finish();
        }
    }

    fn enlarge(&mut self, mut padded: Padded) {
        let Some(ask) = padded.next(self.request()) else { return self.finish() };
        match self.agent.ask(ask, &self.conversation) {
            Ok(()) => self.state = State::Enlarging(padded),
            Err(_) => self.finish(),
        }
    }

    fn fail(&mut self, phase: Phase, failure: Failure) {
        self.conversation.fail(phase, failure);
        self.finish();
    }

    fn finish(&mut self) {
        self.agent.drop_request();
        self.state = State::Done;
        notes::conclude(&mut self.conversation, &self.agent);
    }
}

impl Exchange for OptionsExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if matches!(self.state, State::Done) {
            return;
        }
        if matches!(input, Input::Cancelled) {
            // What was asked first is answered by then.
            return match self.state {
                State::Enlarging(_) | State::Done => self.finish(),
                State::Opening | State::Asking => self.fail(Phase::Request, Failure::Cancelled),
            };
        }
        self.agent.hear(&input, now, &mut self.conversation);
        while let Some(event) = self.agent.next_event() {
            self.take(event);
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            if matches!(self.state, State::Done) {
                return Output::Done(self.conversation.outcome.clone());
            }
            let deadline = self.conversation.deadline;
            if let Some(output) = self.agent.poll(&mut self.conversation, deadline) {
                return output;
            }
            match self.agent.next_event() {
                Some(event) => self.take(event),
                None => self.fail(Phase::Request, Failure::Internal),
            }
        }
    }
}

/// It is there, and does not do OPTIONS (RFC 3261 §21.5.2).
const NOT_IMPLEMENTED: u16 = 501;
