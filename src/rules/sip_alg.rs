//! Rule `sip-alg`: a helper on the way rewrites SIP, or swallows it.

use branchline_probes::sip::facts::{DIFFERENCES, REWRITTEN};
use branchline_probes::{Failure, Transport};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip::{self, Way};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-alg",
    meaning: "A SIP helper (application layer gateway) on the way, in the router or firewall of the site, rewrites SIP or swallows it: registrations get lost, calls ring on one side, or have no audio.",
    decided_by: "Detected: what came back of a request is not what was sent, in what nobody but a helper changes. Suspected: port 5060 over UDP alone meets silence, while another port, TCP or TLS to the same server is answered and not all other UDP is silent; or our contact is stored where the registrar saw us, which a registrar may do by itself.",
    falsified_by: "Where it is detected, an exchange that comes back as it was sent. Where it is suspected, an answer on UDP port 5060, or a mirror of your own that receives what was sent.",
    remedy: "Switch the SIP helper of the router or firewall off; until then have phones use TLS, which no helper can read.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let finding = |cases: Vec<&Case>| {
        detected(evidence, &cases)
            .or_else(|| swallowed(evidence, &cases))
            .or_else(|| stored_elsewhere(&cases))
    };
    sip::by_target(evidence).into_iter().filter_map(finding).collect()
}

/// What was sent came back as something else.
fn detected(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let rewritten: Vec<&Case> = cases.iter().copied().filter(|case| is_rewritten(case)).collect();
    let first = rewritten.first()?;
    let mut ways: Vec<String> = rewritten.iter().map(|case| sip::way(case)).collect();
    ways.dedup();
    let listed = ways.join(", ");
    let silent = cases.iter().filter(|case| sip::is_silent(evidence, case));
    let severity =
        Severity::where_required(rewritten.iter().chain(silent).any(|case| case.required));
    let summary = format!("detected on the way to {listed}: what we send does not arrive as sent");
    let over_tls = sip::other_way(evidence, &rewritten)
        .filter(|way| way.case.observation.transport == Transport::Tls && !is_rewritten(way.case));
    let is_tls_silent = sip::cases(evidence)
        .filter(|case| rewritten.iter().any(|it| sip::is_same_server(it, case)))
        .any(|case| case.observation.transport == Transport::Tls && sip::is_silent(evidence, case));
    let until = match over_tls {
        Some(way) => format!(
            "; until then have phones use {}, which it cannot read and which answers",
            way.name()
        ),
        None if is_tls_silent => String::new(),
        None => "; until then have phones use TLS, which it cannot read".to_owned(),
    };
    let step = format!(
        "Switch the SIP helper (ALG) off in the router or firewall of the site for {listed}{until}."
    );
    let target = &first.id.target;
    let finding = Finding::new(&RULE, severity, Owner::SiteNetwork, target, summary)
        .because(rewritten.iter().flat_map(|case| quoted(case)))
        .because(over_tls.map(|way| Exhibit::of_case(way.case)))
        .next(step);
    // Where another way is silent, too, there is more than a helper.
    if sip::silent_targets(evidence, is_of_helpers).contains(&&**target) {
        Some(finding.covering_subject("sip-port-blocked", target))
    } else {
        Some(finding)
    }
}

fn is_rewritten(case: &Case) -> bool {
    case.observation.outcome.facts.read(&REWRITTEN) == Some(true)
}

/// The first lines of what was sent (`-`) and of what came back (`+`).
fn quoted(case: &Case) -> Vec<Exhibit> {
    let lines = case.observation.outcome.facts.read(&DIFFERENCES).unwrap_or_default();
    let mut exhibits: Vec<Exhibit> =
        lines.iter().take(QUOTED).map(|line| Exhibit::measured(case, line)).collect();
    if let Some(more) = lines.len().checked_sub(QUOTED).filter(|more| *more > 0) {
        exhibits.push(Exhibit::measured(case, format!("and {more} lines more that differ")));
    }
    if exhibits.is_empty() {
        exhibits.push(Exhibit::measured(case, "what came back is not what was sent"));
    }
    exhibits
}

/// Port 5060 over UDP alone is silent: the one that helpers look at.
fn swallowed(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let silent: Vec<&Case> =
        cases.iter().copied().filter(|case| sip::is_silent(evidence, case)).collect();
    let first = *silent.first()?;
    // Where the same port of the server is answered, or refused by anybody, it is not silent.
    let is_alone = sip::cases(evidence)
        .filter(|case| silent.iter().any(|it| sip::is_same_server(it, case)))
        .all(|case| if is_of_helpers(case) { case.is_unheard() } else { !is_mute(case) });
    if !is_alone || is_udp_silent(evidence, first) {
        return None;
    }
    let other: Way<'_> = sip::other_way(evidence, &silent)?;
    let mut ways: Vec<String> = silent.iter().map(|case| sip::way(case)).collect();
    ways.dedup();
    let listed = ways.join(", ");
    let summary =
        format!("suspected on the way: of all ways only {listed} meets silence, {}", other.words());
    let step = format!(
        "Switch the SIP helper (ALG) off in the router or firewall of the site, and ask whether \
         {listed} is let out; until then have phones use {}. Try the same probe from another \
         network: silence there, too, means that the server does not serve that port.",
        other.name()
    );
    let severity = Severity::where_required(silent.iter().any(|case| case.required));
    Some(
        Finding::new(&RULE, severity, Owner::SiteNetwork, &first.id.target, summary)
            .because(silent.iter().chain([&other.case]).map(|case| Exhibit::of_case(case)))
            .next(step)
            .covering_subject("sip-port-blocked", &first.id.target),
    )
}

/// Whether a way met silence, be it in a TLS handshake: the kernel repeats what is lost there, so
/// one attempt is enough to say that not all other ways are answered.
fn is_mute(case: &Case) -> bool {
    let is_silence = case.failure().is_some_and(Failure::is_silence);
    case.is_unheard() || is_silence && case.observation.transport.is_stream() && !case.is_heard()
}

fn is_of_helpers(case: &Case) -> bool {
    let port = case.observation.address.map(|address| address.port());
    case.observation.transport == Transport::Udp && port == Some(PORT)
}

/// Whether UDP was tried elsewhere, nameservers apart, and never answered: then it is not the port.
fn is_udp_silent(evidence: &Evidence, sip_case: &Case) -> bool {
    let is_of_dns = |case: &Case| case.is_of("dns-query") || case.is_of("dns-delegation");
    let mut elsewhere = evidence
        .cases
        .iter()
        .filter(|case| case.observation.transport == Transport::Udp && !is_of_dns(case))
        .filter(|case| !(sip::is_sip(case) && sip::is_same_server(case, sip_case)))
        .peekable();
    elsewhere.peek().is_some() && elsewhere.all(Case::is_unheard)
}

/// Our contact is stored, and not where we said that we are.
fn stored_elsewhere(cases: &[&Case]) -> Option<Finding> {
    let differs = |case: &&&Case| {
        let lines = case.observation.outcome.facts.read(&DIFFERENCES);
        lines.is_some_and(|lines| !lines.is_empty())
    };
    let stored: Vec<&Case> = cases.iter().filter(differs).copied().collect();
    let first = stored.first()?;
    let summary = "suspected, and no more: our contact is stored where the registrar saw us, by a \
                   helper on the way or by the registrar's own NAT traversal";
    let step = "Ask whoever runs the registrar whether it stores phones where it sees them; if it \
                does, nothing is wrong. Else look for a SIP helper (ALG) in the router of the site; \
                a probe of a mirror of your own (mirror = true) tells exactly.";
    Some(
        Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, &first.id.target, summary)
            .because(stored.iter().flat_map(|case| quoted(case)))
            .next(step),
    )
}

/// RFC 3261 §19.1.2: the port of SIP, by which helpers know it.
const PORT: u16 = 5060;
/// How many lines are quoted of one exchange.
const QUOTED: usize = 4;
