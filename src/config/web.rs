//! The table `[web]`: where the pages are served.

use std::net::SocketAddr;

use branchline_probes::{Foreign, Kind, OptionKey};

use super::known::Known;
use super::reader::Reader;
use super::table::Table;
use crate::web::Settings;

/// Reads `[web]`; without it the default holds.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Option<Settings> {
    let default = || Settings { listen: vec![SocketAddr::from(([127, 0, 0, 1], 9377))] };
    let Some(table) = root.subtable("web", KEYS, reader)? else {
        return Some(default());
    };
    table.refuse_unknown(reader);
    let insecure = table.read(&INSECURE_LISTEN, reader);
    if table.field("listen").is_none() {
        return Some(default());
    }
    let mut listen = Vec::new();
    for (at, text) in table.texts("listen", "addresses with their port", reader)? {
        let shown = Foreign::new(text);
        let Ok(address) = text.parse::<SocketAddr>() else {
            let message = format!(
                "`listen` of [web] takes addresses with their port, such as \"127.0.0.1:9377\", not \"{shown}\""
            );
            reader.report(Some(at), message, table.hint("listen"));
            continue;
        };
        if listen.contains(&address) {
            let hint = Some("name each address once".to_owned());
            reader.report(Some(at), format!("`listen` of [web] names {address} twice"), hint);
            continue;
        }
        // D-WEB-1
        if insecure == Some(false) && !address.ip().to_canonical().is_loopback() {
            let message = format!(
                "`listen` of [web] would serve {address} to the network, without encryption or login"
            );
            let hint = "listen on 127.0.0.1 behind a proxy, or accept that with \
                        insecure_listen = true";
            reader.report(Some(at), message, Some(hint.to_owned()));
            continue;
        }
        listen.push(address);
    }
    Some(Settings { listen })
}

const KEYS: &[Known] = &[
    Known::new("listen", "listen = [\"127.0.0.1:9377\"]"),
    Known::new("insecure_listen", "insecure_listen = true"),
];

const INSECURE_LISTEN: OptionKey<bool> =
    OptionKey::new("insecure_listen", Kind::Flag, "whether the network may read").default("false");
