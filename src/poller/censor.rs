//! What an answer repeats of our secrets, struck out before anybody sees or logs it.

use std::collections::VecDeque;
use std::sync::Mutex;

use branchline_probes::{Foreign, Secret};

use super::pace::held;

/// So many characters in a row of a secret are struck out; of a shorter secret, all of it.
const RUN: usize = 8;

/// How many secrets are remembered: that of the client, and its last tokens.
const SECRETS: usize = 4;

/// The secrets that were sent.
#[derive(Default)]
pub(super) struct Censor(Mutex<VecDeque<Secret>>);

impl Censor {
    /// Strikes out this one too from now on.
    pub(super) fn know(&self, secret: &Secret) {
        let mut known = held(&self.0);
        known.retain(|it| it.expose() != secret.expose());
        known.push_back(secret.clone());
        if known.len() > SECRETS {
            known.pop_front();
        }
    }

    /// What an answer says, without our secrets.
    pub(super) fn foreign(&self, text: impl AsRef<[u8]>) -> Foreign {
        let text = text.as_ref();
        // More is not shown.
        let text = &text[..text.len().min(2 * Foreign::LIMIT)];
        let known = held(&self.0);
        let mut is_struck = vec![false; text.len()];
        for secret in known.iter().map(|it| it.expose().as_bytes()).filter(|it| !it.is_empty()) {
            let run = secret.len().min(RUN);
            for (start, heard) in text.windows(run).enumerate() {
                if secret.windows(run).any(|part| part.eq_ignore_ascii_case(heard)) {
                    is_struck[start..start + run].fill(true);
                }
            }
        }
        let mut shown = Vec::with_capacity(text.len());
        for (index, byte) in text.iter().enumerate() {
            if !is_struck[index] {
                shown.push(*byte);
            } else if index == 0 || !is_struck[index - 1] {
                shown.extend_from_slice("…".as_bytes());
            }
        }
        Foreign::new(shown)
    }
}

#[cfg(test)]
mod tests {
    use branchline_probes::Secret;

    use super::Censor;

    // D-LOG-2
    #[test]
    fn secrets_and_longer_parts_of_them_are_struck_out_and_nothing_else() {
        let censor = Censor::default();
        for secret in ["hunter2", "abcdefghijklmnop"] {
            censor.know(&Secret::new(secret.to_owned()));
        }

        for (text, shown) in [
            ("bad.credentials", "bad.credentials"),
            ("no hunter2 here", "no … here"),
            ("Bearer abcdefghijklmnop!", "Bearer …!"),
            ("of efghijkl only", "of … only"),
            ("EFGHIJKLM", "…"),
            ("efghijk", "efghijk"),
            ("", ""),
        ] {
            assert_eq!(censor.foreign(text).as_str(), shown, "{text}");
        }
    }
}
