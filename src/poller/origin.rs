//! Where the vendor is, as it is configured: an origin, and nothing in the clear beyond this host.

use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::SetupError;

/// An address that is an origin, and https unless it is this host.
pub(super) fn origin(name: &'static str, text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|source| SetupError::NoUrl { name, source })?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(host)) {
        return Err(SetupError::Plaintext { name });
    }
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if is_bare { Ok(url) } else { Err(SetupError::NoOrigin { name }) }
}

/// The origin of the notifications, as HTTP has it: a WebSocket is opened over HTTP.
pub(super) fn streaming_origin(text: &str) -> Result<Url, SetupError> {
    let name = "streaming address";
    let http = match text.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(_) | None => return Err(SetupError::Plaintext { name }),
    };
    origin(name, &http)
}

/// Only an address literal: a name could lead anywhere.
fn is_loopback(host: &str) -> bool {
    let v6 = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
