//! `Event`: one thing that changed, and its envelope.

use std::time::SystemTime;

use serde_json::{Value, json};

/// One thing that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened, in the vendor's way of naming it: `telephony:siptrunk:status`.
    pub name: &'static str,
    /// Of what: events of one subject arrive in order.
    pub subject: String,
    /// What is to be known of it.
    pub data: Value,
}

impl Event {
    /// The envelope in which the vendor's guide sends such events; whoever meets an id twice has
    /// met one event twice.
    #[must_use]
    pub fn envelope(&self, id: &str, now: SystemTime) -> Vec<u8> {
        let envelope = json!({
            "id": id,
            "event": self.name,
            "timestamp": moment(now),
            "data": self.data,
        });
        envelope.to_string().into_bytes()
    }
}

/// A moment by RFC 3339, with milliseconds.
pub(super) fn moment(when: SystemTime) -> String {
    jiff::Timestamp::try_from(when).map(|when| format!("{when:.3}")).unwrap_or_default()
}
