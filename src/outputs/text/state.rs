//! The vendor's state for people: a table for each part that holds something, and why there is none
//! of the others.

mod failures;
mod history;
mod places;
mod serving;
mod table;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::{BOLD, NARROWEST, Page, RESET};
use crate::telephony::{PartName, PartState, Reference, Snapshot, State};

/// These parts of the vendor's state, wrapped to `width` columns, with ANSI styles that whoever
/// prints it may strip.
#[must_use]
pub fn state(
    site: &str,
    state: &Snapshot,
    shown: &BTreeSet<PartName>,
    now: SystemTime,
    width: usize,
) -> String {
    let mut page = Page { width: width.clamp(NARROWEST, WIDEST_TABLE), text: String::new() };
    let location = state.location.as_ref().map(|it| format!(", location {it}"));
    let region = state.region.map(|it| format!(", {it}"));
    page.sentence(&format!(
        "branchline: site {site}{}{}, {}",
        region.unwrap_or_default(),
        location.unwrap_or_default(),
        super::time(now)
    ));
    let parts = state.parts();
    let parts: Vec<&PartState<'_>> = parts.iter().filter(|it| shown.contains(&it.name)).collect();
    failures::write(&mut page, &parts);
    let view = View { state, shown, now };
    for part in &parts {
        if part.is_current() && (part.count > 0 || part.unreadable > 0 || part.name.is_vital()) {
            view.section(&mut page, part);
        }
    }
    let named = |is_it: fn(&PartState<'_>) -> bool| {
        let names = parts.iter().filter(|part| is_it(part)).map(|part| part.name.in_words());
        names.collect::<Vec<_>>().join(", ")
    };
    let is_empty = |part: &PartState<'_>| {
        part.is_current() && part.count + part.unreadable == 0 && !part.name.is_vital()
    };
    let (empty, unasked) = (named(is_empty), named(|part| !part.is_asked()));
    if !(empty.is_empty() && unasked.is_empty()) {
        page.blank();
    }
    for (what, names) in [("There are none", empty), ("Not asked for", unasked)] {
        if !names.is_empty() {
            page.sentence(&format!("{what}: {names}"));
        }
    }
    page.text
}

/// What is shown, and when.
struct View<'a> {
    state: &'a Snapshot,
    shown: &'a BTreeSet<PartName>,
    now: SystemTime,
}

impl View<'_> {
    fn section(&self, page: &mut Page, part: &PartState<'_>) {
        match part.name {
            PartName::Edges => self.edges(page, part),
            PartName::EdgeGroups => self.edge_groups(page, part),
            PartName::Trunks => self.trunks(page, part),
            PartName::Phones => self.phones(page, part),
            PartName::Sites => self.sites(page, part),
            PartName::Locations => self.locations(page, part),
            PartName::Organization => self.organization(page, part),
            PartName::TrunkSettings => self.trunk_settings(page, part),
            PartName::Authorities => self.authorities(page, part),
            PartName::EdgeMetrics => self.edge_metrics(page, part),
            PartName::TrunkMetrics => self.trunk_metrics(page, part),
            PartName::Quality => self.quality(page, part),
            PartName::Changes => self.changes(page, part),
        }
    }

    /// The headline of a part: what is in it, how old that is, and what is left out.
    fn heading(&self, page: &mut Page, part: &PartState<'_>, tally: &str) {
        page.blank();
        let name = capital(part.name.in_words());
        let age = part.read.map(|read| self.ago(read)).unwrap_or_default();
        page.sentence(&format!("{BOLD}{name}{RESET}: {tally} (read {age})"));
        if part.unreadable > 0 {
            page.sentence(&format!(
                "  {} more could not be understood and are left out",
                part.unreadable
            ));
        }
        if part.unknown > 0 {
            let hold = if part.unknown == 1 { "holds" } else { "hold" };
            page.sentence(&format!(
                "  {} {hold} a word of the vendor's that this program does not know",
                part.unknown
            ));
        }
    }

    fn ago(&self, then: SystemTime) -> String {
        match self.now.duration_since(then) {
            Ok(age) if age.as_secs() == 0 => "now".to_owned(),
            Ok(age) => format!("{} ago", coarse(age)),
            Err(ahead) => format!("in {}", coarse(ahead.duration())),
        }
    }

    fn since(&self, then: Option<SystemTime>) -> String {
        then.map(|then| self.ago(then)).unwrap_or_default()
    }
}

impl Page {
    /// Text of its own, wrapped; blanks at its beginning are its indent.
    fn sentence(&mut self, text: &str) {
        let indent = " ".repeat(text.len() - text.trim_start().len());
        let hanging = format!("{indent}  ");
        let options =
            super::wrapping(self.width).initial_indent(&indent).subsequent_indent(&hanging);
        let filled = textwrap::fill(text.trim_start(), options);
        self.line(&filled);
    }

    /// Says how many things are not shown.
    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            self.line(&format!("  … {} more, --json has all", all - shown));
        }
    }
}

/// The word of a state, and its style.
const fn word(state: State) -> (&'static str, &'static str) {
    match state {
        State::Up => ("up", super::GREEN),
        State::Down => ("DOWN", super::RED),
        State::Unknown => ("unknown", super::YELLOW),
    }
}

/// How a person calls it: by its name, by its id where the vendor tells no name.
fn called(reference: &Reference) -> String {
    let name = reference.name.as_str();
    if name.is_empty() { reference.id.to_string() } else { name.to_owned() }
}

fn called_if(reference: Option<&Reference>) -> String {
    reference.map(called).unwrap_or_default()
}

fn words(text: Option<&Foreign>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn count(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map(|ratio| format!("{:.0} %", ratio * 100.0)).unwrap_or_default()
}

fn milliseconds(duration: Option<Duration>) -> String {
    duration.map(|it| format!("{:.0} ms", it.as_secs_f64() * 1e3)).unwrap_or_default()
}

fn yes(answer: Option<bool>) -> String {
    answer.map(|it| if it { "yes" } else { "no" }.to_owned()).unwrap_or_default()
}

/// A span of time in its largest unit.
fn coarse(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}

/// The most rows of a table: more than a few screens of them help nobody.
const MOST: usize = 40;
/// The most phones and changes.
const FEW: usize = 20;
/// Tables may be wider than sentences.
const WIDEST_TABLE: usize = 160;
