//! What every exchange keeps: who it speaks to, how late it is, what it has learned, and the one
//! request that is in flight.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fact::{Fact, FactKey};
use crate::failure::Failure;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::{Ignored, Outcome, Phase};
use crate::probe::{Input, Output, Stamp};
use crate::proof;
use crate::transaction::{Due, Retransmission};

/// The part of an exchange that is the same for every protocol.
pub(crate) struct Conversation {
    pub(crate) peer: SocketAddr,
    pub(crate) now: Moment,
    pub(crate) deadline: Moment,
    pub(crate) outcome: Outcome,
    provisional: u64,
}

impl Conversation {
    pub(crate) fn new(peer: SocketAddr, timeout: Duration) -> Self {
        Self {
            peer,
            now: Moment::START,
            deadline: Moment::after(timeout),
            outcome: Outcome::default(),
            provisional: 0,
        }
    }

    /// Takes note of the time. A kernel's stamp may lie before what is already known to have
    /// passed; time does not run back for that.
    pub(crate) fn at(&mut self, now: Moment) {
        self.now = self.now.max(now);
    }

    pub(crate) fn state<T: Fact>(&mut self, key: &FactKey<T>, value: T) {
        self.outcome.facts.state(key, value);
    }

    /// Whether a fact was stated.
    pub(crate) fn has_stated<T: Fact>(&self, key: &FactKey<T>) -> bool {
        self.outcome.facts.read(key).is_some()
    }

    pub(crate) fn ignore(&mut self, reason: Ignored) {
        *self.outcome.ignored.entry(reason).or_default() += 1;
    }

    /// Notes that the peer said something that is no answer yet.
    pub(crate) fn heard(&mut self) {
        self.provisional += 1;
    }

    /// Whether the peer said anything, be it nothing that could be used.
    pub(crate) fn has_heard(&self) -> bool {
        self.messages() > 0
    }

    fn messages(&self) -> u64 {
        let ignored = self.outcome.ignored.iter();
        let of_peer = ignored.filter(|(reason, _)| **reason != Ignored::Stranger);
        of_peer.map(|(_, count)| count).sum::<u64>() + self.provisional
    }

    /// What the end of the wait means: silence only where the peer said nothing at all.
    pub(crate) fn end_of_wait(&self, silence: Failure) -> Failure {
        let messages = self.messages();
        if let Failure::NoResponse { peer, transmissions, .. }
        | Failure::Deadline { peer, transmissions, .. } = silence
            && messages > 0
        {
            return Failure::Unusable { peer, messages, transmissions };
        }
        silence
    }

    /// Notes how long a phase took.
    pub(crate) fn ended(&mut self, phase: Phase, began: Moment) {
        let took = self.now.since(began);
        self.outcome.phases.push((phase, took));
    }

    /// What ended last turned out to be another phase.
    pub(crate) fn rename_last(&mut self, phase: Phase) {
        if let Some((last, _)) = self.outcome.phases.last_mut() {
            *last = phase;
        }
    }

    /// Notes what went wrong; the first failure is the one that counts.
    pub(crate) fn fail(&mut self, phase: Phase, failure: Failure) {
        self.outcome.failure.get_or_insert((phase, failure));
    }

    /// The failure that an input is by itself, where it is one: a refusal, a fault of this host
    /// or the exchange being called off. What a peer showed that could not prove itself is noted.
    pub(crate) fn failure_of(&mut self, input: &Input<'_>) -> Option<Failure> {
        let peer = self.peer;
        match *input {
            Input::Refused { by, refusal, .. } => Some(Failure::Refused { peer, by, refusal }),
            Input::Insecure { problem, certificate, trusted_by, .. } => {
                if let Some(certificate) = certificate {
                    proof::note_certificate(certificate, trusted_by, &mut self.outcome.facts);
                }
                // Who issued a good certificate explains nothing.
                let certificate = certificate.filter(|_| problem.is_of_certificate());
                let issuer = certificate.map(|certificate| certificate.issuer.clone());
                let trusted_by = trusted_by.filter(|_| problem.is_of_certificate());
                Some(Failure::TlsFailed { peer, problem, issuer, trusted_by })
            }
            Input::Failed { problem, .. } => Some(Failure::Local { peer, problem }),
            Input::Cancelled => Some(Failure::Cancelled),
            Input::Connected { .. }
            | Input::Secured { .. }
            | Input::Sent { .. }
            | Input::Received { .. }
            | Input::Closed { .. }
            | Input::Timeout => None,
        }
    }
}

/// A request in flight: its bytes, its timer and what was seen of its transmissions.
pub(crate) struct Request {
    pub(crate) leg: LegId,
    pub(crate) phase: Phase,
    pub(crate) began: Moment,
    pub(crate) timer: Retransmission,
    bytes: Vec<u8>,
    awaited: &'static str,
    last_sent: Option<(Moment, Stamp)>,
}

/// What a request in flight wants.
pub(crate) enum Step {
    /// Do this.
    Output(Output),
    /// The wait is over, without an answer.
    Over(Failure),
}

impl Request {
    pub(crate) fn new(
        leg: LegId,
        phase: Phase,
        timer: Retransmission,
        bytes: Vec<u8>,
        awaited: &'static str,
        began: Moment,
    ) -> Self {
        Self { leg, phase, began, timer, bytes, awaited, last_sent: None }
    }

    /// What is to be done now; `deadline` cuts the schedule.
    pub(crate) fn poll(&mut self, peer: SocketAddr, now: Moment, deadline: Moment) -> Step {
        let transmissions = self.timer.transmissions();
        let waited = now.since(self.began);
        // Asked before the timer, which counts what it lets go.
        if now >= deadline && self.timer.end() > deadline + OPENING {
            let awaited = self.awaited;
            return Step::Over(Failure::Deadline { peer, awaited, transmissions, waited });
        }
        if now >= deadline {
            return Step::Over(Failure::NoResponse { peer, transmissions, waited });
        }
        match self.timer.due(now) {
            Due::GiveUp => Step::Over(Failure::NoResponse { peer, transmissions, waited }),
            Due::Transmit => Step::Output(Output::Transmit {
                leg: self.leg,
                to: peer,
                bytes: self.bytes.clone(),
            }),
            Due::Wait(until) => {
                Step::Output(Output::Wait { until: until.min(deadline), reason: self.awaited })
            }
        }
    }

    pub(crate) fn transmissions(&self) -> u64 {
        u64::from(self.timer.transmissions())
    }

    /// Notes when a transmission left.
    pub(crate) fn sent(&mut self, now: Moment, stamp: Stamp) {
        self.last_sent = Some((now, stamp));
    }

    /// From the transmission to an answer that arrived at `now`.
    ///
    /// After a retransmission nobody can tell which transmission was answered, so there is none
    /// then (Karn's algorithm, RFC 6298 §3).
    pub(crate) fn round_trip(&self, now: Moment, stamp: Stamp) -> Option<(Duration, Stamp)> {
        let (sent, sent_stamp) = self.last_sent.filter(|_| self.timer.transmissions() == 1)?;
        Some((now.since(sent), sent_stamp.and(stamp)))
    }
}

/// A schedule begins when its socket is open, a timeout before: one that is as long as the
/// schedule does not cut it short by this much.
const OPENING: Duration = Duration::from_millis(100);
