//! The parts of a reading, each by the calls that the guide makes for it.

use std::collections::BTreeSet;
use std::future::Future;

use branchline_probes::Foreign;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;

use super::narrowed::{Scope, known};
use super::{
    ANALYTICS, AUDIT_LOGS, DIAGNOSTICS, EDGE_GROUP, EDGE_GROUPS, EDGES, LOCATIONS, PHONES,
    REGISTRATIONS, TENANT, TRUNKS, analytics, audit, edge, phone, place, trunk,
};
use crate::poller::failed::Failed;
use crate::poller::page::{Decoded, Listing, Pages};
use crate::poller::path::Path;
use crate::poller::reading::{Asking, Told};
use crate::poller::readings::{Reading, Readings};
use crate::telephony::{
    ApiProblem, Change, Edge, EdgeGroup, Location, Organization, PartName, Phone, Reference, Trunk,
    TrunkMetrics, TrunkSettings,
};

/// How many requests of one part are under way at once; the guide sends ten at a time.
const AT_ONCE: usize = 10;

/// What says where things are, and so what belongs here.
pub(super) async fn places<'a>(asking: &Asking<'a>) -> (Readings, Result<Scope<'a>, Failed>) {
    let (locations, organization) = tokio::join!(
        asking.part(PartName::Locations, asking.list(LOCATIONS, &[], place::location)),
        asking.part(PartName::Organization, organization(asking)),
    );
    let scope = {
        let before = &asking.previous.locations;
        let known = known(&locations, &before.items);
        match (Scope::of(asking.narrowing, known), Failed::of(before)) {
            // What could not be read says nothing about which locations there are.
            (Err(_), Some(failed)) if locations.is_none() => Err(failed),
            (scope, _) => scope,
        }
    };
    (Readings { locations, organization, ..Readings::default() }, scope)
}

/// Leaves the location that belongs here; until then all of them are needed.
pub(super) fn narrow_places(readings: &mut Readings, scope: &Result<Scope<'_>, Failed>) {
    match (&mut readings.locations, scope) {
        (Some(Ok(locations)), Ok(scope)) => {
            locations.items.retain(|location| scope.keeps_location(&location.reference));
        }
        (Some(locations), Err(failed)) => *locations = Err(failed.clone()),
        (Some(Err(_)) | None, _) => {}
    }
}

async fn organization(asking: &Asking<'_>) -> Result<Listing<Organization>, Failed> {
    let tenant = asking.one(Path::fixed(TENANT), &[]).await?;
    let Some((organization, is_known)) = place::organization(&tenant) else {
        let what = "a tenant without an id and a region";
        return Err(tenant.failed(ApiProblem::Malformed { path: TENANT, what }));
    };
    let unknown = usize::from(!is_known);
    Ok(Listing { items: vec![organization], unreadable: 0, unknown })
}

/// Edges and their groups; which edge is of which group only the group says. The edges whose trunks
/// are to be asked for, which a link from a target may make more than those that are here.
pub(super) async fn edges_and_groups(
    asking: &Asking<'_>,
    scope: &Result<Scope<'_>, Failed>,
    readings: &mut Readings,
) -> Vec<Reference> {
    let mut asked = Vec::new();
    let (edges, groups) = tokio::join!(
        asking.part(PartName::Edges, async {
            let scope = scope.as_ref().map_err(Failed::clone)?;
            let pages = Pages::of(Path::fixed(EDGES)).numbered(Some("page"));
            let edges = asking.pages(pages, edge::edge).await?;
            let asks = edges.items.iter().filter(|edge| scope.asks_edge(edge));
            asked.extend(asks.map(|edge| edge.reference.clone()));
            Ok(edges.only(|edge| scope.keeps_edge(edge)))
        }),
        asking.part(PartName::EdgeGroups, asking.list(EDGE_GROUPS, &[], edge::edge_group)),
    );
    let edge_groups = {
        let edges = known(&edges, &asking.previous.edges.items);
        groups.map(|groups| {
            let scope = scope.as_ref().map_err(Failed::clone)?;
            // Without a location a group needs no edge to be told.
            let edges = if asking.narrowing.is_some() { edges? } else { edges.unwrap_or_default() };
            let groups = groups?.only(|group| scope.keeps_group(group, edges));
            Ok(groups.map(|group| edge::named(group, edges)))
        })
    };
    let edges = {
        let groups = known(&edge_groups, &asking.previous.edge_groups.items).unwrap_or_default();
        edges.map(|edges| Ok(edges?.map(|edge| edge::joined(edge, groups))))
    };
    if edges.is_none() {
        let previous = asking.previous;
        asked.extend(previous.edges.items.iter().map(|edge| edge.reference.clone()));
        asked.extend(previous.trunks.items.iter().filter_map(|trunk| trunk.edge.clone()));
        asked.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        asked.dedup_by(|one, other| one.id == other.id);
    }
    readings.edges = edges;
    readings.edge_groups = edge_groups;
    asked
}

/// One edge group, by its name or id: asked for by its id, which its name has to be told of once.
pub(super) async fn edge_group(
    asking: &Asking<'_>,
    link: &str,
) -> Result<Listing<EdgeGroup>, Failed> {
    let known = asking.previous.edge_groups_of(link).next().map(|group| group.reference.clone());
    let known = match known {
        Some(known) => Some(known),
        None => {
            let groups = asking.list(EDGE_GROUPS, &[], edge::edge_group).await?.items;
            groups.into_iter().map(|group| group.reference).find(|group| group.is(link))
        }
    };
    let Some(id) = known.map(|known| known.id) else { return Ok(nothing()) };
    let mut group = match asking.one(Path::of(EDGE_GROUP, &[id.as_str()]), &[]).await {
        Err(failed) if is_gone(&failed) => return Ok(nothing()),
        group => group?,
    };
    match edge::edge_group(group.take(), asking.begun) {
        Decoded::Item(group) => Ok(one(group, 0)),
        Decoded::Odd(group) => Ok(one(group, 1)),
        Decoded::Deleted => Ok(nothing()),
        Decoded::Unreadable => {
            let what = "an edge group without an id";
            Err(group.failed(ApiProblem::Malformed { path: EDGE_GROUP, what }))
        }
    }
}

/// The phones of every group, and of those that ail what the vendor says of them.
pub(super) async fn phones(
    asking: &Asking<'_>,
    scope: &Result<Scope<'_>, Failed>,
    groups: Result<&[EdgeGroup], Failed>,
) -> Reading<Phone> {
    let phones = asking.part(PartName::Phones, async {
        scope.as_ref().map_err(Failed::clone)?;
        let groups = groups?;
        let of = |group: &EdgeGroup| {
            let group = group.reference.clone();
            async move {
                let path = Path::of(PHONES, &[group.id.as_str()]);
                let decode = |entity, _| phone::phone(entity, &group);
                asking.list_at(path, &[], decode).await
            }
        };
        let phones = together(groups.iter().map(of)).await?;
        let mut phones = once(phones, |phone: &Phone| &phone.reference);
        let before = &asking.previous.phones.items;
        phone::carry(&mut phones.items, before, asking.begun);
        diagnose(asking, &mut phones.items).await;
        Ok(phones)
    });
    phones.await
}

/// Fewer than the failures in a row after which nothing at all is asked any more: a diagnosis is worth
/// less than the rest of the reading.
const DIAGNOSES_AT_ONCE: usize = 4;

/// Asks why phones ail, until the vendor fails to say; what it does not tell changes nothing else of
/// them.
async fn diagnose(asking: &Asking<'_>, phones: &mut [Phone]) {
    let diagnoses: Vec<_> = phone::to_diagnose(phones)
        .into_iter()
        .filter_map(|place| {
            let phone = phones.get(place)?;
            let group = phone.edge_group.as_ref()?;
            let path = Path::of(DIAGNOSTICS, &[group.id.as_str(), phone.reference.id.as_str()]);
            Some(async move { (place, asking.one(path, &[]).await) })
        })
        .collect();
    let mut diagnoses = stream::iter(diagnoses).buffered(DIAGNOSES_AT_ONCE);
    while let Some((place, diagnosis)) = diagnoses.next().await {
        match (diagnosis, phones.get_mut(place)) {
            (Ok(diagnosis), Some(phone)) => phone.problem = phone::problem(&diagnosis),
            (Ok(_), None) => {}
            (Err(failed), _) => {
                let (problem, correlation) = (failed.problem, failed.correlation);
                let correlation_id = correlation.as_ref().map(Foreign::as_str);
                tracing::debug!(%problem, correlation_id, "a phone cannot be diagnosed");
                if !matches!(problem, ApiProblem::NotFound { .. } | ApiProblem::Conflict { .. }) {
                    return;
                }
            }
        }
    }
}

/// The trunks of every edge with their registrations, and their settings.
pub(super) async fn trunks(
    asking: &Asking<'_>,
    scope: &Result<Scope<'_>, Failed>,
    edges: Result<&[Edge], Failed>,
    asked: &[Reference],
) -> (Reading<Trunk>, Reading<TrunkSettings>) {
    let mut settings = None;
    let trunks = asking.part(PartName::Trunks, async {
        let scope = scope.as_ref().map_err(Failed::clone)?;
        let edges = edges?;
        let of = |edge: &Reference| {
            let edge = edge.clone();
            async move {
                let path = Path::of(TRUNKS, &[edge.id.as_str()]);
                let decode = |entity, _| trunk::listed(entity, &edge);
                asking.list_at(path, &[], decode).await
            }
        };
        let listed = together(asked.iter().map(of)).await?;
        let listed = once(listed, |it: &trunk::Listed| &it.trunk.reference);
        let listed = listed.only(|it| scope.keeps_trunk(&it.trunk, edges));
        settings = Some(listed.clone().map(|it| it.settings));
        registered(asking, listed).await
    });
    let trunks = trunks.await;
    let settings = match (&trunks, settings) {
        (None, _) => None,
        (Some(_), Some(settings)) => Some(Ok(settings)),
        (Some(Err(failed)), None) => Some(Err(failed.clone())),
        (Some(Ok(_)), None) => None,
    };
    (trunks, settings.filter(|_| asking.wanted.contains(&PartName::TrunkSettings)))
}

/// Tells trunks how they are registered.
async fn registered(
    asking: &Asking<'_>,
    listed: Listing<trunk::Listed>,
) -> Result<Listing<Trunk>, Failed> {
    let Listing { items, unreadable, unknown } = listed;
    let heard = items.into_iter().map(|listed| async move {
        let edge = listed.trunk.edge.as_ref().map(|edge| edge.id.as_str()).unwrap_or_default();
        let ids = [edge, listed.trunk.reference.id.as_str()];
        if !listed.registers {
            return Ok(one(trunk::joined(&listed, None), 0));
        }
        match asking.list_at(Path::of(REGISTRATIONS, &ids), &[], trunk::registration).await {
            Ok(heard) => Ok(one(trunk::joined(&listed, Some(&heard.items)), heard.unknown)),
            Err(failed) if is_gone(&failed) => Ok(one(trunk::joined(&listed, None), 0)),
            Err(failed) => Err(failed),
        }
    });
    let mut trunks = together(heard).await?;
    trunks.unreadable += unreadable;
    trunks.unknown += unknown;
    Ok(trunks)
}

/// One thing as a listing; it is odd where anything of it is.
fn one<T>(item: T, unknown: usize) -> Listing<T> {
    Listing { items: vec![item], unreadable: 0, unknown: unknown.min(1) }
}

const fn nothing<T>() -> Listing<T> {
    Listing { items: Vec::new(), unreadable: 0, unknown: 0 }
}

/// What trunks carried, by the hour.
pub(super) async fn trunk_metrics(
    asking: &Asking<'_>,
    scope: &Result<Scope<'_>, Failed>,
    trunks: Result<&[Trunk], Failed>,
) -> Reading<TrunkMetrics> {
    let metrics = asking.part(PartName::TrunkMetrics, async {
        scope.as_ref().map_err(Failed::clone)?;
        // Without a location numbers need no trunk to be told.
        let is_narrowed = asking.narrowing.is_some();
        let trunks = if is_narrowed { trunks? } else { trunks.unwrap_or_default() };
        let mut hours = analytics::Hours::default();
        numbers(asking, &mut hours).await?;
        let mut items = hours.latest(trunks);
        let is_known = |it: &TrunkMetrics| trunks.iter().any(|t| t.reference.id == it.trunk.id);
        items.retain(|it| !is_narrowed || is_known(it));
        Ok(Listing { items, unreadable: 0, unknown: 0 })
    });
    metrics.await
}

/// Reads the answer to the question for numbers, page by page as its `nextUri` leads on.
async fn numbers(asking: &Asking<'_>, hours: &mut analytics::Hours) -> Result<(), Failed> {
    let (path, query) = (Path::fixed(ANALYTICS), analytics::query(asking.begun));
    let mut followed = BTreeSet::new();
    let mut answer = asking.post(Path::fixed(ANALYTICS), &query).await?;
    loop {
        hours.read(&answer);
        let next = answer.get("nextUri").and_then(Value::as_str).filter(|uri| !uri.is_empty());
        let Some(next) = next.map(str::to_owned) else { return Ok(()) };
        let what = match (followed.len() < MOST_PAGES, followed.insert(next.clone())) {
            (false, _) => "more than 50 pages",
            (true, false) => "the same page twice",
            (true, true) => {
                let page = asking.client.follow(&path, &next, Some(&query)).await?;
                answer = Told::of(page, ANALYTICS)?;
                continue;
            }
        };
        return Err(answer.failed(ApiProblem::Malformed { path: ANALYTICS, what }));
    }
}

/// Two hours of 200 trunks are a few pages.
const MOST_PAGES: usize = 50;

/// What somebody changed at the locations in the last day, the latest first.
pub(super) async fn changes(
    asking: &Asking<'_>,
    scope: &Result<Scope<'_>, Failed>,
    locations: Result<&[Location], Failed>,
) -> Reading<Change> {
    let changes = asking.part(PartName::Changes, async {
        let scope = scope.as_ref().map_err(Failed::clone)?;
        let here = locations?.iter().map(|location| &location.reference);
        let here = here.filter(|location| scope.keeps_location(location)).take(MOST_AUDITED);
        let of = |location: &Reference| {
            let location = location.clone();
            async move {
                let query = audit::query(&location, asking.begun);
                let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
                let decode = |entity, _| audit::change(entity, &location);
                asking.list_at(Path::fixed(AUDIT_LOGS), &query, decode).await
            }
        };
        let mut changes = together(here.map(of)).await?;
        changes.items.sort_by_key(|change| std::cmp::Reverse(change.when));
        changes.items.truncate(MOST_CHANGES);
        Ok(changes)
    });
    changes.await
}

/// The audit log is asked of one location at a time.
const MOST_AUDITED: usize = 20;

/// The latest of them say what changed just before something broke.
const MOST_CHANGES: usize = 200;

/// Every listing as one, in order; the first that fails fails them all. Below what was deleted since
/// it was listed there is nothing, unless that is so of everything: then the call itself is unknown.
async fn together<T, F>(listings: impl Iterator<Item = F>) -> Result<Listing<T>, Failed>
where
    F: Future<Output = Result<Listing<T>, Failed>>,
{
    let mut all = nothing();
    let (mut gone, mut has_one) = (None, false);
    let listings: Vec<F> = listings.collect();
    let mut listings = stream::iter(listings).buffered(AT_ONCE);
    while let Some(listing) = listings.next().await {
        match listing {
            Ok(listing) => {
                has_one = true;
                all.items.extend(listing.items);
                all.unreadable += listing.unreadable;
                all.unknown += listing.unknown;
            }
            Err(failed) if is_gone(&failed) => gone = Some(failed),
            Err(failed) => return Err(failed),
        }
    }
    gone.filter(|_| !has_one).map_or(Ok(all), Err)
}

/// A thing that two listings have is one.
fn once<T>(mut listing: Listing<T>, reference: impl Fn(&T) -> &Reference) -> Listing<T> {
    let mut seen = BTreeSet::new();
    listing.items.retain(|item| seen.insert(reference(item).id.as_str().to_owned()));
    listing
}

const fn is_gone(failed: &Failed) -> bool {
    matches!(failed.problem, ApiProblem::NotFound { .. })
}
