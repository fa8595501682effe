//! The ids of questions (D-DNS-2).

use branchline_probes::Chance;

use crate::direct::Direct;
use crate::world::{World, Zone, module};

/// How many in the test that always runs.
const SOME: u32 = 100_000;
/// How many in the test that `just fuzz` runs.
const MANY: u32 = 1_000_000;
const BUCKETS: usize = 256;

/// How far counts are from being equal.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

/// 255 degrees of freedom: 99.99 % lie below 347.7, 0.01 % below 177.
fn assert_uniform(counts: &[u32; BUCKETS]) {
    let distance = chi_square(counts);
    assert!((170.0..350.0).contains(&distance), "{distance}");
}

fn seeded(number: u32) -> Chance {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    Chance::from_seed(seed)
}

fn draw(draws: u32) {
    let module = module("www.example.com", &[]);
    let (mut high, mut low) = ([0; BUCKETS], [0; BUCKETS]);
    for number in 0..draws {
        let mut direct = Direct::begin(&*module, seeded(number));
        let [first, second] = direct.next().expect("it asks").query.id;
        high[usize::from(first)] += 1;
        low[usize::from(second)] += 1;
    }
    assert_uniform(&high);
    assert_uniform(&low);
}

// D-DNS-2
#[test]
fn ids_are_uniform_over_seeds() {
    draw(SOME);
}

// D-DNS-2
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn a_million_ids_are_uniform_over_seeds() {
    draw(MANY);
}

// D-DNS-2: who sees the first question of a walk knows nothing of the next one's id.
#[test]
fn the_id_of_a_question_tells_nothing_of_the_next_one() {
    const WALKS: u32 = 4_000;
    let com = Zone::new("com").cut("example.com", "ns.example.com", "192.0.2.51");
    let mut world = World::with_com(com);
    world.serve("192.0.2.51", Zone::new("example.com").ns("ns.example.com"));
    let module = module("www.example.com", &[]);
    let (mut pairs, mut differences) = ([0; BUCKETS], [0; BUCKETS]);

    for number in 0..WALKS {
        let mut direct = Direct::begin(&*module, seeded(number));
        let mut before: Option<u16> = None;
        while let Some(asked) = direct.next() {
            let id = u16::from_be_bytes(asked.query.id);
            if let Some(before) = before {
                pairs[usize::from(before >> 12 << 4 | id >> 12)] += 1;
                differences[usize::from(id.wrapping_sub(before) >> 8)] += 1;
            }
            before = Some(id);
            let truth = world.truth(&asked);
            direct.hear(&asked, &truth.bytes());
        }
    }

    // Five questions have four neighbours.
    assert_eq!(pairs.iter().sum::<u32>(), 4 * WALKS);
    assert_uniform(&pairs);
    assert_uniform(&differences);
}
