//! A validator as strict as an answer of ours can stand: what the schema does not know is an error.

use serde_json::{Map, Value};

/// What is wrong with a value, by the place where it is wrong.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    Check { document, faults: &mut faults }.value(schema, value, "$");
    faults
}

struct Check<'c> {
    document: &'c Value,
    faults: &'c mut Vec<String>,
}

impl Check<'_> {
    fn say(&mut self, place: &str, what: &str) {
        self.faults.push(format!("{place}: {what}"));
    }

    /// A schema with what it refers to and what it is made of.
    fn whole(&self, schema: &Value) -> Map<String, Value> {
        let mut whole = schema.as_object().cloned().unwrap_or_default();
        if let Some(link) = whole.remove("$ref") {
            let pointer = link.as_str().and_then(|it| it.strip_prefix('#')).expect("a local link");
            let there = self.document.pointer(pointer).expect("a link that leads somewhere");
            whole.extend(self.whole(there));
        }
        if let Some(Value::Array(parts)) = whole.remove("allOf") {
            for part in &parts {
                whole.extend(self.whole(part));
            }
        }
        whole
    }

    fn value(&mut self, schema: &Value, value: &Value, place: &str) {
        let schema = self.whole(schema);
        // The description writes the words of a number as texts, too.
        if let Some(Value::Array(words)) = schema.get("enum")
            && !words.contains(value)
            && !(value.is_number() && words.contains(&value.to_string().into()))
        {
            self.say(place, &format!("{value} is none of the words"));
        }
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or("object");
        let format = schema.get("format").and_then(Value::as_str);
        let is_right = match (kind, value) {
            ("object", Value::Object(fields)) => {
                self.object(&schema, fields, place);
                true
            }
            ("array", Value::Array(items)) => {
                for (number, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{place}[{number}]"));
                }
                true
            }
            ("string", Value::String(text)) => match format {
                Some("date-time") => is_moment(text),
                Some("uri") => text.starts_with('/') || text.contains("://"),
                _ => true,
            },
            ("integer", Value::Number(number)) => match format {
                Some("int32") => number.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
                _ => number.is_i64() || number.is_u64(),
            },
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => true,
            _ => false,
        };
        if !is_right {
            self.say(place, &format!("{value} is no {kind} {}", format.unwrap_or_default()));
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, fields: &Map<String, Value>, place: &str) {
        for (key, value) in fields {
            let place = format!("{place}.{key}");
            let known = schema.get("properties").and_then(|properties| properties.get(key));
            match (known, schema.get("additionalProperties")) {
                (Some(known), _) => self.value(known, value, &place),
                // A free map, whose values the schema leaves open where it names no properties.
                (None, Some(Value::Object(open))) => {
                    let of_anything = open.len() == 1 && open.get("type") == Some(&"object".into());
                    if !of_anything {
                        self.value(&Value::Object(open.clone()), value, &place);
                    }
                }
                (None, Some(Value::Bool(true))) => {}
                (None, _) => self.say(&place, "the schema does not know it"),
            }
        }
    }
}

/// RFC 3339 §5.6, in UTC as the vendor writes it.
fn is_moment(text: &str) -> bool {
    let shape: String = text.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    matches!(shape.as_str(), "0000-00-00T00:00:00Z" | "0000-00-00T00:00:00.000Z")
}
