//! Rule `dns-resolver-down`: a nameserver does not answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use branchline_probes::{Failure, Unresolved};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::dns;
use crate::sight::{Shows, Sight, View};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-resolver-down",
    meaning: "A nameserver does not answer: phones that use it find nobody.",
    decided_by: "A dns-query met silence or a refusal while something else answered, or a resolver of the site answers a watched name with an error (SERVFAIL, REFUSED), or a name could not be resolved because the resolver of this host did not answer.",
    falsified_by: "An answer from that nameserver.",
    remedy: "Restart or replace the nameserver, or let port 53 through to it by udp and tcp.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let has_life = evidence.has_life();
    // Whose host says that nobody listens is down, whatever else is silent.
    let gone = evidence
        .of("dns-query")
        .filter(|case| is_gone(case) && (has_life || is_refused_by_itself(case)));
    let (of_names, by_hand): (Vec<&Case>, Vec<&Case>) = gone.partition(|it| it.sight.is_some());
    let asked = by_hand.into_iter().map(|case| {
        let severity = Severity::where_required(case.required);
        let summary = format!("nameserver {} ({}) does not answer", case.id.target, address(case));
        Finding::new(&RULE, severity, Owner::Dns, &case.id.target, summary)
            .because([Exhibit::of_case(case)])
    });
    let own: Vec<&Case> = evidence.cases.iter().filter(|case| lacks_resolver(case)).collect();
    let own = (!own.is_empty()).then(|| {
        let is_required = own.iter().any(|case| case.required);
        let severity = Severity::where_required(is_required);
        let summary = "the resolver of this host does not answer, so names could not be probed";
        Finding::new(&RULE, severity, Owner::ThisHost, "this host's resolver", summary)
            .because(own.into_iter().map(Exhibit::of_case))
            .next("Look at the nameservers in this host's resolv.conf.")
    });
    asked.chain(watched(evidence, of_names)).chain(own).collect()
}

/// Nameservers of watched names, each once however many names it was asked for. That nobody
/// authoritative answers is usual where a site lets port 53 out to its resolvers alone.
fn watched(evidence: &Evidence, gone: Vec<&Case>) -> Vec<Finding> {
    let failing = evidence.of("dns-query").filter(|case| {
        let is_of_phones = case.sight.as_ref().is_some_and(|it| it.view == View::Site);
        is_of_phones && is_failing(case)
    });
    let lost_guides = evidence.cases.iter().filter(|case| {
        let is_delegation = |it: &Sight| it.shows == Shows::Delegation;
        case.sight.as_ref().is_some_and(is_delegation) && (case.is_down() || is_lost(case))
    });
    let led_nowhere = evidence.cases.iter().filter(|case| case.sight.is_some() && is_lost(case));
    let mut by_server: BTreeMap<(View, Option<SocketAddr>), Vec<&Case>> = BTreeMap::new();
    for case in gone.into_iter().chain(failing).chain(lost_guides).chain(led_nowhere) {
        let Some(sight) = &case.sight else { continue };
        // Of the authoritative ones there is one finding, whoever of them is silent.
        let address = case.observation.address.filter(|_| sight.view != View::Authoritative);
        by_server.entry((sight.view, address)).or_default().push(case);
    }
    by_server
        .into_iter()
        .map(|((view, address), cases)| of_server(evidence, view, address, cases))
        .collect()
}

fn of_server(
    evidence: &Evidence,
    view: View,
    address: Option<SocketAddr>,
    cases: Vec<&Case>,
) -> Finding {
    let exhibits = cases.iter().map(|case| Exhibit::of_case(case));
    if view == View::Authoritative {
        let answers = evidence
            .cases
            .iter()
            .any(|case| case.sight.as_ref().is_some_and(|it| it.view == view) && case.is_heard());
        let (severity, owner, summary, step) = if answers {
            (
                Severity::Warning,
                Owner::Dns,
                "some authoritative nameservers do not answer from here",
                "Have them repaired, or taken out of the delegation: resolvers wait for them.",
            )
        } else {
            (
                Severity::Info,
                Owner::SiteNetwork,
                "no authoritative nameserver can be asked from here, which is usual where only the \
                 site's resolvers may use port 53",
                "Nothing, where expected addresses are configured: they decide. Else let this host \
                 out to port 53, or set `authoritative` of [views] to false.",
            )
        };
        return Finding::new(&RULE, severity, owner, dns::AUTHORITATIVE, summary)
            .because(exhibits)
            .next(step);
    }
    let target = &cases[0].id.target;
    let place = address.map(|it| it.to_string()).unwrap_or_default();
    let is_silent = cases.iter().any(|case| is_gone(case));
    let what = if is_silent { "does not answer" } else { "answers with an error" };
    let summary = format!("resolver {target} ({place}) {what}");
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    Finding::new(&RULE, severity, Owner::Dns, format!("{target} {place}"), summary)
        .because(exhibits)
}

fn address(case: &Case) -> String {
    case.observation.address.map(|it| it.to_string()).unwrap_or_default()
}

/// Whether the resolver says that it cannot find out.
fn is_failing(case: &Case) -> bool {
    const NXDOMAIN: u16 = 3;
    matches!(case.failure(), Some(Failure::Rejected { code, .. }) if *code != NXDOMAIN)
}

/// Whether nobody was found who could be asked.
fn is_lost(case: &Case) -> bool {
    matches!(case.failure(), Some(Failure::Unresolved { problem: Unresolved::NotLed, .. }))
}

fn is_gone(case: &Case) -> bool {
    match case.failure().map(Failure::label) {
        Some("refused") => is_refused_by_itself(case),
        Some("unreachable") => true,
        _ => case.is_silent(),
    }
}

fn is_refused_by_itself(case: &Case) -> bool {
    let address = case.observation.address.map(|address| address.ip());
    case.failure().is_some_and(|failure| {
        failure.label() == "refused" && failure.by().is_none_or(|by| Some(by) == address)
    })
}

fn lacks_resolver(case: &Case) -> bool {
    matches!(
        case.failure(),
        Some(Failure::Unresolved {
            problem: Unresolved::NoAnswer | Unresolved::ResolverFailed | Unresolved::NoResolver,
            ..
        })
    )
}
