//! The E-model (ITU-T G.107), simplified: from codec, loss and delay to an R factor and a MOS.
//!
//! Both are an estimate of how a call would sound, made without audio: echo, noise and level are
//! taken at the defaults of G.107, which are worth R = 93.2.
//!
//! The rate of loss is a type of its own, as the formula takes a percentage and everybody else a
//! ratio; 5 % handed over as 0.05 sounds like no loss at all, and does not compile:
//!
//! ```compile_fail
//! use branchline_probes::media::e_model::{Codec, r_factor};
//! r_factor(Codec::G711, 0.05, 1.0, std::time::Duration::ZERO);
//! ```
//!
//! ```
//! use branchline_probes::media::e_model::{Codec, LossPercent, mos, r_factor};
//! let loss = LossPercent::from_ratio(0.05).expect("it is between 0 and 1");
//! assert_eq!(loss.percent(), 5.0);
//! let r = r_factor(Codec::G711Plc, loss, 1.0, std::time::Duration::ZERO);
//! assert_eq!(format!("{:.3}", mos(r)), "3.923");
//! ```

use std::time::Duration;

use super::bursts::ratio;

/// R without delay, loss or coding: the default of ITU-T G.107.
const R_DEFAULT: f64 = 93.2;

/// A codec with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711, lost packets played as silence.
    G711,
    /// G.711 with packet loss concealment (its Appendix I).
    G711Plc,
    /// G.729 Annex A, two frames of 10 ms a packet.
    G729A,
}

impl Codec {
    /// Ie, the equipment impairment without loss (ITU-T G.113 Appendix I).
    #[must_use]
    pub const fn impairment(self) -> f64 {
        match self {
            Self::G711 | Self::G711Plc => 0.0,
            Self::G729A => 11.0,
        }
    }

    /// Bpl, the robustness against packet loss (ITU-T G.113 Appendix I).
    #[must_use]
    pub const fn robustness(self) -> f64 {
        match self {
            Self::G711 => 4.3,
            Self::G711Plc => 25.1,
            Self::G729A => 19.0,
        }
    }

    /// The delay of its own: the sound of one packet and the look-ahead, which are 20 ms for G.711
    /// and 20 + 5 ms for G.729.
    #[must_use]
    pub const fn delay(self) -> Duration {
        match self {
            Self::G711 | Self::G711Plc => Duration::from_millis(20),
            Self::G729A => Duration::from_millis(25),
        }
    }

    /// The delay from mouth to ear: one way through the network, the jitter buffer, and the
    /// codec's own.
    #[must_use]
    pub const fn mouth_to_ear(self, one_way: Duration, jitter_buffer: Duration) -> Duration {
        one_way.saturating_add(jitter_buffer).saturating_add(self.delay())
    }
}

/// A rate of loss in percent, as the E-model takes it: Ppl, 0 to 100.
///
/// What was received and too late to be played is loss too.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct LossPercent(f64);

impl LossPercent {
    /// From a ratio of 0 to 1; `None` of anything else, of a percentage above 1 too.
    #[must_use]
    pub fn from_ratio(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio * 100.0))
    }

    /// So many packets missing of so many sent, all of them at most; of none, none is missing.
    #[must_use]
    pub fn of_packets(missing: usize, sent: usize) -> Self {
        Self(ratio(missing.min(sent), sent).unwrap_or(0.0) * 100.0)
    }

    /// The percentage, 0 to 100.
    #[must_use]
    pub const fn percent(self) -> f64 {
        self.0
    }
}

/// R, the rating of ITU-T G.107: 93.2 for the best narrow-band call, 0 and below for none at all.
///
/// `burst_r` is 1 for random loss and above for bursts; what is below 1, or no number, is taken
/// as 1. `mouth_to_ear` is all of the delay ([`Codec::mouth_to_ear`]). No advantage is granted
/// (A = 0).
#[must_use]
pub fn r_factor(codec: Codec, loss: LossPercent, burst_r: f64, mouth_to_ear: Duration) -> f64 {
    R_DEFAULT - delay_impairment(mouth_to_ear) - equipment_impairment(codec, loss, burst_r)
}

/// Ie,eff: the impairment by codec and loss (ITU-T G.107).
fn equipment_impairment(codec: Codec, loss: LossPercent, burst_r: f64) -> f64 {
    let (impairment, loss) = (codec.impairment(), loss.percent());
    // max() gives 1 for NaN as well.
    let bunched = loss / burst_r.max(1.0) + codec.robustness();
    impairment + (95.0 - impairment) * loss / bunched
}

/// Id: the impairment by delay, in the linear form of Cole and Rosenbluth (2001), gentle up to
/// 177.3 ms and steep beyond.
#[must_use]
pub fn delay_impairment(mouth_to_ear: Duration) -> f64 {
    const KNEE: f64 = 177.3;
    let millis = mouth_to_ear.as_secs_f64() * 1000.0;
    0.024 * millis + 0.11 * (millis - KNEE).max(0.0)
}

/// The mean opinion score that belongs to R, 1 to 4.5 (ITU-T G.107 Annex B).
///
/// The polynomial falls below 1 for R < 6.5; no opinion does.
#[must_use]
pub fn mos(r: f64) -> f64 {
    if r >= 100.0 {
        4.5
    } else if r > 0.0 {
        (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).max(1.0)
    } else {
        1.0
    }
}
