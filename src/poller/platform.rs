//! The published API in the words of `telephony`.

mod edge;
mod entity;
mod phone;
mod site;
pub(super) mod thing;
mod trunk;

use std::time::Duration;

use super::reading::{Asking, Readings};
use crate::telephony::PartName;

const EDGES: &str = "/api/v2/telephony/providers/edges";
const EDGE_GROUPS: &str = "/api/v2/telephony/providers/edges/edgegroups";
const TRUNKS: &str = "/api/v2/telephony/providers/edges/trunks";
const PHONES: &str = "/api/v2/telephony/providers/edges/phones";
const SITES: &str = "/api/v2/telephony/providers/edges/sites";

/// Without it a site's location may come without its name.
const SITES_QUERY: &[(&str, &str)] = &[("expand", "location")];

/// Without the first the list carries no status; in another order than the second it ends at
/// 10,000 phones.
const PHONES_QUERY: &[(&str, &str)] = &[("expand", "status"), ("sortBy", "id")];

/// How often a part is read; `None` where this API does not have it.
pub(super) fn pace(part: PartName, interval: Duration) -> Option<Duration> {
    match part {
        PartName::Edges | PartName::EdgeGroups | PartName::Trunks | PartName::Phones => {
            Some(interval)
        }
        PartName::Sites => Some(interval.max(SLOW)),
        PartName::Locations
        | PartName::Organization
        | PartName::TrunkSettings
        | PartName::Authorities
        | PartName::EdgeMetrics
        | PartName::TrunkMetrics
        | PartName::Quality
        | PartName::Changes => None,
    }
}

/// Reads what is wanted.
pub(super) async fn read(asking: &Asking<'_>) -> Readings {
    let edges_and_groups = async {
        let edges = asking.list(EDGES, &[], edge::edge);
        let edges = asking.part(PartName::Edges, edges).await;
        let edge_groups = asking.part(PartName::EdgeGroups, async {
            match &edges {
                Some(Err(failed)) => Err(failed.clone()),
                Some(Ok(edges)) => {
                    let groups = asking.list(EDGE_GROUPS, &[], edge::edge_group).await?;
                    Ok(groups.map(|group| edge::joined(group, &edges.items, edges.unreadable)))
                }
                None => {
                    let groups = asking.list(EDGE_GROUPS, &[], edge::edge_group).await?;
                    let edges = &asking.previous.edges;
                    Ok(groups.map(|group| edge::joined(group, &edges.items, edges.unreadable)))
                }
            }
        });
        let edge_groups = edge_groups.await;
        (edges, edge_groups)
    };
    let ((edges, edge_groups), trunks, phones, sites) = tokio::join!(
        edges_and_groups,
        asking.part(PartName::Trunks, asking.list(TRUNKS, &[], trunk::trunk)),
        asking.part(PartName::Phones, asking.list(PHONES, PHONES_QUERY, phone::phone)),
        asking.part(PartName::Sites, asking.list(SITES, SITES_QUERY, site::site)),
    );
    Readings { edges, edge_groups, trunks, phones, sites, ..Readings::default() }
}

/// What rarely changes is read that rarely.
const SLOW: Duration = Duration::from_secs(15 * 60);
