//! Rule `dscp-bleached`: packets arrive with another DSCP than they were sent with.

use branchline_probes::turn_media::{DSCP_RECEIVED, DSCP_SENT};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::media_quality_poor;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dscp-bleached",
    meaning: "Packets that were marked as voice come back with another mark, so a queue beyond that point does not prefer them.",
    decided_by: "The turn-media probe sent with one DSCP other than 0 and received another. The confidence is low: the relay sends each packet anew and may set its own mark (RFC 8656 §14), and most of the Internet clears marks.",
    falsified_by: "Packets that come back with the DSCP with which they were sent.",
    remedy: "Compare the marks on both sides of the site's own router; what the provider clears behind it can be kept only by contract.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    evidence.of("turn-media").filter_map(|case| finding(evidence, case)).collect()
}

fn finding(evidence: &Evidence, case: &Case) -> Option<Finding> {
    let facts = &case.observation.outcome.facts;
    let (sent, received) = (facts.read(&DSCP_SENT)?, facts.read(&DSCP_RECEIVED)?);
    // What left without a mark has none to lose: the relay may set its own.
    if sent == received || sent == 0 {
        return None;
    }
    // A mark that is lost does no harm where nothing has to be preferred.
    let is_poor = media_quality_poor::is_poor(evidence, case);
    let severity = if is_poor { Severity::Warning } else { Severity::Info };
    let summary = format!(
        "media left with DSCP {} and came back with {}; the relay itself may have done it",
        named(sent),
        named(received)
    );
    let step = format!(
        "Capture the same stream on both sides of the site's own router and look for DSCP {}: where \
         it is lost there, correct its policy; where it leaves the site, the provider or the relay \
         clears it.",
        named(sent)
    );
    let text = format!("sent with DSCP {}, received with {}", named(sent), named(received));
    Some(
        Finding::new(&RULE, severity, Owner::SiteNetwork, &case.id.target, summary)
            .because([Exhibit::measured(case, text)])
            .next(step),
    )
}

/// A DSCP with its name: RFC 2474 §4.2.2, RFC 2597 §6, RFC 3246 §2.7.
fn named(dscp: u64) -> String {
    match dscp {
        0 => "0 (default)".to_owned(),
        46 => "46 (EF)".to_owned(),
        8 | 16 | 24 | 32 | 40 | 48 | 56 => format!("{dscp} (CS{})", dscp / 8),
        10..=38 if dscp.is_multiple_of(2) => format!("{dscp} (AF{}{})", dscp / 8, dscp % 8 / 2),
        _ => dscp.to_string(),
    }
}
