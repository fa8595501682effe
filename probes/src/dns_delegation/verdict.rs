//! What a nameserver's reply means for a delegation, and what became of asking it.

use std::fmt;
use std::net::SocketAddr;

use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::wire::dns::Response;
use crate::wire::dns::delegation::{DomainName, Reply};

/// The rcode that says that there is no such name (RFC 1035 §4.1.1).
pub(super) const NXDOMAIN: u16 = 3;

/// What a server of one zone says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Ask the servers of this zone, which is below its own.
    Referral(DomainName),
    /// It is authoritative for the name, and the name is an alias.
    Alias,
    /// It is authoritative for the name, be it there or not.
    Authority,
    /// It is of no use.
    Lame(Lame),
}

/// Why a server that is named for a zone is of no use for it (RFC 1912 §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lame {
    /// It answers with this error.
    Error(u16),
    /// It answers without authority (AA): from a cache, or with nothing.
    NotAuthoritative,
    /// It refers to its own zone or to one above: followed, that would be a loop.
    Upward,
    /// It refers to a zone that does not hold the name.
    Sideways,
    /// It answers with authority and does not say for which zone (RFC 2308 §3).
    NoSoa,
    /// It answers with the authority of another zone than that for which it is named.
    OtherZone,
}

impl fmt::Display for Lame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error(rcode) => return write_error(*rcode, formatter),
            Self::NotAuthoritative => "not authoritative",
            Self::Upward => "refers upward",
            Self::Sideways => "refers sideways",
            Self::NoSoa => "no SOA",
            Self::OtherZone => "authoritative for another zone",
        })
    }
}

fn write_error(rcode: u16, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    match Response::rcode_word(rcode) {
        "OTHER" => write!(formatter, "rcode {rcode}"),
        word => formatter.write_str(word),
    }
}

/// What `reply`, of a server of `zone`, says of `name`.
pub(super) fn said(reply: &Reply, name: &DomainName, zone: &DomainName) -> Said {
    let Response { rcode, authoritative, answers, .. } = &reply.response;
    if !matches!(*rcode, 0 | NXDOMAIN) {
        return Said::Lame(Lame::Error(*rcode));
    }
    let is_referral = *rcode == 0
        && answers.is_empty()
        && !reply.is_alias
        && reply.soa.is_none()
        && !reply.referral.is_empty();
    if is_referral {
        let owners = || reply.referral.iter().map(|record| &record.zone);
        let deeper = owners().find(|owner| owner.is_below(zone) && name.is_within(owner));
        match deeper {
            Some(owner) => return Said::Referral(owner.clone()),
            // NS records beside an answer that is authoritative and empty are no referral.
            None if *authoritative => {}
            None if owners().any(|owner| zone.is_within(owner)) => {
                return Said::Lame(Lame::Upward);
            }
            None => return Said::Lame(Lame::Sideways),
        }
    }
    match (authoritative, reply.is_alias) {
        (false, _) => Said::Lame(Lame::NotAuthoritative),
        (true, true) => Said::Alias,
        (true, false) => Said::Authority,
    }
}

/// What became of asking one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is authoritative for the zone, which has this serial.
    Authoritative(u32),
    /// It answered and is of no use.
    Lame(Lame),
    /// It did not answer.
    Failed(Failure),
}

impl Fate {
    /// Whether this host could not even ask.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Failed(Failure::Local { .. }))
    }
}

/// What it means that none of the servers of `zone` is of use, each with its fate: their answers
/// before their silence, and that before what this host could not do.
pub(super) fn none_usable<'a>(
    fates: impl Iterator<Item = &'a Fate> + Clone,
    start: SocketAddr,
    zone: &DomainName,
    within: &str,
) -> Failure {
    let failed = fates.clone().filter_map(|fate| match fate {
        Fate::Failed(failure) => Some(failure),
        Fate::Authoritative(_) | Fate::Lame(_) => None,
    });
    let is_local = |failure: &&Failure| matches!(failure, Failure::Local { .. });
    let lame = fates.filter_map(|fate| match fate {
        Fate::Lame(lame) => Some(lame),
        Fate::Authoritative(_) | Fate::Failed(_) => None,
    });
    let silence = failed.clone().filter(|failure| !is_local(failure)).last();
    match (lame.last(), silence.or(failed.last())) {
        (None, Some(failure)) if within.is_empty() => failure.clone(),
        (lame, _) => {
            let why = lame.map(|lame| format!(": {lame}")).unwrap_or_default();
            Failure::UnexpectedAnswer {
                peer: start,
                found: Foreign::new(format!("no usable server for {zone}{within}{why}")),
                expected: "a delegation to a server that is authoritative".to_owned(),
            }
        }
    }
}
