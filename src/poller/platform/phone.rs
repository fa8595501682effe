//! Phones.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::entity::{Entity, Named, decode, words};
use crate::poller::page::Decoded;
use crate::telephony::{Phone, PhoneState};

/// How long after its provisioning a degraded phone is taken to be still busy with it.
const PROVISIONING: Duration = Duration::from_secs(300);

/// One phone out of its listing.
pub(super) fn phone(entity: Value, now: SystemTime) -> Decoded<Phone> {
    decode::<RawPhone>(entity, now)
}

#[derive(Deserialize)]
struct RawPhone {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    status: Option<RawStatus>,
    capabilities: Option<RawCapabilities>,
    site: Option<Named>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawStatus {
    operational_status: Option<String>,
    edges_status: Option<String>,
    provision: Option<RawProvision>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawProvision {
    time: Option<String>,
    error_info: Option<String>,
}

#[derive(Deserialize)]
struct RawCapabilities {
    provisions: Option<bool>,
}

impl Entity for RawPhone {
    type Item = Phone;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn item(self, now: SystemTime) -> Option<Phone> {
        let is_provisioned = self.capabilities.and_then(|phone| phone.provisions) == Some(true);
        let status = self.status.unwrap_or_default();
        let raw = words([&status.operational_status, &status.edges_status]);
        Some(Phone {
            reference: Named { id: self.id, name: self.name }.reference()?,
            state: status.normalised(is_provisioned, now),
            raw,
            site: self.site.and_then(Named::reference),
            ..Phone::default()
        })
    }
}

impl RawStatus {
    fn normalised(&self, is_provisioned: bool, now: SystemTime) -> PhoneState {
        let provision = self.provision.as_ref();
        let time = provision.and_then(|provision| provision.time.as_deref());
        let error = provision.and_then(|provision| provision.error_info.as_deref());
        let operational = self.operational_status.as_deref();
        let edges = self.edges_status.as_deref();
        if operational == Some("OPERATIONAL") {
            return PhoneState::Active;
        }
        let is_offline_alone = operational == Some("OFFLINE") && edges == Some("IN_SERVICE");
        if is_offline_alone || error.is_some_and(|error| !error.is_empty()) {
            return PhoneState::Failed;
        }
        if edges == Some("NO_EDGES") {
            return PhoneState::Unassigned;
        }
        match time.filter(|time| !time.is_empty()) {
            None if is_provisioned => PhoneState::Pending,
            Some(time) if operational == Some("DEGRADED") && is_recent(time, now) => {
                PhoneState::Provisioning
            }
            Some(_) | None => PhoneState::Unknown,
        }
    }
}

fn is_recent(time: &str, now: SystemTime) -> bool {
    let Ok(time) = time.parse::<Timestamp>() else { return false };
    let time = SystemTime::from(time);
    let apart = now.duration_since(time).unwrap_or_else(|ahead| ahead.duration());
    apart <= PROVISIONING
}
