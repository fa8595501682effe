//! Whether two legs of ours meet at their mapped addresses (RFC 5780 §3.4, RFC 4787 §6).
//!
//! Both call each other, as two phones of one office do: so each lets the other in, whatever the
//! NAT filters, and what does not arrive was not sent back.

use std::net::SocketAddr;

use super::legs::Legs;
use super::track::{Asked, Purpose, Question, Track};
use super::verdict::INCONCLUSIVE;
use crate::leg::LegId;

/// One attempt.
pub(super) struct Hairpin {
    pair: [LegId; 2],
    step: Step,
    /// Whether nothing of it was lost.
    is_clean: bool,
    pub(super) word: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// From where are the two seen?
    Meeting,
    /// They call each other there.
    Crossing([SocketAddr; 2]),
    Over,
}

impl Hairpin {
    /// `is_clean` tells whether nothing was lost just before.
    pub(super) fn begin(legs: &mut Legs, peer: SocketAddr, is_clean: bool) -> Self {
        let pair = [legs.open(peer), legs.open(peer)];
        Self { pair, step: Step::Meeting, is_clean, word: INCONCLUSIVE }
    }

    /// What is asked in this step; nothing when it is over. `meeting` are the questions that show
    /// from where a leg is seen, by two addresses.
    pub(super) fn tracks(
        &self,
        peer: SocketAddr,
        meeting: impl Fn(LegId) -> Vec<Question>,
    ) -> Vec<Track> {
        match self.step {
            Step::Meeting => {
                self.pair.iter().map(|leg| Track::new(meeting(*leg).into_iter().take(2))).collect()
            }
            Step::Crossing([first, second]) => {
                let [one, two] = self.pair;
                let cross = |from, to, place| {
                    Track::new([
                        Question::new(Purpose::Crossing, from, place).answered_at(to),
                        Question::new(Purpose::PrimaryAgain, from, peer),
                    ])
                };
                vec![cross(one, two, second), cross(two, one, first)]
            }
            Step::Over => Vec::new(),
        }
    }

    /// Takes in what came of the questions of this step. A mapped address is a claim: two must
    /// have made it, and `is_safe` says whether it may be spoken to (D-STUN-6).
    pub(super) fn learn(
        &mut self,
        tracks: &[Track],
        legs: &mut Legs,
        is_safe: impl Fn(SocketAddr) -> bool,
    ) {
        let asked = || tracks.iter().flat_map(|track| &track.asked);
        self.is_clean &= asked().all(|asked| !asked.shows_loss());
        if let Step::Crossing(places) = self.step {
            let mut crossings = asked().filter(|asked| asked.purpose == Purpose::Crossing);
            // Whoever is seen elsewhere afterwards was perhaps no longer there to be met (F44).
            let last = |track: &Track| Some(track.asked.last()?.answer()?.mapped);
            let has_stayed = tracks.iter().map(last).eq(places.map(Some));
            if crossings.any(|asked| asked.answer().is_some()) {
                self.word = "yes";
            } else if self.is_clean && has_stayed {
                self.word = "no";
            }
        } else {
            let mapped: Vec<_> =
                tracks.iter().filter_map(agreed).filter(|it| is_safe(*it)).collect();
            if let &[first, second] = &mapped[..] {
                self.step = Step::Crossing([first, second]);
                return;
            }
        }
        self.step = Step::Over;
        for leg in self.pair {
            legs.close(leg);
        }
    }
}

/// The mapped address that two named.
fn agreed(track: &Track) -> Option<SocketAddr> {
    let mut answers = track.asked.iter().filter_map(Asked::answer);
    let first = answers.next()?.mapped;
    (answers.next()?.mapped == first).then_some(first)
}
