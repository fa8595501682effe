//! Frames (RFC 9113 §4.1): where one ends on a stream, and how one is written.

/// One frame, as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

/// A frame that is longer than anybody may send who was not allowed to.
#[derive(Debug)]
pub(super) struct TooLarge;

impl<'a> Frame<'a> {
    /// Whether these bytes, which may be few, can begin a frame of this type that we allow.
    pub(super) fn may_begin(kind: u8, bytes: &[u8]) -> bool {
        bytes.first().is_none_or(|&upper| upper == 0)
            && bytes.get(3).is_none_or(|&found| found == kind)
    }

    /// The next whole frame; `None` where more bytes are needed.
    pub(super) fn next(rest: &mut &'a [u8]) -> Result<Option<Self>, TooLarge> {
        // The highest octet of a length is enough to see that it is no frame of ours.
        if rest.first().is_some_and(|&upper| upper != 0) {
            return Err(TooLarge);
        }
        let Some((header, behind)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [_, middle, lower, kind, flags, stream @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([middle, lower]));
        if length > MOST_PAYLOAD {
            return Err(TooLarge);
        }
        let Some((payload, behind)) = behind.split_at_checked(length) else { return Ok(None) };
        *rest = behind;
        // The highest bit is reserved and ignored.
        let stream = u32::from_be_bytes(stream) & u32::MAX >> 1;
        Ok(Some(Self { kind, flags, stream, payload }))
    }

    /// Whether a flag is set.
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload without padding (RFC 9113 §6.1) and, of HEADERS, without its priority; `None`
    /// where there is less than the flags say.
    pub(super) fn content(&self) -> Option<&'a [u8]> {
        let mut content = self.payload;
        let mut padding = 0;
        if self.has(PADDED) {
            let (&length, behind) = content.split_first()?;
            (padding, content) = (usize::from(length), behind);
        }
        if self.kind == HEADERS && self.has(PRIORITY_FLAG) {
            content = content.get(PRIORITY_FIELDS..)?;
        }
        content.get(..content.len().checked_sub(padding)?)
    }
}

/// Writes a frame; of a payload no more than [`MOST_PAYLOAD`] is taken.
pub(super) fn write(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let payload = &payload[..payload.len().min(MOST_PAYLOAD)];
    let [.., middle, lower] = payload.len().to_be_bytes();
    bytes.extend_from_slice(&[0, middle, lower, kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

pub(super) const DATA: u8 = 0x00;
pub(super) const HEADERS: u8 = 0x01;
pub(super) const PRIORITY: u8 = 0x02;
pub(super) const RST_STREAM: u8 = 0x03;
pub(super) const SETTINGS: u8 = 0x04;
pub(super) const PUSH_PROMISE: u8 = 0x05;
pub(super) const PING: u8 = 0x06;
pub(super) const GOAWAY: u8 = 0x07;
pub(super) const WINDOW_UPDATE: u8 = 0x08;
pub(super) const CONTINUATION: u8 = 0x09;

/// Of SETTINGS and PING.
pub(super) const ACK: u8 = 0x01;
/// Of DATA and HEADERS.
pub(super) const END_STREAM: u8 = 0x01;
/// Of HEADERS and CONTINUATION.
pub(super) const END_HEADERS: u8 = 0x04;
/// Of DATA and HEADERS.
const PADDED: u8 = 0x08;
/// Of HEADERS.
const PRIORITY_FLAG: u8 = 0x20;

/// The priority in HEADERS and the whole of PRIORITY (RFC 9113 §6.2, §6.3).
pub(super) const PRIORITY_FIELDS: usize = 5;
/// SETTINGS_MAX_FRAME_SIZE as long as nobody said otherwise (RFC 9113 §6.5.2).
pub(super) const MOST_PAYLOAD: usize = 16_384;
const HEADER: usize = 9;
