//! What else an answer tells: who answered, what went wrong, how many records, under which names;
//! and the label that nobody can have created.

use branchline_probes::dns_query::{
    ADDITIONAL_RRS, ANSWER_RRS, AUTHORITY_RRS, CHAIN, EXTENDED_ERRORS, NSID, QUERY_SUCCEEDED,
    QUESTION, RANDOM_LABEL, REFRESH, SERIAL, ZONE, addresses as ips,
};
use branchline_probes::{Foreign, OptionValue, Transport};

use crate::desk::{News, Wanted, begin, millis, module, peer, probe, run, silence};
use crate::https::handshake;
use crate::{
    A, AUTHORITATIVE_BIT, Answer, CNAME, NAME, OWNER, a, addresses, ask, ask_with, framed, labels,
    options, record, soa,
};

/// An answer with an OPT record that holds these options.
fn with_options(answer: &Answer, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (code, value) in options {
        let length = u16::try_from(value.len()).expect("short");
        data.extend([code.to_be_bytes(), length.to_be_bytes()].concat());
        data.extend_from_slice(value);
    }
    let mut bytes = answer.bytes();
    bytes[11] = 1;
    bytes.extend([0, 0, 41, 0x04, 0xD0, 0, 0, 0, 0]);
    bytes.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    bytes.extend(data);
    bytes
}

fn texts(list: Option<Vec<Foreign>>) -> Vec<String> {
    list.unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn the_machine_that_answered_and_what_it_adds_to_its_code_are_told() {
    let result = ask(|query| {
        let refused = Answer::to(query).rcode(5);
        let blocked = [&[0, 15][..], b"by policy \x1b[31m"].concat();
        vec![with_options(&refused, &[(3, b"fra1.ns"), (15, &blocked), (15, &[0, 22])])]
    });

    let facts = &result.outcome.facts;
    assert_eq!(result.label(), "rejected");
    assert_eq!(facts.read(&NSID).map(|it| it.to_string()).as_deref(), Some("fra1.ns"));
    let errors = ["15 (Blocked): by policy \\u{1b}[31m", "22 (No Reachable Authority)"];
    assert_eq!(texts(facts.read(&EXTENDED_ERRORS)), errors);
    assert_eq!(facts.read(&QUERY_SUCCEEDED), Some(true), "it answered, whatever it said");
}

#[test]
fn options_that_are_cut_short_tell_nothing_and_break_nothing() {
    for options in [&[(15, &[0][..])][..], &[(3, &[])], &[(15, &[])]] {
        let result = ask(|query| {
            let answer = Answer::to(query).with(&[a(60, [1, 2, 3, 4])]);
            vec![with_options(&answer, options)]
        });

        assert_eq!(result.label(), "");
        assert_eq!(result.outcome.facts.read(&NSID), None);
        assert_eq!(result.outcome.facts.read(&EXTENDED_ERRORS), None);
    }
}

#[test]
fn the_sections_are_counted_as_blackbox_exporter_counts_them() {
    let result = ask(|query| {
        let target = labels("edge.example.net");
        let chain = [record(&OWNER, CNAME, 30, &target), record(&target, A, 600, &[1, 2, 3, 4])];
        let mut answer = Answer::to(query).with(&chain);
        answer.authorities.push(soa(3_600, 300));
        vec![with_options(&answer, &[])]
    });

    let facts = &result.outcome.facts;
    let counts = [&ANSWER_RRS, &AUTHORITY_RRS, &ADDITIONAL_RRS].map(|key| facts.read(key));
    assert_eq!(counts, [Some(2), Some(1), Some(0)]);
    assert_eq!(texts(facts.read(&CHAIN)), ["lyon.example.com", "edge.example.net"]);
    assert_eq!(facts.read(&REFRESH), Some(millis(7_200_000)));
    assert!(facts.read(&ZONE).is_some());
}

// RFC 2308 §2
#[test]
fn an_authority_tells_the_version_of_its_zone_whether_the_name_exists_or_not() {
    let asked = |recursion, flags: u8, rcode| {
        let set = [("type", OptionValue::Word("SOA")), ("recursion", OptionValue::Flag(recursion))];
        let world = move |query: &[u8]| {
            let mut answer = Answer::to(query).rcode(rcode);
            answer.flags |= flags;
            answer.authorities.push(soa(3_600, 300));
            vec![answer.bytes()]
        };
        ask_with(&set, world, |_| Vec::new())
    };

    for rcode in [0, 3] {
        let told = asked(false, AUTHORITATIVE_BIT, rcode);
        assert_eq!((told.label(), told.outcome.facts.read(&SERIAL)), ("", Some(2026)), "{rcode}");
    }
    assert_eq!(asked(false, 0, 3).label(), "rejected", "without AA it is a cache's word");
    assert_eq!(asked(true, AUTHORITATIVE_BIT, 3).label(), "rejected");
    assert_eq!(asked(false, AUTHORITATIVE_BIT, 5).label(), "rejected");
}

#[test]
fn a_name_in_an_answer_is_one_name_however_it_is_spelled() {
    let result = ask(|query| {
        let target = labels("EDGE.Example.Net");
        let other = labels("edge.example.NET");
        let chain = [record(&OWNER, CNAME, 30, &target), record(&other, A, 60, &[1, 2, 3, 4])];
        vec![Answer::to(query).with(&chain).bytes()]
    });

    assert_eq!(addresses(&result), ["CNAME edge.example.net.", "A 1.2.3.4"]);
    assert_eq!(texts(result.outcome.facts.read(&CHAIN))[1], "edge.example.net");
}

#[test]
fn addresses_are_told_apart_from_aliases_each_once_and_in_order() {
    let result = ask(|query| {
        let target = labels("edge.example.net");
        let at = |last| record(&target, A, 60, &[192, 0, 2, last]);
        let chain = [record(&OWNER, CNAME, 30, &target), at(9), at(7), at(9)];
        vec![Answer::to(query).with(&chain).bytes()]
    });

    let expected: Vec<std::net::IpAddr> =
        ["192.0.2.7", "192.0.2.9"].map(|it| it.parse().expect("an address")).into();
    assert_eq!(ips(&result.outcome.facts), expected);
}

#[test]
fn a_label_that_nobody_created_has_no_answer_and_whoever_gives_one_makes_it_up() {
    let set = [("random_label", OptionValue::Flag(true))];
    let absent = |rcode| {
        ask_with(&set, move |query| vec![Answer::to(query).rcode(rcode).bytes()], |_| Vec::new())
    };
    let answered = |query: &[u8]| vec![Answer::to(query).with(&[a(60, [6, 6, 6, 6])]).bytes()];

    let (nxdomain, nodata, refused) = (absent(3), absent(0), absent(5));
    let made_up = ask_with(&set, answered, |_| Vec::new());

    assert_eq!((nxdomain.label(), nodata.label(), refused.label()), ("", "", "rejected"));
    let (_, failure) = made_up.outcome.failure.clone().expect("it failed");
    assert_eq!(
        failure.to_string(),
        "192.0.2.10:5060 answered A 6.6.6.6, expected no such name, for a random label under \
         lyon.example.com A"
    );
    let question = made_up.outcome.facts.read(&QUESTION).expect("it is stated");
    assert_eq!(question.as_str(), "a random label under lyon.example.com A");
    assert_eq!(made_up.outcome.facts.read(&RANDOM_LABEL), Some(true));
}

#[test]
fn the_random_label_is_another_one_each_time() {
    let module = options(&[("random_label", OptionValue::Flag(true))]);
    let label = |seed| {
        let result = run(begin(&*module, seed).as_mut(), &mut silence());
        let query = result.sent[0].2.clone();
        assert_eq!(query[12], 16, "sixteen digits");
        assert!(query[29..29 + labels(NAME).len()].eq_ignore_ascii_case(&labels(NAME)));
        query[13..29].to_ascii_lowercase()
    };

    let labels: std::collections::BTreeSet<_> = (0..50).map(label).collect();

    assert_eq!(labels.len(), 50);
}

#[test]
fn over_tls_the_query_waits_for_the_proof_of_the_name() {
    let set = [
        ("transport", OptionValue::Word("tls")),
        ("server_name", OptionValue::Text("dns.example".to_owned())),
    ];
    let module = module("dns-query", &[&set[..], &[name()]].concat());
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => panic!("nothing is sent before the handshake is done"),
    };

    let result = run(begin(&*module, 7).as_mut(), &mut world);

    let leg = &result.opened[0];
    assert_eq!((leg.transport, result.opened.len()), (Transport::Tls, 1));
    let tls = leg.tls.as_ref().expect("it is over TLS");
    assert_eq!((tls.server_name.as_str(), tls.protocol), ("dns.example", None));
    assert_eq!(result.label(), "deadline");
    assert_eq!(module.default_port(), 853);
}

// D-DNS-8
#[test]
fn names_and_addresses_in_an_answer_lead_to_no_other_server() {
    const SRV: u16 = 33;
    let evil = labels("evil.example");
    let target = [&[0, 1, 0, 2, 0x13, 0xC5][..], &evil].concat();
    let answer = |query: &[u8]| {
        let records = [
            record(&OWNER, CNAME, 60, &evil),
            record(&evil, SRV, 60, &target),
            record(&evil, A, 60, &[6, 6, 6, 6]),
        ];
        framed(&Answer::to(query).with(&records).bytes())
    };
    // The host of the desk's target is what is asked for, and whom TLS has to prove.
    for kind in ["A", "SRV"] {
        let set = [
            ("name", OptionValue::Text("host.example".to_owned())),
            ("type", OptionValue::Word(kind)),
            ("transport", OptionValue::Word("tls")),
        ];
        let mut world = |wanted: Wanted<'_>| match wanted {
            Wanted::Open(_) => vec![
                (millis(1), News::Connected),
                (millis(2), News::Secured(Box::new(handshake()))),
            ],
            Wanted::Bytes(_, _, query) => vec![(millis(9), News::answer(answer(&query[2..])))],
        };

        let result = run(begin(&*module("dns-query", &set), 7).as_mut(), &mut world);

        assert_eq!((result.label(), addresses(&result).len()), ("", 3), "{:?}", result.outcome);
        let [leg] = &result.opened[..] else { panic!("{:?}", result.opened) };
        let server_name = leg.tls.as_ref().map(|tls| tls.server_name.as_str());
        assert_eq!((leg.peer, server_name), (peer(), Some("host.example")));
        assert_eq!(result.outcome.leads_to, None);
    }
}

fn name() -> (&'static str, OptionValue) {
    ("name", OptionValue::Text(NAME.to_owned()))
}

#[test]
fn a_name_with_no_room_for_one_more_label_gets_none() {
    let label = "a".repeat(60);
    let name = [label.as_str(); 4].join(".");
    let probe = probe("dns-query");
    let mut options = branchline_probes::Options::defaults(probe.options());
    for (key, value) in
        [("name", OptionValue::Text(name)), ("random_label", OptionValue::Flag(true))]
    {
        let spec = probe.options().iter().find(|spec| spec.name == key).expect("an option");
        options.set(spec, value);
    }

    let refused = probe.module(&options).err().expect("it is refused");

    assert_eq!(refused.option, "random_label");
}

#[test]
fn options_that_do_not_go_together_are_refused_by_name() {
    let address = OptionValue::Addresses(vec!["192.0.2.1".parse().expect("an address")]);
    let text = |text: &str| OptionValue::Text(text.to_owned());
    for (set, option) in [
        (vec![("random_label", OptionValue::Flag(true)), ("expect", address.clone())], "expect"),
        (vec![("type", OptionValue::Word("SRV")), ("expect", address)], "expect"),
        (vec![("server_name", text("dns.example"))], "server_name"),
        (vec![("transport", OptionValue::Word("https")), ("path", text("dns query"))], "path"),
        (vec![("port", OptionValue::Count(0))], "port"),
    ] {
        let probe = probe("dns-query");
        let mut options = branchline_probes::Options::defaults(probe.options());
        for (key, value) in set.iter().chain([&name()]) {
            let spec = probe.options().iter().find(|spec| spec.name == *key).expect("an option");
            options.set(spec, value.clone());
        }

        let refused = probe.module(&options).err().expect("it is refused");

        assert_eq!(refused.option, option, "{refused}");
        assert!(refused.hint.is_some(), "{refused}");
    }
}
