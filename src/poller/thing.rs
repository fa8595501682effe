//! What hints point at, read thing by thing and put in the place of what was known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use branchline_probes::Foreign;
use futures_util::future::join_all;

use super::failed::Failed;
use super::hints::MOST;
use super::page::{Decoded, Listing};
use super::reading::Asking;
use super::readings::Readings;
use super::{Narrowing, platform, since};
use crate::telephony::{ApiProblem, Edge, Hint, Part, PartName, Phone, Reference, Snapshot};

/// What has to be read because of hints.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The parts that are listed.
    pub(super) parts: BTreeSet<PartName>,
    /// The things that are read one by one.
    pub(super) things: BTreeMap<PartName, BTreeSet<Foreign>>,
}

impl Wanted {
    /// What `hints` ask for, given what is known already; `has_things` says of which parts this API
    /// gives single things.
    pub(super) fn of(
        hints: &BTreeSet<Hint>,
        previous: &Snapshot,
        has_things: impl Fn(PartName) -> bool,
    ) -> Self {
        let mut wanted = Self::default();
        for Hint { part, id } in hints {
            match id {
                Some(id) if has_things(*part) && is_plain(id) && knows(previous, *part, id) => {
                    wanted.things.entry(*part).or_default().insert(id.clone());
                }
                Some(_) | None => {
                    wanted.parts.insert(*part);
                }
            }
        }
        let many = wanted.things.iter().filter(|(_, ids)| ids.len() > MOST);
        wanted.parts.extend(many.map(|(part, _)| *part));
        wanted.things.retain(|part, _| !wanted.parts.contains(part));
        wanted
    }
}

/// Whether an id is the vendor's to the letter, and not what was left of one when it was taken in.
pub(super) fn is_plain(id: &Foreign) -> bool {
    let is_plain_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let id = id.as_str();
    !id.is_empty() && id.len() < Foreign::LIMIT && id.bytes().all(is_plain_byte)
}

fn knows(snapshot: &Snapshot, part: PartName, id: &Foreign) -> bool {
    fn has<T>(part: &Part<T>, id: &Foreign, reference: fn(&T) -> &Reference) -> bool {
        part.items.iter().any(|item| reference(item).id == *id)
    }
    match part {
        PartName::Edges => has(&snapshot.edges, id, |edge| &edge.reference),
        PartName::Trunks => has(&snapshot.trunks, id, |trunk| &trunk.reference),
        PartName::Phones => has(&snapshot.phones, id, |phone| &phone.reference),
        PartName::EdgeGroups
        | PartName::Sites
        | PartName::Locations
        | PartName::Organization
        | PartName::TrunkSettings
        | PartName::Authorities
        | PartName::EdgeMetrics
        | PartName::TrunkMetrics
        | PartName::Quality
        | PartName::Changes => false,
    }
}

/// The things that were not there when they were last asked for: once is no proof, since the
/// vendor's own servers may not agree yet (F9).
#[derive(Default)]
pub(super) struct Missing(Mutex<BTreeSet<(PartName, Foreign)>>);

impl Missing {
    /// Whether it was missing before; from now on it was.
    fn is_again(&self, part: PartName, id: &Foreign) -> bool {
        !self.with(|missing| missing.insert((part, id.clone())))
    }

    fn is_there(&self, part: PartName, id: &Foreign) {
        self.with(|missing| missing.remove(&(part, id.clone())));
    }

    /// What a listing says goes for all of its part.
    pub(super) fn forget(&self, parts: &BTreeSet<PartName>) {
        self.with(|missing| missing.retain(|(part, _)| !parts.contains(part)));
    }

    fn with<R>(&self, action: impl FnOnce(&mut BTreeSet<(PartName, Foreign)>) -> R) -> R {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was known, with the things of `wanted` as they are now, and the parts that have to be
/// listed to know more: those with a thing that could not be read, and edges together with their
/// groups where a group may no longer be what its edges made of it.
pub(super) async fn read(
    asking: &Asking<'_>,
    wanted: &BTreeMap<PartName, BTreeSet<Foreign>>,
    missing: &Missing,
    narrowing: Option<&Narrowing>,
) -> (Snapshot, BTreeSet<PartName>) {
    let previous = asking.previous;
    let none = BTreeSet::new();
    let ids = |part| wanted.get(&part).unwrap_or(&none);
    let (edges, trunks, phones) = tokio::join!(
        each(asking, ids(PartName::Edges), platform::thing::edge),
        each(asking, ids(PartName::Trunks), platform::thing::trunk),
        each(asking, ids(PartName::Phones), platform::thing::phone),
    );
    let mut unread = BTreeSet::new();
    let mut part = |name, is_unread| {
        if is_unread {
            unread.insert(name);
        }
        (name, missing)
    };
    let edges_unread = edges.iter().any(|(_, found)| matches!(found, Found::Unread));
    let trunks_unread = trunks.iter().any(|(_, found)| matches!(found, Found::Unread));
    let phones_unread = phones.iter().any(|(_, found)| matches!(found, Found::Unread));
    let readings = Readings {
        edges: put(
            &previous.edges,
            edges,
            part(PartName::Edges, edges_unread),
            (|it| &it.reference, carry_edge),
        ),
        trunks: put(
            &previous.trunks,
            trunks,
            part(PartName::Trunks, trunks_unread),
            (|it| &it.reference, |_, _| {}),
        ),
        phones: put(
            &previous.phones,
            phones,
            part(PartName::Phones, phones_unread),
            (|it| &it.reference, |now, before| carry_phone(now, before, asking.begun)),
        ),
        ..Readings::default()
    };
    let readings = match narrowing {
        Some(narrowing) => narrowing.applied(readings, previous),
        None => readings,
    };
    let mut snapshot = previous.clone();
    if let Some(Ok(edges)) = readings.edges {
        if is_other_for_groups(&previous.edges.items, &edges.items) {
            unread.insert(PartName::Edges);
        }
        snapshot.edges.items = edges.items;
    }
    if let Some(Ok(trunks)) = readings.trunks {
        snapshot.trunks.items = trunks.items;
    }
    if let Some(Ok(phones)) = readings.phones {
        snapshot.phones.items = phones.items;
    }
    (snapshot, unread)
}

/// What became of one thing.
enum Found<T> {
    Item(T),
    /// The vendor says that it was deleted.
    Deleted,
    /// The vendor knows of no such thing.
    Missing,
    /// Nobody knows.
    Unread,
}

async fn each<'a, T, F>(
    asking: &'a Asking<'_>,
    ids: &'a BTreeSet<Foreign>,
    read: impl Fn(&'a Asking<'a>, &'a Foreign) -> F,
) -> Vec<(Foreign, Found<T>)>
where
    F: Future<Output = Result<Decoded<T>, Failed>>,
{
    let one = async |id: &'a Foreign| {
        let found = match tokio::time::timeout_at(asking.end, read(asking, id)).await {
            Ok(Ok(Decoded::Item(item) | Decoded::Odd(item))) => Found::Item(item),
            Ok(Ok(Decoded::Deleted)) => Found::Deleted,
            Ok(Err(failed)) if matches!(failed.problem, ApiProblem::NotFound { .. }) => {
                Found::Missing
            }
            Ok(Ok(Decoded::Unreadable) | Err(_)) | Err(_) => Found::Unread,
        };
        (id.clone(), found)
    };
    join_all(ids.iter().map(one)).await
}

/// The items of a part with what was found in their places; `None` where nothing was looked for.
fn put<T: Clone>(
    part: &Part<T>,
    found: Vec<(Foreign, Found<T>)>,
    (name, missing): (PartName, &Missing),
    (reference, carry): (impl Fn(&T) -> &Reference, impl Fn(&mut T, &T)),
) -> Option<Result<Listing<T>, Failed>> {
    if found.is_empty() {
        return None;
    }
    let mut items = part.items.clone();
    for (id, found) in found {
        let place = items.iter().position(|item| reference(item).id == id);
        match (found, place) {
            (Found::Item(mut item), Some(place)) if reference(&item).id == id => {
                missing.is_there(name, &id);
                carry(&mut item, &items[place]);
                items[place] = item;
            }
            (Found::Deleted, Some(place)) => {
                items.remove(place);
            }
            (Found::Missing, Some(place)) if missing.is_again(name, &id) => {
                missing.is_there(name, &id);
                items.remove(place);
            }
            (Found::Item(_) | Found::Deleted | Found::Missing | Found::Unread, _) => {}
        }
    }
    Some(Ok(Listing { items, unreadable: part.unreadable, unknown: part.unknown }))
}

/// An edge alone may lack its addresses, which other calls tell of all edges at once.
fn carry_edge(now: &mut Edge, before: &Edge) {
    if now.addresses.is_empty() {
        now.addresses.clone_from(&before.addresses);
    }
}

/// A phone alone comes without its properties, and does not know what the reading before did.
fn carry_phone(now: &mut Phone, before: &Phone, begun: SystemTime) {
    since::carry(slice::from_mut(now), slice::from_ref(before), begun);
    if now.hardware.is_none() {
        now.hardware.clone_from(&before.hardware);
    }
}

/// Whether a group could be judged otherwise by `now` than by `before`.
fn is_other_for_groups(before: &[Edge], now: &[Edge]) -> bool {
    let judged = |edge: &Edge| {
        let group = edge.edge_group.as_ref().map(|group| group.id.clone());
        (edge.reference.id.clone(), edge.state, edge.is_in_service, group)
    };
    before.iter().map(judged).ne(now.iter().map(judged))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use branchline_probes::Foreign;

    use std::time::{Duration, SystemTime};

    use super::{MOST, Wanted, carry_edge, carry_phone};
    use crate::telephony::{Edge, Hint, Part, PartName, Phone, PhoneState, Reference, Snapshot};

    fn known(count: usize) -> Snapshot {
        let phone = |number: usize| Phone {
            reference: Reference { id: id(number), name: Foreign::default() },
            ..Phone::default()
        };
        let items = (0..count).map(phone).collect();
        Snapshot { phones: Part { items, ..Part::default() }, ..Snapshot::default() }
    }

    fn id(number: usize) -> Foreign {
        Foreign::new(format!("phone-{number}"))
    }

    fn hint(id: impl Into<Option<Foreign>>) -> Hint {
        Hint { part: PartName::Phones, id: id.into() }
    }

    fn wanted(hints: impl IntoIterator<Item = Hint>) -> Wanted {
        Wanted::of(&hints.into_iter().collect(), &known(100), |_| true)
    }

    fn listing() -> Wanted {
        Wanted { parts: BTreeSet::from([PartName::Phones]), things: BTreeMap::new() }
    }

    // F57
    #[test]
    fn a_known_thing_is_read_alone_and_what_is_unknown_or_without_an_id_by_its_part() {
        let one = wanted([hint(id(7))]);

        assert_eq!(one.parts, BTreeSet::new());
        assert_eq!(one.things, BTreeMap::from([(PartName::Phones, BTreeSet::from([id(7)]))]));
        assert_eq!(wanted([hint(None)]), listing());
        assert_eq!(wanted([hint(id(100))]), listing());
        assert_eq!(wanted([hint(id(7)), hint(id(100))]), listing());
    }

    // F57
    #[test]
    fn so_many_things_that_a_listing_costs_less_are_listed() {
        assert_eq!(wanted((0..MOST).map(|number| hint(id(number)))).parts, BTreeSet::new());
        assert_eq!(wanted((0..=MOST).map(|number| hint(id(number)))), listing());
    }

    #[test]
    fn what_only_listings_tell_of_a_thing_is_kept_when_it_is_read_alone() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let addresses = vec!["192.0.2.7".parse().expect("an address")];
        let mut edge = Edge::default();
        let hardware = Some(Foreign::new("0004f2aabbcc"));
        let before =
            Phone { state: PhoneState::Failed, since: Some(at(100)), hardware, ..Phone::default() };
        let mut same = Phone { state: PhoneState::Failed, ..Phone::default() };
        let mut other = Phone { state: PhoneState::Active, ..Phone::default() };

        carry_edge(&mut edge, &Edge { addresses: addresses.clone(), ..Edge::default() });
        carry_phone(&mut same, &before, at(200));
        carry_phone(&mut other, &before, at(200));

        assert_eq!(edge.addresses, addresses);
        assert_eq!(same, before);
        assert_eq!(other.since, Some(at(200)), "since it was first read so");
        assert_eq!(other.hardware, before.hardware);
    }

    #[test]
    fn an_api_without_single_things_lists_the_part() {
        let hints = BTreeSet::from([hint(id(7))]);

        assert_eq!(Wanted::of(&hints, &known(100), |_| false), listing());
    }
}
