//! What one nameserver said of one name.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::dns_query::{
    ALIAS_TTL, ANSWER_COUNT, ANSWER_RRS, ANSWERS, AUTHORITATIVE, CHAIN, EXTENDED_ERRORS, LAST_TTL,
    NEGATIVE_TTL, QUESTION, RANDOM_LABEL, RCODE, RECURSION_AVAILABLE, TTL, addresses,
};
use branchline_probes::{Facts, Failure, Foreign, Observation, Verdict};

use crate::correlation::Case;
use crate::sight::{Compare, View};

/// What one nameserver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has records.
    Has(Records),
    /// There is no such name, or no such record.
    Absent,
    /// It points elsewhere, or says that it cannot answer.
    Failing,
    /// It said nothing.
    Silent,
    /// This host could not ask.
    Unknown,
}

/// The records of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Records {
    /// All that are kept of them as text, sorted.
    texts: Vec<Foreign>,
    /// How many there were.
    count: Option<u64>,
    /// The names from the question to the last alias.
    chain: Vec<Foreign>,
    /// Whether there were more than are kept.
    pub(super) is_cut: bool,
    /// The addresses among them.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether there is nothing but aliases, which lead out of the zone.
    pub(super) is_alias_alone: bool,
    /// Whether the module expects something else.
    pub(super) is_unexpected: bool,
}

impl Records {
    fn of(facts: &Facts, is_unexpected: bool) -> Self {
        let mut texts = facts.read(&ANSWERS).unwrap_or_default();
        texts.sort();
        Self {
            is_cut: facts.read(&ANSWER_RRS).is_some_and(|count| count > texts.len() as u64),
            count: facts.read(&ANSWER_COUNT),
            texts,
            chain: facts.read(&CHAIN).unwrap_or_default(),
            addresses: addresses(facts),
            is_alias_alone: facts.read(&ANSWER_COUNT) == Some(0),
            is_unexpected,
        }
    }

    /// Whether they name an address that no host can have: none, all, or a group.
    pub(super) fn lead_nowhere(&self) -> bool {
        self.addresses.iter().any(|address| {
            let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
            address.is_unspecified() || address.is_multicast() || is_broadcast
        })
    }

    /// Whether an answer with these facts goes the same way from alias to alias.
    pub(super) fn has_way_of(&self, facts: &Facts) -> bool {
        facts.read(&CHAIN).is_some_and(|chain| {
            self.is_alias_alone && chain.starts_with(&self.chain) || chain == self.chain
        })
    }

    /// Whether both say the same, as far as it is to be compared.
    pub(super) fn is_same(&self, other: &Self, compare: Compare) -> bool {
        // Whoever does not resolve for others tells the beginning of the chain alone.
        match (self.is_alias_alone, other.is_alias_alone) {
            (true, false) => other.chain.starts_with(&self.chain),
            (false, true) => self.chain.starts_with(&other.chain),
            (true, true) => self.chain == other.chain,
            (false, false) if compare == Compare::Records => {
                self.texts == other.texts && self.count == other.count
            }
            (false, false) => self.chain == other.chain,
        }
    }
}

/// What was asked, where the case asks a nameserver for a record.
pub(super) fn question(case: &Case) -> Option<String> {
    let facts = &case.observation.outcome.facts;
    let is_asked = case.is_of("dns-query") && facts.read(&RANDOM_LABEL) != Some(true);
    is_asked.then(|| facts.read(&QUESTION).map(|question| question.as_str().to_owned())).flatten()
}

/// What the nameserver of this case said last.
pub(super) fn of(case: &Case) -> Answer {
    match (case.observation.verdict(), case.confirmed) {
        (Verdict::Unknown, _) | (Verdict::Down, false) => Answer::Unknown,
        (Verdict::Up | Verdict::Down, _) => of_observation(&case.observation),
    }
}

/// What the nameserver said in this observation.
pub(super) fn of_observation(observation: &Observation) -> Answer {
    const NXDOMAIN: u16 = 3;
    let facts = &observation.outcome.facts;
    match observation.failure() {
        // A zone that was asked for its SOA at a name inside it shows it, and has none there.
        None if facts.read(&ANSWER_RRS) == Some(0) => Answer::Absent,
        None => Answer::Has(Records::of(facts, false)),
        Some(Failure::Rejected { code: NXDOMAIN, .. }) => Answer::Absent,
        Some(Failure::Rejected { .. }) => Answer::Failing,
        Some(Failure::UnexpectedAnswer { .. }) => {
            let is_some = facts.read(&ANSWER_COUNT).is_some_and(|count| count > 0);
            let is_empty = facts.read(&ANSWER_RRS) == Some(0) && !is_referral(facts);
            if is_some {
                Answer::Has(Records::of(facts, true))
            } else if facts.read(&NEGATIVE_TTL).is_some() || is_empty {
                Answer::Absent
            } else {
                // An alias into another zone, or a referral: somebody else has to be asked.
                Answer::Failing
            }
        }
        Some(_) => Answer::Silent,
    }
}

/// Nothing in the answer from somebody who neither is authoritative nor resolves for others.
fn is_referral(facts: &Facts) -> bool {
    facts.read(&AUTHORITATIVE) != Some(true) && facts.read(&RECURSION_AVAILABLE) != Some(true)
}

/// Whether the nameserver speaks for the zone itself. A resolver that is watched does not, whatever
/// it claims: one with zones of its own sets AA for names that it makes up.
pub(super) fn is_authoritative(case: &Case) -> bool {
    let is_asked_to = case.sight.as_ref().is_none_or(|sight| sight.view == View::Authoritative);
    is_asked_to && case.observation.outcome.facts.read(&AUTHORITATIVE) == Some(true)
}

/// Whether a resolver gives what it no longer may, for want of an answer from the zone.
pub(super) fn is_served_stale(case: &Case) -> bool {
    let errors = case.observation.outcome.facts.read(&EXTENDED_ERRORS).unwrap_or_default();
    errors.iter().any(|error| {
        STALE_ANSWERS.iter().any(|code| error.as_str().split(' ').next() == Some(*code))
    })
}

/// From which side the case looks at the name.
pub(super) fn view(case: &Case) -> View {
    match &case.sight {
        Some(sight) => sight.view,
        None if is_authoritative(case) => View::Authoritative,
        None => View::Site,
    }
}

/// Whether an address that should speak for the zone answers as a resolver does.
pub(super) fn is_relayed(case: &Case) -> bool {
    let facts = &case.observation.outcome.facts;
    view(case) == View::Authoritative
        && facts.read(&RCODE).is_some()
        && facts.read(&AUTHORITATIVE) == Some(false)
        && facts.read(&RECURSION_AVAILABLE) == Some(true)
}

/// How long until some of what was said may be something else.
pub(super) fn ttl(observation: &Observation) -> Option<Duration> {
    let facts = &observation.outcome.facts;
    facts.read(&TTL).or(facts.read(&NEGATIVE_TTL)).map(|ttl| ttl.min(LONGEST_KEPT))
}

/// How long an older answer stays. Behind aliases that are right it is as old as its last part;
/// else it stays as long as the aliases do.
pub(super) fn keeps(observation: &Observation, has_same_way: bool) -> Option<Duration> {
    let facts = &observation.outcome.facts;
    let last = facts.read(&LAST_TTL).or(facts.read(&NEGATIVE_TTL));
    let aliases = facts.read(&ALIAS_TTL).filter(|_| !has_same_way);
    aliases.or(last).or(facts.read(&TTL)).map(|ttl| ttl.min(LONGEST_KEPT))
}

/// The records of an answer, as they came.
pub(super) fn records(observation: &Observation) -> Vec<Foreign> {
    observation.outcome.facts.read(&ANSWERS).unwrap_or_default()
}

/// When the observation was over, so that a TTL in it begins to run.
pub(super) fn heard(observation: &Observation) -> SystemTime {
    observation.started + observation.elapsed
}

/// Stale Answer and Stale NXDOMAIN Answer (RFC 8914 §4.4, §4.20).
const STALE_ANSWERS: [&str; 2] = ["3", "19"];
/// Resolvers keep nothing for longer than about a day, whatever its TTL.
const LONGEST_KEPT: Duration = Duration::from_secs(86_400);
