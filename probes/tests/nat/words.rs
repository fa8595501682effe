//! Every NAT is named right, and loss names none wrong.

use branchline_probes::nat_behavior::{FILTERING, LOSSES, MAPPING, METHOD, REPEATS};
use branchline_probes::{Moment, OptionValue};

use crate::desk::millis;
use crate::world::{Filtering, Mapping, Nat, Path, Run, World};

const MAPPINGS: [(Mapping, &str); 4] = [
    (Mapping::None, "none"),
    (Mapping::EndpointIndependent, "endpoint_independent"),
    (Mapping::AddressDependent, "address_dependent"),
    (Mapping::AddressAndPortDependent, "address_and_port_dependent"),
];

const FILTERINGS: [(Filtering, &str); 3] = [
    (Filtering::EndpointIndependent, "endpoint_independent"),
    (Filtering::AddressDependent, "address_dependent"),
    (Filtering::AddressAndPortDependent, "address_and_port_dependent"),
];

/// Every kind of NAT, with its words.
fn every_nat() -> impl Iterator<Item = (Nat, [&'static str; 3])> {
    MAPPINGS.into_iter().flat_map(|(mapping, mapping_word)| {
        FILTERINGS.into_iter().flat_map(move |(filtering, filtering_word)| {
            [false, true].into_iter().map(move |hairpin| {
                let hairpin_word = match (mapping, hairpin) {
                    (Mapping::None, _) => "absent",
                    (Mapping::EndpointIndependent, true) => "yes",
                    (Mapping::EndpointIndependent, false) => "no",
                    (Mapping::AddressDependent | Mapping::AddressAndPortDependent, _) => {
                        "inconclusive"
                    }
                };
                let nat = Nat { hairpin, ..Nat::new(mapping, filtering) };
                (nat, [mapping_word, filtering_word, hairpin_word])
            })
        })
    })
}

#[test]
fn every_nat_has_its_words_where_nothing_is_lost() {
    for (nat, words) in every_nat() {
        for keeps_port in [false, true] {
            let nat = Nat { keeps_port, ..nat };

            let run = World::new(nat).run(&[]);

            assert_eq!((run.label(), run.words()), ("", words), "{nat:?}");
            assert_eq!(run.word(&METHOD), "rfc5780");
            assert_eq!(run.outcome.facts.read(&LOSSES), Some(0), "{nat:?}");
            assert_eq!(run.outcome.facts.read(&REPEATS), Some(3), "{nat:?}");
        }
    }
}

#[test]
fn loss_never_gives_a_wrong_word_where_there_is_no_nat() {
    assert_loss_is_harmless(Mapping::None);
}

#[test]
fn loss_never_gives_a_wrong_word_behind_an_endpoint_independent_nat() {
    assert_loss_is_harmless(Mapping::EndpointIndependent);
}

#[test]
fn loss_never_gives_a_wrong_word_behind_an_address_dependent_nat() {
    assert_loss_is_harmless(Mapping::AddressDependent);
}

#[test]
fn loss_never_gives_a_wrong_word_behind_an_address_and_port_dependent_nat() {
    assert_loss_is_harmless(Mapping::AddressAndPortDependent);
}

// What peers get wrong: loss that reads as a symmetric NAT (pion/stun, one shot each).
#[track_caller]
fn assert_loss_is_harmless(mapping: Mapping) {
    for (nat, words) in every_nat().filter(|(nat, _)| nat.mapping == mapping) {
        // Only there the hairpin is asked for.
        if nat.hairpin && mapping != Mapping::EndpointIndependent {
            continue;
        }
        for (loss, useful) in [(0.05, [0.99, 0.6]), (0.2, [0.9, 0.0])] {
            let [mut mapping, mut filtering] = [0, 0];
            for seed in 0..SEEDS {
                let path = Path { loss, jitter: millis(40) };
                let run = World::new(nat).with_path(path, seed).run(&[]);

                assert_right_or_silent(&run, words, &format!("{nat:?} {loss} seed {seed}"));
                mapping += u32::from(run.word(&MAPPING) == words[0]);
                filtering += u32::from(run.word(&FILTERING) == words[1]);
            }
            let shares = [mapping, filtering].map(|count| f64::from(count) / f64::from(SEEDS));
            let is_useful = shares.iter().zip(useful).all(|(share, least)| *share >= least);
            assert!(is_useful, "{nat:?} {loss}: {shares:?}");
        }
    }
}

fn assert_right_or_silent(run: &Run, words: [&str; 3], what: &str) {
    // A first request that loses all of its seven transmissions is no answer at all.
    if run.label() == "no_response" {
        return;
    }
    assert_eq!(run.label(), "", "{what}");
    for (word, right) in run.words().into_iter().zip(words) {
        let is_unknown = word == "inconclusive" || (right != "absent" && word == "absent");
        assert!(word == right || is_unknown, "{what}: {word} for {right}");
    }
}

#[test]
fn jitter_alone_changes_nothing() {
    for (nat, words) in every_nat() {
        let path = Path { loss: 0.0, jitter: millis(300) };

        assert_eq!(World::new(nat).with_path(path, 7).run(&[]).words(), words, "{nat:?}");
    }
}

#[test]
fn one_repeat_is_enough_where_one_is_wanted() {
    let nat = Nat::new(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);

    let run = World::new(nat).run(&[("repeats", OptionValue::Count(1))]);

    assert_eq!(run.words()[..2], ["address_and_port_dependent"; 2]);
    assert_eq!(run.outcome.facts.read(&REPEATS), Some(1));
}

// stuntman #26: a port that spoke to the other address has opened the filter for it.
#[test]
fn every_filtering_test_has_a_port_of_its_own() {
    let nat = Nat::new(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);

    let run = World::new(nat).run(&[]);

    // Of each repeat one for the mapping and two for the filtering; two for the hairpin.
    assert_eq!(run.world.opened.len(), 3 * 3 + 2);
    assert!(run.world.most_open <= 3, "{}", run.world.most_open);
}

// F44
#[test]
fn a_nat_that_forgets_everything_in_between_is_never_named_wrong() {
    for (nat, words) in every_nat() {
        for after in (0..1_500).step_by(7) {
            let flushes_at = Some(Moment::after(millis(after)));

            let run = World::new(Nat { flushes_at, ..nat }).run(&[]);

            assert_right_or_silent(&run, words, &format!("{nat:?} flushed at {after} ms"));
        }
    }
}

// F44
#[test]
fn a_binding_that_changes_within_every_repeat_is_inconclusive() {
    let nat = Nat::new(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    // A binding that lives shorter than a round trip is another one for every request.
    let nat = Nat { lifetime: millis(10), ..nat };

    let run = World::new(nat).run(&[]);

    assert_eq!((run.label(), run.word(&MAPPING)), ("", "inconclusive"));
}

/// Runs for each NAT and each loss.
const SEEDS: u32 = if cfg!(debug_assertions) { 250 } else { 1_000 };
