//! Rule `trunk-configuration`: our REGISTER works and the vendor says that the trunk does not.

use crate::contradiction::{self, Contradiction};
use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::Trunk;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "trunk-configuration",
    meaning: "A phone can register at the other end of the trunk, and the vendor says that the trunk cannot: its settings are wrong, not the network.",
    decided_by: "A sip-register linked to a trunk has registered, with an account or without one, and the vendor, read 30 s or more after it first could, says that this trunk is down or not registered. An earlier reading says nothing of a registrar that works: it is an open question, and `check` reads again until it is none; --wait-for-vendor sets the 30 s there.",
    falsified_by: "The vendor calling the trunk registered, or our REGISTER failing.",
    remedy: "Compare the trunk's proxy, transport, user and password with the module that works.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut groups: Vec<(&Trunk, Vec<&Case>)> = Vec::new();
    for Contradiction { case, trunk, .. } in contradiction::of(evidence).filter(|it| it.is_settled)
    {
        match groups.iter_mut().find(|(known, _)| known.reference.id == trunk.reference.id) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((trunk, vec![case])),
        }
    }
    groups.iter().map(|(trunk, cases)| finding(trunk, cases)).collect()
}

fn finding(trunk: &Trunk, cases: &[&Case]) -> Finding {
    let name = &trunk.reference.name;
    let said = trunk.problem.as_ref().map_or_else(String::new, |it| format!(": {it}"));
    let summary = format!("we can register where trunk {name} says that it cannot");
    let mut modules: Vec<&str> = Vec::new();
    for case in cases {
        if !modules.contains(&&*case.id.module) {
            modules.push(&case.id.module);
        }
    }
    let those = match modules[..] {
        [module] => format!("module {module}, which works"),
        _ => format!("modules {}, which work", modules.join(", ")),
    };
    let step = format!(
        "Compare the proxy, transport, user and password of trunk {name} with those of {those}."
    );
    Finding::new(&RULE, Severity::Blocking, Owner::Configuration, name, summary)
        .because(cases.iter().map(|case| Exhibit::of_case(case)))
        .because([Exhibit::of_state(format!("trunk {name}"), format!("{}{said}", trunk.raw))])
        .next(step)
        .about(&trunk.reference)
        .covering_thing("trunk-down", &trunk.reference)
        .covering_thing("trunk-unregistered", &trunk.reference)
}
