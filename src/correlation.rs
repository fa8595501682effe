//! Lays what was seen on site beside what the vendor says, by check and by time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::sip::facts::RETRANSMISSIONS;
use branchline_probes::{Failure, Observation, Phase, Transport, Verdict};

use crate::check::{Check, CheckId};
use crate::profile::Profile;
use crate::sight::Sight;
use crate::telephony::{ApiProblem, Edge, Reference, Snapshot, Trunk};

/// All that is known at one moment, as rules see it.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// When.
    pub now: SystemTime,
    /// What was seen on site, in the order of the checks.
    pub cases: Vec<Case>,
    /// Required checks of which there is no observation, or none that is still young enough.
    pub missing: Vec<CheckId>,
    /// What of the vendor's the checks belong to.
    pub links: Links,
    /// The limits that measured media is held to.
    pub profile: Arc<Profile>,
    /// What the vendor says, without what is too old; `None` where nobody is asked.
    pub state: Option<Arc<Snapshot>>,
    /// How long the vendor may take to notice that a registration works.
    pub patience: Duration,
}

/// What of the vendor's the checks belong to, by name or id.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Trunks of which a target is the other end.
    pub trunks: BTreeSet<Arc<str>>,
    /// Edge groups that a target serves.
    pub edge_groups: BTreeSet<Arc<str>>,
}

/// The latest observation of one check at one address, and what the check is for.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which check.
    pub id: CheckId,
    /// The host that was meant.
    pub host: String,
    /// The module's options as text, secrets hidden.
    pub fingerprint: Arc<str>,
    /// Whether it decides between go and no-go.
    pub required: bool,
    /// The vendor's trunk that the target is the other end of.
    pub trunk: Option<String>,
    /// The vendor's edge group that the target serves.
    pub edge_group: Option<String>,
    /// What was seen last.
    pub observation: Arc<Observation>,
    /// Whether a failure is more than one lost packet.
    pub confirmed: bool,
    /// The last earlier exchange after which the peer may still hold something of ours.
    pub left_behind: Option<Arc<Observation>>,
    /// What the check shows of a name that is watched.
    pub sight: Option<Sight>,
    /// What was seen the time before.
    pub previous: Option<Arc<Observation>>,
    /// The first observation of each thing that the peer has said since, the last one being of
    /// what it says now; nothing where it never said anything that tells.
    pub turns: Vec<Arc<Observation>>,
    /// When the first of the exchanges ended that have all succeeded since.
    pub up_since: Option<SystemTime>,
    /// Whether each of the last cycles succeeded after a request had been repeated, the latest one
    /// last.
    pub repeated: Vec<bool>,
}

impl Case {
    /// Whether the latest exchange succeeded.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.observation.verdict() == Verdict::Up
    }

    /// Whether the target, or the way to it, surely does not work.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.observation.verdict() == Verdict::Down && self.confirmed
    }

    /// Whether nothing at all came back, and that is more than bad luck.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.confirmed && self.failure().is_some_and(Failure::is_silence)
    }

    /// Whether nothing at all came back in the whole exchange, and that is more than bad luck.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.is_silent() && !self.is_heard()
    }

    /// Whether the peer said something, be it no, or be it long before the exchange failed.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.is_up() || self.is_answer() || self.has_answered()
    }

    /// Whether a request was answered before the exchange failed in a later phase.
    fn has_answered(&self) -> bool {
        let outcome = &self.observation.outcome;
        let failed = outcome.failure.as_ref().map(|(stage, _)| *stage);
        let before = outcome.phases.iter().map(|(phase, _)| *phase);
        before.take_while(|phase| Some(*phase) != failed).any(|phase| {
            let is_handshake = matches!(phase, Phase::Resolve | Phase::Connect | Phase::Tls);
            // Who never answered is asked to take back all the same.
            // A large request is a question of its own.
            !is_handshake
                && !matches!(
                    phase,
                    Phase::Release | Phase::Unregister | Phase::Verify | Phase::Large
                )
        })
    }

    /// Whether the peer itself said something that ended the exchange, be it no.
    fn is_answer(&self) -> bool {
        matches!(
            self.failure(),
            Some(
                Failure::Rejected { .. }
                    | Failure::TlsFailed { .. }
                    | Failure::Closed { .. }
                    | Failure::Unusable { .. }
                    | Failure::Misbehaved { .. }
                    | Failure::UnexpectedAnswer { .. }
                    | Failure::AuthRealm { .. }
                    | Failure::AuthWeak { .. }
            )
        )
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.observation.failure()
    }

    /// Whether the exchange was one of this probe.
    #[must_use]
    pub fn is_of(&self, probe: &str) -> bool {
        self.observation.probe == probe
    }
}

impl Evidence {
    /// The cases of one probe.
    pub fn of<'a>(&'a self, probe: &'a str) -> impl Iterator<Item = &'a Case> {
        self.cases.iter().filter(move |case| case.is_of(probe))
    }

    /// Whether this edge matters here: nothing of other offices was read, or a target is linked to
    /// its group or to a trunk on it.
    #[must_use]
    pub fn concerns_edge(&self, edge: &Edge) -> bool {
        let is_on =
            |trunk: &&Trunk| trunk.edge.as_ref().is_some_and(|on| on.id == edge.reference.id);
        let mut trunks = self.state.iter().flat_map(|state| &state.trunks.items).filter(is_on);
        edge.edge_group.as_ref().is_some_and(|group| self.concerns_edge_group(group))
            || trunks.any(|trunk| self.concerns_trunk(trunk))
            || self.is_narrowed()
    }

    /// Whether this edge group matters here: nothing of other offices was read, or a target is
    /// linked to it.
    #[must_use]
    pub fn concerns_edge_group(&self, group: &Reference) -> bool {
        self.links.edge_groups.iter().any(|link| group.is(link)) || self.is_narrowed()
    }

    /// Whether this trunk matters here: nothing of other offices was read, or a target is linked to
    /// it or to the group of its edge.
    #[must_use]
    pub fn concerns_trunk(&self, trunk: &Trunk) -> bool {
        self.links.trunks.iter().any(|link| trunk.is(link))
            || trunk.edge_group.as_ref().is_some_and(|group| self.concerns_edge_group(group))
            || self.is_narrowed()
    }

    fn is_narrowed(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.location.is_some())
    }

    /// Whether anything at all answered, on site or at the vendor.
    #[must_use]
    pub fn has_life(&self) -> bool {
        self.cases.iter().any(Case::is_heard) || self.api_answers()
    }

    /// Whether the vendor's API answered at its last reading, be it with a refusal.
    #[must_use]
    pub fn api_answers(&self) -> bool {
        let mut parts = self.state.iter().flat_map(|state| state.parts());
        parts.any(|part| match part.problem {
            None => part.is_current(),
            Some(problem) => {
                !matches!(problem, ApiProblem::Unreachable { .. } | ApiProblem::Tls { .. })
            }
        })
    }
}

/// What is kept of one check at one address.
#[derive(Debug)]
struct Seen {
    latest: Arc<Observation>,
    /// The last earlier one after which the peer may still hold something of ours.
    left_behind: Option<Arc<Observation>>,
    previous: Option<Arc<Observation>>,
    turns: Vec<Arc<Observation>>,
    up_since: Option<SystemTime>,
    /// The last cycles, the latest one last.
    cycles: VecDeque<Cycle>,
    /// For how many cycles the target has not had this address.
    absent: usize,
    /// Until when it speaks however old it is.
    held_until: Option<SystemTime>,
}

/// What is kept of one cycle.
#[derive(Clone, Copy, Debug)]
struct Cycle {
    is_silence: bool,
    /// Whether it succeeded after a request had been repeated.
    is_repeated: bool,
}

impl Cycle {
    fn of(observation: &Observation) -> Self {
        let is_up = observation.verdict() == Verdict::Up;
        let repetitions = observation.outcome.facts.read(&RETRANSMISSIONS);
        Self {
            is_silence: observation.failure().is_some_and(Failure::is_silence),
            is_repeated: is_up && repetitions.is_some_and(|count| count > 0),
        }
    }
}

impl Seen {
    /// Notes how the latest cycle went.
    fn count(&mut self) {
        if self.cycles.len() == CYCLES {
            self.cycles.pop_front();
        }
        self.cycles.push_back(Cycle::of(&self.latest));
        let is_up = self.latest.verdict() == Verdict::Up;
        let ended = self.latest.started + self.latest.elapsed;
        self.up_since = is_up.then(|| self.up_since.unwrap_or(ended));
    }

    /// Notes it where the peer now says something else than before.
    fn turn(&mut self) {
        let facts = &self.latest.outcome.facts;
        let is_new = |last: &Arc<Observation>| !facts.tells_the_same(&last.outcome.facts);
        if facts.is_telling() && self.turns.last().is_none_or(is_new) {
            if self.turns.len() == TURNS {
                self.turns.remove(0);
            }
            self.turns.push(Arc::clone(&self.latest));
        }
    }
}

/// Whom an observation is of: one address may be spoken to over two transports.
type Peer = (Option<SocketAddr>, Transport);

/// The last observations of every check, from which evidence is drawn.
#[derive(Debug, Default)]
pub struct Memory {
    seen: BTreeMap<CheckId, BTreeMap<Peer, Seen>>,
}

impl Memory {
    /// Takes note of one run of a check.
    pub fn record(&mut self, id: &CheckId, observations: impl IntoIterator<Item = Observation>) {
        let addresses = self.seen.entry(id.clone()).or_default();
        for seen in addresses.values_mut() {
            seen.absent += 1;
        }
        for observation in observations {
            let latest = Arc::new(observation);
            let seen =
                addresses.entry((latest.address, latest.transport)).or_insert_with(|| Seen {
                    latest: Arc::clone(&latest),
                    left_behind: None,
                    previous: None,
                    turns: Vec::new(),
                    up_since: None,
                    cycles: VecDeque::with_capacity(CYCLES),
                    absent: 0,
                    held_until: None,
                });
            let earlier = std::mem::replace(&mut seen.latest, latest);
            seen.count();
            seen.turn();
            if !Arc::ptr_eq(&earlier, &seen.latest) {
                if earlier.outcome.left_behind {
                    seen.left_behind = Some(Arc::clone(&earlier));
                }
                seen.previous = Some(earlier);
            }
            seen.absent = 0;
            seen.held_until = None;
        }
        // A name that gives other addresses every time must not fill the memory.
        addresses.retain(|_, seen| seen.absent < CYCLES);
    }

    /// Takes note of one observation of a check; what is known of its other addresses holds.
    pub fn note(&mut self, id: &CheckId, observation: Observation) {
        let absent: Vec<_> = self
            .seen
            .get(id)
            .into_iter()
            .flatten()
            .map(|(address, seen)| (*address, seen.absent))
            .collect();
        self.record(id, [observation]);
        let Some(addresses) = self.seen.get_mut(id) else { return };
        for (address, before) in absent {
            if let Some(seen) = addresses.get_mut(&address) {
                seen.absent = before.min(seen.absent);
            }
        }
    }

    /// Lets what is known of a check speak until `until`, since it is not run again before.
    pub fn hold(&mut self, id: &CheckId, until: SystemTime) {
        for seen in self.seen.get_mut(id).into_iter().flat_map(BTreeMap::values_mut) {
            seen.held_until = Some(until);
        }
    }

    /// Forgets what belongs to no check any more.
    pub fn retain(&mut self, is_kept: impl Fn(&CheckId) -> bool) {
        self.seen.retain(|id, _| is_kept(id));
    }

    /// The latest observation of a check at each address that its target has now, where it is
    /// young enough to speak for the present, and whether its failure may be believed.
    pub fn latest(
        &self,
        check: &Check,
        now: SystemTime,
    ) -> impl Iterator<Item = (&Arc<Observation>, bool)> {
        self.present(check, now).map(|seen| (&seen.latest, is_confirmed(seen)))
    }

    fn present(&self, check: &Check, now: SystemTime) -> impl Iterator<Item = &Seen> {
        let keeps = check.interval * KEEPS_INTERVALS + check.module.timeout();
        let addresses = self.seen.get(&check.id()).into_iter().flat_map(BTreeMap::values);
        addresses.filter(move |seen| {
            let is_held = seen.held_until.is_some_and(|until| now <= until);
            seen.absent == 0 && (is_held || age(&seen.latest, now) <= keeps)
        })
    }

    /// Everything that is known of these checks at `now`.
    #[must_use]
    pub fn evidence(
        &self,
        checks: &[Check],
        profile: &Arc<Profile>,
        state: Option<&Arc<Snapshot>>,
        now: SystemTime,
    ) -> Evidence {
        let mut cases = Vec::new();
        let mut missing = Vec::new();
        for check in checks {
            let before = cases.len();
            cases.extend(self.present(check, now).map(|seen| Case {
                id: check.id(),
                host: check.host.to_string(),
                fingerprint: Arc::clone(&check.fingerprint),
                required: check.required,
                trunk: check.trunk.as_deref().map(str::to_owned),
                edge_group: check.edge_group.as_deref().map(str::to_owned),
                observation: Arc::clone(&seen.latest),
                confirmed: is_confirmed(seen),
                left_behind: seen.left_behind.clone(),
                sight: check.sight.clone(),
                previous: seen.previous.clone(),
                turns: seen.turns.clone(),
                up_since: seen.up_since,
                repeated: seen.cycles.iter().map(|cycle| cycle.is_repeated).collect(),
            }));
            if check.required && cases.len() == before {
                missing.push(check.id());
            }
        }
        let state = state.map(|state| state.aged(now).map_or_else(|| Arc::clone(state), Arc::new));
        let links = Links {
            trunks: checks.iter().filter_map(|check| check.trunk.clone()).collect(),
            edge_groups: checks.iter().filter_map(|check| check.edge_group.clone()).collect(),
        };
        let profile = Arc::clone(profile);
        Evidence { now, cases, missing, links, profile, state, patience: PATIENCE }
    }
}

/// Since the exchange ended.
fn age(observation: &Observation, now: SystemTime) -> Duration {
    now.duration_since(observation.started + observation.elapsed).unwrap_or_default()
}

/// Whether the latest failure may be believed: an answer is unambiguous, silence is so when it
/// holds in two of three cycles, when the protocol's whole schedule went by, or when one exchange
/// met it three times over. (Each repetition is a trial of its own: where one packet in ten is lost
/// each way, three in a row find silence once in 146. A connection is the kernel's to repeat.)
fn is_confirmed(seen: &Seen) -> bool {
    let repeated = match &seen.latest.outcome.failure {
        Some((Phase::Connect, Failure::Deadline { waited, .. })) => *waited >= CONNECT_TRIALS,
        Some((_, Failure::Deadline { transmissions, .. })) => *transmissions >= TRIALS,
        // The whole schedule of the protocol went by, or it was no silence at all.
        _ => return true,
    };
    repeated || seen.cycles.iter().filter(|cycle| cycle.is_silence).count() >= 2
}

/// How long the vendor may take to notice that a registration works.
///
/// A trunk registers when its own interval is over and not when we do. After a refusal a user agent
/// waits half a minute or more by default (RFC 5626 §4.5, appendix A).
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How many cycles decide.
const CYCLES: usize = 3;
/// How many different things are remembered that one peer has said.
const TURNS: usize = 8;
/// How many unanswered requests of one exchange decide.
const TRIALS: u32 = 3;
/// After so long a kernel has asked [`TRIALS`] times for a connection, and waited for the last
/// answer as for the others: at 0, 1 and 3 s (RFC 6298 §2.1 and §5.5).
const CONNECT_TRIALS: Duration = Duration::from_secs(4);
/// After so many intervals without news a state is unknown, never the last good one (I6).
const KEEPS_INTERVALS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::{Memory, SystemTime};
    use crate::check::{Check, CheckId, Whom};
    use branchline_probes::{Observation, Options, Outcome, PROBES, Transport};
    use std::sync::Arc;
    use std::time::Duration;

    fn check() -> Check {
        let probe = PROBES[0];
        let module = probe.module(&Options::defaults(probe.options())).expect("defaults are valid");
        Check {
            site: "lyon".into(),
            target: "relay".into(),
            host: "relay.example.net".into(),
            port: 3478,
            whom: Whom::Host,
            module_name: "stun".into(),
            probe,
            module: Arc::from(module),
            fingerprint: "".into(),
            interval: Duration::from_secs(60),
            required: true,
            trunk: None,
            edge_group: None,
            sight: None,
        }
    }

    fn observation(last: u8, started: SystemTime) -> Observation {
        Observation {
            probe: "stun-binding",
            module: "stun".to_owned(),
            target: "relay".to_owned(),
            site: "lyon".to_owned(),
            address: Some(([192, 0, 2, last], 3478).into()),
            transport: Transport::Udp,
            started,
            elapsed: Duration::from_millis(20),
            outcome: Outcome::default(),
        }
    }

    #[test]
    fn an_address_that_the_target_no_longer_has_is_no_evidence() {
        let (now, check) = (SystemTime::now(), check());
        let mut memory = Memory::default();

        memory.record(&check.id(), [observation(1, now), observation(2, now)]);
        memory.record(&check.id(), [observation(2, now)]);

        let cases = memory.evidence(&[check], &Arc::default(), None, now).cases;
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].observation.address, observation(2, now).address);
    }

    #[test]
    fn one_address_over_two_transports_is_two_cases() {
        let (now, check) = (SystemTime::now(), check());
        let mut memory = Memory::default();
        let over_tcp = Observation { transport: Transport::Tcp, ..observation(1, now) };

        memory.record(&check.id(), [observation(1, now), over_tcp]);

        let cases = memory.evidence(&[check], &Arc::default(), None, now).cases;
        let transports: Vec<_> = cases.iter().map(|case| case.observation.transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
    }

    // I3
    #[test]
    fn a_name_with_new_addresses_every_time_does_not_fill_the_memory() {
        let now = SystemTime::now();
        let id = CheckId { module: "stun".into(), target: "relay".into() };
        let mut memory = Memory::default();

        for last in 0..=255 {
            memory.record(&id, [observation(last, now)]);
        }

        assert!(memory.seen[&id].len() <= super::CYCLES);
    }
}
