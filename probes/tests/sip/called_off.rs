//! Called off or killed at every moment of an exchange: nothing of ours stays with the registrar,
//! and the phone's binding does (I11, D-SIP-9, D-SIP-10).

use branchline_probes::sip_register::REMOVED;
use branchline_probes::{Chance, Intent, Module, OptionValue, Outcome};

use crate::desk::{self, begin};
use crate::model::{Life, Manner, PHONE, Registrar, Stop, Weather, live};
use crate::{header, phone};

const OPEN: Manner =
    Manner { is_guarded: false, is_fussy: false, stores_as_seen: false, closes_after: None };
const MANNERS: [Manner; 5] = [
    OPEN,
    Manner { is_guarded: true, ..OPEN },
    Manner { is_guarded: true, is_fussy: true, ..OPEN },
    Manner { stores_as_seen: true, ..OPEN },
    Manner { is_guarded: true, is_fussy: true, stores_as_seen: true, ..OPEN },
];

/// An exchange with this registrar, in this weather.
fn lived(
    module: &dyn Module,
    registrar: &mut Registrar,
    weather: &mut Weather,
    stop: Stop,
) -> Life {
    live(begin(module, 7).as_mut(), registrar, weather, stop)
}

/// Takes back what an intent names, in good weather.
fn taken_back(module: &dyn Module, registrar: &mut Registrar, intent: &Intent) -> Outcome {
    let chance = Chance::from_seed([9; 32]);
    let mut exchange = module.undo(&desk::target(), intent, chance).expect("it can be undone");
    let mut weather = Weather::datagrams(1, 0.0);
    let life = live(exchange.as_mut(), registrar, &mut weather, Stop::Never);
    life.outcome.expect("nobody killed it")
}

/// What the journal does at the next start: each intent is taken back.
fn assert_taken_back(module: &dyn Module, registrar: &mut Registrar, life: &Life, what: &str) {
    for intent in &life.intents {
        let outcome = taken_back(module, registrar, intent);
        assert!(!outcome.left_behind, "{what}: {outcome:?}");
    }
    assert_eq!(registrar.held(), [PHONE], "{what}");
}

/// Calls the exchange off after every output; in weather that loses nothing, nothing may be left
/// to the next start.
fn call_off_everywhere(module: &dyn Module, manner: Manner, weather: &dyn Fn() -> Weather) {
    let outputs = lived(module, &mut Registrar::new(manner), &mut weather(), Stop::Never).outputs;
    for (after, part) in (1..outputs).flat_map(|after| [(after, 0.0), (after, 0.5), (after, 0.99)])
    {
        let what = format!("{manner:?}, called off after output {after} and {part} of its wait");
        let mut registrar = Registrar::new(manner);
        let stop = Stop::Cancel(after, part);

        let life = lived(module, &mut registrar, &mut weather(), stop);

        let outcome = life.outcome.as_ref().expect("nobody killed it");
        if outcome.left_behind {
            assert_taken_back(module, &mut registrar, &life, &what);
        }
        assert_eq!(registrar.held(), [PHONE], "{what}: {:?}\n{}", outcome, life.sent.join("\n"));
    }
}

/// Kills the process after every output, and lets the next one take back what its journal names.
fn kill_everywhere(module: &dyn Module, manner: Manner, weather: &dyn Fn() -> Weather) {
    let outputs = lived(module, &mut Registrar::new(manner), &mut weather(), Stop::Never).outputs;
    for after in 1..outputs {
        let what = format!("{manner:?}, killed after output {after}");
        let mut registrar = Registrar::new(manner);

        let life = lived(module, &mut registrar, &mut weather(), Stop::Kill(after));

        assert!(!life.intents.is_empty() || life.sent.is_empty(), "{what}: nobody would know");
        assert_taken_back(module, &mut registrar, &life, &what);
    }
}

// I11, D-SIP-9, D-SIP-10
#[test]
fn called_off_or_killed_at_any_moment_nothing_stays_in_good_weather() {
    for manner in MANNERS {
        let module = phone(&[]);
        call_off_everywhere(&*module, manner, &|| Weather::datagrams(3, 0.0));
        kill_everywhere(&*module, manner, &|| Weather::datagrams(3, 0.0));
    }
}

// I11, D-SIP-9, D-SIP-10
#[test]
fn called_off_or_killed_at_any_moment_nothing_stays_though_a_third_of_all_messages_is_lost() {
    for (manner, seed) in MANNERS.into_iter().flat_map(|it| (0..12).map(move |seed| (it, seed))) {
        let module = phone(&[]);
        call_off_everywhere(&*module, manner, &|| Weather::datagrams(seed, 0.3));
        kill_everywhere(&*module, manner, &|| Weather::datagrams(seed, 0.3));
    }
}

// I11, D-SIP-10
#[test]
fn called_off_or_killed_over_tcp_nothing_stays_though_a_connection_is_closed() {
    let module = phone(&[("transport", OptionValue::Word("tcp"))]);
    for manner in MANNERS {
        for closes_after in [None, Some(1), Some(2), Some(3), Some(4), Some(5)] {
            let manner = Manner { closes_after, ..manner };
            call_off_everywhere(&*module, manner, &Weather::stream);
            kill_everywhere(&*module, manner, &Weather::stream);
        }
    }
}

// D-SIP-9, D-SIP-10
#[test]
fn left_alone_it_removes_what_it_made_whatever_the_weather() {
    for (manner, seed) in MANNERS.into_iter().flat_map(|it| (0..200).map(move |seed| (it, seed))) {
        let module = phone(&[]);
        let mut registrar = Registrar::new(manner);
        let mut weather = Weather::datagrams(seed, 0.3);

        let life = lived(&*module, &mut registrar, &mut weather, Stop::Never);

        let outcome = life.outcome.as_ref().expect("nobody killed it");
        let what = format!("{manner:?}, seed {seed}: {outcome:?}");
        assert!(outcome.facts.read(&REMOVED) != Some(true) || !outcome.left_behind, "{what}");
        if outcome.left_behind {
            assert_taken_back(&*module, &mut registrar, &life, &what);
        }
        assert_eq!(registrar.held(), [PHONE], "{what}");
        let of_others =
            |text: &&String| header(text, "Contact").is_some_and(|it| it.contains("desk"));
        assert_eq!(life.sent.iter().find(of_others), None);
    }
}

// D-SIP-9
#[test]
fn ten_thousand_probes_leave_the_phone_s_binding_as_it_was() {
    let module = phone(&[]);
    let mut registrar = Registrar::new(MANNERS[1]);
    let before = registrar.phone().map(|(call, number)| (call.to_owned(), number));
    for probe in 0..10_000_u32 {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&probe.to_be_bytes());
        let mut exchange = desk::begin_with(&*module, Chance::from_seed(seed));

        let mut weather = Weather::datagrams(probe.into(), 0.0);
        let life = live(exchange.as_mut(), &mut registrar, &mut weather, Stop::Never);

        let outcome = life.outcome.expect("nobody killed it");
        assert_eq!(outcome.facts.read(&REMOVED), Some(true), "probe {probe}: {outcome:?}");
    }

    assert_eq!(registrar.held(), [PHONE]);
    assert_eq!(registrar.phone().map(|(call, number)| (call.to_owned(), number)), before);
}
