//! Signs that an answer is made up on the way, or by the resolver itself.

use std::time::Duration;

use branchline_probes::dns_query::{RANDOM_LABEL, TTL, addresses};
use branchline_probes::{Failure, Verdict};

use super::answer::{self, Answer};
use crate::correlation::{Case, Evidence};
use crate::sight::View;

/// Why an answer is taken to be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It has an answer even to a name that nobody can have created.
    AnswersEverything,
    /// An address that should be authoritative answers as a resolver does.
    Relayed,
    /// Its TTL does not count down, and nobody authoritative has the record.
    DoesNotCountDown,
    /// Its address is one that no host can have.
    LeadsNowhere,
    /// It still has, after its TTL, what nobody authoritative has had since.
    OutlivesItsTtl,
}

impl Why {
    /// The sentence that findings use.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::AnswersEverything => "it has an answer to a name that nobody created",
            Self::Relayed => {
                "asked without recursion, it answers as a resolver: somebody on the way answers \
                 in its place"
            }
            Self::DoesNotCountDown => "the TTL of its answer does not count down",
            Self::LeadsNowhere => "its answer is an address that no host can have",
            Self::OutlivesItsTtl => {
                "its answer is older than its TTL allows, and no authoritative nameserver has it"
            }
        }
    }
}

/// Whether the resolver of this case has an answer to a name that nobody can have created, and no
/// authoritative nameserver has one: a wildcard would be the zone's own. `related` is all that is
/// known of the same name.
pub(super) fn answers_everything(related: &[&Case], case: &Case) -> bool {
    let mut own = related.iter().filter(|other| is_of_same(other, case));
    own.any(|it| is_made_up(it)) && !has_wildcard(related.iter().copied())
}

/// Whether the answer to the name is the one that the resolver makes up for others.
pub(super) fn is_what_it_makes_up(related: &[&Case], case: &Case) -> bool {
    let mut made_up = related.iter().filter(|other| is_of_same(other, case) && is_made_up(other));
    let own = addresses(&case.observation.outcome.facts);
    made_up.any(|other| {
        let theirs = addresses(&other.observation.outcome.facts);
        !own.is_empty() && own.iter().all(|address| theirs.contains(address))
    })
}

/// Whether the zone itself has an answer to every name below the one that the case is about.
#[must_use]
pub fn is_wildcard(evidence: &Evidence, case: &Case) -> bool {
    let name = case.sight.as_ref().map(|sight| &sight.name.name);
    let of_name = |other: &&Case| other.sight.as_ref().map(|sight| &sight.name.name) == name;
    name.is_some() && has_wildcard(evidence.cases.iter().filter(of_name))
}

fn has_wildcard<'a>(mut related: impl Iterator<Item = &'a Case>) -> bool {
    related.any(|other| {
        other.sight.as_ref().is_some_and(|it| it.view == View::Authoritative)
            && answer::is_authoritative(other)
            && is_made_up(other)
    })
}

/// Whether a random label had an answer.
#[must_use]
pub fn is_made_up(case: &Case) -> bool {
    let facts = &case.observation.outcome.facts;
    facts.read(&RANDOM_LABEL) == Some(true)
        && matches!(case.failure(), Some(Failure::UnexpectedAnswer { .. }))
}

fn is_of_same(one: &Case, other: &Case) -> bool {
    one.observation.address == other.observation.address && one.id.target == other.id.target
}

/// Whether three observations of one answer show one TTL, where it had to count down.
pub(super) fn does_not_count_down(case: &Case) -> bool {
    let (Some(first), Some(previous)) = (case.turns.last(), &case.previous) else { return false };
    let latest = &case.observation;
    let ttl = |observation: &branchline_probes::Observation| observation.outcome.facts.read(&TTL);
    let (Some(at_first), Some(before), Some(now)) = (ttl(first), ttl(previous), ttl(latest)) else {
        return false;
    };
    let passed = latest.started.duration_since(previous.started).unwrap_or_default();
    let earlier = previous.started.duration_since(first.started).unwrap_or_default();
    at_first == before
        && before == now
        && previous.outcome.facts.tells_the_same(&latest.outcome.facts)
        && passed >= COUNTS
        && earlier >= COUNTS
        && passed < before
        && earlier < before
}

/// Whether the answer has been given for longer than its TTL allowed when it was first seen, while
/// every authoritative nameserver has denied it all the time.
pub(super) fn outlives_its_ttl(case: &Case, authorities: &[&Case]) -> bool {
    let Some(first) = case.turns.last() else { return false };
    let Some(ttl) = first.outcome.facts.read(&TTL) else { return false };
    let has_denied_since = |authority: &&Case| {
        let since = authority.turns.last().map(|turn| turn.started);
        answer::of(authority) == Answer::Absent
            && authority.observation.verdict() != Verdict::Unknown
            && since.is_some_and(|since| since <= first.started)
    };
    let lasted = case.observation.started.duration_since(first.started).unwrap_or_default();
    !authorities.is_empty() && authorities.iter().all(has_denied_since) && lasted > ttl + COUNTS
}

/// A TTL is in whole seconds: over less than this it may seem to stand still.
const COUNTS: Duration = Duration::from_secs(2);
