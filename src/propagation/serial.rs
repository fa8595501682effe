//! Serial numbers of zones.

/// Whether one serial number is newer than another (RFC 1982 §3.2). Of two that are exactly half
/// the range apart neither is.
#[must_use]
pub const fn is_newer(one: u32, other: u32) -> bool {
    const HALF: u32 = 1 << 31;
    let ahead = one.wrapping_sub(other);
    ahead != 0 && ahead < HALF
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    // RFC 1982 §5.2 and §7
    #[test]
    fn serials_are_compared_around_the_end_of_their_range() {
        for (newer, older) in [
            (1, 0),
            (44, 0),
            (100, 0),
            (100, 44),
            (0x8000_0000 - 1, 0),
            (0, u32::MAX),
            (5, u32::MAX - 5),
            (0x8000_0001, 2),
        ] {
            assert!(is_newer(newer, older), "{newer} {older}");
            assert!(!is_newer(older, newer), "{older} {newer}");
        }
    }

    #[test]
    fn neither_of_two_serials_half_the_range_apart_is_newer() {
        assert!(!is_newer(0x8000_0000, 0));
        assert!(!is_newer(0, 0x8000_0000));
        assert!(!is_newer(7, 7));
    }
}
