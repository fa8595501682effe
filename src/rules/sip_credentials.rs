//! Rule `sip-credentials`: the registrar refuses our credentials.

use branchline_probes::{Failure, Weakness};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-credentials",
    meaning: "The registrar is alive and refuses the credentials, or asks for others.",
    decided_by: "A REGISTER with credentials was answered 401, 403, 404 or 407; or the challenge was for another realm, or too weak to be answered.",
    falsified_by: "A 200 with the same credentials.",
    remedy: "Compare user, password and realm with the account at the registrar.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    evidence.of("sip-register").filter_map(finding).collect()
}

fn finding(case: &Case) -> Option<Finding> {
    let (owner, summary, step) = match case.failure()? {
        Failure::Rejected { code: code @ (401 | 407), .. } => (
            Owner::Credentials,
            format!("the registrar refuses the user or password ({code})"),
            RULE.remedy.to_owned(),
        ),
        Failure::Rejected { code: code @ (403 | 404), reason, .. } => (
            Owner::Credentials,
            format!("the registrar knows no such account, or forbids it ({code} {reason})"),
            "Check that the account exists, is enabled, and may register from here.".to_owned(),
        ),
        Failure::AuthRealm { found, expected, .. } => (
            Owner::Configuration,
            format!("the registrar asks for the realm \"{found}\", not \"{expected}\""),
            format!("Set realm = \"{found}\" in the module if that registrar is the right one."),
        ),
        Failure::AuthWeak { weakness: Weakness::Offered(offered), .. } => (
            Owner::Configuration,
            format!("the registrar offers only {offered}, which is not allowed"),
            "Have SHA-256 switched on at the registrar, or set allow_md5 = true in the module."
                .to_owned(),
        ),
        Failure::AuthWeak { weakness: Weakness::Downgraded, .. } => (
            Owner::SiteNetwork,
            "the registrar takes back what it had offered to log in with".to_owned(),
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
    let severity = Severity::where_required(case.required);
    Some(
        Finding::new(&RULE, severity, owner, &case.id.target, summary)
            .because([Exhibit::of_case(case)])
            .next(step),
    )
}
