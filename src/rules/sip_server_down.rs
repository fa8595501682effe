//! Rule `sip-server-down`: nobody serves SIP there.

use branchline_probes::locate::PASSED_OVER;
use branchline_probes::{Failure, Foreign};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Kind, Rule, Severity};
use crate::rules::{server, sip, sip_overload};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-server-down",
    meaning: "Nobody serves SIP at the server, or the server fails by itself.",
    decided_by: "The server's host itself said that nobody listens, or it answered 5xx (one that is overloaded, or asks to be left alone, is another finding); or it answers OPTIONS and is silent to REGISTER at the same address over the same transport, or the other way round. A warning: with failover = true, servers of a name were passed over before another one ended the walk.",
    falsified_by: "A SIP answer other than 5xx from that address over that transport; a walk that passes nobody over.",
    remedy: "Where the port is refused, check the address and port in the configuration first; else tell whoever runs the server.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let finding =
        |cases: Vec<&Case>| troubled(evidence, &cases).or_else(|| silent_to_one(evidence, &cases));
    let of_places = sip::by_place(evidence).into_iter().filter_map(finding);
    let of_walks = sip::by_target(evidence).into_iter().filter_map(|cases| passed_over(&cases));
    of_places.chain(of_walks).collect()
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
    } else if let Some(Failure::Refused { .. }) = first.failure() {
        let step = format!(
            "Check the address and port in the configuration first; if they are right, tell whoever \
             runs the {name} that nobody serves {} there.",
            sip::short(first)
        );
        finding = finding.next(step);
    } else {
        finding = finding.next(format!("Tell whoever runs the {name}: its log says why it fails."));
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

/// A walk went on past servers of the name, which phones have to do, too.
fn passed_over(cases: &[&Case]) -> Option<Finding> {
    let walks: Vec<(&Case, Vec<Foreign>)> = cases
        .iter()
        .filter_map(|case| Some((*case, case.observation.outcome.facts.read(&PASSED_OVER)?)))
        .filter(|(_, passed)| !passed.is_empty())
        .collect();
    let (first, _) = walks.first()?;
    let mut servers: Vec<&Foreign> = Vec::new();
    for server in walks.iter().flat_map(|(_, passed)| passed) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let all: Vec<&Case> = walks.iter().map(|(case, _)| *case).collect();
    let (name, host) = (sip::name(&all), &first.host);
    let (count, were) = match servers.len() {
        1 => ("1 server".to_owned(), "was"),
        more => (format!("{more} servers"), "were"),
    };
    let end = if all.iter().any(|case| sip::speaks(case)) {
        "before one answered"
    } else {
        "and nobody answered after that"
    };
    let listed: Vec<&str> = servers.iter().map(|server| server.as_str()).collect();
    let summary = format!("{count} of {host} {were} passed over {end}: {}", listed.join(", "));
    let step = format!(
        "Tell whoever runs the {name} of {host} which of its servers do not serve; phones that try \
         them first come up late, and those that do not go on to the next not at all."
    );
    let owner = sip::owner(&all);
    let exhibits =
        walks.iter().flat_map(|(case, passed)| passed.iter().map(|it| passing(case, it)));
    Some(
        Finding::new(&RULE, Severity::Warning, owner, &first.id.target, summary)
            .because(exhibits)
            .next(step),
    )
}

/// The exchange with a server that was passed over, which is not the one that ended the walk.
fn passing(case: &Case, passed: &Foreign) -> Exhibit {
    let mut words = passed.as_str().splitn(3, ' ');
    let (Some(transport), Some(address), Some(why)) = (words.next(), words.next(), words.next())
    else {
        return Exhibit::measured(case, passed);
    };
    Exhibit {
        kind: Kind::Observation,
        reference: format!("{}@{} ({address})", case.id.module, case.id.target),
        text: format!("passed over: {why} over {transport}"),
    }
}

fn found(cases: &[&Case], summary: &str) -> Finding {
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    Finding::new(&RULE, severity, sip::owner(cases), &cases[0].id.target, summary)
        .because(cases.iter().map(|case| Exhibit::of_case(case)))
}
