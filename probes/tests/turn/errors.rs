//! Every error code is a named cause, and noise is none.

use branchline_probes::Ignored;
use branchline_probes::turn_allocation::{ERROR_CAUSE, ERROR_CODE};

use crate::desk::{self, News, Reply, Wanted, millis};
use crate::server::{ALLOCATE, REFRESH, Request, Turn, attribute, error, message};
use crate::{module, run};

/// RFC 8489 §14.8, RFC 8656 §19.
const CAUSES: [(u16, &str); 14] = [
    (300, "try_alternate"),
    (400, "bad_request"),
    (401, "unauthenticated"),
    (403, "forbidden"),
    (420, "unknown_attribute"),
    (437, "allocation_mismatch"),
    (438, "stale_nonce"),
    (440, "address_family_not_supported"),
    (441, "wrong_credentials"),
    (442, "unsupported_transport"),
    (443, "peer_address_family_mismatch"),
    (486, "allocation_quota_reached"),
    (508, "insufficient_capacity"),
    (500, "other"),
];

// F54
#[test]
fn every_error_code_of_an_allocate_is_a_named_cause() {
    for (code, cause) in CAUSES {
        let mut turn = Turn { errors: [(ALLOCATE, (code, true))].into(), ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "rejected", "{code}: {}", seen.trace);
        assert_eq!(seen.outcome.facts.read(&ERROR_CODE), Some(u64::from(code)));
        assert_eq!(seen.outcome.facts.read(&ERROR_CAUSE), Some(cause));
        assert_eq!(seen.outcome.back_off, matches!(code, 401 | 441), "{code}");
        assert!(!seen.outcome.left_behind);
        assert_eq!(turn.heard(), [ALLOCATE, ALLOCATE], "{code}: there is nothing to free");
    }
}

// F54
#[test]
fn an_error_before_any_challenge_is_a_named_cause_too() {
    for (code, cause) in CAUSES.into_iter().filter(|(code, _)| *code != 401) {
        let mut turn = Turn { first_error: Some((code, None)), ..Turn::new() };

        let seen = run(&*module(&[]), &mut turn);

        assert_eq!(seen.label(), "rejected", "{code}");
        assert_eq!(seen.outcome.facts.read(&ERROR_CODE), Some(u64::from(code)));
        assert_eq!(seen.outcome.facts.read(&ERROR_CAUSE), Some(cause));
        assert_eq!((seen.sent.len(), seen.outcome.back_off), (1, false));
    }
}

#[test]
fn an_error_of_the_refresh_is_reported_and_the_allocation_freed() {
    let mut turn = Turn::new();
    let mut refreshes = 0;
    let mut world = |wanted: Wanted<'_>| {
        let before = turn.requests.len();
        let reply = turn.respond(wanted);
        let is_refresh = turn.requests.get(before).is_some_and(|it| it.kind == REFRESH);
        refreshes += u32::from(is_refresh);
        if is_refresh && refreshes == 1 {
            turn.errors = [(REFRESH, (508, true))].into();
            let bytes = turn.requests[before].bytes.clone();
            let answers = turn.answer(branchline_probes::LegId(0), desk::peer(), &bytes);
            turn.errors.clear();
            return answers.into_iter().map(|it| (millis(20), News::answer(it))).collect();
        }
        reply
    };

    let seen = desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "rejected");
    assert_eq!(seen.outcome.facts.read(&ERROR_CAUSE), Some("insufficient_capacity"));
    assert_eq!(seen.fact("freed").as_deref(), Some("Flag(true)"));
    assert!(turn.allocations.is_empty());
}

/// What is no answer to a request: of another method or transaction, a request, with an attribute
/// that must be understood and is not, with a wrong FINGERPRINT, or no STUN at all.
fn noise(request: &Request) -> Vec<Vec<u8>> {
    let Request { kind, transaction, bytes, .. } = request;
    let no = [error(400, "No")];
    let unknown = attribute(0x7FFF, &[0; 4]);
    let fingerprint = attribute(0x8028, &[1, 2, 3, 4]);
    vec![
        message(0x0111, transaction, &no, None),
        message(kind | 0x110, &[0; 12], &no, None),
        bytes.clone(),
        message(kind | 0x110, transaction, &[error(400, "No"), unknown], None),
        message(kind | 0x110, transaction, &[error(400, "No"), fingerprint], None),
        message(0x0017, transaction, &no, None),
        b"\x40\x00\x00\x04abcd".to_vec(),
        b"x".to_vec(),
        Vec::new(),
    ]
}

// D-STUN-1, D-STUN-2
#[test]
fn what_is_no_answer_to_the_request_changes_nothing() {
    let calm = run(&*module(&[]), &mut Turn::new());
    let mut turn = Turn { before: Some(noise), ..Turn::new() };

    let seen = run(&*module(&[]), &mut turn);

    assert_eq!(seen.outcome.failure, None, "{}", seen.trace);
    assert_eq!(seen.outcome.facts, calm.outcome.facts);
    for reason in [Ignored::Unasked, Ignored::Mismatch, Ignored::Malformed, Ignored::Unproven] {
        assert!(seen.ignored(reason) >= 6, "{reason:?}: {:?}", seen.outcome.ignored);
    }
    assert!(turn.allocations.is_empty());
}

#[test]
fn a_flood_of_noise_is_the_end_of_no_exchange_and_the_exchange_ends() {
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
            Wanted::Bytes(_, _, bytes) => (0..2_000_u64)
                .map(|index| {
                    let mut lie = bytes.to_vec();
                    let place = usize::try_from(index).expect("it is small") % lie.len();
                    lie[place] ^= 0x81;
                    (millis(index % 400), News::answer(lie))
                })
                .collect(),
        }
    };

    let seen = desk::run(desk::begin(&*module(&[]), 7).as_mut(), &mut world);

    assert_eq!(seen.label(), "unusable");
    assert!(seen.ended.elapsed() <= desk::probe("turn-allocation").timeout());
    assert!(seen.sent.len() <= 14, "{}", seen.sent.len());
}
