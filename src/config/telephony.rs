//! The table `[telephony]`: how the vendor's API is read.

mod guide;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, Secret, show_duration};

use super::address::check_host;
use super::known::Known;
use super::modules::LONGEST;
use super::reader::{Reader, suggestion};
use super::table::Table;
use crate::check::Check;
use crate::poller::{Narrowing, Profile, Settings, region};
use crate::telephony::PartName;

/// Reads `[telephony]`: how the API is read, and the phones that are shown one by one; `None` where
/// there is none.
pub(super) fn read(
    root: &Table<'_>,
    checks: &[Check],
    reader: &mut Reader<'_>,
) -> Option<(Settings, Phones)> {
    let Some(table) = root.subtable("telephony", KEYS, reader)? else {
        // Nobody is there who could be asked to call.
        guide::subscription(root, Some(Profile::Platform), reader);
        return None;
    };
    table.refuse_unknown(reader);
    let profile = read_profile(&table, reader);
    let urls = read_urls(&table, profile, reader);
    let scopes = guide::scopes(&table, profile, reader);
    let subscribe = guide::subscription(root, profile, reader);
    let client_id = read_client_id(&table, reader);
    let client_secret = read_client_secret(&table, reader);
    let interval = read_interval(&table, reader);
    let narrowing = table.read(&LOCATION, reader).map(|location| narrowing(location, checks));
    let skip = read_skip(&table, reader);
    let phones = read_phones(&table, reader);
    let (api_url, login_url) = urls?;
    let streaming_url = read_streaming(&table, &api_url, profile, reader)?;
    let (client_id, client_secret) = (client_id?, client_secret?);
    let interval = interval?;
    let settings = Settings {
        profile: profile?,
        api_url,
        login_url,
        client_id,
        client_secret,
        interval,
        narrowing,
        skip,
        scopes: scopes?,
        subscribe: subscribe?,
        streaming_url,
    };
    Some((settings, phones?))
}

/// Phones by name, id or hardware address, as they are written.
pub(super) type Phones = BTreeSet<Arc<str>>;

/// The phones that are shown one by one; `None` where the list is wrong.
fn read_phones(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Phones> {
    if table.field("phones").is_none() {
        return Some(Phones::new());
    }
    let listed = table.texts("phones", "names, ids or hardware addresses of phones", reader)?;
    if let Some((at, _)) = listed.get(MOST_PHONES) {
        let message = format!("`phones` of {} names more than {MOST_PHONES}", table.owner());
        let hint =
            "each has series of its own; all phones are counted by state without being named"
                .to_owned();
        reader.report(Some(*at), message, Some(hint));
        return None;
    }
    let mut phones = Phones::new();
    for (at, phone) in listed {
        if !phones.insert(Arc::from(phone)) {
            let owner = table.owner();
            let message = format!("`phones` of {owner} names \"{}\" twice", Foreign::new(phone));
            reader.report(Some(at), message, Some("name each phone once".to_owned()));
            return None;
        }
    }
    Some(phones)
}

/// A location, and what the targets link to, which is read wherever it is.
fn narrowing(location: String, checks: &[Check]) -> Narrowing {
    let links = |of: fn(&Check) -> &Option<Arc<str>>| {
        let links: BTreeSet<&str> = checks.iter().filter_map(|it| of(it).as_deref()).collect();
        links.into_iter().map(str::to_owned).collect()
    };
    let (trunks, edge_groups) = (links(|check| &check.trunk), links(|check| &check.edge_group));
    Narrowing { location, trunks, edge_groups }
}

fn read_profile(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Profile> {
    let profile = table.read(&PROFILE, reader)?;
    Some(if profile == "guide" { Profile::Guide } else { Profile::Platform })
}

/// The URLs of the API and of its login, by the one way in which the file names them.
fn read_urls(
    table: &Table<'_>,
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Option<(String, String)> {
    let has = |name| table.field(name).is_some();
    if has("tenant") {
        return guide::urls(table, profile, reader);
    }
    let has_urls = has("base_url") || has("login_url");
    match (has("region"), has("domain"), has_urls) {
        (true, false, false) => {
            let name = table.read(&REGION, reader)?;
            of_region(&name, "`region` of [telephony]", table.place("region"), reader)
        }
        (false, true, false) => {
            let domain = table.read(&DOMAIN, reader)?;
            if let Err(problem) = check_host(&domain) {
                table.refuse("domain", problem, table.hint("domain"), reader);
                return None;
            }
            Some(of_domain(&domain))
        }
        (false, false, true) => {
            let base = read_url(table, &BASE_URL, reader);
            let login = read_url(table, &LOGIN_URL, reader);
            Some((base?, login?))
        }
        (false, false, false) => {
            let variable = "GENESYSCLOUD_REGION";
            let Some(name) = reader.surroundings.variable(variable) else {
                table.report_missing("region", "where the organisation lives", reader);
                return None;
            };
            of_region(&name, "the environment variable GENESYSCLOUD_REGION", table.at(), reader)
        }
        _ => {
            let message = "[telephony] says in more than one way where the API is".to_owned();
            let hint = "keep `region`, or `domain`, or `base_url` with `login_url`".to_owned();
            reader.report(table.at(), message, Some(hint));
            None
        }
    }
}

fn of_region(
    name: &str,
    owner: &str,
    at: Option<usize>,
    reader: &mut Reader<'_>,
) -> Option<(String, String)> {
    if let Some(domain) = region::domain(name) {
        return Some(of_domain(domain));
    }
    let names: Vec<_> = region::REGIONS.iter().map(|(name, _)| *name).collect();
    let hint = format!("{} `domain` takes any other", suggestion(name, &names, "region"));
    let message = format!("{owner} names an unknown region \"{}\"", Foreign::new(name));
    reader.report(at, message, Some(hint));
    None
}

fn of_domain(domain: &str) -> (String, String) {
    (format!("https://api.{domain}"), format!("https://login.{domain}"))
}

/// Where the notifications come from; `Some(None)` where nobody listens to them.
fn read_streaming(
    table: &Table<'_>,
    api_url: &str,
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Option<Option<String>> {
    let is_wanted = table.read(&NOTIFICATIONS, reader)?;
    if is_wanted && profile == Some(Profile::Guide) {
        let problem = "cannot be true with profile = \"guide\": its API notifies nobody";
        let hint = "leave it out; `[webhooks] subscribe` has the vendor call instead".to_owned();
        table.refuse("notifications", problem, Some(hint), reader);
        return None;
    }
    let (has_base, has_streaming) =
        (table.field("base_url").is_some(), table.field("streaming_url").is_some());
    if has_streaming && !(is_wanted && has_base) {
        let problem = "goes with `base_url` and `notifications = true` only";
        let hint = if has_base {
            "add notifications = true, or leave it out".to_owned()
        } else {
            "leave it out: a region or a domain has its own".to_owned()
        };
        table.refuse("streaming_url", problem, Some(hint), reader);
        return None;
    }
    if !is_wanted {
        return Some(None);
    }
    if !has_base {
        let domain = api_url.strip_prefix("https://api.").unwrap_or_default();
        return Some(Some(format!("wss://streaming.{domain}")));
    }
    let text = table.read(&STREAMING_URL, reader)?;
    let problem = match reqwest::Url::parse(&text) {
        Err(_) => "is not a URL",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "may not hold a user name or password"
        }
        Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            "may not have a path, query or fragment: the API tells each channel's"
        }
        Ok(url) if url.scheme() == "wss" || (url.scheme() == "ws" && is_loopback(&url)) => {
            return Some(Some(url.as_str().trim_end_matches('/').to_owned()));
        }
        Ok(_) => "must begin with wss://, or with ws:// and a loopback address",
    };
    table.refuse("streaming_url", problem, table.hint("streaming_url"), reader);
    None
}

/// A URL without its trailing slash. What is wrong with it is said without repeating it, since
/// people write passwords into URLs.
fn read_url(table: &Table<'_>, key: &OptionKey<String>, reader: &mut Reader<'_>) -> Option<String> {
    let name = key.spec().name;
    let text = table.read(key, reader)?;
    let problem = match reqwest::Url::parse(&text) {
        Err(_) => "is not a URL",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "may not hold a user name or password"
        }
        Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            "may not have a path, query or fragment: it is only where the API begins"
        }
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
            return Some(url.as_str().trim_end_matches('/').to_owned());
        }
        Ok(_) => "must begin with https://: it carries the client's secret",
    };
    let hint = "for example: base_url = \"https://api.mypurecloud.de\" with login_url = \
                \"https://login.mypurecloud.de\"; http:// only to 127.0.0.1 or [::1]";
    table.refuse(name, problem, Some(hint.to_owned()), reader);
    None
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_client_id(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<String> {
    if table.field("client_id").is_some() {
        return table.read(&CLIENT_ID, reader);
    }
    from_variables(table, "client_id", &CLIENT_ID_VARIABLES, reader)
}

fn read_client_secret(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Secret> {
    if table.field("client_secret").is_some() {
        return table.read(&CLIENT_SECRET, reader);
    }
    from_variables(table, "client_secret", &CLIENT_SECRET_VARIABLES, reader).map(Secret::new)
}

fn from_variables(
    table: &Table<'_>,
    name: &str,
    variables: &[&str; 2],
    reader: &mut Reader<'_>,
) -> Option<String> {
    let found = variables
        .iter()
        .find_map(|variable| Some((variable, reader.surroundings.variable(variable)?)));
    let [first, second] = variables;
    match found {
        None => {
            let message = format!("`{name}` of [telephony] is missing");
            let example = table.hint(name).unwrap_or_default();
            let hint = format!("set {first} or {second}, or write it into the table; {example}");
            reader.report_credential(table.at(), message, Some(hint));
            None
        }
        Some((variable, text)) if text.chars().any(char::is_control) => {
            let message = format!("the environment variable {variable} holds control characters");
            let hint = "it is printable text on one line".to_owned();
            reader.report_credential(table.at(), message, Some(hint));
            None
        }
        Some((_, text)) => Some(text),
    }
}

fn read_interval(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
    let interval = table.read(&INTERVAL, reader)?;
    if !(SHORTEST..=LONGEST).contains(&interval) {
        let problem = format!("is not between 10s and 24h: {}", show_duration(interval));
        table.refuse("interval", &problem, table.hint("interval"), reader);
        return None;
    }
    Some(interval)
}

/// The parts that nobody asks for.
fn read_skip(table: &Table<'_>, reader: &mut Reader<'_>) -> BTreeSet<PartName> {
    let is_open = |part: &PartName| !part.is_vital() && *part != PartName::Sites;
    let open: Vec<PartName> = PartName::ALL.into_iter().filter(is_open).collect();
    let labels: Vec<_> = open.iter().map(|part| part.label()).collect();
    let mut skip = BTreeSet::new();
    for (at, text) in table.texts("skip", "parts that are not read", reader).unwrap_or_default() {
        if let Some(part) = open.iter().find(|part| part.label() == text) {
            skip.insert(*part);
            continue;
        }
        let is_needed = PartName::ALL.iter().any(|part| part.label() == text);
        let (problem, hint) = if is_needed {
            let hint = format!("parts that can be left out are `{}`", labels.join("`, `"));
            ("is always read", hint)
        } else {
            ("is no part of the vendor's state", suggestion(text, &labels, "part"))
        };
        let message = format!("`skip` of [telephony]: \"{}\" {problem}", Foreign::new(text));
        reader.report(Some(at), message, Some(hint));
    }
    skip
}

/// The shortest interval: the vendor allows 300 requests a minute.
const SHORTEST: Duration = Duration::from_secs(10);

/// How many phones have series of their own at most (D-WEB-7).
const MOST_PHONES: usize = 100;

/// Those of the vendor's guide and of its Terraform provider.
const CLIENT_ID_VARIABLES: [&str; 2] = ["GENESYS_CLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_ID"];
const CLIENT_SECRET_VARIABLES: [&str; 2] =
    ["GENESYS_CLIENT_SECRET", "GENESYSCLOUD_OAUTHCLIENT_SECRET"];

const KEYS: &[Known] = &[
    Known::new("profile", "profile = \"platform\""),
    Known::new("region", "region = \"eu-central-1\""),
    Known::new("domain", "domain = \"mypurecloud.de\""),
    Known::new("base_url", "base_url = \"https://api.mypurecloud.de\""),
    Known::new("login_url", "login_url = \"https://login.mypurecloud.de\""),
    Known::new("tenant", "tenant = \"acme\""),
    Known::new("scopes", "scopes = [\"telephony:edge:read\", \"telephony:siptrunk:read\"]"),
    Known::new("notifications", "notifications = true"),
    Known::new("streaming_url", "streaming_url = \"wss://streaming.mypurecloud.de\""),
    Known::new("client_id", "client_id = \"0f2b6c1e-…\""),
    Known::new("client_secret", "client_secret = { credential = \"client-secret\" }"),
    Known::new("location", "location = \"Lyon office\""),
    Known::new("interval", "interval = \"60s\""),
    Known::new("skip", "skip = [\"quality\", \"changes\"]"),
    Known::new("phones", "phones = [\"Reception\", \"0004f2aabbcc\"]"),
];

const PROFILE: OptionKey<&'static str> =
    OptionKey::new("profile", Kind::Word(&["platform", "guide"]), "which API is spoken")
        .default("platform");
const REGION: OptionKey<String> =
    OptionKey::new("region", Kind::Text, "where the organisation lives");
const DOMAIN: OptionKey<String> = OptionKey::new("domain", Kind::Text, "the region's domain");
const BASE_URL: OptionKey<String> =
    OptionKey::new("base_url", Kind::Text, "where the API is").required();
const LOGIN_URL: OptionKey<String> =
    OptionKey::new("login_url", Kind::Text, "where its tokens come from").required();
/// Off unless asked for: the vendor keeps 20 channels per OAuth client and closes the oldest for
/// one more, so that more agents with the same client would take them from each other.
const NOTIFICATIONS: OptionKey<bool> = OptionKey::new(
    "notifications",
    Kind::Flag,
    "whether changes are heard at once; the vendor allows 20 listeners per OAuth client",
)
.default("false");
const STREAMING_URL: OptionKey<String> =
    OptionKey::new("streaming_url", Kind::Text, "where the notifications come from").required();
const CLIENT_ID: OptionKey<String> =
    OptionKey::new("client_id", Kind::Text, "the OAuth client's id");
const CLIENT_SECRET: OptionKey<Secret> =
    OptionKey::new("client_secret", Kind::Secret, "the OAuth client's secret");
const LOCATION: OptionKey<String> =
    OptionKey::new("location", Kind::Text, "the location whose sites are read");
const INTERVAL: OptionKey<Duration> =
    OptionKey::new("interval", Kind::Duration, "how often the API is read").default("60s");
