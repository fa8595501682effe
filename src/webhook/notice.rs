//! `Notice`: what a webhook says, as far as anybody listens to it.

use branchline_probes::Foreign;
use serde_json::Value;

use crate::telephony::{Hint, PartName};

/// What a webhook says. Nothing of it is believed: it tells only what is to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The sender's id of it.
    pub id: Foreign,
    /// What it calls the event: `telephony:siptrunk:status`.
    pub event: Foreign,
    /// The trunk of which it speaks.
    pub trunk: Option<Foreign>,
    /// The edge of which it speaks.
    pub edge: Option<Foreign>,
    /// What it claims; shown in the audit trail, and nowhere else.
    pub status: Option<Foreign>,
}

impl Notice {
    /// Reads the documented payload; what is missing is missing, what is more is not read. It has to
    /// name a trunk or an edge.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let data = body.get("data")?;
        let notice = Self {
            id: text(&body, "id").unwrap_or_default(),
            event: text(&body, "event").unwrap_or_default(),
            trunk: text(data, "sipTrunkId"),
            edge: text(data, "edgeId"),
            status: text(data, "status"),
        };
        (notice.trunk.is_some() || notice.edge.is_some()).then_some(notice)
    }

    /// What is to be read again.
    #[must_use]
    pub fn hints(&self) -> Vec<Hint> {
        let hint = |part, id: &Option<Foreign>| {
            let id = id.clone()?;
            // What may not stand in a path names nothing that could be read by itself.
            Some(Hint { part, id: is_plain(id.as_str()).then_some(id) })
        };
        let hints = [hint(PartName::Trunks, &self.trunk), hint(PartName::Edges, &self.edge)];
        hints.into_iter().flatten().collect()
    }
}

/// Text of a field; a number is text, too, since some senders write ids so.
fn text(of: &Value, key: &str) -> Option<Foreign> {
    let value = of.get(key)?;
    let text = value
        .as_str()
        .map(str::to_owned)
        .or_else(|| value.is_number().then(|| value.to_string()))?;
    (!text.is_empty()).then(|| Foreign::new(text))
}

fn is_plain(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    id.len() <= LONGEST_ID && id.bytes().all(is_plain)
}

/// The vendor's ids are UUIDs of 36 characters.
const LONGEST_ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Foreign, Hint, Notice, PartName};

    fn hint(part: PartName, id: Option<&str>) -> Hint {
        Hint { part, id: id.map(Foreign::new) }
    }

    #[test]
    fn the_documented_payload_hints_at_its_trunk_and_its_edge() {
        let body = br#"{"id":"evt-1","event":"telephony:siptrunk:status",
            "timestamp":"2026-05-15T14:32:00Z","data":{"edgeId":"e-1","sipTrunkId":"t-1",
            "status":"unregistered","lastRegistrationTime":"2026-05-15T14:30:00Z"}}"#;

        let notice = Notice::read(body).expect("it is the documented one");

        assert_eq!(
            (notice.id.as_str(), notice.event.as_str()),
            ("evt-1", "telephony:siptrunk:status")
        );
        assert_eq!(notice.status, Some(Foreign::new("unregistered")));
        let hints = [hint(PartName::Trunks, Some("t-1")), hint(PartName::Edges, Some("e-1"))];
        assert_eq!(notice.hints(), hints);
    }

    #[test]
    fn what_is_missing_or_strange_does_no_harm() {
        for (body, hints) in [
            (r#"{"data":{"sipTrunkId":"t-1"}}"#, vec![hint(PartName::Trunks, Some("t-1"))]),
            (r#"{"data":{"edgeId":7,"sipTrunkId":null}}"#, vec![hint(PartName::Edges, Some("7"))]),
            (r#"{"id":[],"data":{"sipTrunkId":"../users"}}"#, vec![hint(PartName::Trunks, None)]),
        ] {
            assert_eq!(Notice::read(body.as_bytes()).map(|it| it.hints()), Some(hints), "{body}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":[]}"#,
            "{",
            &deep,
            r#"{"data":{"sipTrunkId":""}}"#,
            r#"{"data":{"sipTrunkId":{"id":"t-1"}}}"#,
        ] {
            assert_eq!(Notice::read(body.as_bytes()), None);
        }
        assert_eq!(Notice::read(b"\xff\xfe"), None);
    }

    #[test]
    fn foreign_text_is_bounded() {
        let body = format!(
            r#"{{"id":"{}","data":{{"sipTrunkId":"{}"}}}}"#,
            "i".repeat(9999),
            "t".repeat(9999)
        );

        let notice = Notice::read(body.as_bytes()).expect("it names a trunk");

        assert!(notice.id.as_str().len() <= Foreign::LIMIT);
        assert_eq!(notice.hints(), [hint(PartName::Trunks, None)]);
    }
}
