//! Rule `sip-credentials`: the registrar refuses our credentials.

use branchline_probes::sip::facts::STATUS_CODE;
use branchline_probes::{Failure, Weakness};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-credentials",
    meaning: "The registrar, or a proxy before it, is alive and refuses the credentials, or asks for others.",
    decided_by: "A REGISTER with credentials was answered 401, 403, 404 or 407; or the challenge was for another realm, or too weak to be answered.",
    falsified_by: "A 200 with the same credentials.",
    remedy: "Compare user, password and realm with the account at the registrar, or at the proxy that asks.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut groups: Vec<(Told, Vec<&Case>)> = Vec::new();
    for case in evidence.of("sip-register") {
        let Some(told) = told(case) else { continue };
        let is_same = |known: &Told, first: &Case| {
            (known.owner, &known.summary, &first.id.target)
                == (told.owner, &told.summary, &case.id.target)
        };
        match groups.iter_mut().find(|(known, cases)| is_same(known, cases[0])) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((told, vec![case])),
        }
    }
    groups.into_iter().map(|(told, cases)| finding(evidence, told, &cases)).collect()
}

/// What one refusal means; several addresses may say the same.
struct Told {
    owner: Owner,
    summary: String,
    step: String,
}

fn finding(evidence: &Evidence, told: Told, cases: &[&Case]) -> Finding {
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    let finding = Finding::new(&RULE, severity, told.owner, &cases[0].id.target, told.summary)
        .because(cases.iter().map(|case| Exhibit::of_case(case)))
        .next(told.step);
    sip::covering_trunks(finding, evidence, cases, &["trunk-unregistered"])
}

fn told(case: &Case) -> Option<Told> {
    let who = who(case);
    let (owner, summary, step) = match case.failure()? {
        Failure::Rejected { code: code @ (401 | PROXY), .. } => (
            Owner::Credentials,
            format!("the {who} refuses the user or password ({code})"),
            format!("Compare user, password and realm with the account at the {who}."),
        ),
        // RFC 3261 §10.3 (3); some servers mean a wrong password by it.
        Failure::Rejected { code: code @ 403, reason, .. } => (
            Owner::Credentials,
            format!("the registrar forbids this account to register ({code} {reason})"),
            "Check that the account is enabled and may register from here, and its password: some \
             registrars say no more."
                .to_owned(),
        ),
        // RFC 3261 §10.3 (5).
        Failure::Rejected { code: code @ 404, reason, .. } => (
            Owner::Credentials,
            format!("the registrar knows no such account ({code} {reason})"),
            "Check user and domain of address_of_record, and that the account exists.".to_owned(),
        ),
        Failure::AuthRealm { found, expected, .. } => (
            Owner::Configuration,
            format!("the {who} asks for the realm \"{found}\", not \"{expected}\""),
            format!("Set realm = \"{found}\" in the module if that {who} is the right one."),
        ),
        Failure::AuthWeak { weakness: Weakness::Offered(offered), .. } => (
            Owner::Configuration,
            format!("the {who} offers only {offered}, which is not allowed"),
            format!(
                "Have SHA-256 switched on at the {who}, or set allow_md5 = true in the module."
            ),
        ),
        Failure::AuthWeak { weakness: Weakness::Downgraded, .. } => (
            Owner::SiteNetwork,
            format!("the {who} takes back what it had offered to log in with"),
            "Compare from another network; do not enter this password there.".to_owned(),
        ),
        Failure::AuthWeak { weakness: Weakness::Cleartext(transport), .. } => (
            Owner::Configuration,
            format!("the registrar asks for the password over {transport}, which others can read"),
            "Have the registrar's domain name a server for TLS, or set allow_cleartext = true in \
             the module."
                .to_owned(),
        ),
        Failure::Unresolved { .. }
        | Failure::NoResponse { .. }
        | Failure::Deadline { .. }
        | Failure::Unusable { .. }
        | Failure::Refused { .. }
        | Failure::TlsFailed { .. }
        | Failure::Closed { .. }
        | Failure::Rejected { .. }
        | Failure::Misbehaved { .. }
        | Failure::UnexpectedAnswer { .. }
        | Failure::Cancelled
        | Failure::Local { .. }
        | Failure::Internal => return None,
    };
    Some(Told { owner, summary, step })
}

/// Who asks for the credentials: a proxy says so by its code.
fn who(case: &Case) -> &'static str {
    let is_proxy = if let Some(Failure::Rejected { code, .. }) = case.failure() {
        *code == PROXY
    } else {
        case.observation.outcome.facts.read(&STATUS_CODE) == Some(PROXY.into())
    };
    if is_proxy { "proxy before the registrar" } else { "registrar" }
}

/// RFC 3261 §21.4.8: Proxy Authentication Required.
const PROXY: u16 = 407;
