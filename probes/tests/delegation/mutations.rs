//! Walks among servers whose messages have a few bytes broken, by the million: none panics, none goes
//! on and on, and none leads where a walk must not go.

use std::net::IpAddr;

use branchline_probes::{Chance, FactValue};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::desk;
use crate::direct::Direct;
use crate::world::{NET, TC, World, Zone, module};

/// How many broken messages in the test that always runs.
const SOME: u32 = 200_000;
/// How many in the test that `just fuzz` runs.
const MANY: u32 = 10_000_000;
/// How many before each true answer.
const EACH: u32 = 12;

/// Referrals with glue and without, both families, an alias, an absence, a server without the zone.
fn world() -> World {
    let com = Zone::new("com")
        .cut("example.com", "ns1.example.com", "192.0.2.51")
        .cut("example.com", "ns2.example.com", "2001:db8::52")
        .cut("example.com", "lame.example.com", "192.0.2.53")
        .glueless("example.com", "ns.example.net");
    let mut world = World::with_com(com);
    world.serve(NET, Zone::new("net").host("ns.example.net", "192.0.2.54"));
    for address in ["192.0.2.51", "2001:db8::52", "192.0.2.54"] {
        let zone = Zone::new("example.com").ns("ns1.example.com").ns("ns2.example.com");
        world.serve(address, zone.alias("alias.example.com", "edge.example.net"));
    }
    world.serve("192.0.2.53", Zone::new("example.org"));
    world
}

/// Breaks a few bytes, most often where lengths, counts, types and pointers are.
fn mutate(chance: &mut StdRng, bytes: &mut Vec<u8>) {
    const ODD: [u8; 10] = [0, 1, 2, 6, 28, 0x3F, 0x40, 0x80, 0xC0, 0xFF];
    for _ in 0..chance.random_range(1..4) {
        let at = chance.random_range(0..=bytes.len());
        match chance.random_range(0..8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, ODD[chance.random_range(0..ODD.len())]),
            2 => {
                let until = (at + chance.random_range(0..48)).min(bytes.len());
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => {
                let mut noise = vec![0; chance.random_range(0..24)];
                chance.fill_bytes(&mut noise);
                bytes.extend(noise);
            }
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = ODD[chance.random_range(0..ODD.len())];
                }
            }
            _ => {
                // Behind the question, where it may still be the answer.
                let behind = bytes.len().min(40);
                if let Some(byte) = bytes[behind..].get_mut(at / 2) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
        }
    }
}

fn is_on_the_internet(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !ip.is_loopback()
                && !ip.is_private()
                && !ip.is_link_local()
                && !ip.is_multicast()
                && !ip.is_broadcast()
                && !ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            !ip.is_loopback()
                && !ip.is_unique_local()
                && !ip.is_unicast_link_local()
                && !ip.is_multicast()
                && !ip.is_unspecified()
                && ip.to_ipv4_mapped().is_none()
        }
    }
}

fn break_walks(rounds: u32) {
    const NAMES: [&str; 3] = ["www.example.com", "alias.example.com", "example.com"];
    let modules = NAMES.map(|name| module(name, &[]));
    let (world, mut chance) = (world(), StdRng::seed_from_u64(12));
    let (mut broken, mut taken, mut walks, mut misled, mut ended) = (0, 0, 0, 0, 0);
    while broken < rounds {
        let module = &modules[chance.random_range(0..modules.len())];
        let mut direct = Direct::begin(&**module, Chance::from_seed([chance.random(); 32]));
        let mut questions = 0;
        walks += 1;
        while let Some(asked) = direct.next() {
            questions += 1;
            assert!(is_on_the_internet(asked.to.ip()), "it asks {}", asked.to);
            assert_eq!(asked.to.port(), desk::peer().port());
            // Where a broken message led there may be nobody.
            let Some(mut truth) = world.honest(asked.to.ip(), &asked.query) else {
                misled += 1;
                continue;
            };
            if chance.random_range(0..50) == 0 {
                truth.flags |= TC;
            }
            let bytes = truth.bytes();
            for _ in 0..EACH {
                if !direct.awaits(&asked) {
                    taken += 1;
                    break;
                }
                let mut mutant = bytes.clone();
                mutate(&mut chance, &mut mutant);
                direct.hear(&asked, &mutant);
                broken += 1;
            }
            direct.hear(&asked, &bytes);
        }
        assert!(questions <= 64, "{questions} questions");
        ended += u32::from(direct.outcome.is_some());
        direct.call_off();
        let outcome = direct.outcome.expect("it was called off");
        for (spec, value) in outcome.facts.iter() {
            let texts = match value {
                FactValue::Texts(texts) => texts.clone(),
                FactValue::Text(text) => vec![text.clone()],
                FactValue::Count(_)
                | FactValue::Number(_)
                | FactValue::Seconds(_)
                | FactValue::Time(_)
                | FactValue::Flag(_)
                | FactValue::Word(_)
                | FactValue::Address(_)
                | FactValue::Addresses(_) => continue,
            };
            let is_printable = texts.iter().all(|it| !it.as_str().contains(char::is_control));
            assert!(is_printable && texts.len() <= 64, "{}: {texts:?}", spec.name);
        }
    }
    // Broken messages are taken where they are answers, and do not all end the way.
    assert!(taken > walks / 10, "{taken} of {walks}");
    assert!(misled > walks / 100, "{misled} of {walks}");
    assert!(ended > walks / 10, "{ended} of {walks}");
}

// I1, I3, D-STUN-6
#[test]
fn no_broken_message_panics_a_walk_or_leads_it_where_it_must_not_go() {
    break_walks(SOME);
}

// I1, I3, M1
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn walks_among_ten_million_broken_messages() {
    break_walks(MANY);
}
