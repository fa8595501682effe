//! Text for people: a report and a single observation, readable without colour.

mod media;
mod names;
mod state;

pub use names::{Waited, sighting, waited, waiting, word};
pub use state::state;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use branchline_probes::{FactValue, Foreign, Observation, Verdict as Standing};
use jiff::Timestamp;

use crate::diagnosis::{Exhibit, Finding, Severity, Verdict};
use crate::ladder;
use crate::report::Report;
use crate::telephony::{PartName, PartState, PhoneState, Snapshot, State};

/// One report, wrapped to `width` columns, with ANSI styles that whoever prints it may strip.
#[must_use]
pub fn report(report: &Report, width: usize) -> String {
    let mut page = Page { width: width.clamp(NARROWEST, WIDEST), text: String::new() };
    let diagnosis = &report.diagnosis;
    page.line(&format!(
        "branchline: site {}, {}, {:.1} s, profile {}",
        report.site,
        time(report.started),
        report.elapsed.as_secs_f64(),
        report.profile.name()
    ));
    page.blank();
    let (word, style, meaning) = match diagnosis.verdict {
        Verdict::Go => ("GO", GREEN, "nothing speaks against a rollout"),
        Verdict::GoWithWarnings => ("GO, WITH WARNINGS", YELLOW, "it works; look at the warnings"),
        Verdict::NoGo => ("NO-GO", RED, "do not roll out before this is mended"),
        Verdict::Inconclusive => ("INCONCLUSIVE", YELLOW, "not everything could be seen"),
    };
    page.line(&format!("{style}{word}{RESET}: {meaning}"));
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &diagnosis.findings {
        let count = shown.entry(finding.rule).or_default();
        *count += 1;
        if *count <= SHOWN {
            page.finding(finding);
        }
    }
    for (rule, count) in shown.into_iter().filter(|(_, count)| *count > SHOWN) {
        page.blank();
        page.line(&format!("{} more findings of {rule}; the JSON has them all", count - SHOWN));
    }
    page.list("Failed, and no rule explains it", &diagnosis.unexplained, |it| {
        format!("{}: {}", it.reference, it.text)
    });
    if !diagnosis.unexplained.is_empty() {
        page.labelled(
            "next",
            "Ask again by `branchline probe NAME TARGET --trace`, from here and \
                               from another network; what differs is the cause.",
        );
    }
    page.list("Not known", &diagnosis.open, Clone::clone);
    page.names(&report.names, report.started + report.elapsed);
    if !report.listed.is_empty() {
        page.blank();
        page.line(&format!("{BOLD}Seen on site{RESET}"));
        let rows: Vec<_> = report.listed.iter().map(|it| row(it)).collect();
        page.table(&rows);
    }
    page.ladders(&ladder::of(&report.listed));
    page.limits(report);
    if let Some(state) = report.state.as_deref() {
        page.blank();
        page.line(&format!("{BOLD}Said by the vendor{RESET}"));
        page.vendor(state, report.started + report.elapsed);
    }
    page.text
}

/// One observation, with every fact on a line of its own.
#[must_use]
pub fn observation(observation: &Observation) -> String {
    let mut text = String::new();
    let (word, style) = standing(observation);
    let address = observation.address.map_or_else(|| "no address".to_owned(), |it| it.to_string());
    let Observation { probe, transport, elapsed, outcome, .. } = observation;
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "{style}{word}{RESET} {probe} {address} over {} in {}",
        transport.label(),
        took(*elapsed)
    );
    if let Some((stage, failure)) = &outcome.failure {
        let _ = writeln!(text, "  {} in stage {}: {failure}", failure.label(), stage.label());
    }
    let facts: Vec<_> = outcome.facts.iter().map(|(spec, it)| (spec.name, value(it))).collect();
    let phases = outcome
        .phases
        .iter()
        .map(|(phase, took)| (format!("phase {}", phase.label()), self::took(*took)));
    let ignored = outcome
        .ignored
        .iter()
        .map(|(reason, count)| (format!("ignored {}", reason.label()), count.to_string()));
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value));
    let lines: Vec<_> = facts.chain(phases).chain(ignored).collect();
    let widest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in lines {
        let mut name = name;
        for line in value.split('\n') {
            let _ = writeln!(text, "  {name:widest$}  {line}");
            name.clear();
        }
    }
    text
}

/// What is written, line by line.
struct Page {
    width: usize,
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Text behind a label, wrapped and hanging under its own beginning.
    fn labelled(&mut self, label: &str, text: &str) {
        let first = format!("  {label:<LABEL$}");
        let rest = " ".repeat(2 + LABEL);
        let options = wrapping(self.width).initial_indent(&first).subsequent_indent(&rest);
        let filled = textwrap::fill(text, options);
        self.line(&filled);
    }

    fn finding(&mut self, finding: &Finding) {
        let style = match finding.severity {
            Severity::Blocking => RED,
            Severity::Warning => YELLOW,
            Severity::Info => "",
        };
        self.blank();
        let severity = finding.severity.label();
        self.line(&format!("{style}{severity}{RESET} {BOLD}{}{RESET}", finding.rule));
        self.labelled("what", &finding.summary);
        self.labelled("owner", finding.owner.label());
        self.labelled("next", &finding.next_step);
        for (index, exhibit) in finding.evidence.iter().take(SHOWN).enumerate() {
            let label = if index == 0 { "because" } else { "" };
            let Exhibit { reference, text, .. } = exhibit;
            self.labelled(label, &format!("{reference}: {text}"));
        }
        if let Some(more) = finding.evidence.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            self.labelled("", &format!("and {more} more"));
        }
        if !finding.explains.is_empty() {
            self.labelled("explains", &finding.explains.join(", "));
        }
    }

    fn list<T>(&mut self, title: &str, items: &[T], line: impl Fn(&T) -> String) {
        if items.is_empty() {
            return;
        }
        self.blank();
        self.line(&format!("{BOLD}{title}{RESET}"));
        for item in items {
            let options = wrapping(self.width).initial_indent("  - ").subsequent_indent("    ");
            let filled = textwrap::fill(&line(item), options);
            self.line(&filled);
        }
    }

    /// Rows in columns; the last column takes what is left of the width.
    fn table(&mut self, rows: &[Row]) {
        let name = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        let address = rows.iter().map(|row| row.address.chars().count()).max().unwrap_or_default();
        for Row { word, style, name: what, address: place, took, note } in rows {
            let head = format!("{what:<name$}  {place:<address$}  {took:>8}");
            self.line(&format!("  {style}{word:<7}{RESET} {head}"));
            if !note.is_empty() {
                let options = wrapping(self.width)
                    .initial_indent("          ")
                    .subsequent_indent("          ");
                let filled = textwrap::fill(note, options);
                self.line(&filled);
            }
        }
    }

    fn vendor(&mut self, state: &Snapshot, now: SystemTime) {
        let states = |states: &[State]| {
            let words = State::ALL
                .map(|state| (states.iter().filter(|it| **it == state).count(), state.label()));
            tally(&words)
        };
        let edges: Vec<State> = state.edges.items.iter().map(|edge| edge.state).collect();
        let groups: Vec<State> = state.edge_groups.items.iter().map(|group| group.state).collect();
        let trunks: Vec<State> = state.trunks.items.iter().map(|trunk| trunk.state).collect();
        let phones = PhoneState::ALL.map(|wanted| {
            let phones = state.phones.items.iter().filter(|phone| phone.state == wanted);
            (phones.count(), wanted.label())
        });
        for part in state.parts() {
            let tally = match part.name {
                PartName::Edges => states(&edges),
                PartName::EdgeGroups => states(&groups),
                PartName::Trunks => states(&trunks),
                PartName::Phones => tally(&phones),
                // What decides nothing is worth a line only where it is not as it should be.
                PartName::Sites
                | PartName::Locations
                | PartName::Organization
                | PartName::TrunkSettings
                | PartName::Authorities
                | PartName::EdgeMetrics
                | PartName::TrunkMetrics
                | PartName::Quality
                | PartName::Changes => {
                    if part.problem.is_none() && !part.stale {
                        continue;
                    }
                    part.count.to_string()
                }
            };
            self.part(&part, &tally, now);
        }
    }

    fn part(&mut self, part: &PartState<'_>, tally: &str, now: SystemTime) {
        let age = part.read.map(|read| now.duration_since(read).unwrap_or_default().as_secs());
        let line = match (age, part.problem) {
            (Some(age), Some(problem)) if part.stale => {
                format!("too old to be believed ({age} s ago, since then: {problem})")
            }
            (Some(age), None) if part.stale => format!("too old to be believed ({age} s ago)"),
            (None, Some(problem)) => format!("not read: {problem}"),
            (None, None) => "not read".to_owned(),
            (Some(age), Some(problem)) => format!("{tally} ({age} s ago, since then: {problem})"),
            (Some(age), None) if age > 1 => format!("{tally} ({age} s ago)"),
            (Some(_), None) => tally.to_owned(),
        };
        let first = format!("  {:<11}  ", part.name.in_words());
        let options =
            wrapping(self.width).initial_indent(&first).subsequent_indent("               ");
        let filled = textwrap::fill(&line, options);
        self.line(&filled);
    }
}

/// Names and addresses stay whole: lines break at spaces only.
fn wrapping<'a>(width: usize) -> textwrap::Options<'a> {
    textwrap::Options::new(width)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
}

struct Row {
    word: &'static str,
    style: &'static str,
    name: String,
    address: String,
    took: String,
    note: String,
}

fn row(observation: &Observation) -> Row {
    let (word, style) = standing(observation);
    Row {
        word,
        style,
        name: format!("{} {}", observation.target, observation.module),
        address: observation.address.map_or_else(
            || "-".to_owned(),
            |address| format!("{} {address}", observation.transport.label()),
        ),
        took: took(observation.elapsed),
        note: observation.failure().map(ToString::to_string).unwrap_or_default(),
    }
}

fn standing(observation: &Observation) -> (&'static str, &'static str) {
    match observation.verdict() {
        Standing::Up => ("ok", GREEN),
        Standing::Down => ("FAILED", RED),
        Standing::Unknown => ("unknown", YELLOW),
    }
}

fn value(value: &FactValue) -> String {
    match value {
        FactValue::Count(count) => count.to_string(),
        FactValue::Number(number) => format!("{number:.3}"),
        FactValue::Seconds(duration) => took(*duration),
        FactValue::Time(at) => time(*at),
        FactValue::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        FactValue::Word(word) => (*word).to_owned(),
        FactValue::Address(address) => address.to_string(),
        FactValue::Addresses(addresses) => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        FactValue::Text(text) => text.to_string(),
        FactValue::Texts(texts) => listed(texts),
    }
}

/// Texts on one line where they are short, else each on a line of its own.
fn listed(texts: &[Foreign]) -> String {
    let texts: Vec<_> = texts.iter().map(Foreign::as_str).collect();
    let line = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    if line.chars().count() <= LONGEST_LIST { line } else { texts.join("\n") }
}

/// `2 up, 1 down`; what is not there is not said.
fn tally(counts: &[(usize, &str)]) -> String {
    let said: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

fn took(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

fn time(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    Timestamp::from_second(seconds).map_or_else(
        |_| "an unknown time".to_owned(),
        |stamp| stamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const GREEN: &str = "\x1b[1;32m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// The width of the labels of a finding.
const LABEL: usize = 9;
/// Longer lists of texts have a line for each.
const LONGEST_LIST: usize = 60;
/// A report shows the first findings of a rule and the first pieces of evidence; the JSON has all.
const SHOWN: usize = 6;
const NARROWEST: usize = 40;
/// Longer lines are hard to read, however wide the terminal is.
const WIDEST: usize = 120;
