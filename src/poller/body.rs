//! The body of an answer, bounded while it arrives, and the JSON in it.

use std::cell::Cell;
use std::io::Write as _;

use flate2::write::GzDecoder;
use serde::de::DeserializeSeed as _;
use serde_json::Value;

use super::strict::Strict;

/// The largest body that is read, after decompression.
const LIMIT: usize = 8 * 1024 * 1024;

/// The largest body of a refusal that is read.
pub(super) const REFUSAL_LIMIT: usize = 64 * 1024;

/// How many values and names JSON may hold. A page of 100 phones has some 10,000.
const VALUES: usize = 250_000;

/// How many packed bytes may have come beyond those that they made: packing makes hardly anything
/// larger, and what is unpacked is handed on in pieces of 32 KiB.
const AHEAD: usize = 128 * 1024;

/// How many times its packed size a body may have.
const RATIO: usize = 100;

/// Up to here a body may have any ratio: it is small, and blanks pack well.
const SMALL: usize = 64 * 1024;

/// So many packed bytes are unpacked between two looks at the size. DEFLATE makes at most 1,032
/// bytes of one, so that no look finds more than 64 KiB beyond a limit.
const BITE: usize = 32;

/// How deep JSON may be nested.
const DEPTH: usize = 64;

const TOO_LARGE: &str = "a body above 8 MiB";
const TOO_MANY: &str = "JSON of more than 250,000 values";
const BROKEN: &str = "a body whose compression is broken";

/// A body of which a part has come.
pub(super) enum Body {
    Plain(Vec<u8>),
    Packed { read: usize, unpacked: Box<GzDecoder<Vec<u8>>> },
}

impl Body {
    /// An empty body that is encoded as a header says.
    pub(super) fn encoded(encoding: Option<&[u8]>) -> Result<Self, &'static str> {
        match encoding {
            None | Some(b"identity") => Ok(Self::Plain(Vec::new())),
            // RFC 9110 §8.4.1.3: the two are the same.
            Some(b"gzip" | b"x-gzip") => {
                Ok(Self::Packed { read: 0, unpacked: Box::new(GzDecoder::new(Vec::new())) })
            }
            Some(_) => Err("a body in an encoding that was not asked for"),
        }
    }

    /// Takes what came.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<(), &'static str> {
        match self {
            Self::Plain(body) if body.len() + chunk.len() > LIMIT => Err(TOO_LARGE),
            Self::Plain(body) => {
                body.extend_from_slice(chunk);
                Ok(())
            }
            Self::Packed { read, unpacked } => {
                for bite in chunk.chunks(BITE) {
                    unpacked.write_all(bite).map_err(|_| BROKEN)?;
                    *read += bite.len();
                    fits(*read, unpacked.get_ref().len())?;
                }
                Ok(())
            }
        }
    }

    /// How many bytes came.
    pub(super) fn arrived(&self) -> usize {
        match self {
            Self::Plain(body) => body.len(),
            Self::Packed { read, .. } => *read,
        }
    }

    /// How many bytes there are after decompression.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Plain(body) => body.len(),
            Self::Packed { unpacked, .. } => unpacked.get_ref().len(),
        }
    }

    /// The whole body.
    pub(super) fn whole(self) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Plain(body) => Ok(body),
            Self::Packed { read: 0, .. } => Ok(Vec::new()),
            Self::Packed { read, unpacked } => {
                let body = unpacked.finish().map_err(|_| BROKEN)?;
                fits(read, body.len())?;
                Ok(body)
            }
        }
    }
}

fn fits(packed: usize, unpacked: usize) -> Result<(), &'static str> {
    if unpacked > LIMIT || packed > LIMIT {
        Err(TOO_LARGE)
    } else if packed > unpacked + AHEAD {
        Err("a packed body of which nothing comes")
    } else if unpacked > SMALL && unpacked / RATIO > packed {
        Err("a body that unpacks to more than 100 times its size")
    } else {
        Ok(())
    }
}

/// The JSON of a body.
pub(super) fn json(body: &[u8]) -> Result<Value, &'static str> {
    let start = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if start.first() == Some(&b'<') {
        return Err("a page of HTML instead of JSON");
    }
    if depth(start) > DEPTH {
        return Err("JSON nested deeper than 64 levels");
    }
    let left = &Cell::new(VALUES);
    let mut reader = serde_json::Deserializer::from_slice(start);
    let value = Strict { left }.deserialize(&mut reader);
    match value.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) if error.is_data() && left.get() == 0 => Err(TOO_MANY),
        Err(error) if error.is_data() => Err("JSON with a name twice in one object"),
        Err(_) => Err("no JSON"),
    }
}

/// How deep the brackets outside of strings are nested.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::{BROKEN, Body, TOO_LARGE, TOO_MANY, json};

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).expect("room");
        encoder.finish().expect("room")
    }

    /// What `chunks` make, and how many bytes were taken before that was clear.
    fn read(encoding: Option<&[u8]>, chunks: &[&[u8]]) -> (Result<Vec<u8>, &'static str>, usize) {
        let mut body = match Body::encoded(encoding) {
            Ok(body) => body,
            Err(what) => return (Err(what), 0),
        };
        for chunk in chunks {
            if let Err(what) = body.take(chunk) {
                return (Err(what), body.arrived());
            }
        }
        let arrived = body.arrived();
        (body.whole(), arrived)
    }

    /// Bytes that do not pack well.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let step = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        std::iter::repeat_with(step).take(length).collect()
    }

    #[test]
    fn a_body_is_read_whole_packed_or_not() {
        let text = noise(100_000);
        let zipped = packed(&text);
        let chunks: Vec<&[u8]> = zipped.chunks(1000).collect();

        assert_eq!(read(None, &[&text]).0.as_deref(), Ok(text.as_slice()));
        assert_eq!(read(Some(b"identity"), &[&text]).0.as_deref(), Ok(text.as_slice()));
        assert_eq!(read(Some(b"gzip"), &chunks).0.as_deref(), Ok(text.as_slice()));
        assert_eq!(read(Some(b"gzip"), &[]).0.as_deref(), Ok([].as_slice()));
    }

    // D-API-2, F15
    #[test]
    fn reading_stops_at_8_mib() {
        let chunk = noise(64 * 1024);
        let over = packed(&noise(9 << 20));

        let plain = read(None, &vec![chunk.as_slice(); 200]);
        let zipped = read(Some(b"gzip"), &over.chunks(16 * 1024).collect::<Vec<_>>());

        assert_eq!(plain, (Err(TOO_LARGE), 8 << 20));
        assert_eq!(zipped.0, Err(TOO_LARGE));
        assert!(zipped.1 <= (8 << 20) + (64 << 10), "{}", zipped.1);
    }

    // D-API-2, F15
    #[test]
    fn a_bomb_is_noticed_after_a_few_bytes() {
        let bomb = packed(&vec![b' '; 7 << 20]);

        let (what, taken) = read(Some(b"gzip"), &[&bomb]);

        assert_eq!(what, Err("a body that unpacks to more than 100 times its size"));
        assert!(taken < 1024, "{taken} of {}", bomb.len());
    }

    // D-API-2
    #[test]
    fn a_small_body_may_pack_well() {
        let blanks = vec![b' '; 60_000];

        assert_eq!(read(Some(b"gzip"), &[&packed(&blanks)]).0, Ok(blanks));
    }

    #[test]
    fn what_is_cut_off_or_no_gzip_is_broken() {
        let zipped = packed(&noise(10_000));

        assert_eq!(read(Some(b"gzip"), &[&zipped[..zipped.len() - 4]]).0, Err(BROKEN));
        assert_eq!(read(Some(b"gzip"), &[&zipped[..500]]).0, Err(BROKEN));
        assert_eq!(read(Some(b"gzip"), &[b"this is no gzip at all"]).0, Err(BROKEN));
    }

    // D-API-2, F15
    #[test]
    fn packed_bytes_that_make_nothing_are_read_to_128_kib_at_most() {
        // RFC 1951 §3.2.4: stored blocks of no bytes.
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let endless = [header.as_slice(), &[0, 0, 0, 255, 255].repeat(200_000)].concat();

        let (what, taken) = read(Some(b"gzip"), &[&endless]);

        assert_eq!(what, Err("a packed body of which nothing comes"));
        assert!(taken < 160 * 1024, "{taken}");
    }

    // D-API-2
    #[test]
    fn a_packed_body_is_one_member() {
        let twice = [packed(b"{}"), packed(b"{}")].concat();
        let empty = packed(b"").repeat(100_000);

        assert_eq!(read(Some(b"gzip"), &[&twice]).0, Err(BROKEN));
        assert_eq!(read(Some(b"gzip"), &[&empty]).0, Err(BROKEN));
    }

    // D-API-2, F15
    #[test]
    fn json_holds_250_000_values_and_names_at_most() {
        // An array, and for each member an object, a name and a number.
        let of = |members: usize| format!("[{}]", vec![r#"{"":0}"#; members].join(","));

        assert!(json(of(83_333).as_bytes()).is_ok());
        assert_eq!(json(of(83_334).as_bytes()), Err(TOO_MANY));
    }

    // D-API-2
    #[test]
    fn only_gzip_and_identity_are_read() {
        for encoding in ["zstd", "br", "deflate", "gzip, gzip"] {
            let what = read(Some(encoding.as_bytes()), &[b"x"]).0;
            assert_eq!(what, Err("a body in an encoding that was not asked for"), "{encoding}");
        }
    }

    // D-API-2, F16
    #[test]
    fn json_is_64_levels_deep_at_most_and_brackets_in_strings_are_none() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = json!({ "a": "[".repeat(1000), "b": "\"{\\\"{" });

        assert!(json(nested(64).as_bytes()).is_ok());
        assert_eq!(json(nested(65).as_bytes()), Err("JSON nested deeper than 64 levels"));
        assert_eq!(json(text.to_string().as_bytes()), Ok(text));
    }

    // F16
    #[test]
    fn a_page_for_people_is_called_one() {
        for page in ["<!doctype html>", "\n <html>", "\u{feff}<?xml version='1.0'?>"] {
            assert_eq!(json(page.as_bytes()), Err("a page of HTML instead of JSON"), "{page}");
        }
        assert_eq!(json(b""), Err("no JSON"));
        assert_eq!(json(b"{\"a\":\"\xff\"}"), Err("no JSON"));
        assert_eq!(json(b"{\"a\":1,\"a\":2}"), Err("JSON with a name twice in one object"));
        assert_eq!(json(b"{\"a\":1"), Err("no JSON"));
    }
}
