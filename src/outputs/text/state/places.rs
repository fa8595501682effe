//! Where things stand, with which settings, and whom they trust.

use std::time::SystemTime;

use jiff::Timestamp;

use super::super::{GREEN, Page, RED, YELLOW, tally};
use super::table::{Row, number, text};
use super::{MOST, View, called, called_if, list, word, words, yes};
use crate::telephony::{Authority, Endpoint, Location, PartState, Site, TrunkSettings};

impl View<'_> {
    pub(super) fn sites(&self, page: &mut Page, part: &PartState<'_>) {
        let items = &self.state.sites.items;
        self.heading(page, part, &items.len().to_string());
        let columns = [
            text("says"),
            text("location"),
            text("media"),
            text("media regions"),
            text("by latency"),
            text("TURN forced"),
        ];
        let row = |site: &Site| Row {
            state: word(site.state),
            name: called(&site.reference),
            cells: vec![
                site.raw.to_string(),
                called_if(site.location.as_ref()),
                words(site.media_model.as_ref()),
                list(&site.media_regions),
                yes(site.is_latency_based),
                yes(site.is_turn_forced),
            ],
            notes: Vec::new(),
        };
        let rows: Vec<Row> = items.iter().take(MOST).map(row).collect();
        page.rows("site", &columns, &rows, items.len());
    }

    pub(super) fn locations(&self, page: &mut Page, part: &PartState<'_>) {
        let items = &self.state.locations.items;
        self.heading(page, part, &items.len().to_string());
        let columns = [
            text("says"),
            text("address"),
            text("region"),
            text("emergency number"),
            text("SIP ports"),
            text("proxy"),
            text("STUN"),
            text("TURN"),
            text("lets in"),
        ];
        let row = |location: &Location| Row {
            state: word(location.state),
            name: called(&location.reference),
            cells: vec![
                location.raw.to_string(),
                words(location.address.as_ref()),
                words(location.region.as_ref()),
                words(location.emergency_number.as_ref()),
                list(&location.sip_ports),
                endpoint(location.proxy.as_ref()),
                endpoint(location.stun.as_ref()),
                endpoint(location.turn.as_ref()),
                list(&location.allowed),
            ],
            notes: Vec::new(),
        };
        let rows: Vec<Row> = items.iter().take(MOST).map(row).collect();
        page.rows("location", &columns, &rows, items.len());
    }

    pub(super) fn organization(&self, page: &mut Page, part: &PartState<'_>) {
        let items = &self.state.organization.items;
        let names: Vec<String> = items.iter().map(|it| called(&it.reference)).collect();
        self.heading(page, part, &names.join(", "));
        let columns = [text("says"), text("home region"), text("media regions")];
        let rows: Vec<Row> = items
            .iter()
            .map(|it| Row {
                state: word(it.state),
                name: called(&it.reference),
                cells: vec![
                    it.raw.to_string(),
                    words(it.home_region.as_ref()),
                    list(&it.media_regions),
                ],
                notes: Vec::new(),
            })
            .collect();
        page.rows("organization", &columns, &rows, items.len());
    }

    pub(super) fn trunk_settings(&self, page: &mut Page, part: &PartState<'_>) {
        let items = &self.state.trunk_settings.items;
        self.heading(page, part, &items.len().to_string());
        let columns = [
            text("enabled"),
            text("transport"),
            number("DSCP media"),
            number("DSCP SIP"),
            text("proxies"),
            text("codecs"),
            text("lets in"),
        ];
        let dscp = |dscp: Option<u8>| dscp.map(|it| it.to_string()).unwrap_or_default();
        let row = |settings: &TrunkSettings| Row {
            name: called(&settings.reference),
            cells: vec![
                yes(settings.is_enabled),
                words(settings.transport.as_ref()),
                dscp(settings.media_dscp),
                dscp(settings.sip_dscp),
                list(&settings.proxies),
                list(&settings.codecs),
                list(&settings.allowed),
            ],
            ..Row::default()
        };
        let rows: Vec<Row> = items.iter().take(MOST).map(row).collect();
        page.rows("settings", &columns, &rows, items.len());
    }

    /// Certificate authorities, the one that ends first in front.
    pub(super) fn authorities(&self, page: &mut Page, part: &PartState<'_>) {
        let mut items: Vec<&Authority> = self.state.authorities.items.iter().collect();
        items.sort_by_cached_key(|it| (it.expires.is_none(), it.expires, called(&it.reference)));
        let validities = ["valid", "INVALID", "EXPIRED", "unknown"]
            .map(|word| (items.iter().filter(|it| self.validity(it).0 == word).count(), word));
        self.heading(page, part, &tally(&validities));
        let columns = [text("ends"), text("kind"), text("for"), text("subject")];
        let row = |it: &&Authority| Row {
            state: self.validity(it),
            name: called(&it.reference),
            cells: vec![
                it.expires.map(|at| format!("{}, {}", day(at), self.ago(at))).unwrap_or_default(),
                words(it.kind.as_ref()),
                list(&it.services),
                words(it.subject.as_ref()),
            ],
            notes: Vec::new(),
        };
        let rows: Vec<Row> = items.iter().take(MOST).map(row).collect();
        page.rows("authority", &columns, &rows, items.len());
    }

    fn validity(&self, authority: &Authority) -> (&'static str, &'static str) {
        match (authority.expires, authority.is_valid) {
            (Some(at), _) if at <= self.now => ("EXPIRED", RED),
            (_, Some(false)) => ("INVALID", RED),
            (_, Some(true)) | (Some(_), None) => ("valid", GREEN),
            (None, None) => ("unknown", YELLOW),
        }
    }
}

fn endpoint(endpoint: Option<&Endpoint>) -> String {
    endpoint.map_or_else(String::new, |it| match it.port {
        Some(port) => format!("{}:{port}", it.host),
        None => it.host.to_string(),
    })
}

fn day(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let stamp = Timestamp::from_second(seconds);
    stamp.map_or_else(|_| "an unknown day".to_owned(), |it| it.strftime("%Y-%m-%d").to_string())
}
