//! What the rules about names share: who was asked the same thing, and what each said.

use std::collections::BTreeMap;
use std::time::Duration;

use branchline_probes::dns_query::{ANSWER_COUNT, AUTHORITATIVE, NEGATIVE_TTL, QUESTION, TTL};
use branchline_probes::{Failure, show_duration};

use crate::correlation::{Case, Evidence};

/// What one nameserver said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has the record, and an address that is expected.
    Right,
    /// It has the record, and an address that is not.
    Wrong,
    /// It says that there is no such name, or no such record.
    Absent,
    /// It said nothing that helps.
    None,
}

/// Everybody who was asked, by what was asked.
pub(super) fn questions(evidence: &Evidence) -> BTreeMap<String, Vec<&Case>> {
    let mut questions: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in evidence.of("dns-query") {
        if let Some(question) = case.observation.outcome.facts.read(&QUESTION) {
            questions.entry(question.as_str().to_owned()).or_default().push(case);
        }
    }
    questions
}

/// What the nameserver of this case said.
pub(super) fn answer(case: &Case) -> Answer {
    const NXDOMAIN: u16 = 3;
    match case.failure() {
        None => Answer::Right,
        Some(Failure::Rejected { code: NXDOMAIN, .. }) => Answer::Absent,
        Some(Failure::UnexpectedAnswer { .. }) => {
            let facts = &case.observation.outcome.facts;
            if facts.read(&ANSWER_COUNT).is_some_and(|count| count > 0) {
                Answer::Wrong
            } else if facts.read(&NEGATIVE_TTL).is_some() {
                Answer::Absent
            } else {
                // An alias into another zone, or a referral: somebody else has to be asked.
                Answer::None
            }
        }
        Some(_) => Answer::None,
    }
}

/// Whether the answer came from somebody who is authoritative for the name.
pub(super) fn is_authoritative(case: &Case) -> bool {
    case.observation.outcome.facts.read(&AUTHORITATIVE) == Some(true)
}

/// For how long the absence may still be remembered, in words.
pub(super) fn longest_negative_ttl(cases: &[&Case]) -> String {
    let ttls = cases.iter().filter_map(|case| case.observation.outcome.facts.read(&NEGATIVE_TTL));
    in_words(ttls.max())
}

/// For how long an old answer, or an absence, may still be remembered, in words.
pub(super) fn longest_ttl(cases: &[&Case]) -> String {
    let ttls = cases.iter().filter_map(|case| {
        let facts = &case.observation.outcome.facts;
        facts.read(&TTL).or(facts.read(&NEGATIVE_TTL))
    });
    in_words(ttls.max())
}

fn in_words(ttl: Option<Duration>) -> String {
    match ttl {
        Some(ttl) => format!("at most {}", show_duration(ttl)),
        None => "a time that it does not tell".to_owned(),
    }
}
