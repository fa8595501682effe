//! One edge, trunk or phone by its id.

use branchline_probes::Foreign;
use serde_json::Value;

use super::{PHONES, PHONES_QUERY, edge, phone, trunk};
use crate::poller::failed::Failed;
use crate::poller::page::Decoded;
use crate::poller::path::Path;
use crate::poller::reading::Asking;
use crate::telephony::{Edge, Phone, Trunk};

const EDGE: &str = "/api/v2/telephony/providers/edges/{edgeId}";
const TRUNK: &str = "/api/v2/telephony/providers/edges/trunks/{trunkId}";
const PHONE: &str = "/api/v2/telephony/providers/edges/phones/{phoneId}";

pub(in crate::poller) async fn edge(
    asking: &Asking<'_>,
    id: &Foreign,
) -> Result<Decoded<Edge>, Failed> {
    let body = asking.one(Path::of(EDGE, &[id.as_str()]), &[]).await?;
    Ok(edge::edge(body.value, asking.begun))
}

pub(in crate::poller) async fn trunk(
    asking: &Asking<'_>,
    id: &Foreign,
) -> Result<Decoded<Trunk>, Failed> {
    let body = asking.one(Path::of(TRUNK, &[id.as_str()]), &[]).await?;
    Ok(trunk::trunk(body.value, asking.begun))
}

/// The vendor does not publish whether a phone that is read alone carries its status; a listing
/// does where it is asked to, and one can be narrowed by name.
pub(in crate::poller) async fn phone(
    asking: &Asking<'_>,
    id: &Foreign,
) -> Result<Decoded<Phone>, Failed> {
    let body = asking.one(Path::of(PHONE, &[id.as_str()]), &[]).await?;
    if body.get("status").is_some_and(Value::is_object) {
        return Ok(phone::phone(body.value, asking.begun));
    }
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Ok(Decoded::Unreadable);
    };
    let query = [PHONES_QUERY, &[("name", name)]].concat();
    let namesakes = asking.list(PHONES, &query, phone::phone).await?;
    let found = namesakes.items.into_iter().find(|phone| phone.reference.id == *id);
    Ok(found.map_or(Decoded::Unreadable, Decoded::Item))
}
