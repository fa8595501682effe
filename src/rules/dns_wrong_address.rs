//! Rule `dns-wrong-address`: every answer gives an address that nobody expects.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::dns::{self, Answer};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-wrong-address",
    meaning: "The name leads to an address that is not the expected one.",
    decided_by: "Nameservers answer, and none gives an address that the configuration expects.",
    falsified_by: "The expected address from one of them.",
    remedy: "Compare the record with the address of the provisioning server; one of the two is wrong.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    dns::questions(evidence)
        .into_iter()
        .filter_map(|(question, cases)| {
            let wrong: Vec<&Case> =
                cases.iter().copied().filter(|it| dns::answer(it) == Answer::Wrong).collect();
            let is_right_somewhere = cases.iter().any(|it| dns::answer(it) == Answer::Right);
            if wrong.is_empty() || is_right_somewhere {
                return None;
            }
            let severity = Severity::where_required(wrong.iter().any(|case| case.required));
            let summary = format!("{question} leads to an address that is not expected");
            Some(
                Finding::new(&RULE, severity, Owner::Dns, question, summary)
                    .because(wrong.into_iter().map(Exhibit::of_case)),
            )
        })
        .collect()
}
