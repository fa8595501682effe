//! Why parts of the vendor's state are not there, and what to do about it.

use std::collections::BTreeMap;

use super::super::{BOLD, Page, RED, RESET};
use crate::telephony::PartState;

/// Says of every part that could not be read why: once for all to which the same happened.
pub(super) fn write(page: &mut Page, parts: &[&PartState<'_>]) {
    let mut failed: Vec<(String, &'static str, Vec<&PartState<'_>>)> = Vec::new();
    for part in parts {
        let Some(problem) = part.problem else { continue };
        let message = problem.to_string();
        match failed.iter_mut().find(|(it, ..)| *it == message) {
            Some((.., parts)) => parts.push(part),
            None => failed.push((message, problem.label(), vec![part])),
        }
    }
    for (message, reason, parts) in failed {
        page.blank();
        let names: Vec<&str> = parts.iter().map(|part| part.name.in_words()).collect();
        let title = format!("{RED}NOT READ{RESET} {BOLD}{}{RESET}", names.join(", "));
        page.sentence(&title);
        page.labelled("why", &message);
        let old: Vec<&str> = parts
            .iter()
            .filter(|part| part.read.is_some())
            .map(|part| part.name.in_words())
            .collect();
        if !old.is_empty() {
            page.labelled("", &format!("of an earlier reading: {}", old.join(", ")));
        }
        if let Some(ids) = correlation(&parts) {
            page.labelled("quote", &format!("{ids}, the correlation id, to the vendor's support"));
        }
        page.labelled("hint", hint(reason));
    }
}

/// The vendor's ids of the attempts, and of which part each is where they differ.
fn correlation(parts: &[&PartState<'_>]) -> Option<String> {
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in parts {
        if let Some(id) = part.correlation {
            ids.entry(id.as_str()).or_default().push(part.name.in_words());
        }
    }
    if ids.len() == 1 {
        return ids.into_keys().next().map(str::to_owned);
    }
    let each: Vec<String> =
        ids.iter().map(|(id, parts)| format!("{id} ({})", parts.join(", "))).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// What to do about a problem, by its label.
fn hint(reason: &str) -> &'static str {
    match reason {
        "unreachable" => {
            "Does `region` or `base_url` of [telephony] name the right host, and may this host reach \
             it over HTTPS? A proxy is taken from HTTPS_PROXY."
        }
        "credentials" => {
            "Compare client_id and client_secret of [telephony] with the OAuth client, which needs \
             the grant \"client credentials\" and has to be of this region."
        }
        "permission" => {
            "Give the OAuth client a role with this permission; `skip` of [telephony] leaves out \
             what is not needed."
        }
        "throttled" => {
            "Others use up the organisation's limit: ask again later, or find out who does."
        }
        "server" => {
            "The vendor's service failed: ask again in a minute; its status page may know more."
        }
        "location" => "`location` of [telephony] takes the name or id of a location with a site.",
        _ => {
            "The answer is not the published API's: is there a proxy or a portal on the way? \
             BRANCHLINE_LOG=debug says more."
        }
    }
}
