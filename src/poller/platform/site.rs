//! Sites.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use super::entity::{Entity, Named, activity, decode, words};
use crate::poller::page::Decoded;
use crate::telephony::Site;

/// One site out of its listing.
pub(super) fn site(entity: Value, now: SystemTime) -> Decoded<Site> {
    decode::<RawSite>(entity, now)
}

#[derive(Deserialize)]
struct RawSite {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    location: Option<Named>,
}

impl Entity for RawSite {
    type Item = Site;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn item(self, _now: SystemTime) -> Option<Site> {
        Some(Site {
            state: activity(self.state.as_deref()),
            raw: words([&self.state]),
            reference: Named { id: self.id, name: self.name }.reference()?,
            location: self.location.and_then(Named::reference),
            ..Site::default()
        })
    }
}
