//! Phones, and what the vendor's diagnosis of one says.

use std::collections::BTreeMap;
use std::time::SystemTime;

use branchline_probes::Foreign;
use serde_json::Value;

use super::fields::{Fields, decoded, is_word, raw};
use crate::poller::page::Decoded;
use crate::poller::since;
use crate::telephony::{Phone, PhoneState, Reference, hardware_address};

/// One phone out of the listing of its group.
pub(super) fn phone(entity: Value, group: &Reference) -> Decoded<Phone> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    if fields.is_deleted() {
        return Decoded::Deleted;
    }
    let word = fields.text(&["provisioningState"]);
    let known = STATES.iter().find(|(known, _)| is_word(word, &[known]));
    let state = known.map_or(PhoneState::Unknown, |(_, state)| *state);
    decoded(fields.itself().map(|reference| {
        let phone = Phone {
            reference,
            state,
            raw: raw(word),
            edge_group: Some(group.clone()),
            hardware: fields
                .text(&["mac", "macAddress"])
                .and_then(hardware_address)
                .map(Foreign::new),
            model: fields.foreign(&["model"]),
            ..Phone::default()
        };
        (phone, known.is_some() || word.is_none())
    }))
}

/// The words of the guide. A phone that boots fetches its configuration.
const STATES: [(&str, PhoneState); 6] = [
    ("UNASSIGNED", PhoneState::Unassigned),
    ("PENDING", PhoneState::Pending),
    ("PROVISIONING", PhoneState::Provisioning),
    ("BOOTING", PhoneState::Provisioning),
    ("ACTIVE", PhoneState::Active),
    ("FAILED", PhoneState::Failed),
];

/// Tells phones what was known of them before and still holds while their state does.
pub(super) fn carry(phones: &mut [Phone], previous: &[Phone], now: SystemTime) {
    since::carry(phones, previous, now);
    let before: BTreeMap<&str, &Phone> =
        previous.iter().map(|phone| (phone.reference.id.as_str(), phone)).collect();
    for phone in phones {
        let before = before.get(phone.reference.id.as_str());
        let same = before.filter(|before| before.state == phone.state);
        phone.problem = same.and_then(|before| before.problem.clone());
    }
}

/// Whose diagnosis is worth a request, by their places in `phones`: those that failed or wait, first
/// of whom nothing is known, and of these first who has been so for longest.
pub(super) fn to_diagnose(phones: &[Phone]) -> Vec<usize> {
    let ails = |phone: &Phone| matches!(phone.state, PhoneState::Failed | PhoneState::Pending);
    let mut places: Vec<usize> = (0..phones.len()).filter(|place| ails(&phones[*place])).collect();
    places.sort_by_key(|place| (phones[*place].problem.is_some(), phones[*place].since));
    places.truncate(MOST_DIAGNOSES);
    places
}

/// How many phones are diagnosed in one reading: one request each.
pub(super) const MOST_DIAGNOSES: usize = 20;

/// What a diagnosis says went wrong. The guide says that it holds "detailed failure codes" and not
/// under which names: whatever is called a code or a reason is told, in the order of the answer.
pub(super) fn problem(diagnosis: &Value) -> Option<Foreign> {
    let mut said = Vec::new();
    collect(diagnosis, false, DEPTH, &mut said);
    (!said.is_empty()).then(|| Foreign::new(said.join(", ")))
}

fn collect(value: &Value, tells: bool, depth: usize, said: &mut Vec<String>) {
    if depth == 0 || said.len() == MOST_SAID {
        return;
    }
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = key.to_ascii_lowercase();
                let tells = TELLING.iter().any(|word| key.contains(word));
                collect(value, tells, depth - 1, said);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| collect(item, tells, depth - 1, said));
        }
        Value::String(text) if tells && !text.is_empty() => {
            if !said.contains(text) {
                said.push(text.clone());
            }
        }
        Value::Number(number) if tells => said.push(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const TELLING: [&str; 6] = ["code", "reason", "error", "message", "detail", "failure"];
const DEPTH: usize = 6;
const MOST_SAID: usize = 6;
