//! HTTP/2 (RFC 9113) for one request on a connection of its own, as DNS over HTTPS needs it.
//!
//! Bytes in, bytes out: [`Client::open`] gives what is sent first, [`Client::push`] takes what
//! comes, [`Client::poll`] says what comes of it. Nothing of what a peer sends lets it hold more
//! than a response of the greatest size, or say more than [`MOST_FRAMES`] frames that are none.

mod error;
mod frame;
pub mod hpack;
mod request;
mod response;

pub use error::{Error, ErrorCode};
pub use request::{BadRequest, Request};
pub use response::Response;

use frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, MOST_PAYLOAD, PING,
    PRIORITY, PRIORITY_FIELDS, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};

/// What comes of the bytes of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These bytes are to be sent at once.
    Reply(Vec<u8>),
    /// The response, whole. Nothing comes behind it.
    Response(Response),
}

/// A connection with one request.
///
/// Poll until nothing is left after each push. After the response or an error nothing more is
/// read; the connection is of no use any more and may be closed, at best behind [`Client::GOAWAY`].
#[derive(Clone, Debug)]
pub struct Client {
    /// A frame that is not whole.
    bytes: Vec<u8>,
    decoder: hpack::Decoder,
    is_greeted: bool,
    /// Frames that brought nothing of the response.
    idle_frames: usize,
    /// A header block that is not whole, and whether the stream ends with it.
    block: Option<(Vec<u8>, bool)>,
    /// The final response, as far as it came, and its Content-Length.
    response: Option<(Response, Option<usize>)>,
    /// What is left of our window.
    window: usize,
    replies: Vec<u8>,
    outcome: Option<Result<Response, Error>>,
    is_over: bool,
}

impl Client {
    /// GOAWAY without an error, which a client says before it closes (RFC 9113 §6.8).
    pub const GOAWAY: [u8; 17] = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// A connection that speaks HTTP/2 by agreement (ALPN `h2`), and what is sent on it first: the
    /// whole request, which needs no word of the peer.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] where the request cannot be written.
    pub fn open(request: &Request<'_>) -> Result<(Self, Vec<u8>), BadRequest> {
        let client = Self {
            bytes: Vec::new(),
            decoder: hpack::Decoder::default(),
            is_greeted: false,
            idle_frames: 0,
            block: None,
            response: None,
            window: WINDOW as usize,
            replies: Vec::new(),
            outcome: None,
            is_over: false,
        };
        Ok((client, request.write()?))
    }

    /// Takes in the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        for part in piece.chunks(MOST_PAYLOAD) {
            if self.is_over {
                return;
            }
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.extend_from_slice(part);
            let mut rest = &bytes[..];
            self.outcome = self.read(&mut rest).transpose();
            self.is_over = self.outcome.is_some();
            if !self.is_over {
                let read = bytes.len() - rest.len();
                bytes.drain(..read);
                self.bytes = bytes;
            }
        }
    }

    /// What came of it: replies first; then, once, the response.
    ///
    /// # Errors
    ///
    /// [`Error`], once, where there will be no response.
    pub fn poll(&mut self) -> Option<Result<Event, Error>> {
        if !self.replies.is_empty() {
            return Some(Ok(Event::Reply(std::mem::take(&mut self.replies))));
        }
        self.outcome.take().map(|outcome| outcome.map(Event::Response))
    }

    /// Whether the peer has shown that it speaks HTTP/2.
    #[must_use]
    pub const fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    fn read(&mut self, rest: &mut &[u8]) -> Result<Option<Response>, Error> {
        loop {
            // Nobody else's first words pass for the head of SETTINGS.
            if !self.is_greeted && !Frame::may_begin(SETTINGS, rest) {
                return Err(Error::NotHttp2);
            }
            let frame = Frame::next(rest).map_err(|_| Error::FrameTooLarge)?;
            let Some(frame) = frame else { return Ok(None) };
            let is_end = self.take(&frame)?;
            if let Some((response, length)) = self.response.take_if(|_| is_end) {
                return if is_right_length(&response, length) {
                    Ok(Some(response))
                } else {
                    Err(Error::WrongLength)
                };
            }
        }
    }

    /// Takes in a frame; whether the stream ends with it.
    fn take(&mut self, frame: &Frame<'_>) -> Result<bool, Error> {
        // The first SETTINGS acknowledge nothing (RFC 9113 §3.4).
        if !self.is_greeted && frame.has(ACK) {
            return Err(Error::NotHttp2);
        }
        // A header block is not interrupted, not even by a frame that would be ignored
        // (RFC 9113 §5.5, §6.10).
        if self.block.is_some() != (frame.kind == CONTINUATION) {
            return Err(Error::UnexpectedFrame);
        }
        check_place(frame)?;
        let content = if frame.kind == DATA || frame.kind == HEADERS {
            frame.content().ok_or(Error::BrokenFrame)?
        } else {
            frame.payload
        };
        // What DATA brings has a bound of its own.
        if frame.kind != DATA || content.is_empty() {
            self.idle_frames += 1;
            if self.idle_frames > MOST_FRAMES {
                return Err(Error::TooManyFrames);
            }
        }
        match frame.kind {
            DATA => return self.data(content, frame),
            HEADERS => {
                self.block = Some((Vec::new(), frame.has(END_STREAM)));
                return self.headers(content, frame);
            }
            CONTINUATION => return self.headers(content, frame),
            SETTINGS => self.settings(frame)?,
            PING if content.len() != 8 => return Err(Error::BrokenFrame),
            PING if !frame.has(ACK) => frame::write(&mut self.replies, PING, ACK, 0, content),
            RST_STREAM => return Err(Error::Reset(ErrorCode(only_number(content)?))),
            GOAWAY => go_away(content)?,
            // Our request has left whole, so that there is nothing to count; and 0 is no increment
            // (RFC 9113 §6.9).
            WINDOW_UPDATE if only_number(content)? & u32::MAX >> 1 == 0 => {
                return Err(Error::BrokenFrame);
            }
            PRIORITY if content.len() != PRIORITY_FIELDS => return Err(Error::BrokenFrame),
            // What we do not know is ignored (RFC 9113 §4.1).
            _ => {}
        }
        Ok(false)
    }

    /// RFC 9113 §6.5.
    fn settings(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        self.is_greeted = true;
        let (settings, rest) = frame.payload.as_chunks::<SETTING>();
        let is_whole = rest.is_empty() && (settings.is_empty() || !frame.has(ACK));
        if !is_whole || !settings.iter().all(is_sound_setting) {
            return Err(Error::BrokenFrame);
        }
        if !frame.has(ACK) {
            frame::write(&mut self.replies, SETTINGS, ACK, 0, &[]);
        }
        Ok(())
    }

    /// RFC 9113 §6.2, §6.10: a part of a header block.
    fn headers(&mut self, part: &[u8], frame: &Frame<'_>) -> Result<bool, Error> {
        let Some((block, _)) = &mut self.block else { return Err(Error::UnexpectedFrame) };
        if block.len() + part.len() > hpack::MOST_BYTES {
            return Err(Error::HeadersTooLarge);
        }
        block.extend_from_slice(part);
        let Some((block, is_end)) = self.block.take_if(|_| frame.has(END_HEADERS)) else {
            return Ok(false);
        };
        let fields = self.decoder.decode(&block)?;
        if self.response.is_some() {
            // Trailers, which end the stream (RFC 9113 §8.1).
            return response::check(&fields).and(if is_end {
                Ok(true)
            } else {
                Err(Error::BadHeaders)
            });
        }
        let (response, length) = response::read(&fields)?;
        // An interim response ends nothing, and 101 is no part of HTTP/2 (RFC 9113 §8.1, §8.6).
        let is_interim = response.status < 200;
        if is_interim && (is_end || response.status == 101) {
            return Err(Error::BadHeaders);
        }
        self.response = Some((response, length)).filter(|_| !is_interim);
        Ok(is_end)
    }

    /// RFC 9113 §6.1.
    fn data(&mut self, content: &[u8], frame: &Frame<'_>) -> Result<bool, Error> {
        // Padding counts as well (RFC 9113 §6.9.1).
        self.window = self.window.checked_sub(frame.payload.len()).ok_or(Error::FlowControl)?;
        let (response, _) = self.response.as_mut().ok_or(Error::UnexpectedFrame)?;
        if response.body.len() + content.len() > MOST_BODY {
            return Err(Error::BodyTooLarge { status: response.status });
        }
        response.body.extend_from_slice(content);
        Ok(frame.has(END_STREAM))
    }
}

/// Whether a frame is on a stream on which its type may come to us: on that of the connection, or
/// on the only one that we opened.
fn check_place(frame: &Frame<'_>) -> Result<(), Error> {
    let is_right = match frame.kind {
        DATA | HEADERS | CONTINUATION | RST_STREAM => frame.stream == STREAM,
        SETTINGS | PING | GOAWAY => frame.stream == 0,
        WINDOW_UPDATE => [0, STREAM].contains(&frame.stream),
        // It may name a stream that does not exist (RFC 9113 §6.3).
        PRIORITY => frame.stream != 0,
        // We disabled it (RFC 9113 §8.4).
        PUSH_PROMISE => false,
        _ => true,
    };
    if is_right { Ok(()) } else { Err(Error::UnexpectedFrame) }
}

/// The values that a server may give to the settings of RFC 9113 §6.5.2. Others are ignored; and
/// as our request has left already, none changes what we do.
fn is_sound_setting(setting: &[u8; SETTING]) -> bool {
    let &[upper, lower, ref value @ ..] = setting;
    let [first, second, third, fourth] = *value;
    let value = u32::from_be_bytes([first, second, third, fourth]);
    match u16::from_be_bytes([upper, lower]) {
        // ENABLE_PUSH: it is a client that enables it.
        0x02 => value == 0,
        // INITIAL_WINDOW_SIZE
        0x04 => value <= u32::MAX >> 1,
        // MAX_FRAME_SIZE
        0x05 => (1 << 14..1 << 24).contains(&value),
        _ => true,
    }
}

/// RFC 9113 §6.8. A peer that only takes no more requests answers ours; one that met an error
/// closes the connection behind its GOAWAY (RFC 9113 §5.4.1).
fn go_away(content: &[u8]) -> Result<(), Error> {
    let Some((&[last, code], _)) = content.as_chunks::<4>().0.split_first_chunk() else {
        return Err(Error::BrokenFrame);
    };
    let last = u32::from_be_bytes(last) & u32::MAX >> 1;
    let code = ErrorCode(u32::from_be_bytes(code));
    let is_answered = last >= STREAM && code == ErrorCode::NO_ERROR;
    if is_answered { Ok(()) } else { Err(Error::GoAway(code)) }
}

fn only_number(content: &[u8]) -> Result<u32, Error> {
    content.try_into().map(u32::from_be_bytes).map_err(|_| Error::BrokenFrame)
}

/// Whether the body is as long as Content-Length says; a 304 says it of a body that it has not
/// (RFC 9110 §8.6).
fn is_right_length(response: &Response, length: Option<usize>) -> bool {
    response.status == 304 || length.is_none_or(|length| length == response.body.len())
}

/// The first stream of a client (RFC 9113 §5.1.1).
const STREAM: u32 = 1;
/// What we grant at the start, for the stream and the connection alike, and never again: four
/// times the longest body, so that a peer can pad and still never has to wait for more.
const WINDOW: u32 = 256 * 1024;
/// One setting (RFC 9113 §6.5.1).
const SETTING: usize = 6;
/// The longest body that is read: no DNS message is longer (RFC 8484 §6).
pub const MOST_BODY: usize = 65_535;
/// How many frames a peer may send that bring nothing of the body: SETTINGS, PING, HEADERS,
/// CONTINUATION, empty DATA and all others. A sound exchange has ten or so.
pub const MOST_FRAMES: usize = 256;
