//! How a report shows the ways to a server, and the limits that measured media is held to.

use std::time::Duration;

use branchline_probes::Verdict as Standing;

use super::{BOLD, GREEN, Page, RED, RESET, YELLOW, took, wrapping};
use crate::ladder::{Ladder, Rung};
use crate::profile::Measure;
use crate::report::Report;

impl Page {
    /// Each ladder as a small table, the cost of the cheapest way below it.
    pub(super) fn ladders(&mut self, ladders: &[Ladder]) {
        if ladders.is_empty() {
            return;
        }
        self.blank();
        self.line(&format!("{BOLD}Ways side by side{RESET}"));
        for ladder in ladders {
            self.line(&format!(
                "  {} {} {}",
                ladder.targets.join(", "),
                ladder.address,
                ladder.probe
            ));
            let (way, word) = ("way", "");
            let head = ["connect", "tls", "answer", "in all"].map(|it| format!("{it:>9}"));
            self.line(&format!("    {way:<9}  {word:<7}{}", head.concat()));
            ladder.rungs.iter().for_each(|rung| self.rung(rung));
            let options = wrapping(self.width).initial_indent("    ").subsequent_indent("    ");
            let cost = textwrap::fill(&ladder.cost(), options);
            self.line(&cost);
        }
    }

    fn rung(&mut self, rung: &Rung) {
        let (word, style) = match rung.verdict {
            Standing::Up => ("ok", GREEN),
            Standing::Down => ("FAILED", RED),
            Standing::Unknown => ("unknown", YELLOW),
        };
        let shown = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), took);
        let times = [rung.connect, rung.tls, rung.first_answer, rung.total()];
        let times = times.map(|time| format!("{:>9}", shown(time))).concat();
        let reason = rung.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
        self.line(&format!("    {:<9}  {style}{word:<7}{RESET}{times}{reason}", rung.name()));
    }

    /// The limits of the profile, where something was measured that they judge.
    pub(super) fn limits(&mut self, report: &Report) {
        let mut facts = report.observations.iter().flat_map(|it| it.outcome.facts.iter());
        let is_judged = facts.any(|(fact, _)| Measure::ALL.iter().any(|it| it.judges(fact.name)));
        if !is_judged {
            return;
        }
        self.blank();
        let profile = &report.profile;
        let name = profile.name();
        self.line(&format!("{BOLD}Limits of profile {name}{RESET} (warns beyond/fails beyond)"));
        let limits: Vec<String> = profile
            .limits()
            .map(|(measure, limit)| {
                let text = format!("{} {}", measure.title(), measure.show_limit(limit));
                // A line breaks between limits only.
                text.replace(' ', "\u{a0}")
            })
            .collect();
        let options = wrapping(self.width).initial_indent("  ").subsequent_indent("  ");
        let filled = textwrap::fill(&limits.join(", "), options);
        self.line(&filled.replace('\u{a0}', " "));
    }
}
