//! `host = hostname / IPv4address / IPv6reference` (RFC 3261 §25.1).

use super::escape::words;
use crate::wire::literal;

/// Where a text ceases to be a host, in bytes, and what is wrong there.
pub(super) fn check(host: &str) -> Result<(), (usize, &'static str)> {
    if let Some(inside) = host.strip_prefix('[') {
        return check_reference(inside).map_err(|(at, what)| (at + 1, what));
    }
    let wrong = host.bytes().position(|it| !it.is_ascii_alphanumeric() && !b"-.".contains(&it));
    if let Some(at) = wrong {
        return Err((at, words(host.as_bytes()[at], "this character cannot stand in a domain")));
    }
    if host.is_empty() {
        return Err((0, "the domain is missing"));
    }
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return literal::v4(host).map(drop).map_err(|at| (at, NO_V4));
    }
    check_name(host)
}

/// How far the host at the beginning of a text reaches, in bytes.
pub(super) fn length(text: &str) -> usize {
    if text.starts_with('[') {
        return text.find(']').map_or(text.len(), |at| at + 1);
    }
    text.find([':', ';', '?']).unwrap_or(text.len())
}

fn check_reference(inside: &str) -> Result<(), (usize, &'static str)> {
    let address = inside.strip_suffix(']');
    match literal::v6(address.unwrap_or(inside)) {
        Ok(_) if address.is_some() => Ok(()),
        Ok(_) => Err((inside.len(), "\"]\" is missing")),
        // All that fits is ASCII.
        Err(at) => Err((at, "between brackets stands an IPv6 address")),
    }
}

/// `hostname = *( domainlabel "." ) toplabel [ "." ]`; a top label begins with a letter, so no
/// address goes for a name.
fn check_name(host: &str) -> Result<(), (usize, &'static str)> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let mut start = 0;
    for label in name.split('.') {
        let end = start + label.len();
        if label.is_empty() {
            return Err((start, "a label of the domain is empty"));
        }
        if label.starts_with('-') {
            return Err((start, "no label of a domain begins with a hyphen"));
        }
        if label.ends_with('-') {
            return Err((end - 1, "no label of a domain ends with a hyphen"));
        }
        if end == name.len() && label.starts_with(|first: char| first.is_ascii_digit()) {
            return Err((start, "the last label of a domain begins with a letter"));
        }
        start = end + 1;
    }
    Ok(())
}

const NO_V4: &str = "an IPv4 address is four numbers up to 255";
