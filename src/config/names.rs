//! The tables `[[names]]`: names that are watched.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, show_duration};

use super::address::{self, NameProblem};
use super::known::Known;
use super::modules::LONGEST;
use super::reader::Reader;
use super::table::Table;
use crate::sight::Compare;

/// A name and how it is watched.
#[derive(Clone, Debug)]
pub struct Name {
    /// The name, in lower case and without its last dot.
    pub name: String,
    /// The types of record.
    pub types: Vec<&'static str>,
    /// The addresses that its answers may hold.
    pub expect: Vec<IpAddr>,
    /// What two answers have to have in common.
    pub compare: Compare,
    /// The vendor's edge group whose name it is.
    pub edge_group: Option<Arc<str>>,
    /// How often it is asked for.
    pub interval: Duration,
    /// When an exchange ends.
    pub timeout: Duration,
    /// Whether it decides between go and no-go.
    pub required: bool,
}

impl Name {
    /// A name that is looked at once, whatever it leads to.
    #[must_use]
    pub fn once(name: &str) -> Self {
        Self {
            name: plain(name),
            types: vec!["A"],
            expect: Vec::new(),
            compare: Compare::default(),
            edge_group: None,
            interval: TIMEOUT_OF_A_QUERY,
            timeout: TIMEOUT_OF_A_QUERY,
            required: true,
        }
    }

    /// Whether a text is a name that the DNS can hold.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to follow the text.
    pub fn check(name: &str) -> Result<(), &'static str> {
        if name.parse::<IpAddr>().is_ok() {
            return Err("is an address, not a name");
        }
        if name.starts_with("*.") {
            return Err("is a wildcard: watch one of the names below it");
        }
        address::check_name(&plain(name)).map_err(|problem| match problem {
            NameProblem::Empty => "is empty",
            NameProblem::NotAscii => "is not in its ASCII form (xn--…)",
            NameProblem::Labels => {
                "is no host name: labels of 1 to 63 letters, digits and hyphens, a dot between them"
            }
            NameProblem::Long => "is longer than the 253 characters that a name may have",
            NameProblem::Number => "is no host name: its last label is a number",
        })
    }

    /// The first address that is expected and that no record of these types can hold.
    #[must_use]
    pub fn misplaced(&self) -> Option<IpAddr> {
        let has = |kind| self.types.contains(&kind);
        let fits = |ip: &&IpAddr| if ip.is_ipv4() { has("A") } else { has("AAAA") };
        self.expect.iter().find(|ip| !fits(ip)).copied()
    }

    /// The lines of the table that means this name.
    pub(super) fn lines(&self) -> Vec<String> {
        let quoted = |texts: Vec<String>| {
            let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            format!("[{}]", texts.join(", "))
        };
        let types = quoted(self.types.iter().map(|it| (*it).to_owned()).collect());
        let mut lines = vec![format!("name = \"{}\"", self.name), format!("types = {types}")];
        if !self.expect.is_empty() {
            let expect = self.expect.iter().map(IpAddr::to_string).collect();
            lines.push(format!("expect = {}", quoted(expect)));
        }
        lines.push(format!("compare = \"{}\"", self.compare.label()));
        lines.extend(self.edge_group.iter().map(|group| format!("edge_group = {group:?}")));
        lines.push(format!("interval = \"{}\"", show_duration(self.interval)));
        lines.push(format!("timeout = \"{}\"", show_duration(self.timeout)));
        lines.push(format!("required = {}", self.required));
        lines
    }

    /// The name of an edge group, by a template with `{edge_group}` in it.
    #[must_use]
    pub fn of_edge_group(template: &str, edge_group: &str) -> String {
        template.replace(PLACEHOLDER, &slug(edge_group))
    }
}

/// The template of an edge group's name where the configuration has no other.
pub const TEMPLATE: &str = "{edge_group}.genesyscloud.com";

/// Reads every `[[names]]`.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for (index, table) in root.list("names", KEYS, reader).into_iter().enumerate() {
        let called = table.field("name").and_then(|field| field.value.as_str());
        let called = called.filter(|name| Kind::Text.read(name).is_some());
        let called = called.map_or_else(
            || format!("watched name {}", index + 1),
            |name| format!("watched name `{}`", Foreign::new(name)),
        );
        let table = table.called(called);
        table.refuse_unknown(reader);
        let Some(name) = read_name(&table, reader) else { continue };
        if names.iter().any(|it| it.name == name.name) {
            let hint = "watch each name once, with all its types".to_owned();
            let (key, problem) = if table.field("name").is_some() {
                ("name", "is watched already".to_owned())
            } else {
                ("edge_group", format!("makes {}, which is watched already", name.name))
            };
            table.refuse(key, &problem, Some(hint), reader);
            continue;
        }
        names.push(name);
    }
    names
}

fn read_name(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Name> {
    let before = reader.problems();
    let edge_group = table.read(&EDGE_GROUP, reader);
    let name = read_domain(table, edge_group.as_deref(), reader);
    let types = read_types(table, reader);
    let expect = table.read(&EXPECT, reader).unwrap_or_default();
    let compare = table.read(&COMPARE, reader).and_then(Compare::named);
    let required = table.read(&REQUIRED, reader);
    let interval = table.read(&INTERVAL, reader);
    let timeout = table.read(&QUERY_TIMEOUT, reader);
    if let (Some(interval), Some(timeout)) = (interval, timeout) {
        refuse_rhythm(table, interval, timeout, reader);
    }
    if reader.problems() > before {
        return None;
    }
    let name = Name {
        name: name?,
        types: types?,
        expect,
        compare: compare?,
        edge_group: edge_group.map(Arc::from),
        interval: interval?,
        timeout: timeout?,
        required: required?,
    };
    if let Some(ip) = name.misplaced() {
        let kind = if ip.is_ipv4() { "A" } else { "AAAA" };
        let problem = format!("holds {ip}, which only an {kind} record can give");
        let types = name.types.iter().chain([&kind]);
        let types: Vec<_> = types.map(|kind| format!("\"{kind}\"")).collect();
        let hint = format!("remove it, or watch that type, too: types = [{}]", types.join(", "));
        table.refuse("expect", &problem, Some(hint), reader);
        return None;
    }
    Some(name)
}

fn read_domain(
    table: &Table<'_>,
    edge_group: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let template = table.read(&TEMPLATE_OF_NAME, reader)?;
    let shown = Foreign::new(&template);
    let hint = || table.hint("template");
    if !template.contains(PLACEHOLDER) {
        let problem = format!("has no {PLACEHOLDER} in it: \"{shown}\"");
        table.refuse("template", &problem, hint(), reader);
        return None;
    }
    // Whatever the group is called.
    if Name::check(&Name::of_edge_group(&template, "group")).is_err() {
        let problem = format!("makes no host name: \"{shown}\"");
        table.refuse("template", &problem, hint(), reader);
        return None;
    }
    if table.field("name").is_some() {
        let name = plain(&table.read(&NAME, reader)?);
        return match Name::check(&name) {
            Ok(()) => Some(name),
            Err(problem) => {
                table.refuse("name", problem, table.hint("name"), reader);
                None
            }
        };
    }
    let Some(group) = edge_group else {
        // One that is there and wrong is told by itself.
        if table.field("edge_group").is_none() {
            let help = "write the name, or the `edge_group` of which it is made";
            table.report_missing("name", help, reader);
        }
        return None;
    };
    let name = plain(&Name::of_edge_group(&template, group));
    if Name::check(&name).is_ok() {
        return Some(name);
    }
    let problem = if slug(group).is_empty() {
        "has no letter and no digit of which a name could be made".to_owned()
    } else {
        format!("makes a name that is too long: {name}")
    };
    let hint = table.hint("name").map(|hint| format!("write the name itself, {hint}"));
    table.refuse("edge_group", &problem, hint, reader);
    None
}

fn read_types(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<&'static str>> {
    if table.field("types").is_none() {
        return Some(vec!["A"]);
    }
    let mut types = Vec::new();
    for (at, text) in table.texts("types", "record types", reader)? {
        let known = TYPES.iter().find(|known| **known == text);
        match known {
            Some(known) if !types.contains(known) => types.push(*known),
            Some(_) => {
                let message = format!("`types` of {} names {text} twice", table.owner());
                reader.report(Some(at), message, Some("name each type once".to_owned()));
                return None;
            }
            None => {
                let shown = Foreign::new(text);
                let owner = table.owner();
                let message =
                    format!("`types` of {owner} names a type that is not watched: \"{shown}\"");
                let meant = TYPES.iter().find(|known| known.eq_ignore_ascii_case(text));
                let hint = meant.map_or_else(
                    || format!("types are {}", TYPES.join(", ")),
                    |meant| format!("did you mean \"{meant}\"?"),
                );
                reader.report(Some(at), message, Some(hint));
                return None;
            }
        }
    }
    Some(types)
}

fn refuse_rhythm(
    table: &Table<'_>,
    interval: Duration,
    timeout: Duration,
    reader: &mut Reader<'_>,
) {
    if timeout > LONGEST {
        table.refuse("timeout", "is longer than 24h", table.hint("timeout"), reader);
    } else if !(SHORTEST..=LONGEST).contains(&interval) {
        let problem = format!("is not between 1s and 24h: {}", show_duration(interval));
        table.refuse("interval", &problem, table.hint("interval"), reader);
    } else if interval < timeout {
        let (interval, timeout) = (show_duration(interval), show_duration(timeout));
        let problem = format!("is shorter than its timeout ({interval} < {timeout})");
        let hint = format!("set `interval` to {timeout} or more");
        table.refuse("interval", &problem, Some(hint), reader);
    }
}

/// A name as we write it: in lower case, without the last dot.
pub(super) fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

/// A group's name as a label of a domain name: lower case, and a hyphen for each run of what a
/// label cannot hold.
fn slug(text: &str) -> String {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

const PLACEHOLDER: &str = "{edge_group}";
/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);
/// A stub resolver's patience (`resolv.conf(5)`): two queries, 5 s apart.
const TIMEOUT_OF_A_QUERY: Duration = Duration::from_secs(10);

/// The types of record that can be watched.
pub const TYPES: &[&str] = &["A", "AAAA", "CNAME", "NS", "SOA", "SRV", "NAPTR", "PTR", "TXT"];

const KEYS: &[Known] = &[
    Known::new("name", "name = \"lyon-edge-group.genesyscloud.com\""),
    Known::new("types", "types = [\"A\", \"AAAA\"]"),
    Known::new("expect", "expect = [\"192.0.2.80\"]"),
    Known::new("compare", "compare = \"chain\""),
    Known::new("edge_group", "edge_group = \"Lyon edges\""),
    Known::new("template", "template = \"{edge_group}.genesyscloud.com\""),
    Known::new("interval", "interval = \"30s\""),
    Known::new("timeout", "timeout = \"10s\""),
    Known::new("required", "required = false"),
];

const NAME: OptionKey<String> = OptionKey::new("name", Kind::Text, "the name that is watched");
const EXPECT: OptionKey<Vec<IpAddr>> =
    OptionKey::new("expect", Kind::Addresses, "the addresses that its answers may hold");
const COMPARE: OptionKey<&'static str> =
    OptionKey::new("compare", Kind::Word(Compare::WORDS), "what answers have in common")
        .default("records");
const EDGE_GROUP: OptionKey<String> =
    OptionKey::new("edge_group", Kind::Text, "the vendor's edge group whose name it is");
const TEMPLATE_OF_NAME: OptionKey<String> =
    OptionKey::new("template", Kind::Text, "how an edge group's name is made").default(TEMPLATE);
const INTERVAL: OptionKey<Duration> =
    OptionKey::new("interval", Kind::Duration, "how often it is asked for").default("30s");
const QUERY_TIMEOUT: OptionKey<Duration> =
    OptionKey::new("timeout", Kind::Duration, "when an exchange ends").default("10s");
const REQUIRED: OptionKey<bool> =
    OptionKey::new("required", Kind::Flag, "whether it decides go or no-go").default("true");
