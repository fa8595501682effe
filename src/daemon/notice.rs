//! What the log says of findings: each when it appears and when it is gone, and nothing between.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::diagnosis::{Diagnosis, Finding, Verdict};

/// What the log has said so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    verdict: Option<Verdict>,
    /// The rules with findings, and whether the log has said so.
    found: BTreeMap<&'static str, bool>,
    /// When the log last said that a rule has findings.
    told: BTreeMap<&'static str, Instant>,
}

impl Notices {
    /// Says what has changed, of each rule once however many findings it has, and at most once in
    /// five minutes where it flaps (I5); gives whether the verdict has changed. The subjects of
    /// findings may come from the vendor, so they are shown at debug only.
    pub(super) fn tell(&mut self, diagnosis: &Diagnosis) -> bool {
        self.told.retain(|_, when| when.elapsed() < QUIET);
        let before = std::mem::take(&mut self.found);
        let mut by_rule: BTreeMap<&'static str, Vec<&Finding>> = BTreeMap::new();
        for finding in &diagnosis.findings {
            by_rule.entry(finding.rule).or_default().push(finding);
        }
        for (rule, findings) in &by_rule {
            if self.is_to_be_said(rule, &before) {
                let worst = findings[0];
                let (owner, severity) = (worst.owner.label(), worst.severity.label());
                tracing::warn!(rule, owner, severity, findings = findings.len(), "found");
                for finding in findings.iter().take(SHOWN) {
                    tracing::debug!(rule, finding.subject, finding.summary, "what was found");
                }
            }
        }
        let unexplained = diagnosis.unexplained.len();
        if unexplained > 0 && self.is_to_be_said(UNEXPLAINED, &before) {
            tracing::warn!(checks = unexplained, "checks fail and no rule explains it");
        }
        for (rule, was_said) in before {
            if was_said && !self.found.contains_key(rule) {
                tracing::info!(rule, "gone");
            }
        }
        let is_new = self.verdict.replace(diagnosis.verdict) != Some(diagnosis.verdict);
        if is_new {
            tracing::info!(verdict = diagnosis.verdict.label(), "verdict");
        }
        is_new
    }

    /// Whether the log has not said this yet, and not just before it was gone.
    fn is_to_be_said(&mut self, rule: &'static str, before: &BTreeMap<&'static str, bool>) -> bool {
        let was_said = before.get(rule).copied().unwrap_or_default();
        let is_news = !was_said && !self.told.contains_key(rule);
        if is_news {
            self.told.insert(rule, Instant::now());
        }
        self.found.insert(rule, was_said || is_news);
        is_news
    }
}

const UNEXPLAINED: &str = "unexplained";
/// How long the log does not repeat itself.
const QUIET: Duration = Duration::from_secs(300);
/// How many findings of one rule the log names.
const SHOWN: usize = 3;
