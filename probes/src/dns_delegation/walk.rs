//! `Walks`: the way down to a name, and the ways to the nameservers whose addresses it needs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::verdict::{Fate, Lame, NXDOMAIN, Said, said};
use super::zones::{MOST_ADDRESSES, MOST_ZONES, Place, Zones};
use crate::failure::Failure;
use crate::wire::dns::delegation::{AddressRecord, DomainName, Kind, Reply};

/// What a walk is for.
#[derive(Clone, Debug)]
enum Goal {
    /// To find the zone that holds a name.
    Zone,
    /// To find where this nameserver of a zone is.
    Nameserver { of: DomainName, name: DomainName },
}

/// One way down.
#[derive(Debug)]
struct Walk {
    goal: Goal,
    /// What is asked for.
    name: DomainName,
    kind: Kind,
    place: Place,
    /// Who was of no use at this place.
    fates: BTreeMap<IpAddr, Fate>,
    found: Vec<AddressRecord>,
    /// Whether there are more zones on the way than may be.
    is_too_long: bool,
}

impl Walk {
    fn new(goal: Goal, name: DomainName, kind: Kind, place: Place) -> Self {
        let (fates, found) = (BTreeMap::new(), Vec::new());
        Self { goal, name, kind, place, fates, found, is_too_long: false }
    }
}

/// What is to be done next.
pub(super) enum Step {
    /// Ask this server.
    Ask {
        server: IpAddr,
        name: DomainName,
        kind: Kind,
        /// Whether there is no other.
        is_start: bool,
    },
    /// The way to the name ends here.
    Stuck(Stuck),
    /// Every walk is over.
    Idle,
}

/// Where a way ended.
pub(super) struct Stuck {
    pub(super) place: Place,
    pub(super) fates: BTreeMap<IpAddr, Fate>,
    /// The bound that ended it, to follow "no usable server for example.net".
    pub(super) within: String,
}

/// Where the way ended as it should.
pub(super) struct Reached {
    /// The zone that holds the name.
    pub(super) apex: DomainName,
    /// Whether a referral led to it; else its parent's servers are its own, too.
    pub(super) is_delegated: bool,
}

pub(super) struct Walks {
    pub(super) zones: Zones,
    /// The way to the name, and above it the ways that it waits for.
    stack: Vec<Walk>,
    /// Questions so far, of all walks.
    pub(super) asked: u64,
    /// Referrals on the way to the name.
    pub(super) depth: u64,
}

impl Walks {
    pub(super) fn new(name: DomainName, start: IpAddr) -> Self {
        let first = Walk::new(Goal::Zone, name, Kind::Soa, Place::Start);
        Self { zones: Zones::new(start), stack: vec![first], asked: 0, depth: 0 }
    }

    pub(super) fn step(&mut self) -> Step {
        while let Some(walk) = self.stack.last() {
            let zone = self.zones.at(&walk.place);
            if self.asked < MOST_WALKING && !walk.is_too_long {
                if let Some(server) = zone.next_address(&walk.fates, self.zones.start()) {
                    self.asked += 1;
                    let (name, kind) = (walk.name.clone(), walk.kind);
                    return Step::Ask { server, name, kind, is_start: walk.place == Place::Start };
                }
                let under_way = self.under_way();
                if under_way.len() < MOST_NESTED
                    && let Place::Zone(apex) = walk.place.clone()
                    && self.begin_next(&apex)
                {
                    continue;
                }
            }
            let Some(walk) = self.stack.pop() else { break };
            match walk.goal {
                Goal::Zone => return Step::Stuck(self.stuck(walk)),
                Goal::Nameserver { of, name } => self.zones.resolve(&of, &name, &walk.found),
            }
        }
        Step::Idle
    }

    /// Begins the way to a nameserver of `apex` whose address is not known, where there is one.
    pub(super) fn begin_next(&mut self, apex: &DomainName) -> bool {
        let under_way = self.under_way();
        let zone = self.zones.zone(apex);
        let Some(name) = zone.and_then(|zone| zone.next_name(&under_way)) else { return false };
        let place = self.zones.closest(&name);
        let goal = Goal::Nameserver { of: apex.clone(), name: name.clone() };
        self.stack.push(Walk::new(goal, name, Kind::A, place));
        true
    }

    /// Takes in what became of the question that [`Walks::step`] asked for.
    pub(super) fn hear(
        &mut self,
        server: IpAddr,
        result: Result<&Reply, Failure>,
    ) -> Option<Reached> {
        let walk = self.stack.last_mut()?;
        let reply = match result {
            Ok(reply) => reply,
            Err(failure) => {
                walk.fates.insert(server, Fate::Failed(failure));
                let place = walk.place.clone();
                self.zones.was_silent(&place, server);
                return None;
            }
        };
        let zone = walk.place.zone();
        match said(reply, &walk.name, &zone) {
            Said::Referral(apex) => {
                let Reply { referral, additional, .. } = reply;
                walk.is_too_long = !self.zones.learn(&apex, referral, additional, &zone);
                if !walk.is_too_long {
                    walk.place = Place::Zone(apex);
                    walk.fates.clear();
                    self.depth += u64::from(matches!(walk.goal, Goal::Zone));
                }
                None
            }
            Said::Lame(lame) => {
                walk.fates.insert(server, Fate::Lame(lame));
                None
            }
            Said::Alias | Said::Authority if matches!(walk.goal, Goal::Zone) => {
                self.reach(server, reply)
            }
            // A nameserver must not be named by an alias (RFC 2181 §10.3).
            Said::Alias => self.found(&[], true),
            Said::Authority => {
                let is_last = walk.kind == Kind::Aaaa || reply.response.rcode == NXDOMAIN;
                self.found(&reply.addresses, is_last)
            }
        }
    }

    fn under_way(&self) -> Vec<DomainName> {
        let names = self.stack.iter().filter_map(|walk| match &walk.goal {
            Goal::Nameserver { name, .. } => Some(name.clone()),
            Goal::Zone => None,
        });
        names.collect()
    }

    /// An answer with authority to the way's own question.
    fn reach(&mut self, server: IpAddr, reply: &Reply) -> Option<Reached> {
        let walk = self.stack.last_mut()?;
        let zone = walk.place.zone();
        // An apex holds the SOA and can be no alias (RFC 1034 §3.6.2): the zone is that of the
        // name above.
        if reply.is_alias && walk.name.is_below(&zone) {
            walk.name = walk.name.parent();
            return None;
        }
        let lame = match &reply.soa {
            Some((apex, _)) if !reply.is_alias && apex.is_within(&zone) => {
                let is_delegated = walk.place == Place::Zone(apex.clone());
                let reached = Reached { apex: apex.clone(), is_delegated };
                self.stack.clear();
                return Some(reached);
            }
            Some(_) if !reply.is_alias => Lame::OtherZone,
            Some(_) | None => Lame::NoSoa,
        };
        walk.fates.insert(server, Fate::Lame(lame));
        None
    }

    /// The addresses of one family of a nameserver; after both its walk is over.
    fn found(&mut self, addresses: &[AddressRecord], is_last: bool) -> Option<Reached> {
        let walk = self.stack.last_mut()?;
        walk.found.extend_from_slice(addresses);
        walk.kind = Kind::Aaaa;
        if is_last
            && let Some(Walk { goal: Goal::Nameserver { of, name }, found, .. }) = self.stack.pop()
        {
            self.zones.resolve(&of, &name, &found);
        }
        None
    }

    fn stuck(&self, walk: Walk) -> Stuck {
        let within = if walk.is_too_long {
            format!(" within {MOST_ZONES} zones")
        } else if self.asked >= MOST_WALKING {
            format!(" within {MOST_WALKING} queries")
        } else {
            String::new()
        };
        Stuck { place: walk.place, fates: walk.fates, within }
    }
}

/// RFC 1034 §5.3.3 bounds the amount of work first of all, "even if someone has incorrectly
/// configured some data": BIND's `max-recursion-queries` was 75 for long.
pub(super) const MOST_QUERIES: u64 = 64;
/// What the ways may take of it: the rest is for every address of the zone, and for its own NS
/// records.
const MOST_WALKING: u64 = MOST_QUERIES - MOST_ADDRESSES as u64 - 1;
/// A nameserver whose address needs that of another, and so on: who needs more is in a circle, or
/// is not reached by resolvers either.
const MOST_NESTED: usize = 4;
