//! The exchange of `sip-register`: register, read what is held, and take it back on every path.

mod notes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ALGORITHM, CLOCK, MODE, NONCE_RENEWALS, REMOVED, RETRANSMISSIONS, RTT, RegisterModule,
    STATUS_CODE, TRANSMISSIONS,
};
use crate::chance::Chance;
use crate::conversation::{Conversation, Request, Step};
use crate::digest::{self, Chosen, Cnonces};
use crate::failure::{Failure, Weakness};
use crate::foreign::Foreign;
use crate::leg::{Leg, LegId};
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Output, Stamp};
use crate::target::Transport;
use crate::transaction::Retransmission;
use crate::wire::sip::{Malformed, Register, Response};

const LEG: LegId = LegId(0);
const METHOD: &str = "REGISTER";
/// The time that is kept back for the removal, at most; a fifth of a short timeout.
const REMOVAL: Duration = Duration::from_secs(8);
/// When called off, the removal may take no longer.
const HASTY_REMOVAL: Duration = Duration::from_secs(5);
/// A registrar that asks for more would leave our binding for too long.
const LONGEST_MIN_EXPIRES: u32 = 300;
/// RFC 3261 §18.1.1: a larger request needs a transport with congestion control.
const LARGEST_DATAGRAM: usize = 1300;
/// A registrar may say "trying" now and then; more is noise.
const MOST_PROVISIONAL: u32 = 32;

pub(super) struct RegisterExchange {
    module: Arc<RegisterModule>,
    conversation: Conversation,
    chance: Chance,
    contact_user: String,
    from_tag: String,
    call_id: String,
    local: Option<SocketAddr>,
    sequence: u32,
    expires: u32,
    answered: Option<Answered>,
    transmissions: u64,
    transactions: u64,
    removals: u32,
    is_registered: bool,
    state: State,
}

/// A challenge that was answered.
struct Answered {
    chosen: Chosen,
    header: &'static str,
    /// How often its nonce was used.
    count: u32,
    /// The cnonce of the first use.
    first_cnonce: Option<String>,
    /// How often the registrar called our nonce stale.
    renewals: u64,
}

enum State {
    Begun,
    AwaitingSocket,
    Registering(InFlight),
    Removing(InFlight),
    Done,
}

struct InFlight {
    request: Request,
    branch: String,
    provisional: u32,
}

impl RegisterExchange {
    pub(super) fn new(module: Arc<RegisterModule>, peer: SocketAddr, mut chance: Chance) -> Self {
        Self {
            conversation: Conversation::new(peer, module.timeout),
            contact_user: format!("branchline-{}", chance.token::<8>()),
            from_tag: chance.token::<8>(),
            call_id: chance.token::<16>(),
            expires: module.expires,
            module,
            chance,
            local: None,
            sequence: 0,
            answered: None,
            transmissions: 0,
            transactions: 0,
            removals: 0,
            is_registered: false,
            state: State::Begun,
        }
    }
}

impl Exchange for RegisterExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        match input {
            Input::Connected { local, .. } if matches!(self.state, State::AwaitingSocket) => {
                self.local = Some(local);
                self.register();
            }
            Input::Sent { stamp, .. } => {
                if let State::Registering(flight) | State::Removing(flight) = &mut self.state {
                    flight.request.sent(now, stamp);
                }
            }
            Input::Received { from, bytes, stamp, .. } => match self.accept(from, bytes) {
                Ok(response) => self.hear(&response, now, stamp),
                Err(reason) => self.conversation.ignore(reason),
            },
            Input::Cancelled => self.call_off(),
            Input::Refused { .. } | Input::Failed { .. } | Input::Insecure { .. } => {
                let Some(failure) = self.conversation.failure_of(&input) else { return };
                if matches!(self.state, State::Removing(_)) {
                    return self.hear_nothing(failure);
                }
                self.conversation.fail(Phase::Register, failure);
                // A request that left before may have been heard, and its answer lost.
                if self.may_be_registered() { self.remove() } else { self.finish() }
            }
            Input::Connected { .. }
            | Input::Secured { .. }
            | Input::Closed { .. }
            | Input::Timeout => {}
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            let Conversation { peer, now, deadline, .. } = self.conversation;
            let (flight, deadline) = match &mut self.state {
                State::Begun => {
                    self.state = State::AwaitingSocket;
                    return Output::Open(Leg::new(LEG, Transport::Udp, peer));
                }
                State::AwaitingSocket if now >= deadline => {
                    let (awaited, waited) = ("the socket", now.since(Moment::START));
                    let failure = Failure::Deadline { peer, awaited, transmissions: 0, waited };
                    self.hear_nothing(failure);
                    continue;
                }
                State::AwaitingSocket => {
                    return Output::Wait { until: deadline, reason: "the socket" };
                }
                State::Registering(flight) => (flight, self.module.registration_deadline()),
                State::Removing(flight) => (flight, deadline),
                State::Done => return Output::Done(self.conversation.outcome.clone()),
            };
            match flight.request.poll(peer, now, deadline) {
                Step::Output(output) => return output,
                Step::Over(failure) => self.hear_nothing(failure),
            }
        }
    }
}

impl RegisterModule {
    fn registration_deadline(&self) -> Moment {
        Moment::after(self.timeout - REMOVAL.min(self.timeout / 5))
    }
}

impl RegisterExchange {
    fn register(&mut self) {
        match self.send(self.expires) {
            Ok(flight) => self.state = State::Registering(flight),
            Err(failure) => {
                self.conversation.fail(Phase::Register, failure);
                self.finish();
            }
        }
    }

    /// Whether a REGISTER that could be accepted was sent and not answered.
    fn may_be_registered(&self) -> bool {
        let State::Registering(flight) = &self.state else { return false };
        self.answered.is_some() || flight.request.transmissions() > 1
    }

    /// Takes back whatever the registrar may hold of ours.
    fn remove(&mut self) {
        if let State::Registering(flight) = std::mem::replace(&mut self.state, State::Done) {
            self.count(&flight.request);
            self.conversation.ended(Phase::Register, flight.request.began);
        }
        self.removals += 1;
        match self.send(0) {
            Ok(flight) => self.state = State::Removing(flight),
            Err(_) => {
                self.not_removed();
                self.finish();
            }
        }
    }

    /// A new transaction under the same Call-ID.
    fn send(&mut self, expires: u32) -> Result<InFlight, Failure> {
        let peer = self.conversation.peer;
        let Some(local) = self.local else { return Err(Failure::Internal) };
        self.sequence += 1;
        let branch = self.chance.token::<16>();
        let authorization = self.authorization();
        let bytes = Register {
            address_of_record: &self.module.address_of_record,
            local,
            contact_user: &self.contact_user,
            expires,
            branch: &branch,
            from_tag: &self.from_tag,
            call_id: &self.call_id,
            sequence: self.sequence,
            authorization,
        }
        .write();
        if bytes.len() > LARGEST_DATAGRAM {
            let rule = "RFC 3261 §18.1.1";
            let what = "its challenge is so long that the answer exceeds 1300 bytes";
            return Err(Failure::Misbehaved { peer, rule, what });
        }
        let now = self.conversation.now;
        let timer = Retransmission::sip(now);
        let (phase, awaited) = if expires == 0 {
            (Phase::Unregister, "the answer to the removal")
        } else {
            (Phase::Register, "the answer to the REGISTER")
        };
        let request = Request::new(LEG, phase, timer, bytes, awaited, now);
        Ok(InFlight { request, branch, provisional: 0 })
    }

    fn authorization(&mut self) -> Option<(&'static str, Vec<u8>)> {
        let cnonce = self.chance.token::<8>();
        let (answered, credentials) =
            self.answered.as_mut().zip(self.module.credentials.as_ref())?;
        answered.count += 1;
        let first = answered.first_cnonce.get_or_insert_with(|| cnonce.clone());
        let uri = Register::request_uri(&self.module.address_of_record);
        let cnonces = Cnonces { own: &cnonce, first };
        let value = answered.chosen.answer(credentials, METHOD, &uri, answered.count, cnonces);
        Some((answered.header, value))
    }

    /// Whether this is the answer to the request in flight (RFC 3261 §17.1.3, §8.1.3.3).
    fn accept(&self, from: SocketAddr, bytes: &[u8]) -> Result<Response, Ignored> {
        if from != self.conversation.peer {
            return Err(Ignored::Stranger);
        }
        let (State::Registering(flight) | State::Removing(flight)) = &self.state else {
            return Err(Ignored::Unasked);
        };
        let response = Response::read(bytes).map_err(|malformed| match malformed {
            Malformed::Request => Ignored::Unasked,
            Malformed::NotAResponse
            | Malformed::TooLarge
            | Malformed::BrokenHeader
            | Malformed::WrongLength => Ignored::Malformed,
        })?;
        let branch = Register::branch_parameter(&flight.branch);
        let vias = response.vias();
        let is_ours = vias.len() == 1
            && vias[0].branch.as_deref() == Some(branch.as_bytes())
            && response.sequence() == Some((self.sequence, METHOD.as_bytes()))
            && response.first("call-id") == Some(self.call_id.as_bytes())
            && response.from_tag().as_deref() == Some(self.from_tag.as_bytes());
        if is_ours { Ok(response) } else { Err(Ignored::Mismatch) }
    }

    fn hear(&mut self, response: &Response, now: Moment, stamp: Stamp) {
        let (State::Registering(flight) | State::Removing(flight)) = &mut self.state else {
            return;
        };
        if response.code < 200 {
            flight.provisional += 1;
            self.conversation.heard();
            if flight.provisional > MOST_PROVISIONAL {
                self.conversation.ignore(Ignored::Unasked);
            } else {
                flight.request.timer.proceed();
            }
            return;
        }
        let round_trip = flight.request.round_trip(now, stamp);
        match std::mem::replace(&mut self.state, State::Done) {
            State::Registering(flight) => {
                self.count(&flight.request);
                if let Some((rtt, stamp)) = round_trip.filter(|_| self.transactions == 1) {
                    self.conversation.state(&RTT, rtt);
                    self.conversation.state(&CLOCK, stamp.label());
                }
                self.registered(response, flight.request.began);
            }
            State::Removing(flight) => {
                self.conversation.ended(Phase::Unregister, flight.request.began);
                self.removed(response);
            }
            State::Begun | State::AwaitingSocket | State::Done => {}
        }
    }

    /// A final answer to the registration.
    fn registered(&mut self, response: &Response, began: Moment) {
        let code = response.code;
        self.conversation.state(&STATUS_CODE, u64::from(code));
        self.note_path(response);
        let was_challenged = matches!(code, 401 | 407);
        let is_first_challenge = was_challenged && self.answered.is_none();
        let phase = if is_first_challenge { Phase::Challenge } else { Phase::Register };
        self.conversation.ended(phase, began);
        if was_challenged && self.module.credentials.is_none() {
            return self.stop_at_challenge(response);
        }
        let judges_credentials = self.answered.is_some() && matches!(code, 401 | 403 | 407);
        let next = match code {
            200..300 => {
                match self.note_bindings(response) {
                    Ok(()) => self.is_registered = true,
                    Err(failure) => self.conversation.fail(phase, failure),
                }
                return self.remove();
            }
            401 | 407 => self.answer(response),
            423 => self.lengthen(response),
            _ => Err(self.rejection(response)),
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

    /// Without credentials a challenge is the proof that the registrar is alive.
    fn stop_at_challenge(&mut self, response: &Response) {
        self.conversation.state(&MODE, "challenge");
        if response.challenges().is_empty() {
            let failure = self.no_challenge();
            self.conversation.fail(Phase::Challenge, failure);
        }
        self.finish();
    }

    /// Prepares the answer to a challenge: once, and once more when only the nonce was old.
    fn answer(&mut self, response: &Response) -> Result<(), Failure> {
        let peer = self.conversation.peer;
        let challenges = response.challenges();
        let renewals = match &self.answered {
            None => 0,
            Some(answered) => {
                // A stale nonce is replaced; the same nonce again is a refusal by another name.
                let is_stale = challenges
                    .iter()
                    .any(|challenge| challenge.stale && challenge.nonce != answered.chosen.nonce());
                if !is_stale || answered.renewals > 0 {
                    return Err(self.rejection(response));
                }
                1
            }
        };
        let Some(credentials) = &self.module.credentials else {
            return Err(Failure::Internal);
        };
        let chosen = digest::choose(&challenges, &credentials.realm, self.module.allow_md5)
            .map_err(|refusal| match refusal {
                digest::Refusal::Realm(found) => Failure::AuthRealm {
                    peer,
                    found: Foreign::new(found),
                    expected: credentials.realm.clone(),
                },
                digest::Refusal::Weak(offered) => {
                    let weakness = Weakness::Offered(Foreign::new(offered));
                    Failure::AuthWeak { peer, weakness }
                }
                digest::Refusal::Unusable => self.no_challenge(),
            })?;
        self.conversation.state(&ALGORITHM, chosen.algorithm());
        self.conversation.state(&NONCE_RENEWALS, renewals);
        let header = if response.code == 407 { "Proxy-Authorization" } else { "Authorization" };
        self.answered = Some(Answered { chosen, header, count: 0, first_cnonce: None, renewals });
        Ok(())
    }

    /// 423: the registrar wants bindings that hold longer; once, and within reason.
    fn lengthen(&mut self, response: &Response) -> Result<(), Failure> {
        match response.number("min-expires") {
            _ if self.expires != self.module.expires => Err(self.rejection(response)),
            Some(least) if least > self.expires && least <= LONGEST_MIN_EXPIRES => {
                self.expires = least;
                Ok(())
            }
            _ => Err(self.rejection(response)),
        }
    }

    /// The removal failed; of what was never granted nothing can be left.
    fn not_removed(&mut self) {
        if self.is_registered {
            self.conversation.state(&REMOVED, false);
            self.conversation.outcome.left_behind = true;
        }
    }

    fn removed(&mut self, response: &Response) {
        match response.code {
            200..300 => {
                let is_gone = !response
                    .contacts()
                    .iter()
                    .any(|contact| self.is_ours(&contact.uri) && contact.expires != Some(0));
                if self.is_registered || !is_gone {
                    self.conversation.state(&REMOVED, is_gone);
                    self.conversation.outcome.left_behind = !is_gone;
                }
            }
            // The nonce may have grown old meanwhile, or the registrar wants each one only once.
            401 | 407 if self.removals < MOST_REMOVALS && self.renew(response) => {
                return self.remove();
            }
            _ => self.not_removed(),
        }
        self.finish();
    }

    fn renew(&mut self, response: &Response) -> bool {
        let Some(credentials) = &self.module.credentials else { return false };
        let challenges = response.challenges();
        let Ok(chosen) = digest::choose(&challenges, &credentials.realm, self.module.allow_md5)
        else {
            return false;
        };
        let header = if response.code == 407 { "Proxy-Authorization" } else { "Authorization" };
        let is_new = self.answered.as_ref().is_none_or(|it| it.chosen.nonce() != chosen.nonce());
        let renewals = self.answered.as_ref().map_or(0, |answered| answered.renewals);
        self.answered = Some(Answered { chosen, header, count: 0, first_cnonce: None, renewals });
        is_new
    }

    /// The wait is over. A request that was not answered may have been heard all the same.
    fn hear_nothing(&mut self, failure: Failure) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Registering(flight) => {
                self.count(&flight.request);
                self.conversation.ended(Phase::Register, flight.request.began);
                let failure = self.conversation.end_of_wait(failure);
                self.conversation.fail(Phase::Register, failure);
                if flight.request.transmissions() > 0 { self.remove() } else { self.finish() }
            }
            State::Removing(flight) => {
                self.conversation.ended(Phase::Unregister, flight.request.began);
                self.not_removed();
                self.finish();
            }
            State::Begun | State::AwaitingSocket | State::Done => {
                self.conversation.fail(Phase::Register, failure);
                self.finish();
            }
        }
    }

    fn call_off(&mut self) {
        let soon = self.conversation.now + HASTY_REMOVAL;
        self.conversation.deadline = self.conversation.deadline.min(soon);
        match std::mem::replace(&mut self.state, State::Done) {
            State::Registering(flight) => {
                self.count(&flight.request);
                self.conversation.fail(Phase::Register, Failure::Cancelled);
                if flight.request.transmissions() > 0 { self.remove() } else { self.finish() }
            }
            State::Begun | State::AwaitingSocket => {
                self.conversation.fail(Phase::Register, Failure::Cancelled);
                self.finish();
            }
            state @ (State::Removing(_) | State::Done) => self.state = state,
        }
    }

    fn finish(&mut self) {
        if let State::Registering(flight) = std::mem::replace(&mut self.state, State::Done) {
            self.count(&flight.request);
            self.conversation.ended(Phase::Register, flight.request.began);
        }
        if self.transactions > 0 {
            self.conversation.state(&TRANSMISSIONS, self.transmissions);
            let first_ones = self.transactions.min(self.transmissions);
            self.conversation.state(&RETRANSMISSIONS, self.transmissions - first_ones);
        }
    }

    fn count(&mut self, request: &Request) {
        self.transactions += 1;
        self.transmissions += request.transmissions();
    }
}

/// Three REGISTERs to get in, one more for 423, and two to get out: whatever a registrar answers.
const MOST_REMOVALS: u32 = 2;
