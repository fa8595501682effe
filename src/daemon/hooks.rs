//! What webhooks and news of the vendor's lead to: readings and early runs, and what the audit trail
//! says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use metrics::{counter, gauge};

use crate::audit::{Entry, Trail};
use crate::check::{Check, CheckId};
use crate::config::Surroundings;
use crate::telephony::{PartName, Registration, Snapshot, State, Trunk};
use crate::webhook::{ACCEPTED, Heard};

/// Opens the audit trail in `$STATE_DIRECTORY`.
pub(super) fn open_trail() -> Trail {
    let folders = Surroundings::of_process().variable("STATE_DIRECTORY");
    // Several are separated by colons (systemd.exec(5)); the first is ours.
    let folder = folders.as_deref().and_then(|folders| folders.split(':').next());
    Trail::open(folder.map(Path::new))
}

/// Whether nobody says that this host's clock is wrong. systemd-timesyncd leaves a file once it has
/// set the clock (systemd-timesyncd.service(8)); where it does not run, nobody says anything.
pub(super) fn is_clock_synchronised() -> bool {
    let timesync = Path::new("/run/systemd/timesync");
    !timesync.exists() || timesync.join("synchronized").exists()
}

/// The entry of a webhook that was heard.
pub(super) fn entry(heard: &Heard, now: SystemTime) -> Entry {
    let notice = &heard.notice;
    Entry::new("webhook", now)
        .with("result", ACCEPTED)
        .with("peer", heard.peer.to_string())
        .with("id", Some(notice.id.as_str()).filter(|id| !id.is_empty()).unwrap_or("missing"))
        .with("named", notice.event.as_str())
        .with_some("trunk", notice.trunk.as_ref().map(|it| it.as_str()))
        .with_some("edge", notice.edge.as_ref().map(|it| it.as_str()))
        .with_some("claims", notice.status.as_ref().map(|it| it.as_str()))
}

/// How webhooks ended: counted at once, written now and then.
#[derive(Default)]
pub(super) struct Tally {
    /// Refused and not written yet, and when that was last done.
    refused: BTreeMap<&'static str, (u64, Option<Instant>)>,
}

impl Tally {
    /// Notes how many ended how; gives what is to be written: of each reason once a minute.
    pub(super) fn note(
        &mut self,
        results: BTreeMap<&'static str, u64>,
        now: Instant,
        wall: SystemTime,
    ) -> Vec<Entry> {
        for (result, count) in results {
            counter!("branchline_webhooks_total", "result" => result).increment(count);
            if result == ACCEPTED {
                let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                gauge!("branchline_webhook_last_accepted_timestamp_seconds")
                    .set(since.as_secs_f64());
            } else {
                self.refused.entry(result).or_default().0 += count;
            }
        }
        let mut entries = Vec::new();
        for (result, (count, written)) in &mut self.refused {
            let is_due = written.is_none_or(|written| now.duration_since(written) >= SELDOM);
            if *count > 0 && is_due {
                tracing::warn!(reason = result, count = *count, "webhooks are refused");
                let entry = Entry::new("webhooks_refused", wall).with("result", result);
                entries.push(entry.with_count("count", std::mem::take(count)));
                *written = Some(now);
            }
        }
        entries
    }
}

/// The checks that hang on what a webhook speaks of.
pub(super) fn spoken_of(
    heard: &Heard,
    checks: &[Check],
    snapshot: Option<&Snapshot>,
) -> BTreeSet<CheckId> {
    let trunk = heard.notice.trunk.as_ref().map(|it| it.as_str());
    let edge = heard.notice.edge.as_ref().map(|it| it.as_str());
    let group = edge.and_then(|id| {
        let edge = snapshot?.edges.items.iter().find(|edge| edge.reference.is(id))?;
        edge.edge_group.clone()
    });
    let hangs_on_trunk = |link: &str| {
        let is_meant = |id: &str| {
            link == id || snapshot.is_some_and(|it| it.trunks_of(link).any(|it| it.is(id)))
        };
        trunk.is_some_and(is_meant)
    };
    // The group of an edge refers to it by name or by id alone, so what is known of it decides, too.
    let hangs_on_group = |link: &str| {
        group.as_ref().is_some_and(|group| {
            let mut groups = snapshot.into_iter().flat_map(|it| it.edge_groups_of(link));
            group.is(link) || groups.any(|it| it.reference.id == group.id)
        })
    };
    let is_meant = |check: &&Check| {
        check.trunk.as_deref().is_some_and(hangs_on_trunk)
            || check.edge_group.as_deref().is_some_and(hangs_on_group)
    };
    checks.iter().filter(is_meant).map(Check::id).collect()
}

/// The checks that hang on something of which the vendor now says something else than before.
pub(super) fn changed(before: &Snapshot, after: &Snapshot, checks: &[Check]) -> BTreeSet<CheckId> {
    let trunks = are_both_read(before, after, PartName::Trunks);
    let groups = are_both_read(before, after, PartName::EdgeGroups);
    let is_changed = |check: &&Check| {
        let trunk = check.trunk.as_deref().filter(|_| trunks);
        let group = check.edge_group.as_deref().filter(|_| groups);
        trunk.is_some_and(|link| trunk_states(before, link) != trunk_states(after, link))
            || group.is_some_and(|link| group_states(before, link) != group_states(after, link))
    };
    checks.iter().filter(is_changed).map(Check::id).collect()
}

/// A part that was not read before, or is not now, has not changed: nobody knows.
fn are_both_read(before: &Snapshot, after: &Snapshot, name: PartName) -> bool {
    let is_read =
        |of: &Snapshot| of.parts().iter().any(|part| part.name == name && part.is_current());
    is_read(before) && is_read(after)
}

fn trunk_states<'a>(of: &'a Snapshot, link: &'a str) -> BTreeMap<&'a str, (State, Registration)> {
    let state = |trunk: &'a Trunk| (trunk.reference.id.as_str(), (trunk.state, trunk.registration));
    of.trunks_of(link).map(state).collect()
}

fn group_states<'a>(of: &'a Snapshot, link: &'a str) -> BTreeMap<&'a str, State> {
    of.edge_groups_of(link).map(|group| (group.reference.id.as_str(), group.state)).collect()
}

/// How soon after its last start a check may be hastened: what it asks has to be over.
pub(super) fn shortest_interval(check: &Check) -> Duration {
    check.module.timeout()
}

/// How seldom refusals of one reason are written.
const SELDOM: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::IpAddr;
    use std::time::{Duration, Instant, SystemTime};

    use branchline_probes::Foreign;

    use super::{Tally, changed, spoken_of};
    use crate::check::{Check, CheckId};
    use crate::config::{self, Surroundings};
    use crate::telephony::{Edge, EdgeGroup, Reference, Registration, Snapshot, State, Trunk};
    use crate::webhook::{Heard, Notice};

    fn checks() -> Vec<Check> {
        let text = "[site]\nname = \"lyon\"\n[modules.stun]\nprobe = \"stun-binding\"\n\
            [[targets]]\nname = \"carrier\"\naddress = \"127.0.0.1:1\"\nmodules = [\"stun\"]\n\
            trunk = \"Carrier\"\n\
            [[targets]]\nname = \"phones\"\naddress = \"127.0.0.1:1\"\nmodules = [\"stun\"]\n\
            edge_group = \"Edges\"\n\
            [[targets]]\nname = \"relay\"\naddress = \"127.0.0.1:1\"\nmodules = [\"stun\"]\n";
        config::parse("test", text, &Surroundings::empty()).expect("it is valid").checks
    }

    fn reference(id: &str, name: &str) -> Reference {
        Reference { id: Foreign::new(id), name: Foreign::new(name) }
    }

    fn snapshot(registration: Registration, state: State) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let read = Some(SystemTime::UNIX_EPOCH);
        snapshot.trunks.read = read;
        snapshot.edge_groups.read = read;
        snapshot.trunks.items = vec![Trunk {
            reference: reference("t-1", "copy"),
            base: Some(reference("b-1", "Carrier")),
            registration,
            ..Trunk::default()
        }];
        let group = reference("g-1", "Edges");
        let edge_group = Some(reference("g-1", ""));
        let edge = Edge { reference: reference("e-1", "edge"), edge_group, ..Edge::default() };
        snapshot.edges.items = vec![edge];
        snapshot.edge_groups.items =
            vec![EdgeGroup { reference: group, state, ..EdgeGroup::default() }];
        snapshot
    }

    fn heard(trunk: Option<&str>, edge: Option<&str>) -> Heard {
        let (trunk, edge) = (trunk.map(Foreign::new), edge.map(Foreign::new));
        let notice = Notice { trunk, edge, ..Notice::default() };
        Heard { peer: IpAddr::from([127, 0, 0, 1]), notice }
    }

    fn targets(ids: BTreeSet<CheckId>) -> Vec<String> {
        ids.into_iter().map(|id| id.target.to_string()).collect()
    }

    // D-HOOK-3
    #[test]
    fn a_webhook_hastens_what_hangs_on_its_trunk_or_its_edge_and_nothing_else() {
        let snapshot = snapshot(Registration::Registered, State::Up);
        for (trunk, edge, expected) in [
            (Some("t-1"), None, vec!["carrier"]),
            (Some("Carrier"), None, vec!["carrier"]),
            (None, Some("e-1"), vec!["phones"]),
            (Some("t-1"), Some("e-1"), vec!["carrier", "phones"]),
            (Some("t-2"), Some("e-2"), vec![]),
        ] {
            let hastened = spoken_of(&heard(trunk, edge), &checks(), Some(&snapshot));

            assert_eq!(targets(hastened), expected, "{trunk:?} {edge:?}");
        }
        assert!(spoken_of(&heard(Some("t-1"), Some("e-1")), &checks(), None).is_empty());
    }

    #[test]
    fn what_the_vendor_says_otherwise_hastens_what_hangs_on_it() {
        let before = snapshot(Registration::Registered, State::Up);
        for (after, expected) in [
            (snapshot(Registration::Unregistered, State::Up), vec!["carrier"]),
            (snapshot(Registration::Registered, State::Down), vec!["phones"]),
            (before.clone(), vec![]),
            (Snapshot::default(), vec![]),
        ] {
            assert_eq!(targets(changed(&before, &after, &checks())), expected);
        }
        assert!(changed(&Snapshot::default(), &before, &checks()).is_empty());
    }

    // D-HOOK-4
    #[test]
    fn refusals_are_written_once_a_minute_with_how_many_there_were() {
        let (mut tally, begun, wall) = (Tally::default(), Instant::now(), SystemTime::UNIX_EPOCH);
        let lines = |entries: Vec<crate::audit::Entry>| {
            entries.iter().map(|entry| entry.line()).collect::<Vec<_>>()
        };
        let mut written = Vec::new();
        for second in 0..=60_u64 {
            let results = BTreeMap::from([("signature", 100), ("accepted", 1)]);
            let entries = tally.note(results, begun + Duration::from_secs(second), wall);
            written.extend(lines(entries));
        }

        let line = |count| {
            format!(
                "{{\"at\":\"1970-01-01T00:00:00.000Z\",\"event\":\"webhooks_refused\",\
                 \"result\":\"signature\",\"count\":{count}}}\n"
            )
        };
        assert_eq!(written, [line(100), line(6000)]);
    }
}
