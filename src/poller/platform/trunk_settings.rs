//! The settings of trunks.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::entity::{Entity, Named, STATES, decode, has_odd, lenient};
use super::trunk::KINDS;
use crate::poller::page::Decoded;
use crate::telephony::TrunkSettings;

/// One set of settings out of its listing.
pub(super) fn trunk_settings(entity: Value, now: SystemTime) -> Decoded<TrunkSettings> {
    decode::<RawSettings>(entity, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSettings {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    trunk_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    properties: Option<RawProperties>,
}

/// The properties that we read. The vendor keeps the carrier's user and password beside them
/// (`trunk_sip_authentication_credentials_…`); whatever is not named here is dropped unread.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawProperties {
    trunk_enabled: Property,
    #[serde(rename = "trunk_transport_protocolVariant")]
    transport: Property,
    #[serde(rename = "trunk_transport_serverProxyList")]
    proxies: Property,
    #[serde(rename = "trunk_access_acl_allowList")]
    allowed: Property,
    #[serde(rename = "trunk_media_codec")]
    codecs: Property,
    #[serde(rename = "trunk_media_dscpValue")]
    media_dscp: Property,
    #[serde(rename = "trunk_transport_sipDscpValue")]
    sip_dscp: Property,
}

/// What is set: the instance's own value, or else the default.
#[derive(Default)]
struct Property(Value);

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut property = Value::deserialize(from)?;
        let value = property.get_mut("value").map(Value::take).unwrap_or_default();
        let own = value.get("instance").filter(|it| !it.is_null());
        Ok(Self(own.or_else(|| value.get("default")).cloned().unwrap_or_default()))
    }
}

impl Property {
    fn flag(&self) -> Option<bool> {
        let said = || self.0.as_str()?.parse().ok();
        self.0.as_bool().or_else(said)
    }

    fn word(&self) -> Option<Foreign> {
        self.0.as_str().filter(|text| !text.is_empty()).map(Foreign::new)
    }

    fn texts(&self) -> Vec<Foreign> {
        let listed = self.0.as_array().into_iter().flatten().take(MOST_VALUES);
        listed.filter_map(Value::as_str).map(Foreign::new).collect()
    }

    /// RFC 2474 §3: six bits.
    fn dscp(&self) -> Option<u8> {
        let number = self.0.as_u64().or_else(|| self.0.as_str()?.trim().parse().ok())?;
        u8::try_from(number).ok().filter(|dscp| *dscp < 64)
    }
}

/// No setting has more.
const MOST_VALUES: usize = 256;

impl Entity for RawSettings {
    type Item = TrunkSettings;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[(&self.state, STATES), (&self.trunk_type, KINDS)])
    }

    fn item(self, _now: SystemTime) -> Option<TrunkSettings> {
        let properties = self.properties.unwrap_or_default();
        Some(TrunkSettings {
            stun_server: None,
            reference: Named { id: self.id, name: self.name }.reference()?,
            is_enabled: properties.trunk_enabled.flag(),
            transport: properties.transport.word(),
            proxies: properties.proxies.texts(),
            codecs: properties.codecs.texts(),
            media_dscp: properties.media_dscp.dscp(),
            sip_dscp: properties.sip_dscp.dscp(),
            allowed: properties.allowed.texts(),
        })
    }
}
