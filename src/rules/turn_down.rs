//! Rule `turn-down`: nobody serves STUN or TURN at a relay.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use branchline_probes::{Failure, Transport};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::{relay, server};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "turn-down",
    meaning: "Nobody serves STUN or TURN at a relay, or the relay fails by itself.",
    decided_by: "The relay's host itself said that nobody listens, or it answered 5xx (a relay that is merely full is another finding); or it answers STUN and is silent to TURN on the same port.",
    falsified_by: "A STUN or TURN answer other than 5xx from that address and port.",
    remedy: "Tell whoever runs the relay; then check the address and port in the configuration.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut ways: BTreeMap<(SocketAddr, Transport), Vec<&Case>> = BTreeMap::new();
    for case in relay::cases(evidence) {
        if let Some(address) = case.observation.address {
            ways.entry((address, case.observation.transport)).or_default().push(case);
        }
    }
    let finding = |((address, transport), cases): ((SocketAddr, Transport), Vec<&Case>)| {
        troubled(evidence, address, transport, &cases)
            .or_else(|| silent_to_turn(address, transport, &cases))
    };
    ways.into_iter().filter_map(finding).collect()
}

/// The relay itself says that it does not serve.
fn troubled(
    evidence: &Evidence,
    address: SocketAddr,
    transport: Transport,
    cases: &[&Case],
) -> Option<Finding> {
    let troubled: Vec<(&Case, String)> =
        cases.iter().filter_map(|case| Some((*case, trouble(case)?))).collect();
    let (first, summary) = troubled.first()?;
    let mut finding = found(first, troubled.iter().map(|(case, _)| *case), summary);
    let answers_otherwise = |case: &Case| {
        let is_other = case.observation.transport != transport;
        is_other && case.is_heard() && relay::ip(case) == Some(address.ip())
    };
    if let Some(other) = relay::cases(evidence).find(|case| answers_otherwise(case)) {
        let way = |case: &Case| {
            let port = case.observation.address.map(|it| it.port()).unwrap_or_default();
            format!("{} {port}", case.observation.transport.label())
        };
        let step = format!(
            "Ask whoever runs the relay whether it is meant to serve {}; {} of the same address \
             answers, so check the port in the configuration, too.",
            way(first),
            way(other)
        );
        finding = finding.because([Exhibit::of_case(other)]).next(step);
    }
    Some(finding)
}

fn trouble(case: &Case) -> Option<String> {
    let is_full = matches!(case.failure(), Some(Failure::Rejected { code: FULL, .. }));
    if is_full && relay::is_turn(case) {
        return None;
    }
    let protocol = if relay::is_turn(case) { "TURN" } else { "STUN" };
    let transport = case.observation.transport;
    if transport.is_stream() {
        let over = format!("{protocol} over {}", transport.label());
        server::trouble(case, &over, "relay")
    } else {
        server::trouble(case, protocol, "relay")
    }
}

/// The relay's host is there and answers STUN, and TURN on the same port is not.
fn silent_to_turn(address: SocketAddr, transport: Transport, cases: &[&Case]) -> Option<Finding> {
    let answers = cases.iter().find(|case| !relay::is_turn(case) && case.is_up())?;
    let turn: Vec<&Case> = cases.iter().copied().filter(|case| relay::is_turn(case)).collect();
    let first = turn.first().filter(|_| turn.iter().all(|case| case.is_unheard()))?;
    let summary =
        format!("the relay at {address} answers STUN over {} and not TURN", transport.label());
    let step = "Tell whoever runs the relay that it answers Binding requests and no Allocate; a \
                plain STUN server does so, and then the address in the configuration is the wrong \
                one.";
    let all = turn.iter().chain([answers]).copied();
    Some(found(first, all, &summary).next(step))
}

fn found<'a>(
    first: &Case,
    cases: impl Iterator<Item = &'a Case> + Clone,
    summary: &str,
) -> Finding {
    let severity = Severity::where_required(cases.clone().any(|case| case.required));
    Finding::new(&RULE, severity, Owner::Vendor, &first.id.target, summary)
        .because(cases.map(Exhibit::of_case))
}

/// RFC 8656 §19: Insufficient Capacity.
const FULL: u16 = 508;
