//! `stun-binding` against published vectors, careless servers and forgers.

#[path = "../desk/mod.rs"]
mod desk;

mod burst;
mod frames;
mod mutations;
mod peers;
mod streams;
mod vectors;

use branchline_probes::Ignored;
use branchline_probes::stun_binding::{
    ALTERNATE_SERVER, BOGUS, ERROR_CODE, LOCAL_ADDRESS, MAPPED_ADDRESS, NAT, OTHER_ADDRESS,
    RESPONSE_ORIGIN, REWRITTEN, RTT, SOFTWARE, TRANSMISSIONS,
};
use branchline_probes::wire::stun::{Class, Malformed, Method, binding_request, read};
use desk::{News, Run, Wanted, begin, millis, module, run, silence, world};
use vectors::RESPONSE_IPV4;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

const SUCCESS: [u8; 2] = [0x01, 0x01];
const ERROR: [u8; 2] = [0x01, 0x11];

/// An attribute, padded with zeros to a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("it is short");
    let mut bytes = [kind.to_be_bytes(), length.to_be_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// XOR-MAPPED-ADDRESS over IPv4.
fn xor_mapped(address: [u8; 4], port: u16) -> Vec<u8> {
    let mut value = vec![0, 1];
    value.extend((port ^ 0x2112).to_be_bytes());
    value.extend(address.iter().zip(COOKIE).map(|(byte, mask)| byte ^ mask));
    attribute(0x0020, &value)
}

/// MAPPED-ADDRESS over IPv4.
fn mapped(address: [u8; 4], port: u16) -> Vec<u8> {
    clear(0x0001, address, port)
}

/// A message that answers `request`, with the attributes that are given.
fn message(kind: [u8; 2], request: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = attributes.concat();
    let length = u16::try_from(body.len()).expect("it is short");
    [&kind, &length.to_be_bytes()[..], &COOKIE, &request[8..20], &body].concat()
}

/// A good answer: we are seen from 203.0.113.5:40112.
fn truth(request: &[u8]) -> Vec<u8> {
    message(SUCCESS, request, &[xor_mapped([203, 0, 113, 5], 40_112)])
}

fn ask(answers: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>>) -> Run {
    run(begin(&*module("stun-binding", &[]), 7).as_mut(), &mut world(answers))
}

/// Sends `forgery` before the truth and asserts that only the truth was taken.
fn assert_ignored(reason: Ignored, forge: impl Fn(&[u8]) -> Vec<u8>) {
    let result = ask(|_, request| vec![forge(request), truth(request)]);

    assert_eq!(result.label(), "");
    assert_eq!(
        result.outcome.facts.read(&MAPPED_ADDRESS),
        Some("203.0.113.5:40112".parse().expect("an address"))
    );
    assert_eq!(result.ignored(reason), 1, "{:?}", result.outcome.ignored);
}

/// A lie that would be taken were it not for what the test breaks in it.
fn lie(request: &[u8]) -> Vec<u8> {
    message(SUCCESS, request, &[xor_mapped([6, 6, 6, 6], 666)])
}

// D-STUN-2
#[test]
fn one_flipped_bit_in_the_header_or_any_value_of_a_published_vector_is_seen() {
    for index in [0..20, 24..36, 40..48, 52..72, 76..80].into_iter().flatten() {
        for bit in 0..8 {
            let mut bytes = RESPONSE_IPV4.to_vec();
            bytes[index] ^= 1 << bit;

            assert!(read(&bytes).is_err(), "bit {bit} of byte {index}");
        }
    }
}

// D-STUN-2
#[test]
fn a_message_that_is_cut_or_lengthened_anywhere_is_none() {
    for length in 0..RESPONSE_IPV4.len() {
        assert!(read(&RESPONSE_IPV4[..length]).is_err(), "{length} bytes");
    }
    for surplus in 1..8 {
        let longer = [RESPONSE_IPV4, &vec![0; surplus]].concat();
        assert_eq!(read(&longer), Err(Malformed::NotStun), "{surplus} more");
    }
    for length in [1_u8, 2, 3, 5, 6, 7] {
        let body = vec![0; usize::from(length)];
        let odd = [&SUCCESS, &[0, length][..], &COOKIE, &[7; 12], &body].concat();
        assert!(read(&odd).is_err(), "odd length {length}");
    }
}

#[test]
fn an_answer_tells_the_mapped_address_and_the_nat() {
    let result = ask(|_, request| vec![truth(request)]);

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&NAT), Some(true));
    assert_eq!(result.outcome.facts.read(&RTT), Some(millis(20)));
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(1));
    assert_eq!(result.outcome.facts.read(&REWRITTEN), None);
}

/// An address in clear, under any attribute.
fn clear(kind: u16, address: [u8; 4], port: u16) -> Vec<u8> {
    attribute(kind, &[&[0, 1], &port.to_be_bytes()[..], &address].concat())
}

/// The same of IPv6.
fn clear_ipv6(kind: u16, address: &str, port: u16) -> Vec<u8> {
    let address: std::net::Ipv6Addr = address.parse().expect("an address");
    attribute(kind, &[&[0, 2], &port.to_be_bytes()[..], &address.octets()].concat())
}

// RFC 5780 §7.3, §7.4, RFC 3489 §11.2.3
#[test]
fn what_the_server_tells_of_its_own_addresses_is_stated_and_not_spoken_to() {
    for other in [0x802C, 0x0005] {
        let told = |request: &[u8]| {
            let attributes = [
                xor_mapped([203, 0, 113, 5], 40_112),
                clear(0x802B, [192, 0, 2, 10], 5060),
                clear(other, [192, 0, 2, 11], 5061),
            ];
            message(SUCCESS, request, &attributes)
        };

        let result = ask(|_, request| vec![told(request)]);

        let facts = &result.outcome.facts;
        assert_eq!(facts.read(&LOCAL_ADDRESS), Some(desk::LOCAL.parse().unwrap()));
        assert_eq!(facts.read(&RESPONSE_ORIGIN), Some("192.0.2.10:5060".parse().unwrap()));
        assert_eq!(facts.read(&OTHER_ADDRESS), Some("192.0.2.11:5061".parse().unwrap()));
        assert_eq!(facts.read(&BOGUS), Some(false));
        assert_eq!((result.opened.len(), result.sent.len()), (1, 1));
    }
}

// D-STUN-6
#[test]
fn a_mapped_address_that_nobody_can_have_is_told_as_bogus_and_says_nothing_of_a_nat() {
    let bogus = [
        clear(1, [0, 0, 0, 0], 40_112),
        clear(1, [0, 1, 2, 3], 40_112),
        clear(1, [127, 0, 0, 1], 40_112),
        clear(1, [224, 0, 0, 1], 40_112),
        clear(1, [255, 255, 255, 255], 40_112),
        clear(1, [240, 0, 0, 1], 40_112),
        clear(1, [203, 0, 113, 5], 0),
        clear_ipv6(1, "::", 40_112),
        clear_ipv6(1, "::1", 40_112),
        clear_ipv6(1, "ff02::1", 40_112),
        clear_ipv6(1, "::ffff:203.0.113.5", 40_112),
    ];
    let plausible = [
        clear(1, [203, 0, 113, 5], 40_112),
        clear(1, [10, 0, 0, 5], 40_112),
        clear(1, [169, 254, 0, 5], 40_112),
        clear(1, [100, 64, 0, 5], 40_112),
        clear_ipv6(1, "2001:db8::5", 40_112),
        clear_ipv6(1, "fd00::5", 40_112),
    ];
    for (mapped, is_bogus) in
        bogus.map(|it| (it, true)).into_iter().chain(plausible.map(|it| (it, false)))
    {
        let result =
            ask(|_, request| vec![message(SUCCESS, request, std::slice::from_ref(&mapped))]);

        let facts = &result.outcome.facts;
        assert_eq!(facts.read(&BOGUS), Some(is_bogus), "{mapped:?}");
        assert!(facts.read(&MAPPED_ADDRESS).is_some());
        assert_eq!(facts.read(&NAT), (!is_bogus).then_some(true), "{mapped:?}");
        assert_eq!(result.label(), "");
    }
}

// D-STUN-6
#[test]
fn every_address_that_the_server_tells_is_looked_at() {
    for kind in [0x802B, 0x802C, 0x8023] {
        let lie = |request: &[u8]| {
            let attributes = [xor_mapped([203, 0, 113, 5], 40_112), clear(kind, [0, 0, 0, 0], 9)];
            message(SUCCESS, request, &attributes)
        };

        let result = ask(|_, request| vec![lie(request)]);

        assert_eq!(result.outcome.facts.read(&BOGUS), Some(true), "{kind:#06x}");
    }
}

#[test]
fn seen_from_its_own_address_there_is_no_nat() {
    let own = |request: &[u8]| message(SUCCESS, request, &[xor_mapped([198, 51, 100, 7], 40_112)]);

    let result = ask(|_, request| vec![own(request)]);

    assert_eq!(result.outcome.facts.read(&NAT), Some(false));
}

// D-STUN-1
#[test]
fn an_answer_with_another_transaction_id_is_ignored() {
    for index in 8..20 {
        assert_ignored(Ignored::Mismatch, |request| {
            let mut bytes = lie(request);
            bytes[index] ^= 1;
            bytes
        });
    }
}

// D-STUN-1
#[test]
fn an_answer_with_another_method_is_ignored() {
    assert_ignored(Ignored::Unasked, |request| {
        message([0x01, 0x03], request, &[xor_mapped([6, 6, 6, 6], 666)])
    });
}

// D-STUN-1
#[test]
fn a_request_and_an_indication_are_no_answers() {
    for kind in [[0x00, 0x01], [0x00, 0x11]] {
        assert_ignored(Ignored::Unasked, |request| {
            message(kind, request, &[xor_mapped([6, 6, 6, 6], 666)])
        });
    }
}

// D-STUN-1
#[test]
fn our_own_request_sent_back_is_no_answer() {
    assert_ignored(Ignored::Unasked, <[u8]>::to_vec);
}

// D-STUN-1
#[test]
fn an_answer_without_the_magic_cookie_is_ignored() {
    assert_ignored(Ignored::Malformed, |request| {
        let mut bytes = lie(request);
        bytes[4] ^= 0x80;
        bytes
    });
}

// D-STUN-1
#[test]
fn an_answer_from_another_address_or_port_is_ignored() {
    for stranger in ["192.0.2.11:5060", "192.0.2.10:5061"] {
        let from = stranger.parse().unwrap();
        let mut world = |wanted: Wanted<'_>| match wanted {
            Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
            Wanted::Bytes(_, _, request) => vec![
                (millis(1), News::Heard { from, bytes: lie(request) }),
                (millis(2), News::answer(truth(request))),
            ],
        };

        let result = run(begin(&*module("stun-binding", &[]), 7).as_mut(), &mut world);

        assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:40112)");
        assert_eq!(result.ignored(Ignored::Stranger), 1);
    }
}

// D-STUN-1
#[test]
fn of_attributes_that_come_twice_the_first_counts() {
    let twice = |request: &[u8]| {
        let first = [
            xor_mapped([203, 0, 113, 5], 1),
            xor_mapped([6, 6, 6, 6], 666),
            mapped([203, 0, 113, 5], 1),
            mapped([6, 6, 6, 6], 666),
            attribute(0x8022, b"first"),
            attribute(0x8022, b"second"),
        ];
        message(SUCCESS, request, &first)
    };

    let result = ask(|_, request| vec![twice(request)]);

    assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:1)");
    assert_eq!(result.outcome.facts.read(&REWRITTEN), Some(false));
    assert_eq!(result.outcome.facts.read(&SOFTWARE).unwrap().as_str(), "first");
}

// D-STUN-1, RFC 8489 §14.5
#[test]
fn attributes_behind_an_integrity_attribute_are_not_read() {
    for (integrity, length) in [(0x0008, 20), (0x001C, 32)] {
        let behind = |request: &[u8]| {
            let attributes = [
                mapped([203, 0, 113, 5], 9),
                attribute(integrity, &vec![0; length]),
                xor_mapped([6, 6, 6, 6], 666),
                attribute(0x7FFE, b"????"),
            ];
            message(SUCCESS, request, &attributes)
        };

        let result = ask(|_, request| vec![behind(request)]);

        assert_eq!(result.label(), "", "{integrity:#06x}: {:?}", result.outcome);
        assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:9)");
    }
}

// D-STUN-2
#[test]
fn an_answer_with_an_unknown_attribute_that_must_be_understood_is_ignored() {
    for kind in [SUCCESS, ERROR] {
        assert_ignored(Ignored::Malformed, |request| {
            message(kind, request, &[attribute(0x7FFE, b"new!"), xor_mapped([6, 6, 6, 6], 666)])
        });
    }
}

#[test]
fn an_unknown_attribute_that_may_be_ignored_is() {
    let odd = |request: &[u8]| {
        message(SUCCESS, request, &[attribute(0xC001, b"x"), xor_mapped([203, 0, 113, 5], 2)])
    };

    let result = ask(|_, request| vec![odd(request)]);

    assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:2)");
}

// D-STUN-2
#[test]
fn an_answer_with_a_wrong_fingerprint_is_ignored() {
    assert_ignored(Ignored::Unproven, |request| {
        let attributes = [xor_mapped([6, 6, 6, 6], 666), attribute(0x8028, &[1, 2, 3, 4])];
        message(SUCCESS, request, &attributes)
    });
}

#[test]
fn an_error_whose_reason_is_padded_with_nuls_gives_its_code_and_words() {
    let value = [&[0, 0, 4, 20], &b"Unknown Attribute\0\0\0\0"[..]].concat();

    let result = ask(|_, request| vec![message(ERROR, request, &[attribute(0x0009, &value)])]);

    assert_eq!(result.label(), "rejected");
    assert_eq!(result.outcome.facts.read(&ERROR_CODE), Some(420));
    let (_, failure) = result.outcome.failure.unwrap();
    assert_eq!(failure.to_string(), "192.0.2.10:5060 answered 420 Unknown Attribute");
}

#[test]
fn an_error_whose_reason_is_no_text_still_gives_its_code() {
    let value = [0xFF, 0xFF, 0xF5, 0x00, 0xFF, 0xFE];

    let result = ask(|_, request| vec![message(ERROR, request, &[attribute(0x0009, &value)])]);

    assert_eq!(result.outcome.facts.read(&ERROR_CODE), Some(500));
}

// D-STUN-5
#[test]
fn an_alternate_server_is_told_and_not_followed() {
    let value = [0, 1, 0x0D, 0x96, 192, 0, 2, 99];
    let away = |request: &[u8]| {
        let code = attribute(0x0009, &[&[0, 0, 3, 0], &b"Try Alternate"[..]].concat());
        message(ERROR, request, &[code, attribute(0x8023, &value), mapped([6, 6, 6, 6], 666)])
    };

    let result = ask(|_, request| vec![away(request)]);

    assert_eq!(result.label(), "rejected");
    assert_eq!(result.outcome.facts.read(&MAPPED_ADDRESS), None);
    let alternate = result.outcome.facts.read(&ALTERNATE_SERVER);
    assert_eq!(alternate, Some("192.0.2.99:3478".parse().unwrap()));
    assert_eq!((result.opened.len(), result.sent.len()), (1, 1));
}

#[test]
fn a_success_without_an_address_breaks_the_protocol() {
    let result = ask(|_, request| vec![message(SUCCESS, request, &[])]);

    assert_eq!(result.label(), "misbehaved");
}

#[test]
fn an_old_server_with_mapped_address_alone_is_understood() {
    let result =
        ask(|_, request| vec![message(SUCCESS, request, &[mapped([203, 0, 113, 5], 40_112)])]);

    assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:40112)");
}

#[test]
fn two_addresses_that_differ_betray_a_device_that_rewrites() {
    let both = |request: &[u8]| {
        let attributes = [mapped([10, 0, 0, 5], 40_112), xor_mapped([203, 0, 113, 5], 40_112)];
        message(SUCCESS, request, &attributes)
    };

    let result = ask(|_, request| vec![both(request)]);

    assert_eq!(result.outcome.facts.read(&REWRITTEN), Some(true));
    assert_eq!(result.fact("mapped_address").unwrap(), "Address(203.0.113.5:40112)");
}

// D-STUN-9, RFC 8489 §6.2.1
#[test]
fn given_silence_seven_requests_leave_as_the_rfc_says() {
    let result = run(begin(&*module("stun-binding", &[]), 7).as_mut(), &mut silence());

    assert_eq!(result.schedule(), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(result.label(), "no_response");
    assert!(result.outcome.failure.as_ref().is_some_and(|(_, failure)| failure.is_silence()));
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(7));
    assert!(result.sent.iter().all(|(.., bytes)| *bytes == result.sent[0].2));
}

/// What the exchange makes of `News` after each request, in an 8 s timeout.
fn within_eight_seconds(mut news: impl FnMut(&[u8]) -> News) -> Run {
    let timeout = ("timeout", branchline_probes::OptionValue::Duration(millis(8_000)));
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(_, _, request) => vec![(millis(20), news(request))],
    };
    run(begin(&*module("stun-binding", &[timeout]), 7).as_mut(), &mut world)
}

// D-STUN-2
#[test]
fn a_server_that_answers_only_with_what_cannot_be_used_is_not_silent() {
    type Spoil = fn(&[u8]) -> Vec<u8>;
    let ways: [(&str, Spoil, Ignored); 2] = [
        (
            "a wrong fingerprint",
            |request| {
                let attributes =
                    [xor_mapped([203, 0, 113, 5], 9), attribute(0x8028, &[1, 2, 3, 4])];
                message(SUCCESS, request, &attributes)
            },
            Ignored::Unproven,
        ),
        (
            "an unknown attribute that must be understood",
            |request| message(SUCCESS, request, &[attribute(0x7FFE, b"new!")]),
            Ignored::Malformed,
        ),
    ];
    for (what, spoil, reason) in ways {
        let whole = ask(|_, request| vec![spoil(request)]);
        let cut = within_eight_seconds(|request| News::answer(spoil(request)));

        // Eight seconds hold five of the seven requests: 0, 0.5, 1.5, 3.5 and 7.5 s.
        for (result, requests) in [(whole, 7), (cut, 5)] {
            assert_eq!(result.label(), "unusable", "{what}");
            assert_eq!((result.sent.len(), result.ignored(reason)), (requests, requests as u64));
            let (_, failure) = result.outcome.failure.unwrap();
            assert!(!failure.is_silence(), "{what}: {failure}");
            assert_eq!(
                failure.to_string(),
                format!(
                    "192.0.2.10:5060 spoke, and nothing it said is the answer \
                     ({requests} messages to {requests} requests)"
                )
            );
        }
    }
}

// D-STUN-1
#[test]
fn what_strangers_say_does_not_break_the_silence_of_the_server() {
    for stranger in ["192.0.2.11:5060", "192.0.2.10:5061"] {
        let from = stranger.parse().unwrap();

        let result = within_eight_seconds(|request| News::Heard { from, bytes: lie(request) });

        assert_eq!((result.label(), result.ignored(Ignored::Stranger)), ("deadline", 5));
        let (_, failure) = result.outcome.failure.unwrap();
        assert!(failure.is_silence(), "{failure}");
    }
}

#[test]
fn a_timeout_that_falls_on_a_retransmission_counts_what_was_sent() {
    let timeout = branchline_probes::OptionValue::Duration(millis(500) + desk::OPENING);
    let module = module("stun-binding", &[("timeout", timeout)]);

    let result = run(begin(&*module, 7).as_mut(), &mut silence());

    assert_eq!((result.label(), result.sent.len()), ("deadline", 1));
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(1));
}

// RFC 6298 §3 (Karn)
#[test]
fn an_answer_to_a_repeated_request_gives_no_round_trip() {
    let result = ask(|count, request| if count == 2 { vec![truth(request)] } else { Vec::new() });

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(3));
    assert_eq!(result.outcome.facts.read(&RTT), None);
}

// D-STUN-1
#[test]
fn no_two_exchanges_share_a_transaction_id() {
    let module = module("stun-binding", &[]);
    let id = |seed| run(begin(&*module, seed).as_mut(), &mut silence()).sent[0].2[8..20].to_vec();

    let ids: std::collections::BTreeSet<Vec<u8>> = (0..=255).map(id).collect();

    assert_eq!(ids.len(), 256);
}

#[test]
fn our_request_carries_a_fingerprint_that_we_believe() {
    let request = binding_request(&[7; 12]);

    let read = read(&request).unwrap();

    assert_eq!(
        (read.class, read.method, read.transaction),
        (Class::Request, Method::Binding, [7; 12])
    );
    assert_eq!(request[20..24], [0x80, 0x28, 0x00, 0x04]);
}
