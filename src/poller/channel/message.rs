//! What a channel says: that something changed, that it is alive, or that it ends.

use serde::Deserialize;

use super::topics::Topics;
use crate::telephony::Hint;

/// The topic of what is about the channel itself.
const ABOUT_ITSELF: &str = "channel.metadata";

/// Said about a minute before the socket is closed.
const CLOSING: &str = "v2.system.socket_closing";

/// Said when a subscription or the token is gone; an id follows.
const ENDED: [&str; 2] = ["v2.system.no_longer_subscribed", "v2.system.token_revoked"];

/// What one message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something changed; what, is read from the API.
    Hint(Hint),
    /// The channel is alive.
    Heartbeat,
    /// It will be closed.
    Closing,
    /// It will say nothing more.
    Ended,
    /// Nobody asked for this.
    Unasked,
    /// It is no message.
    Nonsense,
}

impl Heard {
    /// The value of the label `topic`: one of a small, fixed set.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Hint(hint) => hint.part.label(),
            Self::Heartbeat => "heartbeat",
            Self::Closing => "socket_closing",
            Self::Ended => "ended",
            Self::Unasked => "unasked",
            Self::Nonsense => "nonsense",
        }
    }
}

/// Whatever else a message holds is not looked at: it would be a state that nobody read.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "topicName")]
    topic: String,
}

/// Reads a message of a channel that listens to `topics`.
pub(super) fn hear(text: &str, topics: &Topics) -> Heard {
    let Ok(Message { topic }) = serde_json::from_str(text) else { return Heard::Nonsense };
    if let Some(hint) = topics.hint(&topic) {
        return Heard::Hint(hint.clone());
    }
    let is_ended = |name: &&str| {
        topic.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match topic.as_str() {
        ABOUT_ITSELF => Heard::Heartbeat,
        CLOSING => Heard::Closing,
        _ if ENDED.iter().any(is_ended) => Heard::Ended,
        _ => Heard::Unasked,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use branchline_probes::Foreign;
    use serde_json::Value;

    use super::{CLOSING, ENDED, Heard, hear};
    use crate::poller::channel::topics::Topics;
    use crate::telephony::{Edge, Hint, Part, PartName, Reference, Snapshot};

    fn topics() -> Topics {
        let reference = Reference { id: Foreign::new("one"), name: Foreign::default() };
        let items = vec![Edge { reference, ..Edge::default() }];
        let edges = Part { items, read: Some(SystemTime::UNIX_EPOCH), ..Part::default() };
        Topics::of(&Snapshot { edges, ..Snapshot::default() })
    }

    // D-HOOK-3
    #[test]
    fn a_change_is_a_hint_at_the_thing_whatever_the_message_claims_of_it() {
        let hint = Hint { part: PartName::Edges, id: Some(Foreign::new("one")) };

        for body in [
            r#"{"id":"one","onlineStatus":"OFFLINE"}"#,
            r#"{"id":"two","onlineStatus":"ONLINE"}"#,
            "null",
            "[[[[1]]]]",
        ] {
            let text =
                format!(r#"{{"topicName":"v2.telephony.providers.edges.one","eventBody":{body}}}"#);

            assert_eq!(hear(&text, &topics()), Heard::Hint(hint.clone()), "{body}");
        }
    }

    #[test]
    fn the_system_topics_are_those_that_the_vendor_publishes() {
        let api: Value = serde_json::from_str(include_str!("../../../tests/genesys/openapi.json"))
            .expect("JSON");
        let published = api["x-notification-topics"].as_object().expect("topics");

        assert!(published.contains_key(CLOSING));
        for name in ENDED {
            assert!(published.contains_key(&format!("{name}.{{id}}")), "{name}");
        }
    }

    #[test]
    fn heartbeats_and_system_messages_are_told_apart() {
        let said = |topic: &str| {
            hear(&format!(r#"{{"topicName":"{topic}","eventBody":{{}}}}"#), &topics())
        };

        assert_eq!(said("channel.metadata"), Heard::Heartbeat);
        assert_eq!(said("v2.system.socket_closing"), Heard::Closing);
        assert_eq!(said("v2.system.token_revoked.7"), Heard::Ended);
        assert_eq!(said("v2.system.no_longer_subscribed.7"), Heard::Ended);
        assert_eq!(said("v2.system.token_revokedness"), Heard::Unasked);
        assert_eq!(said("v2.telephony.providers.edges.two"), Heard::Unasked);
        assert_eq!(said("v2.telephony.providers.edges.one.metrics"), Heard::Unasked);
    }

    // F57
    #[test]
    fn whatever_else_comes_is_nonsense_and_nothing_breaks() {
        let deep = format!(r#"{{"topicName":"x","eventBody":{}"#, "[".repeat(500_000));
        let closed = format!(
            r#"{{"topicName":"x","eventBody":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );

        for text in ["", "null", "[]", "{}", "7", r#"{"topicName":7}"#, "\u{feff}{}", &deep] {
            assert_eq!(hear(text, &topics()), Heard::Nonsense);
        }
        let deep = hear(&closed, &topics());
        assert!(matches!(deep, Heard::Nonsense | Heard::Unasked), "{deep:?}");
    }
}
