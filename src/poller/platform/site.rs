//! Where things stand: sites, locations, and the organisation.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::Value;

use super::batch::none;
use super::entity::{Entity, Named, STATES, activity, decode, filled, has_odd, lenient, words};
use crate::poller::failed::Failed;
use crate::poller::page::{Decoded, Listing};
use crate::poller::path::Path;
use crate::poller::reading::Asking;
use crate::telephony::{ApiProblem, Location, Organization, Site};

const ORGANIZATION: &str = "/api/v2/organizations/me";
const MEDIA_REGIONS: &str = "/api/v2/telephony/mediaregions";

/// One site out of its listing.
pub(super) fn site(entity: Value, now: SystemTime) -> Decoded<Site> {
    decode::<RawSite>(entity, now)
}

/// One location out of its listing.
pub(super) fn location(entity: Value, now: SystemTime) -> Decoded<Location> {
    decode::<RawLocation>(entity, now)
}

/// The organisation, with the regions that handle its media. Only these tell where it lives; a
/// client that may not read them knows the organisation without.
pub(super) async fn organization(asking: &Asking<'_>) -> Result<Listing<Organization>, Failed> {
    let itself = Path::fixed(ORGANIZATION);
    let regions = Path::fixed(MEDIA_REGIONS);
    let (itself, regions) = tokio::join!(asking.one(itself, &[]), asking.one(regions, &[]));
    let mut itself = itself?;
    let regions = match regions {
        Ok(regions) => serde_json::from_value(regions.value).unwrap_or_default(),
        Err(failed) if is_withheld(&failed.problem) => RawRegions::default(),
        Err(failed) => return Err(failed),
    };
    let mut listing = none();
    listing.take_up(decode::<RawOrganization>(itself.take(), asking.begun));
    if listing.unreadable > 0 {
        let what = "no organisation";
        return Err(itself.failed(ApiProblem::Malformed { path: ORGANIZATION, what }));
    }
    Ok(listing.map(|organization| regions.clone().of(organization)))
}

const fn is_withheld(problem: &ApiProblem) -> bool {
    matches!(problem, ApiProblem::Permission { .. } | ApiProblem::NotFound { .. })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSite {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    location: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    media_model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    media_regions: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    media_regions_use_latency_based: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    cloud_proxy_force_turn: Option<bool>,
}

const MEDIA_MODELS: &[&str] = &["Premises", "Cloud"];

impl Entity for RawSite {
    type Item = Site;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[(&self.state, STATES), (&self.media_model, MEDIA_MODELS)])
    }

    fn item(self, _now: SystemTime) -> Option<Site> {
        Some(Site {
            state: activity(self.state.as_deref()),
            raw: words([&self.state]),
            reference: Named { id: self.id, name: self.name }.reference()?,
            location: self.location.and_then(Named::reference),
            media_model: filled(self.media_model),
            media_regions: self.media_regions.into_iter().flatten().map(Foreign::new).collect(),
            is_latency_based: self.media_regions_use_latency_based,
            is_turn_forced: self.cloud_proxy_force_turn,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLocation {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    address: Option<RawAddress>,
    #[serde(default, deserialize_with = "lenient")]
    emergency_number: Option<RawNumber>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAddress {
    city: Option<String>,
    country: Option<String>,
    country_name: Option<String>,
}

#[derive(Deserialize)]
struct RawNumber {
    e164: Option<String>,
    number: Option<String>,
}

/// A location is never inactive.
const LOCATION_STATES: &[&str] = &["active", "deleted"];

impl Entity for RawLocation {
    type Item = Location;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[(&self.state, LOCATION_STATES)])
    }

    fn item(self, _now: SystemTime) -> Option<Location> {
        let address = self.address.map(|it| [it.city, it.country_name.or(it.country)]);
        let address: Vec<String> = address.into_iter().flatten().flatten().collect();
        let number = self.emergency_number;
        Some(Location {
            state: activity(self.state.as_deref()),
            raw: words([&self.state]),
            reference: Named { id: self.id, name: self.name }.reference()?,
            address: filled(Some(address.join(", "))),
            emergency_number: number.and_then(|it| filled(it.e164).or_else(|| filled(it.number))),
            ..Location::default()
        })
    }
}

#[derive(Deserialize)]
struct RawOrganization {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
}

impl Entity for RawOrganization {
    type Item = Organization;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[(&self.state, STATES)])
    }

    fn item(self, _now: SystemTime) -> Option<Organization> {
        Some(Organization {
            state: activity(self.state.as_deref()),
            raw: words([&self.state]),
            reference: Named { id: self.id, name: self.name }.reference()?,
            ..Organization::default()
        })
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawRegions {
    aws_home_region: Option<String>,
    aws_core_regions: Option<Vec<String>>,
    aws_satellite_regions: Option<Vec<String>>,
}

impl RawRegions {
    fn of(self, organization: Organization) -> Organization {
        let others = self.aws_core_regions.into_iter().chain(self.aws_satellite_regions).flatten();
        let others = others.filter(|region| self.aws_home_region.as_ref() != Some(region));
        let media_regions = others.map(Foreign::new).collect();
        Organization {
            home_region: filled(self.aws_home_region.clone()),
            media_regions,
            ..organization
        }
    }
}
