//! The rules about media: the relay, its accounts, and what comes through it.

use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline_probes::turn_allocation::{CHANNEL_ECHO, LIFETIME, SEND_ECHO};
use branchline_probes::{Phase, Transport};

use super::Row;
use super::site::{Asked, NS, RELAY, RELAY_2, Said, Site, dns, stun, turn};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "turn-credentials",
        fires: || Site::new().saw(&with_account(), Said::Rejects(401)),
        owner: Owner::Credentials,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["turn@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&with_account(), Said::Rejects(508)),
    },
    Row {
        rule: "turn-quota",
        fires: || Site::new().saw(&with_account(), Said::Rejects(486)),
        owner: Owner::Credentials,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["turn@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&with_account(), Said::Rejects(401)),
    },
    Row {
        rule: "turn-down",
        fires: || Site::new().saw(&stun(RELAY), Said::Closed(Some("192.0.2.10"))),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["stun@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&stun(RELAY), Said::Closed(Some("198.51.100.1"))),
    },
    Row {
        rule: "relay-media-blocked",
        fires: || Site::new().saw(&echoing(), Said::Silence(7)),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["turn@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&with_account(), Said::Silence(7)),
    },
];

/// The challenge was heard, and the request with the account is what fails.
fn with_account() -> Asked {
    turn(RELAY).until(&[Phase::Challenge], Phase::Allocate)
}

/// The relay is ready, and the echo through it is what fails.
fn echoing() -> Asked {
    turn(RELAY).until(READY, Phase::Echo)
}

const READY: &[Phase] = &[Phase::Challenge, Phase::Allocate, Phase::Permission];
const ALL: &[Phase] = &[Phase::Challenge, Phase::Allocate, Phase::Permission, Phase::Echo];

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn every_way_to_refuse_an_account_is_told_with_its_owner() {
    for (said, owner, words) in [
        (Said::Rejects(401), Owner::Credentials, "refuses the user name or password (401)"),
        (Said::Rejects(441), Owner::Credentials, "not the credentials of the allocation (441)"),
        (Said::Rejects(438), Owner::Vendor, "given (438), so nobody can log in"),
        (Said::Rejects(403), Owner::Credentials, "forbids this account to allocate (403 No)"),
        (Said::OtherRealm, Owner::Configuration, "the realm \"elsewhere\", not \"lyon\""),
        (Said::Weak, Owner::Configuration, "offers only MD5, which is not allowed"),
        (Said::Downgraded, Owner::SiteNetwork, "somebody on the way may be weakening it"),
    ] {
        let finding = only(&Site::new().saw(&with_account(), said));

        assert_eq!((finding.rule, finding.owner), ("turn-credentials", owner), "{said:?}");
        assert!(finding.summary.ends_with(words), "{said:?}: {}", finding.summary);
    }
}

#[test]
fn refused_credentials_may_be_a_wrong_clock() {
    let finding = only(&Site::new().saw(&with_account(), Said::Rejects(401)));

    assert!(finding.next_step.contains("clock"), "{}", finding.next_step);
}

#[test]
fn a_challenge_that_somebody_weakened_is_compared_elsewhere_and_no_matter_of_the_relay_s_settings()
{
    let finding = only(&Site::new().saw(&with_account(), Said::Downgraded));

    let step = &finding.next_step;
    assert!(step.starts_with("Compare from another network"), "{step}");
    assert!(step.contains("do not enter this password"), "{step}");
    assert!(!step.contains("switched on"), "{step}");
    assert!(!finding.summary.contains("offers only"), "{}", finding.summary);
    assert_eq!(
        finding.evidence[0].text,
        "192.0.2.10:3478 takes back what its nonce or its first challenge promised: credentials \
         not sent"
    );
}

// RFC 8656 §19: 441 is Wrong Credentials.
#[test]
fn credentials_that_are_not_the_allocation_s_are_no_wrong_password() {
    let finding = only(&Site::new().saw(&with_account(), Said::Rejects(441)));

    let step = &finding.next_step;
    assert!(step.starts_with("Something else used the same local port"), "{step}");
    assert!(step.contains("time-limited user name changed"), "{step}");
}

#[test]
fn a_peer_that_the_relay_refuses_is_no_matter_of_the_account() {
    let denied = turn(RELAY).until(&[Phase::Challenge, Phase::Allocate], Phase::Permission);

    let site = Site::new().saw(&denied, Said::Rejects(403));

    assert_eq!(site.judged_by("turn-credentials"), []);
}

#[test]
fn a_stun_server_that_asks_for_an_account_has_refused_none() {
    assert_eq!(Site::new().saw(&stun(RELAY), Said::Rejects(401)).found(), [""; 0]);
}

// F54
#[test]
fn a_full_account_and_a_full_relay_are_told_apart() {
    let account = only(&Site::new().saw(&with_account(), Said::Rejects(486)));
    let relay = only(&Site::new().saw(&with_account(), Said::Rejects(508)));

    assert_eq!((account.rule, account.owner), ("turn-quota", Owner::Credentials));
    assert!(account.summary.contains("reached its quota"), "{}", account.summary);
    assert_eq!((relay.rule, relay.owner), ("turn-quota", Owner::Vendor));
    assert!(relay.summary.contains("no room for anybody"), "{}", relay.summary);
}

// F54
#[test]
fn a_quota_that_we_filled_ourselves_is_no_outage() {
    let leaves = turn(RELAY).until(ALL, Phase::Release).leaving_something();
    let site = Site::new().saw(&leaves, Said::Silence(7)).saw(&with_account(), Said::Rejects(486));

    let finding = only(&site);

    assert_eq!((finding.rule, finding.owner), ("turn-quota", Owner::ThisHost));
    assert!(finding.summary.ends_with("no outage"), "{}", finding.summary);
    assert_eq!(finding.evidence[0].text, "may have left its allocation behind");
    assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive);
    // It is still there when the next cycle asks.
    let again = site.saw(&with_account(), Said::Rejects(486));
    assert_eq!(only(&again).owner, Owner::ThisHost);
}

// F54
#[test]
fn what_we_left_behind_excuses_a_full_account_for_as_long_as_the_relay_granted_it() {
    let leaves = || turn(RELAY).until(ALL, Phase::Release).leaving_something();
    let granted = |seconds| leaves().stating(&LIFETIME, Duration::from_secs(seconds));
    // A cycle is a minute; the first that is full is the second.
    let owner = |left: &Asked, minutes: u32| {
        let site = Site::new().saw(left, Said::Silence(7));
        only(&(0..minutes).fold(site, |site, _| site.saw(&with_account(), Said::Rejects(486))))
    };

    for (left, minutes, words) in
        [(granted(600), 10, "10m"), (granted(1800), 30, "30m"), (leaves(), 60, "1h")]
    {
        let young = owner(&left, minutes);
        assert_eq!(young.owner, Owner::ThisHost, "{minutes}");
        let step = &young.next_step;
        assert!(step.contains(&format!("{words} after that exchange at most")), "{step}");
        assert_eq!(owner(&left, minutes + 1).owner, Owner::Credentials, "{minutes}");
    }
    let late = owner(&granted(600), 11);
    assert_eq!(late.severity, Severity::Blocking);
    assert!(late.next_step.contains("`branchline_intents` above 0"), "{}", late.next_step);
}

// F54
#[test]
fn only_an_allocation_with_the_same_account_fills_its_quota() {
    let tls = || turn(RELAY).until(ALL, Phase::Release).over(Transport::Tls, 5349);
    let owner = |held: Asked, said| {
        let site = Site::new().saw(&with_account().of_user("lyon"), Said::Rejects(486));
        only(&site.saw(&held, said)).owner
    };

    assert_eq!(owner(tls().of_user("lyon"), Said::Works), Owner::ThisHost);
    assert_eq!(owner(tls().of_user("nice"), Said::Works), Owner::Credentials);
    let left = |user| {
        let leaves = tls().of_user(user).leaving_something();
        let full = with_account().of_user("lyon");
        let site = Site::new().saw(&leaves, Said::Works).saw(&full, Said::Works);
        only(&site.saw(&full, Said::Rejects(486))).owner
    };
    assert_eq!([left("lyon"), left("nice")], [Owner::ThisHost, Owner::Credentials]);
}

// F54
#[test]
fn another_check_that_holds_an_allocation_at_that_moment_fills_the_quota() {
    let tls = turn(RELAY).until(ALL, Phase::Release).over(Transport::Tls, 5349);
    let elsewhere = turn(RELAY_2).until(ALL, Phase::Release);
    let refused = || Site::new().saw(&with_account(), Said::Rejects(486));

    let here = refused().saw(&tls, Said::Works);
    let there = refused().saw(&elsewhere, Said::Works);

    assert_eq!(only(&here).owner, Owner::ThisHost);
    assert_eq!(only(&there).owner, Owner::Credentials);
    // Who only asks whether TURN is alive holds nothing, and who is done holds nothing any more.
    let alive = turn(RELAY).over(Transport::Tls, 5349);
    let earlier = Site::new().saw(&tls, Said::Works).saw(&with_account(), Said::Works);
    assert_eq!(only(&refused().saw(&alive, Said::Works)).owner, Owner::Credentials);
    assert_eq!(only(&earlier.saw(&with_account(), Said::Rejects(486))).owner, Owner::Credentials);
}

// F54
#[test]
fn what_we_left_behind_does_not_excuse_a_full_relay() {
    let leaves = turn(RELAY).until(ALL, Phase::Release).leaving_something();
    let site = Site::new().saw(&leaves, Said::Silence(7)).saw(&with_account(), Said::Rejects(508));

    assert_eq!(only(&site).owner, Owner::Vendor);
}

#[test]
fn a_relay_that_answers_stun_and_is_silent_to_turn_is_down_and_not_blocked() {
    let site = Site::new().saw(&stun(RELAY), Said::Works).saw(&turn(RELAY), Said::Silence(7));

    let finding = only(&site);

    assert_eq!(finding.rule, "turn-down");
    assert_eq!(finding.summary, "the relay at 192.0.2.10:3478 answers STUN over udp and not TURN");
    assert_eq!(finding.evidence.len(), 2);
}

#[test]
fn one_lost_turn_request_says_nothing_of_the_relay() {
    let site = Site::new().saw(&stun(RELAY), Said::Works).saw(&turn(RELAY), Said::Silence(1));

    assert_eq!(site.found(), [""; 0]);
    assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive);
}

#[test]
fn several_probes_that_meet_the_same_closed_port_are_one_finding() {
    let closed = Said::Closed(Some("192.0.2.10"));
    let site = Site::new().saw(&stun(RELAY), closed).saw(&turn(RELAY), closed);

    let finding = only(&site);

    assert_eq!((finding.rule, finding.evidence.len()), ("turn-down", 2));
}

#[test]
fn a_port_that_is_closed_over_tcp_names_the_way_that_answers() {
    let tcp = turn(RELAY).over(Transport::Tcp, 3478);
    let site = Site::new().saw(&stun(RELAY), Said::Works).saw(&tcp, Said::Resets);

    let finding = only(&site);

    assert_eq!(finding.summary, "nobody serves TURN over tcp at 192.0.2.10:3478");
    assert!(
        finding.next_step.contains("meant to serve tcp 3478; udp 3478 of the same address answers"),
        "{}",
        finding.next_step
    );
}

#[test]
fn whose_it_is_that_no_media_comes_through_depends_on_what_else_was_seen() {
    let tls = || turn(RELAY).over(Transport::Tls, 5349);
    let (lost, works) = (Said::Silence(7), Said::Works);
    let alone = Site::new().saw(&echoing(), lost);
    let only_udp = Site::new().saw(&echoing(), lost).saw(&tls().until(ALL, Phase::Release), works);
    let nowhere =
        Site::new().saw(&echoing(), lost).saw(&tls().until(READY, Phase::Echo), Said::Silence(3));

    let said = |site: &Site| {
        let finding = site.judged_by("relay-media-blocked").remove(0);
        (finding.owner, finding.summary, finding.evidence.len())
    };
    let (owner, summary, _) = said(&alone);
    assert_eq!(owner, Owner::Vendor);
    assert_eq!(summary, "the relay allocates over udp and no media comes through it");
    let (owner, summary, evidence) = said(&only_udp);
    assert_eq!((owner, evidence), (Owner::SiteNetwork, 2));
    assert!(summary.ends_with("no media comes through, over tls it does"), "{summary}");
    let (owner, summary, evidence) = said(&nowhere);
    assert_eq!((owner, evidence), (Owner::Vendor, 2));
    assert!(summary.ends_with("no media comes through it, over udp or tls"), "{summary}");
}

#[test]
fn a_relay_that_carries_indications_and_no_channel_is_not_said_to_carry_nothing() {
    let half = || echoing().stating(&SEND_ECHO, true).stating(&CHANNEL_ECHO, false);
    let tls = |asked: Asked| asked.over(Transport::Tls, 5349);
    let lost = Said::Silence(7);
    let words = |transport| {
        format!("data passes the relay over {transport} in indications and not on channels")
    };

    let in_clear = only(&Site::new().saw(&half(), lost));
    let within_tls = only(&Site::new().saw(&tls(half()), lost));

    assert_eq!((in_clear.owner, in_clear.summary), (Owner::SiteNetwork, words("udp")));
    assert_eq!((within_tls.owner, within_tls.summary), (Owner::Vendor, words("tls")));
    // What came back in an indication is media that came through.
    let site = Site::new().saw(&echoing(), lost).saw(&tls(half()), lost);
    let findings = site.judged_by("relay-media-blocked");
    assert!(findings[0].summary.ends_with("no media comes through, over tls it does"));
    assert_eq!(findings[1].summary, words("tls"));
}

#[test]
fn an_echo_that_is_lost_once_is_not_blocked() {
    let site = Site::new().saw(&echoing(), Said::Silence(1));

    assert_eq!(site.found(), [""; 0]);
    assert_eq!(site.saw(&echoing(), Said::Silence(1)).found(), ["relay-media-blocked"]);
}

#[test]
fn a_relay_that_was_heard_before_the_echo_was_lost_is_no_blocked_udp() {
    let site = Site::new()
        .saw(&echoing(), Said::Silence(7))
        .saw(&stun(RELAY_2), Said::Silence(7))
        .saw(&dns(NS), Said::Works);

    assert_eq!(site.found(), ["relay-address-blocked", "relay-media-blocked"]);
}

#[test]
fn what_is_not_required_of_a_relay_is_a_warning() {
    for said in [Said::Rejects(401), Said::Rejects(486), Said::Rejects(508), Said::Rejects(500)] {
        let site = Site::new().saw(&with_account().optional(), said);

        assert_eq!(only(&site).severity, Severity::Warning, "{said:?}");
    }
}

// Who never answered is asked to take back all the same.
#[test]
fn a_relay_that_was_only_told_to_take_back_was_not_heard() {
    let released = turn(RELAY).until(&[Phase::Release], Phase::Allocate);
    let heard = turn(RELAY).until(&[Phase::Challenge, Phase::Release], Phase::Allocate);
    let is_unheard = |asked: &Asked| {
        let site = Site::new().saw(asked, Said::Silence(7));
        site.evidence().cases[0].is_unheard()
    };

    assert!(is_unheard(&released));
    assert!(!is_unheard(&heard));
}
