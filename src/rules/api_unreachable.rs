//! Rule `api-unreachable`: the vendor API does not answer.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule, Severity};
use crate::rules::api::Failing;
use crate::telephony::ApiProblem;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "api-unreachable",
    meaning: "The vendor API cannot be reached from here: the verdict rests on what was seen on site alone.",
    decided_by: "Reading the vendor's state failed for want of a connection, with a server error, or with an answer that the API does not publish.",
    falsified_by: "One complete reading.",
    remedy: "Check that this host may reach the API and login hosts by HTTPS, and the vendor's status page.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let failing = Failing::new(evidence, is_told_here);
    if failing.is_empty() {
        return Vec::new();
    }
    let met = |is_it: fn(&ApiProblem) -> bool| !Failing::new(evidence, is_it).is_empty();
    let (owner, step) = if !met(is_answer) {
        (Owner::SiteNetwork, met(is_tls).then_some(TLS))
    } else if met(is_misunderstanding) {
        (Owner::Configuration, Some(MISUNDERSTANDING))
    } else {
        (Owner::Vendor, None)
    };
    let severity = failing.severity();
    let summary = if severity == Severity::Info {
        "a part of what the vendor knows beside its state cannot be read"
    } else {
        "the vendor API cannot be read; the verdict rests on the site alone"
    };
    let finding = Finding::new(&RULE, severity, owner, "vendor API", summary);
    let finding = failing.explain(finding.because(failing.exhibits()), evidence);
    vec![match step {
        Some(step) => finding.next(step),
        None => finding,
    }]
}

/// Whatever no other rule tells is told here, so that no failed reading is silent.
fn is_told_here(problem: &ApiProblem) -> bool {
    !matches!(
        problem,
        ApiProblem::Credentials { .. }
            | ApiProblem::Permission { .. }
            | ApiProblem::Throttled { .. }
            | ApiProblem::NoSuchLocation { .. }
    )
}

/// Somebody who answers wrongly is the vendor's; nobody at all may be the way there.
fn is_answer(problem: &ApiProblem) -> bool {
    !matches!(problem, ApiProblem::Unreachable { .. } | ApiProblem::Tls { .. })
}

fn is_tls(problem: &ApiProblem) -> bool {
    matches!(problem, ApiProblem::Tls { .. })
}

/// What is asked is not what this API has.
fn is_misunderstanding(problem: &ApiProblem) -> bool {
    matches!(problem, ApiProblem::NotFound { .. } | ApiProblem::Request { .. })
}

const TLS: &str = "Find out what inspects TLS between this host and the API, and have the API's hosts \
                   left out, or its authority added to those that this host trusts.";

const MISUNDERSTANDING: &str = "Check `profile`, and where the API is said to be, in [telephony]: \
                                whoever answers there does not know what was asked.";
