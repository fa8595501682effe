//! The published examples: what they become, and what a whole reading of them asks for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use branchline::poller::{Poller, Settings};
use branchline::telephony::{PartName, PhoneState, Registration, Snapshot, State};
use branchline_probes::Foreign;
use serde_json::{Value, json};

use crate::contract::undocumented;
use crate::fake::{EDGES, Fake, HASTE, Reply, Seen, TOKEN, json_of, page, token};

static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| json_of(include_str!("../genesys/examples.json")));

pub(crate) const AUDITS: &str = "/api/v2/audits/query";
pub(crate) const AUDITS_NOW: &str = "/api/v2/audits/query/realtime";
pub(crate) const CONVERSATIONS: &str = "/api/v2/analytics/conversations/details/query";
pub(crate) const CONVERSATION_COUNTS: &str = "/api/v2/analytics/conversations/aggregates/query";
pub(crate) const LOCATIONS: &str = "/api/v2/locations";
pub(crate) const ORGANIZATION: &str = "/api/v2/organizations/me";
pub(crate) const MEDIA_REGIONS: &str = "/api/v2/telephony/mediaregions";

/// The body of a published example.
pub(crate) fn example(name: &str) -> &'static Value {
    let examples = EXAMPLES["examples"].as_array().expect("a list");
    let example = examples.iter().find(|it| it["name"] == name);
    &example.unwrap_or_else(|| panic!("{name} is no example"))["value"]
}

/// A vendor whose every answer is a published example, and that knows nothing else.
pub(crate) fn published(seen: &Seen) -> Reply {
    let say = |name: &str| Reply::json(200, example(name));
    let list = |name: &str| page(&[example(name).clone()]);
    let below = seen.path.strip_prefix(EDGES).unwrap_or_default();
    match (seen.path.as_str(), below) {
        (TOKEN, _) => token(seen),
        (LOCATIONS, _) => say("locations_page"),
        (ORGANIZATION, _) => say("organization"),
        (MEDIA_REGIONS, _) => say("media_regions"),
        (CONVERSATIONS, _) => say("conversation_details"),
        (CONVERSATION_COUNTS, _) => Reply::json(200, &counts()),
        (AUDITS_NOW, _) => match serde_json::from_slice::<Value>(&seen.body) {
            Ok(body) if body["serviceName"] == "Telephony" => say("audit_results"),
            Ok(_) | Err(_) => page(&[]),
        },
        (EDGES, _) => say("edges_page"),
        (_, "/edgegroups") => list("edge_group"),
        (_, "/trunks") => say("trunks_page"),
        (_, "/trunks/metrics") => say("trunk_metrics"),
        (_, "/trunkbasesettings") => list("trunk_base"),
        (_, "/phones") => say("phones_page"),
        (_, "/sites") => list("site"),
        (_, "/metrics") => Reply::json(200, &json!([example("edge_metrics")])),
        (_, "/logicalinterfaces") => page(&[json!({
            "edgeUri": format!("{EDGES}/00000010-1111-4222-8333-000000000010"),
            "addresses": [
                { "type": "gateway", "address": "192.0.2.1" },
                { "type": "ip", "address": "192.0.2.20" },
            ],
        })]),
        (_, "/certificateauthorities") => say("certificate_authorities"),
        (_, _) if below.starts_with("/mediastatistics/conversations/") => say("media_statistics"),
        (_, _) => Reply::new(404, ""),
    }
}

/// As `published`, but for one path.
pub(crate) fn published_but(
    path: &'static str,
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| if seen.path == path { script(seen) } else { published(seen) }
}

fn counts() -> Value {
    json!({ "results": [{
        "group": { "mediaType": "voice", "edgeId": "00000010-1111-4222-8333-000000000010" },
        "data": [{ "metrics": [{ "metric": "nConversations", "stats": { "count": 40 } }] }],
    }] })
}

/// A poller that leaves nothing out.
pub(crate) fn poller(fake: &Fake) -> Poller {
    let settings = Settings { skip: [].into(), ..fake.settings() };
    Poller::hasty(settings, HASTE).expect("a poller")
}

pub(crate) async fn read(fake: &Fake) -> Snapshot {
    poller(fake).read(&Snapshot::default()).await
}

fn at(text: &str) -> Option<SystemTime> {
    Some(text.parse::<jiff::Timestamp>().expect("a time").into())
}

fn texts(texts: &[Foreign]) -> Vec<&str> {
    texts.iter().map(Foreign::as_str).collect()
}

fn text(text: &Option<Foreign>) -> Option<&str> {
    text.as_ref().map(Foreign::as_str)
}

fn only<T>(items: &[T]) -> &T {
    let [item] = items else { panic!("{} items", items.len()) };
    item
}

#[tokio::test]
async fn the_examples_of_edges_become_what_they_say() {
    let fake = Fake::start(published).await;

    let snapshot = read(&fake).await;

    let edge = only(&snapshot.edges.items);
    assert_eq!(text(&edge.deployment), Some("HARDWARE"));
    assert_eq!(text(&edge.software), Some("1.0.0.13107"));
    assert_eq!(edge.conversations, None);
    assert_eq!(edge.addresses, [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20))]);
    assert_eq!((edge.state, edge.raw.as_str()), (State::Up, "ONLINE ACTIVE active"));
    let metrics = only(&snapshot.edge_metrics.items);
    assert!(metrics.edge.is("branch-lyon-edge-1"));
    assert_eq!(metrics.taken, at("2026-05-15T14:32:00Z"));
    assert_eq!(metrics.uptime, Some(Duration::from_secs(864_000)));
    assert_eq!(metrics.processor_ratio, Some(0.125));
    assert_eq!(metrics.memory_ratio, Some(0.5));
    assert_eq!(metrics.disk_ratio, Some(0.25));
    assert_eq!(metrics.network_ratio, Some(0.002));
    let authority = only(&snapshot.authorities.items);
    assert!(authority.reference.is("Branch SBC CA"));
    assert_eq!(text(&authority.kind), Some("REMOTE"));
    assert_eq!(texts(&authority.services), ["SIP"]);
    assert_eq!(text(&authority.subject), Some("CN=Branch CA"));
    assert_eq!(authority.expires, at("2034-01-01T00:00:00Z"));
    assert_eq!(authority.is_valid, Some(true));
    let group = only(&snapshot.edge_groups.items);
    assert_eq!((group.state, group.raw.as_str()), (State::Up, "active, 1 of 1 edges up"));
}

#[tokio::test]
async fn the_examples_of_trunks_become_what_they_say() {
    let fake = Fake::start(published).await;

    let snapshot = read(&fake).await;

    let trunk = only(&snapshot.trunks.items);
    assert_eq!(trunk.connected_since, at("2026-05-15T14:31:55Z"));
    let proxy = only(&trunk.proxies);
    assert_eq!(proxy.address.as_str(), "203.0.113.10:5060");
    assert_eq!(proxy.answers, Some(State::Up));
    assert_eq!(proxy.registration, Registration::Unregistered);
    assert_eq!(proxy.registered_at, at("2026-05-15T14:30:02Z"));
    assert_eq!(text(&proxy.problem), Some("Registration failed (403 Forbidden)"));
    let metrics = only(&snapshot.trunk_metrics.items);
    assert!(metrics.trunk.is("00000030-1111-4222-8333-000000000030"));
    assert_eq!(metrics.taken, at("2026-05-15T14:32:00Z"));
    assert_eq!((metrics.inbound_calls, metrics.outbound_calls), (Some(3), Some(5)));
    assert_eq!(metrics.qos_mismatches, Some(0));
    let settings = only(&snapshot.trunk_settings.items);
    assert!(settings.reference.is("BYOC carrier"));
    assert_eq!(settings.is_enabled, Some(true));
    assert_eq!(text(&settings.transport), Some("tls"));
    assert_eq!(texts(&settings.proxies), ["sip.carrier.example:5061"]);
    assert_eq!(texts(&settings.codecs), ["audio/opus", "audio/pcmu"]);
    assert_eq!((settings.media_dscp, settings.sip_dscp), (Some(46), Some(24)));
    assert_eq!(texts(&settings.allowed), [""; 0]);
}

#[tokio::test]
async fn the_example_of_a_phone_becomes_what_it_says() {
    let fake = Fake::start(published).await;

    let snapshot = read(&fake).await;

    let phone = only(&snapshot.phones.items);
    assert_eq!((phone.state, phone.raw.as_str()), (PhoneState::Active, "OPERATIONAL IN_SERVICE"));
    assert!(phone.edge.as_ref().is_some_and(|edge| edge.is("branch-lyon-edge-1")));
    assert_eq!(phone.since, at("2026-05-15T14:32:00Z"));
    assert_eq!(phone.provisioned, at("2026-05-15T06:00:11Z"));
    assert_eq!(phone.problem, None);
    assert_eq!(text(&phone.hardware), Some("0004f2aabbcc"));
    assert_eq!(text(&phone.model), Some("Polycom VVX411 6.4.3.1234"));
    let line = only(&phone.lines);
    assert_eq!(line.id.as_str(), "00000060-1111-4222-8333-000000000060");
    assert_eq!(line.is_reachable, Some(true));
    assert_eq!(line.since, at("2026-05-15T06:00:15Z"));
    assert_eq!(text(&line.address_of_record), Some("sip:reception@lyon.example"));
    assert_eq!(texts(&line.contacts), ["sip:192.0.2.57:5060;transport=tls"]);
}

#[tokio::test]
async fn the_examples_of_places_become_what_they_say() {
    let fake = Fake::start(published).await;

    let snapshot = read(&fake).await;

    let site = only(&snapshot.sites.items);
    assert!(site.location.as_ref().is_some_and(|location| location.is("Lyon office")));
    assert_eq!(text(&site.media_model), Some("Premises"));
    assert_eq!(texts(&site.media_regions), ["eu-west-3"]);
    assert_eq!((site.is_latency_based, site.is_turn_forced), (Some(true), Some(false)));
    assert_eq!(site.state, State::Up);
    let location = only(&snapshot.locations.items);
    assert!(location.reference.is("Lyon office"));
    assert_eq!((location.state, location.raw.as_str()), (State::Up, "active"));
    assert_eq!(text(&location.address), Some("Lyon, France"));
    assert_eq!(text(&location.emergency_number), Some("+33400000000"));
    let organization = only(&snapshot.organization.items);
    assert!(organization.reference.is("Example Org"));
    assert_eq!(organization.state, State::Up);
    assert_eq!(text(&organization.home_region), Some("eu-west-1"));
    assert_eq!(texts(&organization.media_regions), ["eu-central-1", "eu-west-3"]);
}

#[tokio::test]
async fn the_examples_of_conversations_and_audits_become_what_they_say() {
    let fake = Fake::start(published).await;

    let snapshot = read(&fake).await;

    let quality = only(&snapshot.quality.items);
    assert!(quality.edge.is("branch-lyon-edge-1"));
    assert_eq!((quality.poor, quality.all), (1, Some(40)));
    assert_eq!(quality.window, Duration::from_secs(3600));
    assert!((quality.limit - 3.5).abs() < f64::EPSILON);
    let worst = only(&quality.worst);
    assert_eq!(worst.id.as_str(), "00000090-1111-4222-8333-000000000090");
    assert_eq!(worst.began, at("2026-05-15T13:05:00Z"));
    assert_eq!((worst.mos, worst.r_factor), (Some(3.2), Some(62.5)));
    assert_eq!(worst.latency, Some(Duration::from_millis(240)));
    // 320 of 12,000 packets.
    assert!(worst.loss_ratio.is_some_and(|loss| (loss - 0.026_666).abs() < 0.000_01));
    assert_eq!(worst.jitter, Some(Duration::from_micros(8_400)));
    assert_eq!(worst.is_relayed, None);
    let change = only(&snapshot.changes.items);
    assert_eq!(change.when, at("2026-05-14T09:12:44Z"));
    assert_eq!((change.action.as_str(), change.kind.as_str()), ("Update", "Trunk"));
    assert!(change.entity.is("Carrier A"));
    assert_eq!(text(&change.by), Some("00000003-1111-4222-8333-000000000003"));
    assert_eq!(text(&change.status), Some("SUCCESS"));
    let property = only(&change.properties);
    assert_eq!(property.name.as_str(), "trunk_enabled");
    assert_eq!((text(&property.old), text(&property.new)), (Some("true"), Some("false")));
}

#[tokio::test]
async fn every_part_of_the_examples_is_read_and_none_is_odd() {
    let fake = Fake::start(published).await;

    let snapshot = read(&fake).await;

    for part in snapshot.parts() {
        let name = part.name.label();
        assert_eq!(part.problem, None, "{name}");
        assert_eq!((part.count, part.unreadable, part.unknown), (1, 0, 0), "{name}");
        assert!(part.read.is_some(), "{name}");
    }
}

#[tokio::test]
async fn every_request_of_a_whole_reading_is_one_that_the_vendor_publishes() {
    let whole = Fake::start(published).await;
    // Audits that take their time, and more poor conversations than are read.
    let hard = Fake::start(|seen| match seen.path.as_str() {
        AUDITS_NOW => Reply::json(400, &json!({ "code": "bad.request" })),
        AUDITS => {
            let mut queued = example("audit_status").clone();
            queued["state"] = "Queued".into();
            Reply::json(200, &queued)
        }
        path if path.ends_with("/results") => Reply::json(200, example("audit_results")),
        path if path.starts_with(AUDITS) => Reply::json(200, example("audit_status")),
        CONVERSATIONS => {
            let mut found = example("conversation_details").clone();
            let one = found["conversations"][0].take();
            found["conversations"] = vec![one; 100].into();
            found["totalHits"] = 4_000.into();
            Reply::json(200, &found)
        }
        _ => published(seen),
    })
    .await;

    let easy = read(&whole).await;
    let hard_one = read(&hard).await;

    let problems = |snapshot: &Snapshot| {
        let states = snapshot.parts();
        states.iter().filter_map(|part| part.problem.cloned()).collect::<Vec<_>>()
    };
    assert_eq!((problems(&easy), problems(&hard_one)), (vec![], vec![]));
    let seen: Vec<Seen> = whole.seen().into_iter().chain(hard.seen()).collect();
    let asked: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.path.as_str()).collect();
    assert_eq!(asked.len(), 21, "{asked:?}");
    assert_eq!(undocumented(&seen), [""; 0]);
}

// F8
#[tokio::test]
async fn what_nobody_may_read_fails_alone() {
    let table = [
        (PartName::Sites, format!("{EDGES}/sites")),
        (PartName::Locations, LOCATIONS.to_owned()),
        (PartName::Organization, ORGANIZATION.to_owned()),
        (PartName::TrunkSettings, format!("{EDGES}/trunkbasesettings")),
        (PartName::Authorities, format!("{EDGES}/certificateauthorities")),
        (PartName::EdgeMetrics, format!("{EDGES}/metrics")),
        (PartName::TrunkMetrics, format!("{EDGES}/trunks/metrics")),
        (PartName::Quality, CONVERSATIONS.to_owned()),
        (PartName::Changes, AUDITS_NOW.to_owned()),
        (PartName::Phones, format!("{EDGES}/phones")),
    ];
    for (part, path) in table {
        let fake = Fake::start(move |seen| {
            if seen.path == path {
                return Reply::json(403, &json!({ "code": "missing.permissions" }));
            }
            published(seen)
        })
        .await;

        let snapshot = read(&fake).await;

        for state in snapshot.parts() {
            let problem = state.problem.map(branchline::telephony::ApiProblem::label);
            let expected = (state.name == part).then_some("permission");
            assert_eq!(problem, expected, "{} where {} fails", state.name.label(), part.label());
        }
    }
}

// F8, F9: what only explains is no part of its own.
#[tokio::test]
async fn what_only_adds_to_a_part_costs_nothing_but_itself() {
    for status in [403, 404] {
        let fake = Fake::start(move |seen| {
            let adds = ["/logicalinterfaces", "/mediaregions", "/aggregates/query"];
            let is_addition = adds.iter().any(|end| seen.path.ends_with(end))
                || seen.path.contains("/mediastatistics/");
            if is_addition { Reply::new(status, "{}") } else { published(seen) }
        })
        .await;

        let snapshot = read(&fake).await;

        let failed = snapshot.parts().iter().filter(|part| part.problem.is_some()).count();
        assert_eq!(failed, 0, "{status}");
        assert_eq!(only(&snapshot.edges.items).addresses, [IpAddr::V4(Ipv4Addr::LOCALHOST); 0]);
        assert_eq!(only(&snapshot.organization.items).home_region, None);
        let quality = only(&snapshot.quality.items);
        assert_eq!((quality.poor, quality.all), (1, None));
        assert_eq!(only(&quality.worst).jitter, None);
    }
}

#[tokio::test]
async fn what_rarely_changes_is_not_read_again_with_the_next_reading() {
    let fake = Fake::start(published).await;
    let poller = poller(&fake);
    let first = poller.read(&Snapshot::default()).await;
    let before = fake.seen().len();

    let second = poller.read(&first).await;

    let seen = fake.seen().split_off(before);
    let mut asked: Vec<&str> =
        seen.iter().map(|it| it.path.strip_prefix(EDGES).unwrap_or(&it.path)).collect();
    asked.sort_unstable();
    assert_eq!(
        asked,
        [
            "",
            "/edgegroups",
            "/logicalinterfaces",
            "/metrics",
            "/phones",
            "/trunks",
            "/trunks/metrics"
        ]
    );
    assert_eq!(second.quality.items, first.quality.items);
    assert_eq!(second.changes.items, first.changes.items);
}
