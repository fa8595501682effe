//! `States`: what the vendor says now beside what it said before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Event;
use super::event::moment;
use crate::telephony::{
    Edge, EdgeGroup, Part, PhoneState, Reference, Registration, Snapshot, State, Trunk,
};

/// The last word that was known of each thing.
///
/// A word that is not known, a part that could not be read and one that grew old are no change: the
/// next word that is known is laid beside the last one that was. The first word is none either.
#[derive(Clone, Debug, Default)]
pub struct States {
    edges: Words,
    edge_groups: Words,
    trunks: Words,
    phones: BTreeMap<String, PhoneState>,
}

type Words = BTreeMap<String, &'static str>;

impl States {
    /// Takes note of a reading, and gives what has changed with it.
    pub fn note(&mut self, snapshot: &Snapshot) -> Vec<Event> {
        let edges = changed(&mut self.edges, &snapshot.edges, |it| (&it.reference, edge_word(it)));
        let groups = changed(&mut self.edge_groups, &snapshot.edge_groups, |group| {
            (&group.reference, state_word(group.state))
        });
        let trunks =
            changed(&mut self.trunks, &snapshot.trunks, |it| (&it.reference, trunk_word(it)));
        let mut events: Vec<Event> = edges.into_iter().map(edge_event).collect();
        events.extend(groups.into_iter().map(edge_group_event));
        events.extend(trunks.into_iter().map(trunk_event));
        events.extend(self.phones(snapshot));
        events
    }

    /// Phones are many, so that they are counted: how many went from which state to which.
    fn phones(&mut self, snapshot: &Snapshot) -> Vec<Event> {
        let part = &snapshot.phones;
        if !part.is_current() {
            return Vec::new();
        }
        let mut moves: BTreeMap<(PhoneState, PhoneState), u64> = BTreeMap::new();
        let known = part.items.iter().filter(|phone| phone.state != PhoneState::Unknown);
        for phone in known {
            let id = phone.reference.id.as_str().to_owned();
            match self.phones.insert(id, phone.state) {
                Some(before) if before != phone.state => {
                    *moves.entry((before, phone.state)).or_default() += 1;
                }
                Some(_) | None => {}
            }
        }
        forget(&mut self.phones, part, |phone| &phone.reference);
        moves
            .into_iter()
            .map(|((before, now), count)| Event {
                name: "telephony:phones:status",
                subject: "phones".to_owned(),
                data: json!({"from": before.label(), "to": now.label(), "count": count}),
            })
            .collect()
    }
}

/// The things of which another word is known than before.
fn changed<'a, T>(
    words: &mut Words,
    part: &'a Part<T>,
    word: impl Fn(&'a T) -> (&'a Reference, Option<&'static str>),
) -> Vec<(&'a T, &'static str)> {
    if !part.is_current() {
        return Vec::new();
    }
    let mut changed = Vec::new();
    for item in &part.items {
        let (reference, Some(now)) = word(item) else { continue };
        let before = words.insert(reference.id.as_str().to_owned(), now);
        if before.is_some_and(|before| before != now) {
            changed.push((item, now));
        }
    }
    forget(words, part, |item| word(item).0);
    changed
}

/// What was removed at the vendor may come back as something new.
fn forget<'a, T, W>(
    words: &mut BTreeMap<String, W>,
    part: &'a Part<T>,
    reference: impl Fn(&'a T) -> &'a Reference,
) {
    if part.problem.is_none() && part.unreadable == 0 {
        let ids: BTreeSet<&str> =
            part.items.iter().map(|item| reference(item).id.as_str()).collect();
        words.retain(|id, _| ids.contains(id.as_str()));
    }
}

fn state_word(state: State) -> Option<&'static str> {
    match state {
        State::Up | State::Down => Some(state.label()),
        State::Unknown => None,
    }
}

fn edge_word(edge: &Edge) -> Option<&'static str> {
    // One that is not in service is neither.
    state_word(edge.state).filter(|_| edge.is_in_service)
}

/// The guide knows `registered`; what else can be known of a trunk is said as the metrics say it.
fn trunk_word(trunk: &Trunk) -> Option<&'static str> {
    match (trunk.registration, trunk.state) {
        (Registration::Unregistered, _) => Some(Registration::Unregistered.label()),
        (_, State::Down) => Some(State::Down.label()),
        (Registration::Registered, _) => Some(Registration::Registered.label()),
        (Registration::NotApplicable, State::Up) => Some(State::Up.label()),
        (Registration::NotApplicable | Registration::Unknown, _) => None,
    }
}

fn trunk_event((trunk, word): (&Trunk, &'static str)) -> Event {
    let id = trunk.reference.id.as_str();
    let registered = trunk
        .proxies
        .iter()
        .filter(|proxy| proxy.registration == Registration::Registered)
        .filter_map(|proxy| proxy.registered_at)
        .max();
    let mut data = Map::new();
    if let Some(edge) = &trunk.edge {
        data.insert("edgeId".to_owned(), edge.id.as_str().into());
    }
    data.insert("sipTrunkId".to_owned(), id.into());
    data.insert("status".to_owned(), word.into());
    if let Some(registered) = registered {
        data.insert("lastRegistrationTime".to_owned(), moment(registered).into());
    }
    let subject = format!("trunk {id}");
    Event { name: "telephony:siptrunk:status", subject, data: Value::Object(data) }
}

fn edge_event((edge, word): (&Edge, &'static str)) -> Event {
    let (id, name) = (edge.reference.id.as_str(), edge.reference.name.as_str());
    Event {
        name: "telephony:edge:status",
        subject: format!("edge {id}"),
        data: json!({"edgeId": id, "name": name, "status": word}),
    }
}

fn edge_group_event((group, word): (&EdgeGroup, &'static str)) -> Event {
    let (id, name) = (group.reference.id.as_str(), group.reference.name.as_str());
    Event {
        name: "telephony:edgegroup:status",
        subject: format!("edge group {id}"),
        data: json!({"edgeGroupId": id, "name": name, "status": word}),
    }
}
