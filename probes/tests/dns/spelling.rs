//! A name spelled at random, and who repeats the spelling (0x20; D-DNS-3).

use branchline_probes::{Ignored, OptionValue, Transport};

use crate::desk::{begin, run, silence};
use crate::{Answer, NAME, addresses, ask_with, framed, labels, lie, options, truth};

/// The name in the question of a query, as it was spelled.
fn spelling(query: &[u8]) -> Vec<u8> {
    query[12..12 + labels(NAME).len()].to_vec()
}

/// The same answer, its question in lower case.
fn in_lower_case(answer: Answer) -> Vec<u8> {
    let question = answer.question.to_ascii_lowercase();
    Answer { question, ..answer }.bytes()
}

// D-DNS-3
#[test]
fn over_udp_each_letter_is_in_either_case_and_each_query_is_spelled_anew() {
    let spelled = |seed| {
        let result = run(begin(&*options(&[]), seed).as_mut(), &mut silence());
        spelling(&result.sent[0].2)
    };
    let spellings: Vec<Vec<u8>> = (0..64).map(spelled).collect();

    for (at, letter) in labels(NAME).into_iter().enumerate() {
        let seen: Vec<u8> = spellings.iter().map(|it| it[at]).collect();
        assert!(seen.iter().all(|it| it.eq_ignore_ascii_case(&letter)), "{at}");
        let has_both = seen.iter().any(u8::is_ascii_uppercase) && seen.contains(&letter);
        assert_eq!(has_both, letter.is_ascii_alphabetic(), "{at}");
    }
    // Fourteen letters: a repetition among 64 would be one chance in eight.
    let mut distinct = spellings.clone();
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() >= 62, "{}", distinct.len());
}

// D-DNS-3
#[test]
fn a_datagram_that_spells_the_name_otherwise_is_ignored_and_the_truth_wins() {
    let forge = |query: &[u8]| vec![in_lower_case(lie(query)), truth(query)];

    let result = ask_with(&[], forge, |_| Vec::new());

    assert_eq!((result.label(), addresses(&result)), ("", vec!["A 203.0.113.80".to_owned()]));
    assert_eq!(result.ignored(Ignored::Mismatch), 1);
}

#[test]
fn a_server_that_spells_in_its_own_way_is_believed_over_a_stream() {
    let lower = |query: &[u8]| in_lower_case(Answer::to(query).with(&[crate::a(60, [1, 2, 3, 4])]));

    let result = ask_with(&[], |query| vec![lower(query)], |query| vec![framed(&lower(query))]);

    assert_eq!((result.label(), addresses(&result)), ("", vec!["A 1.2.3.4".to_owned()]));
    let transports: Vec<_> = result.opened.iter().map(|leg| leg.transport).collect();
    assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
}

#[test]
fn where_the_module_says_so_any_spelling_of_the_name_is_ours() {
    let any = [("random_case", OptionValue::Flag(false))];
    let upper = |query: &[u8]| {
        let answer = Answer::to(query).with(&[crate::a(60, [1, 2, 3, 4])]);
        let question = answer.question.to_ascii_uppercase();
        vec![Answer { question, ..answer }.bytes()]
    };

    let result = ask_with(&any, upper, |_| Vec::new());

    assert_eq!((result.label(), addresses(&result)), ("", vec!["A 1.2.3.4".to_owned()]));
    assert_eq!(spelling(&result.sent[0].2), labels(NAME));
}
