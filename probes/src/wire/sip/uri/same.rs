//! Whether two URIs name the same (RFC 3261 §19.1.4).

use super::escape::normal;
use super::{SipUri, UriParameter};
use crate::wire::literal;

pub(super) fn is_same(one: &SipUri, other: &SipUri) -> bool {
    let userinfo =
        |uri: &SipUri| (uri.user.as_deref().map(normal), uri.password.as_deref().map(normal));
    one.scheme == other.scheme
        && userinfo(one) == userinfo(other)
        && is_same_host(&one.host, &other.host)
        && one.port == other.port
        && has_the_parameters(one, other)
        && has_the_parameters(other, one)
        && headers(one) == headers(other)
}

/// Addresses are the same however they are written (RFC 5954 §4.2).
fn is_same_host(one: &str, other: &str) -> bool {
    let v6 = |host: &str| literal::v6(host.strip_prefix('[')?.strip_suffix(']')?).ok();
    match (v6(one), v6(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.eq_ignore_ascii_case(other),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether each parameter of `one` is in `other`, or may be missing there.
fn has_the_parameters(one: &SipUri, other: &SipUri) -> bool {
    one.parameters.iter().all(|parameter| {
        let name = normal(&parameter.name);
        let is_it = |it: &&UriParameter| normal(&it.name).eq_ignore_ascii_case(&name);
        match other.parameters.iter().find(is_it) {
            Some(found) => is_same_value(&name, parameter, found),
            None => !COUNTED.iter().any(|counted| name.eq_ignore_ascii_case(counted)),
        }
    })
}

fn is_same_value(name: &[u8], one: &UriParameter, other: &UriParameter) -> bool {
    let value = |it: &UriParameter| it.value.as_deref().map(normal);
    match (value(one), value(other)) {
        // RFC 3261 §7.1: methods are case-sensitive.
        (Some(one), Some(other)) if name.eq_ignore_ascii_case(b"method") => one == other,
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(&other),
        (one, other) => one == other,
    }
}

/// Every header counts; their order does not.
fn headers(uri: &SipUri) -> Vec<(Vec<u8>, Vec<u8>)> {
    let lower = |text: &str| normal(text).to_ascii_lowercase();
    let mut headers: Vec<_> =
        uri.headers.iter().map(|header| (lower(&header.name), lower(&header.value))).collect();
    headers.sort();
    headers
}

/// The parameters that one URI cannot have alone.
const COUNTED: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];
