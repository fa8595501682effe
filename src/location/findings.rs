//! `Findings`: what a check saw, and what was wrong.

use std::fmt;

use branchline_probes::Foreign;

/// What a check of a location's settings saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What the location is called, where it says so.
    pub name: Option<Foreign>,
    /// How many settings were checked.
    pub checked: usize,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
    /// What is valid, and perhaps not meant.
    pub doubts: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: the JSON path.
    pub path: String,
    /// The first wrong character of the value, counted from 1.
    pub position: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// The way out.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.what)?;
        if let Some(position) = self.position {
            write!(formatter, " (character {position})")?;
        }
        write!(formatter, "; {}", self.remedy)
    }
}

/// A check on its way.
#[derive(Default)]
pub(super) struct Checking(Findings);

impl Checking {
    pub(super) fn name(&mut self, name: Option<&str>) {
        self.0.name = name.filter(|name| !name.is_empty()).map(Foreign::new);
    }

    /// One more setting is as it should be.
    pub(super) fn right(&mut self) {
        self.0.checked += 1;
    }

    /// One more setting is wrong.
    pub(super) fn wrong(&mut self, path: &str, position: Option<usize>, what: &str, remedy: &str) {
        self.0.checked += 1;
        self.0.problems.push(problem(path, position, what, remedy));
    }

    /// Valid, and perhaps not meant.
    pub(super) fn doubtful(&mut self, path: &str, what: &str, remedy: &str) {
        self.0.doubts.push(problem(path, None, what, remedy));
    }

    pub(super) const fn has_seen_nothing(&self) -> bool {
        self.0.checked == 0
    }

    pub(super) fn done(self) -> Findings {
        self.0
    }
}

fn problem(path: &str, position: Option<usize>, what: &str, remedy: &str) -> Problem {
    Problem { path: path.to_owned(), position, what: what.to_owned(), remedy: remedy.to_owned() }
}
