//! The exchange of `sip-register`: register, read what is held, and take it back on every path.

mod authentication;
mod removal;

use std::sync::Arc;
use std::time::Duration;

use super::{BINDINGS, CONTACT, EXPIRES, MIN_EXPIRES, MODE, PATH, RegisterModule, SERVICE_ROUTE};
use crate::chance::{Chance, hex};
use crate::conversation::Conversation;
use crate::failure::{Failure, Weakness};
use crate::foreign::Foreign;
use crate::moment::Moment;
use crate::observation::Phase;
use crate::probe::{Exchange, Input, Intent, Output};
use crate::sip::agent::{Agent, Ask, Event, Patience};
use crate::sip::echo;
use crate::sip::notes::{self, Padded};
use crate::target::{Target, Transport};
use crate::wire::sip::{Response, Scheme};

use authentication::Authentication;

const METHOD: &str = "REGISTER";
/// The time that is kept back for the removal, at most; a fifth of a short timeout.
const REMOVAL: Duration = Duration::from_secs(8);
/// When called off, the removal may take no longer.
const HASTY_REMOVAL: Duration = Duration::from_secs(5);
/// When called off, the answer to the registration is waited for so long; what is taken back is
/// given as long to arrive.
const HASTY_ANSWER: Duration = Duration::from_millis(1_500);
/// A registrar that asks for more would leave our binding for too long.
const LONGEST_MIN_EXPIRES: u32 = 300;

pub(super) struct RegisterExchange {
    module: Arc<RegisterModule>,
    conversation: Conversation,
    agent: Agent,
    chance: Chance,
    authentication: Authentication,
    token: [u8; 8],
    /// What tells our contact from every other, whatever was done to the address in it.
    mark: String,
    expires: u32,
    intent: Option<Intent>,
    /// Until when the registration may take.
    registration_end: Moment,
    removals: u32,
    readings: u32,
    /// Whether a removal was sent again with another nonce.
    has_renewed: bool,
    /// Our contact as the registrar lists it, where that is what is removed.
    listed: Option<String>,
    is_registered: bool,
    /// Whether a REGISTER that could be accepted was not answered.
    is_uncertain: bool,
    /// Whether the registrar said anything at all.
    has_heard: bool,
    is_called_off: bool,
    /// Whether there is nothing to register, and something to take back.
    is_taking_back: bool,
    /// Whether what was left had the time to arrive.
    has_paused: bool,
    state: State,
}

enum State {
    Opening,
    Registering,
    Removing,
    Reading,
    /// Until the bindings are read once more.
    Pausing(Moment),
    Enlarging(Padded),
    Done,
}

impl RegisterExchange {
    pub(super) fn new(module: Arc<RegisterModule>, target: &Target, mut chance: Chance) -> Self {
        let token = chance.bytes();
        Self::begin(module, target, token, chance)
    }

    /// Takes back what an exchange of an earlier process marked so.
    pub(super) fn taking_back(
        module: Arc<RegisterModule>,
        target: &Target,
        token: [u8; 8],
        chance: Chance,
    ) -> Self {
        let mut exchange = Self::begin(module, target, token, chance);
        exchange.is_taking_back = true;
        exchange.conversation.outcome.left_behind = true;
        exchange
    }

    fn begin(
        module: Arc<RegisterModule>,
        target: &Target,
        token: [u8; 8],
        mut chance: Chance,
    ) -> Self {
        let own = module.address_of_record.to_string();
        let for_agent = Chance::from_seed(chance.bytes());
        Self {
            conversation: Conversation::new(target.address, module.timeout),
            agent: Agent::new(&module.settings, target, (own.clone(), own), for_agent),
            chance,
            authentication: Authentication::default(),
            token,
            mark: hex(&token),
            expires: module.expires,
            intent: None,
            registration_end: Moment::after(module.timeout - REMOVAL.min(module.timeout / 5)),
            module,
            removals: 0,
            readings: 0,
            has_renewed: false,
            listed: None,
            is_registered: false,
            is_uncertain: false,
            has_heard: false,
            is_called_off: false,
            is_taking_back: false,
            has_paused: false,
            state: State::Opening,
        }
    }

    /// Where we say that we are. It carries 64 random bits, in the user or beside the one that is
    /// set, so that no other contact is ever taken for ours.
    fn contact_uri(&self) -> Option<String> {
        let local = self.agent.local?;
        let scheme = self.module.address_of_record.scheme();
        let transport = match scheme {
            Scheme::Sips => "",
            Scheme::Sip => self.agent.transport_parameter(),
        };
        let (scheme, mark) = (scheme.word(), &self.mark);
        Some(match &self.module.contact_user {
            Some(user) => format!("{scheme}{user}@{local}{transport};branchline={mark}"),
            None => format!("{scheme}branchline-{mark}@{local}{transport}"),
        })
    }

    /// A REGISTER with our contact, or without one to read what is held.
    fn request(
        &mut self,
        contact: Option<(String, u32)>,
        phase: Phase,
        awaited: &'static str,
    ) -> Ask {
        let whose = &self.module.address_of_record;
        let uri = format!("{}{}", whose.scheme().word(), whose.host());
        let mut further = Vec::new();
        if let Some((contact, expires)) = &contact {
            further.push(("Contact", format!("<{contact}>;expires={expires}").into_bytes()));
            further.push(("Expires", expires.to_string().into_bytes()));
        }
        if let Some(credentials) = &self.module.credentials
            && phase != Phase::Large
        {
            let what = (METHOD, uri.as_str());
            further.extend(self.authentication.headers(credentials, what, &mut self.chance));
        }
        let contact = contact.map(|(contact, _)| (contact, self.mark.clone()));
        let (least_bytes, patience) = (0, Patience::Whole);
        Ask { method: METHOD, uri, further, contact, phase, awaited, least_bytes, patience }
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Failure> {
        self.agent.ask(ask, &self.conversation)
    }

    fn register(&mut self) {
        let contact = self.contact_uri().map(|contact| (contact, self.expires));
        let ask = self.request(contact, Phase::Register, "the answer to the REGISTER");
        match self.ask(ask) {
            Ok(()) => self.state = State::Registering,
            Err(failure) => {
                self.conversation.fail(Phase::Register, failure);
                self.finish();
            }
        }
    }

    /// The leg is open for the first time.
    fn ready(&mut self) {
        let Some(local) = self.agent.local else { return };
        if self.is_taking_back {
            return self.read();
        }
        if !self.module.settings.is_mirror {
            let (leg, peer, mark) = (self.agent.leg_id(), self.conversation.peer, Some(self.token));
            self.intent = Some(Intent { leg, local, peer, mark });
        }
        self.register();
    }

    fn take(&mut self, event: Event) {
        if let Event::Answered(_) = &event {
            self.has_heard = true;
        }
        match (&self.state, event) {
            (State::Opening, Event::Ready) => self.ready(),
            (State::Opening, Event::Over(phase, failure)) => {
                self.conversation.fail(phase, failure);
                self.finish();
            }
            (State::Registering, Event::Answered(response)) => self.answered(&response),
            (State::Registering, Event::Over(phase, failure)) => self.unanswered(phase, failure),
            (State::Removing, event) => self.removed(event),
            (State::Reading, event) => self.was_read(event),
            (State::Enlarging(padded), event) => {
                let mut padded = *padded;
                if padded.note(&event, &mut self.conversation) {
                    self.enlarge_by(&mut padded);
                } else {
                    self.finish();
                }
            }
            (State::Opening | State::Registering | State::Pausing(_) | State::Done, _) => {}
        }
    }

    /// A final answer to the registration.
    fn answered(&mut self, response: &Response) {
        let code = response.code;
        notes::note(&mut self.conversation, response);
        let was_challenged = matches!(code, 401 | 407);
        let is_first_challenge = was_challenged && !self.authentication.is_used();
        let phase = if is_first_challenge { Phase::Challenge } else { Phase::Register };
        if is_first_challenge {
            self.conversation.rename_last(phase);
        }
        if self.module.settings.is_mirror {
            return self.mirrored(response);
        }
        if self.is_called_off {
            return if matches!(code, 200..300) { self.granted(response) } else { self.finish() };
        }
        if was_challenged && self.module.credentials.is_none() {
            return self.stop_at_challenge(response);
        }
        let judges_credentials = self.authentication.is_used() && matches!(code, 401 | 403 | 407);
        let next = match code {
            200..300 => return self.granted(response),
            401 | 407 => self.answer(response),
            // A proxy gave up waiting for who may have heard.
            408 | 504 => {
                let failure = notes::rejection(&self.conversation, response);
                self.conversation.fail(phase, failure);
                self.is_uncertain = true;
                return self.remove();
            }
            423 => self.lengthen(response),
            _ => Err(notes::rejection(&self.conversation, response)),
        };
        match next {
            Ok(()) => self.register(),
            Err(failure) => {
                // Who insists on refused credentials locks the account; a stale nonce is no refusal.
                self.conversation.outcome.back_off = judges_credentials;
                self.conversation.fail(phase, failure);
                self.finish();
            }
        }
    }

    fn granted(&mut self, response: &Response) {
        self.authentication.take_next_nonce(response);
        match self.note_bindings(response) {
            Ok(()) => self.is_registered = true,
            Err(failure) => {
                self.is_uncertain = true;
                self.conversation.fail(Phase::Register, failure);
            }
        }
        self.remove();
    }

    /// A mirror holds nothing: what it gave back was compared when it came.
    fn mirrored(&mut self, response: &Response) {
        self.conversation.state(&MODE, "mirror");
        if !self.agent.has_mirrored {
            let failure = notes::no_mirror(&self.conversation, response);
            self.conversation.fail(Phase::Register, failure);
            // A registrar that is taken for a mirror may hold us now.
            if matches!(response.code, 200..300) {
                self.is_uncertain = true;
                return self.remove();
            }
        }
        self.finish();
    }

    /// Without credentials a challenge is the proof that the registrar is alive.
    fn stop_at_challenge(&mut self, response: &Response) {
        self.conversation.state(&MODE, "challenge");
        if response.challenges().is_empty() {
            let failure = authentication::no_challenge(&self.conversation);
            self.conversation.fail(Phase::Challenge, failure);
            return self.finish();
        }
        if self.is_to_enlarge() { self.enlarge() } else { self.finish() }
    }

    /// Whether padded requests follow, which only datagrams have a limit for.
    fn is_to_enlarge(&self) -> bool {
        self.module.settings.is_large && self.agent.transport() == Transport::Udp
    }

    fn answer(&mut self, response: &Response) -> Result<(), Failure> {
        let Some(credentials) = &self.module.credentials else { return Err(Failure::Internal) };
        if !self.may_answer() {
            let weakness = Weakness::Cleartext(self.agent.transport().label());
            return Err(Failure::AuthWeak { peer: self.conversation.peer, weakness });
        }
        let allow_md5 = self.module.allow_md5;
        self.authentication.answer(response, credentials, allow_md5, &mut self.conversation)
    }

    /// Whether credentials may go over what carries the requests: the DNS may have chosen it.
    fn may_answer(&self) -> bool {
        self.agent.transport() == Transport::Tls || self.module.allow_cleartext
    }

    /// 423: the registrar wants bindings that hold longer; once, and within reason.
    fn lengthen(&mut self, response: &Response) -> Result<(), Failure> {
        let least = response.number("min-expires");
        if let Some(least) = least {
            self.conversation.state(&MIN_EXPIRES, Duration::from_secs(least.into()));
        }
        match least {
            Some(least)
                if self.expires == self.module.expires
                    && least > self.expires
                    && least <= LONGEST_MIN_EXPIRES =>
            {
                self.expires = least;
                Ok(())
            }
            Some(_) | None => Err(notes::rejection(&self.conversation, response)),
        }
    }

    /// What the registrar says that it holds.
    ///
    /// # Errors
    ///
    /// A 200 has to list our contact (RFC 3261 §10.3, step 8): whoever says 200 to everything is
    /// no registrar.
    fn note_bindings(&mut self, response: &Response) -> Result<(), Failure> {
        let mode = if self.authentication.is_used() { "credentials" } else { "open" };
        self.conversation.state(&MODE, mode);
        for (key, header) in [(&SERVICE_ROUTE, "service-route"), (&PATH, "path")] {
            let listed = notes::listed(response, header);
            if !listed.is_empty() {
                self.conversation.state(key, listed);
            }
        }
        let contacts = response.contacts();
        self.conversation.state(&BINDINGS, contacts.len() as u64);
        let ours = contacts.iter().find(|contact| echo::is_marked(&contact.uri, &self.mark));
        if let Some(contact) = ours {
            self.conversation.state(&CONTACT, Foreign::new(&contact.uri));
        }
        let granted = ours.and_then(|contact| contact.expires).or(response.number("expires"));
        if let Some(granted) = granted {
            self.conversation.state(&EXPIRES, Duration::from_secs(granted.into()));
        }
        if ours.is_some() {
            return Ok(());
        }
        Err(Failure::UnexpectedAnswer {
            peer: self.conversation.peer,
            found: Foreign::new(format!("{} with {} contacts", response.code, contacts.len())),
            expected: "our own contact among them".to_owned(),
        })
    }

    /// The wait is over. A request that was not answered may have been heard all the same.
    fn unanswered(&mut self, phase: Phase, failure: Failure) {
        let is_handshake = matches!(phase, Phase::Connect | Phase::Tls);
        // A connection that stood has carried the request, whatever ended it.
        let was_refused = self.agent.transport() == Transport::Udp
            && matches!(failure, Failure::Refused { .. } | Failure::Local { .. });
        self.conversation.fail(phase, failure);
        // Refused at the first attempt, a datagram was heard by nobody.
        let was_sent = !is_handshake
            && self.intent.is_none()
            && (!was_refused || self.authentication.is_used() || self.agent.was_repeated());
        if was_sent && !self.module.settings.is_mirror {
            self.is_uncertain = true;
            self.remove();
        } else {
            self.finish();
        }
    }

    fn enlarge(&mut self) {
        self.enlarge_by(&mut Padded::default());
    }

    /// Sends the next padded REGISTER: it has neither contact nor credentials, so it changes
    /// nothing, and whatever is answered shows that it arrived.
    fn enlarge_by(&mut self, padded: &mut Padded) {
        let ask = self.request(None, Phase::Large, "the answer to the padded request");
        let Some(ask) = padded.next(ask) else { return self.finish() };
        match self.ask(ask) {
            Ok(()) => self.state = State::Enlarging(*padded),
            Err(_) => self.finish(),
        }
    }

    fn finish(&mut self) {
        self.agent.drop_request();
        self.state = State::Done;
        notes::conclude(&mut self.conversation, &self.agent);
    }

    fn deadline(&self) -> Moment {
        match self.state {
            State::Registering => self.registration_end,
            State::Opening
            | State::Removing
            | State::Reading
            | State::Pausing(_)
            | State::Enlarging(_)
            | State::Done => self.conversation.deadline,
        }
    }
}

impl Exchange for RegisterExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if matches!(self.state, State::Done) {
            return;
        }
        if matches!(input, Input::Cancelled) {
            return self.call_off(&input);
        }
        self.agent.hear(&input, now, &mut self.conversation);
        while let Some(event) = self.agent.next_event() {
            self.take(event);
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            if let Some(output) = self.poll_pause() {
                return output;
            }
            if matches!(self.state, State::Done) {
                return Output::Done(self.conversation.outcome.clone());
            }
            if let Some(intent) = self.intent.take() {
                return Output::Intend(intent);
            }
            let deadline = self.deadline();
            if let Some(output) = self.agent.poll(&mut self.conversation, deadline) {
                return output;
            }
            match self.agent.next_event() {
                Some(event) => self.take(event),
                None => {
                    self.conversation.fail(Phase::Register, Failure::Internal);
                    self.finish();
                }
            }
        }
    }
}
