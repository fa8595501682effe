//! Listings and their pages, as the published API has them.

use serde_json::{Value, json};

use super::request::{Parameters, parameter};

/// What the vendor sends where nothing is asked for.
const PAGE_SIZE: usize = 25;
/// What it sends at most.
const LARGEST_PAGE: usize = 500;

/// The filters of the listings, and where the filtered field stands.
const FILTERS: &[(&str, &str)] = &[
    ("name", "/name"),
    ("site.id", "/site/id"),
    ("location.id", "/location/id"),
    ("edge.id", "/edge/id"),
    ("edgeGroup.id", "/edgeGroup/id"),
    ("trunkBase.id", "/trunkBase/id"),
    ("trunkType", "/trunkType"),
    ("status.operationalStatus", "/status/operationalStatus"),
];

/// What the API lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Edges,
    EdgeGroups,
    Trunks,
    TrunkSettings,
    Phones,
    Sites,
    Locations,
    Authorities,
    Interfaces,
}

/// Which page is asked for, and how large one is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) size: usize,
    pub(super) current: usize,
}

impl Cut {
    /// `None` when the parameters do not say which.
    pub(super) fn read(parameters: &Parameters, key: &str) -> Option<Self> {
        let number = |name, default| match parameter(parameters, name) {
            Some(text) => text.parse().ok().filter(|number: &usize| *number > 0),
            None => Some(default),
        };
        let size = number("pageSize", PAGE_SIZE)?.min(LARGEST_PAGE);
        Some(Self { size, current: number(key, 1)? })
    }

    /// The items of this page.
    pub(super) fn of<'i, T>(&self, all: &'i [T]) -> impl Iterator<Item = &'i T> + use<'i, T> {
        all.iter().skip((self.current - 1).saturating_mul(self.size)).take(self.size)
    }
}

/// One page of a listing; `None` when the parameters do not say which.
pub(super) fn page(
    listing: Listing,
    all: &[Value],
    path: &str,
    parameters: &Parameters,
) -> Option<Value> {
    let cut = Cut::read(parameters, "pageNumber")?;
    let Cut { size, current } = cut;
    let matches = |entity: &&Value| {
        FILTERS.iter().all(|(name, pointer)| {
            parameter(parameters, name).is_none_or(|wanted| {
                entity.pointer(pointer).and_then(Value::as_str) == Some(wanted)
            })
        })
    };
    let found: Vec<_> = all.iter().filter(matches).collect();
    let last = found.len().div_ceil(size);
    let entities: Vec<_> =
        cut.of(&found).map(|entity| shape(listing, (*entity).clone(), parameters)).collect();

    let uri = |number: usize| format!("{path}?pageSize={size}&pageNumber={number}");
    let mut page = json!({
        "entities": entities,
        "pageSize": size,
        "pageNumber": current,
        "total": found.len(),
        "pageCount": last,
        "firstUri": uri(1),
        "lastUri": uri(last.max(1)),
        "selfUri": uri(current),
    });
    // Locations and interfaces are listed by another service, which has no such field.
    if !matches!(listing, Listing::Locations | Listing::Interfaces | Listing::Authorities) {
        page["totalNumberOfEntities"] = json!(found.len());
    }
    if current < last {
        page["nextUri"] = json!(uri(current + 1));
    }
    if current > 1 {
        page["previousUri"] = json!(uri(current - 1));
    }
    Some(page)
}

/// Leaves out what the vendor sends only on request: a phone's status (`expand=status`).
fn shape(listing: Listing, mut entity: Value, parameters: &Parameters) -> Value {
    let is_expanded = |wanted: &str| {
        let asked = parameters.iter().filter(|(name, _)| name == "expand");
        asked.flat_map(|(_, value)| value.split(',')).any(|value| value == wanted)
    };
    let Some(fields) = entity.as_object_mut() else { return entity };
    if listing == Listing::Phones && !is_expanded("status") {
        fields.remove("status");
        fields.remove("secondaryStatus");
    }
    if matches!(listing, Listing::Phones | Listing::TrunkSettings) && !is_expanded("properties") {
        fields.remove("properties");
    }
    entity
}
