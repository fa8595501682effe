//! What became of each part of a reading, and the part that follows from it.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use metrics::counter;

use super::failed::Failed;
use super::page::Listing;
use crate::telephony::{
    ApiProblem, Authority, Change, Edge, EdgeGroup, EdgeMetrics, Location, Organization, Part,
    PartName, Phone, Quality, Site, Trunk, TrunkMetrics, TrunkSettings,
};

/// The counter of entities that could not be read.
pub(super) const SKIPPED: &str = "branchline_telephony_api_entities_skipped_total";

/// The counter of things that hold a word which the API does not publish.
pub(super) const UNKNOWN: &str = "branchline_telephony_unknown_values_total";

/// How many changes are kept, the latest.
pub(super) const MOST_CHANGES: usize = 200;

/// What became of one part; `None` where it was not asked for.
pub(super) type Reading<T> = Option<Result<Listing<T>, Failed>>;

/// What became of each part.
#[derive(Default)]
pub(super) struct Readings {
    pub(super) edges: Reading<Edge>,
    pub(super) edge_groups: Reading<EdgeGroup>,
    pub(super) trunks: Reading<Trunk>,
    pub(super) phones: Reading<Phone>,
    pub(super) sites: Reading<Site>,
    pub(super) locations: Reading<Location>,
    pub(super) organization: Reading<Organization>,
    pub(super) trunk_settings: Reading<TrunkSettings>,
    pub(super) authorities: Reading<Authority>,
    pub(super) edge_metrics: Reading<EdgeMetrics>,
    pub(super) trunk_metrics: Reading<TrunkMetrics>,
    pub(super) quality: Reading<Quality>,
    pub(super) changes: Reading<Change>,
}

/// A part after a reading: what it brought, or what was known before and why it brought nothing.
pub(super) fn settled<T: Clone>(
    name: PartName,
    reading: Reading<T>,
    previous: &Part<T>,
    every: Option<Duration>,
    (begun, now): (SystemTime, SystemTime),
) -> Part<T> {
    let before = previous.problem.as_ref().map(ApiProblem::label);
    let part = name.label();
    match reading {
        None => Part { every, ..previous.clone() },
        Some(Ok(listing)) => {
            count_skipped(name, listing.unreadable);
            count_unknown(name, listing.unknown);
            if before.is_some() {
                tracing::info!(part, "the vendor's state can be read again");
            }
            Part {
                items: listing.items,
                begun: Some(begun),
                read: Some(now),
                every,
                problem: None,
                correlation: None,
                stale: false,
                unreadable: listing.unreadable,
                unknown: listing.unknown,
            }
        }
        Some(Err(Failed { problem, correlation })) => {
            let correlation_id = correlation.as_ref().map(Foreign::as_str);
            if before != Some(problem.label()) {
                let reason = problem.label();
                tracing::warn!(part, reason, correlation_id, "the vendor's state cannot be read");
            }
            tracing::debug!(part, %problem, correlation_id, "failed reading");
            Part { every, problem: Some(problem), correlation, stale: false, ..previous.clone() }
        }
    }
}

fn count_skipped(name: PartName, unreadable: usize) {
    if unreadable > 0 {
        tracing::debug!(part = name.label(), skipped = unreadable, "entities are skipped");
        let skipped = u64::try_from(unreadable).unwrap_or(u64::MAX);
        counter!(SKIPPED, "part" => name.label()).increment(skipped);
    }
}

fn count_unknown(name: PartName, unknown: usize) {
    if unknown > 0 {
        tracing::debug!(part = name.label(), unknown, "words of the vendor's are not known");
        let unknown = u64::try_from(unknown).unwrap_or(u64::MAX);
        counter!(UNKNOWN, "part" => name.label()).increment(unknown);
    }
}
