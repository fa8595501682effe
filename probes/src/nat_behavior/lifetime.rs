//! How long the NAT remembers a leg that is silent (RFC 5780 §4.6).
//!
//! Every candidate has a leg of its own: all speak once, then each is silent for its time, all at
//! once. Then another leg asks the server to answer to the silent one's mapped port
//! (RESPONSE-PORT): what arrives shows that the binding lives, and nothing that we sent renewed it.
//!
//! A server without RESPONSE-PORT leaves only to speak again from the silent leg and to compare
//! mapped addresses. A NAT that keeps ports gives a new binding the old address, so there such a
//! server can tell nothing, and nothing is stated.
//!
//! A sentinel, never silent for long, tells a NAT that forgot everything at once (it started
//! again, its table was flushed) from one that forgot what was silent: when the sentinel is
//! forgotten too, silence was not the reason (F44).

use std::net::SocketAddr;
use std::time::Duration;

use super::facts;
use super::legs::Legs;
use super::track::{Answer, Asked, Purpose, Question, Reply, Track};
use crate::conversation::Conversation;
use crate::leg::LegId;
use crate::moment::Moment;

/// One search, which asks for all candidates in one go.
pub(super) struct Lifetime {
    candidates: Vec<Candidate>,
    sentinel: Speaker,
    asker: Speaker,
    step: Step,
    is_steady: bool,
}

struct Candidate {
    silence: Duration,
    speaker: Speaker,
    seen: Option<Seen>,
}

/// A leg with what the server saw of it.
struct Speaker {
    leg: LegId,
    mapped: Option<SocketAddr>,
    spoke: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Alive,
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Every leg speaks.
    Speaking,
    /// Does the server answer to another port?
    Trying,
    /// The legs are silent; whether the server answers to another port.
    Waiting {
        by_port: bool,
    },
    Over,
}

impl Speaker {
    fn new(leg: LegId) -> Self {
        Self { leg, mapped: None, spoke: Moment::START }
    }
}

impl Lifetime {
    pub(super) fn begin(silences: &[Duration], legs: &mut Legs, peer: SocketAddr) -> Self {
        let mut speaker = || Speaker::new(legs.open(peer));
        let (asker, sentinel) = (speaker(), speaker());
        let mut candidate =
            |silence: &Duration| Candidate { silence: *silence, speaker: speaker(), seen: None };
        let candidates = silences.iter().map(&mut candidate).collect();
        Self { candidates, sentinel, asker, step: Step::Speaking, is_steady: true }
    }

    fn speakers(&mut self) -> impl Iterator<Item = &mut Speaker> {
        let candidates = self.candidates.iter_mut().map(|candidate| &mut candidate.speaker);
        [&mut self.asker, &mut self.sentinel].into_iter().chain(candidates)
    }

    /// What is asked in this step; nothing when the search is over.
    pub(super) fn tracks(&mut self, peer: SocketAddr) -> Vec<Track> {
        let asker = self.asker.leg;
        let wake = |sleeper: &Speaker| {
            let port = sleeper.mapped.map(|mapped| mapped.port()).unwrap_or_default();
            Question::new(Purpose::Wake, asker, peer).answered_at(sleeper.leg).answered_to(port)
        };
        match self.step {
            Step::Speaking => self
                .speakers()
                .map(|speaker| Track::new([Question::new(Purpose::Primary, speaker.leg, peer)]))
                .collect(),
            Step::Trying => vec![Track::new([wake(&self.sentinel)])],
            Step::Waiting { by_port } => {
                let of_candidate = |candidate: &Candidate| {
                    let Candidate { silence, speaker, .. } = candidate;
                    let due = speaker.spoke + *silence;
                    let again = Question::new(Purpose::PrimaryAgain, speaker.leg, peer);
                    Track::new(if by_port {
                        let control = Question::new(Purpose::PrimaryAgain, asker, peer);
                        vec![wake(speaker).not_before(due), control]
                    } else {
                        vec![again.not_before(due)]
                    })
                };
                let longest = self.candidates.iter().map(|it| it.silence).max();
                let rounds = longest.unwrap_or_default().as_secs() / SENTINEL.as_secs();
                let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
                let of_sentinel = (1..=rounds).flat_map(|round| {
                    let due = self.sentinel.spoke + SENTINEL.saturating_mul(round);
                    let leg = self.sentinel.leg;
                    let again = Question::new(Purpose::PrimaryAgain, leg, peer).not_before(due);
                    let wake = by_port.then(|| wake(&self.sentinel).not_before(due));
                    wake.into_iter().chain([again])
                });
                let sentinel = Track::new(of_sentinel);
                self.candidates.iter().map(of_candidate).chain([sentinel]).collect()
            }
            Step::Over => Vec::new(),
        }
    }

    /// Takes in what came of the questions of this step, as far as they went.
    pub(super) fn learn(&mut self, tracks: Vec<Track>, legs: &Legs) {
        match self.step {
            Step::Speaking => {
                for (speaker, track) in self.speakers().zip(&tracks) {
                    let asked = track.asked.first();
                    speaker.mapped = asked.and_then(|it| Some(it.answer()?.mapped));
                    speaker.spoke = asked.map_or(Moment::START, |it| it.ended);
                }
                self.candidates.retain(|candidate| candidate.speaker.mapped.is_some());
                let can_ask = self.asker.mapped.is_some() && self.sentinel.mapped.is_some();
                self.step = if can_ask { Step::Trying } else { Step::Over };
            }
            Step::Trying => {
                let asked = tracks.first().and_then(|track| track.asked.first());
                let by_port = asked.is_some_and(|asked| asked.answer().is_some());
                if !by_port {
                    let port = |address: Option<SocketAddr>| address.map(|it| it.port());
                    self.candidates.retain(|Candidate { speaker, .. }| {
                        port(speaker.mapped) != port(legs.local(speaker.leg))
                    });
                }
                self.step = Step::Waiting { by_port };
            }
            Step::Waiting { by_port } => {
                for (candidate, track) in self.candidates.iter_mut().zip(&tracks) {
                    candidate.seen = seen(&candidate.speaker, &track.asked, by_port);
                }
                let of_sentinel = tracks.last().map(|track| &track.asked[..]).unwrap_or_default();
                self.is_steady = of_sentinel.iter().all(|asked| {
                    // What wakes it says from where the asker was seen.
                    let is_same = |answer: &Answer| {
                        asked.purpose == Purpose::Wake
                            || Some(answer.mapped) == self.sentinel.mapped
                    };
                    asked.answer().is_some_and(is_same)
                });
                self.step = Step::Over;
            }
            Step::Over => {}
        }
        if self.candidates.is_empty() {
            self.step = Step::Over;
        }
    }

    /// States what was found; `known` is a silence after which a binding is known to live.
    pub(super) fn state(&self, known: Option<Duration>, conversation: &mut Conversation) {
        let silences = |wanted| {
            let found = self.candidates.iter().filter(move |it| it.seen == Some(wanted));
            found.map(|candidate| candidate.silence)
        };
        // An answer that came in is proof, whatever did not come in after a shorter silence.
        let alive = silences(Seen::Alive).max();
        let least = alive.or(known).unwrap_or_default();
        let dead = silences(Seen::Dead).filter(|silence| *silence > least).min();
        let dead = dead.filter(|_| self.is_steady);
        if let Some(alive) = alive.or(known.filter(|_| dead.is_some())) {
            conversation.state(&facts::BINDING_LIFETIME, alive);
            let bound = if dead.is_some() { "measured" } else { "at_least" };
            conversation.state(&facts::LIFETIME_BOUND, bound);
        }
        if let Some(dead) = dead {
            conversation.state(&facts::BINDING_LIFETIME_BELOW, dead);
        }
    }
}

fn seen(speaker: &Speaker, asked: &[Asked], by_port: bool) -> Option<Seen> {
    let first = asked.first()?;
    if !by_port {
        let is_same = Some(first.answer()?.mapped) == speaker.mapped;
        return Some(if is_same { Seen::Alive } else { Seen::Dead });
    }
    match first.reply {
        Reply::Answered(_) => Some(Seen::Alive),
        // The packet that would have waked it may have been lost, unless nothing else was.
        Reply::Silent => {
            let control = asked.get(1)?;
            (control.answer().is_some() && !control.shows_loss()).then_some(Seen::Dead)
        }
        Reply::Unheeded | Reply::Rejected(..) | Reply::Broken(..) | Reply::Refused => None,
    }
}

/// The silences to be tried, up to `most`. Where an earlier run showed that a binding survives
/// `known`, the rest is divided evenly, so that each run narrows what the one before left open.
pub(super) fn silences(known: Option<Duration>, most: Duration) -> Vec<Duration> {
    let Some(known) = known else {
        let usual = USUAL.map(Duration::from_secs).into_iter().filter(|it| *it < most);
        return usual.chain([most]).collect();
    };
    let step = most.saturating_sub(known) / PARTS;
    (1..=PARTS).map(|part| known + step * part).collect()
}

/// Around the limits that matter: 30 s is what careless NATs keep, 90 s and 300 s are what voice
/// platforms ask for, 2 min is REQ-5 of RFC 4787 §4.3.
const USUAL: [u64; 8] = [5, 15, 30, 60, 90, 120, 180, 240];
const PARTS: u32 = 8;
/// How often the sentinel speaks.
const SENTINEL: Duration = Duration::from_secs(5);
