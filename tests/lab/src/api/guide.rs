//! The API of the vendor's guide, told from the same state in the guide's words.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::held;
use super::listing::Cut;
use super::request::{Parameters, Request, parameter};
use super::server::Server;
use super::state::{LOCATION, State, ago, id};

/// Answers one request, whose token is good.
pub(super) fn answer(server: &Server, request: &Request, query: &Parameters) -> Answer {
    let segments: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let ["api", "v2", rest @ ..] = segments.as_slice() else { return Answer::not_found() };
    if let ("POST", ["webhooks"]) = (request.method.as_str(), rest) {
        return subscribe(server, &request.json());
    }
    let mut state = held(&server.state);
    match (request.method.as_str(), rest) {
        ("GET", ["telephony", "providers", "edgegroups", rest @ ..]) => {
            groups(&mut state, rest, query)
        }
        ("GET", ["telephony", "providers", "edges", rest @ ..]) => edges(&state, rest, query),
        ("GET", ["locations"]) => {
            let all: Vec<_> = state.locations.iter().map(location).collect();
            numbered(&all, query)
        }
        ("GET", ["locations", id]) => Answer::found(found(&state.locations, id).map(location)),
        ("GET", ["tenant"]) => Answer::of(json!({
            "id": state.organization["id"],
            "name": state.organization["name"],
            "defaultRegion": state.media_regions["awsHomeRegion"],
        })),
        ("GET", ["platform", "auditlogs"]) => audit_logs(&state, query),
        ("POST", ["analytics", "telephony", "edges", "query"]) => {
            hours(&state, &request.json(), &request.path, query)
        }
        _ => Answer::not_found(),
    }
}

fn found<'v>(all: &'v [Value], id: &str) -> Option<&'v Value> {
    all.iter().find(|entity| entity["id"] == *id)
}

/// A page of the edges' and trunks' kind: `page`, `pageSize`, `total` and nothing else.
fn paged(all: &[Value], query: &Parameters) -> Answer {
    let Some(cut) = Cut::read(query, "page") else {
        return Answer::bad_request("The page is no number.");
    };
    let entities: Vec<_> = cut.of(all).collect();
    Answer::of(json!({
        "entities": entities, "page": cut.current, "pageSize": cut.size, "total": all.len(),
    }))
}

/// A page of the others' kind.
fn numbered(all: &[Value], query: &Parameters) -> Answer {
    let Some(cut) = Cut::read(query, "pageNumber") else {
        return Answer::bad_request("The page is no number.");
    };
    let entities: Vec<_> = cut.of(all).collect();
    Answer::of(json!({
        "entities": entities,
        "pageNumber": cut.current,
        "pageSize": cut.size,
        "pageCount": all.len().div_ceil(cut.size),
        "total": all.len(),
    }))
}

fn edges(state: &State, rest: &[&str], query: &Parameters) -> Answer {
    match rest {
        [] => {
            let all: Vec<_> = state.edges.iter().map(edge).collect();
            let is_meant = |edge: &Value| {
                [("locationId", "locationId"), ("regionId", "regionId"), ("status", "status")]
                    .iter()
                    .all(|(name, key)| {
                        parameter(query, name).is_none_or(|wanted| edge[*key] == *wanted)
                    })
            };
            let all: Vec<_> = all.into_iter().filter(is_meant).collect();
            paged(&all, query)
        }
        [id] => Answer::found(found(&state.edges, id).map(edge)),
        [id, "siptrunks"] if found(&state.edges, id).is_some() => {
            let is_on = |trunk: &&Value| trunk["edge"]["id"] == **id && is_external(trunk);
            let all: Vec<_> = state.trunks.iter().filter(is_on).map(trunk).collect();
            paged(&all, query)
        }
        [_, "siptrunks", id] => Answer::found(found(&state.trunks, id).map(trunk)),
        [edge, "siptrunks", id, "registrations"] => {
            let trunk = found(&state.trunks, id).filter(|trunk| trunk["edge"]["id"] == **edge);
            Answer::found(trunk.map(registrations))
        }
        _ => Answer::not_found(),
    }
}

fn is_external(trunk: &Value) -> bool {
    trunk["trunkType"] == "EXTERNAL"
}

fn edge(edge: &Value) -> Value {
    let is_up = edge["onlineStatus"] == "ONLINE";
    json!({
        "id": edge["id"],
        "name": edge["name"],
        "type": "sip",
        "status": if is_up { "available" } else { "unavailable" },
        "regionId": "eu-west-1",
        "locationId": edge["site"]["location"]["id"],
        "codecs": ["G711", "G729", "OPUS"],
        "links": {},
    })
}

fn trunk(trunk: &Value) -> Value {
    let proxy = trunk["proxyAddressList"][0].as_str().unwrap_or_default();
    json!({
        "id": trunk["id"],
        "name": trunk["name"],
        "type": "sip",
        "sipUri": format!("sip:trunk@{proxy}"),
        "enabled": trunk["inService"],
        "registrationEnabled": trunk["registersEnabledStatus"] == "ENABLED",
        "outboundProxyEnabled": true,
        "codecs": ["G711", "OPUS"],
        "natTraversal": { "enabled": true, "stunServer": "stun.mypurecloud.com" },
        "tlsSettings": { "enabled": false },
        "_version": 1,
    })
}

fn registrations(trunk: &Value) -> Value {
    let proxy = |status: &Value| {
        let is_registered = status["registerState"] == true;
        let mut registration = json!({
            "sipUri": format!("sip:trunk@{}", status["proxyAddress"].as_str().unwrap_or_default()),
            "status": if is_registered { "registered" } else { "unregistered" },
            "lastRegistrationTime": status["registerStateTime"],
        });
        if !is_registered {
            registration["reason"] = status["errorInfo"]["text"].clone();
        }
        registration
    };
    let all: Vec<_> =
        trunk["registersStatus"].as_array().into_iter().flatten().map(proxy).collect();
    json!({ "entities": all, "page": 1, "pageSize": 25, "total": all.len() })
}

fn groups(state: &mut State, rest: &[&str], query: &Parameters) -> Answer {
    match rest {
        [] => {
            let all: Vec<_> = state.edge_groups.iter().map(|it| group(state, it)).collect();
            state.polls_until_ready = state.polls_until_ready.saturating_sub(1);
            numbered(&all, query)
        }
        [id] => {
            let answer = Answer::found(found(&state.edge_groups, id).map(|it| group(state, it)));
            state.polls_until_ready = state.polls_until_ready.saturating_sub(1);
            answer
        }
        [id, "phones"] if found(&state.edge_groups, id).is_some() => {
            let all: Vec<_> = state.phones.iter().map(phone).collect();
            numbered(&all, query)
        }
        [_, "phones", id] => Answer::found(found(&state.phones, id).map(phone)),
        [_, "phones", id, "diagnostics"] => Answer::found(found(&state.phones, id).map(diagnosis)),
        _ => Answer::not_found(),
    }
}

fn group(state: &State, group: &Value) -> Value {
    let members: Vec<_> =
        state.edges.iter().filter(|edge| edge["edgeGroup"]["id"] == group["id"]).collect();
    let status = match state.polls_until_ready {
        0 if !members.is_empty() => "ACTIVE",
        0..=5 => "CONFIGURING",
        _ => "PENDING",
    };
    let member = |place: usize| {
        members.get(place).map(|edge| json!({ "id": edge["id"], "name": edge["name"] }))
    };
    let name = group["name"].as_str().unwrap_or_default();
    json!({
        "id": group["id"],
        "name": group["name"],
        "type": "Standard",
        "edgeGroupType": "Standard",
        "status": status,
        "provisioningUrl": format!("https://{name}.genesyscloud.com/provisioning"),
        "primaryEdge": member(0),
        "secondaryEdge": member(1),
    })
}

fn phone(phone: &Value) -> Value {
    let has_failed = !phone["status"]["provision"]["errorInfo"].is_null();
    let state = match phone["status"]["operationalStatus"].as_str() {
        Some("OPERATIONAL") => "ACTIVE",
        Some("OFFLINE") if has_failed => "FAILED",
        Some("DEGRADED") => "PROVISIONING",
        _ => "PENDING",
    };
    json!({
        "id": phone["id"],
        "name": phone["name"],
        "mac": phone["properties"]["phone_hardwareId"]["value"]["instance"],
        "model": phone["phoneMetaBase"]["name"],
        "provisioningState": state,
    })
}

fn diagnosis(phone: &Value) -> Value {
    let error = &phone["status"]["provision"]["errorInfo"];
    let failures = if error.is_null() {
        json!([])
    } else {
        json!([{ "code": error["code"], "message": error["text"] }])
    };
    json!({ "id": phone["id"], "failures": failures })
}

fn location(location: &Value) -> Value {
    let is_ours = location["name"] == LOCATION;
    let ports = json!([5060, 5061, 5080, 5081]);
    let host =
        |name: &str, port: u16| json!({ "host": format!("{name}.example.com"), "port": port });
    json!({
        "id": location["id"],
        "name": location["name"],
        "region": if is_ours { "eu-west-1" } else { "eu-central-1" },
        "status": "active",
        "sip": { "ports": ports },
        "media": {
            "sip": { "ports": ports },
            "proxy": host("media-proxy", 5060),
            "stun": host("stun", 3478),
            "turn": host("turn", 3478),
        },
        "ipAddressAllowlist": ["10.0.0.0/8", "127.0.0.0/8"],
        "selfUri": location["selfUri"],
    })
}

fn audit_logs(state: &State, query: &Parameters) -> Answer {
    let is_meant = |change: &&Value| {
        let entity = parameter(query, "entityId");
        let kind = parameter(query, "entityType");
        entity.is_none_or(|id| change["entity"]["id"] == *id)
            && kind.is_none_or(|kind| {
                change["entityType"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(kind))
            })
    };
    let entry = |change: &Value| {
        let property = &change["propertyChanges"][0];
        json!({
            "id": change["id"],
            "timestamp": change["eventDate"],
            "action": change["action"],
            "actor": { "id": change["user"]["id"] },
            "entityType": "location",
            "entityId": change["entity"]["id"],
            "changes": [{
                "field": property["property"],
                "oldValue": property["oldValues"][0],
                "newValue": property["newValues"][0],
            }],
        })
    };
    let all: Vec<_> = state.changes.iter().filter(is_meant).map(entry).collect();
    numbered(&all, query)
}

/// How many trunks a page of the hours tells of.
const TRUNKS_OF_A_PAGE: usize = 100;

/// What the trunks carried in the last hour, page by page as `nextUri` leads on.
fn hours(state: &State, body: &Value, path: &str, query: &Parameters) -> Answer {
    let trunks: Vec<_> = state.trunks.iter().filter(|trunk| is_external(trunk)).collect();
    let Some(cut) = Cut::read(query, "pageNumber") else {
        return Answer::bad_request("The page is no number.");
    };
    let cut = Cut { size: TRUNKS_OF_A_PAGE, ..cut };
    let hour = |trunk: &&Value| {
        json!({
            "group": { "edgeId": trunk["edge"]["id"], "sipTrunkId": trunk["id"] },
            "startDate": ago(3600),
            "metrics": [
                { "name": "setupSuccess", "unit": "percent", "value": 99.2 },
                { "name": "jitter", "unit": "milliseconds", "value": 4.5 },
                { "name": "utilization", "unit": "percent", "value": 31.0 },
                { "name": "peakCalls", "unit": "calls", "value": 12 },
            ],
        })
    };
    let results: Vec<_> = cut.of(&trunks).map(hour).collect();
    let mut answer = json!({ "interval": body["interval"], "results": results });
    if cut.current * cut.size < trunks.len() {
        answer["nextUri"] = json!(format!("{path}?pageNumber={}", cut.current + 1));
    }
    Answer::of(answer)
}

/// The webhook is made once; the second time it is there.
fn subscribe(server: &Server, body: &Value) -> Answer {
    if !body["callbackUrl"].is_string() {
        return Answer::bad_request("callbackUrl is required.");
    }
    let mut webhooks = held(&server.webhooks);
    if webhooks.iter().any(|it| it["subscription"] == body["subscription"]) {
        let message = "A webhook for this subscription exists.";
        return Answer::problem(StatusCode::CONFLICT, "conflict", message);
    }
    webhooks.push(body.clone());
    let mut answer = body.clone();
    answer["id"] = json!(id(94, 1));
    Answer { status: StatusCode::CREATED, ..Answer::of(answer) }
}
