//! Who is answered, and how often.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::network::Network;

const SECOND: Duration = Duration::from_secs(1);

/// What a mirror did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that were answered.
    pub answered: u64,
    /// Datagrams and connections from networks that are not allowed.
    pub strangers: u64,
    /// The latest address from which one of them came.
    pub last_stranger: Option<IpAddr>,
    /// Requests beyond what is answered within a second.
    pub too_many: u64,
    /// What was no request that could be answered, or too long a one.
    pub unusable: u64,
}

/// Lets the allowed in, a number of them each second.
#[derive(Debug)]
pub(super) struct Gate {
    allowed: Vec<Network>,
    answers_a_second: usize,
    /// When the answers of the last second left, oldest first.
    recent: VecDeque<Instant>,
    tally: Tally,
}

impl Gate {
    pub(super) const fn new(allowed: Vec<Network>, answers_a_second: usize) -> Self {
        let tally =
            Tally { answered: 0, strangers: 0, last_stranger: None, too_many: 0, unusable: 0 };
        Self { allowed, answers_a_second, recent: VecDeque::new(), tally }
    }

    /// Whether somebody at this address is answered.
    pub(super) fn admits(&mut self, from: IpAddr) -> bool {
        // A socket for both families writes IPv4 as IPv6.
        let from = from.to_canonical();
        if self.allowed.iter().any(|network| network.contains(from)) {
            return true;
        }
        self.tally.strangers += 1;
        self.tally.last_stranger = Some(from);
        false
    }

    /// Whether one more answer may leave now, which then counts as having left.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|left| now.duration_since(*left) >= SECOND) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.answers_a_second {
            self.tally.too_many += 1;
            return false;
        }
        self.recent.push_back(now);
        self.tally.answered += 1;
        true
    }

    pub(super) const fn note_unusable(&mut self) {
        self.tally.unusable += 1;
    }

    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Gate, Network};

    #[test]
    fn no_second_has_more_answers_than_the_limit() {
        let mut gate = Gate::new(Network::LOOPBACK.to_vec(), 3);
        let start = Instant::now();

        let answered = [0, 400, 800, 900, 999, 1000, 1300, 1400]
            .map(|millis| gate.has_room(start + Duration::from_millis(millis)));

        assert_eq!(answered, [true, true, true, false, false, true, false, true]);
        assert_eq!((gate.tally().answered, gate.tally().too_many), (5, 3));
    }

    #[test]
    fn a_stranger_is_not_let_in_and_is_remembered() {
        let mut gate = Gate::new(vec!["192.0.2.0/24".parse().unwrap()], 100);

        assert!(gate.admits("192.0.2.255".parse().unwrap()));
        assert!(gate.admits("::ffff:192.0.2.1".parse().unwrap()));
        assert!(!gate.admits("192.0.3.0".parse().unwrap()));
        assert!(!gate.admits("127.0.0.1".parse().unwrap()));
        assert_eq!(gate.tally().strangers, 2);
        assert_eq!(gate.tally().last_stranger, Some("127.0.0.1".parse().unwrap()));
    }
}
