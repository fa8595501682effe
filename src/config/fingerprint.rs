//! The fingerprint of a module: its probe and its options as text that tells two modules apart and
//! tells nobody a secret.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};

use branchline_probes::{OptionValue, Options, Probe};

/// The lines `key = value` of a module, its probe first.
///
/// Behind a secret stands a hash of it under a key that only this process has: a changed secret
/// is a changed module, and the hash is of no use to anybody who reads it.
pub(super) fn of(probe: &dyn Probe, options: &Options) -> Arc<str> {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let mut text = format!("probe = \"{}\"\n", probe.name());
    for (name, value) in options.iter() {
        let _ = write!(text, "{name} = {}", value.show());
        let key = KEY.get_or_init(RandomState::new);
        if let OptionValue::Secret(secret) = value {
            let hash = key.hash_one(secret.expose());
            let _ = write!(text, "{BEFORE_HASH}{hash:016x}");
        }
        // The path may be the same and the file another.
        if let OptionValue::Certificates(authorities) = value {
            let hash = key.hash_one(&authorities.certificates);
            let _ = write!(text, "{BEFORE_HASH}{hash:016x}");
        }
        text.push('\n');
    }
    Arc::from(text)
}

/// The lines of a fingerprint, without the hashes.
pub(super) fn lines(fingerprint: &str) -> impl Iterator<Item = &str> {
    // A quotation mark inside a shown text is escaped, so this never cuts a text.
    let mark = format!("\"{BEFORE_HASH}");
    fingerprint.lines().map(move |line| match line.rfind(&mark) {
        Some(at) if line.len() == at + mark.len() + HASH => &line[..=at],
        Some(_) | None => line,
    })
}

const HASH: usize = 16;
const BEFORE_HASH: &str = " # ";
