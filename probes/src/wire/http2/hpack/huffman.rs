//! The Huffman code of strings (RFC 7541 §5.2, Appendix B).

use super::Malformed;

/// Decodes a string of octets.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut octets = Vec::with_capacity(bytes.len() * 8 / SHORTEST);
    let (mut code, mut length) = (0_u32, 0);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        // No code is longer than 30 bits: an octet or the end of the string was found before.
        let group = CODE.groups.get(length).ok_or(Malformed::BadHuffman)?;
        let index = code.wrapping_sub(group.first);
        if index < group.count {
            let symbol = CODE.symbols.get((group.start + index) as usize);
            let octet = symbol.and_then(|&symbol| u8::try_from(symbol).ok());
            // EOS itself is never part of a string.
            octets.push(octet.ok_or(Malformed::BadHuffman)?);
            (code, length) = (0, 0);
        }
    }
    // The rest is padding: fewer than eight bits, the first ones of EOS, which are all set.
    let is_padding = length < 8 && code == (1 << length) - 1;
    if is_padding { Ok(octets) } else { Err(Malformed::BadHuffman) }
}

/// The codes of one length: as many as `count`, one after the other from `first` on, for the
/// symbols from `start` on.
#[derive(Clone, Copy)]
struct Group {
    first: u32,
    count: u32,
    start: u32,
}

struct Code {
    groups: [Group; LONGEST + 1],
    /// All symbols, those of shorter codes first.
    symbols: [u16; LENGTHS.len()],
}

/// The code is canonical: within a length, codes are in the order of their symbols, and each
/// length goes on where the one before it ended. So the lengths alone tell it.
const CODE: Code = {
    let mut groups = [Group { first: 0, count: 0, start: 0 }; LONGEST + 1];
    let mut symbols = [0; LENGTHS.len()];
    let (mut length, mut first, mut start) = (1, 0, 0);
    while length <= LONGEST {
        first <<= 1;
        groups[length] = Group { first, count: 0, start };
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                symbols[start as usize] = symbol as u16;
                start += 1;
            }
            symbol += 1;
        }
        groups[length].count = start - groups[length].start;
        first += groups[length].count;
        length += 1;
    }
    Code { groups, symbols }
};

const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// How many bits the code of each octet has, and that of EOS (RFC 7541 Appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
