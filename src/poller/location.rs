//! One location of many: its sites, and what belongs to them.

use std::collections::BTreeSet;

use super::failed::Failed;
use super::readings::{MOST_CHANGES, Reading, Readings};
use crate::telephony::{ApiProblem, Edge, EdgeGroup, Part, Reference, Site, Snapshot, Trunk};

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

impl Narrowing {
    /// Leaves what belongs to the location: its sites, their edges and phones, and the trunks and
    /// groups of these edges. Without the sites nothing can be told apart, and without the edges
    /// no trunk and no group. Of the parts that were not asked for, `previous` has what belongs
    /// here already.
    pub(super) fn applied(&self, all: Readings, previous: &Snapshot) -> Readings {
        let here = match self.sites_here(&all.sites, previous) {
            Ok(here) => here,
            Err(failed) => return all.failed(&failed, &self.location),
        };
        let is_here = |site: Option<&Reference>| {
            site.is_some_and(|site| here.iter().any(|it| it.reference.id == site.id))
        };
        let edges = only(all.edges, |edge| is_here(edge.site.as_ref()));
        let kept: Result<&[Edge], Failed> = match &edges {
            None => Ok(&previous.edges.items),
            Some(Ok(edges)) => Ok(&edges.items),
            Some(Err(failed)) => Err(failed.clone()),
        };
        let is_kept = |edge: Option<&Reference>| match (&kept, edge) {
            (Ok(edges), Some(at)) => edges.iter().any(|edge| edge.reference.id == at.id),
            (Ok(_) | Err(_), _) => false,
        };
        let trunks = match &kept {
            Ok(edges) => only(all.trunks, |trunk| self.keeps_trunk(trunk, edges)),
            Err(failed) => all.trunks.map(|_| Err(failed.clone())),
        };
        let edge_groups = match &kept {
            Ok(edges) => only(all.edge_groups, |group| self.keeps_group(group, edges)),
            Err(failed) => all.edge_groups.map(|_| Err(failed.clone())),
        };
        let trunks_here: &[Trunk] = match &trunks {
            Some(Ok(trunks)) => &trunks.items,
            None | Some(Err(_)) => &previous.trunks.items,
        };
        let is_trunk_here = |at: &Reference| trunks_here.iter().any(|it| it.reference.id == at.id);
        let has_base = |at: &Reference| {
            trunks_here.iter().filter_map(|it| it.base.as_ref()).any(|b| b.id == at.id)
        };
        let trunk_metrics = only(all.trunk_metrics, |it| is_trunk_here(&it.trunk));
        let trunk_settings = only(all.trunk_settings, |it| has_base(&it.reference));
        let edge_metrics = only(all.edge_metrics, |it| is_kept(Some(&it.edge)));
        let quality = only(all.quality, |it| is_kept(Some(&it.edge)));
        let phones = only(all.phones, |phone| is_here(phone.site.as_ref()));
        let sites = only(all.sites, |site| is_here(Some(&site.reference)));
        let locations = only(all.locations, |it| it.reference.is(&self.location));
        let mut here = BTreeSet::new();
        here.extend(ids(&edges, &previous.edges, |it| Some(&it.reference)));
        here.extend(ids(&edge_groups, &previous.edge_groups, |it| Some(&it.reference)));
        here.extend(ids(&trunks, &previous.trunks, |it| Some(&it.reference)));
        here.extend(ids(&trunks, &previous.trunks, |it| it.base.as_ref()));
        here.extend(ids(&trunk_settings, &previous.trunk_settings, |it| Some(&it.reference)));
        here.extend(ids(&phones, &previous.phones, |it| Some(&it.reference)));
        here.extend(ids(&sites, &previous.sites, |it| Some(&it.reference)));
        here.extend(ids(&sites, &previous.sites, |it| it.location.as_ref()));
        here.extend(ids(&locations, &previous.locations, |it| Some(&it.reference)));
        let mut changes = only(all.changes, |it| here.contains(it.entity.id.as_str()));
        if let Some(Ok(changes)) = &mut changes {
            changes.items.truncate(MOST_CHANGES);
        }
        drop(here);
        Readings {
            edges,
            edge_groups,
            trunks,
            phones,
            sites,
            locations,
            trunk_settings,
            edge_metrics,
            trunk_metrics,
            quality,
            organization: all.organization,
            authorities: all.authorities,
            changes,
        }
    }

    /// The sites of the location; there is at least one.
    fn sites_here(&self, read: &Reading<Site>, previous: &Snapshot) -> Result<Vec<Site>, Failed> {
        let sites = match read {
            None => &previous.sites.items,
            Some(Ok(sites)) => &sites.items,
            Some(Err(failed)) => return Err(failed.clone()),
        };
        let is_here = |site: &&Site| {
            site.location.as_ref().is_some_and(|location| location.is(&self.location))
        };
        let here: Vec<Site> = sites.iter().filter(is_here).cloned().collect();
        if here.is_empty() {
            // What could not be read says nothing about where sites stand.
            if let (None, Some(failed)) = (read, Failed::of(&previous.sites)) {
                return Err(failed);
            }
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

/// The ids of what was read or known of a part, or of what that refers to.
fn ids<'a, T>(
    read: &'a Reading<T>,
    previous: &'a Part<T>,
    reference: impl Fn(&'a T) -> Option<&'a Reference>,
) -> Vec<&'a str> {
    let read = read.iter().flatten().flat_map(|listing| &listing.items);
    let references = read.chain(&previous.items).filter_map(reference);
    references.map(|it| it.id.as_str()).filter(|id| !id.is_empty()).collect()
}

/// Leaves out what is not wanted.
fn only<T>(reading: Reading<T>, is_wanted: impl Fn(&T) -> bool) -> Reading<T> {
    Some(reading?.map(|listing| listing.only(is_wanted)))
}

impl Readings {
    /// Every part that was asked for and depends on the sites failed as they did.
    fn failed(self, failed: &Failed, location: &str) -> Self {
        fn fails<T>(reading: Reading<T>, failed: &Failed) -> Reading<T> {
            reading.map(|_| Err(failed.clone()))
        }
        Self {
            edges: fails(self.edges, failed),
            edge_groups: fails(self.edge_groups, failed),
            trunks: fails(self.trunks, failed),
            phones: fails(self.phones, failed),
            sites: fails(self.sites, failed),
            locations: only(self.locations, |it| it.reference.is(location)),
            organization: self.organization,
            trunk_settings: fails(self.trunk_settings, failed),
            authorities: self.authorities,
            edge_metrics: fails(self.edge_metrics, failed),
            trunk_metrics: fails(self.trunk_metrics, failed),
            quality: fails(self.quality, failed),
            changes: fails(self.changes, failed),
        }
    }
}
