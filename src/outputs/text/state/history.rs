//! What was: calls that sounded badly, and what somebody changed.

use std::cmp::Reverse;

use branchline_probes::Foreign;

use super::super::{Page, time};
use super::table::{Row, number, text};
use super::{FEW, MOST, View, called, coarse, milliseconds, words};
use crate::telephony::{Change, PartState, PoorConversation, Quality};

impl View<'_> {
    pub(super) fn quality(&self, page: &mut Page, part: &PartState<'_>) {
        let mut items: Vec<&Quality> = self.state.quality.items.iter().collect();
        items.sort_by_cached_key(|it| (Reverse(it.poor), called(&it.edge)));
        let poor: u64 = items.iter().map(|quality| quality.poor).sum();
        let plural = if poor == 1 { "" } else { "s" };
        self.heading(page, part, &format!("{poor} poor conversation{plural}"));
        let columns = [number("poor"), number("of"), text("MOS below"), text("in the last")];
        let rows: Vec<Row> = items
            .iter()
            .take(MOST)
            .map(|quality| Row {
                name: called(&quality.edge),
                cells: vec![
                    quality.poor.to_string(),
                    super::count(quality.all),
                    format!("{:.1}", quality.limit),
                    coarse(quality.window),
                ],
                notes: quality.worst.iter().take(WORST).map(|it| self.conversation(it)).collect(),
                ..Row::default()
            })
            .collect();
        page.rows("edge", &columns, &rows, items.len());
    }

    fn conversation(&self, it: &PoorConversation) -> String {
        let loss = it.loss_ratio.map(|ratio| format!("loss {:.1} %", ratio * 100.0));
        let span = |what: &str, span| {
            let shown = milliseconds(span);
            (!shown.is_empty()).then(|| format!("{what} {shown}"))
        };
        let relayed = it.is_relayed.map(|it| if it { "by a relay" } else { "without a relay" });
        let parts = [
            it.mos.map(|mos| format!("MOS {mos:.1}")),
            it.r_factor.map(|factor| format!("R {factor:.0}")),
            loss,
            span("jitter", it.jitter),
            span("latency", it.latency),
            relayed.map(str::to_owned),
            it.began.map(|began| format!("began {}", self.ago(began))),
            Some(format!("conversation {}", it.id)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Changes, the latest first.
    pub(super) fn changes(&self, page: &mut Page, part: &PartState<'_>) {
        let mut items: Vec<&Change> = self.state.changes.items.iter().collect();
        items.sort_by_key(|change| Reverse(change.when));
        self.heading(page, part, &items.len().to_string());
        let columns = [text("what"), text("when"), text("kind"), text("by"), text("status")];
        let row = |change: &&Change| {
            let when = change.when;
            let when = when.map(|when| format!("{}, {}", time(when), self.ago(when)));
            Row {
                name: called(&change.entity),
                cells: vec![
                    change.action.to_string(),
                    when.unwrap_or_default(),
                    change.kind.to_string(),
                    words(change.by.as_ref()),
                    words(change.status.as_ref()),
                ],
                notes: properties(change),
                ..Row::default()
            }
        };
        let rows: Vec<Row> = items.iter().take(FEW).map(row).collect();
        page.rows("changed", &columns, &rows, items.len());
    }
}

fn properties(change: &Change) -> Vec<String> {
    let value = |value: &Option<Foreign>| {
        value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
    };
    let each = change.properties.iter().take(PROPERTIES).map(|it| {
        let (old, new) = (value(&it.old), value(&it.new));
        format!("{}: {old} → {new}", it.name)
    });
    let more = change.properties.len().saturating_sub(PROPERTIES);
    let more = (more > 0).then(|| format!("and {more} more"));
    each.chain(more).collect()
}

/// How many of the worst conversations of an edge are shown.
const WORST: usize = 3;
/// How many properties of a change.
const PROPERTIES: usize = 4;
