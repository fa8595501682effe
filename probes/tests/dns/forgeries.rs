//! Which messages are the answer (D-DNS-3, D-DNS-5, D-DNS-6).

use branchline_probes::Ignored;
use branchline_probes::dns_query::RCODE;

use crate::{A, Answer, NAME, a, addresses, ask, assert_ignored, labels, lie, record};

// D-DNS-3
#[test]
fn a_query_sent_back_is_no_answer() {
    assert_ignored(Ignored::Unasked, <[u8]>::to_vec);
}

// D-DNS-3
#[test]
fn an_answer_to_another_kind_of_request_is_ignored() {
    for opcode in [1_u8, 2, 4, 5] {
        assert_ignored(Ignored::Unasked, |query| {
            let mut answer = lie(query);
            answer.flags |= opcode << 3;
            answer.bytes()
        });
    }
}

// D-DNS-3
#[test]
fn an_answer_whose_id_differs_in_any_one_bit_is_ignored() {
    for bit in 0..16 {
        assert_ignored(Ignored::Mismatch, |query| {
            let mut bytes = lie(query).bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
    }
}

// D-DNS-3
#[test]
fn an_answer_to_another_question_is_ignored() {
    let questions = [
        [labels("paris.example.com"), vec![0, 1, 0, 1]].concat(),
        [labels(NAME), vec![0, 28, 0, 1]].concat(),
    ];
    for question in questions {
        assert_ignored(Ignored::Mismatch, |query| {
            Answer { question: question.clone(), ..lie(query) }.bytes()
        });
    }
}

// D-DNS-3
#[test]
fn an_answer_of_another_class_is_ignored() {
    let question = [labels(NAME), vec![0, 1, 0, 3]].concat();
    assert_ignored(Ignored::Unasked, |query| {
        Answer { question: question.clone(), ..lie(query) }.bytes()
    });
}

// D-DNS-3
#[test]
fn an_answer_with_two_questions_is_ignored() {
    assert_ignored(Ignored::Mismatch, |query| {
        let mut answer = lie(query);
        answer.question = [answer.question.clone(), answer.question.clone()].concat();
        let mut bytes = answer.bytes();
        bytes[5] = 2;
        bytes
    });
}

// D-DNS-3
#[test]
fn an_answer_without_a_question_counts_only_for_four_errors() {
    let bare =
        |query: &[u8], rcode| Answer { question: Vec::new(), ..Answer::to(query).rcode(rcode) };
    for (rcode, word) in [(1, "FORMERR"), (2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED")] {
        let result = ask(|query| vec![bare(query, rcode).bytes()]);

        assert_eq!(result.label(), "rejected", "{word}");
        assert_eq!(result.outcome.facts.read(&RCODE), Some(word));
    }
    for rcode in [0, 3, 6, 9] {
        assert_ignored(Ignored::Mismatch, |query| bare(query, rcode).bytes());
    }
    assert_ignored(Ignored::Mismatch, |query| {
        let record = record(&labels(NAME), A, 9, &[6, 6, 6, 6]);
        bare(query, 2).with(&[record]).bytes()
    });
}

// D-DNS-5
#[test]
fn garbage_is_ignored_until_the_truth_comes() {
    let garbage: [&[u8]; 4] = [b"", b"x", &[0xFF; 12], &[0xC0; 512]];
    for bytes in garbage {
        assert_ignored(Ignored::Malformed, |_| bytes.to_vec());
    }
    assert_ignored(Ignored::Malformed, |query| {
        let bytes = lie(query).bytes();
        bytes[..bytes.len() - 1].to_vec()
    });
}

// D-DNS-6
#[test]
fn names_that_point_in_circles_are_ignored() {
    let answer_at = |query: &[u8]| u8::try_from(Answer::to(query).bytes().len()).expect("short");
    let to_itself = |query: &[u8]| [0xC0, answer_at(query)];
    let forward = |query: &[u8]| [0xC0, answer_at(query) + 2];
    let by_a_label = |query: &[u8]| [&[1, b'a', 0xC0][..], &[answer_at(query)]].concat();
    assert_ignored(Ignored::Malformed, |query| {
        Answer::to(query).with(&[record(&to_itself(query), A, 9, &[6, 6, 6, 6])]).bytes()
    });
    assert_ignored(Ignored::Malformed, |query| {
        let owner = [&forward(query)[..], &to_itself(query)].concat();
        Answer::to(query).with(&[record(&owner, A, 9, &[6, 6, 6, 6])]).bytes()
    });
    assert_ignored(Ignored::Malformed, |query| {
        Answer::to(query).with(&[record(&by_a_label(query), A, 9, &[6, 6, 6, 6])]).bytes()
    });
}

// D-DNS-6, I3
#[test]
fn more_than_512_records_are_ignored_and_512_are_read() {
    let many = |query: &[u8], count: u16| {
        let records = vec![a(300, [203, 0, 113, 80]); usize::from(count - 1)].concat();
        let mut bytes = [Answer::to(query).bytes(), records].concat();
        bytes[6..8].copy_from_slice(&(count - 1).to_be_bytes());
        bytes
    };

    // The question counts, too.
    let most = ask(|query| vec![many(query, 512)]);

    assert_eq!((most.label(), addresses(&most).len()), ("", 64));
    assert_ignored(Ignored::Malformed, |query| many(query, 513));
}
