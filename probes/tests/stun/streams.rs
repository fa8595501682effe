//! `stun-binding` over TCP and TLS: one request, and answers in any number of pieces.

use std::time::{Duration, SystemTime};

use branchline_probes::stun_binding::{LOCAL_ADDRESS, MAPPED_ADDRESS, NAT, RTT, TRANSMISSIONS};
use branchline_probes::way::{
    CERTIFICATE_EXPIRES, CERTIFICATE_NAMES, CERTIFICATE_SUBJECT, TLS_TRUSTED_BY, TLS_VERSION,
};
use branchline_probes::{
    Certificate, Certificates, Chance, Failure, Foreign, Handshake, Ignored, OptionValue, Options,
    Output, Phase, Secret, Target, TlsProblem, Transport, TrustedBy,
};

use super::desk::{self, News, Reply, Run, Wanted, begin, millis, module, probe, run};
use super::{SUCCESS, lie, message, truth, xor_mapped};

fn handshake() -> Handshake {
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    Handshake {
        version: "1.3",
        cipher: "TLS13_AES_256_GCM_SHA384",
        certificate: Certificate {
            subject: Foreign::new(b"CN=turn.example.net"),
            issuer: Foreign::new(b"CN=an authority"),
            names: vec![Foreign::new("turn.example.net")],
            not_before: SystemTime::UNIX_EPOCH,
            not_after: expires,
            chain_not_after: expires,
        },
        trusted_by: TrustedBy::Public,
    }
}

// D-DNS-8
#[test]
fn whoever_led_to_a_target_says_what_carries_the_requests_but_not_for_whom_a_certificate_is() {
    for (own, told) in [("udp", Transport::Tls), ("tls", Transport::Tcp), ("tcp", Transport::Udp)] {
        let module = module("stun-binding", &[("transport", OptionValue::Word(own))]);
        let target = Target {
            name: "relay".into(),
            site: "lyon".into(),
            host: "host.example".into(),
            address: desk::peer(),
            transport: Some(told),
            started: SystemTime::UNIX_EPOCH,
        };

        let first = module.begin(&target, Chance::from_seed([7; 32])).poll_output();

        let Output::Open(leg) = first else { panic!("{first:?}") };
        assert_eq!((leg.transport, leg.peer), (told, desk::peer()));
        let server_name = leg.tls.map(|tls| tls.server_name);
        let is_tls = told == Transport::Tls;
        assert_eq!(server_name.as_deref(), is_tls.then_some("host.example"));
    }
}

/// An exchange over this stream, whose connection takes 10 ms and its handshake 20 ms more.
fn over(transport: &'static str, mut answers: impl FnMut(&[u8]) -> Reply) -> Run {
    let module = module("stun-binding", &[("transport", OptionValue::Word(transport))]);
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(leg) if leg.transport == Transport::Tls => {
            let secured = News::Secured(Box::new(handshake()));
            vec![(millis(10), News::Connected), (millis(30), secured)]
        }
        Wanted::Open(_) => vec![(millis(10), News::Connected)],
        Wanted::Bytes(_, _, request) => answers(request),
    };
    run(begin(&*module, 7).as_mut(), &mut world)
}

fn phases(result: &Run) -> Vec<(Phase, u128)> {
    result.outcome.phases.iter().map(|(phase, took)| (*phase, took.as_millis())).collect()
}

#[test]
fn over_tcp_one_request_leaves_and_its_answer_tells_the_address() {
    let result = over("tcp", |request| vec![(millis(5), News::answer(truth(request)))]);

    let facts = &result.outcome.facts;
    assert_eq!(result.label(), "");
    assert_eq!(facts.read(&MAPPED_ADDRESS), Some("203.0.113.5:40112".parse().unwrap()));
    assert_eq!(facts.read(&LOCAL_ADDRESS), Some(desk::LOCAL.parse().unwrap()));
    assert_eq!((facts.read(&NAT), facts.read(&TRANSMISSIONS)), (Some(true), Some(1)));
    assert_eq!(facts.read(&RTT), Some(millis(5)));
    assert_eq!(phases(&result), [(Phase::Connect, 10), (Phase::Request, 5)]);
    assert_eq!(result.opened[0].transport, Transport::Tcp);
}

#[test]
fn over_tls_nothing_is_asked_before_the_handshake_and_what_it_showed_is_stated() {
    let result = over("tls", |request| vec![(millis(5), News::answer(truth(request)))]);

    let facts = &result.outcome.facts;
    assert_eq!(result.label(), "");
    assert_eq!(facts.read(&TLS_VERSION), Some("1.3"));
    assert_eq!(facts.read(&CERTIFICATE_EXPIRES), Some(handshake().certificate.chain_not_after));
    assert_eq!(result.sent[0].0.elapsed(), millis(30));
    let expected = [(Phase::Connect, 10), (Phase::Tls, 20), (Phase::Request, 5)];
    assert_eq!(phases(&result), expected);
    let tls = result.opened[0].tls.as_ref().expect("it is a leg over TLS");
    assert_eq!(tls.server_name, "host.example");
}

#[test]
fn a_failed_handshake_is_told_and_nothing_was_asked() {
    let module = module("stun-binding", &[("transport", OptionValue::Word("tls"))]);
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => {
            let shown = Box::new(handshake().certificate);
            let insecure = News::Insecure(TlsProblem::UnknownIssuer, Some(shown));
            vec![(millis(10), News::Connected), (millis(30), insecure)]
        }
        Wanted::Bytes(..) => Vec::new(),
    };

    let result = run(begin(&*module, 7).as_mut(), &mut world);

    assert_eq!((result.label(), result.sent.len()), ("tls_failed", 0));
    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&CERTIFICATE_SUBJECT), Some(Foreign::new("CN=turn.example.net")));
    assert_eq!(facts.read(&CERTIFICATE_NAMES), Some(vec![Foreign::new("turn.example.net")]));
    assert_eq!(facts.read(&CERTIFICATE_EXPIRES), Some(handshake().certificate.chain_not_after));
    assert_eq!(facts.read(&TLS_TRUSTED_BY), Some("host"));
    assert_eq!(facts.read(&TLS_VERSION), None, "there was no connection");
    let (phase, failure) = result.outcome.failure.expect("it failed");
    assert_eq!(phase, Phase::Tls);
    let issuer = Some(Foreign::new("CN=an authority"));
    let (peer, problem, trusted_by) =
        (desk::peer(), TlsProblem::UnknownIssuer, Some(TrustedBy::Host));
    assert_eq!(failure, Failure::TlsFailed { peer, problem, issuer, trusted_by });
    assert!(failure.to_string().ends_with("(issued by CN=an authority, whom this host trusts)"));
}

#[test]
fn a_peer_that_wants_a_client_certificate_may_say_so_after_the_handshake() {
    let module = module("stun-binding", &[("transport", OptionValue::Word("tls"))]);
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => {
            let secured = News::Secured(Box::new(handshake()));
            vec![(millis(10), News::Connected), (millis(30), secured)]
        }
        Wanted::Bytes(..) => {
            vec![(millis(5), News::Insecure(TlsProblem::CertificateRequired, None))]
        }
    };

    let result = run(begin(&*module, 7).as_mut(), &mut world);

    assert_eq!(result.label(), "tls_failed");
    assert_eq!(result.outcome.facts.read(&TLS_TRUSTED_BY), Some("public"));
    let (_, failure) = result.outcome.failure.expect("it failed");
    let text = failure.to_string();
    assert!(text.ends_with("it asks for a client certificate, and got none"), "{text}");
}

#[test]
fn a_client_certificate_belongs_to_its_key_and_to_tls() {
    let chain = Certificates { source: "/a".to_owned(), certificates: [vec![1]].into() };
    let chain = ("client_certificate", OptionValue::Certificates(chain));
    let key = ("client_key", OptionValue::Secret(Secret::new("a key".to_owned())));
    let refused = |transport, set: &[(&str, OptionValue)]| {
        let mut options = Options::defaults(probe("stun-binding").options());
        for (name, value) in [("transport", OptionValue::Word(transport))].iter().chain(set) {
            let specs = probe("stun-binding").options();
            let spec = specs.iter().find(|spec| spec.name == *name).expect("it is declared");
            options.set(spec, value.clone());
        }
        probe("stun-binding").module(&options).err().map(|bad| bad.to_string())
    };

    assert_eq!(refused("tls", &[chain.clone(), key.clone()]), None);
    let alone = refused("tls", std::slice::from_ref(&chain));
    assert_eq!(alone.as_deref(), Some("`client_certificate` is set without `client_key`"));
    let alone = refused("tls", std::slice::from_ref(&key));
    assert_eq!(alone.as_deref(), Some("`client_key` is set without `client_certificate`"));
    let over_tcp = refused("tcp", &[chain, key]);
    assert_eq!(over_tcp.as_deref(), Some("`client_certificate` has no meaning over tcp"));
}

// RFC 8489 §6.2.2
#[test]
fn given_silence_a_stream_is_asked_once_and_waited_for_39_5_s() {
    for transport in ["tcp", "tls"] {
        let result = over(transport, |_| Vec::new());

        assert_eq!((result.label(), result.sent.len()), ("no_response", 1), "{transport}");
        assert_eq!(result.ended.elapsed(), millis(39_500));
        assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(1));
    }
}

#[test]
fn an_answer_in_pieces_is_one_answer() {
    for size in [1, 7, 19, 20, 31] {
        let result = over("tcp", |request| {
            let answer = truth(request);
            let pieces = answer.chunks(size).map(|piece| News::answer(piece.to_vec()));
            pieces.zip(1..).map(|(piece, after)| (millis(after), piece)).collect()
        });

        assert_eq!(result.label(), "", "pieces of {size}");
        assert!(result.outcome.facts.read(&MAPPED_ADDRESS).is_some());
        assert!(result.outcome.ignored.is_empty());
    }
}

#[test]
fn several_messages_in_one_piece_are_several() {
    let result = over("tcp", |request| {
        let mut other = lie(request);
        other[8] ^= 1;
        let channel = b"\x40\x01\x00\x01x\0\0\0".to_vec();
        vec![(millis(5), News::answer([other, channel, truth(request), lie(request)].concat()))]
    });

    assert_eq!(result.label(), "");
    assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:40112)");
    assert_eq!((result.ignored(Ignored::Mismatch), result.ignored(Ignored::Unasked)), (1, 1));
}

#[test]
fn a_stream_that_speaks_something_else_is_given_up_at_once() {
    let result = over("tcp", |request| {
        let strange = News::answer(b"SIP/2.0 400 Bad Request\r\n\r\n".to_vec());
        vec![(millis(5), strange), (millis(6), News::answer(truth(request)))]
    });

    assert_eq!((result.label(), result.ignored(Ignored::Malformed)), ("unusable", 1));
    assert_eq!(result.ended.elapsed(), millis(15));
}

#[test]
fn a_stream_that_is_closed_before_the_whole_answer_is_told() {
    let result = over("tcp", |request| {
        let half = truth(request)[..30].to_vec();
        vec![(millis(5), News::answer(half)), (millis(6), News::Closed)]
    });

    assert_eq!(result.label(), "closed");
    let (phase, failure) = result.outcome.failure.unwrap();
    assert_eq!(phase, Phase::Request);
    let text = "192.0.2.10:5060 closed the connection before it answered the Binding request";
    assert_eq!(failure.to_string(), text);
}

// I12
#[test]
fn an_endless_message_ends_at_the_timeout_and_is_no_silence() {
    let result = over("tcp", |request| {
        let mut endless = message(SUCCESS, request, &[xor_mapped([6, 6, 6, 6], 666)]);
        endless[2..4].copy_from_slice(&[0xFF, 0xFC]);
        (0..2_000).map(|count| (millis(count * 20), News::answer(endless.clone()))).collect()
    });

    // All its copies together do not fill the 65 552 bytes that the first one announced.
    assert_eq!((result.label(), result.sent.len()), ("unusable", 1));
    assert_eq!(result.ended.elapsed(), millis(39_500));
}

#[test]
fn the_port_is_that_of_the_transport_where_no_option_names_one() {
    for (transport, port) in [("udp", 3478), ("tcp", 3478), ("tls", 5349)] {
        let module = module("stun-binding", &[("transport", OptionValue::Word(transport))]);
        assert_eq!(module.default_port(), port, "{transport}");
    }
    let own = module("stun-binding", &[("port", OptionValue::Count(53))]);
    assert_eq!(own.default_port(), 53);
}

#[test]
fn what_has_no_meaning_is_refused_with_a_hint() {
    let stun = probe("stun-binding");
    let refusal = |set: &[(&str, OptionValue)]| {
        let mut options = Options::defaults(stun.options());
        let timeout = branchline_probes::TIMEOUT.spec();
        for (key, value) in set {
            let mut specs = stun.options().iter().chain([&timeout]);
            options.set(specs.find(|spec| spec.name == *key).unwrap(), value.clone());
        }
        let error = stun.module(&options).err().expect("it is refused");
        assert!(error.hint.is_some(), "{error}");
        error.to_string()
    };
    let word = |word| ("transport", OptionValue::Word(word));
    let count = |key, count| (key, OptionValue::Count(count));
    let lasting = |key, millis_| (key, OptionValue::Duration(millis(millis_)));

    assert_eq!(refusal(&[count("port", 0)]), "`port` is no port");
    assert_eq!(refusal(&[count("port", 65_536)]), "`port` is no port");
    let name = ("server_name", OptionValue::Text("turn.example.net".to_owned()));
    assert_eq!(refusal(&[word("tcp"), name]), "`server_name` has no meaning over tcp");
    for stream in ["tcp", "tls"] {
        let text = refusal(&[word(stream), count("burst", 25)]);
        assert_eq!(text, format!("`burst` has no meaning over {stream}"));
    }
    assert_eq!(refusal(&[count("burst", 1_001)]), "`burst` is too long");
    assert_eq!(refusal(&[count("burst", u64::MAX)]), "`burst` is too long");
    assert_eq!(refusal(&[lasting("pace", 4)]), "`pace` is too short");
    // 24 × 20 ms, 1 s for late answers and 0.5 s for an unknown round trip are 1.98 s.
    let tight = [count("burst", 25), lasting("timeout", 1_979)];
    assert_eq!(refusal(&tight), "`burst` does not fit into the timeout");
    module("stun-binding", &[count("burst", 25), lasting("timeout", 1_980)]);
    module("stun-binding", &[count("burst", 1_000), lasting("pace", 5)]);
}
