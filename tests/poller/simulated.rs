//! The poller against the lab's vendor, with each of its faults, in both profiles.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::HeaderMap;
use branchline::poller::{Haste, Poller, Profile, Settings};
use branchline::telephony::{PartName, Snapshot};
use branchline_lab::api::{Api, Fault, Inventory, On, Profile as Spoken, Request};
use branchline_probes::Secret;

use crate::contract::undocumented;
use crate::fake::{Fake, PHONES, Seen, TOKEN, page};

/// Waits of a thousandth; a header has 1 s, a body 0.5 s.
const IMPATIENT: Haste = Haste { waits: 1_000, limits: 10, reading: 1 };
/// More phones than two pages hold, and more requests than a page of anything else needs.
const OFFICE: Inventory = Inventory { edges: 2, trunks: 4, phones: 250 };
const PROFILES: [(Profile, Spoken, &str); 2] = [
    (Profile::Platform, Spoken::Platform, PHONES),
    (Profile::Guide, Spoken::Guide, "/api/v2/telephony/providers/edgegroups/{}/phones"),
];
const PERMISSION: &str = "telephony:plugin:all";

fn poller(api: &Api, profile: Profile, haste: Haste) -> Poller {
    let settings = Settings {
        profile,
        skip: BTreeSet::new(),
        api_url: api.api_url(),
        login_url: api.login_url(),
        client_id: api.client_id().to_owned(),
        client_secret: Secret::new(api.client_secret().to_owned()),
        interval: Duration::from_secs(60),
        narrowing: None,
        streaming_url: None,
        scopes: Vec::new(),
        subscribe: None,
    };
    Poller::hasty(settings, haste).expect("a poller")
}

/// The fault to play after this one; to begin with, the first. What a new fault has to be put into.
fn following(fault: Option<&Fault>, elsewhere: &str) -> Option<Fault> {
    Some(match fault {
        None => Fault::SlowHeaders(Duration::from_secs(3)),
        Some(Fault::SlowHeaders(_)) => Fault::SlowBody,
        Some(Fault::SlowBody) => Fault::Truncated,
        Some(Fault::Truncated) => Fault::Oversized(9 << 20),
        Some(Fault::Oversized(_)) => Fault::Html,
        Some(Fault::Html) => Fault::WrongTypes,
        Some(Fault::WrongTypes) => Fault::Deep,
        Some(Fault::Deep) => Fault::GzipBomb,
        Some(Fault::GzipBomb) => Fault::RevokedAtPage(2),
        Some(Fault::RevokedAtPage(_)) => Fault::Forbidden(&[PERMISSION]),
        Some(Fault::Forbidden(_)) => Fault::Status(404),
        Some(Fault::Status(404)) => Fault::Status(409),
        Some(Fault::Status(409)) => Fault::Status(422),
        Some(Fault::Status(422)) => Fault::Status(503),
        Some(Fault::Status(_)) => Fault::Throttled(Some(900)),
        Some(Fault::Throttled(Some(_))) => Fault::Throttled(None),
        Some(Fault::Throttled(None)) => Fault::Reset,
        Some(Fault::Reset) => Fault::ShortToken(Duration::from_secs(5)),
        Some(Fault::ShortToken(_)) => Fault::TokenThrottled,
        Some(Fault::TokenThrottled) => Fault::PagesRepeat,
        Some(Fault::PagesRepeat) => Fault::PagesShrink,
        Some(Fault::PagesShrink) => Fault::NextUriElsewhere(elsewhere.to_owned()),
        Some(Fault::NextUriElsewhere(_)) => return None,
    })
}

/// The reason that the phones are to have; `None` where the reading is to get over it.
fn reason(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::SlowHeaders(_) | Fault::SlowBody | Fault::Reset => Some("unreachable"),
        Fault::Truncated
        | Fault::Oversized(_)
        | Fault::Html
        | Fault::WrongTypes
        | Fault::Deep
        | Fault::GzipBomb
        | Fault::PagesRepeat => Some("malformed"),
        Fault::Forbidden(_) => Some("permission"),
        Fault::Status(404) => Some("not_found"),
        Fault::Status(409) => Some("conflict"),
        Fault::Status(422) => Some("request"),
        Fault::Status(_) => Some("server"),
        Fault::Throttled(_) | Fault::TokenThrottled => Some("throttled"),
        Fault::NextUriElsewhere(_) => Some("policy_denied"),
        // Pages that change are begun anew once and then believed.
        Fault::RevokedAtPage(_) | Fault::ShortToken(_) | Fault::PagesShrink => None,
    }
}

fn is_of_tokens(fault: &Fault) -> bool {
    matches!(fault, Fault::ShortToken(_) | Fault::TokenThrottled)
}

fn phones(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.phones.items.iter().map(|phone| phone.reference.id.as_str()).collect()
}

/// The parts that have a problem, and which.
fn failed(snapshot: &Snapshot) -> Vec<(PartName, &'static str)> {
    let parts = snapshot.parts();
    parts.iter().filter_map(|part| Some((part.name, part.problem?.label()))).collect()
}

/// How many things each part holds.
fn counts(snapshot: &Snapshot) -> Vec<(PartName, usize)> {
    snapshot.parts().iter().map(|part| (part.name, part.count)).collect()
}

/// What a reading may ask for beyond one without a fault: two more tries of the one request, the
/// three pages of the listing again, and a token for it.
const MORE: usize = 6;

// D-API-1, D-API-3, D-API-4
#[tokio::test]
async fn each_fault_costs_the_part_that_it_is_played_on_and_nothing_that_was_known() {
    let elsewhere = Fake::start(|_| page(&[])).await;
    for (profile, spoken, path) in PROFILES {
        let mut fault = following(None, &elsewhere.url);
        while let Some(played) = fault {
            let what = format!("{played:?} {profile:?}");
            let api = Api::start(spoken, OFFICE).expect("loopback is there");
            let first = poller(&api, profile, IMPATIENT).read(&Snapshot::default()).await;
            assert_eq!((failed(&first), phones(&first).len()), (vec![], 250), "{what}");
            let healthy = api.requests().len();
            let on = if is_of_tokens(&played) { On::Everything } else { On::Path(path) };
            api.set_fault(on, played.clone());

            // Another process, which has no token yet and waits for nobody.
            let second = poller(&api, profile, IMPATIENT).read(&first).await;

            let asked = api.requests().len() - healthy;
            let expected = reason(&played);
            assert_eq!(second.phones.problem.as_ref().map(|it| it.label()), expected, "{what}");
            assert!(asked <= healthy + MORE, "{what}: {asked} requests, and {healthy} without");
            assert!(!second.phones.stale, "{what}");
            // Throttling is the whole client's, and so is a token.
            let is_of_all = matches!(played, Fault::Throttled(_) | Fault::TokenThrottled);
            let others: Vec<_> = failed(&second)
                .into_iter()
                .filter(|(part, reason)| {
                    *part != PartName::Phones && !(is_of_all && *reason == "throttled")
                })
                .collect();
            assert_eq!(others, [], "{what}");
            if played == Fault::PagesShrink {
                let begun = api.requests().into_iter().skip(healthy).filter(|it| {
                    let number = it.parameter("pageNumber").or_else(|| it.parameter("page"));
                    it.path.ends_with("/phones") && number == Some("1")
                });
                assert_eq!(begun.count(), 2, "{what}");
            } else {
                assert_eq!(counts(&second), counts(&first), "{what}: what was known stays");
                assert_eq!(phones(&second), phones(&first), "{what}");
            }
            if let Fault::Forbidden(_) = played {
                let problem = second.phones.problem.expect("a problem").to_string();
                assert!(problem.ends_with(&format!(": {PERMISSION}")), "{problem}");
            }
            fault = following(Some(&played), &elsewhere.url);
        }
    }
    assert!(elsewhere.seen().is_empty(), "no token goes elsewhere");
}

#[tokio::test]
async fn a_token_that_is_revoked_between_two_pages_is_renewed_once_and_no_page_is_read_twice() {
    for (profile, spoken, path) in PROFILES {
        let api = Api::start(spoken, OFFICE).expect("loopback is there");
        api.set_fault(On::Path(path), Fault::RevokedAtPage(2));

        let snapshot = poller(&api, profile, IMPATIENT).read(&Snapshot::default()).await;

        let requests = api.requests();
        let tokens = requests.iter().filter(|request| request.path == TOKEN).count();
        let number = |it: &Request| {
            let number = it.parameter("pageNumber").or_else(|| it.parameter("page"));
            number.expect("a page").to_owned()
        };
        let pages: Vec<_> =
            requests.iter().filter(|it| it.path.ends_with("/phones")).map(number).collect();
        assert_eq!((failed(&snapshot), phones(&snapshot).len()), (vec![], 250), "{profile:?}");
        assert_eq!((tokens, pages), (2, ["1", "2", "2", "3"].map(str::to_owned).to_vec()));
    }
}

fn seen(request: &Request) -> Seen {
    Seen {
        method: request.method.parse().expect("a method"),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: HeaderMap::new(),
        body: request.body.clone().into(),
        before: 0,
    }
}

#[tokio::test]
async fn everything_that_a_whole_reading_sends_is_published() {
    let api = Api::start(Spoken::Platform, OFFICE).expect("loopback is there");
    let poller = poller(&api, Profile::Platform, IMPATIENT);

    let snapshot = poller.read(&Snapshot::default()).await;

    let requests: Vec<_> = api.requests().iter().map(seen).collect();
    let paths: BTreeSet<_> = requests.iter().map(|seen| &seen.path).collect();
    assert_eq!(failed(&snapshot), []);
    assert!(paths.len() > 12, "{paths:?}");
    assert_eq!(undocumented(&requests), [""; 0]);
}
