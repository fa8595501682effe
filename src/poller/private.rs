//! What is nobody's business in the settings and audits of others.

/// Whether a name, or a value that has names in it, speaks of what is kept secret.
pub(super) fn is_private(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

const WORDS: [&str; 6] = ["password", "passphrase", "secret", "credential", "token", "key"];
