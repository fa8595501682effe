//! Rule `quality-reported-poor`: the vendor counts calls over our edges that sounded bad.

use std::time::Duration;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::profile::{POOR_SHARE, SAMPLE};
use crate::rules::media_quality_poor;
use crate::telephony::{PoorConversation, Quality, Reference};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "quality-reported-poor",
    meaning: "People who spoke over an edge heard bad calls, as the vendor counts them: some of it may be this site's network, some the edge's or the carrier's.",
    decided_by: "Of 14 conversations or more over an edge, more than 5 % sounded worse than the limit; where the vendor does not say how many there were, 14 poor ones. What turn-media and the bursts of stun-binding measure now lies beside it: where all of it is good, the site's way to the relay is not the cause. Calls whose media the vendor's cloud handles have no edge and are not counted.",
    falsified_by: "A window in which fewer conversations sounded bad.",
    remedy: "Compare the hours of the poor conversations with the load of the uplink and of the edge.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let all = evidence.state.iter().flat_map(|state| &state.quality.items);
    all.filter(|quality| is_poor(quality)).map(|quality| finding(evidence, quality)).collect()
}

/// A few bad calls among few are chance.
fn is_poor(quality: &Quality) -> bool {
    match quality.all {
        // Counts of calls are far below 2^52.
        Some(all) => all >= SAMPLE && quality.poor as f64 / all as f64 > POOR_SHARE,
        None => quality.poor >= SAMPLE,
    }
}

/// What our own measurements say of the site's way to the relay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Unmeasured,
    Clean,
    Poor,
}

fn finding(evidence: &Evidence, quality: &Quality) -> Finding {
    let name = &quality.edge.name;
    let measured: Vec<(&Case, bool)> = measured(evidence);
    let way = match measured.iter().any(|(_, is_poor)| *is_poor) {
        true => Way::Poor,
        false if measured.is_empty() => Way::Unmeasured,
        false => Way::Clean,
    };
    let is_here = concerns(evidence, &quality.edge);
    let severity = if is_here { Severity::Warning } else { Severity::Info };
    let of_all = quality.all.map_or_else(String::new, |all| format!(" of {all}"));
    let minutes = quality.window.as_secs() / 60;
    let summary = format!(
        "{}{of_all} conversations over edge {name} sounded worse than MOS {} in {minutes} minutes",
        quality.poor, quality.limit
    );
    let owner = match way {
        Way::Clean => Owner::Vendor,
        Way::Unmeasured | Way::Poor => Owner::SiteNetwork,
    };
    let worst = quality.worst.iter().take(SHOWN).map(conversation);
    let beside = measured.iter().map(|(case, is_poor)| {
        let beyond = if *is_poor { "is beyond" } else { "is within" };
        let text =
            format!("what we measure now {beyond} the limits of {}", evidence.profile.name());
        Exhibit::measured(case, text)
    });
    Finding::new(&RULE, severity, owner, name, summary)
        .about(&quality.edge)
        .because(worst)
        .because(marks(evidence, &quality.edge))
        .because(beside)
        .next(step(way, name.as_str()))
}

/// The streams and bursts that can tell, and whether they are poor.
fn measured(evidence: &Evidence) -> Vec<(&Case, bool)> {
    let up = evidence.cases.iter().filter(|case| case.is_up());
    up.filter(|case| media_quality_poor::is_measured(case))
        .map(|case| (case, media_quality_poor::is_poor(evidence, case)))
        .collect()
}

/// Of an edge that is not listed nothing says that it is elsewhere.
fn concerns(evidence: &Evidence, edge: &Reference) -> bool {
    let mut edges = evidence.state.iter().flat_map(|state| &state.edges.items);
    edges.find(|it| it.reference.id == edge.id).is_none_or(|it| evidence.concerns_edge(it))
}

/// Trunks of the edge whose packets came with another DSCP than the configured one.
fn marks<'a>(evidence: &'a Evidence, edge: &'a Reference) -> impl Iterator<Item = Exhibit> + 'a {
    evidence.state.iter().flat_map(move |state| {
        let on_edge = state
            .trunks
            .items
            .iter()
            .filter(|trunk| trunk.edge.as_ref().is_some_and(|on| on.id == edge.id));
        on_edge.filter_map(|trunk| {
            let mut metrics = state.trunk_metrics.items.iter();
            let of = metrics.find(|it| it.trunk.id == trunk.reference.id)?;
            let count = of.qos_mismatches.filter(|count| *count > 0)?;
            let text = format!(
                "{count} packets came with another DSCP than the configured one in 24 hours"
            );
            Some(Exhibit::of_state(format!("trunk {}", trunk.reference.name), text))
        })
    })
}

fn conversation(poor: &PoorConversation) -> Exhibit {
    let milliseconds = |what: &str, value: Option<Duration>| {
        value.map(|value| format!("{what} {} ms", value.as_millis()))
    };
    let words: Vec<String> = [
        poor.mos.map(|mos| format!("MOS {mos}")),
        milliseconds("latency", poor.latency),
        poor.loss_ratio.map(|loss| format!("loss {:.1} %", loss * 1e2)),
        milliseconds("jitter", poor.jitter),
        poor.is_relayed
            .map(|is_relayed| if is_relayed { "by a relay" } else { "by no relay" }.to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    Exhibit::of_state(format!("conversation {}", poor.id), words.join(", "))
}

fn step(way: Way, edge: &str) -> String {
    match way {
        Way::Clean => format!(
            "Look beyond this site's way to the relay, which is good now: at the load of edge {edge}, \
             its trunks and its carrier, and quote the conversations to the vendor."
        ),
        Way::Poor => {
            "Mend the site's own way first: what is measured from here is poor at this moment, too."
                .to_owned()
        }
        Way::Unmeasured => format!(
            "Let turn-media measure from this site, to tell its network from edge {edge} and the \
             carrier; compare the hours of the poor conversations with the load of the uplink."
        ),
    }
}

/// A report names the worst; the vendor's analytics list all.
const SHOWN: usize = 3;
