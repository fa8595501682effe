//! One location of many. The guide has no sites: it says of an edge in which region it is, and of a
//! location which region serves it.

use super::edge::is_member;
use crate::poller::failed::Failed;
use crate::poller::location::Narrowing;
use crate::poller::readings::Reading;
use crate::telephony::{ApiProblem, Edge, EdgeGroup, Location, Reference, Trunk};

/// What of a reading belongs here: everything, or what one location has.
pub(super) struct Scope<'a> {
    narrowed: Option<(&'a Narrowing, Location)>,
}

impl<'a> Scope<'a> {
    /// The scope of a reading; the location to which it is narrowed has to be one of the vendor's.
    pub(super) fn of(
        narrowing: Option<&'a Narrowing>,
        locations: Result<&[Location], Failed>,
    ) -> Result<Self, Failed> {
        let Some(narrowing) = narrowing else { return Ok(Self { narrowed: None }) };
        let here = locations?.iter().find(|it| it.reference.is(&narrowing.location));
        let missing = || ApiProblem::NoSuchLocation { location: narrowing.location.clone() };
        let here = here.ok_or_else(missing)?.clone();
        Ok(Self { narrowed: Some((narrowing, here)) })
    }

    /// Whether an edge is here: it says that it stands at the location or, where it does not say,
    /// it is in the region that serves it.
    pub(super) fn keeps_edge(&self, edge: &Edge) -> bool {
        let Some((_, here)) = &self.narrowed else { return true };
        match &edge.site {
            Some(_) => is(edge.site.as_ref(), &here.reference),
            None => here.region.is_some() && edge.region == here.region,
        }
    }

    /// Whether a group is here: one of its edges is, or a target links to it.
    pub(super) fn keeps_group(&self, group: &EdgeGroup, edges: &[Edge]) -> bool {
        let Some((narrowing, _)) = &self.narrowed else { return true };
        let is_linked = narrowing.edge_groups.iter().any(|link| group.reference.is(link));
        is_linked || edges.iter().any(|edge| is_member(edge, group))
    }

    /// Whether a trunk is here: its edge is, or a target links to it.
    pub(super) fn keeps_trunk(&self, trunk: &Trunk, edges: &[Edge]) -> bool {
        let Some((narrowing, _)) = &self.narrowed else { return true };
        let is_linked = narrowing.trunks.iter().any(|link| trunk.is(link));
        is_linked || edges.iter().any(|edge| is(trunk.edge.as_ref(), &edge.reference))
    }

    /// Whether a location is here.
    pub(super) fn keeps_location(&self, location: &Reference) -> bool {
        self.narrowed.as_ref().is_none_or(|(_, here)| here.reference.id == location.id)
    }

    /// Whether an edge that is not here can have a trunk that is: only where a target links to one.
    pub(super) fn asks_edge(&self, edge: &Edge) -> bool {
        let links =
            self.narrowed.as_ref().is_some_and(|(narrowing, _)| !narrowing.trunks.is_empty());
        links || self.keeps_edge(edge)
    }
}

fn is(of: Option<&Reference>, what: &Reference) -> bool {
    of.is_some_and(|of| of.id == what.id)
}

/// The things of a part by the latest reading of it or, where it was not asked for, by the one
/// before.
pub(super) fn known<'a, T>(reading: &'a Reading<T>, previous: &'a [T]) -> Result<&'a [T], Failed> {
    match reading {
        None => Ok(previous),
        Some(Ok(listing)) => Ok(&listing.items),
        Some(Err(failed)) => Err(failed.clone()),
    }
}
