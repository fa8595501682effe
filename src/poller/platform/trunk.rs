//! Trunks.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::Value;

use super::entity::{Entity, Named, STATES, decode, has_odd, lenient, time, words, worst, yes};
use crate::poller::page::Decoded;
use crate::telephony::{Proxy, Registration, State, Trunk};

/// One trunk out of its listing.
pub(super) fn trunk(entity: Value, now: SystemTime) -> Decoded<Trunk> {
    decode::<RawTrunk>(entity, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTrunk {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    trunk_type: Option<String>,
    in_service: Option<bool>,
    enabled: Option<bool>,
    connected_status: Option<RawConnected>,
    options_enabled_status: Option<String>,
    registers_enabled_status: Option<String>,
    options_status: Option<Vec<RawProxy>>,
    registers_status: Option<Vec<RawProxy>>,
    ip_status: Option<RawIp>,
    error_info: Option<RawError>,
    trunk_base: Option<Named>,
    edge: Option<Named>,
    edge_group: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    proxy_address_list: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawConnected {
    connected: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    connected_state_time: Option<String>,
}

/// What one proxy answered to OPTIONS or to REGISTER.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProxy {
    #[serde(default, deserialize_with = "lenient")]
    proxy_address: Option<String>,
    #[serde(alias = "registerState")]
    option_state: Option<bool>,
    #[serde(default, deserialize_with = "lenient", alias = "registerStateTime")]
    option_state_time: Option<String>,
    error_info: Option<RawError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIp {
    error_info: Option<RawError>,
}

#[derive(Deserialize)]
struct RawError {
    text: Option<String>,
    code: Option<String>,
    details: Option<RawDetails>,
}

#[derive(Deserialize)]
struct RawDetails {
    code: Option<String>,
    message: Option<String>,
}

/// The kinds of trunks, those of settings included.
pub(super) const KINDS: &[&str] = &["EXTERNAL", "PHONE", "EDGE"];

/// Whether a trunk asks its proxies at all.
const ASKING: &[&str] = &["ENABLED", "DISABLED", "NOT_SUPPORTED"];

impl Entity for RawTrunk {
    type Item = Trunk;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[
            (&self.state, STATES),
            (&self.trunk_type, KINDS),
            (&self.options_enabled_status, ASKING),
            (&self.registers_enabled_status, ASKING),
        ])
    }

    fn item(self, _now: SystemTime) -> Option<Trunk> {
        let connected = self.connected_status.as_ref().and_then(|status| status.connected);
        let options = self.options_status.as_deref().unwrap_or_default();
        let registers = self.registers_status.as_deref().unwrap_or_default();
        let answers = match self.options_enabled_status.as_deref() {
            Some("ENABLED") => every(options),
            Some("DISABLED" | "NOT_SUPPORTED") | None => State::Up,
            Some(_) => State::Unknown,
        };
        let registration = match self.registers_enabled_status.as_deref() {
            Some("ENABLED") => match every(registers) {
                State::Up => Registration::Registered,
                State::Down => Registration::Unregistered,
                State::Unknown => Registration::Unknown,
            },
            Some("DISABLED" | "NOT_SUPPORTED") => Registration::NotApplicable,
            Some(_) | None => Registration::Unknown,
        };
        let mut raw =
            [(self.in_service, "in service"), (self.enabled, "enabled"), (connected, "connected")]
                .map(|(is, word)| match is {
                    Some(true) => word.to_owned(),
                    Some(false) => format!("not {word}"),
                    None => format!("{word} unknown"),
                })
                .join(", ");
        if answers != State::Up {
            let answering = options.iter().filter(|proxy| proxy.option_state == Some(true)).count();
            raw += &format!(", {answering} of {} proxies answer OPTIONS", options.len());
        }
        let ails = |proxy: &&RawProxy| proxy.option_state != Some(true);
        let problem = [self.error_info.as_ref()]
            .into_iter()
            .chain(registers.iter().filter(ails).map(|proxy| proxy.error_info.as_ref()))
            .chain(options.iter().filter(ails).map(|proxy| proxy.error_info.as_ref()))
            .chain([self.ip_status.as_ref().and_then(|ip| ip.error_info.as_ref())])
            .flatten()
            .find_map(RawError::problem);
        let proxies = self.proxies();
        let since =
            self.connected_status.as_ref().and_then(|it| it.connected_state_time.as_deref());
        let connected_since = time(since);
        Some(Trunk {
            reference: Named { id: self.id, name: self.name }.reference()?,
            kind: words([&self.trunk_type]),
            state: worst(
                [self.in_service, self.enabled, connected].map(yes).into_iter().chain([answers]),
            ),
            is_switched_off: self.in_service == Some(false),
            registration,
            raw: Foreign::new(raw),
            problem,
            base: self.trunk_base.and_then(Named::reference),
            edge: self.edge.and_then(Named::reference),
            edge_group: self.edge_group.and_then(Named::reference),
            proxies,
            connected_since,
        })
    }
}

impl RawTrunk {
    /// What it hears of each of its proxies, in the order in which they are named.
    fn proxies(&self) -> Vec<Proxy> {
        let options = self.options_status.as_deref().unwrap_or_default();
        let registers = self.registers_status.as_deref().unwrap_or_default();
        let asked = options.iter().chain(registers).filter_map(|it| it.proxy_address.as_ref());
        let mut addresses: Vec<&String> = Vec::new();
        for address in self.proxy_address_list.iter().flatten().chain(asked) {
            if !addresses.contains(&address) && addresses.len() < MOST_PROXIES {
                addresses.push(address);
            }
        }
        let proxy = |address: &String| {
            let is = |it: &&RawProxy| it.proxy_address.as_ref() == Some(address);
            let option = options.iter().find(is);
            let register = registers.iter().find(is);
            let ails = |it: &&RawProxy| it.option_state != Some(true);
            let problems = [register, option].into_iter().flatten().filter(ails);
            Proxy {
                address: Foreign::new(address.as_str()),
                answers: match self.options_enabled_status.as_deref() {
                    Some("ENABLED") => Some(yes(option.and_then(|it| it.option_state))),
                    Some("DISABLED" | "NOT_SUPPORTED") | None => None,
                    Some(_) => Some(State::Unknown),
                },
                registration: match self.registers_enabled_status.as_deref() {
                    Some("ENABLED") => match register.and_then(|it| it.option_state) {
                        Some(true) => Registration::Registered,
                        Some(false) => Registration::Unregistered,
                        None => Registration::Unknown,
                    },
                    Some("DISABLED" | "NOT_SUPPORTED") => Registration::NotApplicable,
                    Some(_) | None => Registration::Unknown,
                },
                registered_at: register.and_then(|it| time(it.option_state_time.as_deref())),
                problem: problems
                    .filter_map(|it| it.error_info.as_ref())
                    .find_map(RawError::problem),
            }
        };
        addresses.into_iter().map(proxy).collect()
    }
}

/// No trunk has more.
const MOST_PROXIES: usize = 64;

impl RawError {
    fn problem(&self) -> Option<Foreign> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let details = self.details.as_ref();
        let details: Vec<String> = [
            details.and_then(|details| filled(&details.code)),
            details.and_then(|details| filled(&details.message)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let details = Some(details.join(" ")).filter(|details| !details.is_empty());
        match (filled(&self.text).or_else(|| filled(&self.code)), details) {
            (Some(text), Some(details)) => Some(Foreign::new(format!("{text} ({details})"))),
            (Some(text), None) | (None, Some(text)) => Some(Foreign::new(text)),
            (None, None) => None,
        }
    }
}

/// One proxy that does not answer is enough; of none, nothing is known.
fn every(proxies: &[RawProxy]) -> State {
    if proxies.is_empty() {
        return State::Unknown;
    }
    worst(proxies.iter().map(|proxy| yes(proxy.option_state)))
}
