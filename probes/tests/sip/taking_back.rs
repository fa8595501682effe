//! What a process that died may have left, and what it may have had under way (F32, I11).

use branchline_probes::sip_register::REMOVED;
use branchline_probes::{Chance, Exchange, Intent, LegId, Target};

use crate::desk::{self, News, Reply, Run, Wanted, millis, world};
use crate::{anonymous, counts, readings, response};

/// The 64 bits of the contact that was left.
const MARK: [u8; 8] = [0xab; 8];
const OURS: &str = "Contact: <sip:branchline-abababababababab@192.0.2.9:4711>;expires=42\r\n";
const PHONE: &str = "Contact: <sip:desk@10.0.0.9>;expires=3000\r\n";

/// Takes back in a world that lists these contacts in its answers, one after the other.
fn take_back(lists: &[String]) -> Run {
    let mut world = world(|count, request| {
        let request = std::str::from_utf8(request).expect("it is text");
        vec![response(request, "200 OK", &lists[count]).into_bytes()]
    });
    take_back_in(&mut world)
}

fn take_back_in(world: &mut dyn FnMut(Wanted<'_>) -> Reply) -> Run {
    desk::run(undo().as_mut(), world)
}

fn undo() -> Box<dyn Exchange> {
    let target = Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: "host.example".into(),
        address: desk::peer(),
        transport: None,
        started: desk::STARTED,
    };
    let local = "192.0.2.9:4711".parse().expect("an address");
    let intent = Intent { leg: LegId(0), local, peer: desk::peer(), mark: Some(MARK) };
    let chance = Chance::from_seed([1; 32]);
    anonymous(&[]).undo(&target, &intent, chance).expect("there may be something")
}

#[test]
fn what_is_held_is_removed_at_once() {
    let it = take_back(&[format!("{PHONE}{OURS}"), PHONE.to_owned(), PHONE.to_owned()]);

    assert_eq!((counts(&it), readings(&it)), ((0, 1), 2));
    assert_eq!((it.outcome.left_behind, it.outcome.failure), (false, None));
    assert!(it.ended.elapsed() < millis(100));
}

#[test]
fn what_is_not_held_yet_is_looked_for_once_more_and_removed_then() {
    let late = format!("{OURS}{PHONE}");
    let it = take_back(&[PHONE.to_owned(), late, PHONE.to_owned(), PHONE.to_owned()]);

    assert_eq!((counts(&it), readings(&it)), ((0, 1), 3));
    assert_eq!(it.schedule(), [0, 1_520, 1_540, 1_560]);
    assert!(it.texts()[2].contains("Contact: <sip:branchline-abababababababab@192.0.2.9:4711>;"));
    assert_eq!(it.outcome.facts.read(&REMOVED), Some(true));
    assert!(!it.outcome.left_behind);
}

#[test]
fn what_was_never_held_is_looked_for_twice_and_nothing_is_removed() {
    let it = take_back(&[PHONE.to_owned(), PHONE.to_owned()]);

    assert_eq!((counts(&it), readings(&it)), ((0, 0), 2));
    assert!(!it.outcome.left_behind);
}

#[test]
fn who_falls_silent_or_is_called_off_before_the_second_look_may_still_hold_it() {
    for (after, ended) in [(None, 33_520), (Some(millis(10)), 20), (Some(millis(700)), 700)] {
        let mut count = 0;
        let it = take_back_in(&mut |wanted| match wanted {
            Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
            Wanted::Bytes(_, _, request) => {
                count += 1;
                let request = std::str::from_utf8(request).expect("it is text");
                let answer = News::answer(response(request, "200 OK", PHONE));
                let called_off = after.map(|after| (after, News::Cancelled));
                let answered = (count == 1).then_some((millis(20), answer));
                called_off.into_iter().filter(|_| count == 1).chain(answered).collect()
            }
        });

        assert!(it.outcome.left_behind, "{after:?}");
        // Silence ends with Timer F, 32 s after the second look.
        assert_eq!(it.ended.elapsed(), millis(ended) + desk::OPENING, "{after:?}");
        assert!(after.is_none() || it.sent.len() == 1, "{after:?}");
    }
}
