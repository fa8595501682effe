//! Requests held against the published API: every path, method, parameter and body.

use std::sync::LazyLock;

use serde_json::Value;

use crate::fake::{Seen, json_of};

static API: LazyLock<Value> = LazyLock::new(|| json_of(include_str!("../genesys/openapi.json")));

/// A schema of the published API.
pub(crate) fn schema(name: &str) -> &'static Value {
    let schema = &API["components"]["schemas"][name];
    assert!(schema.is_object(), "{name} is no schema");
    schema
}

/// The words that are published for a property.
pub(crate) fn words(schema_name: &str, property: &str) -> Vec<String> {
    let property = &schema(schema_name)["properties"][property];
    let listed = property.get("enum").or_else(|| property["items"].get("enum"));
    let listed = listed.and_then(Value::as_array).expect("an enum");
    listed.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// What is wrong with a request; nothing where it is one that the API publishes.
pub(crate) fn faults(seen: &Seen) -> Vec<String> {
    let method = seen.method.as_str().to_ascii_lowercase();
    let paths = API["paths"].as_object().expect("paths");
    let is_at = |template: &str| {
        let (template, path) = (template.split('/'), seen.path.split('/'));
        template.clone().count() == path.clone().count()
            && template
                .zip(path)
                .all(|(part, is)| part == is || (part.starts_with('{') && !is.is_empty()))
    };
    // A path without a placeholder in this place goes before one with.
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| is_at(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    let Some((_, operation)) = found.first().map(|(at, of)| (at, &of[&method])) else {
        return vec![format!("{} is no path", seen.path)];
    };
    if operation.is_null() {
        return vec![format!("{method} {} is no operation", seen.path)];
    }
    let mut faults = Vec::new();
    let none = Vec::new();
    let parameters = operation["parameters"].as_array().unwrap_or(&none);
    let parameters = || parameters.iter().filter(|it| it["in"] == "query");
    for (name, value) in &seen.query {
        let Some(parameter) = parameters().find(|it| it["name"] == name.as_str()) else {
            faults.push(format!("{}?{name} is no parameter", seen.path));
            continue;
        };
        let schema = &parameter["schema"];
        let words = schema.get("enum").or_else(|| schema["items"].get("enum"));
        let is_word = |words: &Vec<Value>| words.iter().any(|it| it == value.as_str());
        if words.and_then(Value::as_array).is_some_and(|words| !is_word(words)) {
            faults.push(format!("{}?{name} cannot be {value}", seen.path));
        }
    }
    let has = |name: &Value| seen.query.iter().any(|(sent, _)| name == sent.as_str());
    for missing in parameters().filter(|it| it["required"] == true && !has(&it["name"])) {
        faults.push(format!("{}?{} is missing", seen.path, missing["name"]));
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    match (body.is_object(), seen.body.is_empty()) {
        (true, false) => {
            let sent = serde_json::from_slice(&seen.body).expect("JSON");
            check(&sent, body, &seen.path, &mut faults);
        }
        (false, true) => {}
        (true, true) => faults.push(format!("{} needs a body", seen.path)),
        (false, false) => faults.push(format!("{} takes no body", seen.path)),
    }
    faults
}

/// What is written has only what the schema has, of its types and words, all that is required,
/// and nothing that is read-only.
pub(crate) fn check(value: &Value, schema: &Value, at: &str, faults: &mut Vec<String>) {
    let reference = schema.get("$ref").or_else(|| schema["allOf"].get(0)?.get("$ref"));
    if let Some(reference) = reference.and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return check(value, self::schema(name), at, faults);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        faults.push(format!("{at} cannot be {value}"));
    }
    let is_of_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some(_) | None => true,
    };
    if !is_of_type {
        faults.push(format!("{at} is no {}: {value}", schema["type"]));
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        check(item, &schema["items"], &format!("{at}[{place}]"), faults);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, value) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            None => faults.push(format!("{at}.{name} is no property")),
            Some(property) if property["readOnly"] == true => {
                faults.push(format!("{at}.{name} is read-only"));
            }
            Some(property) => check(value, property, &format!("{at}.{name}"), faults),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        if value.get(name).is_none() {
            faults.push(format!("{at}.{name} is missing"));
        }
    }
}

mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method};
    use serde_json::json;

    use super::faults;
    use crate::fake::Seen;

    fn seen(method: Method, path: &str, query: &[(&str, &str)], body: &str) -> Seen {
        Seen {
            method,
            path: path.to_owned(),
            query: query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            before: 0,
        }
    }

    #[test]
    fn what_the_api_does_not_publish_is_told() {
        const EDGES: &str = "/api/v2/telephony/providers/edges";
        let get = |path: &str, query: &[(&str, &str)]| faults(&seen(Method::GET, path, query, ""));
        let phones = format!("{EDGES}/phones");

        assert_eq!(get(EDGES, &[("pageSize", "100")]), [""; 0]);
        assert_eq!(get(&phones, &[("expand", "status")]), [""; 0]);
        assert_eq!(get("/api/v2/tenant", &[]), ["/api/v2/tenant is no path"]);
        assert_eq!(get(&phones, &[("size", "1")]), [format!("{phones}?size is no parameter")]);
        assert_eq!(get(&phones, &[("expand", "all")]), [format!("{phones}?expand cannot be all")]);
        assert_eq!(
            get(&format!("{EDGES}/metrics"), &[]),
            [format!("{EDGES}/metrics?\"edgeIds\" is missing")]
        );
        assert_eq!(
            faults(&seen(Method::DELETE, EDGES, &[], "")),
            [format!("delete {EDGES} is no operation")]
        );
    }

    #[test]
    fn what_a_body_may_not_hold_is_told() {
        const GROUPS: &str = "/api/v2/telephony/providers/edges/edgegroups";
        let body = json!({ "id": "1", "name": 7, "edgeTrunkBaseAssignment": {}, "status": "new" });

        let faults = faults(&seen(Method::POST, GROUPS, &[], &body.to_string()));

        for fault in [
            format!("{GROUPS}.id is read-only"),
            format!("{GROUPS}.name is no \"string\": 7"),
            format!("{GROUPS}.status is no property"),
            format!("{GROUPS}.phoneTrunkBases is missing"),
        ] {
            assert!(faults.contains(&fault), "{fault} is not in {faults:?}");
        }
    }
}
