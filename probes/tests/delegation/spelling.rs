//! Names spelled at random on the way, and who repeats the spelling (0x20; D-DNS-3).

use std::collections::BTreeSet;

use branchline_probes::{Ignored, OptionValue, Transport};

use crate::desk::{News, millis};
use crate::world::{Answer, COM, ROOT, World, Zone, at, framed, labels, message, servers};

const GOOD: &str = "192.0.2.51";

fn world() -> World {
    let com = Zone::new("com").cut("example.com", "ns.example.com", GOOD);
    let mut world = World::with_com(com);
    world.serve(GOOD, Zone::new("example.com").ns("ns.example.com"));
    world
}

/// The same answer, its question in lower case.
fn in_lower_case(answer: &Answer) -> Answer {
    Answer { question: answer.question.to_ascii_lowercase(), ..answer.clone() }
}

// D-DNS-3
#[test]
fn each_letter_is_in_either_case_and_each_query_is_spelled_anew() {
    let name = labels("www.example.com");
    let mut spellings = Vec::new();
    for seed in 0..32 {
        let result = world().walk_with("www.example.com", ROOT, &[], seed);
        let of_name = result.sent.iter().map(|(.., query)| query[12..].to_vec());
        spellings.extend(of_name.filter(|it| it.len() > name.len()).filter_map(|it| {
            let spelled = it[..name.len()].to_vec();
            spelled.eq_ignore_ascii_case(&name).then_some(spelled)
        }));
    }

    // The root, com and the zone were asked for it in each of the walks.
    assert_eq!(spellings.len(), 3 * 32);
    for (at, letter) in name.into_iter().enumerate() {
        let seen: Vec<u8> = spellings.iter().map(|it| it[at]).collect();
        let has_both = seen.iter().any(u8::is_ascii_uppercase) && seen.contains(&letter);
        assert_eq!(has_both, letter.is_ascii_alphabetic(), "{at}");
    }
    // Thirteen letters: 96 spellings have 4,560 pairs, of which one in 8,192 is equal.
    assert!(spellings.iter().collect::<BTreeSet<_>>().len() >= 92);
}

// D-DNS-3
#[test]
fn who_guesses_the_id_and_not_the_spelling_is_ignored_and_the_truth_wins() {
    for server in [ROOT, COM, GOOD] {
        let mut world = world();
        world.twist(server, move |query, honest, transport| {
            let refused = in_lower_case(&Answer::error(query, 5)).bytes();
            let forged = (millis(5), News::Heard { from: at(server), bytes: refused });
            let is_datagram = transport == Transport::Udp;
            is_datagram.then(|| [vec![forged], honest.heard(at(server))].concat())
        });

        let result = world.walk("example.com");

        assert_eq!(message(&result.outcome), "", "{server}");
        assert_eq!(servers(&result.outcome), [GOOD], "{server}");
        assert!(result.ignored(Ignored::Mismatch) > 0, "{server}: {:?}", result.outcome.ignored);
    }
}

#[test]
fn a_server_that_spells_in_its_own_way_is_believed_over_a_stream() {
    let mut world = world();
    world.twist(COM, |_, honest, transport| {
        let lower = in_lower_case(honest);
        let bytes = framed(&lower.bytes());
        Some(match transport {
            Transport::Udp => lower.heard(at(COM)),
            Transport::Tcp | Transport::Tls => {
                vec![(millis(20), News::Heard { from: at(COM), bytes })]
            }
        })
    });

    let result = world.walk("example.com");

    assert_eq!(
        (message(&result.outcome).as_str(), servers(&result.outcome)),
        ("", vec![GOOD.to_owned()])
    );
    let streams: Vec<_> = result.opened.iter().filter(|leg| leg.transport.is_stream()).collect();
    assert_eq!((streams.len(), streams[0].peer), (1, at(COM)));
}

#[test]
fn where_names_are_not_spelled_at_random_any_spelling_of_an_answer_will_do() {
    let mut world = world();
    world.answers(COM, |_, honest| Answer {
        question: honest.question.to_ascii_uppercase(),
        ..honest.clone()
    });
    let plain = ("random_case", OptionValue::Flag(false));

    let result = world.walk_with("example.com", ROOT, &[plain], 7);

    assert_eq!(
        (message(&result.outcome).as_str(), servers(&result.outcome)),
        ("", vec![GOOD.to_owned()])
    );
    assert!(result.opened.iter().all(|leg| leg.transport == Transport::Udp));
    for (.., query) in &result.sent {
        assert!(!query[12..].iter().any(u8::is_ascii_uppercase), "{query:02x?}");
    }
}
