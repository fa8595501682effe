//! What the vendor's guide has and the published API does not: a tenant's own host, scopes, and the
//! webhook that is asked for.

use branchline_probes::{Foreign, Kind, OptionKey};

use super::{DOMAIN, REGION};
use crate::config::address::check_host;
use crate::config::reader::Reader;
use crate::config::table::Table;
use crate::config::webhooks;
use crate::poller::{Profile, region};

/// The hosts of a tenant: the guide asks the tenant's own for everything but tokens, and `api` for
/// these, both below the domain of the region.
pub(super) fn urls(
    table: &Table<'_>,
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Option<(String, String)> {
    let has = |name| table.field(name).is_some();
    is_of_guide(table, "tenant", profile, reader)?;
    if has("base_url") || has("login_url") || (has("region") && has("domain")) {
        let message = "[telephony] says in more than one way where the API is".to_owned();
        let hint = "keep `tenant`, with `region` or `domain` if it is not mypurecloud.com, or \
                    `base_url` with `login_url`";
        reader.report(table.at(), message, Some(hint.to_owned()));
        return None;
    }
    let domain = if has("region") {
        let name = table.read(&REGION, reader)?;
        let place = table.place("region");
        super::of_region(&name, "`region` of [telephony]", place, reader)?;
        region::domain(&name)?.to_owned()
    } else if has("domain") {
        table.read(&DOMAIN, reader)?
    } else {
        DEFAULT_DOMAIN.to_owned()
    };
    if let Err(problem) = check_host(&domain) {
        table.refuse("domain", problem, table.hint("domain"), reader);
        return None;
    }
    let tenant = table.read(&TENANT, reader)?.to_ascii_lowercase();
    if !is_label(&tenant) {
        let hint = "it is the first part of the tenant's own host: \"acme\" of \
                    acme.mypurecloud.com";
        table.refuse("tenant", "is not one label of a host name", Some(hint.to_owned()), reader);
        return None;
    }
    Some((format!("https://{tenant}.{domain}"), format!("https://api.{domain}")))
}

/// Where the guide's tenants live.
const DEFAULT_DOMAIN: &str = "mypurecloud.com";

/// RFC 1123 §2.1
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|it| it == b'-' || it.is_ascii_alphanumeric())
}

/// The scopes that a token is asked for; none where none are set.
pub(super) fn scopes(
    table: &Table<'_>,
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    if table.field("scopes").is_none() {
        return Some(Vec::new());
    }
    is_of_guide(table, "scopes", profile, reader)?;
    let mut scopes = Vec::new();
    let mut is_right = true;
    for (at, text) in table.texts("scopes", "scopes", reader)? {
        // RFC 6749 §3.3
        if !text.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\') {
            let shown = Foreign::new(text);
            let message = format!("`scopes` of [telephony] holds \"{shown}\", which is no scope");
            reader.report(Some(at), message, table.hint("scopes"));
            is_right = false;
        }
        scopes.push(text.to_owned());
    }
    is_right.then_some(scopes)
}

/// What only the guide's API knows.
fn is_of_guide(
    table: &Table<'_>,
    name: &str,
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    if profile? == Profile::Guide {
        return Some(());
    }
    let hint = "leave it out, or add profile = \"guide\" to [telephony]".to_owned();
    table.refuse(name, "is for the API of the vendor's guide alone", Some(hint), reader);
    None
}

/// `subscribe` of `[webhooks]`: whom the vendor is asked to call.
pub(super) fn subscription(
    root: &Table<'_>,
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Option<Option<String>> {
    let Some(table) = root.subtable("webhooks", webhooks::KEYS, reader)? else {
        return Some(None);
    };
    if table.field("subscribe").is_none() {
        return Some(None);
    }
    is_of_guide(&table, "subscribe", profile, reader)?;
    let text = table.read(&SUBSCRIBE, reader)?;
    let problem = match reqwest::Url::parse(&text) {
        Err(_) => "is not a URL",
        Ok(url) if url.scheme() != "https" => "must begin with https://",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "may not hold a user name or password: the vendor would keep it"
        }
        Ok(url) if url.fragment().is_some() => "may not have a fragment",
        Ok(url) => return Some(Some(url.into())),
    };
    table.refuse("subscribe", problem, table.hint("subscribe"), reader);
    None
}

const SUBSCRIBE: OptionKey<String> =
    OptionKey::new("subscribe", Kind::Text, "whom the vendor is to call");
const TENANT: OptionKey<String> =
    OptionKey::new("tenant", Kind::Text, "the tenant whose host is asked");
