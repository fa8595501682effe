//! Rule `phones-offline`: the vendor says that phones are out of service.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::phone_provisioning_stuck;
use crate::telephony::{Phone, PhoneState};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "phones-offline",
    meaning: "Phones are out of service although their edges are not.",
    decided_by: "The phones' states as the vendor's API gives them.",
    falsified_by: "The vendor calling those phones operational.",
    remedy: "Look at the phones that the finding names: power, network port, voice VLAN; then their provisioning.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = &evidence.state else { return Vec::new() };
    let phones = &state.phones.items;
    // Whose provisioning failed is told of as such.
    let failed: Vec<&Phone> = phones
        .iter()
        .filter(|phone| phone.state == PhoneState::Failed)
        .filter(|phone| !phone_provisioning_stuck::is_stuck(phone, evidence.now))
        .collect();
    if failed.is_empty() {
        return Vec::new();
    }
    let summary = format!("{} of {} phones are out of service", failed.len(), phones.len());
    let exhibits = failed
        .iter()
        .take(SHOWN)
        .map(|phone| Exhibit::of_state(format!("phone {}", phone.reference.name), &phone.raw));
    vec![Finding::new(&RULE, Severity::Warning, Owner::Phones, "phones", summary).because(exhibits)]
}

/// A report names some; the vendor's administration lists all.
const SHOWN: usize = 5;
