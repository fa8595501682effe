//! One run of `nat-behavior`: which question comes when, on which leg.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::hairpin::Hairpin;
use super::legs::Legs;
use super::lifetime::Lifetime;
use super::track::{Answer, Asked, Heard, Purpose, Question, Reply, Track, Wish};
use super::verdict::{ENDPOINT_INDEPENDENT, INCONCLUSIVE, Method, NONE, Repeat, Repeats};
use super::{Plan, facts};
use crate::admission::{differs_in_both, is_admitted};
use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::probe::{Exchange, Input, Output};
use crate::wire::stun::{self, Class, Malformed, TransactionId};

/// What is being asked.
enum Stage {
    /// For the first time; nothing is known of the server.
    First(LegId),
    /// How the NAT maps what this leg sends.
    Mapping(LegId),
    /// What it lets in, while the mapping's leg stays open so that nobody gets its port.
    Filtering(LegId, Vec<LegId>, Repeat),
    /// Whether two legs of ours meet.
    Hairpin(Hairpin),
    /// How long a silent leg is remembered.
    Lifetime(Lifetime),
    Done,
}

pub(super) struct NatExchange {
    conversation: Conversation,
    plan: Arc<Plan>,
    chance: Chance,
    legs: Legs,
    tracks: Vec<Track>,
    stage: Stage,
    began: Moment,
    method: Method,
    repeats: Repeats,
    losses: u64,
    is_rewritten: bool,
    hairpin: Option<&'static str>,
    /// Everybody who may answer.
    known: BTreeSet<SocketAddr>,
    /// Every transaction that was begun: an answer that comes twice is nothing to wonder at.
    spoken: BTreeSet<TransactionId>,
}

impl NatExchange {
    pub(super) fn begin(plan: Arc<Plan>, peer: SocketAddr, chance: Chance) -> Self {
        let mut legs = Legs::default();
        let leg = legs.open(peer);
        Self {
            conversation: Conversation::new(peer, plan.timeout),
            chance,
            legs,
            tracks: vec![Track::new([Question::new(Purpose::Primary, leg, peer).patient()])],
            stage: Stage::First(leg),
            began: Moment::START,
            method: Method::Alone,
            repeats: Repeats::new(plan.repeats),
            losses: 0,
            is_rewritten: false,
            hairpin: None,
            known: BTreeSet::from([peer]),
            spoken: BTreeSet::new(),
            plan,
        }
    }
}

impl Exchange for NatExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        let now = self.conversation.now;
        match input {
            // Once the server has answered, a refusal is of one packet and ends one question:
            // anybody on the way can send one (F46).
            Input::Refused { leg, to, .. }
                if to != self.conversation.peer || !matches!(self.stage, Stage::First(_)) =>
            {
                for track in &mut self.tracks {
                    track.refused(leg, to, now);
                }
            }
            Input::Received { leg, from, bytes, .. } => {
                if let Err(reason) = self.hear(leg, from, bytes) {
                    self.conversation.ignore(reason);
                }
            }
            Input::Connected { leg, local } => {
                self.legs.opened(leg, local);
            }
            Input::Refused { .. }
            | Input::Failed { .. }
            | Input::Cancelled
            | Input::Secured { .. }
            | Input::Insecure { .. }
            | Input::Sent { .. }
            | Input::Closed { .. }
            | Input::Timeout => {
                if let Some(failure) = self.conversation.failure_of(&input) {
                    self.finish(Some(failure));
                }
            }
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            if matches!(self.stage, Stage::Done) {
                return Output::Done(self.conversation.outcome.clone());
            }
            if let Some(output) = self.legs.poll() {
                return output;
            }
            let Conversation { now, deadline, .. } = self.conversation;
            if now >= deadline {
                let failure = self.silence();
                self.finish(failure);
                continue;
            }
            let mut until = deadline;
            for track in &mut self.tracks {
                let is_open = |leg| self.legs.local(leg).is_some();
                match track.poll(now, is_open, &mut self.chance) {
                    Wish::Output(output) => {
                        if let Output::Transmit { bytes, .. } = &output {
                            let transaction = bytes.get(8..20).map(TransactionId::try_from);
                            self.spoken.extend(transaction.into_iter().flatten());
                        }
                        return output;
                    }
                    Wish::Until(moment) => until = until.min(moment),
                    Wish::Leg | Wish::Nothing => {}
                }
            }
            if !self.tracks.iter().all(Track::is_done) {
                return Output::Wait { until, reason: self.awaited() };
            }
            self.advance();
        }
    }
}

impl NatExchange {
    fn hear(&mut self, leg: LegId, from: SocketAddr, bytes: &[u8]) -> Result<(), Ignored> {
        let now = self.conversation.now;
        let message = stun::read(bytes);
        // A request of our own may come back from anywhere.
        let is_own = |message: &stun::Message| self.spoken.contains(&message.transaction);
        let comes_back = message.as_ref().is_ok_and(|it| it.class == Class::Request && is_own(it));
        if !comes_back && !self.known.contains(&from) {
            return Err(Ignored::Stranger);
        }
        let message = message.map_err(|malformed| match malformed {
            Malformed::NotStun => Ignored::Malformed,
            Malformed::Fingerprint => Ignored::Unproven,
        })?;
        let is_response = matches!(message.class, Class::Success | Class::Error);
        if !(is_response || comes_back) || message.method != stun::Method::Binding {
            return Err(Ignored::Unasked);
        }
        if is_response && message.has_unknown_required {
            return Err(Ignored::Malformed);
        }
        let is_late = is_own(&message);
        let heard = self.tracks.iter_mut().map(|track| track.hear(leg, from, &message, now));
        match heard.max_by_key(|heard| *heard as u8) {
            Some(Heard::Reply) => Ok(()),
            Some(Heard::Elsewhere) => Err(Ignored::Stranger),
            Some(Heard::Nothing) | None if is_late => Ok(()),
            Some(Heard::Nothing) | None => Err(Ignored::Mismatch),
        }
    }

    /// What the end of the wait for the first answer means; nothing where it has come.
    fn silence(&self) -> Option<Failure> {
        let Stage::First(_) = self.stage else { return None };
        let Conversation { peer, now, deadline, .. } = self.conversation;
        let track = self.tracks.first()?;
        let Some((end, transmissions, began)) = track.in_flight() else {
            let waited = now.since(self.began);
            return Some(Failure::Deadline {
                peer,
                awaited: "the socket",
                transmissions: 0,
                waited,
            });
        };
        let (waited, awaited) = (now.since(began), self.awaited());
        Some(self.conversation.end_of_wait(if end > deadline {
            Failure::Deadline { peer, awaited, transmissions, waited }
        } else {
            Failure::NoResponse { peer, transmissions, waited }
        }))
    }

    /// All questions of the stage are answered, or never will be.
    fn advance(&mut self) {
        let tracks = std::mem::take(&mut self.tracks);
        self.count(&tracks);
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First(leg) => self.learn_first(leg, tracks),
            Stage::Mapping(leg) => self.learn_mapping(leg, all(tracks)),
            Stage::Filtering(leg, others, mut repeat) => {
                repeat.filtering = all(tracks);
                self.ended(Phase::Filtering);
                self.end_repeat(repeat, [leg].into_iter().chain(others));
            }
            Stage::Hairpin(hairpin) => self.learn_hairpin(hairpin, &tracks),
            Stage::Lifetime(mut lifetime) => {
                lifetime.learn(tracks, &self.legs);
                self.tracks = lifetime.tracks(self.conversation.peer);
                self.stage = Stage::Lifetime(lifetime);
                if self.tracks.is_empty() {
                    self.finish(None);
                }
            }
            Stage::Done => {}
        }
    }

    fn count(&mut self, tracks: &[Track]) {
        for asked in tracks.iter().flat_map(|track| &track.asked) {
            self.losses += u64::from(asked.shows_loss());
            self.is_rewritten |= asked.answer().is_some_and(|answer| answer.is_rewritten);
        }
    }

    fn learn_first(&mut self, leg: LegId, tracks: Vec<Track>) {
        self.stage = Stage::First(leg);
        let peer = self.conversation.peer;
        let asked = all(tracks);
        let Some(first) = asked.first() else { return self.finish(Some(Failure::Internal)) };
        let answer = match first.reply.clone() {
            Reply::Answered(answer) => answer,
            Reply::Rejected(code, reason) => {
                let reason = Foreign::new(reason);
                return self.finish(Some(Failure::Rejected { peer, code, reason }));
            }
            Reply::Broken(rule, what) => {
                return self.finish(Some(Failure::Misbehaved { peer, rule, what }));
            }
            Reply::Silent | Reply::Unheeded | Reply::Refused => {
                let transmissions = first.transmissions;
                let waited = self.conversation.now.since(self.began);
                let silence = Failure::NoResponse { peer, transmissions, waited };
                let failure = self.conversation.end_of_wait(silence);
                return self.finish(Some(failure));
            }
        };
        self.ended(Phase::Request);
        self.learn_addresses(leg, &answer);
        self.stage = Stage::Mapping(leg);
        let mut track = Track::new(self.mapping_questions(leg).into_iter().skip(1));
        track.asked = asked;
        // What was counted already is not counted again.
        self.losses = 0;
        self.tracks = vec![track];
    }

    fn learn_addresses(&mut self, leg: LegId, answer: &Answer) {
        let peer = self.conversation.peer;
        let local = self.legs.local(leg);
        let conversation = &mut self.conversation;
        conversation.state(&facts::MAPPED_ADDRESS, answer.mapped);
        if let Some(local) = local {
            conversation.state(&facts::LOCAL_ADDRESS, local);
            conversation.state(&facts::PORT_PRESERVED, local.port() == answer.mapped.port());
        }
        let own: Vec<_> = local.iter().chain([&answer.mapped]).map(SocketAddr::ip).collect();
        let usage = match answer.other {
            None => "absent",
            Some(other) => {
                conversation.state(&facts::OTHER_ADDRESS, other);
                if !differs_in_both(other, peer) {
                    "unfit"
                } else if !is_admitted(other, peer, &self.plan.allowed, &own) {
                    "refused"
                } else {
                    self.method = Method::Rfc5780(other);
                    "used"
                }
            }
        };
        conversation.state(&facts::OTHER_ADDRESS_USE, usage);
        if self.method == Method::Alone {
            self.turn_to_second_server();
        }
        self.know();
    }

    /// Compares with a second server instead, where there is one that can tell anything.
    fn turn_to_second_server(&mut self) -> bool {
        let peer = self.conversation.peer;
        let second = self
            .plan
            .second
            .filter(|second| second.ip() != peer.ip() && second.is_ipv4() == peer.is_ipv4());
        self.method = second.map_or(self.method, Method::TwoServer);
        self.know();
        second.is_some()
    }

    fn know(&mut self) {
        let peer = self.conversation.peer;
        match self.method {
            Method::Rfc5780(other) => self.known.extend([
                other,
                SocketAddr::new(other.ip(), peer.port()),
                SocketAddr::new(peer.ip(), other.port()),
            ]),
            Method::TwoServer(second) => self.known.extend([second]),
            Method::Alone => {}
        }
    }

    fn mapping_questions(&self, leg: LegId) -> Vec<Question> {
        let peer = self.conversation.peer;
        let ask = |purpose, to| Question::new(purpose, leg, to);
        let mut questions = vec![ask(Purpose::Primary, peer)];
        match self.method {
            Method::Rfc5780(other) => {
                let other_ip = SocketAddr::new(other.ip(), peer.port());
                let other_port = SocketAddr::new(peer.ip(), other.port());
                questions.extend([
                    ask(Purpose::OtherIp, other_ip),
                    ask(Purpose::Other, other),
                    ask(Purpose::PrimaryAgain, peer),
                    ask(Purpose::OtherPort, other_port),
                ]);
            }
            Method::TwoServer(second) => {
                questions.extend([ask(Purpose::OtherIp, second), ask(Purpose::PrimaryAgain, peer)])
            }
            Method::Alone => questions.push(ask(Purpose::PrimaryAgain, peer)),
        }
        questions
    }

    fn learn_mapping(&mut self, leg: LegId, mapping: Vec<Asked>) {
        self.ended(Phase::Mapping);
        let (method, local) = (self.method, self.legs.local(leg));
        let repeat = Repeat { method, local, mapping, filtering: Vec::new() };
        let (Method::Rfc5780(other), Some(_)) = (method, repeat.mapped(Purpose::OtherPort)) else {
            return self.end_repeat(repeat, [leg]);
        };
        let peer = self.conversation.peer;
        let other_port = SocketAddr::new(peer.ip(), other.port());
        let mut others = Vec::new();
        for (purpose, from) in [(Purpose::ChangedIp, other), (Purpose::ChangedPort, other_port)] {
            let leg = self.legs.open(peer);
            others.push(leg);
            self.tracks.push(Track::new([
                Question::new(Purpose::Primary, leg, peer),
                Question::new(purpose, leg, peer).answered_from(from),
                Question::new(Purpose::PrimaryAgain, leg, peer),
            ]));
        }
        let word = repeat.mapping();
        let can_show = word.is_some_and(|word| [NONE, ENDPOINT_INDEPENDENT].contains(&word));
        if can_show && !self.repeats.is_proven() {
            let proof = Question::new(Purpose::Proof, leg, peer).answered_from(other);
            self.tracks.push(Track::new([proof]));
        }
        self.stage = Stage::Filtering(leg, others, repeat);
    }

    fn end_repeat(&mut self, repeat: Repeat, legs: impl IntoIterator<Item = LegId>) {
        for leg in legs {
            self.legs.close(leg);
        }
        self.repeats.push(repeat);
        if self.repeats.go_on() {
            return self.begin_repeat();
        }
        let is_deserted = matches!(self.method, Method::Rfc5780(_)) && !self.repeats.has_company();
        if is_deserted && !self.repeats.is_cut_off() && self.turn_to_second_server() {
            self.conversation.state(&facts::OTHER_ADDRESS_USE, "silent");
            self.repeats.clear();
            return self.begin_repeat();
        }
        self.begin_hairpin();
    }

    fn begin_repeat(&mut self) {
        let leg = self.legs.open(self.conversation.peer);
        self.tracks = vec![Track::new(self.mapping_questions(leg))];
        self.stage = Stage::Mapping(leg);
    }

    fn begin_hairpin(&mut self) {
        let mapping = self.repeats.mapping();
        if !self.plan.hairpin || mapping == NONE {
            return self.begin_lifetime();
        }
        self.hairpin = Some(INCONCLUSIVE);
        // Who is seen at another place by everybody cannot be met at any of them.
        if mapping != ENDPOINT_INDEPENDENT {
            return self.begin_lifetime();
        }
        let peer = self.conversation.peer;
        let is_clean = self.repeats.last().is_some_and(Repeat::is_clean);
        let hairpin = Hairpin::begin(&mut self.legs, peer, is_clean);
        self.tracks = hairpin.tracks(peer, |leg| self.mapping_questions(leg));
        self.stage = Stage::Hairpin(hairpin);
    }

    fn learn_hairpin(&mut self, mut hairpin: Hairpin, tracks: &[Track]) {
        let peer = self.conversation.peer;
        let own: Vec<_> = self.legs.locals().map(|local| local.ip()).collect();
        let is_safe = |claimed: SocketAddr| {
            let seen = self.repeats.iter().filter_map(|repeat| repeat.mapped(Purpose::Primary));
            seen.map(|mapped| mapped.ip()).all(|ip| ip == claimed.ip())
                && is_admitted(claimed, peer, &self.plan.allowed, &own)
        };
        hairpin.learn(tracks, &mut self.legs, is_safe);
        self.hairpin = Some(hairpin.word);
        self.tracks = hairpin.tracks(peer, |leg| self.mapping_questions(leg));
        self.stage = Stage::Hairpin(hairpin);
        if self.tracks.is_empty() {
            self.ended(Phase::Hairpin);
            self.begin_lifetime();
        }
    }

    fn begin_lifetime(&mut self) {
        if self.plan.lifetimes.is_empty() || self.repeats.is_cut_off() {
            return self.finish(None);
        }
        let peer = self.conversation.peer;
        let mut lifetime = Lifetime::begin(&self.plan.lifetimes, &mut self.legs, peer);
        self.tracks = lifetime.tracks(peer);
        self.stage = Stage::Lifetime(lifetime);
    }

    /// Notes how long a part took; of several repeats, the sum.
    fn ended(&mut self, phase: Phase) {
        let took = self.conversation.now.since(self.began);
        self.began = self.conversation.now;
        let phases = &mut self.conversation.outcome.phases;
        match phases.iter_mut().find(|(it, _)| *it == phase) {
            Some((_, sum)) => *sum += took,
            None => phases.push((phase, took)),
        }
    }

    fn phase(&self) -> Phase {
        match self.stage {
            Stage::First(_) => Phase::Request,
            Stage::Mapping(_) => Phase::Mapping,
            Stage::Filtering(..) => Phase::Filtering,
            Stage::Hairpin(_) | Stage::Done => Phase::Hairpin,
            Stage::Lifetime(_) => Phase::Lifetime,
        }
    }

    fn awaited(&self) -> &'static str {
        match self.stage {
            Stage::First(_) | Stage::Done => "the STUN response",
            Stage::Mapping(_) => "the mapped addresses",
            Stage::Filtering(..) => "the answers from elsewhere",
            Stage::Hairpin(_) => "a packet of our own",
            Stage::Lifetime(_) => "the NAT to forget",
        }
    }

    fn finish(&mut self, failure: Option<Failure>) {
        let phase = self.phase();
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        let tracks = std::mem::take(&mut self.tracks);
        self.count(&tracks);
        match stage {
            Stage::Done if failure.is_some() => return,
            Stage::First(_) => {
                self.began = Moment::START;
                self.stage = Stage::Done;
                self.ended(Phase::Request);
            }
            Stage::Lifetime(mut lifetime) => {
                lifetime.learn(tracks, &self.legs);
                lifetime.state(self.plan.lifetime_known, &mut self.conversation);
                self.ended(Phase::Lifetime);
                self.state();
            }
            Stage::Done | Stage::Mapping(_) | Stage::Filtering(..) | Stage::Hairpin(_) => {
                self.state()
            }
        }
        if let Some(failure) = failure {
            self.conversation.fail(phase, failure);
        }
    }

    fn state(&mut self) {
        let conversation = &mut self.conversation;
        let is_deserted = !self.repeats.has_company();
        match self.method {
            Method::Rfc5780(_) if is_deserted => {
                conversation.state(&facts::OTHER_ADDRESS_USE, "silent");
            }
            Method::Rfc5780(_) => conversation.state(&facts::METHOD, "rfc5780"),
            Method::TwoServer(_) => conversation.state(&facts::METHOD, "two_server"),
            Method::Alone => {}
        }
        conversation.state(&facts::MAPPING, self.repeats.mapping());
        if matches!(self.method, Method::Rfc5780(_)) {
            conversation.state(&facts::FILTERING, self.repeats.filtering());
        }
        if let Some(hairpin) = self.hairpin {
            conversation.state(&facts::HAIRPIN, hairpin);
        }
        let repeats = u64::try_from(self.repeats.len()).unwrap_or(u64::MAX);
        conversation.state(&facts::REPEATS, repeats);
        conversation.state(&facts::LOSSES, self.losses);
        conversation.state(&facts::REWRITTEN, self.is_rewritten);
    }
}

fn all(tracks: Vec<Track>) -> Vec<Asked> {
    tracks.into_iter().flat_map(|track| track.asked).collect()
}
