//! SIP URIs that are valid, and that the vendor's trunk settings would not take.

use branchline::config::{self, Uris};

use crate::{EVERY_TEXT, surroundings};

/// How the files are called that only `--strict-uris` refuses.
pub(crate) const STRICT: &str = "strict-";

/// What `--strict-uris` refuses.
pub(crate) fn strictly(text: &str) -> String {
    let plan = config::parse_with("branchline.toml", text, &surroundings(), Uris::Strict);
    plan.err().map(|error| error.to_string()).expect("the text is refused")
}

#[test]
fn a_uri_that_the_trunk_settings_take_is_valid_strictly_and_no_other_text_is_held_to_them() {
    let number = EVERY_TEXT.replace("\"probe\"", "\"+331@x\"");

    assert!(config::parse_with("f", &number, &surroundings(), Uris::Strict).is_ok());
}
