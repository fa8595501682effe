//! Rule `udp-blocked`: the site lets no UDP out but DNS.

use std::collections::BTreeSet;

use branchline_probes::Transport;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "udp-blocked",
    meaning: "The site lets no UDP out but DNS: no call can have audio, and no phone registers over UDP.",
    decided_by: "Two or more different servers were asked over UDP, none answered, and other things work.",
    falsified_by: "One answer over UDP from anything but a nameserver.",
    remedy: "Ask the site network to let UDP out to the addresses in the finding, both ways for established flows.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    // Nameservers stand apart: a firewall that blocks UDP nearly always lets DNS through.
    let is_media_like = |case: &&Case| {
        let is_of_dns = case.is_of("dns-query") || case.is_of("dns-delegation");
        case.observation.transport == Transport::Udp && !is_of_dns
    };
    let cases: Vec<&Case> = evidence.cases.iter().filter(is_media_like).collect();
    let places: BTreeSet<_> = cases.iter().filter_map(|case| case.observation.address).collect();
    let hosts: BTreeSet<&str> = cases.iter().map(|case| case.host.as_str()).collect();
    if hosts.len() < 2 || !cases.iter().all(|case| case.is_unheard()) || !evidence.has_life() {
        return Vec::new();
    }
    let is_required = cases.iter().any(|case| case.required);
    let severity = Severity::where_required(is_required);
    let listed: Vec<String> = places.iter().map(|place| format!("udp {place}")).collect();
    let summary =
        format!("no server answers over UDP ({} asked), other traffic works", places.len());
    let step = format!(
        "Ask the site network to let UDP out, and its answers back in, for: {}.",
        listed.join(", ")
    );
    let finding = Finding::new(&RULE, severity, Owner::SiteNetwork, "UDP", summary)
        .because(cases.into_iter().map(Exhibit::of_case))
        .next(step)
        .covering(&["stun-turn-udp-blocked", "relay-address-blocked"]);
    // Where TCP or TLS to a server is silent, too, there is more than this.
    let of_udp = sip::silent_targets(evidence, |case| case.observation.transport == Transport::Udp);
    let covered = |it: Finding, target: &str| it.covering_subject("sip-port-blocked", target);
    vec![of_udp.into_iter().fold(finding, covered)]
}
