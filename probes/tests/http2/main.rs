//! HTTP/2 for one request: published vectors, servers of another make, careless and hostile ones.

mod floods;
mod frames;
mod hpack;
mod mutations;
mod oracle;
mod requests;
mod responses;

use branchline_probes::wire::http2::{Client, Error, Event, Request, Response};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 32;

/// `:status: 200`, the eighth field of the static table.
const STATUS_200: u8 = 0x88;

/// A question, as far as HTTP/2 is concerned.
const REQUEST: Request<'_> = Request {
    authority: "dns.example.net",
    path: "/dns-query",
    media_type: "application/dns-message",
    body: b"a question",
};

/// A frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a server says first.
fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

/// HEADERS that are whole and end nothing.
fn headers(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, block)
}

/// A literal field without indexing (RFC 7541 §6.2.2), short enough for lengths of one octet.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("it is short");
    assert!(name.len() < 127 && value.len() < 127);
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// The last frame of a response.
fn last_data(body: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, 1, body)
}

/// All that comes of a stream that brings these pieces.
fn polled<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Event, Error>> {
    let (mut client, _) = Client::open(&REQUEST).expect("it can be written");
    let mut all = Vec::new();
    for piece in pieces {
        client.push(piece);
        all.extend(std::iter::from_fn(|| client.poll()));
    }
    all
}

/// The end of a stream that begins with SETTINGS and goes on with these frames.
fn end(frames: &[Vec<u8>]) -> Option<Result<Response, Error>> {
    let stream = [settings(), frames.concat()].concat();
    let mut outcomes = polled([&stream[..]]).into_iter().filter_map(|event| match event {
        Ok(Event::Reply(_)) => None,
        Ok(Event::Response(response)) => Some(Ok(response)),
        Err(error) => Some(Err(error)),
    });
    let outcome = outcomes.next();
    assert_eq!(outcomes.next(), None, "a connection ends once");
    outcome
}

/// A response without Content-Type.
fn response(status: u16, body: &[u8]) -> Response {
    Response { status, content_type: None, body: body.to_vec() }
}
