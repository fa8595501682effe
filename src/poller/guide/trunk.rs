//! SIP trunks, their registrations and their settings.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde_json::Value;

use super::fields::{Fields, decoded, is_word, raw};
use crate::poller::page::Decoded;
use crate::telephony::{Proxy, Reference, Registration, State, Trunk, TrunkSettings};

/// A trunk as it is listed, with its settings, and not yet with its registrations.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) trunk: Trunk,
    pub(super) settings: TrunkSettings,
    /// Whether it registers; one of which the vendor does not say may.
    pub(super) registers: bool,
}

/// One trunk out of the listing of its edge.
pub(super) fn listed(entity: Value, edge: &Reference) -> Decoded<Listed> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    if fields.is_deleted() {
        return Decoded::Deleted;
    }
    // The guide sets what a trunk is made of in `config`, and may find it there or beside it.
    let config = fields.below(&["config"]).unwrap_or(fields);
    let either = |names: &[&str]| fields.value(names).or_else(|| config.value(names));
    let flag = |names: &[&str]| either(names).and_then(Value::as_bool);
    decoded(fields.itself().map(|mut reference| {
        if reference.name.as_str().is_empty() {
            reference.name = config.foreign(&["name"]).unwrap_or_default();
        }
        let registers = flag(&["registrationEnabled"]) != Some(false);
        let is_enabled = flag(&["enabled"]);
        let uri = fields.foreign(&["sipUri"]).or_else(|| config.foreign(&["sipUri"]));
        let below = |names: &[&str]| fields.below(names).or_else(|| config.below(names));
        let tls = below(&["tlsSettings", "tls"]);
        let nat = below(&["natTraversal"]);
        let is_on = |fields: &Fields<'_>| fields.flag(&["enabled"]) == Some(true);
        let mut codecs = config.texts(&["codecs"]);
        if codecs.is_empty() {
            codecs = fields.texts(&["codecs"]);
        }
        let settings = TrunkSettings {
            reference: reference.clone(),
            is_enabled,
            transport: tls.filter(is_on).map(|_| Foreign::new("tls")),
            proxies: uri.into_iter().collect(),
            codecs,
            stun_server: nat.filter(is_on).and_then(|nat| nat.foreign(&["stunServer"])),
            ..TrunkSettings::default()
        };
        let trunk = Trunk {
            kind: raw(fields.text(&["type"]).or(Some("sip"))),
            is_switched_off: is_enabled == Some(false),
            base: Some(reference.clone()),
            edge: Some(edge.clone()),
            reference,
            ..Trunk::default()
        };
        (Listed { trunk, settings, registers }, true)
    }))
}

/// One registration of a trunk, and the vendor's word for it.
#[derive(Clone)]
pub(super) struct Heard {
    proxy: Proxy,
    word: Foreign,
}

/// One registration out of the listing of its trunk.
pub(super) fn registration(entity: Value, _now: SystemTime) -> Decoded<Heard> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    let word = fields.text(&["status"]);
    let (registration, is_known) = match word {
        word if is_word(word, &["registered"]) => (Registration::Registered, true),
        word if is_word(word, &["unregistered"]) => (Registration::Unregistered, true),
        word => (Registration::Unknown, word.is_none()),
    };
    let problem = match registration {
        Registration::Registered | Registration::NotApplicable => None,
        Registration::Unregistered | Registration::Unknown => {
            fields.foreign(&["reason", "error", "message", "failureCode"])
        }
    };
    let proxy = Proxy {
        address: fields.foreign(&["sipUri", "contact", "address", "proxy"]).unwrap_or_default(),
        answers: None,
        registration,
        registered_at: fields.time(&["lastRegistrationTime"]),
        problem,
    };
    // What it is of has no id to go by: the words that are known are what makes it one.
    let is_one = word.is_some() || proxy.registered_at.is_some();
    decoded(is_one.then(|| (Heard { proxy, word: raw(word) }, is_known)))
}

/// A trunk with its registrations; `None` where they were not asked for or were not to be had.
pub(super) fn joined(listed: &Listed, registrations: Option<&[Heard]>) -> Trunk {
    let mut trunk = listed.trunk.clone();
    let heard = registrations.unwrap_or_default();
    trunk.registration = match registrations {
        _ if !listed.registers => Registration::NotApplicable,
        None => Registration::Unknown,
        Some([]) => Registration::Unregistered,
        Some(all) => together(all),
    };
    trunk.state = match trunk.registration {
        _ if trunk.is_switched_off => State::Down,
        // The guide has no other word for a trunk that works.
        Registration::Registered => State::Up,
        Registration::Unregistered | Registration::NotApplicable | Registration::Unknown => {
            State::Unknown
        }
    };
    trunk.problem = heard.iter().find_map(|it| it.proxy.problem.clone());
    trunk.raw = Foreign::new(words(listed, registrations));
    trunk.proxies = heard.iter().map(|it| it.proxy.clone()).collect();
    for proxy in &mut trunk.proxies {
        if proxy.address.as_str().is_empty() {
            proxy.address = listed.settings.proxies.first().cloned().unwrap_or_default();
        }
    }
    trunk
}

/// The guide calls a trunk registered if any of its registrations is.
fn together(all: &[Heard]) -> Registration {
    let has = |wanted| all.iter().any(|it| it.proxy.registration == wanted);
    if has(Registration::Registered) {
        Registration::Registered
    } else if has(Registration::Unknown) {
        Registration::Unknown
    } else {
        Registration::Unregistered
    }
}

fn words(listed: &Listed, registrations: Option<&[Heard]>) -> String {
    let off = if listed.trunk.is_switched_off { "not enabled, " } else { "" };
    match registrations {
        _ if !listed.registers => format!("{off}does not register"),
        None => format!("{off}registrations unknown"),
        Some([]) => format!("{off}no registration"),
        Some(all) => {
            let words: Vec<&str> = all.iter().map(|it| it.word.as_str()).collect();
            format!("{off}{}", words.join(", "))
        }
    }
}
