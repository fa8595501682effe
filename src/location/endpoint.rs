//! Proxies and relays: hosts with their ports, and SIP URIs.

use branchline_probes::written::{HostPort, SipUri, check_trunk_uri};
use serde_json::Value;

use super::findings::Checking;
use super::{below, inspect, item_of, port};

/// What an endpoint is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A SIP proxy: it may be named by a URI.
    Proxy,
    /// A STUN server.
    Stun,
    /// A TURN server.
    Turn,
}

impl Kind {
    const fn remedy(self) -> &'static str {
        match self {
            Self::Proxy => "write it as media-proxy.example.com or sip:proxy@example.com:5060",
            Self::Stun => "write it as stun.example.com or stun.example.com:3478",
            Self::Turn => "write it as turn.example.com or turn.example.com:3478",
        }
    }
}

/// Checks an endpoint: text, or `host` and `port` of their own, or a list of either.
pub(super) fn check(value: &Value, path: &str, kind: Kind, checking: &mut Checking) {
    match value {
        Value::Null => {}
        Value::String(text) => {
            host(text, path, kind, checking);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &item_of(path, index), kind, checking);
            }
        }
        Value::Object(entries) => {
            let mut ports = (None, None);
            let mut has_host = false;
            for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                let below = below(path, key);
                match (key.to_ascii_lowercase().as_str(), value) {
                    ("host", Value::String(text)) => {
                        has_host = true;
                        ports.0 = host(text, &below, kind, checking);
                    }
                    ("host", _) => {
                        has_host = true;
                        checking.wrong(&below, None, "this is no host", kind.remedy());
                    }
                    ("port", _) => ports.1 = port(value, &below, checking),
                    _ => inspect(value, &below, key, checking),
                }
            }
            if !has_host {
                checking.wrong(path, None, "the host is missing", kind.remedy());
            }
            if let (Some(one), Some(other)) = ports
                && one != other
            {
                let what = format!("the host names port {one}, and `port` {other}");
                checking.wrong(path, None, &what, "keep the one that is meant");
            }
        }
        Value::Bool(_) | Value::Number(_) => {
            checking.wrong(path, None, "this is no host", kind.remedy());
        }
    }
}

/// Whether a text means to be a SIP URI.
pub(super) fn is_uri(text: &str) -> bool {
    has_scheme(text, &["sip:", "sips:"])
}

/// Checks a SIP URI by the grammar, and then by the pattern of the vendor's trunk settings.
pub(super) fn uri(text: &str, path: &str, checking: &mut Checking) {
    const GRAMMAR: &str = "write it as sip:user@domain or sip:user@domain:port";
    const STRICT: &str = "the vendor takes sip:user@domain or sip:user@domain:port, of letters, \
                          digits, \".\" and \"-\" alone";
    if let Err(bad) = SipUri::read_without_password(text) {
        checking.wrong(path, Some(bad.position), &format!("no SIP URI: {}", bad.what), GRAMMAR);
    } else if let Err(bad) = check_trunk_uri(text) {
        let what = format!("valid by RFC 3261, and not for the vendor: {}", bad.what);
        checking.wrong(path, Some(bad.position), &what, STRICT);
    } else {
        checking.right();
    }
}

/// Checks a host with or without its port; gives the port.
fn host(text: &str, path: &str, kind: Kind, checking: &mut Checking) -> Option<u16> {
    if kind == Kind::Proxy && is_uri(text) {
        uri(text, path, checking);
        return SipUri::read(text).ok()?.port();
    }
    let bad = match HostPort::read(text) {
        _ if has_scheme(text, SCHEMES) || text.contains("://") => {
            Some((1, "a host is written without a scheme"))
        }
        Err(bad) => Some((bad.position, bad.what)),
        Ok(read) => {
            let found = overlong(&read.host).map(|at| (at + 1, OVERLONG));
            if found.is_none() {
                checking.right();
                return read.port;
            }
            found
        }
    };
    if let Some((position, what)) = bad {
        checking.wrong(path, Some(position), what, kind.remedy());
    }
    None
}

fn has_scheme(text: &str, schemes: &[&str]) -> bool {
    let begins = |scheme: &&str| {
        text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    schemes.iter().any(begins)
}

/// The first character that makes a name longer than the DNS can hold (RFC 1035 §2.3.4).
fn overlong(host: &str) -> Option<usize> {
    let mut start = 0;
    let labels = host.split('.').find_map(|label| {
        let at = (label.len() > LABEL).then_some(start + LABEL);
        start += label.len() + 1;
        at
    });
    labels.or_else(|| (host.trim_end_matches('.').len() > NAME).then_some(NAME))
}

const SCHEMES: &[&str] = &["sip:", "sips:", "stun:", "stuns:", "turn:", "turns:"];
const OVERLONG: &str = "this name is longer than the DNS can hold";
const LABEL: usize = 63;
const NAME: usize = 253;
