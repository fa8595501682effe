//! The burst: a row of paced Bindings, each sent once, that measures loss, round trips and jitter.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    BURST, BURST_RECEIVED, BURST_SENT, CLOCK, JITTER, LEG, LOSS_RATIO, PACE, RTT_MAX, RTT_MEAN,
    RTT_MIN, RTT_P50, RTT_P95, RTT_P99,
};
use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::media::distribution::{Distribution, Interarrival};
use crate::moment::Moment;
use crate::options::{BadOption, Options, show_duration};
use crate::probe::{Output, Stamp};
use crate::target::Transport;
use crate::transaction::STUN_RTO;
use crate::wire::stun::{self, TransactionId};

/// What the options ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    count: u32,
    pace: Duration,
}

impl Plan {
    /// Reads the options of the burst; `None` where none is wanted.
    ///
    /// # Errors
    ///
    /// [`BadOption`] where it would not be measured, harm the network or not fit the timeout.
    pub(super) fn read(
        options: &Options,
        transport: Transport,
        timeout: Duration,
    ) -> Result<Option<Self>, BadOption> {
        let pace = options.require(&PACE)?;
        let refuse = |option: &'static str, problem: String, hint: String| {
            Err(BadOption { option, problem, hint: Some(hint) })
        };
        if pace < SHORTEST_PACE {
            let least = show_duration(SHORTEST_PACE);
            let hint = format!("at least {least} lie between two requests (RFC 8445 §14.2)");
            return refuse(PACE.spec().name, "is too short".to_owned(), hint);
        }
        let count = options.require(&BURST)?;
        let burst = BURST.spec().name;
        let count = match u32::try_from(count) {
            Ok(0) => return Ok(None),
            Ok(count) if count <= MOST => count,
            _ => {
                let hint = format!(
                    "a burst has at most {MOST} requests; 25 for a look, 100 or more to be judged"
                );
                return refuse(burst, "is too long".to_owned(), hint);
            }
        };
        if transport.is_stream() {
            let hint = "a stream hides loss: set transport = \"udp\", or leave `burst` out";
            let problem = format!("has no meaning over {}", transport.label());
            return refuse(burst, problem, hint.to_owned());
        }
        let needed = pace.saturating_mul(count - 1) + LATEST + STUN_RTO;
        if needed > timeout {
            let hint = format!(
                "{count} requests {} apart and the wait for their answers take {}: set `timeout` to \
                 more than that",
                show_duration(pace),
                show_duration(needed)
            );
            return refuse(burst, "does not fit into the timeout".to_owned(), hint);
        }
        Ok(Some(Self { count, pace }))
    }
}

/// A burst that is under way.
///
/// The most of seven datagrams concerns the repetitions of one transaction; here each request is a
/// transaction of its own, and none is repeated, since a repetition would hide a loss.
pub(super) struct Burst {
    pub(super) began: Moment,
    plan: Plan,
    /// The transaction of each request, in the order of sending.
    ids: Vec<TransactionId>,
    shots: Vec<Shot>,
    /// How many transmissions the leg had before.
    earlier: u32,
    /// How long an answer is waited for.
    patience: Duration,
    last_left: Moment,
}

/// A request that left.
#[derive(Clone, Copy, Debug, Default)]
struct Shot {
    sent: Option<(Moment, Stamp)>,
    answered: Option<(Moment, Stamp)>,
}

/// Whether a transaction's answer is news.
pub(super) enum Answered {
    /// It is.
    Now,
    /// It was answered before.
    Before,
    /// It is none of the burst.
    Never,
}

impl Burst {
    pub(super) fn new(
        plan: Plan,
        chance: &mut Chance,
        now: Moment,
        earlier: u32,
        rtt: Option<Duration>,
    ) -> Self {
        Self {
            began: now,
            plan,
            ids: (0..plan.count).map(|_| chance.bytes()).collect(),
            shots: Vec::new(),
            earlier,
            patience: LATEST + rtt.unwrap_or(STUN_RTO).min(LATEST),
            last_left: now,
        }
    }

    /// What is to be done now; `None` when it is over. A request whose answer could not be waited
    /// for until `deadline` is not sent, so that each one sent has its chance.
    pub(super) fn poll(
        &mut self,
        peer: SocketAddr,
        now: Moment,
        deadline: Moment,
    ) -> Option<Output> {
        let index = self.shots.len();
        let due = if index == 0 { self.began } else { self.last_left + self.plan.pace };
        let next = self.ids.get(index).filter(|_| due.max(now) + self.patience <= deadline);
        let (until, reason) = match next {
            Some(id) if due <= now => {
                self.shots.push(Shot::default());
                self.last_left = now;
                let bytes = stun::binding_request(id);
                return Some(Output::Transmit { leg: LEG, to: peer, bytes });
            }
            Some(_) => (due, "the next request of the burst"),
            None => (self.last_left + self.patience, "the answers to the burst"),
        };
        let is_complete = next.is_none() && self.shots.iter().all(|it| it.answered.is_some());
        (now < until && !is_complete).then_some(Output::Wait { until, reason })
    }

    /// Notes when a transmission of the leg left.
    pub(super) fn sent(&mut self, number: u32, now: Moment, stamp: Stamp) {
        let index = number.checked_sub(self.earlier).and_then(|index| usize::try_from(index).ok());
        if let Some(shot) = index.and_then(|index| self.shots.get_mut(index)) {
            shot.sent = Some((now, stamp));
        }
    }

    /// Notes the first answer to a request that left.
    pub(super) fn answered(
        &mut self,
        transaction: &TransactionId,
        now: Moment,
        stamp: Stamp,
    ) -> Answered {
        let index = self.ids.iter().position(|id| id == transaction);
        match index.and_then(|index| self.shots.get_mut(index)) {
            Some(shot) if shot.answered.is_none() => {
                shot.answered = Some((now, stamp));
                Answered::Now
            }
            Some(_) => Answered::Before,
            None => Answered::Never,
        }
    }

    /// States what was measured. A burst that was broken off says how far it came and nothing of
    /// loss: the answers to its last requests were not waited for.
    pub(super) fn note(&self, is_whole: bool, conversation: &mut Conversation) {
        let mut round_trips: Vec<_> = self
            .shots
            .iter()
            .filter_map(|shot| Some((shot.sent?, shot.answered?)))
            .map(|((sent, before), (answered, after))| (answered, sent, before.and(after)))
            .collect();
        let answers = self.shots.iter().filter(|shot| shot.answered.is_some()).count();
        let [sent, received] = [self.shots.len(), answers].map(|it| u32::try_from(it).unwrap_or(0));
        conversation.state(&BURST_SENT, sent.into());
        conversation.state(&BURST_RECEIVED, received.into());
        if !is_whole || sent == 0 {
            return;
        }
        conversation.state(&LOSS_RATIO, f64::from(sent - received) / f64::from(sent));
        // RFC 3550 takes packets as they arrive.
        round_trips.sort_by_key(|(answered, ..)| *answered);
        let mut jitter = Interarrival::default();
        for &(answered, sent, stamp) in &round_trips {
            jitter.arrived(sent, answered);
            if stamp == Stamp::Program {
                conversation.state(&CLOCK, stamp.label());
            }
        }
        if let Some(jitter) = jitter.jitter() {
            conversation.state(&JITTER, jitter);
        }
        let durations = round_trips.iter().map(|(answered, sent, _)| answered.since(*sent));
        let Some(all) = Distribution::of(durations) else { return };
        conversation.state(&RTT_MIN, all.min);
        conversation.state(&RTT_MEAN, all.mean);
        conversation.state(&RTT_P50, all.p50);
        conversation.state(&RTT_P95, all.p95);
        conversation.state(&RTT_P99, all.p99);
        conversation.state(&RTT_MAX, all.max);
    }
}

/// RFC 8445 §14.2: transactions are not begun more often than once in 5 ms.
const SHORTEST_PACE: Duration = Duration::from_millis(5);
/// A burst of 20 s at the default pace; as many transaction ids are kept.
const MOST: u32 = 1000;
/// How long after a usual round trip an answer still counts. In a call, one that late is lost too.
const LATEST: Duration = Duration::from_secs(1);
