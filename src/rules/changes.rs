//! What somebody changed just before a thing broke, as evidence.

use std::time::{Duration, SystemTime};

use crate::correlation::Evidence;
use crate::diagnosis::Exhibit;
use crate::telephony::{Change, ChangedProperty, EdgeGroup, Reference, Trunk};

/// The latest changes of a trunk, its settings, its edge and that edge's group, before it broke.
pub(super) fn of_trunk(evidence: &Evidence, trunk: &Trunk) -> Vec<Exhibit> {
    let around = [&trunk.base, &trunk.edge, &trunk.edge_group];
    let things = std::iter::once(&trunk.reference).chain(around.into_iter().flatten());
    before(evidence, &things.collect::<Vec<_>>(), trunk.connected_since)
}

/// The latest changes of an edge group and of its edges.
pub(super) fn of_edge_group(evidence: &Evidence, group: &EdgeGroup) -> Vec<Exhibit> {
    let edges = evidence.state.iter().flat_map(|state| &state.edges.items);
    let is_in = |of: &Option<Reference>| of.as_ref().is_some_and(|it| it.id == group.reference.id);
    let of_group = edges.filter(|edge| is_in(&edge.edge_group)).map(|edge| &edge.reference);
    let things = std::iter::once(&group.reference).chain(of_group);
    before(evidence, &things.collect::<Vec<_>>(), None)
}

/// The latest changes of these things in the last day, the newest first, and none that came after
/// `broke`, where it is known when that was.
pub(super) fn before(
    evidence: &Evidence,
    things: &[&Reference],
    broke: Option<SystemTime>,
) -> Vec<Exhibit> {
    let end = broke.unwrap_or(evidence.now).min(evidence.now);
    let word = if broke.is_some() { "before" } else { "ago" };
    let all = evidence.state.iter().flat_map(|state| &state.changes.items);
    let mut lately: Vec<(Duration, &Change)> = all
        .filter(|change| has_taken_effect(change))
        .filter(|change| things.iter().any(|thing| is_of(change, thing)))
        .filter_map(|change| Some((end.duration_since(change.when?).ok()?, change)))
        .filter(|(age, _)| *age <= LATELY)
        .collect();
    lately.sort_by_key(|(age, _)| *age);
    lately.into_iter().take(SHOWN).map(|(age, change)| exhibit(change, age, word)).collect()
}

/// Two things may have one name, so that counts only where the vendor tells no id.
fn is_of(change: &Change, thing: &Reference) -> bool {
    let id = &change.entity.id;
    if id.as_str().is_empty() {
        !thing.name.as_str().is_empty() && change.entity.name == thing.name
    } else {
        *id == thing.id
    }
}

fn has_taken_effect(change: &Change) -> bool {
    !change.status.as_ref().is_some_and(|status| status.as_str().eq_ignore_ascii_case("failure"))
}

fn exhibit(change: &Change, age: Duration, word: &str) -> Exhibit {
    let name = [&change.entity.name, &change.entity.id];
    let name = name.into_iter().map(|it| it.as_str()).find(|it| !it.is_empty());
    let action = change.action.as_str().to_lowercase();
    let kind = kind(change.kind.as_str());
    let reference = format!("{action} of {kind} {}", name.unwrap_or_default());
    let mut changed: Vec<String> =
        change.properties.iter().take(PROPERTIES).map(property).collect();
    let unsaid = change.properties.len() - changed.len();
    if unsaid > 0 {
        changed.push(format!("and {unsaid} more"));
    }
    let mut text = format!("{} {word}", spoken(age));
    if !changed.is_empty() {
        text = format!("{text}: {}", changed.join(", "));
    }
    if let Some(by) = &change.by {
        text = format!("{text}, by {by}");
    }
    Exhibit::of_state(reference, text)
}

fn property(changed: &ChangedProperty) -> String {
    let name = &changed.name;
    match (&changed.old, &changed.new) {
        (Some(old), Some(new)) => format!("{name} {old} → {new}"),
        (None, Some(new)) => format!("{name} → {new}"),
        (Some(old), None) => format!("{name} was {old}"),
        (None, None) => name.to_string(),
    }
}

/// The vendor's word for a kind of thing as people here say it.
fn kind(word: &str) -> String {
    match word {
        "TrunkBase" => "trunk settings".to_owned(),
        _ => {
            let mut spoken = String::new();
            for letter in word.chars() {
                if letter.is_uppercase() && !spoken.is_empty() {
                    spoken.push(' ');
                }
                spoken.extend(letter.to_lowercase());
            }
            spoken
        }
    }
}

/// Nobody remembers changes by the second.
fn spoken(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        2..120 => format!("{minutes} minutes"),
        _ => format!("{} hours", minutes / 60),
    }
}

/// What was changed earlier is seldom why something breaks now.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// A report names some; the vendor's audit lists all.
const SHOWN: usize = 3;

/// How many changed properties one line names.
const PROPERTIES: usize = 3;
