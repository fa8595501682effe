//! What is wrong with a location's network settings, as the vendor's guide writes them: SIP ports,
//! proxy, STUN, TURN and who is let in. Plain data in, plain data out; nobody is asked.

mod allowlist;
mod endpoint;
mod findings;

use branchline_probes::Foreign;
use serde_json::Value;

use self::findings::Checking;

pub use self::findings::{Findings, Problem};

/// Checks the text of a file of settings. What the file holds beside them is left alone.
#[must_use]
pub fn check(text: &str) -> Findings {
    let mut checking = Checking::default();
    match serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) {
        Ok(settings) => {
            checking.name(settings.get("name").and_then(Value::as_str));
            inspect(&settings, "", "", &mut checking);
            if checking.has_seen_nothing() {
                checking.wrong("settings", None, NOTHING, NOTHING_REMEDY);
            }
        }
        Err(error) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message);
            let what = format!("this is not JSON: {}", Foreign::new(what));
            checking.wrong(&place, None, &what, "mend this place; what follows is not read yet");
        }
    }
    checking.done()
}

/// Checks a value by the key under which it stands, whatever is around both.
fn inspect(value: &Value, path: &str, key: &str, checking: &mut Checking) {
    // Go, in which the guide is written, reads keys in any case.
    match (key.to_ascii_lowercase().as_str(), value) {
        (_, Value::Null) => {}
        ("name" | "description" | "notes", _) => {}
        ("ports", _) => ports(value, path, checking),
        ("port", _) => {
            port(value, path, checking);
        }
        ("proxy", _) => endpoint::check(value, path, endpoint::Kind::Proxy, checking),
        ("stun", _) => endpoint::check(value, path, endpoint::Kind::Stun, checking),
        ("turn", _) => endpoint::check(value, path, endpoint::Kind::Turn, checking),
        ("ipaddressallowlist", _) => allowlist::check(value, path, checking),
        ("sipuri", Value::String(text)) => endpoint::uri(text, path, checking),
        (_, Value::String(text)) if endpoint::is_uri(text) => endpoint::uri(text, path, checking),
        (_, Value::Object(entries)) => {
            for (key, value) in entries {
                inspect(value, &below(path, key), key, checking);
            }
        }
        (_, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                inspect(item, &item_of(path, index), key, checking);
            }
        }
        (_, Value::Bool(_) | Value::Number(_) | Value::String(_)) => {}
    }
}

fn ports(value: &Value, path: &str, checking: &mut Checking) {
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        checking.wrong(path, None, "this is no list of ports", "for example: [5060, 5061]");
        return;
    };
    for (index, item) in items.iter().enumerate() {
        let path = item_of(path, index);
        let Some(port) = port(item, &path, checking) else { continue };
        if !(CARRIER.contains(&port) || EDGE.contains(&port)) {
            let what = format!("{port} is not among the usual SIP ports");
            checking.doubtful(&path, &what, "carriers use 5060 to 5081, edges 8060 and 8061");
        }
    }
}

/// Checks a port; gives it where it is one.
fn port(value: &Value, path: &str, checking: &mut Checking) -> Option<u16> {
    let found = match value {
        Value::Number(number) => {
            let port = number.as_u64().and_then(|port| u16::try_from(port).ok());
            if let Some(port) = port.filter(|port| *port > 0) {
                checking.right();
                return Some(port);
            }
            format!("{number} is no port")
        }
        Value::String(_) => "text is no port".to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            "this is no port".to_owned()
        }
    };
    checking.wrong(path, None, &found, "write a number from 1 to 65535, without quotation marks");
    None
}

/// The path of what stands under a key.
fn below(path: &str, key: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_-".contains(it);
    let dot = if path.is_empty() { "" } else { "." };
    if !key.is_empty() && key.chars().all(is_plain) && key.len() <= LONGEST_KEY {
        format!("{path}{dot}{key}")
    } else {
        format!("{path}[\"{}\"]", Foreign::new(key))
    }
}

/// The path of an item of a list.
fn item_of(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The ports that the guide lets a location have.
const CARRIER: std::ops::RangeInclusive<u16> = 5060..=5081;
/// The ports of the vendor's own trunks to phones.
const EDGE: std::ops::RangeInclusive<u16> = 8060..=8061;
const LONGEST_KEY: usize = 64;
const NOTHING: &str = "there are no network settings in this file";
const NOTHING_REMEDY: &str = "they are `sip`, `media` and `ipAddressAllowlist`; what the vendor's \
                              API tells of a location is its postal address alone";
