//! Rule `sip-port-blocked`: only SIP meets silence.

use branchline_probes::Phase;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-port-blocked",
    meaning: "A SIP server does not answer while other servers do: the port is filtered on the way, or the server drops us.",
    decided_by: "A sip-register or sip-options met silence over UDP, TCP or TLS, nobody else was answered at that address over that transport, and something else answered; where another way to the same server works, that is said.",
    falsified_by: "Any SIP answer from that address over that transport, or an ICMP port unreachable from the server itself.",
    remedy: "Ask the site network whether the port is let out to the server and not handled by a SIP helper; try the same probe from another network.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    if !evidence.has_life() {
        return Vec::new();
    }
    let targets = sip::by_target(evidence).into_iter();
    targets.filter_map(|cases| finding(evidence, &cases)).collect()
}

fn finding(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let silent: Vec<&Case> =
        cases.iter().copied().filter(|case| sip::is_silent(evidence, case)).collect();
    let first = silent.first()?;
    let mut ways: Vec<String> = silent.iter().map(|case| sip::way(case)).collect();
    ways.dedup();
    let listed = ways.join(", ");
    let who = sip::name(&silent);
    let other = sip::other_way(evidence, &silent);
    let was_opened = silent.iter().all(|case| is_opened(case));
    let (summary, step) = match other {
        Some(other) => (
            format!("{listed} meets silence, {}", other.words()),
            format!(
                "Ask the site network whether {listed} is let out, and its answers back in, and is \
                 not handled by a SIP helper (ALG). Until then have phones use {}.",
                other.name()
            ),
        ),
        None if was_opened => (
            format!("the {who} takes the connection on {listed} and says nothing"),
            format!(
                "Ask the site network whether a firewall looks into {listed}; ask whoever runs the \
                 {who} whether it hangs. Try the same probe from another network to tell which."
            ),
        ),
        None => (
            format!("the {who} does not answer SIP on {listed}, other servers answer"),
            format!(
                "Ask the site network whether {listed} is let out and not handled by a SIP helper \
                 (ALG); try the same probe from another network."
            ),
        ),
    };
    let severity = Severity::where_required(silent.iter().any(|case| case.required));
    let alive = other.map(|way| way.case).or_else(|| evidence.cases.iter().find(|it| it.is_up()));
    let finding = Finding::new(&RULE, severity, Owner::SiteNetwork, &first.id.target, summary)
        .because(silent.iter().map(|case| Exhibit::of_case(case)))
        .because(alive.map(Exhibit::of_case))
        .next(step);
    Some(sip::covering_trunks(finding, evidence, &silent, &["trunk-unregistered"]))
}

/// Whether a connection came up, so that it is not the port that is closed.
fn is_opened(case: &Case) -> bool {
    let outcome = &case.observation.outcome;
    let has_failed_at_once = matches!(outcome.failure, Some((Phase::Connect, _)));
    let is_stream = case.observation.transport.is_stream();
    is_stream && !has_failed_at_once && outcome.phases.iter().any(|it| it.0 == Phase::Connect)
}
