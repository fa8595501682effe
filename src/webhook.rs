//! Webhooks of the vendor's: whom we hear, what proves it, and what it hints at. Values in, values
//! out; time is an argument.

mod network;
mod notice;
mod rate;
mod refusal;
mod replays;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::Secret;

use crate::signature::{epoch_seconds, is_signed};

pub use crate::signature::{SIGNATURE, TIMESTAMP};

pub use network::{Network, NetworkError};
pub use notice::Notice;
pub use rate::Rates;
pub use refusal::Refusal;
pub use replays::{Mark, Replays};

/// Whom we hear.
#[derive(Clone)]
pub struct Settings {
    /// The secrets that may have signed: two while one replaces the other.
    pub secrets: Vec<Secret>,
    /// Who may send.
    pub allow: Vec<Network>,
    /// How far the moment of sending may be from now.
    pub window: Duration,
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The time since the daemon started, which nobody sets.
    pub steady: Duration,
    /// The time of day, which somebody may set.
    pub wall: SystemTime,
    /// Whether nobody says that the time of day is wrong.
    pub is_synchronised: bool,
}

/// What proves a webhook: its headers, where there is one of each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proof<'a> {
    /// When it was sent, in seconds since 1970.
    pub timestamp: Option<&'a str>,
    /// Its signature.
    pub signature: Option<&'a str>,
}

impl Proof<'_> {
    /// Whether it looks like one: digits, and 32 bytes in hexadecimal digits.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let digest = self.signature.map(|it| it.strip_prefix("sha256=").unwrap_or(it));
        self.timestamp.and_then(seconds).is_some()
            && digest
                .is_some_and(|it| it.len() == 64 && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

/// A webhook that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub peer: IpAddr,
    /// What it says.
    pub notice: Notice,
}

/// The door at which webhooks arrive. They are asked for what costs least first, and nothing of a
/// body is read as JSON before a secret proved it (D-HOOK-1).
#[derive(Default)]
pub struct Door {
    settings: Option<Settings>,
    rates: Rates,
    replays: Replays,
    results: BTreeMap<&'static str, u64>,
}

impl Door {
    /// Follows other settings; what was heard is remembered. `None`: nobody is heard.
    pub fn follow(&mut self, settings: Option<Settings>) {
        self.settings = settings;
    }

    /// Whether the body of a sender is read at all. `length` is how long the sender says it is.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that the sender is told.
    pub fn admit(
        &mut self,
        peer: IpAddr,
        length: Option<u64>,
        steady: Duration,
    ) -> Result<(), Refusal> {
        let settings = self.settings.as_ref().ok_or(Refusal::NotConfigured)?;
        if !settings.allow.iter().any(|network| network.contains(peer)) {
            return Err(Refusal::Address);
        }
        if length.is_some_and(|length| length > LARGEST as u64) {
            return Err(Refusal::TooLarge);
        }
        self.rates.take(peer, steady).map_err(|wait| {
            let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Refusal::Rate { retry_after: whole.max(1) }
        })
    }

    /// What a body of an admitted sender says.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that the sender is told.
    pub fn judge(
        &mut self,
        body: &[u8],
        proof: Proof<'_>,
        clock: Clock,
    ) -> Result<Notice, Refusal> {
        let settings = self.settings.as_ref().ok_or(Refusal::NotConfigured)?;
        let timestamp = proof.timestamp.and_then(seconds);
        let signature = proof.signature.unwrap_or_default();
        // Whatever is missing, the same is computed and the same is said.
        let is_signed =
            is_signed(&settings.secrets, timestamp.unwrap_or_default(), body, signature);
        let timestamp = timestamp.filter(|_| is_signed).ok_or(Refusal::Signature)?;
        let now = epoch_seconds(clock.wall);
        // F24: a clock that was not set yet would let in what was recorded back then.
        if !clock.is_synchronised || now < EARLIEST {
            return Err(Refusal::ClockUnsynced);
        }
        if now.abs_diff(timestamp) > settings.window.min(LONGEST_WINDOW).as_secs() {
            return Err(Refusal::Window);
        }
        self.replays.hear(Mark::of(timestamp, body), timestamp, clock.steady)?;
        Notice::read(body).ok_or(Refusal::Body)
    }

    /// Counts how one ended: [`ACCEPTED`], or the label of a refusal.
    pub fn count(&mut self, result: &'static str) {
        *self.results.entry(result).or_default() += 1;
    }

    /// How many ended how since this was last asked.
    pub fn results(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.results)
    }
}

/// Digits alone, so that a moment is written in one way.
fn seconds(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// How one that was heard is counted.
pub const ACCEPTED: &str = "accepted";

/// The largest body that is read, in bytes (D-HOOK-1).
pub const LARGEST: usize = 256 << 10;

/// The longest window: what is heard is remembered for twice as long (D-HOOK-2).
pub const LONGEST_WINDOW: Duration = Duration::from_secs(replays::KEPT.as_secs() / 2);

/// 2020-01-01T00:00:00Z: a clock before it was never set.
const EARLIEST: u64 = 1_577_836_800;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, SystemTime};

    use branchline_probes::Secret;

    use super::{Clock, Door, Network, Notice, Proof, Refusal, Settings};
    use crate::signature::sign;

    const NOW: u64 = 1_800_000_000;
    const BODY: &[u8] = br#"{"id":"evt-1","data":{"sipTrunkId":"t-1"}}"#;
    const NEW: &str = "a-new-secret-of-ours";
    const OLD: &str = "an-old-secret-of-ours";

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn door() -> Door {
        let mut door = Door::default();
        door.follow(Some(Settings {
            secrets: vec![secret(NEW), secret(OLD)],
            allow: Network::loopback(),
            window: Duration::from_secs(300),
        }));
        door
    }

    fn clock(seconds: u64) -> Clock {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Clock { steady: Duration::from_secs(5), wall, is_synchronised: true }
    }

    fn judge(
        door: &mut Door,
        body: &[u8],
        timestamp: &str,
        signature: &str,
        clock: Clock,
    ) -> Result<Notice, Refusal> {
        let proof = Proof { timestamp: Some(timestamp), signature: Some(signature) };
        door.judge(body, proof, clock)
    }

    fn at(door: &mut Door, sent: u64, clock: Clock) -> Result<(), Refusal> {
        let signature = sign(&secret(NEW), sent, BODY);
        judge(door, BODY, &sent.to_string(), &signature, clock).map(|_| ())
    }

    // D-HOOK-1
    #[test]
    fn either_secret_proves_a_webhook_while_one_replaces_the_other() {
        for by in [NEW, OLD] {
            let signature = sign(&secret(by), NOW, BODY);

            let notice = judge(&mut door(), BODY, &NOW.to_string(), &signature, clock(NOW));

            assert_eq!(notice.map(|it| it.id.to_string()), Ok("evt-1".to_owned()));
        }
    }

    // D-HOOK-1
    #[test]
    fn whatever_is_wrong_with_a_signature_the_answer_is_the_same() {
        let right = sign(&secret(NEW), NOW, BODY);
        let wrong = sign(&secret("somebody else's"), NOW, BODY);
        let moment = NOW.to_string();
        for (timestamp, signature) in [
            (None, Some(right.as_str())),
            (Some(moment.as_str()), None),
            (Some(&moment), Some("")),
            (Some(&moment), Some(&right[..right.len() - 1])),
            (Some(&moment), Some(&right[..20])),
            (Some(&moment), Some("sha256=zzzz")),
            (Some(&moment), Some(&wrong)),
            (Some("now"), Some(&right)),
            (Some("+1800000000"), Some(&right)),
            (Some("99999999999999999999999"), Some(&right)),
            (Some("1800000001"), Some(&right)),
            (None, None),
        ] {
            let refusal = door().judge(BODY, Proof { timestamp, signature }, clock(NOW));

            assert_eq!(refusal, Err(Refusal::Signature), "{timestamp:?} {signature:?}");
        }
    }

    // D-HOOK-1
    #[test]
    fn a_proof_looks_like_one_or_nothing_is_waited_for() {
        let digest = "0123456789abcdefABCDEF".repeat(3)[..64].to_owned();
        let of = |timestamp: Option<&str>, signature: Option<&str>| {
            Proof { timestamp, signature }.is_well_formed()
        };

        assert!(of(Some("1800000000"), Some(&digest)));
        assert!(of(Some("1800000000"), Some(&format!("sha256={digest}"))));
        for (timestamp, signature) in [
            (None, Some(digest.as_str())),
            (Some("1800000000"), None),
            (Some("+1"), Some(&digest)),
            (Some("1800000000"), Some(&digest[1..])),
            (Some("1800000000"), Some("")),
        ] {
            assert!(!of(timestamp, signature), "{timestamp:?} {signature:?}");
        }
    }

    // D-HOOK-1
    #[test]
    fn a_body_that_nobody_signed_is_not_read_whatever_it_holds() {
        let judged = judge(&mut door(), b"{ this is no JSON", "1800000000", "", clock(NOW));

        assert_eq!(judged, Err(Refusal::Signature));
    }

    // D-HOOK-2
    #[test]
    fn a_webhook_counts_within_five_minutes_of_its_moment() {
        for (sent, is_heard) in [
            (NOW, true),
            (NOW - 300, true),
            (NOW + 300, true),
            (NOW - 301, false),
            (NOW + 301, false),
        ] {
            let expected = if is_heard { Ok(()) } else { Err(Refusal::Window) };
            assert_eq!(at(&mut door(), sent, clock(NOW)), expected, "{sent}");
        }
    }

    // D-HOOK-2
    #[test]
    fn the_same_bytes_are_heard_once_however_their_signature_is_written() {
        let mut door = door();
        let right = sign(&secret(NEW), NOW, BODY);
        let moment = NOW.to_string();
        assert!(judge(&mut door, BODY, &moment, &right, clock(NOW)).is_ok());

        for again in [
            right.clone(),
            right["sha256=".len()..].to_owned(),
            right["sha256=".len()..].to_uppercase(),
            sign(&secret(OLD), NOW, BODY),
        ] {
            let judged = judge(&mut door, BODY, &moment, &again, clock(NOW));
            assert_eq!(judged, Err(Refusal::Replay), "{again}");
        }
    }

    // F24
    #[test]
    fn without_a_clock_nobody_is_heard_and_with_one_again() {
        let mut door = door();
        let unset = Clock { is_synchronised: false, ..clock(NOW) };

        assert_eq!(at(&mut door, 1000, clock(1000)), Err(Refusal::ClockUnsynced));
        assert_eq!(at(&mut door, NOW, unset), Err(Refusal::ClockUnsynced));
        assert_eq!(at(&mut door, NOW, clock(NOW)), Ok(()));
    }

    // D-HOOK-2, F24
    #[test]
    fn a_clock_that_is_set_back_brings_nothing_back() {
        let mut door = door();
        assert_eq!(at(&mut door, NOW, clock(NOW)), Ok(()));
        let later = Duration::from_secs(900);

        let set_back = Clock { steady: later, ..clock(NOW) };

        assert_eq!(at(&mut door, NOW, set_back), Err(Refusal::Window));
    }

    #[test]
    fn a_signed_body_that_says_nothing_is_refused() {
        let signature = sign(&secret(NEW), NOW, b"{}");

        let judged = judge(&mut door(), b"{}", &NOW.to_string(), &signature, clock(NOW));

        assert_eq!(judged, Err(Refusal::Body));
    }

    #[test]
    fn the_address_is_asked_before_the_size_and_the_size_before_the_rate() {
        let mut door = door();
        let (us, others) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
        let steady = Duration::ZERO;
        assert_eq!(door.admit(others, Some(1 << 30), steady), Err(Refusal::Address));
        assert_eq!(door.admit(us, Some((256 << 10) + 1), steady), Err(Refusal::TooLarge));

        let admitted =
            (0..1000).filter(|_| door.admit(us, Some(256 << 10), steady).is_ok()).count();

        assert_eq!(admitted, 100);
        assert_eq!(door.admit(us, None, steady), Err(Refusal::Rate { retry_after: 1 }));
        assert_eq!(door.admit(others, None, steady), Err(Refusal::Address));
    }

    #[test]
    fn nobody_is_heard_where_nobody_is_configured() {
        let mut door = Door::default();

        let admitted = door.admit(IpAddr::from([127, 0, 0, 1]), None, Duration::ZERO);

        assert_eq!(admitted, Err(Refusal::NotConfigured));
        assert_eq!(Refusal::NotConfigured.status(), 404);
    }
}
