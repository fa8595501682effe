//! `Refusal`: why a webhook was not heard.

/// Why a webhook was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody is to send any.
    NotConfigured,
    /// Its sender is not among those who may send any.
    Address,
    /// Its body is too large.
    TooLarge,
    /// Its sender, or all senders together, send too many.
    Rate {
        /// After how many whole seconds there is room again.
        retry_after: u64,
    },
    /// As many are being heard as may be at once.
    Busy,
    /// Its body did not arrive.
    Incomplete,
    /// No secret of ours signed it.
    Signature,
    /// Our clock cannot judge when it was sent.
    ClockUnsynced,
    /// It was sent too long ago, or will be.
    Window,
    /// It has been heard before.
    Replay,
    /// So many were heard that no more can be remembered.
    Full,
    /// Its body is not what the vendor documents.
    Body,
}

impl Refusal {
    /// The word that metrics and the audit trail use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Address => "address",
            Self::TooLarge => "too_large",
            Self::Rate { .. } => "rate",
            Self::Busy => "busy",
            Self::Incomplete => "incomplete",
            Self::Signature => "signature",
            Self::ClockUnsynced => "clock_unsynced",
            Self::Window => "window",
            Self::Replay => "replay",
            Self::Full => "full",
            Self::Body => "body",
        }
    }

    /// The status of the answer (RFC 9110 §15.5, §15.6; 429: RFC 6585 §4).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotConfigured => 404,
            Self::Address => 403,
            Self::TooLarge => 413,
            Self::Rate { .. } => 429,
            Self::Incomplete => 408,
            Self::Signature | Self::Window => 401,
            Self::Replay => 409,
            Self::Body => 400,
            Self::Busy | Self::ClockUnsynced | Self::Full => 503,
        }
    }

    /// After how many seconds the sender may try again, where that helps.
    #[must_use]
    pub const fn retry_after(self) -> Option<u64> {
        match self {
            Self::Rate { retry_after } => Some(retry_after),
            Self::Busy => Some(1),
            Self::ClockUnsynced | Self::Full => Some(60),
            Self::NotConfigured
            | Self::Address
            | Self::TooLarge
            | Self::Incomplete
            | Self::Signature
            | Self::Window
            | Self::Replay
            | Self::Body => None,
        }
    }
}
