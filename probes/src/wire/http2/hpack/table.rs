//! The tables that an index points into (RFC 7541 §2.3, §4, Appendix A).

use std::collections::VecDeque;

use super::Field;

/// The static table, and behind it the dynamic one.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The newest first.
    fields: VecDeque<Field>,
    size: usize,
    most: usize,
}

impl Table {
    /// A table whose dynamic part may grow to `most` octets.
    pub(super) const fn new(most: usize) -> Self {
        Self { fields: VecDeque::new(), size: 0, most }
    }

    /// The field at an index, which counts from 1.
    pub(super) fn get(&self, index: usize) -> Option<Field> {
        let index = index.checked_sub(1)?;
        let Some((name, value)) = STATIC.get(index) else {
            return self.fields.get(index - STATIC.len()).cloned();
        };
        Some(Field { name: name.as_bytes().to_vec(), value: value.as_bytes().to_vec() })
    }

    /// Adds a field; one that is larger than the table empties it (RFC 7541 §4.4).
    pub(super) fn insert(&mut self, field: Field) {
        self.size += field.size();
        self.fields.push_front(field);
        self.evict();
    }

    /// Changes how large the dynamic table may be.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.most {
            let Some(oldest) = self.fields.pop_back() else { return };
            self.size -= oldest.size();
        }
    }
}

/// RFC 7541 Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
