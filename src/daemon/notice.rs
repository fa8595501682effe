//! What the log says of findings: each when it appears and when it is gone, and nothing between.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::diagnosis::{Diagnosis, Severity, Verdict};

type Key = (&'static str, String);

/// What the log has said so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    verdict: Option<Verdict>,
    /// The findings that hold, and whether the log has said so.
    findings: BTreeMap<Key, bool>,
    /// When the log last said that a finding holds.
    told: BTreeMap<Key, Instant>,
}

impl Notices {
    /// Says what has changed, a finding that flaps at most once in five minutes (I5), and gives
    /// whether the verdict has. The subjects of findings may come from the vendor, so they are
    /// shown at debug only.
    pub(super) fn tell(&mut self, diagnosis: &Diagnosis) -> bool {
        self.told.retain(|_, when| when.elapsed() < QUIET);
        let before = std::mem::take(&mut self.findings);
        for finding in &diagnosis.findings {
            let key = (finding.rule, finding.subject.clone());
            let is_said = before.get(&key).copied().unwrap_or_default() || self.is_news(&key);
            if is_said && !before.contains_key(&key) {
                let (rule, owner) = (finding.rule, finding.owner.label());
                let severity = finding.severity.label();
                if finding.severity == Severity::Info {
                    tracing::info!(rule, owner, severity, "finding");
                } else {
                    tracing::warn!(rule, owner, severity, "finding");
                }
                tracing::debug!(rule, finding.subject, finding.summary, "what it says");
            }
            self.findings.insert(key, is_said);
        }
        let unexplained = (UNEXPLAINED, String::new());
        if !diagnosis.unexplained.is_empty() {
            let is_said =
                before.get(&unexplained).copied().unwrap_or_default() || self.is_news(&unexplained);
            if is_said && !before.contains_key(&unexplained) {
                let checks = diagnosis.unexplained.len();
                tracing::warn!(checks, "checks fail and no rule explains it");
            }
            self.findings.insert(unexplained, is_said);
        }
        let gone =
            before.into_iter().filter(|(key, said)| *said && !self.findings.contains_key(key));
        for ((rule, _), _) in gone {
            tracing::info!(rule, "finding gone");
        }
        let is_new = self.verdict.replace(diagnosis.verdict) != Some(diagnosis.verdict);
        if is_new {
            tracing::info!(verdict = diagnosis.verdict.label(), "verdict");
        }
        is_new
    }

    fn is_news(&mut self, key: &Key) -> bool {
        let is_news = !self.told.contains_key(key);
        if is_news {
            self.told.insert(key.clone(), Instant::now());
        }
        is_news
    }
}

const UNEXPLAINED: &str = "unexplained";
/// How long the log does not repeat itself.
const QUIET: Duration = Duration::from_secs(300);
