//! `Reader`: what a reading of the configuration has at hand, and what it found wrong so far.

use branchline_probes::Foreign;
use branchline_probes::written::check_trunk_uri;

use super::error::{ConfigError, Place, Problem};
use super::surroundings::Surroundings;

/// What a reading has at hand, and what it found wrong so far.
pub(super) struct Reader<'s> {
    pub(super) surroundings: &'s Surroundings,
    uris: Uris,
    problems: Vec<Problem>,
}

/// Which SIP URIs a configuration may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uris {
    /// All that RFC 3261 §25.1 allows, but for passwords.
    Grammar,
    /// Of these only what the vendor's trunk settings would take, too.
    Strict,
}

impl<'s> Reader<'s> {
    pub(super) const fn new(surroundings: &'s Surroundings, uris: Uris) -> Self {
        Self { surroundings, uris, problems: Vec::new() }
    }

    /// Notes that a valid URI is not of the form that the vendor's trunk settings take, where that
    /// is asked for.
    pub(super) fn hold_to_strict(&mut self, uri: &str, owner: &str, at: usize) {
        if self.uris == Uris::Grammar {
            return;
        }
        if let Err(bad) = check_trunk_uri(uri) {
            let message =
                format!("{owner} is no SIP URI that the vendor's trunk settings take: {bad}");
            let hint = "they take sip:user@domain or sip:user@domain:port, of letters, digits, \".\" \
                        and \"-\" alone; without --strict-uris this URI is valid";
            self.report(Some(at), message, Some(hint.to_owned()));
        }
    }

    /// Notes a problem at a byte of the text, or of the file as a whole.
    pub(super) fn report(&mut self, at: Option<usize>, message: String, hint: Option<String>) {
        let at = at.map(Place::at);
        self.problems.push(Problem { at, message, hint, is_credentials: false });
    }

    /// Notes that a credential is missing or cannot be read.
    pub(super) fn report_credential(
        &mut self,
        at: Option<usize>,
        message: String,
        hint: Option<String>,
    ) {
        let at = at.map(Place::at);
        self.problems.push(Problem { at, message, hint, is_credentials: true });
    }

    /// How many problems there are: the same before and after means that all went well.
    pub(super) const fn problems(&self) -> usize {
        self.problems.len()
    }

    /// What was read, if nothing was wrong.
    pub(super) fn finish<T>(
        self,
        file_name: &str,
        text: &str,
        read: Option<T>,
    ) -> Result<T, ConfigError> {
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(ConfigError::new(file_name, text, self.problems)),
        }
    }
}

/// The word that a person may have meant, if one is near or begins alike.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.chars().count() / 3).max(1)
                || word.starts_with(candidate)
                || (word.len() >= 3 && candidate.starts_with(word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or the list of what there is.
pub(super) fn suggestion(word: &str, candidates: &[&str], what: &str) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", Foreign::new(near)),
        None if candidates.is_empty() => format!("there is no {what} yet."),
        None => {
            let quoted: Vec<_> =
                candidates.iter().map(|it| format!("`{}`", Foreign::new(it))).collect();
            format!("{what}s are {}.", quoted.join(", "))
        }
    }
}
