//! Requests, held against the published API.

use std::sync::LazyLock;

use branchline::telephony::Snapshot;
use serde_json::{Value, json};

use crate::fake::{Fake, PATIENT, Seen, TOKEN, healthy};

static API: LazyLock<Value> =
    LazyLock::new(|| crate::fake::json_of(include_str!("../genesys/openapi.json")));

/// What of these requests the vendor does not publish; each in words.
pub(crate) fn undocumented(requests: &[Seen]) -> Vec<String> {
    requests.iter().filter(|seen| seen.path != TOKEN).flat_map(complaints).collect()
}

/// The words that are published for a property of a schema.
pub(crate) fn words(schema: &str, property: &str) -> Vec<String> {
    let property = &API["components"]["schemas"][schema]["properties"][property];
    let words = property["enum"].as_array().or_else(|| property["items"]["enum"].as_array());
    let words = words.unwrap_or_else(|| panic!("{schema} has no such words"));
    words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// A published schema.
pub(crate) fn schema(name: &str) -> &'static Value {
    let schema = &API["components"]["schemas"][name];
    assert!(schema.is_object(), "{name} is not published");
    schema
}

fn complaints(seen: &Seen) -> Vec<String> {
    let method = seen.method.as_str().to_lowercase();
    let Some(operation) = operation(&seen.path).and_then(|path| path.get(&method)) else {
        return vec![format!("no {method} {}", seen.path)];
    };
    let mut complaints = queries(seen, operation);
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    match (schema, seen.body.is_empty()) {
        (None, true) => {}
        (None, false) => complaints.push("a body where none is read".to_owned()),
        (Some(_), true) => complaints.push("no body".to_owned()),
        (Some(schema), false) => match serde_json::from_slice(&seen.body) {
            Ok(body) => against(&body, schema, "body", &mut complaints),
            Err(_) => complaints.push("a body that is no JSON".to_owned()),
        },
    }
    let at = |what| format!("{method} {}: {what}", seen.path);
    complaints.into_iter().map(at).collect()
}

/// The published path that this one is: the one with the fewest placeholders.
fn operation(path: &str) -> Option<&'static Value> {
    let segments: Vec<&str> = path.split('/').collect();
    let is_it = |template: &str| {
        let places: Vec<&str> = template.split('/').collect();
        places.len() == segments.len()
            && places
                .iter()
                .zip(&segments)
                .all(|(place, it)| place == it || (place.starts_with('{') && !it.is_empty()))
    };
    let paths = API["paths"].as_object().expect("paths");
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| is_it(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    found.first().map(|(_, path)| *path)
}

fn queries(seen: &Seen, operation: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let published: Vec<&Value> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["in"] == "query")
        .collect();
    for (name, value) in &seen.query {
        let Some(parameter) = published.iter().find(|it| it["name"] == name.as_str()) else {
            complaints.push(format!("no parameter {name}"));
            continue;
        };
        let schema = &parameter["schema"];
        if schema["type"] == "integer" && value.parse::<i64>().is_err() {
            complaints.push(format!("{name} is no number: {value}"));
        }
        let words = schema["enum"].as_array().or_else(|| schema["items"]["enum"].as_array());
        if words.is_some_and(|words| !words.iter().any(|word| word == value.as_str())) {
            complaints.push(format!("{name} cannot be {value}"));
        }
    }
    let is_missing = |it: &&&Value| {
        it["required"] == true && !seen.query.iter().any(|(name, _)| it["name"] == name.as_str())
    };
    complaints
        .extend(published.iter().filter(is_missing).map(|it| format!("{} is missing", it["name"])));
    complaints
}

fn against(value: &Value, schema: &Value, at: &str, complaints: &mut Vec<String>) {
    let target = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(target) = target {
        let named = API.pointer(target.trim_start_matches('#')).expect("a schema");
        return against(value, named, at, complaints);
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        complaints.push(format!("{at} cannot be {value}"));
    }
    let is_typed = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some(_) | None => true,
    };
    if !is_typed {
        complaints.push(format!("{at} is no {}", schema["type"]));
    }
    for entry in value.as_array().into_iter().flatten() {
        against(entry, &schema["items"], at, complaints);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(property), _) if property["readOnly"] == true => {
                complaints.push(format!("{at} is read-only"));
            }
            (Some(property), _) => against(member, property, &at, complaints),
            (None, Some(others)) if others.is_object() => against(member, others, &at, complaints),
            (None, Some(others)) if others == true => {}
            (None, Some(_) | None) => complaints.push(format!("{at} is not published")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            complaints.push(format!("{at}.{name} is missing"));
        }
    }
}

#[tokio::test]
async fn a_reading_sends_only_what_the_vendor_publishes() {
    let fake = Fake::start(healthy).await;
    let mut settings = fake.settings();
    settings.skip.clear();
    let poller = branchline::poller::Poller::hasty(settings, PATIENT).expect("a poller");

    poller.read(&Snapshot::default()).await;

    let seen = fake.seen();
    assert!(seen.len() > 5, "{seen:?}");
    assert_eq!(undocumented(&seen), [""; 0]);
}

#[test]
fn what_the_vendor_does_not_publish_is_noticed() {
    let seen = |method: &str, path: &str, query: &[(&str, &str)], body: &str| {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        undocumented(&[Seen {
            method: method.parse().expect("a method"),
            path: path.to_owned(),
            query: query.collect(),
            headers: axum::http::HeaderMap::new(),
            body: body.to_owned().into(),
            before: 0,
        }])
    };
    let phones = "/api/v2/telephony/providers/edges/phones";
    let query = "/api/v2/analytics/conversations/details/query";
    let interval = json!({ "interval": "a/b", "order": "asc", "paging": { "pageNumber": 1, "pageSize": 100 } });
    let made_up = json!({ "interval": "a/b", "order": "sideways", "paging": { "page": 1 } });
    let groups = "/api/v2/telephony/providers/edges/edgegroups";
    let named = json!({ "name": "Lyon", "selfUri": "/lyon" });

    assert!(seen("GET", phones, &[("expand", "status")], "").is_empty());
    assert!(seen("POST", query, &[], &interval.to_string()).is_empty());
    assert_eq!(seen("DELETE", phones, &[], "").len(), 1);
    assert_eq!(seen("GET", "/api/v2/secrets", &[], "").len(), 1);
    assert_eq!(
        seen("GET", phones, &[("expand", "all"), ("page", "1"), ("pageSize", "x")], "").len(),
        3
    );
    assert_eq!(seen("GET", "/api/v2/telephony/providers/edges/trunks/metrics", &[], "").len(), 1);
    assert_eq!(seen("GET", phones, &[], "{}").len(), 1);
    assert_eq!(seen("POST", query, &[], "").len(), 1);
    assert_eq!(seen("POST", query, &[], &made_up.to_string()).len(), 4);
    let written = seen("POST", groups, &[], &named.to_string());
    assert!(written.iter().any(|it| it.contains("selfUri is read-only")), "{written:?}");
}
