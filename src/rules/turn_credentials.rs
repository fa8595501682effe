//! Rule `turn-credentials`: the relay refuses our credentials.

use branchline_probes::{Failure, Phase, Weakness};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "turn-credentials",
    meaning: "The relay is alive and refuses the credentials, or asks for others.",
    decided_by: "A TURN request with credentials was answered 401 or 441, an Allocate 403, a request with a fresh nonce 438 once more; or the challenge was for another realm, or too weak to be answered, or weaker than its own nonce or the one before it promised. A 401 without credentials is a success: TURN is alive.",
    falsified_by: "An allocation with the same credentials.",
    remedy: "Compare user name, password and realm with the account at the relay, and this host's clock with the true time.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    relay::turn_cases(evidence).filter_map(finding).collect()
}

fn finding(case: &Case) -> Option<Finding> {
    let (stage, failure) = case.observation.outcome.failure.as_ref()?;
    let (owner, summary, step) = match failure {
        Failure::Rejected { code: 401, .. } => (
            Owner::Credentials,
            "the relay refuses the user name or password (401)".to_owned(),
            format!("Compare user name and password with the account at the relay. {CLOCK}"),
        ),
        Failure::Rejected { code: 441, .. } => (
            Owner::Credentials,
            "the relay says that these are not the credentials of the allocation (441)".to_owned(),
            "Something else used the same local port with another user, or the time-limited user \
             name changed while the allocation stood: give this probe an account of its own, and \
             ask again."
                .to_owned(),
        ),
        Failure::Rejected { code: 438, .. } => (
            Owner::Vendor,
            "the relay calls the nonce stale that it has just given (438), so nobody can log in"
                .to_owned(),
            "Tell whoever runs the relay: behind a load balancer, requests of one client may \
             reach relays that do not share their nonces."
                .to_owned(),
        ),
        Failure::Rejected { code: 403, reason, .. } if is_before_allocation(*stage) => (
            Owner::Credentials,
            format!("the relay forbids this account to allocate (403 {reason})"),
            "Check that the account is enabled, and may use the relay from this address."
                .to_owned(),
        ),
        Failure::AuthRealm { found, expected, .. } => (
            Owner::Configuration,
            format!("the relay asks for the realm \"{found}\", not \"{expected}\""),
            format!("Set realm = \"{found}\" in the module if that relay is the right one."),
        ),
        Failure::AuthWeak { weakness: Weakness::Downgraded, .. } => (
            Owner::SiteNetwork,
            "the relay's challenge takes back what its nonce or its first challenge promised: \
             somebody on the way may be weakening it"
                .to_owned(),
            "Compare from another network, where the same module logs in if the relay is sound: \
             until it is known who changes the challenge here, do not enter this password on this \
             network for anything else."
                .to_owned(),
        ),
        Failure::AuthWeak { weakness: Weakness::Offered(offered), .. } => (
            Owner::Configuration,
            format!("the relay offers only {offered}, which is not allowed"),
            "Have a stronger password algorithm switched on at the relay, or reach it over TLS."
                .to_owned(),
        ),
        Failure::AuthWeak { weakness: Weakness::Cleartext(_), .. }
        | Failure::Unresolved { .. }
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

/// Later a 403 speaks of the peer, not of the account (RFC 8656 §10.2).
const fn is_before_allocation(stage: Phase) -> bool {
    matches!(stage, Phase::Challenge | Phase::Allocate)
}

/// Time-limited user names begin with the time at which they end.
const CLOCK: &str = "Credentials that are made for a limited time (a user name such as \
                     1767225600:phone, from a shared secret) are refused, too, when the clock of \
                     this host or of the relay is wrong: compare both with the true time.";
