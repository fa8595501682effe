//! HTTP/2 for one request: published vectors.

mod hpack;
