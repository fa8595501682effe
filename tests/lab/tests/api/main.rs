//! The API is the vendor's: every answer is held to the published description.

mod client;
mod schema;

use std::time::Duration;

use branchline_lab::SCENARIOS;
use branchline_lab::api::{Api, Fault, Inventory, On, Profile};
use serde_json::{Value, json};

use client::{get, send, token};

const EDGES: &str = "/api/v2/telephony/providers/edges";
const PHONES: &str = "/api/v2/telephony/providers/edges/phones";

fn platform() -> Api {
    Api::start(Profile::Platform, Inventory::BRANCH).expect("loopback is there")
}

fn document() -> Value {
    let text = include_str!("../../../genesys/openapi.json");
    serde_json::from_str(text).expect("the description")
}

/// The schema with which the description answers this operation.
fn answer_of<'d>(document: &'d Value, method: &str, path: &str) -> &'d Value {
    let responses = &document["paths"][path][method.to_lowercase()]["responses"];
    let response = responses.get("200").or_else(|| responses.get("2XX"));
    let content = response.unwrap_or_else(|| panic!("{method} {path} is not published"));
    &content["content"]["application/json"]["schema"]
}

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

/// Every operation that is served: its template, and how it is asked.
fn operations(api: &Api) -> Vec<(&'static str, String, String, Value)> {
    let state = api.change(|state| state.clone());
    let one = |items: &[Value]| id(&items[0]);
    let edge = one(&state.edges);
    let trunk = one(&state.trunks);
    let conversation = state.conversations[0]["conversationId"].as_str().expect("an id").to_owned();
    let mut all = Vec::new();
    let mut get = |template: &str, filled: &str, query: &str| {
        let path = template.split('/').map(|it| if it.starts_with('{') { filled } else { it });
        let path = path.collect::<Vec<_>>().join("/");
        all.push(("GET", template.to_owned(), format!("{path}{query}"), Value::Null));
    };
    let all_status = "?expand=status&expand=properties&pageSize=100";
    for (below, filled, query) in [
        ("", "", ""),
        ("/metrics", "", &*format!("?edgeIds={edge}")),
        ("/logicalinterfaces", "", &*format!("?edgeIds={edge}")),
        ("/certificateauthorities", "", ""),
        ("/certificateauthorities/{certificateId}", &*one(&state.authorities), ""),
        ("/edgegroups", "", ""),
        ("/edgegroups/{edgeGroupId}", &*one(&state.edge_groups), ""),
        ("/trunks", "", ""),
        ("/trunks/metrics", "", &*format!("?trunkIds={trunk}")),
        ("/trunks/{trunkId}", &*trunk, ""),
        ("/trunks/{trunkId}/metrics", &*trunk, ""),
        ("/trunkbasesettings", "", "?expand=properties"),
        ("/trunkbasesettings/{trunkBaseSettingsId}", &*one(&state.trunk_settings), ""),
        ("/phones", "", all_status),
        ("/phones/{phoneId}", &*one(&state.phones), ""),
        ("/sites", "", ""),
        ("/sites/{siteId}", &*one(&state.sites), ""),
        ("/mediastatistics/conversations/{conversationId}", &*conversation, ""),
        ("/{edgeId}", &*edge, ""),
        ("/{edgeId}/metrics", &*edge, ""),
        ("/{edgeId}/logicalinterfaces", &*edge, ""),
        ("/{edgeId}/trunks", &*edge, ""),
    ] {
        get(&format!("{EDGES}{below}"), filled, query);
    }
    get("/api/v2/locations", "", "");
    get("/api/v2/locations/{locationId}", &one(&state.locations), "");
    get("/api/v2/organizations/me", "", "");
    get("/api/v2/telephony/mediaregions", "", "");
    get("/api/v2/tokens/me", "", "");
    get("/api/v2/audits/query/servicemapping", "", "");
    let interval = "2026-05-14T00:00:00Z/2026-05-15T00:00:00Z";
    let audit = json!({ "interval": interval, "serviceName": "Telephony" });
    let calls = json!({ "interval": interval, "groupBy": ["edgeId"], "metrics": ["nConnected"] });
    for (path, body) in [
        ("/api/v2/analytics/conversations/details/query", json!({ "interval": interval })),
        ("/api/v2/analytics/conversations/aggregates/query", calls),
        ("/api/v2/audits/query/realtime", audit.clone()),
        ("/api/v2/audits/query", audit),
        ("/api/v2/notifications/channels", Value::Null),
    ] {
        all.push(("POST", path.to_owned(), path.to_owned(), body));
    }
    all
}

#[test]
fn every_answer_of_the_published_api_is_as_it_is_published() {
    let (api, document) = (platform(), document());
    let token = token(&api);
    let mut faults = Vec::new();

    for scenario in SCENARIOS {
        api.play(scenario);
        for (method, template, path, body) in operations(&api) {
            let answer = send(&api, method, &path, &token, &body.to_string()).expect("an answer");

            assert!(matches!(answer.status, 200 | 202), "{method} {path}: {}", answer.head);
            let schema = answer_of(&document, method, &template);
            let wrong = schema::faults(&document, schema, &answer.json());
            let name = scenario.name;
            faults.extend(wrong.iter().map(|wrong| format!("{name} {method} {template} {wrong}")));
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn an_answer_with_an_unknown_field_a_wrong_type_or_a_strange_word_would_be_noticed() {
    for (field, value) in
        [("invented", json!(1)), ("version", json!("41")), ("onlineStatus", json!("ASLEEP"))]
    {
        let (api, document) = (platform(), document());
        api.change(|state| state.edges[0][field] = value);

        let answer = get(&api, EDGES).json();

        let faults = schema::faults(&document, answer_of(&document, "GET", EDGES), &answer);
        assert_eq!(faults.len(), 1, "{field}: {faults:?}");
    }
}

#[test]
fn an_error_is_an_error_body_and_names_the_missing_permission() {
    let (api, document) = (platform(), document());
    api.set_fault(On::Path(PHONES), Fault::Forbidden(&["telephony:plugin:all"]));

    let answer = get(&api, PHONES);

    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["messageParams"]["permissions"], "telephony:plugin:all");
    let schema = &document["components"]["schemas"]["ErrorBody"];
    assert_eq!(schema::faults(&document, schema, &answer.json()), [""; 0]);
}

#[test]
fn the_error_of_every_status_is_an_error_body() {
    let (api, document) = (platform(), document());
    let schema = &document["components"]["schemas"]["ErrorBody"];
    let mut answers = Vec::new();
    for status in [400, 404, 405, 409, 412, 413, 415, 422, 500, 501, 503, 504] {
        answers.push((status, Fault::Status(status)));
    }
    answers.push((429, Fault::Throttled(Some(2))));
    answers.push((429, Fault::Throttled(None)));
    answers.push((403, Fault::Forbidden(&[])));
    for (status, fault) in answers {
        api.set_fault(On::Path(PHONES), fault.clone());

        let answer = get(&api, PHONES);

        let body = answer.json();
        assert_eq!((answer.status, &body["status"]), (status, &json!(status)), "{fault:?}");
        assert_eq!(schema::faults(&document, schema, &body), [""; 0], "{fault:?}");
    }
    api.heal();
    for (status, answer) in [
        (401, send(&api, "GET", PHONES, "Bearer nobody", "").expect("an answer")),
        (404, get(&api, "/api/v2/invented")),
        (404, get(&api, &format!("{PHONES}/nobody"))),
        (400, get(&api, &format!("{PHONES}?pageNumber=x"))),
    ] {
        assert_eq!(answer.status, status, "{}", answer.head);
        assert_eq!(schema::faults(&document, schema, &answer.json()), [""; 0]);
    }
}

#[test]
fn an_audit_and_a_channel_are_answered_as_it_is_published_for_as_long_as_they_live() {
    let (api, document) = (platform(), document());
    let token = token(&api);
    let mut faults = Vec::new();
    let mut hold = |method: &str, template: &str, path: &str, body: &str| {
        let answer = send(&api, method, path, &token, body).expect("an answer");
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.head);
        let json = answer.json();
        let wrong = schema::faults(&document, answer_of(&document, method, template), &json);
        faults.extend(wrong.iter().map(|wrong| format!("{method} {template} {wrong}")));
        json
    };
    let audits = "/api/v2/audits/query";
    let query = json!({ "serviceName": "Telephony" }).to_string();
    let begun = send(&api, "POST", audits, &token, &query).expect("an answer").json();
    let audit = format!("{audits}/{}", id(&begun));
    let channels = "/api/v2/notifications/channels";
    let made = send(&api, "POST", channels, &token, "").expect("an answer").json();
    let channel = format!("{channels}/{}", id(&made));
    let subscriptions = format!("{channels}/{{channelId}}/subscriptions");
    let topics = json!([{ "id": "v2.telephony.providers.edges.trunks.metrics" }]).to_string();

    let states: Vec<_> = (0..2)
        .map(|_| hold("GET", &format!("{audits}/{{transactionId}}"), &audit, "")["state"].clone())
        .collect();
    let results = format!("{audits}/{{transactionId}}/results");
    hold("GET", &results, &format!("{audit}/results?pageSize=1"), "");
    hold("PUT", &subscriptions, &format!("{channel}/subscriptions"), &topics);
    hold("GET", &subscriptions, &format!("{channel}/subscriptions"), "");

    assert_eq!(states, ["Running", "Succeeded"]);
    assert_eq!(faults, [""; 0]);
    let head = send(&api, "HEAD", &channel, &token, "").expect("an answer");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let head = send(&api, "HEAD", "/api/v2/tokens/me", &token, "").expect("an answer");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn what_names_another_thing_names_one_that_is_there() {
    let api = Api::start(Profile::Platform, Inventory { edges: 50, trunks: 200, phones: 300 })
        .expect("loopback is there");
    let state = api.change(|state| state.clone());

    let has = |all: &[Value], id: &Value| all.iter().any(|it| it["id"] == *id);
    for trunk in &state.trunks {
        assert!(has(&state.edges, &trunk["edge"]["id"]), "{trunk}");
        assert!(has(&state.trunk_settings, &trunk["trunkBase"]["id"]), "{trunk}");
    }
    for phone in &state.phones {
        assert!(has(&state.sites, &phone["site"]["id"]), "{phone}");
        assert!(has(&state.edges, &phone["status"]["edge"]["id"]), "{phone}");
    }
    for edge in &state.edges {
        assert!(has(&state.edge_groups, &edge["edgeGroup"]["id"]), "{edge}");
    }
    for site in &state.sites {
        assert!(has(&state.locations, &site["location"]["id"]), "{site}");
    }
    assert_eq!((state.edges.len(), state.trunks.len(), state.phones.len()), (50, 200, 300));
}

#[test]
fn pages_hold_each_phone_once() {
    let api = platform();

    let pages = [1, 2, 3]
        .map(|number| get(&api, &format!("{PHONES}?pageSize=12&pageNumber={number}")).json());

    let mut ids: Vec<_> = pages
        .iter()
        .flat_map(|page| page["entities"].as_array().expect("a list"))
        .map(id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    assert_eq!(pages[0]["pageCount"], 3);
    assert!(pages[2]["nextUri"].is_null());
}

#[test]
fn a_phone_has_its_status_only_when_asked_for() {
    let api = platform();

    let bare = get(&api, PHONES).json();
    let expanded = get(&api, &format!("{PHONES}?expand=status")).json();

    assert!(bare["entities"][0]["status"].is_null());
    assert_eq!(expanded["entities"][0]["status"]["operationalStatus"], "OPERATIONAL");
}

#[test]
fn an_audit_is_queued_and_runs_before_it_has_results_page_by_page() {
    let api = platform();
    let token = token(&api);
    let query = json!({ "serviceName": "Telephony" }).to_string();
    let path = "/api/v2/audits/query";
    let begun = send(&api, "POST", path, &token, &query).expect("an answer").json();
    let path = format!("{path}/{}", begun["id"].as_str().expect("an id"));

    let early = get(&api, &format!("{path}/results")).status;
    let states = [0; 2].map(|_| get(&api, &path).json()["state"].clone());
    let first = get(&api, &format!("{path}/results?pageSize=1")).json();
    let cursor = first["cursor"].as_str().expect("a cursor");
    let second = get(&api, &format!("{path}/results?pageSize=1&cursor={cursor}")).json();

    assert_eq!((early, begun["state"].as_str()), (404, Some("Queued")));
    assert_eq!(states, ["Running", "Succeeded"]);
    assert_ne!(first["entities"][0]["id"], second["entities"][0]["id"]);
    assert!(second["cursor"].is_null());
}

#[test]
fn each_fault_of_the_body_is_played() {
    let api = platform();
    let play = |fault| {
        api.set_fault(On::Path(EDGES), fault);
        get(&api, EDGES)
    };
    let is_json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).is_ok();

    assert!(!is_json(&play(Fault::Truncated).body));
    let oversized = play(Fault::Oversized(9_000_000));
    assert!(oversized.body.len() > 9_000_000 && is_json(&oversized.body));
    assert_eq!(play(Fault::Html).header("content-type"), Some("text/html"));
    assert_eq!(play(Fault::WrongTypes).json()["entities"][0]["name"], 7);
    assert!(play(Fault::Deep).body.iter().all(|it| *it == b'['));
    let bomb = play(Fault::GzipBomb);
    assert_eq!((bomb.header("content-encoding"), &bomb.body[..2]), (Some("gzip"), &[31, 139][..]));
    assert!(bomb.body.len() < 1_000_000);
    let elsewhere = play(Fault::NextUriElsewhere("http://203.0.113.9".to_owned())).json();
    assert!(elsewhere["nextUri"].as_str().expect("a link").starts_with("http://203.0.113.9/"));
    assert!(elsewhere["pageCount"].is_null());
    api.heal();
    assert_eq!(get(&api, EDGES).json()["total"], 3);
}

#[test]
fn each_status_is_played_on_one_operation_and_leaves_the_others_alone() {
    let api = platform();
    for status in [404, 409, 412, 422, 500, 503] {
        api.set_fault(On::Path(PHONES), Fault::Status(status));

        assert_eq!(get(&api, PHONES).status, status);
        assert_eq!(get(&api, EDGES).status, 200);
    }
}

#[test]
fn throttling_tells_when_to_come_back_or_does_not_and_ends_when_it_should() {
    let api = platform();
    api.set_fault_times(On::Everything, Fault::Throttled(Some(2)), 1);

    let throttled = get(&api, EDGES);
    let right = get(&api, EDGES);
    api.set_fault(On::Everything, Fault::Throttled(None));
    let silent = get(&api, EDGES);

    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("2")));
    assert_eq!((right.status, right.header("inin-ratelimit-allowed")), (200, Some("300")));
    assert_eq!((silent.status, silent.header("retry-after")), (429, None));
}

#[test]
fn a_token_is_revoked_in_the_middle_of_the_pages_and_the_next_one_holds() {
    let api = platform();
    let token = token(&api);
    api.set_fault(On::Path(PHONES), Fault::RevokedAtPage(2));
    let page = |number, token: &str| {
        let path = format!("{PHONES}?pageSize=10&pageNumber={number}");
        send(&api, "GET", &path, token, "").expect("an answer").status
    };

    let statuses = [page(1, &token), page(2, &token), page(2, &token)];

    assert_eq!(statuses, [200, 401, 401]);
    assert_eq!(page(2, &client::token(&api)), 200);
}

#[test]
fn pages_repeat_or_shrink() {
    let api = platform();
    let page = |number| get(&api, &format!("{PHONES}?pageSize=10&pageNumber={number}")).json();
    api.set_fault(On::Path(PHONES), Fault::PagesRepeat);
    assert_eq!(page(1)["entities"], page(2)["entities"]);

    api.set_fault(On::Path(PHONES), Fault::PagesShrink);

    assert_eq!((page(1)["total"].clone(), page(2)["total"].clone()), (30.into(), 1.into()));
}

#[test]
fn a_connection_is_reset_and_not_just_closed() {
    let api = platform();
    let token = token(&api);
    api.set_fault(On::Everything, Fault::Reset);

    let error = send(&api, "GET", EDGES, &token, "").map(|it| it.status).unwrap_err();

    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_short_token_says_so_and_ends() {
    let api = platform();
    api.set_fault(On::Everything, Fault::ShortToken(Duration::ZERO));

    assert_eq!(get(&api, EDGES).status, 401);
}

#[test]
fn the_guide_tells_the_same_in_its_own_words() {
    let api = Api::start(Profile::Guide, Inventory::BRANCH).expect("loopback is there");
    let groups = "/api/v2/telephony/providers/edgegroups";
    api.change(|state| state.polls_until_ready = 7);

    let words: Vec<_> =
        (0..8).map(|_| get(&api, groups).json()["entities"][0]["status"].clone()).collect();
    let edges = get(&api, &format!("{EDGES}?page=1&pageSize=2")).json();
    let group = id(&get(&api, groups).json()["entities"][0]);
    let phones = get(&api, &format!("{groups}/{group}/phones?pageSize=100")).json();
    let edge = id(&edges["entities"][0]);
    let trunk = get(&api, &format!("{EDGES}/{edge}/siptrunks")).json()["entities"][0].clone();
    let path = format!("{EDGES}/{edge}/siptrunks/{}/registrations", id(&trunk));
    let registration = get(&api, &path).json()["entities"][0].clone();

    assert_eq!((&words[0], &words[1]), (&json!("PENDING"), &json!("PENDING")));
    assert_eq!((&words[2], &words[7]), (&json!("CONFIGURING"), &json!("ACTIVE")));
    assert_eq!(edges["entities"][0]["status"], "available");
    assert_eq!(
        (&edges["page"], &edges["pageSize"], &edges["total"]),
        (&1.into(), &2.into(), &3.into())
    );
    assert_eq!(phones["entities"][0]["provisioningState"], "ACTIVE");
    assert_eq!(registration["status"], "registered");
}

#[test]
fn the_guides_webhook_is_there_the_second_time() {
    let api = Api::start(Profile::Guide, Inventory::BRANCH).expect("loopback is there");
    let token = token(&api);
    let body = json!({ "callbackUrl": "https://a.example", "subscription": {} }).to_string();

    let statuses = [0; 2]
        .map(|_| send(&api, "POST", "/api/v2/webhooks", &token, &body).expect("an answer").status);

    assert_eq!(statuses, [201, 409]);
}
