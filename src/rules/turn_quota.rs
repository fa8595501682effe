//! Rule `turn-quota`: the relay has no room for another allocation.

use std::time::{Duration, SystemTime};

use branchline_probes::turn_allocation;
use branchline_probes::{Failure, Observation, Phase, show_duration};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Kind, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "turn-quota",
    meaning: "The relay is alive and gives no further allocation: to this account (486), or to anybody (508). Where an allocation of branchline's own fills the quota, that is said, and it is no outage.",
    decided_by: "A TURN request was answered 486 or 508. With 486, an allocation of our own explains it: one that an earlier exchange with this account may have left behind, or one that another check with it held at the same time.",
    falsified_by: "An allocation with the same account.",
    remedy: "Have the quota of the account raised, or give this probe an account of its own.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    relay::turn_cases(evidence).filter_map(|case| finding(evidence, case)).collect()
}

fn finding(evidence: &Evidence, case: &Case) -> Option<Finding> {
    let Some(Failure::Rejected { code, .. }) = case.failure() else { return None };
    let finding = match *code {
        QUOTA => match of_our_own(evidence, case) {
            Some(own) => full_of_our_own(case, &own),
            None => full(
                case,
                Owner::Credentials,
                "the account has reached its quota of allocations at the relay (486)",
                "Have the quota of the account raised at the relay, or give this probe an account \
                 of its own; allocations that other clients left behind end by themselves, often \
                 after 10 minutes and after an hour at most, unless they are refreshed. \
                 `branchline_intents` above 0 says that some may be of this host, from before it \
                 was last started.",
            ),
        },
        CAPACITY => full(
            case,
            Owner::Vendor,
            "the relay has no room for anybody (508 Insufficient Capacity)",
            "Tell whoever runs the relay that it is out of ports or bandwidth; calls from other \
             sites fail there, too.",
        ),
        _ => return None,
    };
    Some(finding.because([Exhibit::of_case(case)]))
}

fn full(case: &Case, owner: Owner, summary: &str, step: &str) -> Finding {
    let severity = Severity::where_required(case.required);
    Finding::new(&RULE, severity, owner, &case.id.target, summary).next(step)
}

fn full_of_our_own(case: &Case, own: &Own<'_>) -> Finding {
    let (observation, summary, text, step) = match own {
        Own::LeftBehind(observation) => (
            observation,
            "the quota is full of an allocation that branchline itself may have left behind (486): \
             no outage",
            "may have left its allocation behind",
            format!(
                "Wait until that allocation has ended, {} after that exchange at most, and ask \
                 again.",
                show_duration(lifetime(observation))
            ),
        ),
        Own::AtTheSameTime(observation) => (
            observation,
            "the quota is full of the allocation that another check held at that moment (486): no \
             outage",
            "held an allocation at the same time",
            "Have the quota of the account raised to as many allocations as there are checks of \
             this relay, or give each check an account of its own."
                .to_owned(),
        ),
    };
    // A fault of ours says nothing of the phones: where the check is required, nothing is known.
    let severity = Severity::where_required(case.required);
    let exhibit = Exhibit {
        kind: Kind::Observation,
        reference: observation.reference(),
        text: text.to_owned(),
    };
    Finding::new(&RULE, severity, Owner::ThisHost, &case.id.target, summary)
        .because([exhibit])
        .next(step)
}

/// An allocation of our own that explains a full quota.
enum Own<'a> {
    LeftBehind(&'a Observation),
    AtTheSameTime(&'a Observation),
}

fn of_our_own<'a>(evidence: &'a Evidence, full: &Case) -> Option<Own<'a>> {
    let asked = full.observation.started;
    // A quota is of one user.
    let is_same =
        |case: &&Case| relay::ip(case) == relay::ip(full) && account(case).eq(account(full));
    let same_relay = || relay::turn_cases(evidence).filter(is_same);
    let was_left = |observation: &&Observation| {
        let ended = observation.started + observation.elapsed;
        let age = asked.duration_since(ended).ok();
        observation.outcome.left_behind && age.is_some_and(|age| age <= lifetime(observation))
    };
    let earlier = same_relay().filter_map(|case| case.left_behind.as_deref());
    let latest = || same_relay().map(|case| &*case.observation);
    let left = earlier.chain(latest()).find(was_left).map(Own::LeftBehind);
    let held = |observation: &&Observation| {
        let has_allocated = observation.outcome.phases.iter().any(|it| it.0 == Phase::Allocate);
        has_allocated && observation.failure().is_none() && overlaps(observation, &full.observation)
    };
    left.or_else(|| latest().find(held).map(Own::AtTheSameTime))
}

/// What of a module's options makes the user that the relay counts by.
fn account(case: &Case) -> impl Iterator<Item = &str> {
    let is_of_account = |line: &&str| ACCOUNT.iter().any(|option| line.starts_with(option));
    case.fingerprint.lines().filter(is_of_account)
}

/// For how long an allocation can outlive an exchange.
fn lifetime(observation: &Observation) -> Duration {
    observation.outcome.facts.read(&turn_allocation::LIFETIME).unwrap_or(LONGEST_LIFETIME)
}

fn overlaps(one: &Observation, other: &Observation) -> bool {
    let end = |it: &Observation| -> SystemTime { it.started + it.elapsed };
    one.started < end(other) && other.started < end(one)
}

/// RFC 8656 §19: Allocation Quota Reached.
const QUOTA: u16 = 486;
/// RFC 8656 §19: Insufficient Capacity.
const CAPACITY: u16 = 508;
/// RFC 8656 §7.2 recommends that a server grants no more.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3600);
/// How the lines of the user begin, and of the secret of which time-limited ones are made.
const ACCOUNT: &[&str] = &["username = ", "shared_secret = "];
