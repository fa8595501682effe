//! `Rates`: how many webhooks one sender, and all together, may send.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::network::masked;

/// A token bucket for each sender and one for all.
#[derive(Debug)]
pub struct Rates {
    all: Bucket,
    senders: BTreeMap<(bool, u128), Bucket>,
    /// That of all senders for whom there is no room.
    others: Bucket,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    limit: Limit,
    /// Until when it is empty, were it filled from here on: the tokens as time.
    spent_until: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    /// How long one token takes to come back.
    each: Duration,
    burst: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { all: Bucket::new(ALL), senders: BTreeMap::new(), others: Bucket::new(ONE) }
    }
}

impl Rates {
    /// Takes a token of this sender's; without one, gives how long it has to wait.
    ///
    /// # Errors
    ///
    /// How long the sender has to wait.
    pub fn take(&mut self, sender: IpAddr, now: Duration) -> Result<(), Duration> {
        let sender = sender.to_canonical();
        // Who has an IPv6 address has 2^64 of them (RFC 4291 §2.5.4).
        let key = (sender.is_ipv4(), masked(sender, if sender.is_ipv4() { 32 } else { 64 }));
        if !self.senders.contains_key(&key) && self.senders.len() >= MOST_SENDERS {
            // A bucket that is full is as good as none.
            self.senders.retain(|_, bucket| bucket.spent_until > now);
        }
        let has_room = self.senders.len() < MOST_SENDERS;
        let own = match self.senders.get_mut(&key) {
            Some(bucket) => bucket,
            None if has_room => self.senders.entry(key).or_insert_with(|| Bucket::new(ONE)),
            None => &mut self.others,
        };
        own.wait(now).or_else(|| self.all.wait(now)).map_or(Ok(()), Err)?;
        own.take(now);
        self.all.take(now);
        Ok(())
    }

    /// How many senders are remembered.
    #[must_use]
    pub fn senders(&self) -> usize {
        self.senders.len()
    }
}

impl Bucket {
    const fn new(limit: Limit) -> Self {
        Self { limit, spent_until: Duration::ZERO }
    }

    fn wait(&self, now: Duration) -> Option<Duration> {
        let full = self.limit.each * self.limit.burst;
        let spent = self.spent_until.saturating_sub(now) + self.limit.each;
        spent.checked_sub(full).filter(|wait| !wait.is_zero())
    }

    fn take(&mut self, now: Duration) {
        self.spent_until = self.spent_until.max(now) + self.limit.each;
    }
}

/// A trunk changes seldom, and an organisation has some 200: each may change twice in a storm.
const ONE: Limit = Limit { each: Duration::from_millis(100), burst: 100 };
/// Above what one sender may, so that one alone does not shut the others out.
const ALL: Limit = Limit { each: Duration::from_millis(20), burst: 400 };
const MOST_SENDERS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::{MOST_SENDERS, Rates};

    fn sender(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    // D-HOOK-4
    #[test]
    fn a_sender_has_a_burst_and_then_ten_a_second() {
        let mut rates = Rates::default();
        let count = |rates: &mut Rates, now| {
            (0..10_000).filter(|_| rates.take(sender(1), now).is_ok()).count()
        };

        assert_eq!(count(&mut rates, Duration::ZERO), 100);
        assert_eq!(count(&mut rates, Duration::from_secs(1)), 10);
        assert_eq!(rates.take(sender(1), Duration::from_secs(1)), Err(Duration::from_millis(100)));
    }

    // D-HOOK-4
    #[test]
    fn one_sender_does_not_shut_out_another() {
        let mut rates = Rates::default();
        for _ in 0..10_000 {
            let _ = rates.take(sender(1), Duration::ZERO);
        }

        assert_eq!(rates.take(sender(2), Duration::ZERO), Ok(()));
    }

    // D-HOOK-4
    #[test]
    fn a_hundred_thousand_senders_take_bounded_room() {
        let mut rates = Rates::default();
        for number in 0..100_000_u32 {
            let _ = rates.take(sender(number), Duration::from_micros(100) * number);
        }

        assert!(rates.senders() <= MOST_SENDERS, "{}", rates.senders());
    }

    // D-HOOK-4
    #[test]
    fn an_ipv6_sender_is_its_network() {
        let mut rates = Rates::default();
        let taken = (0..1000_u16).filter(|last| {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, *last]);
            rates.take(address, Duration::ZERO).is_ok()
        });

        assert_eq!(taken.count(), 100);
    }
}
