//! Nothing is left on the server, whatever happens.

use std::net::SocketAddr;

use branchline_probes::{
    Chance, Exchange, Input, Intent, LegId, Module, Moment, OptionValue, Output, Refusal, Secret,
    Stamp, Target,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::desk::{self, LOCAL, News, Reply, Run, Wanted, millis};
use crate::server::{ALLOCATE, CREATE_PERMISSION, REFRESH, Turn};
use crate::{module, run, seconds, text};

/// An exchange that is called off when it is asked for the n-th time what to do.
struct CalledOff {
    exchange: Box<dyn Exchange>,
    polls: usize,
    now: Moment,
}

impl Exchange for CalledOff {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.now = now;
        self.exchange.handle_input(input, now);
    }

    fn poll_output(&mut self) -> Output {
        if self.polls == 0 {
            self.exchange.handle_input(Input::Cancelled, self.now);
        }
        self.polls = self.polls.wrapping_sub(1);
        self.exchange.poll_output()
    }
}

// I11, M10
#[test]
fn called_off_at_any_step_it_leaves_nothing_behind() {
    let modern = || Turn::modern(&[2], true);
    let stale = || Turn { stale: 1, ..Turn::new() };
    let open = || Turn { is_open: true, ..Turn::new() };
    let servers: [&dyn Fn() -> Turn; 4] = [&Turn::new, &modern, &stale, &open];
    for (server, transport) in
        servers.into_iter().flat_map(|server| [(server, "udp"), (server, "tcp")])
    {
        let module = module(&[("transport", OptionValue::Word(transport))]);
        let mut polls = 0;
        loop {
            let mut turn = server();
            let exchange = desk::begin(&*module, 7);
            let mut called_off = CalledOff { exchange, polls, now: Moment::START };

            let seen = desk::run(&mut called_off, &mut |wanted| turn.respond(wanted));

            let label = seen.label();
            assert!(turn.allocations.is_empty(), "{polls} over {transport}: {}", seen.trace);
            assert!(!seen.outcome.left_behind, "{polls} over {transport}: {}", seen.trace);
            assert!(seen.ended.elapsed() < millis(5_000));
            if label.is_empty() && called_off.polls < usize::MAX / 2 {
                break;
            }
            polls += 1;
        }
        assert!(polls >= 15, "{polls} steps over {transport}");
    }
}

// I11
#[test]
fn called_off_against_silence_it_gives_up_within_five_seconds_and_says_what_it_left() {
    let mut turn = Turn::new();
    let mut world = |wanted: Wanted<'_>| -> Reply {
        let is_bytes = matches!(wanted, Wanted::Bytes(..));
        let reply = turn.respond(wanted);
        match turn.heard().len() {
            0..=2 => reply,
            // The way back is cut, and then we are called off.
            3 if is_bytes => vec![(millis(30), News::Cancelled)],
            _ => Vec::new(),
        }
    };

    let seen = desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "cancelled");
    assert!(seen.outcome.left_behind);
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(false)"));
    assert!(seen.ended.elapsed() <= millis(5_200), "{:?}", seen.ended);
}

// I11: coturn looks a key up beside its other work, so a release can overtake its Allocate.
#[test]
fn an_allocate_that_is_granted_after_its_release_is_released_again() {
    let mut turn = Turn::new();
    let (mut allocates, mut late) = (0, None);
    let mut world = |wanted: Wanted<'_>| -> Reply {
        let Wanted::Bytes(leg, to, bytes) = wanted else { return turn.respond(wanted) };
        let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
        allocates += u32::from(kind == 0x0003);
        if kind == 0x0003 && allocates == 2 {
            late = Some(bytes.to_vec());
            return vec![(millis(1), News::Cancelled)];
        }
        let reply = turn.respond(wanted);
        if let Some(late) = late.take_if(|_| kind == 0x0004) {
            turn.respond(Wanted::Bytes(leg, to, &late));
        }
        reply
    };

    let seen = desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "cancelled");
    assert!(turn.allocations.is_empty(), "{}", seen.trace);
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
    assert!(!seen.outcome.left_behind);
}

/// A world in which each datagram gets lost, there or back, with this probability.
fn lossy(turn: &mut Turn, seed: u64, loss: f64) -> impl FnMut(Wanted<'_>) -> Reply {
    let mut chance = StdRng::seed_from_u64(seed);
    move |wanted| {
        if matches!(wanted, Wanted::Bytes(..)) && chance.random_bool(loss) {
            return Vec::new();
        }
        let reply = turn.respond(wanted);
        let mut kept =
            |news: &News| !matches!(news, News::Heard { .. }) || !chance.random_bool(loss);
        reply.into_iter().filter(|(_, news)| kept(news)).collect()
    }
}

// I11
#[test]
fn with_datagrams_lost_at_random_nothing_is_left() {
    let module = module(&[]);
    let mut failed = 0;
    for seed in 0..500 {
        let mut turn = Turn::new();
        let mut exchange = desk::begin(&*module, u8::try_from(seed % 250).expect("it is small"));

        let seen = desk::run(exchange.as_mut(), &mut lossy(&mut turn, seed, 0.1));

        assert!(turn.allocations.is_empty(), "seed {seed}: {}", seen.trace);
        assert!(!seen.outcome.left_behind, "seed {seed}: {}", seen.trace);
        failed += u32::from(!seen.label().is_empty());
    }
    assert!(failed < 5, "{failed} of 500 failed with a tenth lost");
}

// I11
#[test]
fn with_half_of_all_datagrams_lost_what_is_left_is_known_and_taken_back_later() {
    let module = module(&[("timeout", seconds(12))]);
    let (mut left, mut failed) = (0, 0);
    for seed in 0..500 {
        let mut turn = Turn::new();
        let mut exchange = desk::begin(&*module, u8::try_from(seed % 250).expect("it is small"));

        let seen = desk::run(exchange.as_mut(), &mut lossy(&mut turn, seed, 0.5));

        failed += u32::from(!seen.label().is_empty());
        if !turn.allocations.is_empty() {
            assert!(seen.outcome.left_behind, "seed {seed}: {}", seen.trace);
            left += 1;
            let undone = undo(&*module, &mut turn);
            assert!(turn.allocations.is_empty() && !undone.outcome.left_behind);
        }
    }
    assert!(left > 10 && failed > 100, "{left} left, {failed} failed: the world was too kind");
}

// I11
#[test]
fn an_allocation_that_we_never_heard_of_is_freed() {
    let mut turn = Turn { untold: [(ALLOCATE, usize::MAX)].into(), ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "no_response");
    assert_eq!(turn.signed(ALLOCATE), 7);
    assert!(turn.allocations.is_empty());
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
}

// I11
#[test]
fn an_allocation_of_an_open_server_that_we_never_heard_of_is_freed() {
    let mut turn = Turn { is_open: true, untold: [(ALLOCATE, usize::MAX)].into(), ..Turn::new() };

    run(&*module(&[]), &mut turn);

    assert_eq!(turn.heard().last(), Some(&REFRESH));
    assert!(turn.allocations.is_empty());
}

#[test]
fn a_release_that_is_refused_or_not_answered_leaves_something_behind_and_says_so() {
    let mut refused = Turn::new();
    let seen = run_with_release(&mut refused, |turn| {
        turn.errors = [(REFRESH, (500, true))].into();
    });
    assert!(seen.outcome.left_behind);
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(false)"));

    let mut silent = Turn::new();
    let seen = run_with_release(&mut silent, |turn| {
        turn.untold = [(REFRESH, usize::MAX)].into();
        turn.user = "nobody".to_owned();
    });
    assert!(seen.outcome.left_behind);
}

/// A run whose peer is refused, and whose server then changes before the release.
fn run_with_release(turn: &mut Turn, change: fn(&mut Turn)) -> Run {
    turn.errors = [(CREATE_PERMISSION, (508, true))].into();
    let mut world = |wanted: Wanted<'_>| {
        if turn.heard().contains(&CREATE_PERMISSION) {
            change(turn);
        }
        turn.respond(wanted)
    };
    desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world)
}

#[test]
fn a_release_of_what_is_already_gone_is_one() {
    let mut turn = Turn::new();
    let seen = run_with_release(&mut turn, |turn| turn.allocations.clear());

    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
    assert!(!seen.outcome.left_behind);
}

#[test]
fn a_release_gets_a_new_nonce_once_and_no_more() {
    let mut turn = Turn::new();
    let seen = run_with_release(&mut turn, |turn| turn.stale = usize::MAX);

    // D-STUN-4
    assert_eq!(turn.signed(REFRESH), 2);
    assert!(seen.outcome.left_behind);
}

#[test]
fn a_router_that_refuses_after_the_allocation_does_not_keep_us_from_the_release() {
    let mut turn = Turn::new();
    let mut world = |wanted: Wanted<'_>| {
        let reply = turn.respond(wanted);
        if turn.heard().last() == Some(&CREATE_PERMISSION) {
            let by = Some("192.0.2.1".parse().expect("an address"));
            let refusal = Refusal::Prohibited { icmp_type: 3, code: 13 };
            return vec![(millis(3), News::Refused { by, refusal })];
        }
        reply
    };

    let seen = desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "prohibited");
    assert!(turn.allocations.is_empty());
}

fn target() -> Target {
    Target {
        name: "relay".into(),
        site: "lyon".into(),
        host: "relay.example".into(),
        address: desk::peer(),
        transport: None,
        started: desk::STARTED,
    }
}

fn intent() -> Intent {
    let local: SocketAddr = LOCAL.parse().expect("an address");
    Intent { leg: LegId(0), local, peer: desk::peer(), mark: None }
}

/// What a later process does about the intent.
fn undo(module: &dyn Module, turn: &mut Turn) -> Run {
    let chance = Chance::from_seed([9; 32]);
    let exchange = module.undo(&target(), &intent(), chance);
    desk::run(exchange.expect("there is one").as_mut(), &mut |wanted| turn.respond(wanted))
}

/// A server on which a process died that held an allocation.
fn left_over(module: &dyn Module) -> Turn {
    left_over_at(Turn::new(), module)
}

fn left_over_at(mut turn: Turn, module: &dyn Module) -> Turn {
    let mut exchange = desk::begin(module, 7);
    let local = LOCAL.parse().expect("an address");
    let mut now = Moment::START;
    while turn.allocations.is_empty() {
        match exchange.poll_output() {
            Output::Open(leg) => {
                exchange.handle_input(Input::Connected { leg: leg.id, local }, now);
            }
            Output::Transmit { leg, to, bytes } => {
                for bytes in turn.answer(leg, to, &bytes) {
                    let (stamp, dscp) = (Stamp::Kernel, None);
                    now = now + millis(20);
                    let heard = Input::Received { leg, from: to, bytes: &bytes, stamp, dscp };
                    exchange.handle_input(heard, now);
                }
            }
            Output::Intend(_) => {}
            output @ (Output::Close(_) | Output::Wait { .. } | Output::Done(_)) => {
                panic!("{output:?}")
            }
        }
    }
    turn.log.clear();
    turn.requests.clear();
    turn
}

// I11, F32
#[test]
fn what_a_killed_process_left_is_freed_from_its_own_port() {
    let mut turn = left_over(&*module(&[]));
    assert_eq!(turn.allocations.len(), 1);

    let seen = undo(&*module(&[]), &mut turn);

    assert_eq!(seen.outcome.failure, None);
    assert!(!seen.outcome.left_behind);
    assert!(turn.allocations.is_empty());
    assert_eq!(turn.heard(), [REFRESH, REFRESH]);
    assert_eq!(seen.opened[0].local_port, 40112);

    // Once more: it is gone.
    let again = undo(&*module(&[]), &mut turn);
    assert_eq!((again.outcome.failure, again.outcome.left_behind), (None, false));
}

#[test]
fn what_cannot_be_taken_back_stays_left_behind() {
    let mut turn = left_over(&*module(&[]));
    turn.password = "changed".to_owned();
    let seen = undo(&*module(&[]), &mut turn);
    assert!(seen.outcome.left_behind);
    assert_eq!(seen.label(), "rejected");

    let exchange = module(&[]).undo(&target(), &intent(), Chance::from_seed([9; 32]));
    let seen = desk::run(exchange.expect("there is one").as_mut(), &mut desk::silence());
    assert!(seen.outcome.left_behind);
    assert_eq!(seen.label(), "no_response");
}

#[test]
fn without_credentials_nothing_was_granted_that_could_be_taken_back() {
    let mut turn = Turn::new();

    let seen = undo(&*desk::module("turn-allocation", &[]), &mut turn);

    assert_eq!((seen.outcome.failure, seen.outcome.left_behind), (None, false));
}

#[test]
fn a_stream_and_a_server_that_is_no_longer_configured_have_nothing_to_take_back() {
    let chance = || Chance::from_seed([9; 32]);
    let tcp = module(&[("transport", OptionValue::Word("tcp"))]);
    assert!(tcp.undo(&target(), &intent(), chance()).is_none());

    let elsewhere = Intent { peer: "192.0.2.99:3478".parse().expect("an address"), ..intent() };
    assert!(module(&[]).undo(&target(), &elsewhere, chance()).is_none());
}

// A user made of the time of day has another name in the next hour.
#[test]
fn an_allocation_of_an_earlier_hour_is_taken_back_under_the_name_of_that_hour() {
    let secret = OptionValue::Secret(Secret::new("branch-shared-secret".to_owned()));
    let module =
        desk::module("turn-allocation", &[("username", text("probe")), ("shared_secret", secret)]);
    let (user, password) = ("86400:probe", "9YR193Yx662JwSTlAUu1SwqcolQ=");
    let server = || Turn { user: user.to_owned(), password: password.to_owned(), ..Turn::new() };
    let mut turn = left_over_at(server(), &*module);
    let later =
        Target { started: desk::STARTED + std::time::Duration::from_secs(3_700), ..target() };

    // The server knows every user that the secret makes; this one knows one at a time.
    let mut world = |wanted: Wanted<'_>| {
        let reply = turn.respond(wanted);
        let is_of_new_user = turn
            .requests
            .last()
            .is_some_and(|it| it.value(0x0006).is_some_and(|it| it == b"90000:probe"));
        if is_of_new_user {
            let request = turn.requests.last().expect("there is one");
            let (kind, id) = (request.kind | 0x110, &request.transaction);
            // `printf '90000:probe' | openssl dgst -sha1 -hmac branch-shared-secret …`, then
            // `printf '90000:probe:branch.test:PASSWORD' | openssl md5`.
            let denied = crate::server::message(
                kind,
                id,
                &[crate::server::error(441, "No")],
                Some((&NEW_KEY, false)),
            );
            return vec![(millis(20), News::answer(denied))];
        }
        reply
    };
    let exchange = module.undo(&later, &intent(), Chance::from_seed([9; 32]));

    let seen = desk::run(exchange.expect("there is one").as_mut(), &mut world);

    assert_eq!(seen.outcome.failure, None, "{}", seen.trace);
    assert!(turn.allocations.is_empty() && !seen.outcome.left_behind);
}

const NEW_KEY: [u8; 16] = [
    0xd6, 0xb4, 0xab, 0x6f, 0x46, 0x88, 0x17, 0xa9, 0x0e, 0x88, 0x39, 0x53, 0x87, 0xd2, 0x21, 0xa4,
];
