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
        if let OptionValue::Secret(secret) = value {
            let hash = KEY.get_or_init(RandomState::new).hash_one(secret.expose());
            let _ = write!(text, "{BEFORE_HASH}{hash:016x}");
        }
        text.push('\n');
    }
    Arc::from(text)
}

/// The lines of a fingerprint, without the hashes.
pub(super) fn lines(fingerprint: &str) -> impl Iterator<Item = &str> {
    // A quotation mark inside a shown text is escaped, so this never cuts a text.
    let mark = format!("= \"<secret>\"{BEFORE_HASH}");
    fingerprint.lines().map(move |line| match line.find(&mark) {
        Some(at) => &line[..at + mark.len() - BEFORE_HASH.len()],
        None => line,
    })
}

const BEFORE_HASH: &str = " # ";
