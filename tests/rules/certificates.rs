//! The rules about servers that prove who they are: to nobody, to this host alone, or not for long.

use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline::profile::{Limit, Measure, Profile};
use branchline_probes::way::{
    CERTIFICATE_EXPIRES, CERTIFICATE_ISSUER, CERTIFICATE_VALID_FROM, TLS_TRUSTED_BY,
};
use branchline_probes::{Foreign, TlsProblem, Transport, TrustedBy};

use super::Row;
use super::site::{Asked, BEGIN, RELAY, RELAY_2, Said, Site, register, stun, turn};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "certificate-invalid",
        fires: || Site::new().saw(&tls(), unproven(TlsProblem::WrongName)),
        owner: Owner::Configuration,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["turn-tls@relay (192.0.2.10:5349)"],
        silent: || Site::new().saw(&tls(), Said::Resets),
    },
    Row {
        rule: "tls-intercepted",
        fires: || Site::new().saw(&tls(), STRANGE),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["turn-tls@relay (192.0.2.10:5349)"],
        silent: || {
            Site::new()
                .saw(&tls(), unproven(TlsProblem::UnknownIssuer))
                .saw(&vouched_by("public"), Said::Works)
        },
    },
    Row {
        rule: "certificate-expiring",
        fires: || Site::new().saw(&expiring_in(2 * DAY), Said::Works),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["turn-tls@relay (192.0.2.10:5349)"],
        silent: || Site::new().saw(&expiring_in(2 * DAY), unproven(TlsProblem::WrongName)),
    },
];

const DAY: u64 = 86_400;

/// A server at which the first certificate of the chain expires so long after the evidence, and is
/// a year old.
fn expiring_in(seconds: u64) -> Asked {
    living(365 * DAY, seconds)
}

/// The same of a certificate that lives so long in all.
fn living(life: u64, left: u64) -> Asked {
    // The evidence is of a second after the first cycle.
    let expires = BEGIN + Duration::from_secs(left + 1);
    let born = expires - Duration::from_secs(life);
    tls().stating(&CERTIFICATE_EXPIRES, expires).stating(&CERTIFICATE_VALID_FROM, born)
}

/// The target's host has this name.
fn on_host(host: &str, mut asked: Asked) -> Asked {
    host.clone_into(&mut asked.host);
    asked
}

/// A server whose certificate `trusted_by` vouches for.
fn vouched_by(trusted_by: &'static str) -> Asked {
    on_host("turn.example.net", stun(RELAY_2).over(Transport::Tls, 5349))
        .stating(&TLS_TRUSTED_BY, trusted_by)
        .stating(&CERTIFICATE_ISSUER, Foreign::new("CN=Elsewhere"))
}

/// A certificate of an authority that was not asked for, and that this host trusts all the same.
const STRANGE: Said = Said::Unproven(TlsProblem::UnknownIssuer, Some(TrustedBy::Host));

const fn unproven(problem: TlsProblem) -> Said {
    Said::Unproven(problem, None)
}

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
        (TlsProblem::CertificateRequired, Owner::Configuration, "client_key"),
        (TlsProblem::CertificateRefused, Owner::Credentials, "the server's log"),
        (TlsProblem::NotTls, Owner::Configuration, "port"),
    ] {
        let findings = Site::new().saw(&tls(), unproven(problem)).judged_by("certificate-invalid");

        let [finding] = &findings[..] else { panic!("{problem:?}: {findings:#?}") };
        assert_eq!(finding.owner, owner, "{problem:?}");
        assert!(finding.next_step.contains(step), "{problem:?}: {}", finding.next_step);
    }
}

#[test]
fn an_authority_that_is_not_trusted_is_named_with_what_it_may_be() {
    let seen = Site::new().saw(&tls(), unproven(TlsProblem::UnknownIssuer));

    let findings = seen.judged_by("certificate-invalid");

    assert!(findings[0].summary.contains("CN=Elsewhere"), "{}", findings[0].summary);
    assert!(findings[0].next_step.contains("inspected"), "{}", findings[0].next_step);
}

#[test]
fn a_ca_file_that_does_not_hold_the_authority_is_told_so() {
    let step = |asked: &Asked| {
        let site = Site::new().saw(asked, unproven(TlsProblem::UnknownIssuer));
        site.judged_by("certificate-invalid")[0].next_step.clone()
    };

    let named = step(&tls().of_fingerprint("probe = \"p\"\nca_file = \"/etc/own.pem\" # 00\n"));

    assert!(named.starts_with("The module's ca_file does not hold CN=Elsewhere"), "{named}");
    assert!(!named.contains("set ca_file"), "{named}");
    assert!(step(&tls()).contains("set ca_file in the module"));
}

#[test]
fn a_sip_server_has_the_port_of_sips_and_behind_a_trunk_the_carrier_renews() {
    let sip = || register().over(Transport::Tls, 5060);
    let told = |asked: &Asked, problem| {
        Site::new().saw(asked, unproven(problem)).judged_by("certificate-invalid").remove(0)
    };
    let of_trunk = sip().of_trunk("Carrier A");

    assert!(told(&sip(), TlsProblem::NotTls).next_step.contains("(5061)"));
    assert!(told(&tls(), TlsProblem::NotTls).next_step.contains("(5349)"));
    assert_eq!(told(&of_trunk, TlsProblem::Expired).owner, Owner::Carrier);
    assert_eq!(told(&sip(), TlsProblem::Expired).owner, Owner::Vendor);
    assert_eq!(told(&of_trunk, TlsProblem::NotYetValid).owner, Owner::ThisHost);
}

#[test]
fn several_checks_of_one_server_are_one_finding() {
    let again = tls().of_module("turn-again");
    let seen = Site::new()
        .saw(&tls(), unproven(TlsProblem::Expired))
        .saw(&again, unproven(TlsProblem::Expired));

    let findings = seen.judged_by("certificate-invalid");

    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].evidence.len(), 2);
}

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn an_authority_that_this_host_trusts_and_the_module_does_not_explains_the_invalid_certificate() {
    let finding = only(&Site::new().saw(&tls(), STRANGE));

    assert_eq!(finding.rule, "tls-intercepted");
    assert_eq!(finding.explains, ["certificate-invalid: relay"]);
    assert!(finding.summary.contains("CN=Elsewhere"), "{}", finding.summary);
    for doubt in ["If it differs", "If it is the same", "ca_file"] {
        assert!(finding.next_step.contains(doubt), "{}", finding.next_step);
    }
    let optional = only(&Site::new().saw(&tls().optional(), STRANGE));
    assert_eq!(optional.severity, Severity::Warning);
}

#[test]
fn a_server_that_was_refused_is_not_called_accepted_for_what_its_failure_states() {
    // A failure states the facts of the certificate, too.
    let findings = Site::new().saw(&vouched_by("host"), STRANGE).judged_by("tls-intercepted");

    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].severity, Severity::Blocking);
}

#[test]
fn interception_does_not_hide_another_certificate_of_the_target_that_has_expired() {
    let other = tls().of_module("turn-again");
    let site = Site::new().saw(&tls(), STRANGE).saw(&other, unproven(TlsProblem::Expired));

    let summaries: Vec<String> =
        site.diagnosis().findings.into_iter().map(|it| it.summary).collect();

    assert!(summaries.iter().any(|it| it.contains("has expired")), "{summaries:#?}");
}

#[test]
fn a_public_authority_in_place_of_the_one_that_was_named_is_no_interception() {
    let site =
        Site::new().saw(&tls(), Said::Unproven(TlsProblem::UnknownIssuer, Some(TrustedBy::Public)));

    let finding = only(&site);

    assert_eq!((finding.rule, finding.owner), ("certificate-invalid", Owner::Configuration));
    assert!(finding.summary.contains("a public authority"), "{}", finding.summary);
    assert!(finding.next_step.contains("remove ca_file"), "{}", finding.next_step);
}

#[test]
fn a_server_that_only_this_host_trusts_is_a_warning_that_names_both_reasons() {
    let finding = only(&Site::new().saw(&vouched_by("host"), Said::Works));

    assert_eq!((finding.rule, finding.severity), ("tls-intercepted", Severity::Warning));
    assert_eq!(finding.subject, "relay-2");
    assert_eq!(
        finding.summary,
        "relay-2 is vouched for by an authority that only this host trusts (CN=Elsewhere): either \
         the server is your own, or TLS is inspected on the way"
    );
    assert!(finding.next_step.contains("ca_file"), "{}", finding.next_step);
}

#[test]
fn what_a_public_authority_or_the_module_vouches_for_is_not_intercepted() {
    for by in ["public", "ca_file"] {
        assert_eq!(Site::new().saw(&vouched_by(by), Said::Works).found(), [""; 0], "{by}");
    }
}

#[test]
fn a_server_that_refuses_in_its_protocol_was_vouched_for_all_the_same() {
    let site = Site::new().saw(&vouched_by("host"), Said::Rejects(403));

    assert_eq!(site.judged_by("tls-intercepted").len(), 1);
}

#[test]
fn one_authority_for_unrelated_domains_is_one_finding_with_every_server() {
    let registrar = on_host("sip.carrier.example", register().over(Transport::Tls, 5061))
        .stating(&TLS_TRUSTED_BY, "host")
        .stating(&CERTIFICATE_ISSUER, Foreign::new("CN=Elsewhere"));
    let two = |other: &Asked| {
        let site = Site::new().saw(&vouched_by("host"), Said::Works).saw(other, Said::Works);
        only(&site)
    };

    let unrelated = two(&registrar);
    let related = two(&on_host("SIP.example.net.", registrar.clone()));
    let by_address = two(&on_host("192.0.2.20", registrar.clone()));

    assert_eq!((&*unrelated.subject, unrelated.evidence.len()), ("TLS", 2));
    assert!(unrelated.summary.contains("(carrier.example, example.net)"), "{}", unrelated.summary);
    assert!(unrelated.summary.contains("what TLS inspection looks like"), "{}", unrelated.summary);
    for finding in [related, by_address] {
        assert_eq!(finding.evidence.len(), 2);
        assert!(finding.summary.contains("either the server is your own"), "{}", finding.summary);
    }
    let another = registrar.stating(&CERTIFICATE_ISSUER, Foreign::new("CN=Another"));
    let site = Site::new().saw(&vouched_by("host"), Said::Works).saw(&another, Said::Works);
    assert_eq!(site.judged_by("tls-intercepted").len(), 2, "two authorities are two findings");
}

#[test]
fn a_certificate_is_held_to_the_profile_until_it_expires() {
    let severity = |left| {
        let findings = Site::new().saw(&expiring_in(left), Said::Works).diagnosis().findings;
        findings.first().map(|it| (it.rule, it.severity))
    };
    let rule = "certificate-expiring";

    assert_eq!(severity(15 * DAY), None);
    assert_eq!(severity(14 * DAY), None);
    assert_eq!(severity(14 * DAY - 1), Some((rule, Severity::Warning)));
    assert_eq!(severity(3 * DAY), Some((rule, Severity::Warning)));
    assert_eq!(severity(3 * DAY - 1), Some((rule, Severity::Blocking)));
    assert_eq!(severity(1), Some((rule, Severity::Blocking)));
    assert_eq!(severity(0), None, "certificate-invalid tells");
}

#[test]
fn a_certificate_that_expires_soon_says_when_and_beside_which_limits() {
    let finding = only(&Site::new().saw(&expiring_in(10 * DAY), Said::Works));

    assert_eq!(
        finding.summary,
        "the certificate of relay expires in 10 d, the limits of sip-phone are 14/3 d"
    );
    let optional = expiring_in(DAY).optional();
    assert_eq!(only(&Site::new().saw(&optional, Said::Works)).severity, Severity::Warning);
    let own = Profile::default()
        .copied_as("office".to_owned())
        .with(Measure::CertificateLeft, Limit { warn: 86_400.0, fail: 3_600.0 });
    let site = Site::new().saw(&expiring_in(10 * DAY), Said::Works).held_to(own);
    assert_eq!(site.diagnosis().verdict, Verdict::Go);
}

#[test]
fn a_certificate_that_lives_for_days_is_held_to_shorter_limits() {
    // Let's Encrypt's profile "shortlived": 160 hours. 14 d of 47 d are 2.0 d of it, 3 d are 10 h.
    let severity = |hours: u64| {
        let asked = living(160 * 3_600, hours * 3_600);
        let findings = Site::new().saw(&asked, Said::Works).diagnosis().findings;
        findings.first().map(|it| it.severity)
    };

    assert_eq!(severity(80), None);
    assert_eq!(severity(48), None);
    assert_eq!(severity(47), Some(Severity::Warning));
    assert_eq!(severity(11), Some(Severity::Warning));
    assert_eq!(severity(10), Some(Severity::Blocking));
}

#[test]
fn a_carrier_renews_the_certificate_of_its_trunk() {
    let asked = expiring_in(DAY).of_trunk("Carrier A");

    let finding = only(&Site::new().saw(&asked, Said::Works));

    assert_eq!(finding.owner, Owner::Carrier);
    assert!(finding.next_step.contains("the carrier"), "{}", finding.next_step);
}

#[test]
fn several_checks_of_one_certificate_are_one_finding_as_bad_as_the_worst() {
    let optional = expiring_in(DAY).optional();
    let required = expiring_in(DAY).of_module("turn-again");
    let site = Site::new().saw(&optional, Said::Works).saw(&required, Said::Rejects(403));

    let findings = site.judged_by("certificate-expiring");

    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].severity, findings[0].evidence.len()), (Severity::Blocking, 2));
}
