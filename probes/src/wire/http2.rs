//! HTTP/2 (RFC 9113) for one request on a connection of its own, as DNS over HTTPS needs it.

pub mod hpack;
