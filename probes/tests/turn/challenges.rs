//! Who gets the credentials, how, and how often (RFC 8489 §9.2).

use std::time::{Duration, SystemTime};

use branchline_probes::turn_allocation::{
    INTEGRITY, MODE, NONCE_RENEWALS, PASSWORD_ALGORITHM, USERHASH,
};
use branchline_probes::{
    Chance, Failure, Foreign, Ignored, OptionValue, Options, Phase, Secret, Target, Weakness,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::server::{
    ALLOCATE, CREATE_PERMISSION, Forgery, PASSWORD, Request, Turn, USER, attribute, error, message,
};
use crate::{desk, module, run, text};

const MD5: u16 = 1;
const SHA256: u16 = 2;

/// Why the challenge got no credentials.
fn weakness(seen: &desk::Run) -> Weakness {
    match seen.outcome.failure.clone() {
        Some((_, Failure::AuthWeak { weakness, .. })) => weakness,
        other => panic!("the challenge is not too weak: {other:?}"),
    }
}

#[test]
fn a_modern_server_is_met_with_sha256_and_the_hash_of_the_user() {
    let mut turn = Turn::modern(&[SHA256, MD5], true);

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "", "{}", seen.trace);
    let facts = &seen.outcome.facts;
    assert_eq!(facts.read(&MODE), Some("credentials"));
    assert_eq!(facts.read(&INTEGRITY), Some("sha256"));
    assert_eq!(facts.read(&PASSWORD_ALGORITHM), Some("sha256"));
    assert_eq!(facts.read(&USERHASH), Some(true));
    let signed: Vec<_> = turn.requests.iter().filter(|it| it.value(0x001C).is_some()).collect();
    assert!(!signed.is_empty());
    for request in signed {
        assert_eq!(request.value(0x8002), Some(&[0, 2, 0, 0, 0, 1, 0, 0][..]), "as it was offered");
        assert_eq!(request.value(0x001D), Some(&[0, 2, 0, 0][..]));
        assert_eq!(request.value(0x0006), None, "the user stays hidden");
        assert_eq!(request.value(0x0008), None, "no weaker proof beside it");
    }
    assert!(turn.allocations.is_empty());
}

#[test]
fn of_the_password_algorithms_the_first_that_is_known_is_taken() {
    for (offer, word) in
        [(&[MD5, SHA256][..], "md5"), (&[7, SHA256, MD5], "sha256"), (&[9, MD5], "md5")]
    {
        let mut turn = Turn::modern(offer, false);

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "", "{offer:?}");
        assert_eq!(seen.outcome.facts.read(&PASSWORD_ALGORITHM), Some(word));
        assert_eq!(seen.outcome.facts.read(&INTEGRITY), Some("sha256"));
        assert_eq!(seen.outcome.facts.read(&USERHASH), Some(false));
    }
}

#[test]
fn unknown_password_algorithms_get_no_credentials() {
    let mut turn = Turn::modern(&[7, 8], false);

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "auth_weak");
    assert_eq!(weakness(&seen), Weakness::Offered(Foreign::new("unknown password algorithms")));
    assert_eq!(turn.signed(ALLOCATE), 0);
}

// D-STUN-3
#[test]
fn a_challenge_that_lost_its_password_algorithms_gets_no_credentials() {
    for cookie in ["obMatJos2gAAA", "obMatJos2wAAA", "obMatJos2////"] {
        let mut turn = Turn { cookie, ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "auth_weak", "{cookie}");
        assert_eq!(weakness(&seen), Weakness::Downgraded, "{cookie}");
        assert_eq!(seen.outcome.failure.as_ref().unwrap().0, Phase::Challenge);
        assert_eq!(turn.log.len(), 1, "nothing follows");
    }
    for cookie in ["obMatJos2AAAA", "obMatJos2QAAA", "obMatJos3gAAA", "obMatJos2g-A-"] {
        let mut turn = Turn { cookie, ..Turn::new() };
        let seen = run(&*module(&[]), &mut turn);
        assert_eq!(seen.label(), "", "{cookie} promises no algorithms");
    }
}

/// What a list of PASSWORD-ALGORITHMS names first of what we know, where it can be cut (RFC 8489
/// §14.11): numbers and lengths of two bytes each, parameters padded to four bytes.
fn first_of(list: &[u8]) -> Option<&'static str> {
    let mut at = 0;
    while at + 4 <= list.len() {
        match (&list[at..at + 2], usize::from(list[at + 2]) << 8 | usize::from(list[at + 3])) {
            ([0, 1], 0) => return Some("md5"),
            ([0, 2], 0) => return Some("sha256"),
            (_, length) => at += 4 + length.div_ceil(4) * 4,
        }
    }
    None
}

// I1, D-STUN-3
#[test]
fn ten_thousand_broken_challenges_get_credentials_only_for_what_they_name() {
    let mut chance = StdRng::seed_from_u64(53);
    let (mut weak, mut strong) = (0, 0);
    for round in 0..10_000 {
        let mut list = [0, 7, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0].to_vec();
        let mut cookie = b"obMatJos2gAAA".to_vec();
        for _ in 0..chance.random_range(0..4) {
            let at = chance.random_range(0..list.len());
            list[at] = [0, 1, 2, 4, 5, 0x7F, 0xFF, chance.random()][chance.random_range(0..8)];
            let at = chance.random_range(0..cookie.len());
            cookie[at] = chance.random_range(b'!'..b'~');
        }
        list.truncate(chance.random_range(0..=list.len()));
        cookie.truncate(chance.random_range(0..=cookie.len()));
        let cookie = String::from_utf8(cookie).expect("it is ASCII").leak();
        let mut turn = Turn { cookie, algorithms: [Some(list.clone())].into(), ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        let named = first_of(&list);
        let expected = if named.is_some() { "" } else { "auth_weak" };
        assert_eq!(seen.label(), expected, "round {round}: {cookie} {list:?}");
        assert_eq!(seen.outcome.facts.read(&PASSWORD_ALGORITHM), named, "{cookie} {list:?}");
        *if named.is_some() { &mut strong } else { &mut weak } += 1;
        assert!(named.is_some() || turn.signed(ALLOCATE) == 0, "{cookie} {list:?}");
    }
    assert!(weak > 1000 && strong > 1000, "{weak} name nothing, {strong} do");
}

// I1, D-STUN-3
#[test]
fn ten_thousand_broken_nonces_promise_algorithms_only_where_all_of_their_cookie_is_sound() {
    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut chance = StdRng::seed_from_u64(54);
    let (mut promised, mut plain) = (0, 0);
    for round in 0..10_000 {
        let mut cookie = b"obMatJos2".to_vec();
        cookie.extend([(); 4].map(|()| BASE64[chance.random_range(0..64)]));
        if chance.random_range(0..2) == 0 {
            let at = chance.random_range(0..cookie.len());
            cookie[at] = chance.random_range(b'!'..b'~');
        }
        // The first of 24 bits is the first of the first of four characters (RFC 8489 §9.2).
        let digit = |at: usize| BASE64.iter().position(|it| *it == cookie[at]);
        let is_sound = cookie.starts_with(b"obMatJos2") && (9..13).all(|at| digit(at).is_some());
        let promises = is_sound && digit(9) >= Some(32);
        let cookie = String::from_utf8(cookie).expect("it is ASCII").leak();
        let mut turn = Turn { cookie, ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), if promises { "auth_weak" } else { "" }, "{round}: {cookie}");
        *if promises { &mut promised } else { &mut plain } += 1;
    }
    assert!(promised > 1000 && plain > 1000, "{promised} promise algorithms, {plain} do not");
}

// D-STUN-3
#[test]
fn a_later_challenge_that_offers_less_gets_no_credentials() {
    let mut turn = Turn { stale: 1, ..Turn::modern(&[SHA256], false) };
    turn.algorithms.push_back(Some(vec![0, 1, 0, 0]));

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "auth_weak");
    assert_eq!(weakness(&seen), Weakness::Downgraded);
    assert_eq!(turn.signed(ALLOCATE), 1);
}

// D-STUN-4
#[test]
fn a_server_that_calls_every_nonce_stale_gets_two_signed_requests_of_a_kind() {
    let mut turn = Turn { stale: usize::MAX, ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "rejected");
    assert_eq!(seen.fact("error_cause").as_deref(), Some("Word(\"stale_nonce\")"));
    assert_eq!((turn.signed(ALLOCATE), turn.log.len()), (2, 3));
    assert_eq!(seen.outcome.facts.read(&NONCE_RENEWALS), Some(1));
    assert!(!seen.outcome.back_off, "an old nonce is no wrong password");
}

#[test]
fn upon_a_stale_nonce_answers_with_the_new_one() {
    let mut turn = Turn { stale: 1, ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "");
    assert_eq!(seen.outcome.facts.read(&NONCE_RENEWALS), Some(1));
    let nonces: Vec<_> = turn.requests.iter().filter_map(|it| it.value(0x0015)).collect();
    assert_eq!(nonces[..3], [b"nonce-1", b"nonce-2", b"nonce-2"]);
}

// D-STUN-4
#[test]
fn a_refused_password_is_not_offered_again() {
    let mut turn = Turn { password: "another".to_owned(), ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "rejected");
    assert_eq!(seen.fact("error_code").as_deref(), Some("Count(401)"));
    // Although each 401 came with a nonce of its own.
    assert_eq!(turn.signed(ALLOCATE), 1);
    assert!(seen.outcome.back_off);
    assert!(!seen.outcome.left_behind);
}

// D-STUN-4
#[test]
fn another_realm_after_the_first_is_tried_once() {
    let mut turn = Turn { password: "another".to_owned(), ..Turn::new() };
    turn.realms.extend(["second.test", "third.test", "fourth.test"]);

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "rejected");
    assert_eq!(turn.signed(ALLOCATE), 2);
}

// D-STUN-4
#[test]
fn a_nonce_that_goes_stale_does_not_bring_another_realm() {
    let mut turn = Turn { stale: 1, ..Turn::new() };
    turn.realms.extend(["second.test"]);

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "rejected");
    assert_eq!(turn.signed(ALLOCATE), 1);
}

#[test]
fn only_the_configured_realm_gets_the_credentials() {
    let module = module(&[("realm", text("mine.test"))]);
    let mut turn = Turn::new();
    let seen = run(&*module, &mut turn);
    assert_eq!(seen.label(), "auth_realm");
    assert_eq!(turn.log.len(), 1);

    // Nor does another that comes up later.
    let mut turn = Turn { password: "another".to_owned(), ..Turn::new() };
    turn.realms = ["mine.test", "other.test"].into();
    let seen = run(&*module, &mut turn);
    assert_eq!(seen.label(), "auth_realm");
    assert_eq!(turn.signed(ALLOCATE), 1);
}

#[test]
fn a_challenge_without_realm_or_nonce_is_none() {
    for missing in [0x0014, 0x0015] {
        let mut turn = Turn::new();
        let mut world = |wanted: desk::Wanted<'_>| {
            let mut reply = turn.respond(wanted);
            for (_, news) in &mut reply {
                if let desk::News::Heard { bytes, .. } = news {
                    // A number that means nothing and need not be understood.
                    let place = bytes.windows(2).position(|it| it == u16::to_be_bytes(missing));
                    bytes[place.expect("it is there")] = 0xC0;
                }
            }
            reply
        };

        for module in [module(&[]), desk::module("turn-allocation", &[])] {
            let seen = desk::run(desk::begin(&*module, 7).as_mut(), &mut world);

            assert_eq!(seen.label(), "misbehaved", "{missing:#x}");
            assert_eq!(seen.sent.len(), 1);
        }
    }
}

#[test]
fn a_challenge_too_long_for_a_datagram_is_not_answered() {
    let mut turn = Turn::new();
    turn.realms = [&*"x".repeat(900).leak()].into();

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!((seen.label(), turn.log.len()), ("misbehaved", 1));
}

/// A success to a signed request that whoever saw it could make.
fn forged_success(request: &Request) -> Vec<Vec<u8>> {
    let relayed = attribute(0x0016, &[0, 1, 0, 1, 1, 2, 3, 4]);
    let lifetime = attribute(0x000D, &[0, 0, 2, 0x58]);
    let attributes = [relayed, lifetime];
    let kind = request.kind | 0x100;
    let wrong_key = (&b"guess"[..], false);
    vec![
        message(kind, &request.transaction, &attributes, None),
        message(kind, &request.transaction, &attributes, Some(wrong_key)),
        message(kind, &request.transaction, &attributes, Some((b"guess", true))),
    ]
}

fn forged_error(request: &Request) -> Vec<Vec<u8>> {
    let forge =
        |code| message(request.kind | 0x110, &request.transaction, &[error(code, "No")], None);
    [300, 400, 403, 437, 486].map(forge).into()
}

// D-STUN-2
#[test]
fn responses_without_a_right_proof_change_nothing() {
    for forge in [forged_success as Forgery, forged_error] {
        let mut turn = Turn::new();
        let mut world = |wanted: desk::Wanted<'_>| {
            let before = turn.requests.len();
            let mut reply = turn.respond(wanted);
            let asked = turn.requests.get(before).filter(|it| it.value(0x0008).is_some());
            let forged = asked.map(forge).unwrap_or_default();
            let forged = forged.into_iter().map(|it| (desk::millis(1), desk::News::answer(it)));
            reply.extend(forged);
            reply
        };

        let seen = desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world);

        assert_eq!(seen.label(), "", "{}", seen.trace);
        assert!(seen.ignored(Ignored::Unproven) >= 15);
        assert_eq!(seen.fact("relayed_address").as_deref(), Some("Address(203.0.113.9:50000)"));
        assert!(turn.allocations.is_empty());
    }
}

#[test]
fn an_unproven_error_is_the_answer_when_no_better_one_came() {
    let mut turn = Turn { errors: [(CREATE_PERMISSION, (486, false))].into(), ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.label(), "rejected");
    assert_eq!(seen.fact("error_code").as_deref(), Some("Count(486)"));
    assert_eq!(turn.signed(CREATE_PERMISSION), 7, "the whole schedule");
    assert!(turn.allocations.is_empty());

    // Over a stream no better one can come.
    let mut turn = Turn { errors: [(CREATE_PERMISSION, (486, false))].into(), ..Turn::new() };
    let seen = run(&*module(&[("transport", OptionValue::Word("tcp"))]), &mut turn);
    assert_eq!((seen.label(), turn.signed(CREATE_PERMISSION)), ("rejected", 1));
    assert!(seen.ended.elapsed() < Duration::from_secs(1));
}

fn shared_secret(user: Option<&str>) -> Box<dyn branchline_probes::Module> {
    let secret = OptionValue::Secret(Secret::new("branch-shared-secret".to_owned()));
    let user = user.map(|user| ("username", text(user)));
    let set: Vec<_> = user.into_iter().chain([("shared_secret", secret)]).collect();
    desk::module("turn-allocation", &set)
}

// draft-uberti-behave-turn-rest-00; the passwords are those of
// `printf USER | openssl dgst -sha1 -hmac branch-shared-secret -binary | base64`.
#[test]
fn a_shared_secret_makes_users_that_are_good_for_a_day() {
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1_699_917_000);
    for (user, started, name, password) in [
        (Some("probe"), desk::STARTED, "86400:probe", "9YR193Yx662JwSTlAUu1SwqcolQ="),
        (None, later, "1700002800", "9G4jOreDR0BrfLMFOLGH7fe1iM8="),
    ] {
        let mut turn = Turn { user: name.to_owned(), password: password.to_owned(), ..Turn::new() };
        let target = Target {
            name: "relay".into(),
            site: "lyon".into(),
            host: "relay.example".into(),
            address: desk::peer(),
            transport: None,
            started,
        };
        let mut exchange = shared_secret(user).begin(&target, Chance::from_seed([7; 32]));

        let seen = desk::run(exchange.as_mut(), &mut |wanted| turn.respond(wanted));

        assert_eq!(seen.label(), "", "{name}");
        assert!(turn.allocations.is_empty());
    }
}

#[test]
fn options_that_make_no_credential_are_refused_with_the_way_out() {
    let secret = || OptionValue::Secret(Secret::new(PASSWORD.to_owned()));
    let alternates = OptionValue::Addresses(vec!["192.0.2.11".parse().expect("an address")]);
    for (set, option) in [
        (vec![("password", secret())], "username"),
        (vec![("username", text(USER))], "username"),
        (vec![("realm", text("a"))], "realm"),
        (
            vec![("username", text(USER)), ("password", secret()), ("shared_secret", secret())],
            "password",
        ),
        (vec![("shared_secret", secret()), ("alternate_servers", alternates)], "realm"),
        (vec![("shared_secret", secret()), ("username", text(&"x".repeat(498)))], "username"),
    ] {
        let probe = desk::probe("turn-allocation");
        let mut options = Options::defaults(probe.options());
        for (key, value) in set {
            let spec = probe.options().iter().find(|spec| spec.name == key).expect("an option");
            options.set(spec, value);
        }

        let refused = probe.module(&options).err().expect("it is refused");

        assert_eq!(refused.option, option, "{refused}");
    }
}
