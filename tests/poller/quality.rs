//! How calls sounded, out of the vendor's analytics.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::fake::{EDGES, Fake, Reply, Seen, page};
use crate::published::{CONVERSATIONS, published, read};

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).expect("JSON")
}

fn edges(body: &Value) -> Vec<&str> {
    let predicates = body["segmentFilters"][0]["predicates"].as_array().expect("a list");
    predicates.iter().map(|it| it["value"].as_str().expect("an edge")).collect()
}

fn conversation(id: &str, edge: &str, mos: f64) -> Value {
    let session = json!({ "edgeId": edge, "mediaEndpointStats": [{ "minMos": mos }] });
    json!({ "conversationId": id, "mediaStatsMinConversationMos": mos,
            "participants": [{ "sessions": [session] }] })
}

fn listed(edges: &[&str]) -> Reply {
    page(&edges.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>())
}

#[tokio::test]
async fn one_query_asks_about_many_edges_and_its_answer_is_told_apart() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        EDGES => listed(&["one", "two", "three"]),
        CONVERSATIONS => {
            let both = json!({ "conversationId": "both", "participants": [{ "sessions": [
                { "edgeId": "one", "mediaEndpointStats": [
                    { "minMos": 3.0, "minRFactor": 61.0, "maxLatencyMs": 100,
                      "receivedPackets": 1000, "discardedPackets": 10 },
                    { "maxLatencyMs": 300, "receivedPackets": 100, "discardedPackets": 5 },
                ] },
                { "edgeId": "two" },
                { "edgeId": "somebody else's" },
            ] }] });
            let conversations =
                [conversation("bad", "one", 2.5), both, conversation("worst", "one", 1.5)];
            Reply::json(200, &json!({ "totalHits": 3, "conversations": conversations }))
        }
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let found: Vec<_> = snapshot
        .quality
        .items
        .iter()
        .map(|it| {
            let worst: Vec<_> = it.worst.iter().map(|worst| worst.id.as_str()).collect();
            (it.edge.id.as_str(), it.poor, worst)
        })
        .collect();
    assert_eq!(
        found,
        [("one", 3, vec!["worst", "bad", "both"]), ("two", 1, vec!["both"]), ("three", 0, vec![]),]
    );
    let both = &snapshot.quality.items[0].worst[2];
    assert_eq!((both.mos, both.r_factor), (Some(3.0), Some(61.0)));
    assert_eq!((both.latency, both.loss_ratio), (Some(Duration::from_millis(300)), Some(0.05)));
    assert_eq!(snapshot.quality.items[1].worst[0].mos, None);
    assert_eq!(fake.count(CONVERSATIONS), 1);
    let looked = fake.seen().into_iter().filter(|it| it.path.contains("/mediastatistics/"));
    assert_eq!(looked.count(), 3);
}

#[tokio::test]
async fn the_query_is_about_the_voice_calls_of_the_last_hour_in_absolute_time() {
    let before = SystemTime::now();
    let fake = Fake::start(published).await;

    read(&fake).await;

    let seen = fake.seen().into_iter().find(|it| it.path == CONVERSATIONS).expect("a query");
    let body = body(&seen);
    let interval = body["interval"].as_str().expect("an interval");
    let (from, to) = interval.split_once('/').expect("two times");
    let time = |text: &str| SystemTime::from(text.parse::<jiff::Timestamp>().expect("a time"));
    assert_eq!(time(to).duration_since(time(from)).expect("order"), Duration::from_secs(3600));
    let late = Duration::from_secs(1);
    assert!(time(to) + late >= before && time(to) <= SystemTime::now(), "{interval}");
    assert_eq!(from.len(), "2026-05-15T13:00:00.000Z".len());
    let mos = &body["conversationFilters"][0]["predicates"][0];
    assert_eq!(mos["dimension"], "mediaStatsMinConversationMos");
    assert_eq!(mos["range"], json!({ "lt": 3.5 }));
    assert_eq!(body["segmentFilters"][0]["type"], "or");
    assert_eq!(edges(&body), ["00000010-1111-4222-8333-000000000010"]);
    let voice = &body["segmentFilters"][1]["predicates"][0];
    assert_eq!((&voice["dimension"], &voice["value"]), (&json!("mediaType"), &json!("voice")));
}

#[tokio::test]
async fn of_more_poor_conversations_than_are_read_the_vendor_counts_each_edges() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        EDGES => listed(&["one", "two"]),
        CONVERSATIONS => {
            let body = body(seen);
            let (edges, page) = (edges(&body), &body["paging"]["pageNumber"]);
            let total = match edges.as_slice() {
                ["one"] => 950,
                ["two"] => 50,
                _ => 1_000,
            };
            let size = if total == 50 { 50 } else { 100 };
            let conversations: Vec<_> = (0..size)
                .map(|number| conversation(&format!("{page}-{number}"), edges[0], 3.0))
                .collect();
            Reply::json(200, &json!({ "totalHits": total, "conversations": conversations }))
        }
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let poor: Vec<_> =
        snapshot.quality.items.iter().map(|it| (it.edge.id.as_str(), it.poor)).collect();
    assert_eq!(poor, [("one", 950), ("two", 50)]);
    assert!(snapshot.quality.items.iter().all(|it| it.worst.len() == 5));
    assert_eq!(fake.count(CONVERSATIONS), 5, "three pages of both, and one of each");
}

#[tokio::test]
async fn where_the_vendor_does_not_tell_how_many_there_are_full_pages_are_not_all_of_them() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        EDGES => listed(&["one"]),
        CONVERSATIONS => {
            let page = body(seen)["paging"]["pageNumber"].as_u64().expect("a number");
            let size = if page < 3 { 100 } else { 7 };
            let conversations: Vec<_> = (0..size)
                .map(|number| conversation(&format!("{page}-{number}"), "one", 3.0))
                .collect();
            Reply::json(200, &json!({ "conversations": conversations }))
        }
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.quality.items[0].poor, 207);
    assert_eq!(fake.count(CONVERSATIONS), 3);
}

#[tokio::test]
async fn an_answer_without_a_list_of_conversations_has_none() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        CONVERSATIONS => Reply::json(200, &json!({})),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.quality.problem, None);
    assert_eq!(snapshot.quality.items[0].poor, 0);
}

// F9
#[tokio::test]
async fn a_conversation_that_is_gone_is_no_outage() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        CONVERSATIONS => {
            let edge = "00000010-1111-4222-8333-000000000010";
            let conversations = [conversation("gone", edge, 1.0), conversation("there", edge, 2.0)];
            Reply::json(200, &json!({ "totalHits": 2, "conversations": conversations }))
        }
        path if path.ends_with("/conversations/gone") => Reply::new(404, "{}"),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.quality.problem, None);
    let worst = &snapshot.quality.items[0].worst;
    let jitter: Vec<_> = worst.iter().map(|it| (it.id.as_str(), it.jitter)).collect();
    assert_eq!(jitter, [("gone", None), ("there", Some(Duration::from_micros(8_400)))]);
}
