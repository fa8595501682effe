//! Rule `certificate-expiring`: a server's certificate works, and not for long any more.

use std::time::{Duration, SystemTime};

use branchline_probes::way::{CERTIFICATE_EXPIRES, CERTIFICATE_VALID_FROM};
use branchline_probes::{Failure, Foreign};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::profile::{Grade, Limit, Measure};
use crate::telephony::Authority;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "certificate-expiring",
    meaning: "A server's certificate, or one that vouches for it, expires soon: from that moment on no phone connects to it by TLS.",
    decided_by: "A TLS handshake succeeded, and the first certificate of its chain expires within the profile's limit. Of a certificate that lives for less than 47 days the limits are shorter in proportion. One that has expired is the business of certificate-invalid. The authorities that the vendor's edges trust are held to the same limits.",
    falsified_by: "A handshake that shows a certificate which lives on beyond the limit.",
    remedy: "Have the certificate renewed, and find out why it was not: whoever renews by ACME does so with a third of its life left.",
    judge,
};

/// How long the chain that a case showed still lives, and how good that is.
struct Remaining {
    expires: SystemTime,
    left: Duration,
    limit: Limit,
    grade: Grade,
}

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings: Vec<(SystemTime, Finding)> = Vec::new();
    for case in &evidence.cases {
        let Some(remaining) = remaining(case, evidence) else { continue };
        let expires = remaining.expires;
        let place =
            findings.iter().position(|(at, it)| (*at, &*it.subject) == (expires, &case.id.target));
        let place = place.unwrap_or_else(|| {
            findings.push((expires, begin(case, evidence, &remaining)));
            findings.len() - 1
        });
        let finding = &mut findings[place].1;
        // One check that decides is enough.
        finding.severity = finding.severity.min(severity(case, remaining.grade));
        let text = format!("its chain expires in {}", shown(remaining.left));
        finding.evidence.push(Exhibit::measured(case, text));
    }
    let authorities = evidence.state.iter().flat_map(|state| &state.authorities.items);
    let authorities = authorities.filter_map(|authority| of_authority(evidence, authority));
    findings.into_iter().map(|(_, finding)| finding).chain(authorities).collect()
}

/// An authority that the vendor's edges and trunks trust. No handshake shows it to us, so that one
/// which has expired is told here, too; whether anybody still needs it is not known.
fn of_authority(evidence: &Evidence, authority: &Authority) -> Option<Finding> {
    let expires = authority.expires?;
    let name = &authority.reference.name;
    let left = expires.duration_since(evidence.now).unwrap_or_default();
    let limit = evidence.profile.limit(Measure::CertificateLeft);
    if limit.grade(Measure::CertificateLeft, left.as_secs_f64()) == Grade::Good {
        return None;
    }
    let when = if left.is_zero() {
        "has expired".to_owned()
    } else {
        format!("expires in {}", shown(left))
    };
    let is_managed = authority.kind.as_ref().is_some_and(|kind| kind.as_str() == "MANAGED");
    let owner = if is_managed { Owner::Vendor } else { Owner::Configuration };
    let summary = format!("the authority {name}, which the vendor's edges trust, {when}");
    let step = format!(
        "Find out whose certificates authority {name} vouches for; have its successor installed at \
         the vendor before, and theirs renewed, or remove it where nobody needs it any more."
    );
    let subject = authority.subject.as_ref().map_or("", Foreign::as_str);
    let services: Vec<&str> = authority.services.iter().map(Foreign::as_str).collect();
    let text = format!("{when}: {subject} for {}", services.join(", "));
    Some(
        Finding::new(&RULE, Severity::Warning, owner, name, summary)
            .about(&authority.reference)
            .because([Exhibit::of_state(format!("authority {name}"), text)])
            .next(step),
    )
}

fn remaining(case: &Case, evidence: &Evidence) -> Option<Remaining> {
    // Who could not prove itself has worse troubles.
    if let Some(Failure::TlsFailed { .. }) = case.failure() {
        return None;
    }
    let facts = &case.observation.outcome.facts;
    let expires = facts.read(&CERTIFICATE_EXPIRES)?;
    let left = expires.duration_since(evidence.now).ok().filter(|left| !left.is_zero())?;
    let begins = facts.read(&CERTIFICATE_VALID_FROM);
    let life = begins.and_then(|begins| expires.duration_since(begins).ok());
    let limit = evidence.profile.limit(Measure::CertificateLeft).in_a_life_of(life);
    let grade = limit.grade(Measure::CertificateLeft, left.as_secs_f64());
    (grade > Grade::Good).then_some(Remaining { expires, left, limit, grade })
}

fn severity(case: &Case, grade: Grade) -> Severity {
    match grade {
        Grade::Fail => Severity::where_required(case.required),
        Grade::Warn | Grade::Good => Severity::Warning,
    }
}

fn begin(case: &Case, evidence: &Evidence, remaining: &Remaining) -> Finding {
    let (owner, whom) = if case.trunk.is_some() {
        (Owner::Carrier, "the carrier")
    } else {
        (Owner::Vendor, "whoever runs the server")
    };
    let summary = format!(
        "the certificate of {} expires in {}, the limits of {} are {}",
        case.id.target,
        shown(remaining.left),
        evidence.profile.name(),
        Measure::CertificateLeft.show_limit(remaining.limit)
    );
    let step = format!(
        "Have {whom} renew the certificate within {}, and ask why it was not renewed by itself: the \
         next one will expire sooner, since public certificates live ever shorter.",
        shown(remaining.left)
    );
    let severity = severity(case, remaining.grade);
    Finding::new(&RULE, severity, owner, &case.id.target, summary).next(step)
}

/// Nobody plans by the second.
fn shown(left: Duration) -> String {
    Measure::CertificateLeft.show(left.as_secs_f64())
}
