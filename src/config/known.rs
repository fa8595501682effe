//! `Known`: a key that a table may hold, with an example of it.

use std::borrow::Cow;

/// A key that a table can have, and a line that shows how it is written.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) example: Cow<'static, str>,
}

impl Known {
    pub(super) const fn new(name: &'static str, example: &'static str) -> Self {
        Self { name, example: Cow::Borrowed(example) }
    }
}
