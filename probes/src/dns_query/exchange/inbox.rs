//! What a stream brings: DNS messages behind their length, or one in an answer of HTTP/2.

use std::collections::VecDeque;

use crate::leg::Tls;
use crate::wire::dns::{self, Frames};
use crate::wire::http2::{Client, Error, Event, Request, Response};

/// The reading side of a stream.
pub(super) enum Inbox {
    /// Over TCP and TLS (RFC 7766 §8, RFC 7858 §3.3).
    Framed(Frames),
    /// Over HTTPS (RFC 8484).
    Https { client: Box<Client>, replies: VecDeque<Vec<u8>> },
}

/// What has arrived.
pub(super) enum Arrived {
    /// A DNS message.
    Message(Vec<u8>),
    /// An HTTP answer that holds none.
    Status(u16),
    /// What breaks a rule: which one, and how.
    Broken(&'static str, &'static str),
}

impl Inbox {
    /// The inbox of a stream on which `query` is asked, and the bytes that ask it; `None` where
    /// they cannot be written.
    pub(super) fn asking(
        query: &[u8],
        path: Option<&str>,
        tls: Option<&Tls>,
        port: u16,
    ) -> Option<(Self, Vec<u8>)> {
        let Some(path) = path else {
            return Some((Self::Framed(Frames::default()), dns::framed(query)));
        };
        let authority = authority(&tls?.server_name, port);
        let request = Request { authority: &authority, path, media_type: MEDIA_TYPE, body: query };
        let (client, bytes) = Client::open(&request).ok()?;
        Some((Self::Https { client: Box::new(client), replies: VecDeque::new() }, bytes))
    }

    /// Takes in the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        match self {
            Self::Framed(frames) => frames.push(piece),
            Self::Https { client, .. } => client.push(piece),
        }
    }

    /// What has arrived next.
    pub(super) fn pop(&mut self) -> Option<Arrived> {
        match self {
            Self::Framed(frames) => frames.pop().map(Arrived::Message),
            Self::Https { client, replies } => loop {
                match client.poll()? {
                    Ok(Event::Reply(bytes)) => replies.push_back(bytes),
                    Ok(Event::Response(response)) => return Some(read(response)),
                    Err(error) => return Some(broken(error)),
                }
            },
        }
    }

    /// What the protocol below the query wants to be sent next.
    pub(super) fn reply(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Framed(_) => None,
            Self::Https { replies, .. } => replies.pop_front(),
        }
    }
}

fn read(response: Response) -> Arrived {
    const OK: u16 = 200;
    let is_dns = response.content_type.as_ref().is_some_and(|it| {
        let bare = it.split(|byte| *byte == b';').next().unwrap_or_default();
        bare.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
    });
    match response.status {
        OK if is_dns => Arrived::Message(response.body),
        OK => Arrived::Broken("RFC 8484 §4.2", "its answer is no application/dns-message"),
        status => Arrived::Status(status),
    }
}

fn broken(error: Error) -> Arrived {
    match error {
        Error::NotHttp2 => Arrived::Broken("RFC 8484 §5.2", "what it speaks is not HTTP/2"),
        Error::Reset(_) | Error::GoAway(_) => {
            Arrived::Broken("RFC 9113 §5.4", "it ended the request with an error of HTTP/2")
        }
        Error::BodyTooLarge { .. } => {
            Arrived::Broken("RFC 1035 §4.2.2", "its answer is longer than any DNS message")
        }
        Error::FrameTooLarge
        | Error::BrokenFrame
        | Error::UnexpectedFrame
        | Error::TooManyFrames
        | Error::HeadersTooLarge
        | Error::BrokenHeaders(_)
        | Error::BadHeaders
        | Error::WrongLength
        | Error::FlowControl => Arrived::Broken("RFC 9113 §5.4.1", "its HTTP/2 is broken"),
    }
}

/// The host and the port of the URL; that of the scheme is left out (RFC 9110 §4.2.2).
fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == super::super::HTTPS_PORT { host } else { format!("{host}:{port}") }
}

/// RFC 8484 §6.
const MEDIA_TYPE: &str = "application/dns-message";
