//! A client of a few lines, which reads everything to the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use branchline_lab::api::Api;
use serde_json::Value;

/// An answer: its status, its head and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.head))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One request on a connection of its own.
pub(crate) fn send(
    api: &Api,
    method: &str,
    path: &str,
    authorization: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(api.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\
         Authorization: {authorization}\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head[9..12].parse().expect("a status");
    Ok(Answer { status, head, body: bytes[end + 4..].to_vec() })
}

/// A token for the API's client, as an Authorization header.
pub(crate) fn token(api: &Api) -> String {
    let basic = STANDARD.encode(format!("{}:{}", api.client_id(), api.client_secret()));
    let form = "grant_type=client_credentials";
    let answer =
        send(api, "POST", "/oauth/token", &format!("Basic {basic}"), form).expect("a token");
    format!("Bearer {}", answer.json()["access_token"].as_str().expect("a token"))
}

/// GET with a token of its own.
pub(crate) fn get(api: &Api, path: &str) -> Answer {
    send(api, "GET", path, &token(api), "").expect("an answer")
}
