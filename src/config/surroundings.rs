//! `Surroundings`: what comes from outside the file.

use std::collections::BTreeMap;

/// What comes from outside the file, as values: environment variables, `$CREDENTIALS_DIRECTORY`
/// among them.
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    has_process: bool,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub const fn of_process() -> Self {
        Self { variables: BTreeMap::new(), has_process: true }
    }

    /// None at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self { variables: BTreeMap::new(), has_process: false }
    }

    /// With one environment variable more, over one of the same name.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An environment variable; an empty one counts as not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        // A variable is looked up when it is wanted, so that no copy of the environment is kept.
        let of_process = || self.has_process.then(|| std::env::var(name).ok()).flatten();
        self.variables.get(name).cloned().or_else(of_process).filter(|value| !value.is_empty())
    }
}
