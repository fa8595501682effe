//! What a trunk hears of each of its proxies, as evidence.

use crate::diagnosis::Exhibit;
use crate::telephony::{Proxy, Registration, State, Trunk};

/// The proxies that do not answer a trunk or do not register it, in the vendor's words.
pub(super) fn exhibits(trunk: &Trunk) -> impl Iterator<Item = Exhibit> {
    let failing = trunk.proxies.iter().filter_map(|proxy| Some((proxy, words(proxy)?)));
    failing
        .take(SHOWN)
        .map(|(proxy, words)| Exhibit::of_state(format!("proxy {}", proxy.address), words))
}

/// `None` where there is nothing wrong with it.
fn words(proxy: &Proxy) -> Option<String> {
    let mut words = Vec::new();
    if proxy.answers == Some(State::Down) {
        words.push("does not answer OPTIONS");
    }
    if proxy.registration == Registration::Unregistered {
        words.push("does not register the trunk");
    }
    let said = proxy.problem.as_ref().map(ToString::to_string);
    match (words.is_empty(), said) {
        (true, None) => None,
        (true, Some(said)) => Some(said),
        (false, None) => Some(words.join(", ")),
        (false, Some(said)) => Some(format!("{}: {said}", words.join(", "))),
    }
}

/// A trunk has a few proxies; what a hostile answer lists beyond that is not shown.
const SHOWN: usize = 8;
