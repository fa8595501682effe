//! Certificate authorities.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::Value;

use super::entity::{Entity, Named, STATES, decode, filled, has_odd, lenient, time};
use crate::poller::page::Decoded;
use crate::telephony::Authority;

/// One certificate authority out of its listing.
pub(super) fn authority(entity: Value, now: SystemTime) -> Decoded<Authority> {
    decode::<RawAuthority>(entity, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAuthority {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    services: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    certificate_details: Option<Vec<RawCertificate>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    subject: Option<String>,
    expiration_date: Option<String>,
    expired: Option<bool>,
    valid: Option<bool>,
}

const KINDS: &[&str] = &["MANAGED", "REMOTE"];
const SERVICES: &[&str] = &["SIP", "PROVISION", "PROVISION_PHONE"];

impl Entity for RawAuthority {
    type Item = Authority;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        self.services.iter().flatten().any(|service| !SERVICES.contains(&service.as_str()))
            || has_odd(&[(&self.state, STATES), (&self.kind, KINDS)])
    }

    fn item(self, _now: SystemTime) -> Option<Authority> {
        let certificates = self.certificate_details.unwrap_or_default();
        let expirations = certificates.iter().map(|it| it.expiration_date.as_deref());
        Some(Authority {
            reference: Named { id: self.id, name: self.name }.reference()?,
            kind: filled(self.kind),
            services: self.services.into_iter().flatten().map(Foreign::new).collect(),
            expires: expirations.filter_map(time).min(),
            is_valid: are_valid(&certificates),
            subject: certificates.into_iter().find_map(|it| filled(it.subject)),
        })
    }
}

/// One that is not is enough; of none, nothing is known.
fn are_valid(certificates: &[RawCertificate]) -> Option<bool> {
    let is_bad = |it: &RawCertificate| it.valid == Some(false) || it.expired == Some(true);
    if certificates.iter().any(is_bad) {
        return Some(false);
    }
    let are_good = certificates.iter().all(|it| it.valid == Some(true));
    (!certificates.is_empty() && are_good).then_some(true)
}
