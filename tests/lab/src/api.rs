//! The vendor's API: client credentials, and the listings with their pages.

mod state;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Form, Query, State as Shared};
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::scenario::Faults;
use state::State;

pub(crate) use state::{EDGE_GROUP, LOCATION, TRUNK};

/// What the vendor sends where nothing is asked for.
const PAGE_SIZE: usize = 25;
/// What it sends at most.
const LARGEST_PAGE: usize = 500;
/// One id for every answer: nobody correlates anything here.
const CORRELATION: &str = "00000099-1111-4222-8333-000000000099";

/// The filters of the listings, and where the filtered field stands.
const FILTERS: &[(&str, &str)] = &[
    ("name", "/name"),
    ("site.id", "/site/id"),
    ("location.id", "/location/id"),
    ("edge.id", "/edge/id"),
    ("edgeGroup.id", "/edgeGroup/id"),
    ("trunkBase.id", "/trunkBase/id"),
    ("trunkType", "/trunkType"),
];

type Parameters = Vec<(String, String)>;

/// The API with its one client.
#[derive(Debug)]
pub(crate) struct Server {
    state: State,
    has_listed_trunks: AtomicBool,
    basic: String,
    token: String,
}

impl Server {
    /// The API for one client, which is given `token`; trunks name `registrar` as their proxy.
    pub(crate) fn new(
        faults: &Faults,
        registrar: SocketAddr,
        (client_id, client_secret): (&str, &str),
        token: String,
    ) -> Arc<Self> {
        let basic = STANDARD.encode(format!("{client_id}:{client_secret}"));
        let state = State::new(faults, registrar);
        Arc::new(Self { state, has_listed_trunks: AtomicBool::new(false), basic, token })
    }

    /// Answers until the task is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, self.router()).await
    }

    fn router(self: Arc<Self>) -> Router {
        let mut router = Router::new().route("/oauth/token", post(grant));
        for listing in Listing::ALL {
            let list = move |Shared(server): Shared<Arc<Self>>, headers, uri, query| {
                std::future::ready(server.list(listing, &headers, &uri, &query))
            };
            router = router.route(listing.path(), get(list));
        }
        router.fallback(|| std::future::ready(not_found())).with_state(self)
    }

    fn list(
        &self,
        listing: Listing,
        headers: &HeaderMap,
        uri: &Uri,
        Query(parameters): &Query<Parameters>,
    ) -> Response {
        if credential(headers, "Bearer") != Some(&self.token) {
            let message = "No authentication bearer token specified in authorization header.";
            return problem(StatusCode::UNAUTHORIZED, "authentication.required", message);
        }
        let is_later = listing == Listing::Trunks && self.has_listed_trunks.swap(true, Relaxed);
        let at_first = self.state.trunks_at_first.as_deref();
        let entities = match at_first.filter(|_| listing == Listing::Trunks && !is_later) {
            Some(at_first) => at_first,
            None => listing.entities(&self.state),
        };
        match page(listing, entities, uri.path(), parameters) {
            Some(page) => reply(StatusCode::OK, page),
            None => problem(StatusCode::BAD_REQUEST, "bad.request", "The page is no number."),
        }
    }
}

/// Answers POST /oauth/token, in the words of RFC 6749 §5.
fn grant(
    Shared(server): Shared<Arc<Server>>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> std::future::Ready<Response> {
    let refuse = |status, error: &str, description: &str| {
        let body = json!({
            "error": error, "description": description, "error_description": description,
        });
        reply(status, body)
    };
    let response = if credential(&headers, "Basic") != Some(&server.basic) {
        refuse(StatusCode::UNAUTHORIZED, "invalid_client", "authentication failed")
    } else if parameter(&form, "grant_type") != Some("client_credentials") {
        refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "use client_credentials")
    } else {
        let body = json!({
            "access_token": server.token, "token_type": "bearer", "expires_in": 86_400,
        });
        reply(StatusCode::OK, body)
    };
    std::future::ready(response)
}

/// What the API lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Edges,
    EdgeGroups,
    Trunks,
    Phones,
    Sites,
}

impl Listing {
    const ALL: [Self; 5] = [Self::Edges, Self::EdgeGroups, Self::Trunks, Self::Phones, Self::Sites];

    const fn path(self) -> &'static str {
        match self {
            Self::Edges => "/api/v2/telephony/providers/edges",
            Self::EdgeGroups => "/api/v2/telephony/providers/edges/edgegroups",
            Self::Trunks => "/api/v2/telephony/providers/edges/trunks",
            Self::Phones => "/api/v2/telephony/providers/edges/phones",
            Self::Sites => "/api/v2/telephony/providers/edges/sites",
        }
    }

    fn entities(self, state: &State) -> &[Value] {
        match self {
            Self::Edges => &state.edges,
            Self::EdgeGroups => &state.edge_groups,
            Self::Trunks => &state.trunks,
            Self::Phones => &state.phones,
            Self::Sites => &state.sites,
        }
    }
}

/// One page of a listing; `None` when the parameters do not say which.
fn page(listing: Listing, all: &[Value], path: &str, parameters: &Parameters) -> Option<Value> {
    let number = |name, default| match parameter(parameters, name) {
        Some(text) => text.parse().ok().filter(|number: &usize| *number > 0),
        None => Some(default),
    };
    let size = number("pageSize", PAGE_SIZE)?.min(LARGEST_PAGE);
    let current = number("pageNumber", 1)?;

    let matches = |entity: &&Value| {
        FILTERS.iter().all(|(name, pointer)| {
            parameter(parameters, name).is_none_or(|wanted| {
                entity.pointer(pointer).and_then(Value::as_str) == Some(wanted)
            })
        })
    };
    let found: Vec<_> = all.iter().filter(matches).collect();
    let last = found.len().div_ceil(size);
    let shown = found.iter().skip((current - 1).saturating_mul(size)).take(size);
    let entities: Vec<_> =
        shown.map(|entity| shape(listing, (*entity).clone(), parameters)).collect();

    let uri = |number: usize| format!("{path}?pageSize={size}&pageNumber={number}");
    let mut page = json!({
        "entities": entities,
        "pageSize": size,
        "pageNumber": current,
        "total": found.len(),
        "totalNumberOfEntities": found.len(),
        "pageCount": last,
        "firstUri": uri(1),
        "lastUri": uri(last.max(1)),
        "selfUri": uri(current),
    });
    if current < last {
        page["nextUri"] = json!(uri(current + 1));
    }
    if current > 1 {
        page["previousUri"] = json!(uri(current - 1));
    }
    Some(page)
}

/// Leaves out what the vendor sends only on request: a phone's status (`expand=status`).
fn shape(listing: Listing, mut entity: Value, parameters: &Parameters) -> Value {
    let is_expanded = |wanted: &str| {
        let asked = parameters.iter().filter(|(name, _)| name == "expand");
        asked.flat_map(|(_, value)| value.split(',')).any(|value| value == wanted)
    };
    if let (Listing::Phones, Some(fields)) = (listing, entity.as_object_mut()) {
        if !is_expanded("status") {
            fields.remove("status");
            fields.remove("secondaryStatus");
        }
        if !is_expanded("properties") {
            fields.remove("properties");
        }
    }
    entity
}

fn parameter<'p>(parameters: &'p Parameters, name: &str) -> Option<&'p str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The credential of this scheme in the Authorization header.
fn credential<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let (given, credential) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| credential.trim())
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not.found", "HTTP 404 Not Found")
}

/// An error in the vendor's shape, `ErrorBody`.
fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({
        "message": message,
        "code": code,
        "status": status.as_u16(),
        "contextId": CORRELATION,
        "details": [],
        "errors": [],
    });
    reply(status, body)
}

fn reply(status: StatusCode, body: Value) -> Response {
    (status, [("inin-correlation-id", CORRELATION)], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Listing, Parameters, State, page};
    use crate::scenario::Scenario;

    fn state(scenario: &str) -> State {
        let faults = &Scenario::named(scenario).unwrap().faults;
        State::new(faults, "127.0.0.5:5060".parse().unwrap())
    }

    fn ask(state: &State, listing: Listing, parameters: &[(&str, &str)]) -> Value {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters: Parameters = parameters.iter().map(owned).collect();
        page(listing, listing.entities(state), listing.path(), &parameters).unwrap()
    }

    #[test]
    fn pages_hold_each_phone_once() {
        let state = state("healthy");

        let pages = ["1", "2", "3", "4"].map(|number| {
            ask(&state, Listing::Phones, &[("pageSize", "12"), ("pageNumber", number)])
        });

        let lengths = pages.each_ref().map(|page| page["entities"].as_array().unwrap().len());
        assert_eq!(lengths, [12, 12, 6, 0]);
        assert_eq!(pages[0]["pageCount"], 3);
        assert_eq!(pages[0]["total"], 30);
        assert!(pages[1]["nextUri"].is_string());
        assert!(pages[2]["nextUri"].is_null());
    }

    #[test]
    fn a_phone_has_its_status_only_when_asked_for() {
        let state = state("healthy");

        let bare = ask(&state, Listing::Phones, &[]);
        let expanded = ask(&state, Listing::Phones, &[("expand", "status")]);

        assert!(bare["entities"][0]["status"].is_null());
        assert_eq!(expanded["entities"][0]["status"]["operationalStatus"], "OPERATIONAL");
    }

    #[test]
    fn a_group_without_edges_lists_none() {
        let ready = state("healthy");
        let empty = state("edge-group-not-ready");
        let group = ready.edge_groups[0]["id"].as_str().unwrap();

        let count = |state| ask(state, Listing::Edges, &[("edgeGroup.id", group)])["total"].clone();

        assert_eq!((count(&ready), count(&empty)), (2.into(), 0.into()));
    }

    #[test]
    fn faults_show_where_the_vendor_would_show_them() {
        let down = state("trunk-down");
        let unregistered = state("trunk-configuration");
        let offline = state("edge-offline");

        assert_eq!(down.trunks[1]["connectedStatus"]["connected"], false);
        assert_eq!(down.trunks[0]["connectedStatus"]["connected"], true);
        assert_eq!(unregistered.trunks[0]["connectedStatus"]["connected"], true);
        assert_eq!(unregistered.trunks[0]["registersStatus"][0]["registerState"], false);
        assert_eq!(offline.edges[1]["onlineStatus"], "OFFLINE");
        assert_eq!(offline.trunks[1]["enabled"], false);
    }
}
