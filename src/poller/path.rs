//! Where an API call goes: a template that messages may name, and the path with the ids in it.

/// A path of the API: its template, of which there are few, and what is sent.
#[derive(Clone, Debug)]
pub(super) struct Path {
    template: &'static str,
    /// `None` where an id cannot stand in a path.
    sent: Option<String>,
}

impl Path {
    /// A path without ids.
    pub(super) fn fixed(template: &'static str) -> Self {
        Self { template, sent: Some(template.to_owned()) }
    }

    /// `template` with an id in place of each `{…}`, every id one segment whatever it holds.
    ///
    /// An id that would be no segment of its own, as `..` or an empty one, makes a path that is
    /// never asked.
    pub(super) fn of(template: &'static str, ids: &[impl AsRef<str>]) -> Self {
        let mut ids = ids.iter().map(AsRef::as_ref);
        let segments: Option<Vec<String>> = template
            .split('/')
            .map(|segment| {
                if segment.starts_with('{') {
                    encoded(ids.next()?)
                } else {
                    Some(segment.to_owned())
                }
            })
            .collect();
        let sent = segments.filter(|_| ids.next().is_none()).map(|segments| segments.join("/"));
        Self { template, sent }
    }

    /// The path with its placeholders: what messages and logs say.
    pub(super) const fn template(&self) -> &'static str {
        self.template
    }

    /// The path as it is sent; `None` where an id cannot stand in it.
    pub(super) fn sent(&self) -> Option<&str> {
        self.sent.as_deref()
    }
}

/// The id as one segment. RFC 3986 §6.2.2.3: `.` and `..` are removed from a path even when they
/// are encoded, so that neither can name a thing.
fn encoded(id: &str) -> Option<String> {
    if matches!(id, "" | "." | "..") || id.chars().any(char::is_control) {
        return None;
    }
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        // RFC 3986 §2.3
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(segment)
}

#[cfg(test)]
mod tests {
    use super::Path;

    const METRICS: &str = "/api/v2/telephony/providers/edges/{edgeId}/metrics";

    // D-API-1
    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        let sent = |id: &str| Path::of(METRICS, &[id]).sent().map(str::to_owned);
        let around = |id: &str| Some(format!("/api/v2/telephony/providers/edges/{id}/metrics"));

        assert_eq!(sent("00000010-a"), around("00000010-a"));
        assert_eq!(sent("a/../../b"), around("a%2F..%2F..%2Fb"));
        assert_eq!(sent("a?b=c#d"), around("a%3Fb%3Dc%23d"));
        assert_eq!(sent("%2e%2e"), around("%252e%252e"));
        assert_eq!(sent("é\\ "), around("%C3%A9%5C%20"));
    }

    // D-API-1
    #[test]
    fn an_id_that_is_no_segment_makes_no_path() {
        for id in ["", ".", "..", "a\r\nb", "a\0"] {
            assert_eq!(Path::of(METRICS, &[id]).sent(), None, "{id:?}");
        }
    }

    #[test]
    fn as_many_ids_are_needed_as_the_template_has_places() {
        let template = "/a/{x}/b/{y}";

        assert_eq!(Path::of(template, &["1", "2"]).sent(), Some("/a/1/b/2"));
        assert_eq!(Path::of(template, &["1"]).sent(), None);
        assert_eq!(Path::of(template, &["1", "2", "3"]).sent(), None);
        assert_eq!(Path::of(template, &["1", "2"]).template(), template);
        assert_eq!(Path::fixed("/a").sent(), Some("/a"));
    }
}
