//! What keeps the vendor from being read: how much it matters, what it hides, and whom to quote.

use std::time::Duration;

use branchline::diagnosis::{Owner, Severity, Verdict};
use branchline::telephony::{ApiProblem, Authority, Organization, Part, PartName};
use branchline_probes::Foreign;

use super::site::{BEGIN, Said, Site, failed, named, read, refused_client, unreachable};

const DAY: u64 = 86_400;

fn forbidden(path: &'static str) -> ApiProblem {
    ApiProblem::Permission { path, detail: Foreign::new("missing.permissions") }
}

/// Every problem that a part may meet beside the others.
fn problems() -> Vec<ApiProblem> {
    vec![
        unreachable(),
        refused_client(),
        forbidden("/audits"),
        ApiProblem::Throttled { path: "/audits", retry_after: Duration::from_secs(60) },
        ApiProblem::Server { path: "/audits", status: 503 },
        ApiProblem::Malformed { path: "/audits", what: "no JSON" },
        not_found(),
        ApiProblem::Conflict { path: "/audits", status: 409 },
        ApiProblem::Request { path: "/audits", status: 400, code: Foreign::new("bad.request") },
        ApiProblem::Denied { path: "/audits", what: "another host" },
        inspected(),
    ]
}

fn not_found() -> ApiProblem {
    ApiProblem::NotFound { path: "/audits" }
}

fn inspected() -> ApiProblem {
    ApiProblem::Tls { host: "api.example.net".to_owned(), detail: "unknown issuer".to_owned() }
}

#[test]
fn who_does_not_answer_or_not_by_tls_is_behind_the_sites_network_and_404_is_a_setting() {
    let of = |problem: &ApiProblem| {
        let finding = Site::new().vendor_fails(problem).judged_by("api-unreachable").remove(0);
        (finding.owner, finding.next_step)
    };
    let server = ApiProblem::Server { path: "/audits", status: 503 };

    assert_eq!(of(&unreachable()).0, Owner::SiteNetwork);
    assert_eq!(of(&server).0, Owner::Vendor);
    let (owner, step) = of(&inspected());
    assert_eq!(owner, Owner::SiteNetwork);
    assert!(step.contains("inspects TLS"), "{step}");
    let (owner, step) = of(&not_found());
    assert_eq!(owner, Owner::Configuration);
    assert!(step.contains("`profile`"), "{step}");
}

#[test]
fn a_part_that_only_explains_is_good_to_know_and_leaves_the_verdict() {
    for problem in problems() {
        let site = Site::new().saw(&super::site::stun(super::site::RELAY), Said::Works);
        let site = site.vendor(|it| it.changes = failed(&problem));

        let diagnosis = site.diagnosis();

        assert_eq!(diagnosis.findings.len(), 1, "{problem}: {:#?}", diagnosis.findings);
        assert_eq!(diagnosis.findings[0].severity, Severity::Info, "{problem}");
        assert_eq!(diagnosis.verdict, Verdict::Go, "{problem}");
    }
}

#[test]
fn a_vital_part_beside_it_is_a_warning() {
    for problem in problems() {
        let site = Site::new().vendor(|it| {
            it.changes = failed(&problem);
            it.phones = failed(&problem);
        });

        let diagnosis = site.diagnosis();

        assert_eq!(diagnosis.findings.len(), 1, "{problem}");
        assert_eq!(diagnosis.findings[0].severity, Severity::Warning, "{problem}");
        assert_eq!(diagnosis.verdict, Verdict::Inconclusive, "{problem}");
    }
}

#[test]
fn a_missing_permission_says_what_nobody_sees_and_what_to_give() {
    let site = Site::new().vendor(|it| {
        it.changes = failed(&forbidden("/audits"));
        it.quality = failed(&forbidden("/analytics"));
        it.edges = failed(&forbidden("/edges"));
    });

    let finding = site.judged_by("api-permission").remove(0);

    assert_eq!(
        finding.summary,
        "the OAuth client may not read whether edges are online, how calls sounded and what \
         somebody changed before it broke"
    );
    for permission in
        ["telephony:plugin:all", "analytics:conversationDetail:view", "audits:audit:view"]
    {
        assert!(finding.next_step.contains(permission), "{}", finding.next_step);
    }
}

#[test]
fn the_vendors_own_name_for_the_attempt_can_be_quoted() {
    let quoting = |problem: &ApiProblem, id: &str| Part::<Organization> {
        correlation: Some(Foreign::new(id)),
        ..failed(problem)
    };
    let site = Site::new().vendor(|it| it.organization = quoting(&forbidden("/me"), "7f3a"));

    let finding = site.judged_by("api-permission").remove(0);

    assert_eq!(
        finding.evidence[0].text,
        "the OAuth client lacks the permission to read /me: missing.permissions \
         (ININ-Correlation-Id 7f3a)"
    );
}

#[test]
fn an_optional_part_that_fails_does_not_hide_a_vital_one_that_is_old() {
    let site = Site::new().vendor(|it| {
        it.changes = failed(&forbidden("/audits"));
        it.edges.read = Some(BEGIN - Duration::from_secs(DAY));
    });

    assert_eq!(site.found(), ["state-stale", "api-permission"]);
}

#[test]
fn only_a_vital_part_that_is_old_is_a_warning() {
    for part in [PartName::Edges, PartName::Changes] {
        let old = Some(BEGIN - Duration::from_secs(DAY));
        let site = Site::new().vendor(|it| {
            if part.is_vital() {
                it.edges.read = old;
            } else {
                it.changes = Part { read: old, ..Part::default() };
            }
        });
        let expected = if part.is_vital() { Severity::Warning } else { Severity::Info };

        assert_eq!(site.judged_by("state-stale")[0].severity, expected, "{part:?}");
    }
}

#[test]
fn an_authority_of_the_vendors_is_told_before_it_expires_and_after() {
    let in_seconds = |seconds: i64| {
        let now = BEGIN + Duration::from_secs(1);
        let span = Duration::from_secs(seconds.unsigned_abs());
        let expires = if seconds < 0 { now - span } else { now + span };
        let site = Site::new().vendor(|it| {
            it.authorities = read([Authority {
                reference: named("Branch CA"),
                expires: Some(expires),
                ..Authority::default()
            }]);
        });
        let findings = site.judged_by("certificate-expiring");
        findings.into_iter().next().map(|it| (it.severity, it.summary))
    };
    let says =
        |when: &str| format!("the authority Branch CA, which the vendor's edges trust, {when}");

    assert_eq!(in_seconds(14 * 86_400), None);
    assert_eq!(in_seconds(86_400), Some((Severity::Warning, says("expires in 1 d"))));
    assert_eq!(in_seconds(-86_400), Some((Severity::Warning, says("has expired"))));
}
