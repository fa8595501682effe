//! How calls sounded: the poor ones of the last hour, by edge.

use std::collections::BTreeMap;
use std::time::Duration;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{entities, none};
use super::entity::time;
use super::load::{greatest, ratio};
use super::{interval_until, media};
use crate::poller::failed::Failed;
use crate::poller::page::Listing;
use crate::poller::path::Path;
use crate::poller::reading::Asking;
use crate::telephony::{PoorConversation, Quality, Reference};

const DETAILS: &str = "/api/v2/analytics/conversations/details/query";
const AGGREGATES: &str = "/api/v2/analytics/conversations/aggregates/query";

/// Over which time back from the reading.
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// What sounds worse than this is poor: below the 3.60 at which ITU-T G.109 lets medium quality end,
/// and not so near to it that an estimate's last digit decides.
const LIMIT: f64 = 3.5;

/// How many edges one query names.
const EDGES: usize = 20;

/// How many conversations a page has, and how many pages are read of one query. Where there are
/// more, each edge is asked about alone and its conversations are counted by the vendor.
const PAGE: usize = 100;
const PAGES: usize = 3;

/// How many poor conversations of an edge are kept.
const WORST: usize = 5;

/// How the calls of these edges sounded.
pub(super) async fn quality(
    asking: &Asking<'_>,
    edges: &[Reference],
) -> Result<Listing<Quality>, Failed> {
    let interval = interval_until(asking.begun, WINDOW);
    let mut listing = none();
    for batch in edges.chunks(EDGES) {
        let found = found(asking, batch, &interval, PAGES).await?;
        listing.unreadable += found.unreadable;
        let all = all(asking, batch, &interval).await;
        for edge in batch {
            let found = if found.is_whole() {
                found.of(edge.id.as_str(), None)
            } else {
                let alone = self::found(asking, std::slice::from_ref(edge), &interval, 1).await?;
                alone.of(edge.id.as_str(), alone.total)
            };
            let (poor, worst) = found;
            listing.items.push(Quality {
                edge: edge.clone(),
                window: WINDOW,
                poor,
                all: all.get(edge.id.as_str()).copied(),
                limit: LIMIT,
                worst,
            });
        }
    }
    media::look_into(asking, &mut listing).await;
    Ok(listing)
}

/// What a query found.
struct Found {
    conversations: Vec<RawConversation>,
    /// How many there are, read or not, where the vendor tells.
    total: Option<u64>,
    /// Whether the last page that was read had room for more.
    has_ended: bool,
    unreadable: usize,
}

impl Found {
    fn is_whole(&self) -> bool {
        let read = u64::try_from(self.conversations.len() + self.unreadable);
        match self.total {
            Some(total) => read.is_ok_and(|read| read >= total),
            None => self.has_ended,
        }
    }

    /// How many conversations of an edge were poor, and the worst of them.
    fn of(&self, edge: &str, total: Option<u64>) -> (u64, Vec<PoorConversation>) {
        let mut worst: Vec<PoorConversation> =
            self.conversations.iter().filter_map(|it| it.at(edge)).collect();
        let read = u64::try_from(worst.len()).unwrap_or(u64::MAX);
        worst.sort_by(|one, other| {
            let mos = |it: &PoorConversation| it.mos.unwrap_or(f64::INFINITY);
            mos(one).total_cmp(&mos(other))
        });
        worst.truncate(WORST);
        (total.unwrap_or(read), worst)
    }
}

async fn found(
    asking: &Asking<'_>,
    edges: &[Reference],
    interval: &str,
    pages: usize,
) -> Result<Found, Failed> {
    let mut found =
        Found { conversations: Vec::new(), total: None, has_ended: false, unreadable: 0 };
    for page in 1..=pages {
        let body = query(edges, interval, page);
        let mut answer = asking.post(Path::fixed(DETAILS), &body).await?;
        let total = answer.get("totalHits").and_then(Value::as_u64);
        // Without a poor conversation the answer has no list of them.
        let page = match answer.get("conversations") {
            None | Some(Value::Null) => Vec::new(),
            Some(_) => entities(DETAILS, &mut answer, "conversations")?,
        };
        found.has_ended = page.len() < PAGE;
        for conversation in page {
            match serde_json::from_value(conversation) {
                Ok(conversation) => found.conversations.push(conversation),
                Err(_) => found.unreadable += 1,
            }
        }
        found.total = total;
        if found.has_ended || found.is_whole() {
            break;
        }
    }
    Ok(found)
}

fn query(edges: &[Reference], interval: &str, page: usize) -> Value {
    json!({
        "interval": interval,
        "order": "desc",
        "orderBy": "conversationStart",
        "paging": { "pageSize": PAGE, "pageNumber": page },
        "conversationFilters": [{ "type": "and", "predicates": [{
            "type": "dimension",
            "dimension": "mediaStatsMinConversationMos",
            "operator": "matches",
            "range": { "lt": LIMIT },
        }] }],
        "segmentFilters": [
            { "type": "or", "predicates": of_edges(edges) },
            { "type": "and", "predicates": [is("mediaType", "voice")] },
        ],
    })
}

fn of_edges(edges: &[Reference]) -> Vec<Value> {
    edges.iter().map(|edge| is("edgeId", edge.id.as_str())).collect()
}

fn is(dimension: &str, value: &str) -> Value {
    json!({ "type": "dimension", "dimension": dimension, "operator": "matches", "value": value })
}

/// How many conversations there were in all, by edge; nothing where the client may not know.
async fn all(asking: &Asking<'_>, edges: &[Reference], interval: &str) -> BTreeMap<String, u64> {
    let body = json!({
        "interval": interval,
        "groupBy": ["edgeId"],
        "metrics": ["nConversations"],
        "filter": {
            "type": "and",
            "clauses": [{ "type": "or", "predicates": of_edges(edges) }],
            "predicates": [is("mediaType", "voice")],
        },
    });
    let answer = match asking.post(Path::fixed(AGGREGATES), &body).await {
        Ok(answer) => answer,
        Err(failed) => {
            tracing::debug!(problem = %failed.problem, "conversations are not counted");
            return BTreeMap::new();
        }
    };
    let list = |of: &Value, key: &str| -> Vec<Value> {
        of.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let mut all = BTreeMap::new();
    for result in list(&answer, "results") {
        let Some(edge) = result.pointer("/group/edgeId").and_then(Value::as_str) else { continue };
        let metrics = list(&result, "data").into_iter().flat_map(|data| list(&data, "metrics"));
        let counts = metrics.filter_map(|it| it.pointer("/stats/count").and_then(Value::as_u64));
        *all.entry(edge.to_owned()).or_default() += counts.sum::<u64>();
    }
    all
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawConversation {
    conversation_id: String,
    conversation_start: Option<String>,
    media_stats_min_conversation_mos: Option<f64>,
    media_stats_min_conversation_r_factor: Option<f64>,
    #[serde(default)]
    participants: Vec<RawParticipant>,
}

#[derive(Deserialize)]
struct RawParticipant {
    #[serde(default)]
    sessions: Vec<RawSession>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSession {
    edge_id: Option<String>,
    #[serde(default)]
    media_endpoint_stats: Vec<RawEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEndpoint {
    min_mos: Option<f64>,
    min_r_factor: Option<f64>,
    max_latency_ms: Option<u64>,
    /// With those that were discarded.
    received_packets: Option<f64>,
    discarded_packets: Option<f64>,
}

impl RawConversation {
    /// What an edge measured of it; `None` where it did not go by way of that edge.
    fn at(&self, edge: &str) -> Option<PoorConversation> {
        let sessions = self.participants.iter().flat_map(|it| &it.sessions);
        let here = || sessions.clone().filter(|it| it.edge_id.as_deref() == Some(edge));
        here().next()?;
        let endpoints = || here().flat_map(|it| &it.media_endpoint_stats);
        let least =
            |of: fn(&RawEndpoint) -> Option<f64>| endpoints().filter_map(of).min_by(f64::total_cmp);
        Some(PoorConversation {
            id: Foreign::new(self.conversation_id.as_str()),
            began: time(self.conversation_start.as_deref()),
            mos: self.media_stats_min_conversation_mos.or_else(|| least(|it| it.min_mos)),
            r_factor: self
                .media_stats_min_conversation_r_factor
                .or_else(|| least(|it| it.min_r_factor)),
            latency: endpoints()
                .filter_map(|it| it.max_latency_ms)
                .max()
                .map(Duration::from_millis),
            loss_ratio: greatest(
                endpoints().map(|it| ratio(it.discarded_packets?, it.received_packets?)),
            ),
            jitter: None,
            is_relayed: None,
        })
    }
}
