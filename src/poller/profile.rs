//! The two APIs, and how they differ.

use std::time::Duration;

use super::reading::Asking;
use super::readings::Readings;
use super::{guide, platform};
use crate::telephony::PartName;

/// Which API is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The vendor's published API.
    #[default]
    Platform,
    /// The paths, fields and words of the vendor's guide.
    Guide,
}

impl Profile {
    /// The word of the configuration.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Guide => "guide",
        }
    }

    /// How often a part is read where everything else is read at `interval`; `None` where this API
    /// does not have the part.
    pub(super) fn pace(self, part: PartName, interval: Duration) -> Option<Duration> {
        match self {
            Self::Platform => platform::pace(part, interval),
            Self::Guide => guide::pace(part, interval),
        }
    }

    /// Of which part's things this part tells more.
    pub(super) const fn foundation(self, part: PartName) -> Option<PartName> {
        match (self, part) {
            (_, PartName::EdgeMetrics | PartName::Quality) => Some(PartName::Edges),
            (_, PartName::TrunkMetrics) => Some(PartName::Trunks),
            (Self::Guide, PartName::Changes) => Some(PartName::Locations),
            (Self::Platform | Self::Guide, _) => None,
        }
    }

    /// The part by which it is told what belongs to a location.
    pub(super) const fn places(self) -> PartName {
        match self {
            Self::Platform => PartName::Sites,
            Self::Guide => PartName::Locations,
        }
    }

    /// Whether a part belongs to the first half of a reading.
    pub(super) const fn reads_first(self, part: PartName) -> bool {
        let comes_with_trunks = matches!((self, part), (Self::Guide, PartName::TrunkSettings));
        comes_with_trunks
            || part.is_vital()
            || matches!(part, PartName::Sites | PartName::Locations)
    }

    /// Whether this API gives single things of a part.
    pub(super) const fn has_things(self, part: PartName) -> bool {
        match self {
            Self::Platform => {
                matches!(part, PartName::Edges | PartName::Trunks | PartName::Phones)
            }
            Self::Guide => false,
        }
    }

    /// Reads what is wanted, and of it what belongs to the location.
    pub(super) async fn read(self, asking: &Asking<'_>) -> Readings {
        match self {
            Self::Platform => {
                let all = platform::read(asking).await;
                match asking.narrowing {
                    Some(narrowing) => narrowing.applied(all, asking.previous),
                    None => all,
                }
            }
            Self::Guide => guide::read(asking).await,
        }
    }
}
