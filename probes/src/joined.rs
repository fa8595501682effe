//! Joining the lists that probes declare, when they are compiled.

/// The first list and then the second. `N` is the length of both: another number does not compile,
/// so nothing that is added to a shared list can be forgotten.
pub(crate) const fn joined<T: Copy, const A: usize, const B: usize, const N: usize>(
    first: [T; A],
    second: [T; B],
) -> [T; N] {
    assert!(A > 0 && A + B == N, "N is the length of both lists");
    let mut all = [first[0]; N];
    let mut place = 0;
    while place < N {
        all[place] = if place < A { first[place] } else { second[place - A] };
        place += 1;
    }
    all
}
