//! How people are shown watched names: who says what, and for how long still.

use std::time::{Duration, SystemTime};

use branchline_probes::{Foreign, show_duration};

use super::{BOLD, GREEN, NARROWEST, Page, RED, RESET, WIDEST, YELLOW, time, wrapping};
use crate::propagation::{Propagation, Says, Sighting, Standing};
use crate::sight::View;

/// What there is to see of a wait for names.
#[derive(Clone, Copy, Debug)]
pub struct Waited<'a> {
    /// The names that are to arrive.
    pub names: &'a [Propagation],
    /// What the vendor says of the edge group that is to be ready.
    pub group: Option<&'a str>,
    /// For how long it has been waited.
    pub took: Duration,
    /// When that was.
    pub now: SystemTime,
}

/// How a wait for names ended.
#[must_use]
pub fn waited(waited: Waited<'_>, is_true: bool, width: usize) -> String {
    let (style, word) = if is_true { (GREEN, "arrived") } else { (RED, "not arrived") };
    let mut page = Page { width: width.clamp(NARROWEST, WIDEST), text: String::new() };
    page.line(&format!("{style}{word}{RESET} after {:.1} s", waited.took.as_secs_f64()));
    page.all(waited, |_, _| None);
    page.text
}

/// How a wait for names stands, with what is still to come.
#[must_use]
pub fn waiting(waited: Waited<'_>, timeout: Duration, width: usize) -> String {
    let mut page = Page { width: width.clamp(NARROWEST, WIDEST), text: String::new() };
    page.all(waited, |name, sighting| next(name, sighting, waited.now));
    if waited.names.is_empty() {
        page.line("  nobody has answered yet");
    }
    let took = show_duration(Duration::from_secs(waited.took.as_secs()));
    page.line(&format!("waited {took} of {}", show_duration(timeout)));
    page.text
}

/// One nameserver's word, as a line of its own.
#[must_use]
pub fn sighting(name: &Propagation, sighting: &Sighting, now: SystemTime) -> String {
    let (question, who, word) = (&name.question, &sighting.name, word(sighting));
    let mut line = format!("{question}: {who}: {word}");
    for part in said(name, sighting, now) {
        line.push_str(", ");
        line.push_str(&part.replace(UNBROKEN, " "));
    }
    line
}

impl Page {
    /// Each name with a line for each nameserver.
    pub(super) fn names(&mut self, names: &[Propagation], now: SystemTime) {
        if names.is_empty() {
            return;
        }
        self.blank();
        self.line(&format!("{BOLD}Names{RESET}"));
        self.named(names, now, &|_, _| None);
    }

    fn all(
        &mut self,
        waited: Waited<'_>,
        next: impl Fn(&Propagation, &Sighting) -> Option<String>,
    ) {
        if let Some(group) = waited.group {
            self.wrapped("  ", "    ", group);
        }
        self.named(waited.names, waited.now, &next);
    }

    fn named(
        &mut self,
        names: &[Propagation],
        now: SystemTime,
        next: &dyn Fn(&Propagation, &Sighting) -> Option<String>,
    ) {
        for name in names {
            self.wrapped("  ", "    ", &headline(name, now));
            let widest = name.sightings.iter().map(|it| it.name.chars().count()).max();
            let widest = widest.unwrap_or_default();
            // The first columns: the indent, the word, the name, and what is between them.
            let column = 4 + WORD + 2 + widest + 2;
            let is_beside = column + ROOM <= self.width;
            for sighting in &name.sightings {
                let parts = said(name, sighting, now).into_iter().chain(next(name, sighting));
                let said = parts.collect::<Vec<_>>().join(", ");
                let (style, word, who) = (style(sighting.says), word(sighting), &sighting.name);
                let head = format!("    {style}{word:<WORD$}{RESET}  ");
                if is_beside {
                    let head = format!("{head}{who:<widest$}  ");
                    self.wrapped(&head, &" ".repeat(column), &said);
                } else {
                    self.line(&format!("{head}{who}"));
                    let rest = " ".repeat(4 + WORD + 4);
                    self.wrapped(&rest, &rest, &said);
                }
            }
        }
    }

    fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        let options = wrapping(self.width).initial_indent(first).subsequent_indent(rest);
        let filled = textwrap::fill(text, options).replace(UNBROKEN, " ");
        self.line(filled.trim_end());
    }
}

/// Text within which no line is broken.
fn whole(text: &str) -> String {
    text.replace(' ', UNBROKEN)
}

fn headline(name: &Propagation, now: SystemTime) -> String {
    let what = match name.standing {
        Standing::Propagated if name.has(|says| !says.is_an_answer()) => {
            let all = name.who(Says::is_an_answer).count();
            let nameservers = if all == 1 { "the nameserver" } else { "all nameservers" };
            format!("has arrived at {nameservers} that can be heard")
        }
        Standing::Propagated => "has arrived everywhere".to_owned(),
        Standing::Propagating => {
            let current = name.who(|says| says == Says::Current).count();
            let all = name.who(Says::is_an_answer).count();
            let by = name.by.map_or_else(
                || ", and nobody tells when the rest will have it".to_owned(),
                |by| format!(", the rest by {} ({})", time(by), left(by, now)),
            );
            format!("has arrived at {current} of {all} nameservers{by}")
        }
        Standing::NotCreated => "does not exist".to_owned(),
        Standing::WrongAddress if name.expected.is_empty() => {
            "leads to another address than expected".to_owned()
        }
        Standing::WrongAddress => {
            let expected: Vec<String> = name.expected.iter().map(ToString::to_string).collect();
            format!("leads elsewhere than to {}", expected.join(" or "))
        }
        Standing::Intercepted => "is answered by somebody else".to_owned(),
        Standing::Inconsistent => "has answers that nothing explains".to_owned(),
        Standing::Unknown if name.has(|says| says == Says::Failing) => {
            "could not be seen: whoever answers has an error".to_owned()
        }
        Standing::Unknown => "could not be seen: nobody answers".to_owned(),
    };
    format!("{} {what}", name.question)
}

/// What a nameserver says, against what is right, in one word or two.
#[must_use]
pub fn word(sighting: &Sighting) -> &'static str {
    match sighting.says {
        Says::Current => "ok",
        Says::Stale => "old",
        Says::Behind => "behind",
        Says::Absent => "absent",
        Says::Wrong => "wrong",
        Says::Different => "differs",
        Says::MadeUp(_) => "made up",
        Says::Failing => "error",
        Says::Silent => "silent",
        // Once is not enough to conclude anything; it is what was seen all the same.
        Says::Unknown if sighting.reason == Some("deadline") => "silent",
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

/// The records, for how long they may be kept, the zone's version, and why it is no answer.
fn said(name: &Propagation, sighting: &Sighting, now: SystemTime) -> Vec<String> {
    let mut parts = Vec::new();
    if !sighting.says.is_an_answer() {
        parts.extend(why_not(sighting));
        return parts;
    }
    // The type that was asked for is in the question.
    let kind = name.question.rsplit(' ').next().unwrap_or_default();
    let shown = sighting.records.iter().take(SHOWN).map(Foreign::as_str);
    parts.extend(shown.map(|record| match record.split_once(' ') {
        Some((first, value)) if first == kind => whole(value),
        Some(_) | None => whole(record),
    }));
    match sighting.records.len().saturating_sub(SHOWN) {
        0 if parts.is_empty() => parts.push(whole("no record")),
        0 => {}
        more => parts.push(whole(&format!("and {more} more"))),
    }
    match (sighting.until, sighting.ttl) {
        (Some(until), _) => parts.push(whole(&left(until, now))),
        (None, Some(ttl)) => parts.push(whole(&format!("TTL {}", show_duration(ttl)))),
        (None, None) => {}
    }
    // A resolver tells the zone's only with an absence, and nobody compares it.
    let serial = sighting.serial.filter(|_| sighting.view == View::Authoritative);
    parts.extend(serial.map(|serial| whole(&format!("serial {serial}"))));
    if let Says::MadeUp(why) = sighting.says {
        parts.push(why.in_words().to_owned());
    }
    parts
}

/// Why what came is no answer to the question, or why nothing came, where the word does not say it.
fn why_not(sighting: &Sighting) -> Option<String> {
    let is_heard = |rcode: &str| matches!(rcode, "NOERROR" | "NXDOMAIN");
    let why = match (sighting.rcode, sighting.reason) {
        (Some(rcode), _) if !is_heard(rcode) => return Some(whole(&format!("it says {rcode}"))),
        (Some(_), _) if sighting.view == View::Authoritative => "it does not serve the zone",
        (Some(_), _) => "it answers something else",
        (None, Some("deadline" | "no_response") | None) => return None,
        (None, Some("unresolved")) => "nobody was found to ask",
        (None, Some("refused")) => "nobody listens there",
        (None, Some("unreachable")) => "no way leads there",
        (None, Some("prohibited")) => "a router on the way forbids it",
        (None, Some("tls_failed")) => "TLS failed",
        (None, Some("local")) => "this host could not ask",
        (None, Some(reason)) => return Some(reason.replace('_', " ")),
    };
    Some(why.to_owned())
}

fn left(until: SystemTime, now: SystemTime) -> String {
    match until.duration_since(now) {
        Ok(left) if !left.is_zero() => format!("at most {} more", seconds(left)),
        Ok(_) | Err(_) => "gone any moment".to_owned(),
    }
}

/// When a nameserver is asked again, where that is before what it says is over by itself.
fn next(name: &Propagation, sighting: &Sighting, now: SystemTime) -> Option<String> {
    let at = name.asked_again_at(sighting)?;
    let is_by_then = sighting.until.is_some_and(|until| at >= until);
    match at.duration_since(now) {
        Ok(left) if !left.is_zero() => {
            (!is_by_then).then(|| whole(&format!("asked again in {}", seconds(left))))
        }
        Ok(_) | Err(_) => Some(whole("asked again")),
    }
}

/// Whole seconds, of which one that has begun counts.
fn seconds(time: Duration) -> String {
    show_duration(Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0)))
}

/// How many records of an answer are shown.
const SHOWN: usize = 4;
/// The width of the words: that of `unknown`.
const WORD: usize = 7;
/// How much room a last column needs, so that it is no tower of words.
const ROOM: usize = 30;
/// Stands for a blank at which no line is broken.
const UNBROKEN: &str = "\u{a0}";
