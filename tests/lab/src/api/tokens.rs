//! Tokens: given out, valid for a while, revoked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the vendor's tokens live where nothing is set.
pub(super) const LIFETIME: Duration = Duration::from_secs(86_400);

/// The tokens that were given out.
#[derive(Debug)]
pub(super) struct Tokens {
    seed: String,
    count: u64,
    valid: BTreeMap<String, Instant>,
}

impl Tokens {
    /// None yet; `seed` makes them hard to guess.
    pub(super) const fn new(seed: String) -> Self {
        Self { seed, count: 0, valid: BTreeMap::new() }
    }

    pub(super) fn issue(&mut self, lifetime: Duration) -> String {
        let now = Instant::now();
        self.valid.retain(|_, until| *until > now);
        self.count += 1;
        let token = format!("{}-{}", self.seed, self.count);
        self.valid.insert(token.clone(), now + lifetime);
        token
    }

    pub(super) fn is_valid(&self, token: &str) -> bool {
        self.valid.get(token).is_some_and(|until| *until > Instant::now())
    }

    pub(super) fn revoke(&mut self) {
        self.valid.clear();
    }
}

/// The vendor's window of a minute, as its headers tell of it.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    count: u64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), count: 0 }
    }

    /// Counts one request: how many there were in this window, and how many seconds are left of it.
    pub(super) fn count(&mut self) -> (u64, u64) {
        let past = self.began.elapsed();
        if past >= MINUTE {
            *self = Self::new();
        }
        self.count += 1;
        (self.count, MINUTE.saturating_sub(self.began.elapsed()).as_secs())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// How many requests the vendor allows in a minute.
pub(super) const ALLOWED: u64 = 300;
