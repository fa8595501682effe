//! The API of the vendor's guide in the words of `telephony`: its paths, its fields and its words.

mod analytics;
mod audit;
mod edge;
mod fields;
mod narrowed;
mod parts;
mod phone;
mod place;
mod trunk;
mod webhook;

use std::time::Duration;

use super::reading::Asking;
use super::readings::Readings;
use crate::telephony::PartName;

pub(super) use webhook::subscribe;

const EDGES: &str = "/api/v2/telephony/providers/edges";
const EDGE_GROUPS: &str = "/api/v2/telephony/providers/edgegroups";
const EDGE_GROUP: &str = "/api/v2/telephony/providers/edgegroups/{edgeGroupId}";
const PHONES: &str = "/api/v2/telephony/providers/edgegroups/{edgeGroupId}/phones";
const DIAGNOSTICS: &str =
    "/api/v2/telephony/providers/edgegroups/{edgeGroupId}/phones/{phoneId}/diagnostics";
const TRUNKS: &str = "/api/v2/telephony/providers/edges/{edgeId}/siptrunks";
const REGISTRATIONS: &str =
    "/api/v2/telephony/providers/edges/{edgeId}/siptrunks/{sipTrunkId}/registrations";
const LOCATIONS: &str = "/api/v2/locations";
const TENANT: &str = "/api/v2/tenant";
const ANALYTICS: &str = "/api/v2/analytics/telephony/edges/query";

/// The guide names the SDK's call alone, `GetPlatformAuditLogs`; its other calls are named after
/// their paths, word by word.
const AUDIT_LOGS: &str = "/api/v2/platform/auditlogs";

/// How often a part is read; `None` where this API does not have it.
pub(super) fn pace(part: PartName, interval: Duration) -> Option<Duration> {
    match part {
        PartName::Edges
        | PartName::EdgeGroups
        | PartName::Trunks
        | PartName::TrunkSettings
        | PartName::Phones => Some(interval),
        PartName::TrunkMetrics | PartName::Changes => Some(interval.max(SLOW)),
        PartName::Locations | PartName::Organization => Some(interval.max(SLOWEST)),
        PartName::Sites | PartName::Authorities | PartName::EdgeMetrics | PartName::Quality => None,
    }
}

/// What is made of hours is read that rarely.
const SLOW: Duration = Duration::from_secs(5 * 60);

/// What rarely changes is read that rarely.
const SLOWEST: Duration = Duration::from_secs(15 * 60);

/// Reads one edge group and nothing else.
pub(super) async fn read_edge_group(asking: &Asking<'_>, link: &str) -> Readings {
    let edge_groups = asking.part(PartName::EdgeGroups, parts::edge_group(asking, link)).await;
    Readings { edge_groups, ..Readings::default() }
}

/// Reads what is wanted, and of it what belongs to the location to which the reading is narrowed.
pub(super) async fn read(asking: &Asking<'_>) -> Readings {
    let (mut readings, scope) = parts::places(asking).await;
    let previous = asking.previous;
    let asked = parts::edges_and_groups(asking, &scope, &mut readings).await;
    let edges = narrowed::known(&readings.edges, &previous.edges.items);
    let groups = narrowed::known(&readings.edge_groups, &previous.edge_groups.items);
    let locations = narrowed::known(&readings.locations, &previous.locations.items);
    let ((trunks, trunk_settings), phones, changes) = tokio::join!(
        parts::trunks(asking, &scope, edges, &asked),
        parts::phones(asking, &scope, groups),
        parts::changes(asking, &scope, locations),
    );
    let known = narrowed::known(&trunks, &previous.trunks.items);
    let trunk_metrics = parts::trunk_metrics(asking, &scope, known).await;
    parts::narrow_places(&mut readings, &scope);
    Readings { trunks, trunk_settings, phones, changes, trunk_metrics, ..readings }
}
