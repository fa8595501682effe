//! The published API in the words of `telephony`.

mod authority;
mod batch;
mod changes;
mod edge;
mod entity;
mod interface;
mod load;
mod media;
mod phone;
mod quality;
mod site;
pub(super) mod thing;
mod trunk;
mod trunk_settings;

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::failed::Failed;
use super::page::Listing;
use super::reading::Asking;
use super::readings::{Reading, Readings};
use crate::telephony::{Edge, EdgeGroup, PartName, Reference, Trunk};

const EDGES: &str = "/api/v2/telephony/providers/edges";
const EDGE_METRICS: &str = "/api/v2/telephony/providers/edges/metrics";
const EDGE_GROUPS: &str = "/api/v2/telephony/providers/edges/edgegroups";
const TRUNKS: &str = "/api/v2/telephony/providers/edges/trunks";
const TRUNK_METRICS: &str = "/api/v2/telephony/providers/edges/trunks/metrics";
const TRUNK_SETTINGS: &str = "/api/v2/telephony/providers/edges/trunkbasesettings";
const PHONES: &str = "/api/v2/telephony/providers/edges/phones";
const SITES: &str = "/api/v2/telephony/providers/edges/sites";
const AUTHORITIES: &str = "/api/v2/telephony/providers/edges/certificateauthorities";
const LOCATIONS: &str = "/api/v2/locations";

/// Without it a site's location may come without its name.
const SITES_QUERY: &[(&str, &str)] = &[("expand", "location")];

/// Without the first the list carries no status, without the second no hardware address; in
/// another order than the third it ends at 10,000 phones.
const PHONES_QUERY: &[(&str, &str)] =
    &[("expand", "status"), ("expand", "properties"), ("sortBy", "id")];

/// Without it settings are names alone.
const SETTINGS_QUERY: &[(&str, &str)] = &[("expand", "properties")];

/// How often a part is read; `None` where this API does not have it.
pub(super) fn pace(part: PartName, interval: Duration) -> Option<Duration> {
    Some(match part {
        PartName::Edges
        | PartName::EdgeGroups
        | PartName::Trunks
        | PartName::Phones
        | PartName::EdgeMetrics
        | PartName::TrunkMetrics => interval,
        PartName::Quality => interval.max(SLOW),
        PartName::Sites
        | PartName::Locations
        | PartName::Organization
        | PartName::TrunkSettings
        | PartName::Authorities
        | PartName::Changes => interval.max(SLOWER),
    })
}

/// Reads what is wanted.
pub(super) async fn read(asking: &Asking<'_>) -> Readings {
    let of_edges = async {
        let edges = asking.part(PartName::Edges, edges(asking)).await;
        let here = ids(asking, &edges, &asking.previous.edges.items, |edge: &Edge| &edge.reference);
        let texts = texts(&here);
        let metrics = batch::of_ids(asking, EDGE_METRICS, "edgeIds", &texts, load::edge_metrics);
        let (edge_groups, edge_metrics, quality) = tokio::join!(
            asking.part(PartName::EdgeGroups, edge_groups(asking, &edges)),
            asking.part(PartName::EdgeMetrics, metrics),
            asking.part(PartName::Quality, quality::quality(asking, &here)),
        );
        (edges, edge_groups, edge_metrics, quality)
    };
    let of_trunks = async {
        let trunks = asking.list(TRUNKS, &[], trunk::trunk);
        let trunks = asking.part(PartName::Trunks, trunks).await;
        let here =
            ids(asking, &trunks, &asking.previous.trunks.items, |trunk: &Trunk| &trunk.reference);
        let texts = texts(&here);
        let metrics = batch::of_ids(asking, TRUNK_METRICS, "trunkIds", &texts, load::trunk_metrics);
        let trunk_metrics = asking.part(PartName::TrunkMetrics, metrics).await;
        (trunks, trunk_metrics)
    };
    let settings = asking.list(TRUNK_SETTINGS, SETTINGS_QUERY, trunk_settings::trunk_settings);
    let authorities = batch::only_page(asking, AUTHORITIES, authority::authority);
    let (
        of_edges,
        of_trunks,
        phones,
        sites,
        locations,
        organization,
        settings,
        authorities,
        changes,
    ) = tokio::join!(
        of_edges,
        of_trunks,
        asking.part(PartName::Phones, asking.list(PHONES, PHONES_QUERY, phone::phone)),
        asking.part(PartName::Sites, asking.list(SITES, SITES_QUERY, site::site)),
        asking.part(PartName::Locations, asking.list(LOCATIONS, &[], site::location)),
        asking.part(PartName::Organization, site::organization(asking)),
        asking.part(PartName::TrunkSettings, settings),
        asking.part(PartName::Authorities, authorities),
        asking.part(PartName::Changes, changes::changes(asking)),
    );
    let (edges, edge_groups, edge_metrics, quality) = of_edges;
    let (trunks, trunk_metrics) = of_trunks;
    Readings {
        edges,
        edge_groups,
        trunks,
        phones,
        sites,
        locations,
        organization,
        trunk_settings: settings,
        authorities,
        edge_metrics,
        trunk_metrics,
        quality,
        changes,
    }
}

async fn edges(asking: &Asking<'_>) -> Result<Listing<Edge>, Failed> {
    let mut edges = asking.list(EDGES, &[], edge::edge).await?;
    interface::fill(asking, &mut edges.items).await;
    Ok(edges)
}

/// The groups are as ready as the edges that were read, or that were known where none were wanted.
async fn edge_groups(
    asking: &Asking<'_>,
    edges: &Reading<Edge>,
) -> Result<Listing<EdgeGroup>, Failed> {
    let known = &asking.previous.edges;
    let (items, unreadable) = match edges {
        Some(Err(failed)) => return Err(failed.clone()),
        Some(Ok(edges)) => (&edges.items, edges.unreadable),
        None => (&known.items, known.unreadable),
    };
    let groups = asking.list(EDGE_GROUPS, &[], edge::edge_group).await?;
    Ok(groups.map(|group| edge::joined(group, items, unreadable)))
}

/// The things of which more is to be asked: those that were just read, or else those that were
/// known. Where the reading is narrowed to a location, only what is known belongs to it for sure;
/// a thing that is new there waits for the next reading.
fn ids<T>(
    asking: &Asking<'_>,
    read: &Reading<T>,
    known: &[T],
    reference: fn(&T) -> &Reference,
) -> Vec<Reference> {
    let is_known = |it: &Reference| known.iter().any(|known| reference(known).id == it.id);
    match read {
        Some(Ok(read)) => {
            let read = read.items.iter().map(reference);
            let is_narrow = asking.previous.location.is_some();
            read.filter(|it| !is_narrow || is_known(it)).cloned().collect()
        }
        Some(Err(_)) | None => known.iter().map(reference).cloned().collect(),
    }
}

fn texts(references: &[Reference]) -> Vec<String> {
    references.iter().map(|it| it.id.as_str().to_owned()).collect()
}

/// The absolute interval of this length that ends with `end`, as the API wants it.
fn interval_until(end: SystemTime, length: Duration) -> String {
    let written = |at: SystemTime| {
        let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{at:.3}")
    };
    format!("{}/{}", written(end - length), written(end))
}

/// Analytics of the last minutes cost the vendor more than a list.
const SLOW: Duration = Duration::from_secs(5 * 60);

/// What rarely changes is read that rarely.
const SLOWER: Duration = Duration::from_secs(15 * 60);
