//! The table `[callback]`: who is told what changed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use branchline_probes::{Foreign, Kind, OptionKey, Secret};

use super::known::Known;
use super::reader::Reader;
use super::table::Table;
use super::webhooks::refuse_short;
use crate::callback::{Settings, Topic};

/// Reads `[callback]`: `Some(None)` where there is none, `None` where it is wrong.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Option<Option<Settings>> {
    let Some(table) = root.subtable("callback", KEYS, reader)? else { return Some(None) };
    table.refuse_unknown(reader);
    let url = read_url(&table, reader);
    let secret = table.read(&SECRET, reader);
    if let (Some(secret), Some(field)) = (&secret, table.field("secret")) {
        refuse_short(secret, "`secret` of [callback]", field.at, reader);
    }
    let topics = read_topics(&table, reader);
    Some(Some(Settings { url: url?, secret: secret?, topics: topics? }))
}

/// What is wrong with it is said without repeating it: its path may be a secret.
fn read_url(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = table.read(&URL, reader)?;
    let problem = match reqwest::Url::parse(&text) {
        Err(_) => "is not a URL",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "may not hold a user name or password"
        }
        Ok(url) if url.fragment().is_some() => "may not have a fragment: no server sees it",
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
            return Some(url.as_str().to_owned());
        }
        Ok(_) => "must begin with https://: it says what is wrong at this site",
    };
    let hint = "for example: url = \"https://monitoring.example.net/branchline\"; http:// only to \
                127.0.0.1 or [::1]";
    table.refuse("url", problem, Some(hint.to_owned()), reader);
    None
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_topics(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<BTreeSet<Topic>> {
    if table.field("events").is_none() {
        return Some(Topic::ALL.into());
    }
    let mut topics = BTreeSet::new();
    for (at, text) in table.texts("events", "names of events", reader)? {
        let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.label() == text) else {
            let message =
                format!("`events` of [callback] names no events: \"{}\"", Foreign::new(text));
            reader.report(Some(at), message, table.hint("events"));
            continue;
        };
        topics.insert(topic);
    }
    Some(topics)
}

const KEYS: &[Known] = &[
    Known::new("url", "url = \"https://monitoring.example.net/branchline\""),
    Known::new("secret", "secret = { credential = \"callback-secret\" }"),
    Known::new("events", "events = [\"state\", \"findings\"]"),
];

const URL: OptionKey<String> =
    OptionKey::new("url", Kind::Text, "where events are posted to").required();
const SECRET: OptionKey<Secret> =
    OptionKey::new("secret", Kind::Secret, "with what events are signed").required();
