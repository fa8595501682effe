//! Rule `sip-server-down`: nobody serves SIP there.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Rule, Severity};
use crate::rules::{server, sip, sip_overload};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-server-down",
    meaning: "Nobody serves SIP at the server, or the server fails by itself.",
    decided_by: "The server's host itself said that nobody listens, or it answered 5xx (one that is overloaded, or asks to be left alone, is another finding); or it answers OPTIONS and is silent to REGISTER at the same address over the same transport, or the other way round.",
    falsified_by: "A SIP answer other than 5xx from that address over that transport.",
    remedy: "Tell whoever runs the server; then check the address and port in the configuration.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let finding =
        |cases: Vec<&Case>| troubled(evidence, &cases).or_else(|| silent_to_one(evidence, &cases));
    sip::by_place(evidence).into_iter().filter_map(finding).collect()
}

/// The server itself says that it does not serve.
fn troubled(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let name = sip::name(cases);
    let mut troubled = cases.iter().filter_map(|case| Some((*case, trouble(case, name)?)));
    let (first, summary) = troubled.next()?;
    let all: Vec<&Case> = [first].into_iter().chain(troubled.map(|(case, _)| case)).collect();
    let works = |case: &&Case| case.is_up() && sip::place(case) == sip::place(first);
    let mut finding = found(&all, &summary);
    if let Some(other) = sip::cases(evidence).find(works) {
        let step = format!(
            "Tell whoever runs the {name} that it answers {} and fails at {}.",
            sip::method(other),
            sip::method(first)
        );
        finding = finding.because([Exhibit::of_case(other)]).next(step);
    } else if let Some(other) = sip::other_way(evidence, &all) {
        let step = format!(
            "Ask whoever runs the {name} whether it is meant to serve {}; {}, so check the port in \
             the configuration, too.",
            sip::short(first),
            other.words()
        );
        finding = finding.because([Exhibit::of_case(other.case)]).next(step);
    }
    Some(sip::covering_trunks(finding, evidence, &all, &["trunk-down", "trunk-unregistered"]))
}

fn trouble(case: &Case, name: &str) -> Option<String> {
    let protocol = if case.observation.transport.is_stream() {
        format!("SIP over {}", case.observation.transport.label())
    } else {
        "SIP".to_owned()
    };
    if sip_overload::is_overloaded(case) { None } else { server::trouble(case, &protocol, name) }
}

/// The server is there and answers one kind of request, and another one never.
fn silent_to_one(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let silent: Vec<&Case> = cases.iter().copied().filter(|case| case.is_unheard()).collect();
    let first = silent.first()?;
    let other = sip::speaker_at(evidence, first)?;
    if sip::method(other) == sip::method(first) {
        return None;
    }
    let name = sip::name(&silent);
    let way = sip::way(first);
    let (answered, lost) = (sip::method(other), sip::method(first));
    let summary = format!("the {name} answers {answered} on {way} and not {lost}");
    let step = format!(
        "Ask whoever runs the {name} why it drops {lost} from here: a list of addresses, a limit, \
         or an account that it does not know."
    );
    let finding = found(&silent, &summary).because([Exhibit::of_case(other)]).next(step);
    Some(sip::covering_trunks(finding, evidence, &silent, &["trunk-unregistered"]))
}

fn found(cases: &[&Case], summary: &str) -> Finding {
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    Finding::new(&RULE, severity, sip::owner(cases), &cases[0].id.target, summary)
        .because(cases.iter().map(|case| Exhibit::of_case(case)))
}
