//! What a channel listens to: a topic for each edge, trunk and phone, as far as they fit.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::poller::thing::is_plain;
use crate::telephony::{Hint, Part, PartName, Reference, Snapshot};

/// The vendor's topics that speak of one thing, the most important part first.
pub(super) const TEMPLATES: [(PartName, &str); 3] = [
    (PartName::Edges, "v2.telephony.providers.edges.{id}"),
    (PartName::Trunks, "v2.telephony.providers.edges.trunks.{id}"),
    (PartName::Phones, "v2.telephony.providers.edges.phones.{id}"),
];

/// The most topics that the vendor allows on one channel.
const MOST: usize = 1000;

/// The topics of one channel, and at what each of them hints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topics {
    hints: BTreeMap<String, Hint>,
    /// The parts of which not everything has a topic.
    beyond: BTreeSet<PartName>,
}

impl Topics {
    /// The topics of everything that `snapshot` knows.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut topics = Self::default();
        for (part, template) in TEMPLATES {
            match part {
                PartName::Edges => {
                    topics.add(part, template, &snapshot.edges, |edge| &edge.reference);
                }
                PartName::Trunks => {
                    topics.add(part, template, &snapshot.trunks, |trunk| &trunk.reference);
                }
                PartName::Phones => {
                    topics.add(part, template, &snapshot.phones, |phone| &phone.reference);
                }
                PartName::EdgeGroups
                | PartName::Sites
                | PartName::Locations
                | PartName::Organization
                | PartName::TrunkSettings
                | PartName::Authorities
                | PartName::EdgeMetrics
                | PartName::TrunkMetrics
                | PartName::Quality
                | PartName::Changes => {}
            }
        }
        topics
    }

    fn add<T>(
        &mut self,
        part: PartName,
        template: &str,
        of: &Part<T>,
        reference: impl Fn(&T) -> &Reference,
    ) {
        if of.read.is_none() {
            self.beyond.insert(part);
        }
        for id in of.items.iter().map(|item| &reference(item).id) {
            // What has a point in it could be another topic.
            if self.hints.len() < MOST && is_plain(id) {
                let hint = Hint { part, id: Some(id.clone()) };
                self.hints.insert(template.replace("{id}", id.as_str()), hint);
            } else {
                self.beyond.insert(part);
            }
        }
    }

    /// At what a message of this topic hints; `None` for a topic that was not asked for.
    pub(super) fn hint(&self, topic: &str) -> Option<&Hint> {
        self.hints.get(topic)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.hints.len()
    }

    /// Whether there is nothing to listen to.
    pub(super) fn is_empty(&self) -> bool {
        self.hints.is_empty()
    }

    /// The body of the subscription.
    pub(super) fn body(&self) -> Value {
        self.hints.keys().map(|topic| json!({ "id": topic })).collect()
    }

    /// The parts of which every thing is heard, when the topics `rejected` are not: they need not
    /// be read as often. Groups are judged by their edges, and read together with them.
    pub(super) fn covered(&self, rejected: &BTreeSet<String>) -> BTreeSet<PartName> {
        let unheard: BTreeSet<PartName> =
            rejected.iter().filter_map(|topic| self.hint(topic)).map(|hint| hint.part).collect();
        let parts = TEMPLATES.iter().map(|(part, _)| *part);
        let mut covered: BTreeSet<PartName> =
            parts.filter(|part| !self.beyond.contains(part) && !unheard.contains(part)).collect();
        if covered.contains(&PartName::Edges) {
            covered.insert(PartName::EdgeGroups);
        }
        covered
    }

    /// Hints at what these topics have and `before` did not: nobody heard what happened to it
    /// since it was read.
    pub(super) fn beyond<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Hint> {
        let is_new = |(topic, _): &(&String, &Hint)| !before.hints.contains_key(*topic);
        self.hints.iter().filter(is_new).map(|(_, hint)| hint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::SystemTime;

    use branchline_probes::Foreign;
    use serde_json::Value;

    use super::{TEMPLATES, Topics};
    use crate::telephony::{Edge, Part, PartName, Phone, Reference, Snapshot, Trunk};

    fn reference(id: &str) -> Reference {
        Reference { id: Foreign::new(id), name: Foreign::default() }
    }

    fn part<T>(ids: impl IntoIterator<Item = String>, item: impl Fn(Reference) -> T) -> Part<T> {
        let items = ids.into_iter().map(|id| item(reference(&id))).collect();
        Part { items, read: Some(SystemTime::UNIX_EPOCH), ..Part::default() }
    }

    fn edges(ids: &[&str]) -> Part<Edge> {
        let ids = ids.iter().map(|id| (*id).to_owned());
        part(ids, |reference| Edge { reference, ..Edge::default() })
    }

    fn phones(count: usize) -> Part<Phone> {
        let ids = (0..count).map(|number| number.to_string());
        part(ids, |reference| Phone { reference, ..Phone::default() })
    }

    fn trunks(count: usize) -> Part<Trunk> {
        let ids = (0..count).map(|number| number.to_string());
        part(ids, |reference| Trunk { reference, ..Trunk::default() })
    }

    #[test]
    fn every_topic_is_one_that_the_vendor_publishes() {
        let api: Value = serde_json::from_str(include_str!("../../../tests/genesys/openapi.json"))
            .expect("JSON");
        let published = api["x-notification-topics"].as_object().expect("topics");

        for (part, template) in TEMPLATES {
            assert!(published.contains_key(template), "{part:?}: {template}");
        }
    }

    #[test]
    fn each_edge_trunk_and_phone_has_a_topic_and_a_full_reading_is_needed_less_often() {
        let snapshot = Snapshot {
            edges: edges(&["e-1"]),
            trunks: trunks(1),
            phones: phones(1),
            ..Snapshot::default()
        };

        let topics = Topics::of(&snapshot);

        assert_eq!(
            topics.body(),
            serde_json::json!([
                { "id": "v2.telephony.providers.edges.e-1" },
                { "id": "v2.telephony.providers.edges.phones.0" },
                { "id": "v2.telephony.providers.edges.trunks.0" },
            ])
        );
        assert_eq!(
            topics.covered(&BTreeSet::new()),
            BTreeSet::from([
                PartName::Edges,
                PartName::EdgeGroups,
                PartName::Trunks,
                PartName::Phones
            ])
        );
    }

    #[test]
    fn beyond_a_thousand_topics_phones_are_left_to_polling_before_trunks_and_edges() {
        let snapshot = Snapshot {
            edges: edges(&["e"]),
            trunks: trunks(200),
            phones: phones(2_000),
            ..Snapshot::default()
        };

        let topics = Topics::of(&snapshot);

        assert_eq!(topics.len(), 1000);
        assert!(topics.hint("v2.telephony.providers.edges.e").is_some());
        assert!(topics.hint("v2.telephony.providers.edges.trunks.199").is_some());
        let covered = topics.covered(&BTreeSet::new());
        assert!(!covered.contains(&PartName::Phones));
        assert!(covered.contains(&PartName::Trunks));
    }

    #[test]
    fn a_part_with_a_rejected_topic_or_one_that_was_never_read_is_polled_as_before() {
        let snapshot = Snapshot { edges: edges(&["e"]), phones: phones(2), ..Snapshot::default() };
        let rejected = BTreeSet::from(["v2.telephony.providers.edges.e".to_owned()]);

        let covered = Topics::of(&snapshot).covered(&rejected);

        assert_eq!(covered, BTreeSet::from([PartName::Phones]));
    }

    #[test]
    fn an_id_that_would_name_another_topic_has_none() {
        let snapshot = Snapshot {
            edges: edges(&["trunks.1", "a b", "{id}", "", "fine"]),
            ..Snapshot::default()
        };

        let topics = Topics::of(&snapshot);

        assert_eq!(topics.len(), 1);
        assert!(!topics.covered(&BTreeSet::new()).contains(&PartName::Edges));
    }

    #[test]
    fn what_is_new_is_hinted_at() {
        let of = |ids: &[&str]| Topics::of(&Snapshot { edges: edges(ids), ..Snapshot::default() });

        let (before, after) = (of(&["a", "b"]), of(&["b", "c"]));

        let ids = after.beyond(&before).filter_map(|hint| hint.id.as_ref());
        assert_eq!(ids.map(Foreign::as_str).collect::<Vec<_>>(), ["c"]);
    }
}
