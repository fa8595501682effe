//! What holds of every record of a response.

use hickory_proto::rr::{self as hickory, DNSClass};

/// What another class says of a name is of no concern to a question of class IN.
pub(super) fn of_class_in(records: &[hickory::Record]) -> impl Iterator<Item = &hickory::Record> {
    records.iter().filter(|record| record.dns_class == DNSClass::IN)
}

/// A TTL with its highest bit set is none (RFC 2181 §8).
pub(super) const fn ttl(seconds: u32) -> u32 {
    if seconds > i32::MAX as u32 { 0 } else { seconds }
}
