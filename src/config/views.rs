//! The table `[views]`: from which sides watched names are looked at.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, OptionValue, show_duration};
use toml::de::DeValue;

use super::address::{self, Address};
use super::known::Known;
use super::reader::Reader;
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
    pub(super) ca_file: Option<branchline_probes::Authorities>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// Reads `HOST`, `HOST:PORT`, `tls://HOST` or `https://HOST/PATH`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to follow the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (transport, rest) = match text.split_once("://") {
            Some(("tls", rest)) => ("tls", rest),
            Some(("https", rest)) => ("https", rest),
            Some(_) => return Err("is neither an address nor begins with tls:// or https://"),
            None => (UDP, text),
        };
        let (place, path) = match rest.find('/') {
            Some(at) if transport == "https" => (&rest[..at], Some(rest[at..].to_owned())),
            Some(_) | None => (rest, None),
        };
        let Address { host, port } = Address::parse(place)?;
        Ok(Self { text: text.to_owned(), transport, host, port, path })
    }
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

    /// The same views, the resolvers of the site being these.
    ///
    /// # Errors
    ///
    /// The server that is none, and what is wrong with it.
    pub fn with_resolvers(mut self, texts: &[String]) -> Result<Self, (String, &'static str)> {
        self.site = Site::Listed(servers(texts)?);
        Ok(self)
    }

    /// The same views, the authoritative nameservers being these.
    ///
    /// # Errors
    ///
    /// The server that is none, and what is wrong with it.
    pub fn with_authorities(mut self, texts: &[String]) -> Result<Self, (String, &'static str)> {
        self.authoritative = Authoritative::Listed(servers(texts)?);
        Ok(self)
    }
}

fn listed(servers: &[Server]) -> String {
    let texts: Vec<_> = servers.iter().map(|server| format!("{:?}", server.text)).collect();
    format!("[{}]", texts.join(", "))
}

fn servers(texts: &[String]) -> Result<Vec<Server>, (String, &'static str)> {
    texts.iter().map(|text| Server::parse(text).map_err(|what| (text.clone(), what))).collect()
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
    if table.field("public").is_some() {
        views.public = read_servers(&table, "public", reader)?;
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
            table.refuse("site", &problem, table.hint("site"), reader);
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
            let problem = format!("takes true, false or a list of nameservers, not {found}");
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
    let mut servers: Vec<Server> = Vec::new();
    for (at, text) in table.texts(name, "nameservers", reader)? {
        let refuse = |problem: String, hint: Option<String>, reader: &mut Reader<'_>| {
            reader.report(Some(at), format!("`{name}` of [views] {problem}"), hint);
        };
        match Server::parse(text) {
            Err(what) => {
                let problem = format!("{what}{}", address::quoted(text));
                refuse(problem, table.hint(name), reader);
            }
            Ok(server) if servers.contains(&server) => {
                let problem = format!("names {} twice", Foreign::new(text));
                refuse(problem, Some("name each nameserver once".to_owned()), reader);
            }
            Ok(server) if name == "authoritative" && server.plain().is_none() => {
                let problem = format!("takes addresses alone: \"{}\"", Foreign::new(text));
                refuse(problem, table.hint(name), reader);
            }
            Ok(server) => servers.push(server),
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

/// RFC 1035 §4.2.1.
pub(super) const PORT: u16 = 53;
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
        for text in ["http://dns.example/", "quic://a", "dns.example/x", "tls://a/b", "", "a:0"] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }
}
