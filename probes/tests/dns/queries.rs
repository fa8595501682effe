//! What is asked, and how often.

use branchline_probes::dns_query::TRANSMISSIONS;
use branchline_probes::{Chance, OptionValue, Output};

use crate::desk::{self, begin, begin_with, run, silence};
use crate::{NAME, labels, options};

#[test]
fn the_query_is_as_rfc_1035_and_rfc_6891_write_it() {
    let plain = options(&[("random_case", OptionValue::Flag(false))]);
    let result = run(begin(&*plain, 7).as_mut(), &mut silence());

    let query = &result.sent[0].2;
    let question = [labels(NAME), vec![0, 1, 0, 1]].concat();
    // RD, one question, one additional record.
    assert_eq!(query[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(query[12..12 + question.len()], question);
    // OPT: root, type 41, payload size 1232, no flags; and NSID, empty (RFC 5001 §2.1).
    let opt = [0, 0, 41, 0x04, 0xD0, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0];
    assert_eq!(query[12 + question.len()..], opt);
}

#[test]
fn recursion_is_not_desired_where_the_module_says_so() {
    let module = options(&[("recursion", OptionValue::Flag(false))]);

    let result = run(begin(&*module, 7).as_mut(), &mut silence());

    assert_eq!(result.sent[0].2[2], 0);
}

// D-DNS-2
#[test]
fn ids_are_uniform_over_seeds() {
    const DRAWS: u32 = 1_000_000;
    let module = options(&[]);
    let (mut high, mut low) = ([0_u32; 256], [0_u32; 256]);

    for number in 0..DRAWS {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let mut exchange = begin_with(&*module, Chance::from_seed(seed));
        let Output::Open(leg) = exchange.poll_output() else { panic!("it opens no leg") };
        let local = desk::LOCAL.parse().unwrap();
        let connected = branchline_probes::Input::Connected { leg: leg.id, local };
        exchange.handle_input(connected, branchline_probes::Moment::START);
        let Output::Transmit { bytes, .. } = exchange.poll_output() else { panic!("no query") };
        high[usize::from(bytes[0])] += 1;
        low[usize::from(bytes[1])] += 1;
    }

    // 255 degrees of freedom: 99.99 % lie below 347.7, 0.01 % below 177.
    let expected = f64::from(DRAWS) / 256.0;
    for buckets in [high, low] {
        let chi_square: f64 =
            buckets.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!((170.0..350.0).contains(&chi_square), "{chi_square}");
    }
}

#[test]
fn given_silence_two_queries_leave_five_seconds_apart() {
    let result = run(begin(&*options(&[]), 7).as_mut(), &mut silence());

    assert_eq!(result.schedule(), [0, 5_000]);
    assert_eq!(result.label(), "no_response");
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(2));
}
