//! What an answer tells: records, flags, and how long it holds.

use std::time::Duration;

use branchline_probes::OptionValue;
use branchline_probes::dns_query::{
    ANSWER_COUNT, AUTHORITATIVE, NEGATIVE_TTL, QUESTION, RCODE, RTT, SERIAL, TRUNCATED, TTL,
};

use crate::desk::millis;
use crate::{
    A, AUTHORITATIVE_BIT, Answer, CNAME, NAME, OWNER, a, addresses, ask, ask_with, labels, lie,
    record, record_of_class, soa, truth,
};

#[test]
fn an_answer_tells_its_records_flags_and_smallest_ttl() {
    let result = ask(|query| {
        let mut answer = Answer::to(query).with(&[a(300, [203, 0, 113, 80]), a(60, [1, 2, 3, 4])]);
        answer.flags |= AUTHORITATIVE_BIT;
        vec![answer.bytes()]
    });

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80", "A 1.2.3.4"]);
    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&TTL), Some(millis(60_000)));
    assert_eq!(facts.read(&AUTHORITATIVE), Some(true));
    assert_eq!(facts.read(&TRUNCATED), Some(false));
    assert_eq!(facts.read(&RTT), Some(millis(20)));
    assert_eq!(facts.read(&RCODE), Some("NOERROR"));
}

#[test]
fn the_ttl_of_a_chain_is_that_of_its_shortest_link() {
    let result = ask(|query| {
        let target = labels("edge.example.net");
        let chain =
            [record(&OWNER, CNAME, 30, &target), record(&target, A, 600, &[203, 0, 113, 80])];
        vec![Answer::to(query).with(&chain).bytes()]
    });

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&TTL), Some(millis(30_000)));
    assert_eq!(addresses(&result), ["CNAME edge.example.net.", "A 203.0.113.80"]);
}

#[test]
fn a_chain_that_ends_nowhere_is_no_data() {
    let result = ask(|query| {
        let link = record(&OWNER, CNAME, 30, &labels("edge.example.net"));
        vec![Answer::to(query).with(&[link]).bytes()]
    });

    assert_eq!(result.label(), "unexpected_answer");
}

#[test]
fn a_record_of_another_name_answers_nothing() {
    let result = ask(|query| {
        let stray = record(&labels("elsewhere.example.net"), A, 600, &[203, 0, 113, 80]);
        vec![Answer::to(query).with(&[stray]).bytes()]
    });

    assert_eq!(result.label(), "unexpected_answer");
    assert_eq!(addresses(&result), [""; 0]);
}

// D-DNS-6
#[test]
fn aliases_that_lead_back_or_lead_on_for_ever_are_no_data() {
    let back = labels("back.example.net");
    let result = ask(|query| {
        let circle = [record(&OWNER, CNAME, 30, &back), record(&back, CNAME, 30, &labels(NAME))];
        vec![Answer::to(query).with(&circle).bytes()]
    });
    assert_eq!(result.label(), "unexpected_answer");

    let result = ask(|query| {
        let name = |hop: usize| labels(&format!("hop{hop}.example.net"));
        let mut chain = vec![record(&OWNER, CNAME, 30, &name(0))];
        chain.extend((0..30).map(|hop| record(&name(hop), CNAME, 30, &name(hop + 1))));
        chain.push(record(&name(30), A, 30, &[203, 0, 113, 80]));
        vec![Answer::to(query).with(&chain).bytes()]
    });
    assert_eq!(result.label(), "unexpected_answer");
}

// RFC 2308 §5
#[test]
fn the_absence_of_a_name_may_be_remembered_for_the_lesser_of_two_ttls() {
    for (ttl, minimum, expected) in [(3_600, 300, 300), (60, 300, 60)] {
        let result = ask(|query| {
            let mut answer = Answer::to(query).rcode(3);
            answer.authorities.push(soa(ttl, minimum));
            vec![answer.bytes()]
        });

        assert_eq!(result.label(), "rejected");
        assert_eq!(result.outcome.facts.read(&RCODE), Some("NXDOMAIN"));
        assert_eq!(result.outcome.facts.read(&NEGATIVE_TTL), Some(millis(expected * 1_000)));
        assert_eq!(result.outcome.facts.read(&SERIAL), Some(2026));
    }
}

#[test]
fn an_address_that_is_not_expected_is_an_unexpected_answer() {
    let expect = OptionValue::Addresses(vec!["203.0.113.80".parse().unwrap()]);
    let set = [("expect", expect)];

    let right = ask_with(&set, |query| vec![truth(query)], |_| Vec::new());
    let wrong = ask_with(&set, |query| vec![lie(query).bytes()], |_| Vec::new());

    assert_eq!(right.label(), "");
    let (_, failure) = wrong.outcome.failure.unwrap();
    assert_eq!(failure.to_string(), "192.0.2.10:5060 answered 6.6.6.6, expected 203.0.113.80");
}

// RFC 1034 §4.3.1: who does not recurse answers with what it has.
#[test]
fn an_alias_alone_is_all_that_a_nameserver_may_know_that_does_not_recurse() {
    let alias = |query: &[u8]| {
        let link = record(&OWNER, CNAME, 30, &labels("edge.example.net"));
        vec![Answer::to(query).with(&[link]).bytes()]
    };
    let not_recursive = ("recursion", OptionValue::Flag(false));
    let expect = ("expect", OptionValue::Addresses(vec!["203.0.113.80".parse().unwrap()]));

    let satisfied = ask_with(std::slice::from_ref(&not_recursive), alias, |_| Vec::new());
    let unsatisfied = ask_with(&[not_recursive, expect], alias, |_| Vec::new());

    assert_eq!((satisfied.label(), unsatisfied.label()), ("", "unexpected_answer"));
    for result in [satisfied, unsatisfied] {
        let facts = &result.outcome.facts;
        assert_eq!(addresses(&result), ["CNAME edge.example.net."]);
        assert_eq!(facts.read(&ANSWER_COUNT), Some(0));
        assert_eq!(facts.read(&TTL), Some(millis(30_000)));
        assert_eq!(facts.read(&NEGATIVE_TTL), None);
    }
}

#[test]
fn what_is_there_has_no_negative_ttl_though_an_soa_comes_with_it() {
    let result = ask(|query| {
        let mut answer = Answer::to(query).with(&[a(300, [203, 0, 113, 80])]);
        answer.authorities.push(soa(3_600, 300));
        vec![answer.bytes()]
    });

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&SERIAL), Some(2026));
    assert_eq!(result.outcome.facts.read(&NEGATIVE_TTL), None);
}

// RFC 2181 §8
#[test]
fn a_ttl_with_its_highest_bit_set_is_none_at_all() {
    for (ttl, expected) in
        [(0x7FFF_FFFF, 2_147_483_647), (0x8000_0000, 0), (0x8000_012C, 0), (u32::MAX, 0)]
    {
        let positive =
            ask(|query| vec![Answer::to(query).with(&[a(ttl, [203, 0, 113, 80])]).bytes()]);
        let negative = ask(|query| {
            let mut answer = Answer::to(query).rcode(3);
            answer.authorities.push(soa(ttl, u32::MAX >> 1));
            vec![answer.bytes()]
        });

        let expected = Some(Duration::from_secs(expected));
        assert_eq!(positive.outcome.facts.read(&TTL), expected, "{ttl:#x}");
        assert_eq!(negative.outcome.facts.read(&NEGATIVE_TTL), expected, "{ttl:#x}");
    }
}

// RFC 4343 §3
#[test]
fn two_spellings_of_one_name_are_one_question() {
    for spelling in [NAME, "LYON.example.com", "lyon.Example.COM.", "lyon.example.com."] {
        let name = ("name", OptionValue::Text(spelling.to_owned()));

        let result = ask_with(&[name], |query| vec![truth(query)], |_| Vec::new());

        assert_eq!(result.label(), "", "{spelling}");
        let question = result.outcome.facts.read(&QUESTION).unwrap();
        assert_eq!(question.as_str(), "lyon.example.com A", "{spelling}");
    }
}

#[test]
fn records_of_another_class_are_no_answers() {
    const CH: u16 = 3;
    let target = labels("edge.example.net");
    let of_chaos = |kind, data: &[u8]| record_of_class(CH, &OWNER, kind, 9, data);

    let address =
        ask(|query| vec![Answer::to(query).with(&[of_chaos(A, &[203, 0, 113, 80])]).bytes()]);
    let alias = ask(|query| {
        let beyond = record(&target, A, 600, &[203, 0, 113, 80]);
        vec![Answer::to(query).with(&[of_chaos(CNAME, &target), beyond]).bytes()]
    });
    let beside = ask(|query| {
        let records = [of_chaos(A, &[6, 6, 6, 6]), a(300, [203, 0, 113, 80])];
        vec![Answer::to(query).with(&records).bytes()]
    });

    for result in [address, alias] {
        assert_eq!(result.label(), "unexpected_answer", "{:?}", result.outcome);
        assert_eq!(result.outcome.facts.read(&ANSWER_COUNT), Some(0));
        assert_eq!(addresses(&result), [""; 0]);
    }
    assert_eq!((beside.label(), addresses(&beside)), ("", vec!["A 203.0.113.80".to_owned()]));
    assert_eq!(beside.outcome.facts.read(&TTL), Some(millis(300_000)));
}
