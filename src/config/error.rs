//! `ConfigError`: what is wrong with a configuration, each problem with its place and the way out.

use std::fmt;

/// What is wrong with a configuration, in the order of the file.
///
/// Its `Display` is one block per problem, a blank line between them:
///
/// ```text
/// error: branchline.toml:12:1: unknown key `intervall` in [[targets]]
///
/// hint: did you mean `interval`? For example: interval = "30s"
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file_name: String,
    problems: Vec<Problem>,
    omitted: usize,
    is_credentials: bool,
}

impl ConfigError {
    /// Whether all that is wrong is that credentials are missing or cannot be read.
    #[must_use]
    pub const fn is_credentials(&self) -> bool {
        self.is_credentials
    }

    /// The first problem on one line, and how many others there are: for a log.
    #[must_use]
    pub fn summary(&self) -> String {
        let first = self.problems.first().map(|problem| self.line(problem)).unwrap_or_default();
        match self.problems.len().saturating_sub(1) + self.omitted {
            0 => first,
            others => format!("{first} (and {others} more)"),
        }
    }

    pub(super) fn whole_file(file_name: &str, message: String, hint: Option<String>) -> Self {
        let problem = Problem { at: None, message, hint, is_credentials: false };
        Self::new(file_name, "", vec![problem])
    }

    pub(super) fn new(file_name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        let is_credentials = problems.iter().all(|problem| problem.is_credentials);
        problems.sort_by_key(|problem| problem.at.map(|at| at.offset));
        let omitted = problems.len().saturating_sub(MOST);
        problems.truncate(MOST);
        for place in problems.iter_mut().filter_map(|problem| problem.at.as_mut()) {
            place.locate(text);
        }
        Self { file_name: file_name.to_owned(), problems, omitted, is_credentials }
    }

    fn line(&self, problem: &Problem) -> String {
        let place = problem.at.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
        format!("{}{place}: {}", self.file_name, problem.message)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            write!(formatter, "error: {}", self.line(problem))?;
            if let Some(hint) = &problem.hint {
                write!(formatter, "\n\nhint: {hint}")?;
            }
        }
        if self.omitted > 0 {
            write!(formatter, "\n\nerror: {}: {} more", self.file_name, self.omitted)?;
            formatter.write_str("\n\nhint: they are shown when the first ones are mended")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: Option<Place>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) is_credentials: bool,
}

/// A place in the text; line and column count characters from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    offset: usize,
    line: usize,
    column: usize,
}

impl Place {
    /// The place of a byte, not yet located.
    pub(super) const fn at(offset: usize) -> Self {
        Self { offset, line: 1, column: 1 }
    }

    fn locate(&mut self, text: &str) {
        let before = text.get(..self.offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.line = before.matches('\n').count() + 1;
        // No editor counts the byte-order mark.
        self.column = line.trim_start_matches('\u{feff}').chars().count() + 1;
    }
}

/// How many problems are kept: more than a screen of them helps nobody.
const MOST: usize = 20;
