//! `Reader`: what a reading of the configuration has at hand, and what it found wrong so far.

use branchline_probes::Foreign;

use super::error::{ConfigError, Place, Problem};
use super::surroundings::Surroundings;

/// What a reading has at hand, and what it found wrong so far.
pub(super) struct Reader<'s> {
    pub(super) surroundings: &'s Surroundings,
    problems: Vec<Problem>,
}

impl<'s> Reader<'s> {
    pub(super) const fn new(surroundings: &'s Surroundings) -> Self {
        Self { surroundings, problems: Vec::new() }
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
