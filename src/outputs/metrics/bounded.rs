//! Names of the vendor's as labels: the one way for them onto the page, bounded in length and number.
//!
//! What a peer wrote into a packet is never a label. The name of a site is another thing: an
//! administrator of the same organisation gave it, and it comes over verified TLS. To count phones by
//! site takes it, so it is let in here, and nowhere else.

use std::collections::BTreeMap;

use branchline_probes::Foreign;

/// Counts by a name of the vendor's, each with one number for every state of a fixed set.
#[derive(Debug)]
pub(super) struct Tally<const STATES: usize> {
    counts: BTreeMap<String, [u64; STATES]>,
}

impl<const STATES: usize> Default for Tally<STATES> {
    fn default() -> Self {
        Self { counts: BTreeMap::new() }
    }
}

impl<const STATES: usize> Tally<STATES> {
    /// Counts one thing of this name in one state.
    pub(super) fn count(&mut self, name: &str, state: usize) {
        let counts = self.counts.entry(name.to_owned()).or_insert([0; STATES]);
        if let Some(count) = counts.get_mut(state) {
            *count += 1;
        }
    }

    /// The counts by name, as many as a family has place for; those of all others are added up under
    /// [`OTHER`]. Beside them, how many series these others would have been.
    pub(super) fn bounded(mut self) -> (BTreeMap<String, [u64; STATES]>, u64) {
        let most = MOST_SERIES / STATES.max(1);
        if self.counts.len() <= most {
            return (self.counts, 0);
        }
        // The first by name, so that the same ones are there at every scrape.
        let mut kept = std::mem::take(&mut self.counts);
        let rest = kept.keys().nth(most - 1).cloned().map(|at| kept.split_off(&at));
        let rest = rest.unwrap_or_default();
        let dropped = rest.len() * STATES;
        let others = kept.entry(OTHER.to_owned()).or_insert([0; STATES]);
        for counts in rest.into_values() {
            for (sum, count) in others.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        (kept, u64::try_from(dropped).unwrap_or(u64::MAX))
    }
}

/// A name of the vendor's as the value of a label: UTF-8 without control characters, as `Foreign`
/// is, and not longer than [`LONGEST`].
pub(super) fn label(name: &Foreign) -> String {
    let name = name.as_str();
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let mut end = LONGEST - '…'.len_utf8();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &name[..end])
}

/// Under which all are counted for whom there is no place.
pub(super) const OTHER: &str = "__other__";
/// Under which phones are counted of which the vendor tells no site.
pub(super) const NONE: &str = "__none__";
/// The longest value of a label, in bytes.
const LONGEST: usize = 128;
/// The most series of a family.
const MOST_SERIES: usize = 2_000;

#[cfg(test)]
mod tests {
    use branchline_probes::Foreign;

    use super::{OTHER, Tally, label};

    // D-WEB-7
    #[test]
    fn a_million_names_are_no_more_than_two_thousand_series() {
        let mut tally = Tally::<6>::default();
        for index in 0..1_000_000 {
            tally.count(&label(&Foreign::new(format!("site \u{1b}[31m\"{index}\\\n"))), index % 6);
        }

        let (counts, dropped) = tally.bounded();

        assert_eq!(counts.len(), 333);
        assert!(counts.len() * 6 <= 2_000);
        assert_eq!(dropped, (1_000_000 - 332) * 6);
        assert_eq!(counts.values().flatten().sum::<u64>(), 1_000_000, "nothing is lost");
        assert!(counts[OTHER].iter().sum::<u64>() >= 999_000);
    }

    #[test]
    fn what_has_a_place_is_left_as_it_is() {
        let mut tally = Tally::<6>::default();
        for index in 0..333 {
            tally.count(&format!("site {index:03}"), 0);
        }

        let (counts, dropped) = tally.bounded();

        assert_eq!((counts.len(), dropped), (333, 0));
        assert!(!counts.contains_key(OTHER));
    }

    // D-WEB-7
    #[test]
    fn a_label_is_128_bytes_long_at_most_and_never_cut_within_a_character() {
        let long = label(&Foreign::new("é".repeat(200)));

        assert!(long.len() <= 128, "{}", long.len());
        assert!(long.starts_with("éé") && long.ends_with("é…"), "{long}");
        assert_eq!(label(&Foreign::new("Lyon")), "Lyon");
        assert_eq!(label(&Foreign::new("a\nb")), "a\\u{a}b");
    }
}
