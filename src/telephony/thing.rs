//! What all things of the vendor's have: a name, an id, and a state.

use branchline_probes::Foreign;

/// A thing's name and id, as another thing refers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// The vendor's id.
    pub id: Foreign,
    /// The name, where the vendor gives it.
    pub name: Foreign,
}

impl Reference {
    /// Whether a person who wrote `name_or_id` means this.
    #[must_use]
    pub fn is(&self, name_or_id: &str) -> bool {
        self.name.as_str() == name_or_id || self.id.as_str() == name_or_id
    }
}

/// Whether a thing works, as the vendor sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// The vendor's words do not say.
    #[default]
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Unknown];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}
