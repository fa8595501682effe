//! The published API: which operation is answered with what.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::listing::{Listing, page};
use super::request::{Parameters, Request, parameter};
use super::server::Server;
use super::state::{State, ago, id, records, trunk};
use super::{audits, held};

/// Answers one request, whose token is good.
pub(super) fn answer(server: &Server, request: &Request, query: &Parameters) -> Answer {
    let segments: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let ["api", "v2", rest @ ..] = segments.as_slice() else { return Answer::not_found() };
    let method = request.method.as_str();
    match (method, rest) {
        ("GET", ["telephony", "providers", "edges", rest @ ..]) => {
            edges(server, rest, &request.path, query)
        }
        (_, ["notifications", "channels", rest @ ..]) => {
            server.channels.answer(method, rest, &request.json(), server.address())
        }
        (_, ["audits", "query", rest @ ..]) => audit(server, method, rest, request, query),
        ("GET" | "HEAD" | "DELETE", ["tokens", "me"]) => token(server, method),
        _ => {
            let state = held(&server.state);
            match (method, rest) {
                ("GET", ["locations"]) => {
                    listed(Listing::Locations, &state.locations, &request.path, query)
                }
                ("GET", ["locations", id]) => one(&state.locations, id),
                ("GET", ["organizations", "me"]) => Answer::of(state.organization.clone()),
                ("GET", ["telephony", "mediaregions"]) => Answer::of(state.media_regions.clone()),
                ("POST", ["analytics", "conversations", "details", "query"]) => {
                    details(&state, &request.json())
                }
                ("POST", ["analytics", "conversations", "aggregates", "query"]) => {
                    aggregates(&state, &request.json())
                }
                _ => Answer::not_found(),
            }
        }
    }
}

fn edges(server: &Server, rest: &[&str], path: &str, query: &Parameters) -> Answer {
    let mut state = held(&server.state);
    if rest == ["trunks"]
        && let Some(at_first) = state.trunks_at_first.take()
    {
        return listed(Listing::Trunks, &at_first, path, query);
    }
    let list = |listing, items: &[Value]| listed(listing, items, path, query);
    let state = &*state;
    match rest {
        [] => list(Listing::Edges, &state.edges),
        ["metrics"] => several(&state.edges, query, "edgeIds", records::load),
        ["logicalinterfaces"] => match asked(&state.edges, query, "edgeIds") {
            Some(edges) => {
                let interfaces: Vec<_> = edges.into_iter().map(records::interface).collect();
                list(Listing::Interfaces, &interfaces)
            }
            None => Answer::bad_request("edgeIds is required."),
        },
        ["certificateauthorities"] => list(Listing::Authorities, &state.authorities),
        ["certificateauthorities", id] => one(&state.authorities, id),
        ["edgegroups"] => list(Listing::EdgeGroups, &state.edge_groups),
        ["edgegroups", id] => one(&state.edge_groups, id),
        ["trunks"] => list(Listing::Trunks, &state.trunks),
        ["trunks", "metrics"] => several(&state.trunks, query, "trunkIds", trunk::metrics),
        ["trunks", id] => one(&state.trunks, id),
        ["trunks", id, "metrics"] => Answer::found(found(&state.trunks, id).map(trunk::metrics)),
        ["trunkbasesettings"] => list(Listing::TrunkSettings, &state.trunk_settings),
        ["trunkbasesettings", id] => one(&state.trunk_settings, id),
        ["phones"] => list(Listing::Phones, &state.phones),
        ["phones", id] => one(&state.phones, id),
        ["sites"] => list(Listing::Sites, &state.sites),
        ["sites", id] => one(&state.sites, id),
        ["mediastatistics", "conversations", id] => {
            let is_it = |it: &&Value| it["conversationId"] == **id;
            Answer::found(state.conversations.iter().find(is_it).map(records::media))
        }
        [id] => one(&state.edges, id),
        [id, "metrics"] => Answer::found(found(&state.edges, id).map(records::load)),
        [id, "logicalinterfaces"] => match found(&state.edges, id) {
            Some(edge) => list(Listing::Interfaces, &[records::interface(edge)]),
            None => Answer::not_found(),
        },
        [id, "trunks"] => {
            let is_on = |trunk: &&Value| trunk["edge"]["id"] == **id;
            let trunks: Vec<_> = state.trunks.iter().filter(is_on).cloned().collect();
            list(Listing::Trunks, &trunks)
        }
        _ => Answer::not_found(),
    }
}

fn listed(listing: Listing, all: &[Value], path: &str, query: &Parameters) -> Answer {
    match page(listing, all, path, query) {
        Some(page) => Answer::of(page),
        None => Answer::bad_request("The page is no number."),
    }
}

fn found<'v>(all: &'v [Value], id: &str) -> Option<&'v Value> {
    all.iter().find(|entity| entity["id"] == *id)
}

fn one(all: &[Value], id: &str) -> Answer {
    Answer::found(found(all, id).cloned())
}

/// The things that the parameter names, separated by commas; `None` where it is missing.
fn asked<'v>(all: &'v [Value], query: &Parameters, key: &str) -> Option<Vec<&'v Value>> {
    let ids = parameter(query, key).filter(|ids| !ids.is_empty())?;
    Some(ids.split(',').filter_map(|id| found(all, id)).collect())
}

fn several(all: &[Value], query: &Parameters, key: &str, of: fn(&Value) -> Value) -> Answer {
    match asked(all, query, key) {
        Some(things) => Answer::of(things.into_iter().map(of).collect()),
        None => Answer::bad_request(&format!("{key} is required.")),
    }
}

fn audit(
    server: &Server,
    method: &str,
    rest: &[&str],
    request: &Request,
    query: &Parameters,
) -> Answer {
    match (method, rest) {
        ("POST", []) => held(&server.audits).begin(request.json()),
        ("POST", ["realtime"]) => audits::at_once(&held(&server.state), &request.json()),
        ("GET", ["servicemapping"] | ["realtime", "servicemapping"]) => {
            Answer::of(audits::services())
        }
        ("GET", [id]) => held(&server.audits).look(id),
        ("GET", [id, "results"]) => held(&server.audits).results(id, &held(&server.state), query),
        _ => Answer::not_found(),
    }
}

fn token(server: &Server, method: &str) -> Answer {
    if method == "DELETE" {
        held(&server.tokens).revoke();
    }
    if method != "GET" {
        return Answer::empty(StatusCode::OK);
    }
    let organization = json!({ "id": id(1, 1), "name": "Example Org" });
    Answer::of(json!({
        "organization": organization,
        "homeOrganization": organization,
        "authorizedScope": [],
        "dateTokenIdles": ago(0),
        "OAuthClient": {
            "id": id(2, 1),
            "name": "branch-probe",
            "authorizedGrantType": "CLIENT-CREDENTIALS",
            "state": "active",
            "organization": organization,
        },
    }))
}

/// The conversations over the edges that are asked for, and worse than the limit.
fn details(state: &State, body: &Value) -> Answer {
    let edges = values(&body["segmentFilters"], "edgeId");
    let limit = predicates(&body["conversationFilters"])
        .into_iter()
        .find_map(|predicate| predicate["range"]["lt"].as_f64());
    let is_meant = |conversation: &&Value| {
        let mos = conversation["mediaStatsMinConversationMos"].as_f64();
        let edge = &conversation["participants"][0]["sessions"][0]["edgeId"];
        let is_over = edge.as_str().is_some_and(|edge| edges.iter().any(|it| it == edge));
        limit.is_none_or(|limit| mos.is_some_and(|mos| mos < limit))
            && (edges.is_empty() || is_over)
    };
    let found: Vec<_> = state.conversations.iter().filter(is_meant).collect();
    let number = |key: &str, default| body["paging"][key].as_u64().unwrap_or(default);
    let size = usize::try_from(number("pageSize", 25)).unwrap_or(25).clamp(1, 100);
    let before = usize::try_from(number("pageNumber", 1)).unwrap_or(1).saturating_sub(1) * size;
    let shown: Vec<_> = found.iter().skip(before).take(size).collect();
    let mut answer = json!({ "totalHits": found.len() });
    // The vendor leaves out what is empty.
    if !shown.is_empty() {
        answer["conversations"] = json!(shown);
    }
    Answer::of(answer)
}

/// How many conversations each edge had.
fn aggregates(state: &State, body: &Value) -> Answer {
    let edges = values(&body["filter"], "edgeId");
    let names: Vec<&str> =
        body["metrics"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let results: Vec<_> = state
        .calls
        .iter()
        .filter(|(edge, _)| edges.is_empty() || edges.contains(edge))
        .map(|(edge, count)| {
            let metric = |name: &&str| {
                let count = if *name == "nError" { 0 } else { *count };
                json!({ "metric": name, "stats": { "count": count } })
            };
            let metrics: Vec<_> = names.iter().map(metric).collect();
            json!({
                "group": { "mediaType": "voice", "edgeId": edge },
                "data": [{ "interval": body["interval"], "metrics": metrics }],
            })
        })
        .collect();
    Answer::of(json!({ "results": results }))
}

/// All predicates within a filter or a list of filters.
fn predicates(filter: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let filters: Vec<&Value> = match filter {
        Value::Array(filters) => filters.iter().collect(),
        Value::Object(_) => vec![filter],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for filter in filters {
        found.extend(filter["predicates"].as_array().into_iter().flatten());
        found.extend(predicates(&filter["clauses"]));
    }
    found
}

fn values(filter: &Value, dimension: &str) -> Vec<String> {
    let is_it = |predicate: &&Value| predicate["dimension"] == *dimension;
    let of = |predicate: &Value| predicate["value"].as_str().map(str::to_owned);
    predicates(filter).into_iter().filter(is_it).filter_map(of).collect()
}
