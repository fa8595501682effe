//! Rule `certificate-invalid`: a server could not prove by TLS who it is.

use branchline_probes::{Failure, Foreign, TlsProblem, TrustedBy};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "certificate-invalid",
    meaning: "A server could not prove by TLS who it is, so nothing was asked of it: a phone ends the connection at the same point.",
    decided_by: "A TLS handshake failed: the certificate has expired, is not valid yet, is for another name or comes from an authority that is not trusted, no safe version is common to both, or the server asks for a client certificate and does not accept what it got.",
    falsified_by: "A TLS handshake with the same address that succeeds.",
    remedy: "Renew or replace the certificate on the server; where it is right, name its authority by ca_file and its name by server_name in the module. Who asks for a client certificate gets it by client_certificate and client_key.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings: Vec<(String, Finding)> = Vec::new();
    for case in &evidence.cases {
        let Some((owner, summary, step)) = told(case) else { continue };
        let key = format!("{} {summary}", case.id.target);
        let place = findings.iter().position(|(it, _)| *it == key).unwrap_or_else(|| {
            let severity = Severity::where_required(case.required);
            let finding = Finding::new(&RULE, severity, owner, &case.id.target, summary);
            findings.push((key, finding.next(step)));
            findings.len() - 1
        });
        findings[place].1.evidence.push(Exhibit::of_case(case));
    }
    findings.into_iter().map(|(_, finding)| finding).collect()
}

fn told(case: &Case) -> Option<(Owner, String, String)> {
    let Some(Failure::TlsFailed { peer, problem, issuer, trusted_by }) = case.failure() else {
        return None;
    };
    let vouching = issuer.as_ref().map_or("an unknown authority", Foreign::as_str);
    let is_public = *trusted_by == Some(TrustedBy::Public);
    let (owner, what, step) = match problem {
        TlsProblem::Expired => (
            Owner::Vendor,
            "shows a certificate that has expired".to_owned(),
            "Have the certificate renewed by whoever runs the server; check this host's clock, too."
                .to_owned(),
        ),
        TlsProblem::NotYetValid => (
            Owner::ThisHost,
            "shows a certificate that is not valid yet by this host's clock".to_owned(),
            "Check this host's clock first; if it is right, whoever runs the server has installed \
             the certificate too early."
                .to_owned(),
        ),
        TlsProblem::WrongName => (
            Owner::Configuration,
            "shows a certificate for another name".to_owned(),
            "Set server_name in the module to the name that the server's certificate is for, or the \
             target's address to that name."
                .to_owned(),
        ),
        TlsProblem::UnknownIssuer if is_public => (
            Owner::Configuration,
            format!(
                "shows a certificate of a public authority that is not among those who may vouch \
                 for it ({vouching})"
            ),
            "If the module names a ca_file, ask whoever runs the server whether its authority has \
             changed, and remove ca_file or name the new one. Else update the authorities that \
             this host trusts (the package ca-certificates)."
                .to_owned(),
        ),
        TlsProblem::UnknownIssuer => (
            Owner::Configuration,
            format!("shows a certificate of an authority that is not trusted ({vouching})"),
            format!(
                "{} If it belongs to a firewall of the site, TLS is inspected there: have {peer} \
                 exempted.",
                own_authority(case, vouching)
            ),
        ),
        TlsProblem::BadCertificate => (
            Owner::Vendor,
            "shows a certificate that cannot be used".to_owned(),
            "Have whoever runs the server install a certificate that is made for a server."
                .to_owned(),
        ),
        TlsProblem::Version => (
            Owner::Vendor,
            "speaks no version of TLS that is safe".to_owned(),
            "Have whoever runs the server switch on TLS 1.2 or later.".to_owned(),
        ),
        TlsProblem::Alert => (
            Owner::Vendor,
            "ends the TLS handshake with an alert".to_owned(),
            "Ask whoever runs the server what it objects to: its log names the alert.".to_owned(),
        ),
        TlsProblem::CertificateRequired => (
            Owner::Configuration,
            "asks for a client certificate, and got none".to_owned(),
            "Set client_certificate and client_key in the module to a certificate that the server \
             accepts; whoever runs the server issues it or says who does."
                .to_owned(),
        ),
        TlsProblem::CertificateRefused => (
            Owner::Credentials,
            "does not accept the client certificate".to_owned(),
            "Compare client_certificate with what the server asks for: who issued it, until when it \
             is valid, and the chain behind it; the server's log says what it objects to."
                .to_owned(),
        ),
        TlsProblem::NotTls => (
            Owner::Configuration,
            "does not speak TLS".to_owned(),
            format!("Check the port: {}.", usual_port(case)),
        ),
    };
    let is_carrier_s = owner == Owner::Vendor && case.trunk.is_some();
    let owner = if is_carrier_s { Owner::Carrier } else { owner };
    Some((owner, format!("{peer} {what}"), step))
}

/// What to do where the authority is one's own.
fn own_authority(case: &Case, authority: &str) -> String {
    if case.fingerprint.lines().any(|line| line.starts_with("ca_file = ")) {
        format!(
            "The module's ca_file does not hold {authority}: if that is an authority of your own, \
             add its certificate to the file."
        )
    } else {
        format!(
            "If {authority} is an authority of your own, set ca_file in the module to its \
             certificate."
        )
    }
}

fn usual_port(case: &Case) -> &'static str {
    if sip::is_sip(case) {
        // RFC 3261 §19.1.2.
        "over TLS, a SIP server usually has another than over TCP (5061)"
    } else {
        "over TLS, a relay usually has another than over TCP (5349)"
    }
}
