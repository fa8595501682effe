//! Nothing is left on the relay, wherever it ends.

use std::time::Duration;

use branchline_probes::{Intent, Moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::relay::{RECEIVER, World, begin, duration, millis, module, run, server, target};

fn micros(count: u64) -> Moment {
    Moment::after(Duration::from_micros(count))
}

// I11
#[test]
fn called_off_at_any_moment_it_frees_both_allocations_within_five_seconds() {
    let module = module(&[duration(millis(2_000))]);
    let mut stages = std::collections::BTreeSet::new();
    for seed in 0..300 {
        let mut dice = StdRng::seed_from_u64(seed);
        let longest = [100, 150_000, 3_200_000][usize::try_from(seed % 3).expect("small")];
        let at = micros(dice.random_range(0..longest));

        let it =
            run(begin(&*module, 7).as_mut(), World { cancelled_at: Some(at), ..World::default() });

        assert_eq!(it.held.len(), 0, "called off at {at:?}");
        assert!(!it.outcome.left_behind);
        assert!(it.ended <= at + millis(5_000) || it.label().is_empty(), "called off at {at:?}");
        stages.insert(it.stage());
        if it.label() == "cancelled" && it.stage() == "media" {
            // Of the last packets nobody knows whether they were lost.
            assert_eq!((it.count("lost"), it.number("loss_ratio")), (None, None));
            assert_eq!(it.number("mos_estimate_g711_plc"), None);
            assert_eq!(it.count("sent"), Some(it.voice.len() as u64));
        }
    }
    let all = ["", "allocate", "connect", "media", "permission"];
    assert_eq!(stages.into_iter().collect::<Vec<_>>(), all);
}

// I11
#[test]
fn on_a_lossy_way_what_may_be_left_is_known() {
    let mut left = 0;
    for seed in 0..300 {
        let mut dice = StdRng::seed_from_u64(seed);
        let timeout = millis(dice.random_range(6_500..24_000));
        let cancelled_at = (seed % 3 == 0).then(|| micros(dice.random_range(0..6_000_000)));
        let loss = dice.random_range(0..60);
        let mut losses = StdRng::seed_from_u64(seed + 1_000);
        let module = module(&[
            duration(millis(3_000)),
            ("timeout", branchline_probes::OptionValue::Duration(timeout)),
        ]);
        let world = World {
            loses: Box::new(|| losses.random_range(0..100) < loss),
            cancelled_at,
            ..World::default()
        };

        let it = run(begin(&*module, 7).as_mut(), world);

        assert!(it.ended <= Moment::after(timeout), "seed {seed}");
        if let Some(at) = cancelled_at.filter(|_| it.label() == "cancelled") {
            assert!(it.ended <= at + millis(5_000), "seed {seed}");
        }
        assert!(it.held.is_empty() || it.outcome.left_behind, "seed {seed}: {:?}", it.held);
        assert!(!it.outcome.left_behind || it.flag("freed") == Some(false), "seed {seed}");
        left += usize::from(!it.held.is_empty());
    }
    assert!(left > 0, "the way was not lossy enough to show anything");
}

#[test]
fn what_an_earlier_process_left_is_taken_back_from_its_port() {
    let module = module(&[]);
    let local = "198.51.100.7:40001".parse().expect("an address");
    let intent = Intent { leg: RECEIVER, local, peer: server(), mark: None };
    let chance = || branchline_probes::Chance::from_seed([1; 32]);

    let mut undo = module.undo(&target(), &intent, chance()).expect("there may be something");
    let it = run(undo.as_mut(), World::default());

    assert_eq!((it.legs[0].local_port, it.legs[0].peer), (40_001, server()));
    assert_eq!((it.outcome.failure, it.outcome.left_behind), (None, false));
    let elsewhere = Intent { peer: "203.0.113.9:3478".parse().expect("an address"), ..intent };
    assert!(module.undo(&target(), &elsewhere, chance()).is_none(), "credentials stay here");
}
