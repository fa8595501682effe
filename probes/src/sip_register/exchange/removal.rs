//! Taking back what the registrar may hold of ours, and reading that it is gone.

use super::{RegisterExchange, State};
use crate::failure::Failure;
use crate::observation::Phase;
use crate::probe::{Input, Output};
use crate::sip::agent::Event;
use crate::sip::echo;
use crate::sip_register::REMOVED;
use crate::wire::sip::Response;

impl RegisterExchange {
    /// Removes our contact: as it was sent, or else as the registrar lists it.
    pub(super) fn remove(&mut self) {
        self.agent.drop_request();
        self.removals += 1;
        let contact = self.listed.clone().or_else(|| self.contact_uri());
        let Some(contact) = contact.filter(|_| self.removals <= MOST_REMOVALS) else {
            return self.left();
        };
        let ask = self.request(Some((contact, 0)), Phase::Unregister, "the answer to the removal");
        match self.ask(ask) {
            Ok(()) => self.state = State::Removing,
            Err(_) => self.left(),
        }
    }

    /// Reads what the registrar holds (RFC 3261 §10.2.3).
    pub(super) fn read(&mut self) {
        self.readings += 1;
        if self.readings > MOST_READINGS {
            return self.proceed();
        }
        let ask = self.request(None, Phase::Verify, "the list of bindings");
        match self.ask(ask) {
            Ok(()) => self.state = State::Reading,
            Err(_) => self.proceed(),
        }
    }

    /// What came of a removal.
    pub(super) fn removed(&mut self, event: Event) {
        match event {
            Event::Answered(response) => match response.code {
                200..300 => {
                    self.authentication.take_next_nonce(&response);
                    self.settle(&response);
                    self.read();
                }
                401 | 407 if !self.has_renewed && self.renew(&response) => {
                    self.has_renewed = true;
                    self.remove();
                }
                _ => self.left(),
            },
            Event::Over(Phase::Unregister, failure)
                if self.removals < MOST_REMOVALS && self.is_worth_another_leg(&failure) =>
            {
                self.remove();
            }
            Event::Over(..) => self.left(),
            Event::Ready => {}
        }
    }

    /// What came of reading the bindings: one that is still there is removed as it stands there.
    pub(super) fn was_read(&mut self, event: Event) {
        match event {
            Event::Answered(response) => match response.code {
                200..300 => {
                    self.authentication.take_next_nonce(&response);
                    match self.settle(&response) {
                        Some(listed) if self.removals < MOST_REMOVALS => {
                            self.listed = Some(listed);
                            self.remove();
                        }
                        None if self.is_to_pause() => self.pause(),
                        Some(_) | None => self.proceed(),
                    }
                }
                401 | 407 if self.readings < MOST_READINGS && self.renew(&response) => self.read(),
                _ => self.unread(response.code),
            },
            Event::Over(Phase::Verify, failure)
                if self.readings < MOST_READINGS && self.is_worth_another_leg(&failure) =>
            {
                self.read();
            }
            Event::Over(phase, failure) => {
                if self.is_taking_back {
                    self.conversation.fail(phase, failure);
                }
                self.proceed();
            }
            Event::Ready => {}
        }
    }

    /// Who closes a connection after each answer takes the next request on another one.
    fn is_worth_another_leg(&self, failure: &Failure) -> bool {
        self.agent.transport().is_stream()
            && matches!(failure, Failure::Closed { .. } | Failure::Refused { .. })
    }

    /// Whether what is to be taken back may be about to arrive: a registrar takes its time, and who
    /// died right after its REGISTER was sent is looked after within milliseconds.
    fn is_to_pause(&self) -> bool {
        self.is_taking_back && !self.has_paused && self.removals == 0
    }

    /// Until it was read once more, nobody knows that nothing is left.
    fn pause(&mut self) {
        self.has_paused = true;
        self.readings = 0;
        self.conversation.outcome.left_behind = true;
        if self.is_called_off {
            return self.finish();
        }
        let until = self.conversation.now + super::HASTY_ANSWER;
        self.state = State::Pausing(until.min(self.registration_end));
    }

    /// What is to be done while nothing is asked; the pause may be over.
    pub(super) fn poll_pause(&mut self) -> Option<Output> {
        let State::Pausing(until) = self.state else { return None };
        if self.conversation.now < until {
            return Some(Output::Wait { until, reason: "what may be under way" });
        }
        self.read();
        None
    }

    /// Notes whether our contact is among those that are held; how it stands there.
    fn settle(&mut self, response: &Response) -> Option<String> {
        let held = response.contacts().into_iter().find(|contact| {
            echo::is_marked(&contact.uri, &self.mark) && contact.expires != Some(0)
        });
        if self.is_registered || self.is_taking_back || held.is_some() {
            self.conversation.state(&REMOVED, held.is_none());
        }
        self.conversation.outcome.left_behind = held.is_some();
        // What is sent back has to be text; what is not can be no contact of ours.
        held.and_then(|contact| String::from_utf8(contact.uri).ok())
            .filter(|uri| uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte)))
            .filter(|uri| self.is_own(uri))
    }

    /// Whether a contact names the user that only ours has, at whatever place: another one that
    /// carries our mark may be somebody else's, dressed up.
    fn is_own(&self, uri: &str) -> bool {
        let rest = uri.strip_prefix("sips:").or(uri.strip_prefix("sip:")).unwrap_or_default();
        let user = rest.split_once('@').map_or("", |(user, _)| user);
        match &self.module.contact_user {
            Some(own) => user == own,
            None => user.strip_prefix("branchline-") == Some(self.mark.as_str()),
        }
    }

    /// Who does not list its bindings has confirmed the removal, or has never been asked for one.
    fn unread(&mut self, code: u16) {
        // Once something was removed, the credentials were right.
        if self.is_taking_back && self.removals == 0 {
            // Who refuses these credentials has never held anything for them, or nobody can tell.
            self.conversation.outcome.back_off = matches!(code, 401 | 403 | 407);
        }
        self.proceed();
    }

    /// The removal failed. Of what was never granted nothing is left where the registrar was never
    /// heard; but when called off, nobody has listened for long.
    fn left(&mut self) {
        let may_be_held =
            self.is_registered || (self.is_uncertain && (self.has_heard() || self.is_called_off));
        if may_be_held || self.is_taking_back {
            self.conversation.outcome.left_behind = true;
        }
        if self.is_registered || self.is_taking_back {
            self.conversation.state(&REMOVED, false);
        }
        self.finish();
    }

    /// Whether the registrar said anything at all, be it nothing that could be used.
    fn has_heard(&self) -> bool {
        // A connection that stood has carried what was sent.
        self.has_heard || self.conversation.has_heard() || self.agent.transport().is_stream()
    }

    /// What is done when nothing is held any more, or nothing more can be done about it.
    fn proceed(&mut self) {
        if self.is_to_enlarge() && self.is_registered && !self.is_called_off {
            self.enlarge();
        } else {
            self.finish();
        }
    }

    fn renew(&mut self, response: &Response) -> bool {
        let (module, may_answer) = (&self.module, self.may_answer());
        module.credentials.as_ref().filter(|_| may_answer).is_some_and(|credentials| {
            let allow_md5 = module.allow_md5;
            self.authentication.renew(response, credentials, allow_md5, &self.conversation)
        })
    }

    /// The exchange is called off: what may be held is taken back, soon.
    pub(super) fn call_off(&mut self, input: &Input<'_>) {
        let Some(failure) = self.conversation.failure_of(input) else { return };
        self.is_called_off = true;
        let soon = self.conversation.now + super::HASTY_REMOVAL;
        self.conversation.deadline = self.conversation.deadline.min(soon);
        match self.state {
            State::Opening => {
                self.conversation.fail(Phase::Register, failure);
                self.finish();
            }
            State::Registering => {
                self.conversation.fail(Phase::Register, failure);
                if self.agent.transmissions() == 0 {
                    return self.finish();
                }
                // A removal that overtakes the registration would remove nothing: the answer is
                // waited for, but not for long.
                let patience = self.conversation.now + super::HASTY_ANSWER;
                self.registration_end = self.registration_end.min(patience);
            }
            State::Pausing(_) => {
                self.conversation.fail(Phase::Verify, failure);
                self.finish();
            }
            State::Enlarging(_) => self.finish(),
            State::Removing | State::Reading | State::Done => {}
        }
    }
}

/// How often a removal is tried: once as it was sent, once with another nonce, once as the
/// registrar lists it.
const MOST_REMOVALS: u32 = 3;
/// How often the bindings are read: once after each of two removals, once with another nonce; as
/// often after a pause.
const MOST_READINGS: u32 = 3;
