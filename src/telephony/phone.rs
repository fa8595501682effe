//! Phones and their lines.

use std::time::SystemTime;

use branchline_probes::Foreign;

use super::Reference;

/// What a phone does, as the vendor sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneState {
    /// It is in service.
    Active,
    /// It is not, although its edges are, or its provisioning failed.
    Failed,
    /// It waits for its first provisioning.
    Pending,
    /// It is being provisioned.
    Provisioning,
    /// No edge or no hardware is assigned to it.
    Unassigned,
    /// The vendor's words do not say.
    #[default]
    Unknown,
}

impl PhoneState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Failed,
        Self::Pending,
        Self::Provisioning,
        Self::Unassigned,
        Self::Unknown,
    ];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Unassigned => "unassigned",
            Self::Unknown => "unknown",
        }
    }
}

/// A desk phone or a phone in a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phone {
    /// Its id and name.
    pub reference: Reference,
    /// What it does.
    pub state: PhoneState,
    /// The vendor's words: `OFFLINE IN_SERVICE`.
    pub raw: Foreign,
    /// The site at which it stands.
    pub site: Option<Reference>,
    /// The group of edges that serves it, where the vendor tells it.
    pub edge_group: Option<Reference>,
    /// The edge that serves it now.
    pub edge: Option<Reference>,
    /// Since when it is known to be in this state: not before the first reading that said so,
    /// unless the vendor tells it.
    pub since: Option<SystemTime>,
    /// When it last fetched its configuration.
    pub provisioned: Option<SystemTime>,
    /// What the vendor says went wrong with its provisioning.
    pub problem: Option<Foreign>,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Its hardware address, twelve hexadecimal digits.
    pub hardware: Option<Foreign>,
    /// What it calls itself: manufacturer, model, firmware.
    pub model: Option<Foreign>,
}

impl Phone {
    /// Whether a person who wrote `link` means this one: by its name, its id, or its hardware
    /// address in any of the ways in which people write it.
    #[must_use]
    pub fn is(&self, link: &str) -> bool {
        let hardware = self.hardware.as_ref().map(|it| digits(it.as_str()));
        self.reference.is(link) || hardware.is_some_and(|it| !it.is_empty() && it == digits(link))
    }
}

/// A hardware address as its twelve digits, however it is written; `None` for what is none.
#[must_use]
pub fn hardware_address(text: &str) -> Option<String> {
    let digits = digits(text);
    let is_address = digits.len() == 12 && digits.bytes().all(|it| it.is_ascii_hexdigit());
    is_address.then_some(digits)
}

/// What is left where nothing separates the digits.
fn digits(text: &str) -> String {
    let separators = [':', '-', '.', ' '];
    text.chars().filter(|it| !separators.contains(it)).flat_map(char::to_lowercase).collect()
}

/// One line of a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The vendor's id.
    pub id: Foreign,
    /// Whether the edge reaches it.
    pub is_reachable: Option<bool>,
    /// Since when.
    pub since: Option<SystemTime>,
    /// The URI by which it is called.
    pub address_of_record: Option<Foreign>,
    /// The URIs at which it is registered.
    pub contacts: Vec<Foreign>,
}
