//! How a report shows watched names: who says what, and for how long still.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::{BOLD, GREEN, Page, RED, RESET, YELLOW, time, wrapping};
use crate::propagation::{Propagation, Says, Sighting, Standing};

impl Page {
    /// Each name with a line for each nameserver.
    pub(super) fn names(&mut self, names: &[Propagation], now: SystemTime) {
        if names.is_empty() {
            return;
        }
        self.blank();
        self.line(&format!("{BOLD}Names{RESET}"));
        for name in names {
            self.wrapped("  ", "    ", &headline(name, now));
            let widest = name.sightings.iter().map(|it| it.name.chars().count()).max();
            for sighting in &name.sightings {
                self.sighting(sighting, widest.unwrap_or_default(), now);
            }
        }
    }

    fn sighting(&mut self, sighting: &Sighting, widest: usize, now: SystemTime) {
        let (word, style) = standing(sighting.says);
        let said = said(sighting, now);
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

fn standing(says: Says) -> (&'static str, &'static str) {
    match says {
        Says::Current => ("ok", GREEN),
        Says::Stale => ("old", YELLOW),
        Says::Behind => ("behind", YELLOW),
        Says::Absent => ("absent", RED),
        Says::Wrong => ("wrong", RED),
        Says::Different => ("differs", RED),
        Says::MadeUp(_) => ("made up", RED),
        Says::Failing => ("error", RED),
        Says::Silent => ("silent", RED),
        Says::Unknown => ("unknown", YELLOW),
    }
}

/// The records, for how long they may be kept, the zone's version and how old what is old may get.
fn said(sighting: &Sighting, now: SystemTime) -> String {
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
