//! Rule `sip-port-blocked`: only SIP meets silence.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-port-blocked",
    meaning: "The registrar does not answer while other servers do: the SIP port is filtered on the way, or the registrar drops us.",
    decided_by: "A sip-register met silence, and something else answered.",
    falsified_by: "Any SIP answer from that address, or an ICMP port unreachable from the registrar itself.",
    remedy: "Ask the site network whether UDP to the registrar is let out and not handled by a SIP helper; try the same probe from another network.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    if !evidence.has_life() {
        return Vec::new();
    }
    let alive: Option<&Case> = evidence.cases.iter().find(|case| case.is_up());
    evidence
        .of("sip-register")
        .filter(|case| case.is_unheard())
        .map(|case| {
            let address = case.observation.address.map(|it| it.to_string()).unwrap_or_default();
            let transport = case.observation.transport.label();
            let severity = Severity::where_required(case.required);
            let summary = format!(
                "the registrar does not answer SIP on {transport} {address}, other servers answer"
            );
            let step = format!(
                "Ask the site network whether {transport} {address} is let out and not handled by \
                 a SIP helper (ALG); try the same probe from another network."
            );
            Finding::new(&RULE, severity, Owner::SiteNetwork, &case.id.target, summary)
                .because([Exhibit::of_case(case)])
                .because(alive.map(Exhibit::of_case))
                .next(step)
        })
        .collect()
}
