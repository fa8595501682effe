//! Phones.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::Value;

use super::entity::{Entity, Named, STATES, decode, filled, has_odd, lenient, time, words};
use crate::poller::page::Decoded;
use crate::telephony::{Line, Phone, PhoneState, hardware_address};

/// How long after its provisioning a degraded phone is taken to be still busy with it.
const PROVISIONING: Duration = Duration::from_secs(300);

/// One phone out of its listing.
pub(super) fn phone(entity: Value, now: SystemTime) -> Decoded<Phone> {
    decode::<RawPhone>(entity, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPhone {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    status: Option<RawStatus>,
    #[serde(default, deserialize_with = "lenient")]
    secondary_status: Option<RawStatus>,
    capabilities: Option<RawCapabilities>,
    site: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    primary_edge: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    user_agent_info: Option<RawAgent>,
    #[serde(default, deserialize_with = "lenient")]
    properties: Option<RawProperties>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawStatus {
    operational_status: Option<String>,
    edges_status: Option<String>,
    provision: Option<RawProvision>,
    #[serde(deserialize_with = "lenient")]
    phone_assignment_to_edge_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    event_creation_time: Option<String>,
    #[serde(deserialize_with = "lenient")]
    edge: Option<Named>,
    #[serde(deserialize_with = "lenient")]
    line_statuses: Option<Vec<RawLine>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawProvision {
    #[serde(deserialize_with = "lenient")]
    time: Option<String>,
    #[serde(deserialize_with = "lenient")]
    error_info: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawLine {
    id: Option<String>,
    reachable: Option<bool>,
    address_of_record: Option<String>,
    contact_addresses: Option<Vec<String>>,
    reachable_state_time: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawCapabilities {
    provisions: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    hardware_id_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawAgent {
    manufacturer: Option<String>,
    model: Option<String>,
    firmware_version: Option<String>,
}

/// The one property that we read; others hold passwords.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawProperties {
    #[serde(rename = "phone_hardwareId", deserialize_with = "lenient")]
    hardware: Option<RawProperty>,
}

#[derive(Deserialize)]
struct RawProperty {
    value: Option<RawValue>,
}

#[derive(Deserialize)]
struct RawValue {
    instance: Option<String>,
}

const OPERATIONAL: &[&str] = &["OPERATIONAL", "DEGRADED", "OFFLINE", "UNKNOWN"];
const EDGES: &[&str] = &["IN_SERVICE", "MIXED_SERVICE", "OUT_OF_SERVICE", "NO_EDGES"];
const ASSIGNMENTS: &[&str] = &["PRIMARY", "SECONDARY"];

impl Entity for RawPhone {
    type Item = Phone;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[(&self.state, STATES)])
            || self.status.iter().chain(&self.secondary_status).any(RawStatus::is_odd)
    }

    fn item(self, now: SystemTime) -> Option<Phone> {
        let hardware = self.hardware();
        let capabilities = self.capabilities.unwrap_or_default();
        let has_hardware = match (&self.properties, &capabilities.hardware_id_type) {
            (Some(_), Some(_)) => hardware.is_some(),
            // A phone in a browser needs none, and of one whose properties are withheld it is not
            // known.
            (None, _) | (_, None) => true,
        };
        let known = Known { is_provisioned: capabilities.provisions == Some(true), has_hardware };
        let (status, is_secondary) = counting(self.status, self.secondary_status);
        let raw = words([&status.operational_status, &status.edges_status]);
        let raw = if is_secondary { Foreign::new(format!("{raw} SECONDARY")) } else { raw };
        let state = status.normalised(&known, now);
        let provision = status.provision.unwrap_or_default();
        let agent = self.user_agent_info.unwrap_or_default();
        let model = [agent.manufacturer, agent.model, agent.firmware_version];
        let model: Vec<String> = model.into_iter().flatten().collect();
        Some(Phone {
            reference: Named { id: self.id, name: self.name }.reference()?,
            state,
            raw,
            site: self.site.and_then(Named::reference),
            edge_group: None,
            edge: status.edge.or(self.primary_edge).and_then(Named::reference),
            since: time(status.event_creation_time.as_deref()),
            provisioned: time(provision.time.as_deref()),
            problem: filled(provision.error_info),
            lines: status.line_statuses.into_iter().flatten().map(RawLine::line).collect(),
            hardware,
            model: filled(Some(model.join(" "))),
        })
    }
}

/// Which of the two states of a phone counts, and whether that is the one with its secondary edge:
/// where it works with either, it works; else the one to which it is assigned.
fn counting(primary: Option<RawStatus>, secondary: Option<RawStatus>) -> (RawStatus, bool) {
    let works = |of: &Option<RawStatus>| {
        of.as_ref().is_some_and(|it| it.operational_status.as_deref() == Some("OPERATIONAL"))
    };
    let assigned = primary.as_ref().and_then(|it| it.phone_assignment_to_edge_type.as_deref());
    let moved = primary.is_none() || works(&secondary) || assigned == Some("SECONDARY");
    match (primary, secondary) {
        (primary, Some(secondary)) if moved && !works(&primary) => (secondary, true),
        (primary, _) => (primary.unwrap_or_default(), false),
    }
}

impl RawPhone {
    /// The hardware address as twelve digits, however it is written; any other id as it is.
    fn hardware(&self) -> Option<Foreign> {
        let written = self.properties.as_ref()?.hardware.as_ref()?.value.as_ref()?;
        let written = written.instance.as_deref()?.trim();
        filled(Some(hardware_address(written).unwrap_or_else(|| written.to_owned())))
    }
}

impl RawLine {
    fn line(self) -> Line {
        let contacts = self.contact_addresses.into_iter().flatten();
        Line {
            id: Foreign::new(self.id.unwrap_or_default()),
            is_reachable: self.reachable,
            since: time(self.reachable_state_time.as_deref()),
            address_of_record: filled(self.address_of_record),
            contacts: contacts.map(Foreign::new).collect(),
        }
    }
}

/// What is known of a phone beside its status.
struct Known {
    is_provisioned: bool,
    has_hardware: bool,
}

impl RawStatus {
    fn is_odd(&self) -> bool {
        has_odd(&[
            (&self.operational_status, OPERATIONAL),
            (&self.edges_status, EDGES),
            (&self.phone_assignment_to_edge_type, ASSIGNMENTS),
        ])
    }

    fn normalised(&self, known: &Known, now: SystemTime) -> PhoneState {
        let provision = self.provision.as_ref();
        let at = provision.and_then(|provision| provision.time.as_deref());
        let error = provision.and_then(|provision| provision.error_info.as_deref());
        let operational = self.operational_status.as_deref();
        let edges = self.edges_status.as_deref();
        if operational == Some("OPERATIONAL") {
            return PhoneState::Active;
        }
        if error.is_some_and(|error| !error.is_empty()) {
            return PhoneState::Failed;
        }
        // What stands for no phone yet is offline, too, and no failure.
        if edges == Some("NO_EDGES") || !known.has_hardware {
            return PhoneState::Unassigned;
        }
        if operational == Some("OFFLINE") && edges == Some("IN_SERVICE") {
            return PhoneState::Failed;
        }
        match at.filter(|at| !at.is_empty()) {
            None if known.is_provisioned => PhoneState::Pending,
            Some(at) if operational == Some("DEGRADED") && is_recent(at, now) => {
                PhoneState::Provisioning
            }
            Some(_) | None => PhoneState::Unknown,
        }
    }
}

fn is_recent(at: &str, now: SystemTime) -> bool {
    let Some(at) = time(Some(at)) else { return false };
    let apart = now.duration_since(at).unwrap_or_else(|ahead| ahead.duration());
    apart <= PROVISIONING
}
