//! How long names took to arrive, from the moment at which a zone had them to the last resolver.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::propagation::{Propagation, Standing};

/// Names on their way.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Since when the zone has what is on its way, by question.
    on_their_way: BTreeMap<String, SystemTime>,
}

impl Arrivals {
    /// Takes note of what is known now; gives how long each took that has arrived since the last
    /// time. One that was there from the beginning took no time that anybody saw.
    pub(super) fn note(&mut self, names: &[Propagation], now: SystemTime) -> Vec<Duration> {
        let is_watched = |question: &String| names.iter().any(|name| name.question == *question);
        self.on_their_way.retain(|question, _| is_watched(question));
        let mut arrived = Vec::new();
        for name in names.iter().filter(|name| name.is_watched) {
            match (name.standing, name.since.filter(|_| name.has_begun_in_view)) {
                (Standing::Propagating, Some(since)) => {
                    self.on_their_way.insert(name.question.clone(), since);
                }
                (Standing::Propagated, _) => {
                    if let Some(since) = self.on_their_way.remove(&name.question) {
                        // A clock that was set back meanwhile has measured nothing.
                        arrived.extend(now.duration_since(since).ok());
                    }
                }
                _ => {}
            }
        }
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::Arrivals;
    use crate::propagation::{Propagation, Standing};
    use std::time::{Duration, SystemTime};

    fn name(standing: Standing, has_begun_in_view: bool) -> Propagation {
        Propagation {
            question: "lyon.example.net A".to_owned(),
            is_watched: true,
            edge_group: None,
            standing,
            sightings: Vec::new(),
            expected: Vec::new(),
            is_expected_by_vendor: false,
            share: None,
            since: Some(at(10)),
            has_begun_in_view,
            by: None,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_name_that_was_seen_to_come_took_from_the_zone_to_the_last_resolver() {
        let mut arrivals = Arrivals::default();

        let before = arrivals.note(&[name(Standing::Propagating, true)], at(12));
        let then = arrivals.note(&[name(Standing::Propagated, true)], at(52));
        let after = arrivals.note(&[name(Standing::Propagated, true)], at(82));

        assert!(before.is_empty());
        assert_eq!(then, [Duration::from_secs(42)]);
        assert!(after.is_empty(), "it arrives once");
    }

    #[test]
    fn a_name_that_was_there_from_the_beginning_took_no_time_that_anybody_saw() {
        let mut arrivals = Arrivals::default();
        arrivals.note(&[name(Standing::Propagating, false)], at(12));

        assert!(arrivals.note(&[name(Standing::Propagated, false)], at(52)).is_empty());
    }

    #[test]
    fn a_name_that_is_no_longer_watched_is_forgotten() {
        let mut arrivals = Arrivals::default();
        arrivals.note(&[name(Standing::Propagating, true)], at(12));
        arrivals.note(&[], at(20));

        assert!(arrivals.note(&[name(Standing::Propagated, true)], at(52)).is_empty());
    }
}
