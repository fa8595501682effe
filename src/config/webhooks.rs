//! The table `[webhooks]`: who may tell us that something has changed at the vendor.

use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, Secret, show_duration};

use super::known::Known;
use super::reader::Reader;
use super::table::Table;
use crate::webhook::{LONGEST_WINDOW, Network, Settings};

/// Reads `[webhooks]`; without it nobody is heard.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Option<Settings> {
    let table = root.subtable("webhooks", KEYS, reader)??;
    table.refuse_unknown(reader);
    // The vendor may be asked to call somebody else.
    let is_ours = ["secrets", "allow", "window"].iter().any(|it| table.field(it).is_some());
    if table.field("subscribe").is_some() && !is_ours {
        return None;
    }
    let secrets = read_secrets(&table, reader);
    let allow = read_allow(&table, reader);
    let window = read_window(&table, reader);
    Some(Settings { secrets: secrets?, allow: allow?, window: window? })
}

/// The lines of the table, without its header.
pub(super) fn lines(settings: &Settings) -> Vec<String> {
    let secrets = vec!["\"<secret>\""; settings.secrets.len()];
    let allow: Vec<_> = settings.allow.iter().map(|network| format!("\"{network}\"")).collect();
    vec![
        format!("secrets = [{}]", secrets.join(", ")),
        format!("allow = [{}]", allow.join(", ")),
        format!("window = \"{}\"", show_duration(settings.window)),
    ]
}

fn read_secrets(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<Secret>> {
    if table.field("secrets").is_none() {
        table.report_missing("secrets", "what proves that a webhook is the sender's", reader);
        return None;
    }
    let secrets = table.secrets("secrets", MOST_SECRETS, reader)?;
    for (place, (at, secret)) in secrets.iter().enumerate() {
        refuse_short(secret, "a secret of `secrets` of [webhooks]", *at, reader);
        if secrets[..place].iter().any(|(_, before)| before.expose() == secret.expose()) {
            let message = "`secrets` of [webhooks] has the same secret twice".to_owned();
            let hint = "two are for the time in which one replaces the other".to_owned();
            reader.report_credential(Some(*at), message, Some(hint));
        }
    }
    Some(secrets.into_iter().map(|(_, secret)| secret).collect())
}

/// Whoever guesses the secret signs as its owner.
pub(super) fn refuse_short(secret: &Secret, whose: &str, at: usize, reader: &mut Reader<'_>) {
    if secret.expose().chars().count() < SHORTEST_SECRET {
        let message = format!("{whose} is shorter than {SHORTEST_SECRET} characters");
        let hint = "`openssl rand -hex 32` makes one that nobody guesses".to_owned();
        reader.report_credential(Some(at), message, Some(hint));
    }
}

fn read_allow(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<Network>> {
    if table.field("allow").is_none() {
        return Some(Network::loopback());
    }
    let texts = table.texts("allow", "addresses and networks", reader)?;
    if texts.len() > MOST_NETWORKS {
        let problem = format!("has more than {MOST_NETWORKS} networks");
        let hint = Some("name larger networks".to_owned());
        table.refuse("allow", &problem, hint, reader);
        return None;
    }
    let mut networks = Vec::new();
    for (at, text) in texts {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(error) => {
                let message =
                    format!("\"{}\" in `allow` of [webhooks] {error}", Foreign::new(text));
                reader.report(Some(at), message, table.hint("allow"));
            }
        }
    }
    Some(networks)
}

fn read_window(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
    let window = table.read(&WINDOW, reader)?;
    if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&window) {
        let problem = format!("is not between 1s and 300s: {}", show_duration(window));
        table.refuse("window", &problem, table.hint("window"), reader);
        return None;
    }
    Some(window)
}

/// Two are valid while one replaces the other.
const MOST_SECRETS: usize = 2;
/// A key that is shorter than half of the digest weakens it (RFC 2104 §3).
const SHORTEST_SECRET: usize = 16;
const MOST_NETWORKS: usize = 64;
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

pub(super) const KEYS: &[Known] = &[
    Known::new("secrets", "secrets = [{ credential = \"webhook-secret\" }]"),
    Known::new("allow", "allow = [\"192.0.2.0/24\", \"2001:db8::/32\"]"),
    Known::new("window", "window = \"300s\""),
    Known::new("subscribe", SUBSCRIBE),
];

const WINDOW: OptionKey<Duration> =
    OptionKey::new("window", Kind::Duration, "how old a webhook may be").default("300s");
const SUBSCRIBE: &str = "subscribe = \"https://branchline.example.com/webhooks/trunk-status\"";
