//! Relays that do not want to, or cannot.

use std::time::Duration;

use branchline_probes::wire::stun::Method;
use branchline_probes::{LegId, Moment, OptionValue};

use crate::relay::{ONE_WAY, RECEIVER, Run, SENDER, World, begin, duration, millis, module, run};

/// Fifteen seconds of voice through this world.
fn whole(world: World<'_>) -> Run {
    run(begin(&*module(&[]), 7).as_mut(), world)
}

fn refusing(method: Method, from: usize, code: u16) -> World<'static> {
    let refuses = move |asked, count| (asked == method && count >= from).then_some(code);
    World { refuses: Box::new(refuses), ..World::default() }
}

#[test]
fn a_relay_that_refuses_its_own_address_gets_paced_binding_requests_instead() {
    for method in [Method::CreatePermission, Method::ChannelBind] {
        let it = whole(refusing(method, 1, 403));

        assert_eq!(it.outcome.failure, None, "{method:?}");
        assert_eq!(it.flag("relay_loop_refused"), Some(true));
        assert_eq!((it.word("direction"), it.count("error_code")), (Some("binding"), Some(403)));
        assert_eq!((it.voice.len(), it.bindings.len()), (0, 250));
        assert!(it.bindings.windows(2).all(|pair| pair[1].since(pair[0]) == millis(20)));
        assert_eq!(it.count("binding_sent"), Some(250));
        assert_eq!(it.count("binding_received"), Some(250));
        assert_eq!(it.number("binding_loss_ratio"), Some(0.0));
        assert_eq!(it.seconds("binding_jitter_seconds"), Some(Duration::ZERO));
        assert_eq!(it.seconds("binding_rtt_p50_seconds"), Some(ONE_WAY * 2));
        // What was not measured is not said.
        for name in ["sent", "lost"] {
            assert_eq!(it.count(name), None, "{name}");
        }
        for name in ["loss_ratio", "mos_estimate_g711_plc", "r_factor_g711"] {
            assert_eq!(it.number(name), None, "{name}");
        }
        assert_eq!(it.held.len(), 0);
        let legs: Vec<_> = it.legs.iter().map(|leg| leg.id).collect();
        assert_eq!(legs, [SENDER, RECEIVER, LegId(2)]);
    }
}

#[test]
fn requests_without_an_answer_are_the_loss_of_the_fallback() {
    let mut world = refusing(Method::CreatePermission, 1, 403);
    world.answers_binding = Box::new(|request| request % 5 != 0);

    let it = whole(world);

    assert_eq!(it.count("binding_received"), Some(200));
    assert_eq!(it.number("binding_loss_ratio"), Some(0.2));
    assert_eq!(it.outcome.failure, None);
}

#[test]
fn a_fallback_without_any_answer_is_a_failure_of_its_own_stage() {
    let mut world = refusing(Method::CreatePermission, 1, 403);
    world.answers_binding = Box::new(|_| false);

    let it = whole(world);

    assert_eq!((it.label(), it.stage()), ("no_response", "burst"));
    assert_eq!(it.number("binding_loss_ratio"), Some(1.0));
}

#[test]
fn a_short_stream_is_not_replaced_by_a_long_row() {
    let short = module(&[duration(millis(400))]);

    let it = run(begin(&*short, 7).as_mut(), refusing(Method::ChannelBind, 1, 403));

    assert_eq!(it.count("binding_sent"), Some(20));
}

#[test]
fn a_relay_that_gives_one_allocation_only_is_named_and_the_first_is_freed() {
    let it = whole(refusing(Method::Allocate, 2, 486));

    assert_eq!((it.label(), it.stage()), ("rejected", "allocate"));
    assert_eq!((it.count("error_code"), it.granted), (Some(486), 1));
    assert_eq!(it.word("error_cause"), Some("allocation_quota_reached"));
    assert_eq!((it.held.len(), it.flag("freed")), (0, Some(true)));
    assert_eq!(it.flag("relay_loop_refused"), None);
    assert_eq!(it.word("direction"), None);
}

#[test]
fn other_errors_are_what_they_are() {
    for (method, code, stage) in [
        (Method::Allocate, 508, "allocate"),
        (Method::CreatePermission, 443, "permission"),
        (Method::ChannelBind, 400, "permission"),
    ] {
        let it = whole(refusing(method, 1, code));

        assert_eq!((it.label(), it.stage()), ("rejected", stage), "{code}");
        assert_eq!((it.count("error_code"), it.held.len()), (Some(u64::from(code)), 0));
        assert_eq!((it.voice.len(), it.bindings.len()), (0, 0), "{code}");
    }
}

#[test]
fn credentials_that_are_refused_are_not_tried_again_soon() {
    let it = whole(refusing(Method::Allocate, 1, 441));

    assert_eq!((it.label(), it.stage()), ("rejected", "allocate"));
    assert!(it.outcome.back_off);
}

#[test]
fn media_that_nobody_lets_through_is_a_failure_of_the_media() {
    let it = whole(World { fate: Box::new(|_| Vec::new()), ..World::default() });

    assert_eq!((it.label(), it.stage()), ("no_response", "media"));
    assert_eq!(it.flag("relay_loop_refused"), Some(false));
    assert_eq!((it.count("sent"), it.count("lost")), (Some(750), Some(750)));
    assert_eq!(it.number("loss_ratio"), Some(1.0));
    assert_eq!((it.number("mos_estimate_g711"), it.seconds("jitter_seconds")), (None, None));
    assert_eq!(it.held.len(), 0);
}

#[test]
fn a_router_that_refuses_in_the_middle_ends_the_stream_and_is_named() {
    let refused_from = Some((SENDER, Moment::after(millis(2_000))));

    let it = whole(World { refused_from, ..World::default() });

    assert_eq!((it.label(), it.stage()), ("prohibited", "media"));
    let by = it.outcome.failure.as_ref().and_then(|(_, failure)| failure.by());
    assert_eq!(by, "192.0.2.1".parse().ok());
    // It does not let the release of the sender through; the other one is freed.
    assert_eq!(it.held.into_iter().collect::<Vec<_>>(), [SENDER]);
    assert!(it.outcome.left_behind);
    assert!(it.ended < Moment::after(millis(3_000)));
}

#[test]
fn a_timeout_that_is_nearly_over_shortens_the_stream() {
    // Every first request is lost: the set-up takes seconds.
    let mut count = 0;
    let loses = || {
        count += 1;
        count <= 3
    };
    let timeout = ("timeout", OptionValue::Duration(millis(8_000)));
    let module = module(&[duration(millis(5_000)), timeout]);

    let it = run(begin(&*module, 7).as_mut(), World { loses: Box::new(loses), ..World::default() });

    // The fourth request leaves after 3.5 s; of 6.4 s for all but the release, one is for the
    // last packet.
    let sent = it.count("sent").expect("there was voice");
    assert!((80..=95).contains(&sent), "{sent}");
    assert_eq!((it.count("lost"), it.outcome.failure.as_ref()), (Some(0), None));
    assert!(it.ended <= Moment::after(millis(8_000)));
}

#[test]
fn without_the_time_for_a_second_of_voice_none_is_sent() {
    let mut count = 0;
    let loses = || {
        count += 1;
        count <= 4
    };
    let timeout = ("timeout", OptionValue::Duration(millis(8_000)));
    let module = module(&[duration(millis(5_000)), timeout]);

    let it = run(begin(&*module, 7).as_mut(), World { loses: Box::new(loses), ..World::default() });

    assert_eq!((it.label(), it.voice.len(), it.held.len()), ("deadline", 0, 0));
}

#[test]
fn a_connection_that_closes_at_any_moment_ends_it_and_the_other_side_is_freed() {
    let tcp = module(&[duration(millis(2_000)), ("transport", OptionValue::Word("tcp"))]);
    for at in [15, 25, 45, 1_000, 2_500] {
        for leg in [SENDER, RECEIVER] {
            let closed_at = Some((leg, Moment::after(millis(at))));

            let it = run(begin(&*tcp, 7).as_mut(), World { closed_at, ..World::default() });

            // Before the second leg is there, nobody can close it.
            if it.legs.len() > usize::from(leg.0) && it.stage() != "" {
                assert_eq!(it.label(), "closed", "leg {} at {at} ms", leg.0);
            }
            assert_eq!((it.held.len(), it.outcome.left_behind), (0, false), "{at} ms");
            if at == 1_000 {
                assert_eq!((it.stage(), it.count("lost")), ("media", None));
                assert!(it.ended < Moment::after(millis(at + 100)));
            }
        }
    }
}
