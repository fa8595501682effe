//! `Moment`: the time since an exchange began.

use std::ops::Add;
use std::time::Duration;

/// A point in the life of one exchange, counted from its beginning.
///
/// It is no clock's reading: a test needs no clock to make one, a trace reads "at 1.5 s", and a
/// recorded exchange is plain data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment at which the exchange began.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment `elapsed` after the beginning.
    #[must_use]
    pub const fn after(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the beginning this is.
    #[must_use]
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this moment, zero when `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}
