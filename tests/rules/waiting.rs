//! When each nameserver is asked again by who waits, and when the wait is over.

use std::time::Duration;

use branchline::propagation::{self, LONGEST, Propagation, SHORTEST, Says};
use branchline::sight::View;

use super::site::{Asked, Said, Site, watched};

const NEW: &str = "A 198.51.100.80";
const OLD: &str = "A 198.51.100.7";
const SECOND: Duration = Duration::from_secs(1);

fn resolver() -> Asked {
    watched(View::Site, "192.0.2.53:53")
}

fn authority(last: u8) -> Asked {
    watched(View::Authoritative, &format!("192.0.2.{last}:53"))
}

#[track_caller]
fn judged(site: &Site) -> Propagation {
    propagation::of(&site.evidence()).pop().expect("a name")
}

/// How long after it was heard the first resolver of the phones is asked again.
fn gap(name: &Propagation) -> Option<Duration> {
    let first = &name.sightings[0];
    name.asked_again_at(first).map(|at| at.duration_since(first.heard).expect("not before"))
}

#[test]
fn a_resolver_is_asked_again_when_what_it_remembers_is_surely_over() {
    let old = |ttl| {
        Site::new()
            .saw(&authority(1).with_records(&[NEW], 600), Said::Works)
            .saw(&resolver().with_records(&[OLD], ttl), Said::Works)
    };

    assert_eq!(gap(&judged(&old(7))), Some(Duration::from_secs(8)));
    assert_eq!(gap(&judged(&old(900))), Some(LONGEST), "its cache may be flushed");
}

#[test]
fn who_gives_no_time_and_an_authority_that_has_no_news_are_asked_every_five_seconds() {
    let silent = Site::new().saw(&resolver(), Said::Silence(7));
    let denied = Site::new().saw(&authority(1).absent_for(900), Said::Rejects(3));

    assert_eq!(gap(&judged(&silent)), Some(SHORTEST));
    assert_eq!(gap(&judged(&denied)), Some(SHORTEST));
}

#[test]
fn who_has_it_is_asked_again_only_where_it_may_forget_it() {
    let site = Site::new()
        .saw(&resolver().with_records(&[NEW], 900), Said::Works)
        .saw(&authority(1).with_records(&[NEW], 900), Said::Works);

    let name = judged(&site);

    assert_eq!(gap(&name), Some(Duration::from_secs(901)), "however long that is");
    assert_eq!(name.asked_again_at(&name.sightings[1]), None);
}

#[test]
fn a_wait_is_over_while_the_resolver_still_has_what_everyone_has() {
    let site = Site::new()
        .saw(&resolver().with_records(&[NEW], 7), Said::Works)
        .saw(&authority(1).with_records(&[NEW], 7), Said::Works);

    let name = judged(&site);
    let heard = name.sightings[0].heard;

    assert!(name.has_arrived(heard));
    assert!(name.has_arrived(heard + 7 * SECOND));
    // It may have asked somebody who was behind since.
    assert!(!name.has_arrived(heard + 8 * SECOND));
}

#[test]
fn a_wait_is_not_over_while_one_who_answers_has_something_else() {
    let site = Site::new()
        .saw(&resolver().with_records(&[NEW], 600), Said::Works)
        .saw(&watched(View::Public, "192.0.2.99:53").with_records(&[OLD], 600), Said::Works)
        .saw(&authority(1).with_records(&[NEW], 600), Said::Works);

    let name = judged(&site);

    assert!(name.has(|says| says == Says::Stale), "{name:#?}");
    assert!(!name.has_arrived(name.sightings[0].heard));
}
