//! The queue in virtual time: order, retries, bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use branchline::callback::{Attempt, Outcome, Queue, Settled};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const FAILED: Outcome = Outcome::Failed { wait: None };
const DAY: Duration = Duration::from_secs(24 * 3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of(events: &[(&str, &str)]) -> Queue {
    let mut queue = Queue::default();
    for (subject, body) in events {
        assert!(!queue.push((*subject).to_owned(), body.as_bytes().to_vec(), Duration::ZERO));
    }
    queue
}

/// Everything that may be sent at this moment.
fn attempts(queue: &mut Queue, now: Duration) -> Vec<Attempt> {
    std::iter::from_fn(|| queue.attempt(now)).collect()
}

fn bodies(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect()
}

#[test]
fn one_event_of_a_subject_is_under_way_and_four_in_all() {
    let events = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1"), ("d", "d1"), ("e", "e1")];
    let mut queue = of(&events);

    let first = attempts(&mut queue, Duration::ZERO);
    assert_eq!(bodies(&first), ["a1", "b1", "c1", "d1"]);
    assert_eq!(queue.wakes_at(), None, "nothing can be sent before one is done");
    assert_eq!(queue.settle(first[0].key, Outcome::Delivered, seconds(1), 0.0), Settled::Delivered);
    assert_eq!(bodies(&attempts(&mut queue, seconds(1))), ["a2"]);
    assert_eq!(queue.settle(first[1].key, Outcome::Refused, seconds(1), 0.0), Settled::Refused);
    assert_eq!(bodies(&attempts(&mut queue, seconds(1))), ["e1"]);
    assert_eq!(queue.len(), 4);
}

#[test]
fn a_later_event_of_a_subject_waits_for_the_earlier_and_those_of_others_do_not() {
    let mut queue = of(&[("a", "a1"), ("a", "a2"), ("b", "b1")]);
    let first = attempts(&mut queue, Duration::ZERO);
    assert_eq!(bodies(&first), ["a1", "b1"]);

    let settled = queue.settle(first[0].key, FAILED, Duration::ZERO, 1.0);

    assert_eq!(settled, Settled::Again);
    assert_eq!(queue.wakes_at(), Some(seconds(1)));
    assert_eq!(bodies(&attempts(&mut queue, Duration::from_millis(999))), [""; 0]);
    assert_eq!(bodies(&attempts(&mut queue, seconds(1))), ["a1"]);
}

#[test]
fn pauses_are_drawn_up_to_a_limit_that_doubles_to_five_minutes() {
    let limits = |chance: f64| {
        let mut queue = of(&[("a", "a1")]);
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let attempt = queue.attempt(now).expect("it is due");
            assert_eq!(queue.settle(attempt.key, FAILED, now, chance), Settled::Again);
            let next = queue.wakes_at().expect("it is tried again");
            pauses.push((next - now).as_secs_f64());
            now = next;
        }
        pauses
    };

    let most = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0];
    assert_eq!(limits(1.0), most);
    assert_eq!(limits(0.5), most.map(|it| it / 2.0));
    assert_eq!(limits(0.0), [0.0; 11]);
}

#[test]
fn what_is_asked_to_wait_is_waited_within_reason() {
    let waits = |wait| {
        let mut queue = of(&[("a", "a1")]);
        let key = queue.attempt(Duration::ZERO).expect("it is due").key;
        let _ = queue.settle(key, Outcome::Failed { wait: Some(wait) }, Duration::ZERO, 0.0);
        queue.wakes_at()
    };

    assert_eq!(waits(seconds(42)), Some(seconds(42)));
    assert_eq!(waits(seconds(86_400)), Some(seconds(300)));
}

#[test]
fn after_a_day_an_event_is_given_up_and_the_next_of_its_subject_goes_on() {
    let mut queue = of(&[("a", "a1")]);
    let _ = queue.push("a".to_owned(), b"a2".to_vec(), DAY - seconds(2));
    let mut try_at = |now| {
        let attempt = queue.attempt(now).expect("it is due");
        (
            bodies(std::slice::from_ref(&attempt)).remove(0),
            queue.settle(attempt.key, FAILED, now, 0.0),
        )
    };

    assert_eq!(try_at(DAY - seconds(1)), ("a1".to_owned(), Settled::Again));
    assert_eq!(try_at(DAY), ("a1".to_owned(), Settled::GivenUp));
    assert_eq!(try_at(DAY), ("a2".to_owned(), Settled::Again));
}

#[test]
fn a_full_queue_drops_the_oldest_event_of_a_subject_that_has_a_newer_one() {
    let mut queue = Queue::default();
    let push = |queue: &mut Queue, subject: &str, body: &str| {
        queue.push(subject.to_owned(), body.as_bytes().to_vec(), Duration::ZERO)
    };
    // Under way, so it stays whatever comes.
    assert!(!push(&mut queue, "first", "first"));
    assert_eq!(bodies(&[queue.attempt(Duration::ZERO).expect("it is due")]), ["first"]);
    for at in 0..997 {
        assert!(!push(&mut queue, &format!("s{at}"), "only"));
    }
    assert!(!push(&mut queue, "twice", "old"));
    assert!(!push(&mut queue, "twice", "new"));
    assert_eq!(queue.len(), 1_000);

    assert!(push(&mut queue, "s500", "newer"), "the old event of `twice` goes");
    assert!(push(&mut queue, "other", "x"), "then the old one of s500");
    assert!(push(&mut queue, "twice", "newest"), "then the new one of `twice`");
    assert!(push(&mut queue, "another", "y"), "and then the oldest of all, which is s0");

    assert_eq!(queue.len(), 1_000);
    let mut left = Vec::new();
    while let Some(attempt) = queue.attempt(Duration::ZERO) {
        left.extend(bodies(std::slice::from_ref(&attempt)));
        let _ = queue.settle(attempt.key, Outcome::Delivered, Duration::ZERO, 0.0);
    }
    assert_eq!(left.len(), 999);
    assert_eq!(left[995..], ["newer", "x", "newest", "y"]);
    assert!(left[..995].iter().all(|it| it == "only"));
}

#[test]
fn in_the_last_round_each_event_is_tried_once_at_once() {
    let mut queue = of(&[("a", "a1"), ("a", "a2"), ("b", "b1")]);
    let first = queue.attempt(Duration::ZERO).expect("it is due");
    let _ = queue.settle(first.key, FAILED, Duration::ZERO, 1.0);

    queue.finish();

    let mut tried = Vec::new();
    while let Some(attempt) = queue.attempt(Duration::ZERO) {
        tried.extend(bodies(std::slice::from_ref(&attempt)));
        assert_eq!(queue.settle(attempt.key, FAILED, Duration::ZERO, 1.0), Settled::GivenUp);
    }
    assert_eq!(tried, ["a1", "a2", "b1"]);
    assert!(queue.is_empty());
}

#[test]
fn whatever_fails_in_between_each_subject_is_heard_in_order_and_once() {
    for seed in 0..200 {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut queue = Queue::default();
        let mut heard: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut under_way: Vec<(u64, String)> = Vec::new();
        let mut sent: BTreeMap<String, u32> = BTreeMap::new();
        let mut now = Duration::ZERO;
        for _ in 0..400 {
            now += Duration::from_millis(chance.random_range(0..2_000));
            if chance.random_bool(0.3) {
                let subject = format!("s{}", chance.random_range(0..6));
                let number = sent.entry(subject.clone()).or_default();
                *number += 1;
                let body = format!("{subject} {number}").into_bytes();
                assert!(!queue.push(subject, body, now));
            }
            under_way.extend(
                attempts(&mut queue, now)
                    .into_iter()
                    .map(|it| (it.key, String::from_utf8_lossy(&it.body).into_owned())),
            );
            assert!(under_way.len() <= 4, "{under_way:?}");
            let mut subjects: Vec<_> =
                under_way.iter().filter_map(|(_, body)| body.split(' ').next()).collect();
            subjects.sort_unstable();
            subjects.dedup();
            assert_eq!(subjects.len(), under_way.len(), "one of each subject");
            if !under_way.is_empty() && chance.random_bool(0.6) {
                let (key, body) = under_way.swap_remove(chance.random_range(0..under_way.len()));
                if chance.random_bool(0.5) {
                    let (subject, number) = body.split_once(' ').expect("two words");
                    let number = number.parse().expect("a number");
                    heard.entry(subject.to_owned()).or_default().push(number);
                    let settled = queue.settle(key, Outcome::Delivered, now, 0.0);
                    assert_eq!(settled, Settled::Delivered);
                } else {
                    let drawn = chance.random_range(0.0..=1.0);
                    assert_eq!(queue.settle(key, FAILED, now, drawn), Settled::Again);
                }
            }
        }
        for (subject, numbers) in heard {
            let expected: Vec<u32> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "{subject} of seed {seed}");
        }
    }
}
