//! `Findings`: which findings are new, and which are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::Event;
use crate::diagnosis::{Diagnosis, Finding};

/// What was told of findings so far.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    told: BTreeMap<Key, Told>,
}

/// A rule and a subject.
type Key = (&'static str, String);

#[derive(Clone, Debug)]
struct Told {
    /// When it was last told that it is there.
    at: Duration,
    /// What was told, while it has not been told that it is gone.
    present: Option<Finding>,
}

impl Findings {
    /// Takes note of the findings at `now`, the time since the beginning, and gives what is news.
    ///
    /// That a finding is there is told at most once in five minutes, so that what flaps is no flood;
    /// that it is gone is told at once, where it was told that it is there.
    pub fn note(&mut self, site: &str, diagnosis: &Diagnosis, now: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        let mut seen: BTreeSet<Key> = BTreeSet::new();
        for finding in &diagnosis.findings {
            let key = (finding.rule, finding.subject.clone());
            // Two things of one name are one subject to whoever listens; the worst comes first.
            if !seen.insert(key.clone()) {
                continue;
            }
            let before = self.told.get(&key);
            let severity = before.and_then(|told| told.present.as_ref()).map(|it| it.severity);
            let is_quiet = before.is_some_and(|told| now.saturating_sub(told.at) < QUIET);
            if !is_quiet && severity != Some(finding.severity) {
                events.push(event(site, finding, true));
                self.told.insert(key, Told { at: now, present: Some(finding.clone()) });
            }
        }
        for (key, told) in &mut self.told {
            if !seen.contains(key)
                && let Some(finding) = told.present.take()
            {
                events.push(event(site, &finding, false));
            }
        }
        self.told.retain(|_, it| it.present.is_some() || now.saturating_sub(it.at) < QUIET);
        events
    }
}

fn event(site: &str, finding: &Finding, is_present: bool) -> Event {
    Event {
        name: "branchline:finding",
        subject: format!("finding {} {}", finding.rule, finding.subject),
        data: json!({
            "site": site,
            "rule": finding.rule,
            "severity": finding.severity.label(),
            "owner": finding.owner.label(),
            "subject": finding.subject,
            "summary": finding.summary,
            "next_step": finding.next_step,
            "present": is_present,
        }),
    }
}

/// For so long it is not told again that a finding is there.
const QUIET: Duration = Duration::from_secs(300);
