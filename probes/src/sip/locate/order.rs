//! In which order servers are asked that SRV records name (RFC 2782, "Usage rules").

use std::collections::BTreeMap;

use crate::chance::Chance;
use crate::locate::Srv;

/// The lowest priority first; within one, in an order that is drawn by weight.
pub(super) fn in_order(records: Vec<Srv>, chance: &mut Chance) -> Vec<Srv> {
    let mut priorities: BTreeMap<u16, Vec<Srv>> = BTreeMap::new();
    for record in records {
        priorities.entry(record.priority).or_default().push(record);
    }
    priorities.into_values().flat_map(|records| drawn(records, chance)).collect()
}

/// Draws one after the other: those without weight stand first, a number from 0 to the sum of all
/// weights is drawn, and the first is taken at which the sum so far reaches it.
fn drawn(mut left: Vec<Srv>, chance: &mut Chance) -> Vec<Srv> {
    left.sort_by_key(|record| record.weight != 0);
    let mut sum: u64 = left.iter().map(|record| u64::from(record.weight)).sum();
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // Of 64 bits so few are kept that no number is likelier than another by more than 2^-30.
        let number = u64::from_be_bytes(chance.bytes()) % (sum + 1);
        let mut so_far = 0;
        let reached = left.iter().position(|record| {
            so_far += u64::from(record.weight);
            so_far >= number
        });
        let record = left.remove(reached.unwrap_or_default());
        sum -= u64::from(record.weight);
        drawn.push(record);
    }
    drawn
}
