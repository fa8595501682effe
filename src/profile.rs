//! `Profile`: the limits that what was measured is held to, by name, each number with its source.

use std::borrow::Cow;
use std::time::Duration;

/// What is measured and held to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// From mouth to ear, which ITU-T G.114 calls the one-way transmission time.
    OneWayDelay,
    /// There and back.
    RoundTrip,
    /// The jitter of RFC 3550 §6.4.1.
    Jitter,
    /// The share of packets that did not come.
    Loss,
    /// The share of packets that came too late to be played.
    Late,
    /// The greatest share of packets lost within 200 ms.
    BurstLoss,
    /// The share of packets that came after a later one.
    Reorder,
    /// The estimate of listening quality, 1 to 4.5 (ITU-T G.107).
    Mos,
    /// How long a NAT remembers a UDP flow on which nothing is sent.
    NatLifetime,
    /// How long the first certificate of a server's chain still lives.
    CertificateLeft,
}

/// In what a measure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// A share, 0 to 1.
    Ratio,
    /// A mean opinion score, 1 to 5.
    Score,
}

/// How far a measure may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What is worse than this can be heard now and then: it is a warning.
    pub warn: f64,
    /// What is worse than this makes a conversation hard.
    pub fail: f64,
}

/// What a measured value is beside its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Within both limits.
    Good,
    /// Beyond the first limit.
    Warn,
    /// Beyond both.
    Fail,
}

/// Limits under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    name: Cow<'static, str>,
    base: Option<&'static str>,
    limits: [Limit; Measure::ALL.len()],
}

impl Measure {
    /// Every measure, in the order of the variants.
    pub const ALL: [Self; 10] = [
        Self::OneWayDelay,
        Self::RoundTrip,
        Self::Jitter,
        Self::Loss,
        Self::Late,
        Self::BurstLoss,
        Self::Reorder,
        Self::Mos,
        Self::NatLifetime,
        Self::CertificateLeft,
    ];

    /// Its name in configurations.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::OneWayDelay => "one_way_delay",
            Self::RoundTrip => "rtt",
            Self::Jitter => "jitter",
            Self::Loss => "loss",
            Self::Late => "late",
            Self::BurstLoss => "burst_loss",
            Self::Reorder => "reorder",
            Self::Mos => "mos",
            Self::NatLifetime => "nat_lifetime",
            Self::CertificateLeft => "certificate_left",
        }
    }

    /// Its name in JSON, which ends in its unit.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::OneWayDelay => "one_way_delay_seconds",
            Self::RoundTrip => "rtt_seconds",
            Self::Jitter => "jitter_seconds",
            Self::Loss => "loss_ratio",
            Self::Late => "late_ratio",
            Self::BurstLoss => "burst_loss_ratio",
            Self::Reorder => "reorder_ratio",
            Self::Mos => "mos",
            Self::NatLifetime => "nat_lifetime_seconds",
            Self::CertificateLeft => "certificate_left_seconds",
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::OneWayDelay => "mouth to ear",
            Self::RoundTrip => "round trip",
            Self::Jitter => "jitter",
            Self::Loss => "loss",
            Self::Late => "late packets",
            Self::BurstLoss => "loss within 200 ms",
            Self::Reorder => "reordering",
            Self::Mos => "MOS",
            Self::NatLifetime => "NAT lifetime",
            Self::CertificateLeft => "certificate left",
        }
    }

    /// In what it is counted.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::OneWayDelay
            | Self::RoundTrip
            | Self::Jitter
            | Self::NatLifetime
            | Self::CertificateLeft => Unit::Seconds,
            Self::Loss | Self::Late | Self::BurstLoss | Self::Reorder => Unit::Ratio,
            Self::Mos => Unit::Score,
        }
    }

    /// Whether less is worse.
    #[must_use]
    pub const fn is_floor(self) -> bool {
        matches!(self, Self::Mos | Self::NatLifetime | Self::CertificateLeft)
    }

    /// Where the numbers of the named profiles come from.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::OneWayDelay => {
                "ITU-T G.114, from mouth to ear: 150 ms is good, 400 ms the limit; 250 ms is in \
                 between"
            }
            Self::RoundTrip => "Microsoft Teams: 100 ms to its edge, calls beyond 500 ms are poor",
            Self::Jitter => "Cisco, Teams and GoTo: 30 ms; 8x8: 40 ms is severe; 20 ms is ours",
            Self::Loss => "Teams and GoTo: 1 %; Teams calls a call with 2 % poor; 0.5 % is ours",
            Self::Late => "as loss: a packet that comes too late to be played is lost to the ear",
            Self::BurstLoss => {
                "Teams: less than 10 % within 200 ms; 10 % itself is good here, since one lost \
                 packet of ten makes it; 30 %, a trunk 20 %, is ours"
            }
            Self::Reorder => "Teams: 0.05 % at the client; 0.5 % is ours",
            Self::Mos => "ITU-T G.109: 4.02 high, 3.60 medium, 3.10 low",
            Self::NatLifetime => {
                "GoTo: 90 s at least, 300 s recommended; keep-alives of phones: 30 s (RFC 5626 \
                 §4.4), of browsers: 15 s (RFC 8445 §11)"
            }
            Self::CertificateLeft => {
                "CA/Browser Forum SC-081v3: 47 days at most from 2029; Certbot 4 renews with a third \
                 left, so who has 14 d was not renewed; 3 d, a weekend and a day, is ours"
            }
        }
    }

    /// A value for people: `2 %`, `40 ms`, `3.6`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self.unit() {
            Unit::Seconds if value < 1.0 => format!("{} ms", trimmed(value * 1e3)),
            Unit::Seconds if value >= DAY => format!("{} d", trimmed(value / DAY)),
            Unit::Seconds if value >= HOUR => format!("{} h", trimmed(value / HOUR)),
            Unit::Seconds => format!("{} s", trimmed(value)),
            Unit::Ratio => format!("{} %", trimmed(value * 1e2)),
            Unit::Score => trimmed(value),
        }
    }

    /// Two limits for people, the unit said once where it is the same: `30/40 ms`.
    #[must_use]
    pub fn show_limit(self, limit: Limit) -> String {
        let (warn, fail) = (self.show(limit.warn), self.show(limit.fail));
        match (warn.split_once(' '), fail.split_once(' ')) {
            (Some((number, unit)), Some((_, same))) if unit == same => format!("{number}/{fail}"),
            _ => format!("{warn}/{fail}"),
        }
    }

    /// Whether a fact of this name is held to this measure.
    ///
    /// A round trip alone is no media: every server has one.
    #[must_use]
    pub fn judges(self, fact: &str) -> bool {
        self.facts().contains(&fact)
    }

    /// The names of the facts that are held to this measure.
    #[must_use]
    pub const fn facts(self) -> &'static [&'static str] {
        match self {
            Self::OneWayDelay => &["mouth_to_ear_seconds"],
            Self::RoundTrip => &[],
            Self::Jitter => &["jitter_seconds", "binding_jitter_seconds"],
            Self::Loss => &["loss_ratio", "binding_loss_ratio"],
            Self::Late => &["late_ratio"],
            Self::BurstLoss => &["worst_window_loss_ratio"],
            Self::Reorder => &["reordered"],
            Self::Mos => &["mos_estimate_g711_plc", "mos_estimate_g711", "mos_estimate_g729a"],
            Self::NatLifetime => &["binding_lifetime_seconds", "binding_lifetime_below_seconds"],
            // It is no measure of media, and every server over TLS has one.
            Self::CertificateLeft => &[],
        }
    }
}

impl Limit {
    /// Whether `fail` is at least as bad as `warn`.
    #[must_use]
    pub fn is_ordered(self, measure: Measure) -> bool {
        if measure.is_floor() { self.fail <= self.warn } else { self.warn <= self.fail }
    }

    /// What a value is beside these limits; a limit itself is still good.
    #[must_use]
    pub fn grade(self, measure: Measure, value: f64) -> Grade {
        let is_worse = |limit: f64| if measure.is_floor() { value < limit } else { value > limit };
        if is_worse(self.fail) {
            Grade::Fail
        } else if is_worse(self.warn) {
            Grade::Warn
        } else {
            Grade::Good
        }
    }

    /// The same limits of how much is left, for what lives so long: they were made for the longest
    /// life of a public certificate, and one that lives shorter is renewed later.
    #[must_use]
    pub fn in_a_life_of(self, life: Option<Duration>) -> Self {
        let share = life.map_or(1.0, |life| (life.as_secs_f64() / LONGEST_LIFE).min(1.0));
        Self { warn: self.warn * share, fail: self.fail * share }
    }
}

impl Profile {
    /// The names of the profiles that are built in.
    pub const NAMES: &'static [&'static str] = &["webrtc-agent", "sip-phone", "byoc-trunk"];

    /// The profile that holds where none is named.
    pub const DEFAULT: &'static str = "sip-phone";

    /// A profile that is built in.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|it| *it == name)?;
        let limits = Measure::ALL.map(|measure| BUILT_IN[measure as usize][at]);
        Some(Self { name: Cow::Borrowed(Self::NAMES[at]), base: None, limits })
    }

    /// A profile of somebody's own, which starts as this one, which is built in.
    #[must_use]
    pub fn copied_as(&self, name: String) -> Self {
        let base = Self::NAMES.iter().find(|it| **it == self.name).copied();
        Self { name: Cow::Owned(name), base, limits: self.limits }
    }

    /// The same profile with another limit.
    #[must_use]
    pub fn with(mut self, measure: Measure, limit: Limit) -> Self {
        self.limits[measure as usize] = limit;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The profile from which it was made; `None` where it is built in.
    #[must_use]
    pub const fn base(&self) -> Option<&'static str> {
        self.base
    }

    /// How far one measure may go.
    #[must_use]
    pub const fn limit(&self, measure: Measure) -> Limit {
        self.limits[measure as usize]
    }

    /// Every measure and how far it may go.
    pub fn limits(&self) -> impl Iterator<Item = (Measure, Limit)> {
        Measure::ALL.into_iter().map(|measure| (measure, self.limit(measure)))
    }

    /// What a measured value is beside its limit; the limit itself is still good.
    #[must_use]
    pub fn grade(&self, measure: Measure, value: f64) -> Grade {
        self.limit(measure).grade(measure, value)
    }
}

impl Default for Profile {
    fn default() -> Self {
        let limits = Measure::ALL.map(|measure| BUILT_IN[measure as usize][1]);
        Self { name: Cow::Borrowed(Self::DEFAULT), base: None, limits }
    }
}

/// A row for each measure, a column for each built-in profile.
///
/// A phone and an agent's browser get what [`Measure::source`] calls acceptable, and fail where it
/// says that calls are poor. A trunk carries every call of a site, and another leg follows it: it
/// gets what is good, and fails where the others warn. A browser keeps its flows alive by itself
/// every 15 s (RFC 8445 §11), so it bears a shorter memory of the NAT.
const BUILT_IN: [[Limit; 3]; Measure::ALL.len()] = [
    [limit(0.250, 0.400), limit(0.250, 0.400), limit(0.150, 0.250)],
    [limit(0.300, 0.500), limit(0.300, 0.500), limit(0.100, 0.300)],
    [limit(0.030, 0.040), limit(0.030, 0.040), limit(0.020, 0.030)],
    [limit(0.01, 0.02), limit(0.01, 0.02), limit(0.005, 0.01)],
    [limit(0.01, 0.02), limit(0.01, 0.02), limit(0.005, 0.01)],
    [limit(0.1, 0.3), limit(0.1, 0.3), limit(0.1, 0.2)],
    [limit(0.0005, 0.005), limit(0.0005, 0.005), limit(0.0005, 0.005)],
    [limit(3.6, 3.1), limit(3.6, 3.1), limit(4.0, 3.6)],
    [limit(30.0, 15.0), limit(90.0, 30.0), limit(300.0, 90.0)],
    [limit(14.0 * DAY, 3.0 * DAY); 3],
];

/// How long a phone may wait for its configuration: ten times the 90 s in which the vendor's guide
/// has the records, TFTP and HTTPS of a new edge group ready; the ten is ours, for a phone that
/// boots and loads its firmware meanwhile.
pub const PROVISIONING: Duration = Duration::from_secs(900);

/// How many conversations tell something: the fewest points of which the vendor's guide draws a
/// conclusion.
pub const SAMPLE: u64 = 14;

/// The share of conversations that may sound bad; it is ours: one of 14 is beyond it.
pub const POOR_SHARE: f64 = 0.05;

/// In seconds.
const HOUR: f64 = 3_600.0;

/// In seconds.
const DAY: f64 = 24.0 * HOUR;

/// How long a public certificate lives at most from 2029 on (CA/Browser Forum SC-081v3).
const LONGEST_LIFE: f64 = 47.0 * DAY;

const fn limit(warn: f64, fail: f64) -> Limit {
    Limit { warn, fail }
}

/// At most two decimals, and none that say nothing.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Grade, Measure, Profile};

    #[test]
    fn every_built_in_limit_fails_no_sooner_than_it_warns() {
        for name in Profile::NAMES {
            let profile = Profile::named(name).expect("it is built in");
            assert!(profile.limits().all(|(measure, limit)| limit.is_ordered(measure)), "{name}");
        }
    }

    #[test]
    fn the_default_is_one_of_the_built_in() {
        assert_eq!(Profile::named(Profile::DEFAULT), Some(Profile::default()));
        assert_eq!(Profile::named("sip-phones"), None);
    }

    #[test]
    fn a_limit_itself_is_good_and_what_is_beyond_it_is_not() {
        let phone = Profile::default();

        let of = |measure, values: [f64; 4]| values.map(|value| phone.grade(measure, value));

        use Grade::{Fail, Good, Warn};
        assert_eq!(of(Measure::Loss, [0.01, 0.0101, 0.02, 0.021]), [Good, Warn, Warn, Fail]);
        assert_eq!(of(Measure::Mos, [3.6, 3.59, 3.1, 3.09]), [Good, Warn, Warn, Fail]);
        assert_eq!(of(Measure::NatLifetime, [90.0, 89.0, 30.0, 29.0]), [Good, Warn, Warn, Fail]);
    }

    #[test]
    fn numbers_are_shown_with_their_unit_and_no_empty_decimals() {
        let phone = Profile::default();
        let shown = |measure: Measure| measure.show_limit(phone.limit(measure));

        assert_eq!(shown(Measure::Loss), "1/2 %");
        assert_eq!(shown(Measure::Reorder), "0.05/0.5 %");
        assert_eq!(shown(Measure::OneWayDelay), "250/400 ms");
        assert_eq!(shown(Measure::Mos), "3.6/3.1");
        assert_eq!(shown(Measure::NatLifetime), "90/30 s");
        assert_eq!(shown(Measure::CertificateLeft), "14/3 d");
        assert_eq!(Measure::CertificateLeft.show(36_000.0), "10 h");
        assert_eq!(Measure::Jitter.show(0.0412), "41.2 ms");
        assert_eq!(Measure::Jitter.show(1.5), "1.5 s");
        assert_eq!(Measure::Loss.show(0.034_67), "3.47 %");
    }
}
