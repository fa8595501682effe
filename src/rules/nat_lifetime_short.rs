//! Rule `nat-lifetime-short`: the NAT forgets a silent UDP flow sooner than the profile allows.

use std::time::Duration;

use branchline_probes::nat_behavior::{BINDING_LIFETIME, BINDING_LIFETIME_BELOW, LIFETIME_BOUND};
use branchline_probes::show_duration;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::profile::{Grade, Limit, Measure};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "nat-lifetime-short",
    meaning: "The NAT or firewall forgets a UDP flow on which nothing is sent sooner than the profile allows: phones ring one way only, and calls on hold drop.",
    decided_by: "The nat-behavior probe measured how long a binding lives, and the silence after which it was gone is within the profile's limit. Where even the shortest silence was too long, that is the limit of what is known. A lifetime that is only known to be at least so long says nothing.",
    falsified_by: "An answer that came in after a longer silence than the profile's limit.",
    remedy: "Have the UDP timeout of the NAT or firewall raised to 300 seconds (RFC 4787 REQ-5 recommends 5 minutes and demands 2), or have the phones send keep-alives more often.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let short = evidence.of("nat-behavior").filter_map(|case| {
        let lifetime = measured(case)?;
        let grade = lifetime.grade(evidence.profile.limit(Measure::NatLifetime));
        (grade > Grade::Good).then_some((case, lifetime, grade))
    });
    let Some((case, lifetime, grade)) = short.max_by_key(|(_, _, grade)| *grade) else {
        return Vec::new();
    };
    let severity = match grade {
        Grade::Fail => Severity::where_required(case.required),
        Grade::Warn | Grade::Good => Severity::Warning,
    };
    let name = evidence.profile.name();
    let limits = Measure::NatLifetime.show_limit(evidence.profile.limit(Measure::NatLifetime));
    let summary = format!(
        "the NAT forgets a silent UDP flow {}, the limits of {name} are {limits}",
        lifetime.words()
    );
    let step = format!(
        "Have the UDP timeout of the NAT or firewall raised to 300 seconds; until then have the \
         phones send keep-alives at least every {}.",
        show_duration(lifetime.keep_alive())
    );
    let text = format!("the binding was gone {}", lifetime.words());
    vec![
        Finding::new(&RULE, severity, Owner::SiteNetwork, "NAT", summary)
            .because([Exhibit::measured(case, text)])
            .next(step),
    ]
}

/// How long a binding lives.
struct Lifetime {
    /// The longest silence after which it was still known; zero where the shortest was too long.
    known: Duration,
    /// The shortest silence after which it was gone.
    gone: Option<Duration>,
}

fn measured(case: &Case) -> Option<Lifetime> {
    let facts = &case.observation.outcome.facts;
    let gone = facts.read(&BINDING_LIFETIME_BELOW);
    let Some(known) = facts.read(&BINDING_LIFETIME) else {
        return gone.map(|gone| Lifetime { known: Duration::ZERO, gone: Some(gone) });
    };
    let is_measured = facts.read(&LIFETIME_BOUND) == Some("measured");
    is_measured.then_some(Lifetime { known, gone })
}

impl Lifetime {
    /// A limit is broken where the binding was surely gone by then.
    fn grade(&self, limit: Limit) -> Grade {
        let gone = self.gone.unwrap_or(self.known).as_secs_f64();
        let known = self.known.as_secs_f64();
        let breaks = |limit: f64| known < limit && gone <= limit;
        if breaks(limit.fail) {
            Grade::Fail
        } else if breaks(limit.warn) {
            Grade::Warn
        } else {
            Grade::Good
        }
    }

    fn words(&self) -> String {
        match self.gone {
            Some(gone) if self.known.is_zero() => format!("within {}", show_duration(gone)),
            Some(gone) => {
                let [known, gone] = [self.known, gone].map(show_duration);
                format!("after {known} to {gone}")
            }
            None => format!("after {}", show_duration(self.known)),
        }
    }

    /// How often to speak so that one lost keep-alive does no harm.
    fn keep_alive(&self) -> Duration {
        let lives = if self.known.is_zero() { self.gone.unwrap_or_default() } else { self.known };
        let whole_seconds = (lives / 2).as_secs();
        Duration::from_secs(whole_seconds.max(1))
    }
}
