//! Audits: the query that answers at once, and the one that takes its time.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::listing::Cut;
use super::request::{Parameters, parameter};
use super::state::{State, id};

/// The queries that run or have run.
#[derive(Debug, Default)]
pub(super) struct Audits(BTreeMap<String, Query>);

#[derive(Debug)]
struct Query {
    body: Value,
    looks: usize,
}

/// What a query says of itself, look after look.
const STATES: [&str; 3] = ["Queued", "Running", "Succeeded"];

impl Audits {
    /// POST /api/v2/audits/query
    pub(super) fn begin(&mut self, body: Value) -> Answer {
        let id = id(97, u32::try_from(self.0.len()).unwrap_or(u32::MAX) % 9999 + 1);
        let answer = status(&id, &body, STATES[0]);
        self.0.insert(id, Query { body, looks: 0 });
        Answer { status: StatusCode::ACCEPTED, ..Answer::of(answer) }
    }

    /// GET /api/v2/audits/query/{transactionId}
    pub(super) fn look(&mut self, id: &str) -> Answer {
        let Some(query) = self.0.get_mut(id) else { return Answer::not_found() };
        query.looks += 1;
        Answer::of(status(id, &query.body, STATES[query.looks.min(STATES.len() - 1)]))
    }

    /// GET /api/v2/audits/query/{transactionId}/results
    pub(super) fn results(&self, id: &str, state: &State, parameters: &Parameters) -> Answer {
        let Some(query) = self.0.get(id).filter(|query| query.looks + 1 >= STATES.len()) else {
            return Answer::not_found();
        };
        let found = found(state, &query.body);
        let size = parameter(parameters, "pageSize").and_then(|it| it.parse().ok()).unwrap_or(25);
        let from = parameter(parameters, "cursor").and_then(|it| it.strip_prefix("after-"));
        let from: usize = from.and_then(|it| it.parse().ok()).unwrap_or(0);
        let shown: Vec<&Value> = found.iter().copied().skip(from).take(size).collect();
        let next = from + shown.len();
        let mut body = json!({ "id": id, "pageSize": size, "entities": shown });
        if next < found.len() {
            body["cursor"] = json!(format!("after-{next}"));
        }
        Answer::of(body)
    }
}

/// POST /api/v2/audits/query/realtime
pub(super) fn at_once(state: &State, body: &Value) -> Answer {
    let found = found(state, body);
    let number = |key: &str, default: u64| body[key].as_u64().unwrap_or(default);
    let size = usize::try_from(number("pageSize", 25)).unwrap_or(25).clamp(1, 500);
    let cut = Cut { size, current: usize::try_from(number("pageNumber", 1)).unwrap_or(1).max(1) };
    let shown: Vec<&Value> = cut.of(&found).copied().collect();
    Answer::of(json!({
        "entities": shown,
        "pageSize": size,
        "pageNumber": cut.current,
        "total": found.len(),
        "pageCount": found.len().div_ceil(size),
    }))
}

fn status(id: &str, body: &Value, state: &str) -> Value {
    let mut answer = json!({ "id": id, "state": state, "startDate": super::state::ago(1) });
    for key in ["interval", "serviceName", "filters", "sort"] {
        if !body[key].is_null() {
            answer[key] = body[key].clone();
        }
    }
    answer
}

/// What the query asks for: of a service, and by its filters.
fn found<'s>(state: &'s State, body: &Value) -> Vec<&'s Value> {
    let filters = body["filters"].as_array().cloned().unwrap_or_default();
    let is_meant = |change: &&Value| {
        let is_of_service =
            body["serviceName"].is_null() || change["serviceName"] == body["serviceName"];
        is_of_service
            && filters.iter().all(|filter| match filter["property"].as_str() {
                Some("EntityType") => change["entityType"] == filter["value"],
                Some("EntityId") => change["entity"]["id"] == filter["value"],
                Some("Action") => change["action"] == filter["value"],
                _ => true,
            })
    };
    state.changes.iter().filter(is_meant).collect()
}

/// GET /api/v2/audits/query/servicemapping
pub(super) fn services() -> Value {
    let entity = |name: &str| json!({ "name": name, "actions": ["Create", "Update", "Delete"] });
    let telephony = ["Edge", "EdgeGroup", "Trunk", "TrunkBase", "Phone", "Site"].map(entity);
    json!({ "services": [
        { "name": "Telephony", "entities": telephony },
        { "name": "Locations", "entities": [entity("Location")] },
    ] })
}
