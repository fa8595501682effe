//! Servers that lack an address, lie, fall silent or are told of by strangers.

use std::net::SocketAddr;

use branchline_probes::nat_behavior::{
    FILTERING, HAIRPIN, MAPPED_ADDRESS, MAPPING, METHOD, OTHER_ADDRESS, OTHER_ADDRESS_USE, REPEATS,
    REWRITTEN,
};
use branchline_probes::wire::stun::{Class, Method, Writer, attribute};
use branchline_probes::{Ignored, OptionValue, Options};

use crate::desk::{millis, probe};
use crate::world::{
    Change, Filtering, Mapping, Nat, OTHER, OUTSIDE, Path, Run, SECOND, SERVER, Servers, World,
    address, attribute_of,
};

const OTHER_IP: &str = "198.51.100.11";

fn nat(mapping: Mapping, filtering: Filtering) -> Nat {
    Nat::new(mapping, filtering)
}

/// A NAT that is as open as one can be: every word but "inconclusive" that is stricter is wrong.
fn open() -> Nat {
    nat(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
}

fn strict() -> Nat {
    nat(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
}

fn ask(nat: Nat, servers: Servers) -> Run {
    World::new(nat).with_servers(servers).run(&[])
}

fn second() -> [(&'static str, OptionValue); 1] {
    [("second_server", OptionValue::Endpoint(address(SECOND)))]
}

// stuntman #54, #44, #45: this read as a symmetric NAT.
#[test]
fn an_other_address_that_never_answers_names_no_nat() {
    for nat in [open(), strict()] {
        let run = ask(nat, Servers { other_lives: false, ..Servers::default() });

        assert_eq!(run.label(), "");
        assert_eq!(run.words()[..2], ["inconclusive"; 2]);
        assert_eq!(run.word(&METHOD), "absent");
        assert_eq!(run.word(&OTHER_ADDRESS_USE), "silent");
    }
}

// D-STUN-6
#[test]
fn somebody_who_is_named_and_does_not_answer_gets_twelve_small_packets_in_all() {
    let run = ask(open(), Servers { other_lives: false, ..Servers::default() });

    assert_eq!(run.sent_to(OTHER_IP), 3 * 4);
}

// D-STUN-6
#[test]
fn the_other_address_gets_plain_bindings_and_nothing_else() {
    let run = ask(strict(), Servers::default());

    let to_other = run.world.sent.iter().filter(|(_, to, _)| to.ip() == address(OTHER).ip());
    for (_, _, bytes) in to_other {
        assert_eq!(bytes.len(), 28, "a header and a FINGERPRINT");
        assert_eq!(bytes[..2], [0, 1]);
        assert_eq!(attribute_of(bytes, attribute::CHANGE_REQUEST), None);
    }
}

#[test]
fn a_router_that_refuses_the_other_address_alone_is_no_failure() {
    let mut world = World::new(open());
    world.refuses = Some(address(OTHER).ip());

    let run = world.run(&[]);

    assert_eq!((run.label(), run.word(&MAPPING)), ("", "inconclusive"));
    assert!(run.ended.elapsed() < millis(2_000), "{:?}", run.ended);
}

#[test]
fn a_router_that_refuses_the_server_is_named() {
    let mut world = World::new(open());
    world.refuses = Some(address(SERVER).ip());

    let run = world.run(&[]);

    assert_eq!(run.label(), "prohibited");
    let (_, failure) = run.outcome.failure.as_ref().unwrap();
    assert_eq!(failure.by(), Some("10.77.0.1".parse().unwrap()));
}

// F46: the first packet is the only one whose refusal says that the server is out of reach.
#[test]
fn one_refusal_after_the_first_answer_costs_no_more_than_one_question() {
    for (nat, words) in [
        (open(), ["endpoint_independent", "endpoint_independent"]),
        (strict(), ["endpoint_independent", "address_and_port_dependent"]),
    ] {
        let whole = World::new(nat).run(&[]);
        assert_eq!(whole.words()[..2], words);
        for refused in 1..whole.world.sent.len() {
            let mut world = World::new(nat);
            world.refuses_once = Some(refused);

            let run = world.run(&[]);

            assert_eq!((run.label(), &run.words()[..2]), ("", &words[..]), "packet {refused}");
        }
    }
}

#[test]
fn a_server_that_does_not_change_its_address_says_nothing_of_filtering() {
    for change in [Change::Ignored, Change::Rejected, Change::Swallowed] {
        for nat in [open(), strict(), nat(Mapping::None, Filtering::AddressDependent)] {
            let run = ask(nat, Servers { change, ..Servers::default() });

            assert_eq!(run.word(&FILTERING), "inconclusive", "{change:?}");
            assert_ne!(run.word(&MAPPING), "inconclusive", "{change:?}");
        }
    }
}

#[test]
fn nor_does_one_behind_a_nat_whose_mapping_depends_on_the_address() {
    let nat = nat(Mapping::AddressAndPortDependent, Filtering::EndpointIndependent);
    for change in [Change::Ignored, Change::Rejected] {
        let run = ask(nat, Servers { change, ..Servers::default() });

        assert_eq!(run.word(&FILTERING), "inconclusive", "{change:?}");
    }
}

#[test]
fn a_device_that_edits_payloads_is_seen_and_not_believed() {
    let run = ask(strict(), Servers { alg: true, ..Servers::default() });

    assert_eq!(run.outcome.facts.read(&REWRITTEN), Some(true));
    assert_eq!(run.words(), ["endpoint_independent", "address_and_port_dependent", "no"]);
    let mapped: SocketAddr = run.outcome.facts.read(&MAPPED_ADDRESS).unwrap();
    assert_eq!(mapped.ip().to_string(), OUTSIDE);
}

#[test]
fn a_server_of_rfc_3489_serves_too() {
    let run = ask(strict(), Servers { is_old: true, ..Servers::default() });

    assert_eq!(run.words(), ["endpoint_independent", "address_and_port_dependent", "no"]);
    assert_eq!(run.outcome.facts.read(&OTHER_ADDRESS), Some(address(OTHER)));
    assert_eq!(run.outcome.facts.read(&REWRITTEN), Some(false));
}

// D-STUN-6
#[test]
fn an_other_address_that_is_no_place_to_go_is_not_spoken_to() {
    for (claim, usage) in [
        ("127.0.0.1:3479", "refused"),
        ("169.254.169.254:3479", "refused"),
        ("10.77.0.2:3479", "refused"),
        ("203.0.113.2:3479", "refused"),
        ("10.0.0.1:3479", "refused"),
        ("224.0.0.1:3479", "refused"),
        ("255.255.255.255:3479", "refused"),
        ("0.0.0.0:3479", "refused"),
        ("[::1]:3479", "refused"),
        ("198.51.100.11:3478", "unfit"),
        ("198.51.100.10:3479", "unfit"),
        ("198.51.100.10:3478", "unfit"),
    ] {
        let run = ask(open(), Servers { other: Some(address(claim)), ..Servers::default() });

        assert_eq!(run.label(), "");
        assert_eq!(run.word(&OTHER_ADDRESS_USE), usage, "{claim}");
        assert_eq!(run.word(&MAPPING), "inconclusive");
        let strays = run.world.sent.iter().filter(|(_, to, _)| *to != address(SERVER));
        assert_eq!(strays.count(), 0, "{claim}");
    }
}

// D-STUN-6
#[test]
fn what_the_configuration_allows_is_spoken_to() {
    let other = Some(address("10.9.9.9:3479"));
    let allowed = OptionValue::Addresses(vec!["10.9.9.9".parse().unwrap()]);

    let run = World::new(open())
        .with_servers(Servers { other, ..Servers::default() })
        .run(&[("other_addresses", allowed)]);

    // Nobody answers there in this world.
    assert_eq!(run.sent_to("10.9.9.9"), 12);
}

// D-STUN-6
#[test]
fn a_mapped_address_that_is_a_lie_is_not_spoken_to() {
    for lie in ["127.0.0.1:22", "169.254.169.254:80", "10.0.0.1:80", "10.77.0.2:9", "224.0.0.1:5"] {
        let servers = Servers { lie: Some(address(lie)), ..Servers::default() };

        let run = ask(open(), servers);

        assert_eq!(run.word(&HAIRPIN), "inconclusive", "{lie}");
        let known = [SERVER, OTHER].map(|it| address(it).ip());
        assert!(run.world.sent.iter().all(|(_, to, _)| known.contains(&to.ip())), "{lie}");
    }
}

/// An answer that would be taken for one, were it not for where it comes from.
fn forged(request: &[u8]) -> Vec<u8> {
    let id = request[8..20].try_into().expect("twelve bytes");
    Writer::new(Class::Success, Method::Binding, &id)
        .with_xor_address(attribute::XOR_MAPPED_ADDRESS, address("6.6.6.6:666"))
        .finish()
}

// D-STUN-1
#[test]
fn answers_of_strangers_and_from_the_wrong_address_change_nothing() {
    for nat in [open(), strict()] {
        let honest = World::new(nat).run(&[]);
        let mut world = World::new(nat);
        world.forge = Some(|request| {
            let strangers = ["203.0.113.66:3478", "198.51.100.10:9", "198.51.100.12:3479"];
            // A plain request answered from where only a changed one may be.
            let is_plain = attribute_of(request, attribute::CHANGE_REQUEST).is_none();
            let wrong = is_plain.then_some(SECOND);
            let all = strangers.into_iter().chain(wrong);
            all.map(|from| (address(from), forged(request))).collect()
        });

        let run = world.run(&[]);

        assert_eq!(run.words(), honest.words());
        let mapped = |run: &Run| run.outcome.facts.read(&MAPPED_ADDRESS);
        assert_eq!(mapped(&run), mapped(&honest));
        assert!(run.outcome.ignored[&Ignored::Stranger] > 0);
    }
}

// D-STUN-1
#[test]
fn an_answer_with_another_transaction_id_is_ignored() {
    let mut world = World::new(strict());
    world.forge = Some(|request| {
        let mut bytes = forged(request);
        bytes[19] ^= 1;
        vec![(address(SERVER), bytes)]
    });

    let run = world.run(&[]);

    assert_eq!(run.words(), ["endpoint_independent", "address_and_port_dependent", "no"]);
    assert!(run.outcome.ignored[&Ignored::Mismatch] > 0);
}

#[test]
fn a_server_that_falls_silent_names_no_nat() {
    for patience in 1..60 {
        let run = ask(strict(), Servers { patience, ..Servers::default() });

        let [mapping, filtering, _] = run.words();
        assert_eq!(run.label(), "");
        assert!(["inconclusive", "endpoint_independent"].contains(&mapping), "{patience}");
        let harmless = ["inconclusive", "blocked", "address_and_port_dependent"];
        assert!(harmless.contains(&filtering), "{patience}: {filtering}");
    }
}

#[test]
fn a_server_that_answers_at_first_and_then_no_more_is_blocked() {
    // The mapping's five and the first of each filtering leg.
    for patience in [5, 7, 8] {
        let run = ask(strict(), Servers { patience, ..Servers::default() });

        assert_eq!(run.word(&FILTERING), "blocked", "{patience}");
        assert_eq!(run.word(&MAPPING), "inconclusive", "one repeat is no majority");
    }
}

#[test]
fn an_error_is_the_servers_answer() {
    let run = ask(open(), Servers { error: Some(401), ..Servers::default() });

    assert_eq!((run.label(), run.words()), ("rejected", ["absent"; 3]));
}

#[test]
fn two_servers_tell_the_same_from_the_different() {
    for (mapping, word) in [
        (Mapping::None, "none"),
        (Mapping::EndpointIndependent, "endpoint_independent"),
        (Mapping::AddressDependent, "not_endpoint_independent"),
        (Mapping::AddressAndPortDependent, "not_endpoint_independent"),
    ] {
        for loss in [0.0, 0.2] {
            let nat = nat(mapping, Filtering::AddressAndPortDependent);
            let world = World::new(nat).with_path(Path { loss, jitter: millis(5) }, 3);
            let servers = Servers { other: None, ..Servers::default() };

            let run = world.with_servers(servers).run(&second());

            assert_eq!(run.words()[..2], [word, "absent"], "{loss}");
            assert_eq!(run.word(&METHOD), "two_server");
            assert_eq!(run.word(&OTHER_ADDRESS_USE), "absent");
        }
    }
}

#[test]
fn the_second_server_serves_where_the_other_address_is_dead() {
    let servers = Servers { other_lives: false, ..Servers::default() };

    let run = World::new(open()).with_servers(servers).run(&second());

    assert_eq!((run.word(&METHOD), run.word(&MAPPING)), ("two_server", "endpoint_independent"));
    assert_eq!(run.word(&OTHER_ADDRESS_USE), "silent");
}

#[test]
fn a_second_server_of_the_same_address_compares_nothing() {
    let same = OptionValue::Endpoint(address("198.51.100.10:3479"));
    let servers = Servers { other: None, ..Servers::default() };

    let run = World::new(open()).with_servers(servers).run(&[("second_server", same)]);

    assert_eq!((run.word(&METHOD), run.word(&MAPPING)), ("absent", "inconclusive"));
}

#[test]
fn one_server_alone_tells_whether_there_is_a_nat_and_no_more() {
    for (mapping, word) in [
        (Mapping::None, "none"),
        (Mapping::EndpointIndependent, "inconclusive"),
        (Mapping::AddressAndPortDependent, "inconclusive"),
    ] {
        let servers = Servers { other: None, ..Servers::default() };

        let run = ask(nat(mapping, Filtering::AddressDependent), servers);

        assert_eq!((run.label(), run.words()[0], run.words()[1]), ("", word, "absent"));
        assert_eq!((run.word(&METHOD), run.word(&OTHER_ADDRESS_USE)), ("absent", "absent"));
    }
}

#[test]
fn a_timeout_in_between_ends_it_with_what_is_known() {
    let timeout = OptionValue::Duration(millis(8_000));

    let run = World::new(strict()).run(&[("timeout", timeout)]);

    assert_eq!((run.label(), run.ended.elapsed()), ("", millis(8_000)));
    assert_eq!(run.word(&FILTERING), "inconclusive");
    assert_eq!(run.outcome.facts.read(&REPEATS), Some(1));
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let refused = |set: &[(&str, &str)]| {
        let probe = probe("nat-behavior");
        let mut options = Options::defaults(probe.options());
        let timeout = branchline_probes::TIMEOUT.spec();
        for (key, text) in set {
            let mut specs = probe.options().iter().chain([&timeout]);
            let spec = specs.find(|spec| spec.name == *key).expect("it is declared");
            options.set(spec, spec.kind.read(text).expect("it is of its kind"));
        }
        probe.module(&options).err().map(|bad| bad.option)
    };

    assert_eq!(refused(&[("repeats", "0")]), Some("repeats"));
    assert_eq!(refused(&[("repeats", "10")]), Some("repeats"));
    assert_eq!(refused(&[("port", "0")]), Some("port"));
    assert_eq!(refused(&[("lifetime_most", "2h")]), Some("lifetime_most"));
    assert_eq!(refused(&[("lifetime_most", "9s")]), Some("lifetime_most"));
    assert_eq!(refused(&[("lifetime_most", "10s")]), None);
    assert_eq!(refused(&[("lifetime_known", "5m")]), Some("lifetime_known"));
    assert_eq!(refused(&[("lifetime", "true")]), None);
}
