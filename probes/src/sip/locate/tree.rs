//! The records that led to whom to ask, as lines for people.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::fact::Facts;
use crate::failure::Unresolved;
use crate::foreign::Foreign;
use crate::locate::{CANDIDATES, Candidate, LOCATED_BY};
use crate::target::Transport;

/// The lines, and whom they name.
pub(super) struct Tree {
    located_by: &'static str,
    lines: Vec<Foreign>,
    candidates: Vec<Candidate>,
    seen: BTreeSet<(SocketAddr, Option<&'static str>)>,
    more: usize,
}

impl Tree {
    pub(super) fn new(located_by: &'static str) -> Self {
        let (lines, candidates, seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { located_by, lines, candidates, seen, more: 0 }
    }

    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.lines.push(Foreign::new(line.as_ref()));
    }

    /// Somebody who may be asked; who is named twice is asked once.
    pub(super) fn candidate(&mut self, candidate: Candidate) {
        let Candidate { address, host, transport } = &candidate;
        let transport = transport.map(Transport::label);
        if self.candidates.len() == MOST_CANDIDATES {
            self.more += 1;
            return;
        }
        let (ip, port) = (address.ip(), address.port());
        let by = transport.unwrap_or_default();
        let line = if host.parse::<IpAddr>().is_ok() {
            format!("{ip} {by} {port}")
        } else {
            format!("{host} {} {ip} {by} {port}", kind(ip))
        };
        if self.seen.insert((*address, transport)) {
            self.line(line);
            self.candidates.push(candidate);
        } else {
            self.line(left_out(&line, "it is named above"));
        }
    }

    /// An address to which nothing is sent.
    pub(super) fn refused(&mut self, host: &str, ip: IpAddr, why: &str) {
        if self.lines.len() < MOST_LINES {
            self.line(left_out(&format!("{host} {} {ip}", kind(ip)), why));
        }
    }

    pub(super) fn into_facts(mut self) -> (Vec<Candidate>, Facts) {
        if self.more > 0 {
            self.line(format!("{} more addresses are left out", self.more));
        }
        let mut facts = Facts::default();
        if !self.candidates.is_empty() {
            facts.state(&LOCATED_BY, self.located_by);
        }
        facts.state(&CANDIDATES, self.lines);
        (self.candidates, facts)
    }
}

/// That there are no records.
pub(super) fn nothing(owner: &str, kind: &str, problem: Unresolved) -> String {
    match problem {
        Unresolved::NoAddress => format!("{owner} {kind} (none)"),
        Unresolved::NoAnswer
        | Unresolved::ResolverFailed
        | Unresolved::NoResolver
        | Unresolved::NotLed
        | Unresolved::NotOffered => format!("{owner} {kind} ({problem})"),
    }
}

/// That a record does not count.
pub(super) fn left_out(line: &str, why: &str) -> String {
    format!("{line} (left out: {why})")
}

/// That there are more records than are looked at.
pub(super) fn more(owner: &str, kind: &str, count: usize) -> String {
    format!("{owner} {kind} ({count} more are left out)")
}

/// A name without the dot at its end.
pub(super) fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

pub(super) fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(bytes))
}

const fn kind(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "A" } else { "AAAA" }
}

/// One who is asked, at most.
const MOST_CANDIDATES: usize = 64;
/// Lines beyond which refused addresses are not told any more.
const MOST_LINES: usize = 256;
