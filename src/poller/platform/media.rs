//! What the vendor measured of the media of single conversations: jitter, and whether a relay
//! carried it.

use std::time::Duration;

use serde_json::Value;

use super::load::greatest;
use crate::poller::page::Listing;
use crate::poller::path::Path;
use crate::poller::reading::Asking;
use crate::telephony::{ApiProblem, PoorConversation, Quality};

const STATISTICS: &str =
    "/api/v2/telephony/providers/edges/mediastatistics/conversations/{conversationId}";

/// How many conversations are looked into: each takes a request.
const MOST: usize = 3;

/// The published types of an ICE candidate (RFC 8445 §4), of which one is a relay.
const CANDIDATES: &[&str] = &["host", "srflx", "prflx", "relay"];

/// Looks into the very worst conversations of all edges. What the vendor does not tell of them
/// costs nothing but itself.
pub(super) async fn look_into(asking: &Asking<'_>, listing: &mut Listing<Quality>) {
    let mut worst: Vec<&mut PoorConversation> =
        listing.items.iter_mut().flat_map(|quality| &mut quality.worst).collect();
    worst.sort_by(|one, other| {
        let mos = |it: &PoorConversation| it.mos.unwrap_or(f64::INFINITY);
        mos(one).total_cmp(&mos(other))
    });
    let mut unknown = 0;
    for conversation in worst.into_iter().take(MOST) {
        let path = Path::of(STATISTICS, &[conversation.id.as_str()]);
        match asking.one(path, &[]).await {
            Ok(body) => {
                let media = Media::of(&body);
                conversation.jitter = media.jitter;
                conversation.is_relayed = media.is_relayed;
                unknown += usize::from(media.is_odd);
            }
            Err(failed) if matches!(failed.problem, ApiProblem::NotFound { .. }) => {}
            Err(failed) => {
                tracing::debug!(problem = %failed.problem, "the media of calls is not told");
                break;
            }
        }
    }
    listing.unknown += unknown;
}

struct Media {
    jitter: Option<Duration>,
    is_relayed: Option<bool>,
    is_odd: bool,
}

impl Media {
    fn of(body: &Value) -> Self {
        let endpoints = || list(body, "entities").flat_map(|it| list(it, "mediaStatistics"));
        // The vendor does not publish the unit; its other times of media are in milliseconds.
        let jitter = greatest(endpoints().map(|it| it.pointer("/rtp/averageJitter")?.as_f64()));
        let jitter = jitter.and_then(|it| Duration::try_from_secs_f64(it / 1000.0).ok());
        let pairs = || {
            let ice = endpoints().filter_map(|it| it.get("ice"));
            ice.flat_map(|it| list(it, "selectedPairs"))
        };
        let word = |pair: &'_ Value, end: &str| {
            pair.pointer(&format!("/{end}/type")).and_then(Value::as_str).map(str::to_owned)
        };
        let words: Vec<String> = pairs()
            .flat_map(|pair| [word(pair, "client"), word(pair, "server")])
            .flatten()
            .collect();
        Self {
            jitter,
            is_relayed: (!words.is_empty()).then(|| words.iter().any(|it| it == "relay")),
            is_odd: words.iter().any(|it| !CANDIDATES.contains(&it.as_str())),
        }
    }
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}
