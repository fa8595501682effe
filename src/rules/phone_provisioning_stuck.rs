//! Rule `phone-provisioning-stuck`: phones do not get their configuration.

use std::time::{Duration, SystemTime};

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::profile::PROVISIONING;
use crate::telephony::{Phone, PhoneState, Reference, Snapshot, State};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "phone-provisioning-stuck",
    meaning: "Phones do not get their configuration: they stay where they are, and cannot call.",
    decided_by: "The vendor says that a phone's provisioning failed, or has called a phone pending or provisioning for more than 15 minutes, ten times the 90 s in which its guide has a group's provisioning ready. Phones whose edge or edge group is down wait for that, and are not meant.",
    falsified_by: "The vendor calling those phones operational.",
    remedy: "Look at the phones that the finding names: voice VLAN and DHCP first, then whether they reach the provisioning host by TCP 443, and by UDP 69 where they use TFTP, then whether their clock and their certificate are right.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = &evidence.state else { return Vec::new() };
    let stuck: Vec<&Phone> = state
        .phones
        .items
        .iter()
        .filter(|phone| is_stuck(phone, evidence.now) && !waits_for_more(phone, state))
        .collect();
    if stuck.is_empty() {
        return Vec::new();
    }
    let all = state.phones.items.len();
    let summary = format!("{} of {all} phones do not get their configuration", stuck.len());
    let step = step(state, &stuck);
    let exhibits = stuck.iter().take(SHOWN).map(|phone| {
        Exhibit::of_state(format!("phone {}", phone.reference.name), words(phone, evidence.now))
    });
    vec![
        Finding::new(&RULE, Severity::Warning, Owner::Phones, "phones", summary)
            .because(exhibits)
            .next(step),
    ]
}

/// Whether this phone's own provisioning is what keeps it from working.
pub(super) fn is_stuck(phone: &Phone, now: SystemTime) -> bool {
    match phone.state {
        PhoneState::Failed => phone.problem.is_some(),
        PhoneState::Pending | PhoneState::Provisioning => {
            waited(phone, now).is_some_and(|waited| waited > PROVISIONING)
        }
        PhoneState::Active | PhoneState::Unassigned | PhoneState::Unknown => false,
    }
}

/// Whether the edge or the group that would serve it is down itself.
fn waits_for_more(phone: &Phone, state: &Snapshot) -> bool {
    let is_same =
        |it: &Reference, of: &Option<Reference>| of.as_ref().is_some_and(|of| of.id == it.id);
    let mut groups = state.edge_groups.items.iter();
    let mut edges = state.edges.items.iter();
    groups.any(|it| it.state == State::Down && is_same(&it.reference, &phone.edge_group))
        || edges.any(|it| it.state == State::Down && is_same(&it.reference, &phone.edge))
}

fn waited(phone: &Phone, now: SystemTime) -> Option<Duration> {
    now.duration_since(phone.since?).ok()
}

fn words(phone: &Phone, now: SystemTime) -> String {
    let mut words = phone.raw.to_string();
    if let Some(waited) = waited(phone, now).filter(|_| phone.state != PhoneState::Failed) {
        words = format!("{words}, for {} minutes", waited.as_secs() / 60);
    }
    match &phone.problem {
        Some(problem) => format!("{words}: {problem}"),
        None => words,
    }
}

/// What the vendor's words for a failure point at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Certificate,
    Network,
    Way,
}

fn cause(phone: &Phone) -> Option<Cause> {
    let text = phone.problem.as_ref()?.as_str().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // A handshake that fails by its certificate may be called a failed connection, too.
    if says(&["certificate", "tls", "ssl", "x509"]) {
        Some(Cause::Certificate)
    } else if says(&["vlan", "dhcp", "lldp", "option 66", "option 150", "option 160"]) {
        Some(Cause::Network)
    } else if says(&["timeout", "timed out", "unreachable", "connect", "resolve", "dns", "tftp"]) {
        Some(Cause::Way)
    } else {
        None
    }
}

fn step(state: &Snapshot, phones: &[&Phone]) -> String {
    let causes: Vec<Cause> = phones.iter().filter_map(|phone| cause(phone)).collect();
    let host = host(state, phones);
    if causes.contains(&Cause::Certificate) {
        format!(
            "Check date and time of the phones that the finding names, and which authorities they \
             trust; then look at the certificate of {host} from their network: something there may \
             inspect TLS."
        )
    } else if causes.contains(&Cause::Network) {
        "Check that the switch ports of the phones that the finding names carry the voice VLAN, and \
         that DHCP gives there an address and the provisioning host."
            .to_owned()
    } else if causes.contains(&Cause::Way) {
        format!(
            "Let the phones' VLAN out to {host} by TCP 443, and by UDP 69 where they use TFTP, and \
             check that its name resolves there."
        )
    } else {
        format!(
            "Look at the phones that the finding names: voice VLAN and DHCP first, then whether they \
             reach {host} by TCP 443, and by UDP 69 where they use TFTP, then their clock and the \
             certificate."
        )
    }
}

/// The host from which these phones fetch their configuration, where all have the same.
fn host(state: &Snapshot, phones: &[&Phone]) -> String {
    let groups = || state.edge_groups.items.iter();
    let url = |phone: &&Phone| {
        let of = phone.edge_group.as_ref()?;
        let group = groups().find(|group| group.reference.id == of.id)?;
        let url = group.provisioning_url.as_ref()?.as_str();
        let (_, rest) = url.split_once("://")?;
        rest.split('/').next().filter(|host| !host.is_empty())
    };
    let mut hosts: Vec<Option<&str>> = phones.iter().map(url).collect();
    hosts.dedup();
    match hosts[..] {
        [Some(host)] => host.to_owned(),
        _ => "the provisioning host".to_owned(),
    }
}

/// A report names some; the vendor's administration lists all.
const SHOWN: usize = 5;
