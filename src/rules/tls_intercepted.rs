//! Rule `tls-intercepted`: a server is vouched for by an authority that only this host trusts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use branchline_probes::way::{CERTIFICATE_ISSUER, TLS_TRUSTED_BY};
use branchline_probes::{Failure, Foreign, TlsProblem, TrustedBy};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "tls-intercepted",
    meaning: "A server is vouched for by an authority that somebody installed on this host. Either the server is your own, or a device on the way ends TLS and shows a certificate of its own: phones, which do not trust that authority, do not connect through it.",
    decided_by: "A certificate comes from an authority that this host trusts and that is neither named by the module's ca_file nor on the list of public authorities that this program was built with. Where ca_file names others, no phone that asks for them connects. Two servers of unrelated domains with one such authority are what TLS inspection looks like.",
    falsified_by: "A handshake from the same network in which a public authority, or one that ca_file names, vouches for the server.",
    remedy: "If the authority is your own, name its certificate by ca_file in the module. Else have the servers that phones speak to exempted from TLS inspection.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = refused(evidence);
    findings.extend(accepted(evidence));
    findings
}

/// The authorities that a module names do not vouch for the server, and one of this host does.
fn refused(evidence: &Evidence) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for case in &evidence.cases {
        let Some(issuer) = refused_issuer(case) else { continue };
        let place = findings.iter().position(|it| it.subject == *case.id.target);
        let place = place.unwrap_or_else(|| {
            findings.push(begin_refused(case, issuer, evidence));
            findings.len() - 1
        });
        let finding = &mut findings[place];
        finding.severity = finding.severity.min(Severity::where_required(case.required));
        finding.evidence.push(Exhibit::of_case(case));
    }
    findings
}

fn refused_issuer(case: &Case) -> Option<&Foreign> {
    let Some(Failure::TlsFailed {
        problem: TlsProblem::UnknownIssuer,
        issuer: Some(issuer),
        trusted_by: Some(TrustedBy::Host),
        ..
    }) = case.failure()
    else {
        return None;
    };
    Some(issuer)
}

fn begin_refused(case: &Case, issuer: &Foreign, evidence: &Evidence) -> Finding {
    let target = &case.id.target;
    let summary = format!(
        "{target} shows a certificate of {issuer}, which this host trusts and which is not among \
         the authorities that the module names"
    );
    let step = format!(
        "Compare the certificate with one that is seen from another network. If it differs, TLS is \
         inspected on the way: have {} exempted on the device that holds the authority {issuer}. \
         If it is the same, the server has changed its authority: name it by ca_file.",
        case.host
    );
    let severity = Severity::where_required(case.required);
    let finding = Finding::new(&RULE, severity, Owner::SiteNetwork, target, summary).next(step);
    // What else is wrong with certificates of that target is not explained by this.
    let mut others = evidence.cases.iter().filter(|it| it.id.target == *target);
    let is_all = others.all(|it| {
        refused_issuer(it).is_some() || !matches!(it.failure(), Some(Failure::TlsFailed { .. }))
    });
    if is_all { finding.covering_subject("certificate-invalid", target) } else { finding }
}

/// Nobody named authorities, and nobody but this host vouches for the server.
fn accepted(evidence: &Evidence) -> Vec<Finding> {
    let mut issuers: Vec<(Foreign, Vec<&Case>)> = Vec::new();
    for case in &evidence.cases {
        let Some(issuer) = accepted_issuer(case) else { continue };
        match issuers.iter_mut().find(|(it, _)| *it == issuer) {
            Some((_, cases)) => cases.push(case),
            None => issuers.push((issuer, vec![case])),
        }
    }
    issuers.into_iter().map(|(issuer, cases)| told(&issuer, &cases)).collect()
}

fn accepted_issuer(case: &Case) -> Option<Foreign> {
    let facts = &case.observation.outcome.facts;
    let is_hosts = facts.read(&TLS_TRUSTED_BY) == Some(TrustedBy::Host.label());
    let is_refused = matches!(
        case.failure(),
        Some(Failure::TlsFailed { problem, .. }) if problem.is_of_certificate()
    );
    facts.read(&CERTIFICATE_ISSUER).filter(|_| is_hosts && !is_refused)
}

fn told(issuer: &Foreign, cases: &[&Case]) -> Finding {
    let targets: BTreeSet<&str> = cases.iter().map(|case| &*case.id.target).collect();
    let domains: BTreeSet<String> = cases.iter().filter_map(|case| domain(&case.host)).collect();
    let subject = match targets.first() {
        Some(only) if targets.len() == 1 => only,
        Some(_) | None => "TLS",
    };
    let (summary, step) = if domains.len() > 1 {
        let names: Vec<&str> = domains.iter().map(String::as_str).collect();
        (
            format!(
                "servers of unrelated domains ({}) are vouched for by one authority that only this \
                 host trusts ({issuer}): that is what TLS inspection looks like",
                names.join(", ")
            ),
            format!(
                "Ask whoever runs the firewall or proxy of the site whether {issuer} is its \
                 authority, and have the servers that phones speak to exempted. If all of them are \
                 your own, name the authority by ca_file in the modules."
            ),
        )
    } else {
        (
            format!(
                "{subject} is vouched for by an authority that only this host trusts ({issuer}): \
                 either the server is your own, or TLS is inspected on the way"
            ),
            format!(
                "If {issuer} is an authority of your own, name its certificate by ca_file in the \
                 module. If it is not, compare the certificate with one that is seen from another \
                 network; where they differ, have the server exempted from TLS inspection. A public \
                 authority that is younger than this program looks the same."
            ),
        )
    };
    let exhibits = cases.iter().map(|case| {
        Exhibit::measured(
            case,
            format!("a certificate issued by {issuer}, trusted by this host alone"),
        )
    });
    Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, subject, summary)
        .because(exhibits)
        .next(step)
}

/// The last two labels of a name, which may join strangers and never parts what is one's own; of
/// addresses nobody can tell who belongs together.
fn domain(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.');
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let labels: Vec<&str> = host.rsplit('.').take(2).collect();
    Some(labels.into_iter().rev().collect::<Vec<_>>().join(".").to_ascii_lowercase())
}
