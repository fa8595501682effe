//! The table `[views]`: from which sides watched names are looked at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, OptionValue, show_duration};
use toml::de::DeValue;

use super::address::{self, Address};
use super::known::Known;
use super::modules::LONGEST;
use super::reader::{Reader, nearest};
use super::table::{Field, Table};

/// From which sides watched names are looked at.
#[derive(Clone, Debug)]
pub struct Views {
    /// The resolvers that phones of the site use.
    pub(super) site: Site,
    /// Resolvers that anybody may use.
    pub(super) public: Vec<Server>,
    /// The authoritative nameservers.
    pub(super) authoritative: Authoritative,
    /// Who may vouch for resolvers over TLS and HTTPS, instead of those whom this host trusts.
    pub(super) ca_file: Option<branchline_probes::Certificates>,
    /// For how long `wait` waits where its command line does not say.
    pub wait_timeout: Duration,
}

/// Who resolves for the phones of the site.
#[derive(Clone, Debug)]
pub(super) enum Site {
    /// Those whom this host was given.
    System,
    /// These.
    Listed(Vec<Server>),
}

/// Who is authoritative.
#[derive(Clone, Debug)]
pub(super) enum Authoritative {
    /// Those to whom the delegation leads, from one of these.
    Delegation(Arc<[SocketAddr]>),
    /// These.
    Listed(Vec<Server>),
    /// Nobody is asked.
    Nobody,
}

/// A nameserver, and what carries its queries.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// As it was written.
    pub(super) text: String,
    /// `udp`, `tls` or `https`.
    pub(super) transport: &'static str,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// Where it answers, over HTTPS.
    pub(super) path: Option<String>,
}

impl Server {
    /// Its socket address, where it is an address that is asked over UDP.
    pub(super) fn plain(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok().filter(|_| self.transport == UDP)?;
        Some(SocketAddr::new(ip, self.port.unwrap_or(PORT)))
    }

    /// Whether both are the same nameserver, asked in the same way, however they are written.
    fn is_same(&self, other: &Self) -> bool {
        let way = |it: &Self| {
            let host = it.host.trim_end_matches('.').to_ascii_lowercase();
            let ip = host.parse::<IpAddr>();
            let (port, path) = match it.transport {
                UDP => (PORT, None),
                "tls" => (TLS_PORT, None),
                _ => (HTTPS_PORT, Some(it.path.clone().unwrap_or_else(|| PATH.to_owned()))),
            };
            let port = it.port.unwrap_or(port);
            (it.transport, ip.map_or(host, |ip| ip.to_string()), port, path)
        };
        way(self) == way(other)
    }

    /// Reads `HOST`, `HOST:PORT`, `tls://HOST` or `https://HOST/PATH`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to follow "a nameserver in `site` of \[views\]".
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (transport, rest) = match text.split_once("://") {
            Some(("tls", rest)) => ("tls", rest),
            Some(("https", rest)) => ("https", rest),
            Some(_) => return Err("begins with neither tls:// nor https://"),
            None => (UDP, text),
        };
        // What may hold a password is told first, since it is not repeated.
        let (place, path) = match rest.find('/') {
            Some(_) if rest.contains('@') => (rest, None),
            Some(at) if transport == "https" => (&rest[..at], Some(rest[at..].to_owned())),
            Some(_) => return Err("has a path, which only https:// takes"),
            None => (rest, None),
        };
        let Address { host, port } = Address::parse(place)?;
        if path.iter().flat_map(|path| path.bytes()).any(|byte| !byte.is_ascii_graphic()) {
            return Err("has a path with a character that no URL holds as it is");
        }
        if host.parse().is_ok_and(is_nobody) {
            return Err("is an address that no host has");
        }
        Ok(Self { text: text.to_owned(), transport, host, port, path })
    }
}

/// Whether an address is that of no single host.
fn is_nobody(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

impl Default for Views {
    fn default() -> Self {
        Self {
            site: Site::System,
            public: Vec::new(),
            authoritative: Authoritative::Delegation(roots()),
            ca_file: None,
            wait_timeout: WAIT_TIMEOUT,
        }
    }
}

impl Views {
    /// The lines of the table that means these views.
    pub(super) fn lines(&self) -> Vec<String> {
        let site = match &self.site {
            Site::System => format!("site = \"{SYSTEM}\""),
            Site::Listed(servers) => format!("site = {}", listed(servers)),
        };
        let mut lines = vec![site, format!("public = {}", listed(&self.public))];
        match &self.authoritative {
            Authoritative::Delegation(roots) => {
                let roots: Vec<_> = roots.iter().map(|root| format!("\"{root}\"")).collect();
                lines.push("authoritative = true".to_owned());
                lines.push(format!("roots = [{}]", roots.join(", ")));
            }
            Authoritative::Listed(servers) => {
                lines.push(format!("authoritative = {}", listed(servers)));
            }
            Authoritative::Nobody => lines.push("authoritative = false".to_owned()),
        }
        let authorities = self.ca_file.as_ref();
        lines.extend(authorities.map(|it| format!("ca_file = {:?}", it.source)));
        lines.push(format!("wait_timeout = \"{}\"", show_duration(self.wait_timeout)));
        lines
    }

    /// The same views, the resolvers of the site being these, as `of` names them.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them, and the way out.
    pub fn with_resolvers(mut self, of: &str, texts: &[String]) -> Result<Self, (String, String)> {
        self.site = Site::Listed(servers(of, texts, |_| true)?);
        Ok(self)
    }

    /// The same views, the authoritative nameservers being these.
    ///
    /// # Errors
    ///
    /// As of the resolvers.
    pub fn with_authorities(
        mut self,
        of: &str,
        texts: &[String],
    ) -> Result<Self, (String, String)> {
        self.authoritative = Authoritative::Listed(servers(of, texts, is_plain)?);
        Ok(self)
    }
}

fn is_plain(server: &Server) -> bool {
    server.plain().is_some()
}

fn listed(servers: &[Server]) -> String {
    let texts: Vec<_> = servers.iter().map(|server| format!("{:?}", server.text)).collect();
    format!("[{}]", texts.join(", "))
}

fn servers(
    of: &str,
    texts: &[String],
    fits: impl Fn(&Server) -> bool,
) -> Result<Vec<Server>, (String, String)> {
    let mut servers = Vec::new();
    for text in texts {
        servers.push(server(of, text, &servers, &fits)?);
    }
    Ok(servers)
}

/// Reads one of several nameservers, which `of` is to name: what is wrong with it, and the way out.
fn server(
    of: &str,
    text: &str,
    earlier: &[Server],
    fits: impl Fn(&Server) -> bool,
) -> Result<Server, (String, String)> {
    let shown = Foreign::new(text);
    if text == SYSTEM {
        let hint = format!("it stands alone, and for the site: site = \"{SYSTEM}\"");
        return Err((format!("{of} has \"{SYSTEM}\" in a list"), hint));
    }
    let server = Server::parse(text).map_err(|what| {
        let problem = format!("a nameserver in {of} {what}{}", address::quoted(text));
        (problem, SERVER_FORMS.to_owned())
    })?;
    if earlier.iter().any(|other| other.is_same(&server)) {
        let problem = format!("{of} names a nameserver twice: \"{shown}\"");
        return Err((problem, "name each once".to_owned()));
    }
    if !fits(&server) {
        let hint = "for example: 192.0.2.1 or [2001:db8::1]:5353";
        return Err((
            format!("{of} takes addresses, asked over UDP, not \"{shown}\""),
            hint.to_owned(),
        ));
    }
    Ok(server)
}

/// Reads `[views]`; without it the defaults hold.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Option<Views> {
    let Some(table) = root.subtable("views", KEYS, reader)? else {
        return Some(Views::default());
    };
    table.refuse_unknown(reader);
    let before = reader.problems();
    let mut views = Views::default();
    if let Some(field) = table.field("site") {
        views.site = read_site(&table, &field, reader)?;
    }
    if let Some(field) = table.field("public") {
        // An empty list says what the default is: that nobody is asked.
        let is_empty = field.value.as_array().is_some_and(|items| items.is_empty());
        views.public = if is_empty { Vec::new() } else { read_servers(&table, "public", reader)? };
    }
    let roots = if table.field("roots").is_some() { read_roots(&table, reader)? } else { roots() };
    views.authoritative = match table.field("authoritative") {
        Some(field) => read_authoritative(&table, &field, roots, reader)?,
        None => Authoritative::Delegation(roots),
    };
    if let Some(field) = table.field("ca_file") {
        let value = field.read(Kind::Certificates, table.hint("ca_file"), reader)?;
        let OptionValue::Certificates(authorities) = value else { return None };
        views.ca_file = Some(authorities);
    }
    views.wait_timeout = table.read(&WAIT, reader)?;
    if views.wait_timeout > LONGEST {
        table.refuse("wait_timeout", "is longer than 24h", table.hint("wait_timeout"), reader);
    }
    (reader.problems() == before).then_some(views)
}

fn read_site(table: &Table<'_>, field: &Field<'_>, reader: &mut Reader<'_>) -> Option<Site> {
    match field.value {
        DeValue::String(word) if word == SYSTEM => Some(Site::System),
        DeValue::Array(_) => read_servers(table, "site", reader).map(Site::Listed),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => {
            let found = field.found();
            let problem = format!("takes \"{SYSTEM}\" or a list of nameservers, not {found}");
            let word = field.value.as_str().and_then(|word| nearest(word, [SYSTEM]));
            let hint = word.map(|word| format!("did you mean \"{word}\"?"));
            table.refuse("site", &problem, hint.or_else(|| table.hint("site")), reader);
            None
        }
    }
}

fn read_authoritative(
    table: &Table<'_>,
    field: &Field<'_>,
    roots: Arc<[SocketAddr]>,
    reader: &mut Reader<'_>,
) -> Option<Authoritative> {
    match field.value {
        DeValue::Boolean(true) => Some(Authoritative::Delegation(roots)),
        DeValue::Boolean(false) => Some(Authoritative::Nobody),
        DeValue::Array(_) => {
            read_servers(table, "authoritative", reader).map(Authoritative::Listed)
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => {
            let found = field.found();
            let problem = format!("takes true, false or a list of addresses, not {found}");
            table.refuse("authoritative", &problem, table.hint("authoritative"), reader);
            None
        }
    }
}

fn read_servers(
    table: &Table<'_>,
    name: &'static str,
    reader: &mut Reader<'_>,
) -> Option<Vec<Server>> {
    let before = reader.problems();
    let fits = if name == "authoritative" { is_plain } else { |_: &Server| true };
    let mut servers: Vec<Server> = Vec::new();
    for (at, text) in table.texts(name, "nameservers", reader)? {
        match server(&format!("`{name}` of [views]"), text, &servers, fits) {
            Ok(server) => servers.push(server),
            Err((problem, hint)) => reader.report(Some(at), problem, Some(hint)),
        }
    }
    (reader.problems() == before).then_some(servers)
}

fn read_roots(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Arc<[SocketAddr]>> {
    let before = reader.problems();
    let mut roots = Vec::new();
    for (at, text) in table.texts("roots", "addresses", reader)? {
        match Server::parse(text).ok().and_then(|server| server.plain()) {
            Some(address) => roots.push(address),
            None => {
                let message =
                    format!("`roots` of [views] takes addresses, not \"{}\"", Foreign::new(text));
                reader.report(Some(at), message, table.hint("roots"));
            }
        }
    }
    (reader.problems() == before).then(|| roots.into())
}

/// The root nameservers, as IANA's hints of 2026-11 list them
/// (<https://www.internic.net/domain/named.root>); IPv4 first, since it is nearly everywhere.
fn roots() -> Arc<[SocketAddr]> {
    ROOTS.iter().filter_map(|text| Some(SocketAddr::new(text.parse().ok()?, PORT))).collect()
}

const ROOTS: [&str; 26] = [
    "198.41.0.4",
    "170.247.170.2",
    "192.33.4.12",
    "199.7.91.13",
    "192.203.230.10",
    "192.5.5.241",
    "192.112.36.4",
    "198.97.190.53",
    "192.36.148.17",
    "192.58.128.30",
    "193.0.14.129",
    "199.7.83.42",
    "202.12.27.33",
    "2001:503:ba3e::2:30",
    "2801:1b8:10::b",
    "2001:500:2::c",
    "2001:500:2d::d",
    "2001:500:a8::e",
    "2001:500:2f::f",
    "2001:500:12::d0d",
    "2001:500:1::53",
    "2001:7fe::53",
    "2001:503:c27::2:30",
    "2001:7fd::1",
    "2001:500:9f::42",
    "2001:dc3::35",
];

/// How a nameserver is written.
const SERVER_FORMS: &str = "a nameserver is ADDRESS, ADDRESS:PORT, tls://HOST or https://HOST/PATH";
/// RFC 1035 §4.2.1.
pub(super) const PORT: u16 = 53;
/// RFC 7858 §3.1.
const TLS_PORT: u16 = 853;
/// RFC 8484 §5; the path is the customary one.
const HTTPS_PORT: u16 = 443;
const PATH: &str = "/dns-query";
pub(super) const UDP: &str = "udp";
pub(super) const SYSTEM: &str = "system";
/// The vendor's guide gives the records of a new edge group 90 s to spread.
const WAIT_TIMEOUT: Duration = Duration::from_secs(90);

const KEYS: &[Known] = &[
    Known::new("site", "site = [\"192.0.2.53\"]"),
    Known::new("public", "public = [\"192.0.2.54\", \"tls://dns.example.net\"]"),
    Known::new("authoritative", "authoritative = true"),
    Known::new("roots", "roots = [\"192.0.2.1\"]"),
    Known::new("ca_file", "ca_file = \"/etc/ssl/private-ca.pem\""),
    Known::new("wait_timeout", "wait_timeout = \"90s\""),
];

const WAIT: OptionKey<Duration> =
    OptionKey::new("wait_timeout", Kind::Duration, "for how long `wait` waits").default("90s");

#[cfg(test)]
mod tests {
    use super::{ROOTS, Server, roots};

    #[test]
    fn every_root_is_an_address() {
        assert_eq!(roots().len(), ROOTS.len());
    }

    #[test]
    fn a_nameserver_is_the_same_however_it_is_written() {
        let is_same = |one: &str, other: &str| {
            let read = |text: &str| Server::parse(text).expect("it is one");
            read(one).is_same(&read(other))
        };

        assert!(is_same("192.0.2.53", "192.0.2.53:53"));
        assert!(is_same("2001:db8::53", "[2001:DB8:0::53]:53"));
        assert!(is_same("tls://dns.example", "tls://DNS.Example.:853"));
        assert!(is_same("https://dns.example", "https://dns.example:443/dns-query"));
        assert!(!is_same("tls://dns.example", "tls://dns.example:53"));
        assert!(!is_same("192.0.2.53", "tls://192.0.2.53"));
        assert!(!is_same("https://dns.example/a", "https://dns.example/b"));
    }

    #[test]
    fn a_nameserver_is_an_address_a_name_or_a_url_of_two_kinds() {
        let read = |text: &str| {
            let server = Server::parse(text).expect("it is one");
            let path = server.path.clone().unwrap_or_default();
            (server.transport, server.host.clone(), server.port, path)
        };
        let server = |transport, host: &str, port, path: &str| {
            (transport, host.to_owned(), port, path.to_owned())
        };

        assert_eq!(read("192.0.2.53"), server("udp", "192.0.2.53", None, ""));
        assert_eq!(read("[2001:db8::53]:5353"), server("udp", "2001:db8::53", Some(5353), ""));
        assert_eq!(read("tls://dns.example"), server("tls", "dns.example", None, ""));
        assert_eq!(
            read("https://dns.example:8443/q?x"),
            server("https", "dns.example", Some(8443), "/q?x")
        );
        for text in [
            "http://dns.example/",
            "quic://a",
            "dns.example/x",
            "tls://a/b",
            "https://a/b c",
            "https://a/é",
            "",
            "a:0",
            "0.0.0.0",
            "[::]:53",
            "224.0.0.251",
            "255.255.255.255",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }
}
