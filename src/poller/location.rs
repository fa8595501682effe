//! One location of many: its sites, and what belongs to them.

use branchline_probes::Foreign;

use super::page::Listing;
use super::transport::Failed;
use crate::telephony::{ApiProblem, Edge, EdgeGroup, Phone, Reference, Trunk};

/// To what a reading is narrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// The location, by name or id.
    pub location: String,
    /// Trunks that are kept wherever they are, by their own name or id or that of their settings.
    pub trunks: Vec<String>,
    /// Edge groups that are kept wherever their edges are, and if they have none, by name or id.
    pub edge_groups: Vec<String>,
}

/// Where edges and phones stand.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) id: Foreign,
    pub(super) location: Option<Reference>,
}

/// What became of each part.
pub(super) struct Readings {
    pub(super) edges: Result<Listing<Edge>, Failed>,
    pub(super) edge_groups: Result<Listing<EdgeGroup>, Failed>,
    pub(super) trunks: Result<Listing<Trunk>, Failed>,
    pub(super) phones: Result<Listing<Phone>, Failed>,
}

impl Narrowing {
    /// Leaves what belongs to the location: the edges and phones of its sites, and the trunks and
    /// groups of these edges. Without the sites nothing can be told apart, and without the edges
    /// no trunk and no group.
    pub(super) fn applied(&self, sites: Result<Listing<Site>, Failed>, all: Readings) -> Readings {
        let here = match sites.and_then(|sites| self.sites(&sites.items)) {
            Ok(here) => here,
            Err(failed) => return Readings::failed(&failed),
        };
        let is_here = |site: Option<&Reference>| site.is_some_and(|site| here.contains(&site.id));
        let edges = all.edges.map(|edges| edges.only(|edge| is_here(edge.site.as_ref())));
        let kept = || match &edges {
            Ok(edges) => Ok(edges.items.as_slice()),
            Err(failed) => Err(failed.clone()),
        };
        let trunks = all.trunks.and_then(|trunks| {
            let edges = kept()?;
            Ok(trunks.only(|trunk| self.keeps_trunk(trunk, edges)))
        });
        let edge_groups = all.edge_groups.and_then(|groups| {
            let edges = kept()?;
            Ok(groups.only(|group| self.keeps_group(group, edges)))
        });
        let phones = all.phones.map(|phones| phones.only(|phone| is_here(phone.site.as_ref())));
        Readings { edges, edge_groups, trunks, phones }
    }

    /// The sites of the location; there is at least one.
    fn sites(&self, sites: &[Site]) -> Result<Vec<Foreign>, Failed> {
        let is_here = |site: &&Site| {
            site.location.as_ref().is_some_and(|location| location.is(&self.location))
        };
        let here: Vec<Foreign> = sites.iter().filter(is_here).map(|site| site.id.clone()).collect();
        if here.is_empty() {
            return Err(ApiProblem::NoSuchLocation { location: self.location.clone() }.into());
        }
        Ok(here)
    }

    fn keeps_trunk(&self, trunk: &Trunk, edges: &[Edge]) -> bool {
        let is_on = |edge: &Edge| trunk.edge.as_ref().is_some_and(|on| on.id == edge.reference.id);
        edges.iter().any(is_on) || self.trunks.iter().any(|link| trunk.is(link))
    }

    fn keeps_group(&self, group: &EdgeGroup, edges: &[Edge]) -> bool {
        let has =
            |edge: &Edge| edge.edge_group.as_ref().is_some_and(|of| of.id == group.reference.id);
        edges.iter().any(has) || self.edge_groups.iter().any(|link| group.reference.is(link))
    }
}

impl Readings {
    fn failed(failed: &Failed) -> Self {
        Self {
            edges: Err(failed.clone()),
            edge_groups: Err(failed.clone()),
            trunks: Err(failed.clone()),
            phones: Err(failed.clone()),
        }
    }
}
