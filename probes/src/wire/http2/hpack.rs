//! Header blocks (RFC 7541): what a peer compressed is read, what we say is written literally.

mod huffman;
mod table;

use table::Table;

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as it came.
    pub name: Vec<u8>,
    /// The value, as it came.
    pub value: Vec<u8>,
}

impl Field {
    /// The size by which tables and lists are measured (RFC 7541 §4.1, RFC 9113 §6.5.2).
    const fn size(&self) -> usize {
        const OVERHEAD: usize = 32;
        self.name.len() + self.value.len() + OVERHEAD
    }
}

/// Why bytes are no header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends within a field.
    #[error("it ends within a field")]
    Truncated,
    /// A number of more than five octets.
    #[error("a number of more than five octets")]
    TooLong,
    /// An index to which no table has a field.
    #[error("an index into no table")]
    NoSuchIndex,
    /// A string that is not in the Huffman code, or is badly padded.
    #[error("a string that is not in the Huffman code")]
    BadHuffman,
    /// A dynamic table that is larger than we allow, or changed behind a field.
    #[error("a size of the dynamic table that it cannot have")]
    BadTableSize,
    /// Fields of more than [`MOST_BYTES`].
    #[error("fields of more than {MOST_BYTES} bytes")]
    TooLarge,
}

/// Reads the header blocks of one connection, one after the other: each may point to fields of an
/// earlier one.
#[derive(Clone, Debug)]
pub struct Decoder {
    table: Table,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: Table::new(MOST_TABLE_BYTES) }
    }
}

impl Decoder {
    /// Reads one whole block.
    ///
    /// # Errors
    ///
    /// [`Malformed`]. Nothing can be read behind it: the tables of both sides may differ.
    pub fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, Malformed> {
        let mut rest = block;
        let mut fields = Vec::new();
        let mut size = 0;
        while let Some(&first) = rest.first() {
            let field = match first.leading_zeros() {
                // Indexed (RFC 7541 §6.1).
                0 => {
                    let index = integer(&mut rest, 7)?;
                    self.table.get(index).ok_or(Malformed::NoSuchIndex)?
                }
                // Literal with incremental indexing (RFC 7541 §6.2.1).
                1 => {
                    let field = self.literal(&mut rest, 6)?;
                    self.table.insert(field.clone());
                    field
                }
                // Dynamic table size update, which comes before all fields (RFC 7541 §4.2, §6.3).
                2 => {
                    let most = integer(&mut rest, 5)?;
                    if most > MOST_TABLE_BYTES || !fields.is_empty() {
                        return Err(Malformed::BadTableSize);
                    }
                    self.table.resize(most);
                    continue;
                }
                // Literal without indexing or never indexed (RFC 7541 §6.2.2, §6.2.3).
                _ => self.literal(&mut rest, 4)?,
            };
            // An octet can stand for a field of 4 KiB.
            size += field.size();
            if size > MOST_BYTES {
                return Err(Malformed::TooLarge);
            }
            fields.push(field);
        }
        Ok(fields)
    }

    fn literal(&self, rest: &mut &[u8], prefix: u8) -> Result<Field, Malformed> {
        let name = match integer(rest, prefix)? {
            0 => string(rest)?,
            index => self.table.get(index).ok_or(Malformed::NoSuchIndex)?.name,
        };
        Ok(Field { name, value: string(rest)? })
    }
}

/// Writes a literal without indexing (RFC 7541 §6.2.2), its name from the static table.
pub(super) fn write_literal(block: &mut Vec<u8>, name: u8, value: &str) {
    write_integer(block, 4, usize::from(name));
    write_integer(block, 7, value.len());
    block.extend_from_slice(value.as_bytes());
}

/// Reads an integer whose first octet has so many bits of it (RFC 7541 §5.1).
fn integer(rest: &mut &[u8], prefix: u8) -> Result<usize, Malformed> {
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(next(rest)?) & most;
    if value < most {
        return Ok(value);
    }
    for octet in 0..MOST_MORE_OCTETS {
        let byte = next(rest)?;
        value += usize::from(byte & 0x7F) << (7 * octet);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed::TooLong)
}

/// Writes an integer; the bits of its first octet that are not its own are zero.
fn write_integer(block: &mut Vec<u8>, prefix: u8, value: usize) {
    let most = (1_usize << prefix) - 1;
    block.push(value.min(most).to_le_bytes()[0]);
    let Some(mut more) = value.checked_sub(most) else { return };
    while more >= 0x80 {
        block.push(more.to_le_bytes()[0] | 0x80);
        more >>= 7;
    }
    block.push(more.to_le_bytes()[0]);
}

/// Reads a string, plain or in the Huffman code (RFC 7541 §5.2).
fn string(rest: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let is_huffman = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (string, behind) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
    *rest = behind;
    if is_huffman { huffman::decode(string) } else { Ok(string.to_vec()) }
}

fn next(rest: &mut &[u8]) -> Result<u8, Malformed> {
    let (&first, behind) = rest.split_first().ok_or(Malformed::Truncated)?;
    *rest = behind;
    Ok(first)
}

/// The most that the fields of a block may take, names, values and 32 bytes each: a hundred times
/// what a DNS server has to say.
pub const MOST_BYTES: usize = 16 * 1024;
/// What a peer may use while nothing else was agreed on (RFC 9113 §6.5.2).
const MOST_TABLE_BYTES: usize = 4096;
/// 28 bits: no length or index of a block that we accept needs more.
const MOST_MORE_OCTETS: u8 = 4;
