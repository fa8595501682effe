//! The rule about servers that cannot prove who they are.

use branchline::diagnosis::{Owner, Severity};
use branchline_probes::{TlsProblem, Transport};

use super::Row;
use super::site::{Asked, RELAY, Said, Site, turn};

pub(super) static ROWS: &[Row] = &[Row {
    rule: "certificate-invalid",
    fires: || Site::new().saw(&tls(), Said::Unproven(TlsProblem::WrongName)),
    owner: Owner::Configuration,
    severity: Severity::Blocking,
    subject: "relay",
    evidence: &["turn-tls@relay (192.0.2.10:5349)"],
    silent: || Site::new().saw(&tls(), Said::Resets),
}];

fn tls() -> Asked {
    turn(RELAY).over(Transport::Tls, 5349)
}

#[test]
fn each_way_to_fail_has_its_owner_and_its_next_step() {
    for (problem, owner, step) in [
        (TlsProblem::Expired, Owner::Vendor, "renewed"),
        (TlsProblem::NotYetValid, Owner::ThisHost, "clock"),
        (TlsProblem::WrongName, Owner::Configuration, "server_name"),
        (TlsProblem::UnknownIssuer, Owner::Configuration, "ca_file"),
        (TlsProblem::BadCertificate, Owner::Vendor, "made for a server"),
        (TlsProblem::Version, Owner::Vendor, "TLS 1.2"),
        (TlsProblem::Alert, Owner::Vendor, "its log"),
        (TlsProblem::NotTls, Owner::Configuration, "port"),
    ] {
        let findings =
            Site::new().saw(&tls(), Said::Unproven(problem)).judged_by("certificate-invalid");

        let [finding] = &findings[..] else { panic!("{problem:?}: {findings:#?}") };
        assert_eq!(finding.owner, owner, "{problem:?}");
        assert!(finding.next_step.contains(step), "{problem:?}: {}", finding.next_step);
    }
}

#[test]
fn an_authority_that_is_not_trusted_is_named_with_what_it_may_be() {
    let seen = Site::new().saw(&tls(), Said::Unproven(TlsProblem::UnknownIssuer));

    let findings = seen.judged_by("certificate-invalid");

    assert!(findings[0].summary.contains("CN=Elsewhere"), "{}", findings[0].summary);
    assert!(findings[0].next_step.contains("inspected"), "{}", findings[0].next_step);
}

#[test]
fn several_checks_of_one_server_are_one_finding() {
    let again = tls().of_module("turn-again");
    let seen = Site::new()
        .saw(&tls(), Said::Unproven(TlsProblem::Expired))
        .saw(&again, Said::Unproven(TlsProblem::Expired));

    let findings = seen.judged_by("certificate-invalid");

    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].evidence.len(), 2);
}
