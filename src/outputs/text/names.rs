//! How a report shows watched names: who says what, and for how long still.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::{BOLD, GREEN, NARROWEST, Page, RED, RESET, WIDEST, YELLOW, time, wrapping};
use crate::propagation::{Propagation, Says, Sighting, Standing};

/// How a wait for names ended.
#[must_use]
pub fn waited(
    names: &[Propagation],
    group: Option<&str>,
    is_true: bool,
    took: Duration,
    width: usize,
) -> String {
    let mut page = Page { width: width.clamp(NARROWEST, WIDEST), text: String::new() };
    let (style, word) = if is_true { (GREEN, "arrived") } else { (RED, "not arrived") };
    page.line(&format!("{style}{word}{RESET} after {:.1} s", took.as_secs_f64()));
    page.text.extend(group.map(|group| format!("  {group}\n")));
    page.named(names, SystemTime::now());
    page.text
}

impl Page {
    /// Each name with a line for each nameserver.
    pub(super) fn names(&mut self, names: &[Propagation], now: SystemTime) {
        if names.is_empty() {
            return;
        }
        self.blank();
        self.line(&format!("{BOLD}Names{RESET}"));
        self.named(names, now);
    }

    fn named(&mut self, names: &[Propagation], now: SystemTime) {
        for name in names {
            self.wrapped("  ", "    ", &headline(name, now));
            let widest = name.sightings.iter().map(|it| it.name.chars().count()).max();
            for sighting in &name.sightings {
                self.sighted(sighting, widest.unwrap_or_default(), now);
            }
        }
    }

    fn sighted(&mut self, sighting: &Sighting, widest: usize, now: SystemTime) {
        let style = style(sighting.says);
        let (word, said) = (word(sighting.says), self::sighting(sighting, now));
        let name = &sighting.name;
        let line = format!("    {style}{word:<9}{RESET} {name:<widest$}  {said}");
        let visible = 4 + 9 + 1 + widest + 2 + said.chars().count();
        if visible <= self.width {
            self.line(&line);
        } else {
            self.line(&format!("    {style}{word:<9}{RESET} {name}"));
            self.wrapped("              ", "              ", &said);
        }
    }

    fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        let options = wrapping(self.width).initial_indent(first).subsequent_indent(rest);
        let filled = textwrap::fill(text, options);
        self.line(&filled);
    }
}

fn headline(name: &Propagation, now: SystemTime) -> String {
    let what = match name.standing {
        Standing::Propagated => "has arrived everywhere".to_owned(),
        Standing::Propagating => {
            let current = name.who(|says| says == Says::Current).count();
            let all = name.who(Says::is_an_answer).count();
            let by = name.by.map_or_else(
                || ", and nobody tells when the rest will be".to_owned(),
                |by| format!(", the rest by {} ({})", time(by), left(by, now)),
            );
            format!("has arrived at {current} of {all} nameservers{by}")
        }
        Standing::NotCreated => "does not exist".to_owned(),
        Standing::WrongAddress => "leads to another address than expected".to_owned(),
        Standing::Intercepted => "is answered by somebody else".to_owned(),
        Standing::Inconsistent => "has answers that nothing explains".to_owned(),
        Standing::Unknown => "could not be seen".to_owned(),
    };
    format!("{} {what}", name.question)
}

/// What a nameserver says, against what is right, in one word or two.
#[must_use]
pub const fn word(says: Says) -> &'static str {
    match says {
        Says::Current => "ok",
        Says::Stale => "old",
        Says::Behind => "behind",
        Says::Absent => "absent",
        Says::Wrong => "wrong",
        Says::Different => "differs",
        Says::MadeUp(_) => "made up",
        Says::Failing => "error",
        Says::Silent => "silent",
        Says::Unknown => "unknown",
    }
}

const fn style(says: Says) -> &'static str {
    match says {
        Says::Current => GREEN,
        Says::Stale | Says::Behind | Says::Unknown => YELLOW,
        Says::Absent
        | Says::Wrong
        | Says::Different
        | Says::MadeUp(_)
        | Says::Failing
        | Says::Silent => RED,
    }
}

/// The records, for how long they may be kept, the zone's version and how old what is old may get.
#[must_use]
pub fn sighting(sighting: &Sighting, now: SystemTime) -> String {
    let mut parts = Vec::new();
    if !sighting.records.is_empty() {
        let shown = sighting.records.iter().take(SHOWN).map(Foreign::as_str);
        let more = sighting.records.len().saturating_sub(SHOWN);
        let more = (more > 0).then(|| format!("and {more} more"));
        let records: Vec<String> = shown.map(str::to_owned).chain(more).collect();
        parts.push(records.join(", "));
    } else if sighting.says.is_an_answer() {
        parts.push("no such record".to_owned());
    } else if let Some(reason) = sighting.reason {
        parts.push(reason.to_owned());
    }
    match (sighting.until, sighting.ttl) {
        (Some(until), _) => parts.push(left(until, now)),
        (None, Some(ttl)) if sighting.says.is_an_answer() => {
            parts.push(format!("TTL {} s", ttl.as_secs()));
        }
        (None, _) => {}
    }
    parts.extend(sighting.serial.map(|serial| format!("serial {serial}")));
    if let Says::MadeUp(why) = sighting.says {
        parts.push(why.in_words().to_owned());
    }
    parts.join(", ")
}

fn left(until: SystemTime, now: SystemTime) -> String {
    let left = until.duration_since(now).unwrap_or(Duration::ZERO);
    format!("at most {:.0} s more", left.as_secs_f64().ceil())
}

/// How many records of an answer are shown.
const SHOWN: usize = 4;
