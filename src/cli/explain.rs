//! `branchline explain`: what a finding means, how it is decided, what to do.

use std::fmt::Write as _;

use crate::cli::{Exit, say};
use crate::diagnosis::Rule;
use crate::rules::RULES;

pub(super) fn run(id: Option<&str>) -> Exit {
    let Some(id) = id else {
        let widest = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
        let line = |rule: &&Rule| {
            let first = format!("{:widest$}  ", rule.id);
            say::hanging(&first, widest + 2, rule.meaning)
        };
        return say::data(RULES.iter().map(line).collect::<String>());
    };
    if let Some(rule) = RULES.iter().find(|rule| rule.id == id) {
        return say::data(page(rule));
    }
    let nearest = RULES
        .iter()
        .map(|rule| (strsim::jaro_winkler(rule.id, id), rule.id))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => "`branchline explain` lists every rule".to_owned(),
    };
    say::error(format_args!("there is no rule `{id}`"), Some(&hint));
    Exit::Usage
}

fn page(rule: &Rule) -> String {
    let mut text = format!("{}\n\n", rule.id);
    let parts = [
        ("meaning", rule.meaning),
        ("decided by", rule.decided_by),
        ("falsified by", rule.falsified_by),
        ("remedy", rule.remedy),
    ];
    for (label, part) in parts {
        // Writing into a String cannot fail.
        let _ = write!(text, "{}", say::hanging(&format!("  {label:<14}"), 16, part));
    }
    text
}
