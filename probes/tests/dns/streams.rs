//! When a stream is asked, and what comes of it (D-DNS-4, D-DNS-6).

use branchline_probes::dns_query::{TRANSMISSIONS, TRUNCATED};
use branchline_probes::{Ignored, OptionValue, Phase, Refusal, Transport};

use crate::desk::{News, Wanted, begin, millis, run};
use crate::{Answer, TRUNCATED_BIT, addresses, ask, ask_with, framed, lie, options, truth};

/// A truncated answer.
fn cut(query: &[u8]) -> Vec<u8> {
    let mut answer = Answer::to(query);
    answer.flags |= TRUNCATED_BIT;
    answer.bytes()
}

// D-DNS-4
#[test]
fn after_a_thousand_wrong_ids_the_truth_is_taken_and_a_stream_was_tried() {
    let result = ask(|query| {
        let forgeries = (1..=1_000_u16).map(|offset| {
            let id = u16::from_be_bytes([query[0], query[1]]).wrapping_add(offset);
            Answer { id: id.to_be_bytes(), ..lie(query) }.bytes()
        });
        forgeries.chain([truth(query)]).collect()
    });

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.ignored(Ignored::Mismatch), 1_000);
    let transports: Vec<_> = result.opened.iter().map(|leg| leg.transport).collect();
    assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
}

// D-DNS-4
#[test]
fn while_a_forger_shouts_the_stream_brings_the_truth() {
    let forge = |query: &[u8]| vec![Answer { id: [!query[0], query[1]], ..lie(query) }.bytes()];

    let result = ask_with(&[], forge, |query| vec![framed(&truth(query))]);

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
}

// D-DNS-6
#[test]
fn a_truncated_answer_is_asked_for_by_tcp() {
    let result = ask_with(&[], |query| vec![cut(query)], |query| vec![framed(&truth(query))]);

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.outcome.facts.read(&TRUNCATED), Some(true));
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(1));
}

// D-DNS-6
#[test]
fn an_answer_in_single_bytes_is_put_together() {
    let drip = |query: &[u8]| framed(&truth(query)).into_iter().map(|byte| vec![byte]).collect();
    let by_tcp = [("transport", OptionValue::Word("tcp"))];

    let result = ask_with(&by_tcp, |_| Vec::new(), drip);

    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.opened.len(), 1);
}

#[test]
fn a_stream_that_is_closed_without_an_answer_says_so() {
    let module = options(&[("transport", OptionValue::Word("tcp"))]);
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => vec![(millis(1), News::Closed)],
    };

    let result = run(begin(&*module, 7).as_mut(), &mut world);

    assert_eq!(result.label(), "closed");
}

// D-DNS-4, D-DNS-6
#[test]
fn an_answer_that_was_cut_after_the_stream_was_refused_is_a_refusal() {
    let mut streams = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(leg) if leg.transport == Transport::Tcp => {
            streams += 1;
            vec![(millis(1), News::Refused { by: None, refusal: Refusal::Reset })]
        }
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, query) => {
            let forgery = Answer { id: [!query[0], query[1]], ..lie(query) }.bytes();
            vec![(millis(10), News::answer(forgery)), (millis(30), News::answer(cut(query)))]
        }
    };

    let result = run(begin(&*options(&[]), 7).as_mut(), &mut world);

    assert_eq!(streams, 1, "the stream is tried once");
    assert_eq!((result.label(), result.sent.len()), ("refused", 1));
    assert_eq!(result.outcome.facts.read(&TRUNCATED), Some(true));
    assert_eq!(result.ended.elapsed(), millis(31), "the cut answer ends it");
    let (phase, _) = result.outcome.failure.unwrap();
    assert_eq!(phase, Phase::Connect);
}

#[test]
fn a_stream_that_brings_one_message_that_is_not_the_answer_is_left_at_once() {
    let by_tcp = [("transport", OptionValue::Word("tcp"))];
    type Spoil = fn(&[u8]) -> Vec<u8>;
    let ways: [(Spoil, Ignored); 3] = [
        (|_| b"garbage".to_vec(), Ignored::Malformed),
        (|query| Answer { id: [!query[0], query[1]], ..lie(query) }.bytes(), Ignored::Mismatch),
        (<[u8]>::to_vec, Ignored::Unasked),
    ];
    for (spoil, reason) in ways {
        let result = ask_with(
            &by_tcp,
            |_| Vec::new(),
            |query| vec![[framed(&spoil(query)), framed(&truth(query))].concat()],
        );

        assert_eq!((result.label(), result.ignored(reason)), ("unusable", 1));
        assert_eq!(result.ended.elapsed(), crate::desk::OPENING + millis(20), "it does not wait");
        assert_eq!(addresses(&result), [""; 0]);
    }
}
