//! What was asked of a server, as it logged it itself.

use std::net::IpAddr;

use super::host::Host;

/// One query that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// Who asked.
    pub(crate) from: IpAddr,
    /// The name, without its last dot, in small letters.
    pub(crate) name: String,
    /// The record type.
    pub(crate) kind: String,
}

impl Query {
    /// Whether a host asked it.
    pub(crate) fn is_by(&self, host: Host) -> bool {
        [host.address(), host.address_6()].contains(&self.from)
    }
}

/// The queries in what a named or an unbound has logged.
pub(super) fn logged(log: &str) -> Vec<Query> {
    log.lines().filter_map(|line| by_named(line).or_else(|| by_unbound(line))).collect()
}

/// `… client @0x7f0c 10.77.0.2#51295 (edge.test): query: edge.test IN A +E(0)K (198.51.100.31)`
fn by_named(line: &str) -> Option<Query> {
    let (_, rest) = line.split_once("client @")?;
    let from = rest.split(' ').nth(1)?.split('#').next()?;
    let (_, question) = rest.split_once(": query: ")?;
    let [name, _class, kind, ..] = question.split(' ').collect::<Vec<_>>()[..] else { return None };
    query(from, name, kind)
}

/// `[1795872826] unbound[4711:0] info: 10.77.0.2 edge.test. A IN`
fn by_unbound(line: &str) -> Option<Query> {
    let (_, question) = line.split_once(" info: ")?;
    let [from, name, kind, "IN"] = question.split(' ').collect::<Vec<_>>()[..] else { return None };
    query(from, name, kind)
}

fn query(from: &str, name: &str, kind: &str) -> Option<Query> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    Some(Query { from: from.parse().ok()?, name, kind: kind.to_owned() })
}
