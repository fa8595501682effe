//! What the log says of findings: each when it appears and when it is gone, and nothing between.

use std::collections::BTreeSet;

use crate::diagnosis::{Diagnosis, Severity, Verdict};

/// What the log has said so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    verdict: Option<Verdict>,
    findings: BTreeSet<(&'static str, String)>,
}

impl Notices {
    /// Says what has changed (I5), and gives whether the verdict has. The subjects of findings may
    /// come from the vendor, so they are shown at debug only.
    pub(super) fn tell(&mut self, diagnosis: &Diagnosis) -> bool {
        let mut current = BTreeSet::new();
        for finding in &diagnosis.findings {
            let key = (finding.rule, finding.subject.clone());
            if !self.findings.contains(&key) {
                let (rule, owner) = (finding.rule, finding.owner.label());
                if finding.severity == Severity::Info {
                    tracing::info!(rule, owner, "finding");
                } else {
                    tracing::warn!(rule, owner, severity = finding.severity.label(), "finding");
                }
                tracing::debug!(rule, subject = finding.subject, "subject of the finding");
            }
            current.insert(key);
        }
        for (rule, _) in self.findings.difference(&current) {
            tracing::info!(rule, "finding gone");
        }
        self.findings = current;
        let is_new = self.verdict.replace(diagnosis.verdict) != Some(diagnosis.verdict);
        if is_new {
            tracing::info!(verdict = diagnosis.verdict.label(), "verdict");
        }
        is_new
    }
}
