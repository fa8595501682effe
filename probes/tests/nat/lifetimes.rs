//! How long a silent binding lives, and when that cannot be told.

use std::time::Duration;

use branchline_probes::nat_behavior::{BINDING_LIFETIME, BINDING_LIFETIME_BELOW, LIFETIME_BOUND};
use branchline_probes::{Moment, OptionValue};

use crate::world::{Filtering, Mapping, Nat, Path, Run, Servers, World};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A NAT that forgets after so many seconds of silence.
fn nat(lifetime: u64) -> Nat {
    let nat = Nat::new(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    Nat { lifetime: seconds(lifetime), ..nat }
}

fn search(world: World, more: &[(&str, OptionValue)]) -> Run {
    let mut set = vec![("lifetime", OptionValue::Flag(true)), ("repeats", OptionValue::Count(1))];
    set.extend_from_slice(more);
    world.run(&set)
}

/// What was found: the longest silence that was survived, the shortest that was not, in seconds.
fn found(run: &Run) -> (Option<u64>, Option<u64>, &'static str) {
    let read = |key| run.outcome.facts.read(key).map(|it: Duration| it.as_secs());
    (read(&BINDING_LIFETIME), read(&BINDING_LIFETIME_BELOW), run.word(&LIFETIME_BOUND))
}

#[test]
fn a_lifetime_is_found_between_two_silences() {
    for (lifetime, alive, dead) in [(20, 15, 30), (45, 30, 60), (100, 90, 120), (250, 240, 300)] {
        for keeps_port in [false, true] {
            let run = search(World::new(Nat { keeps_port, ..nat(lifetime) }), &[]);

            assert_eq!(found(&run), (Some(alive), Some(dead), "measured"), "{lifetime}");
        }
    }
}

#[test]
fn a_nat_that_remembers_longer_than_is_tried_is_known_by_its_least() {
    let run = search(World::new(nat(3_600)), &[]);

    assert_eq!(found(&run), (Some(300), None, "at_least"));
    assert!(run.ended.elapsed() < seconds(330), "{:?}", run.ended);
}

#[test]
fn one_run_goes_on_where_another_ended() {
    let more = [
        ("lifetime_known", OptionValue::Duration(seconds(60))),
        ("lifetime_most", OptionValue::Duration(seconds(100))),
    ];

    let run = search(World::new(nat(77)), &more);

    assert_eq!(found(&run), (Some(75), Some(80), "measured"));
}

#[test]
fn without_response_port_a_new_address_tells_that_the_old_is_forgotten() {
    let servers = Servers { response_port: false, ..Servers::default() };

    let run = search(World::new(nat(45)).with_servers(servers), &[]);

    assert_eq!(found(&run), (Some(30), Some(60), "measured"));
}

#[test]
fn without_response_port_a_nat_that_keeps_ports_tells_nothing() {
    let servers = Servers { response_port: false, ..Servers::default() };
    let nat = Nat { keeps_port: true, ..nat(45) };

    let run = search(World::new(nat).with_servers(servers), &[]);

    assert_eq!(found(&run), (None, None, "absent"));
}

// F44
#[test]
fn a_nat_that_forgets_everything_at_once_is_not_taken_for_one_that_forgets_the_silent() {
    for keeps_port in [false, true] {
        for after in (10..290).step_by(11) {
            let flushes_at = Some(Moment::after(seconds(after)));
            let nat = Nat { keeps_port, flushes_at, ..nat(3_600) };

            let run = search(World::new(nat), &[]);

            let (_, dead, bound) = found(&run);
            assert_eq!(dead, None, "flushed after {after} s");
            assert!(["at_least", "absent"].contains(&bound), "flushed after {after} s");
        }
    }
}

#[test]
fn loss_does_not_shorten_a_lifetime() {
    for seed in 0..100 {
        let path = Path { loss: 0.05, jitter: Duration::from_millis(40) };

        let run = search(World::new(nat(3_600)).with_path(path, seed), &[]);

        assert_eq!(found(&run).1, None, "seed {seed}");
    }
}

#[test]
fn by_default_no_silence_is_tried() {
    let run = World::new(nat(45)).run(&[]);

    assert_eq!(found(&run), (None, None, "absent"));
    assert!(run.ended.elapsed() < seconds(30), "{:?}", run.ended);
}
