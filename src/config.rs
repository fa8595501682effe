//! The configuration: a file as it was written becomes a `Plan` as it is meant, or a list of what
//! is wrong with it.

mod address;
mod certificates;
mod error;
mod fingerprint;
mod identity;
mod known;
mod modules;
mod names;
mod profiles;
mod reader;
mod regular;
mod secret_source;
mod show;
mod surroundings;
mod table;
mod targets;
mod telephony;
mod views;
mod watching;
mod web;
mod webhooks;

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use branchline_probes::{Foreign, Kind, Module, OptionKey, Probe};
use nix::libc;
use toml::de::DeTable;

use self::address::Address;
use self::known::Known;
use self::profiles::Profiles;
use self::reader::Reader;
use self::table::Table;
use crate::check::Check;
use crate::poller;
use crate::profile::Profile;

pub use self::error::ConfigError;
pub use self::names::{Name, TEMPLATE, TYPES};
pub use self::reader::Uris;
pub use self::show::show;
pub use self::surroundings::Surroundings;
pub use self::views::Views;
pub use self::watching::checks;

/// What is to be done, as the configuration means it.
pub struct Plan {
    /// The name of the site from which is probed.
    pub site: String,
    /// Whose limits hold.
    pub profile: Arc<Profile>,
    /// Every module meeting every target, in the order of the file.
    pub checks: Vec<Check>,
    /// Names that are watched; their checks are among `checks`.
    pub names: Vec<Name>,
    /// From which sides they are looked at.
    pub views: Views,
    /// How the vendor's API is read; `None` where the file has no `[telephony]`.
    pub telephony: Option<poller::Settings>,
    /// Who may tell us that something has changed at the vendor; `None`: nobody.
    pub webhooks: Option<crate::webhook::Settings>,
    /// How the pages are served.
    pub web: crate::web::Settings,
}

/// The file that the package installs: every key with its unit and its default.
pub const EXAMPLE: &str = include_str!("../config/branchline.toml");

/// Reads a configuration file and validates it; touches no network.
///
/// # Errors
///
/// [`ConfigError`] lists what is wrong, in the order of the file.
pub fn load(path: &Path, surroundings: &Surroundings) -> Result<Plan, ConfigError> {
    load_with(path, surroundings, Uris::Grammar)
}

/// As [`load`], of SIP URIs only these.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(
    path: &Path,
    surroundings: &Surroundings,
    uris: Uris,
) -> Result<Plan, ConfigError> {
    let hint = "`branchline config example` prints a file to start from; --config names it";
    let text = read_text(path, hint)?;
    let file_name = Foreign::new(path.to_string_lossy().as_bytes());
    parse_with(file_name.as_str(), &text, surroundings, uris)
}

/// The text of a file that a person named, within the limits of a configuration; `hint` is what to
/// do where there is no such file.
///
/// # Errors
///
/// [`ConfigError`] says why it cannot be read.
pub fn read_text(path: &Path, hint: &str) -> Result<String, ConfigError> {
    let file_name = Foreign::new(path.to_string_lossy().as_bytes());
    let whole = |(problem, hint)| ConfigError::whole_file(file_name.as_str(), problem, hint);
    read(path, hint).map_err(whole)
}

/// Validates the text of a configuration; `file_name` is what errors call it.
///
/// # Errors
///
/// As [`load`].
pub fn parse(
    file_name: &str,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Plan, ConfigError> {
    parse_with(file_name, text, surroundings, Uris::Grammar)
}

/// As [`parse`], of SIP URIs only these.
///
/// # Errors
///
/// As [`load`].
pub fn parse_with(
    file_name: &str,
    text: &str,
    surroundings: &Surroundings,
    uris: Uris,
) -> Result<Plan, ConfigError> {
    let mut reader = Reader::new(surroundings, uris);
    let plan = read_document(text, &mut reader);
    reader.finish(file_name, text, plan)
}

/// The module that `--option KEY=VALUE` words describe.
///
/// A secret is given as `credential:NAME`, `file:PATH` or `env:NAME`, never itself: other users of
/// the host can read a command line.
///
/// # Errors
///
/// [`ConfigError`] lists what is wrong with the words; it names no line.
pub fn module_from_words(
    probe: &'static dyn Probe,
    words: &[(String, String)],
    surroundings: &Surroundings,
) -> Result<Box<dyn Module>, ConfigError> {
    let mut reader = Reader::new(surroundings, Uris::Grammar);
    let module = modules::from_words(probe, words, &mut reader);
    reader.finish("--option", "", module)
}

/// The check that a command line describes: one probe with its options, and whom to ask.
///
/// # Errors
///
/// [`ConfigError`] lists what is wrong with the words; it names no line.
pub fn check_from_words(
    probe: &'static dyn Probe,
    target: &str,
    words: &[(String, String)],
    surroundings: &Surroundings,
) -> Result<Check, ConfigError> {
    let module = module_from_words(probe, words, surroundings)?;
    let address = Address::parse(target).map_err(|what| {
        let hint = "write it as HOST, HOST:PORT, ADDRESS:PORT or [ADDRESS]:PORT".to_owned();
        ConfigError::whole_file("TARGET", format!("{what}{}", address::quoted(target)), Some(hint))
    })?;
    Ok(Check {
        site: Arc::from("here"),
        target: Arc::from(target),
        host: Arc::from(address.host.as_str()),
        port: address.port.unwrap_or(module.default_port()),
        whom: address.whom(&*module),
        module_name: Arc::from(probe.name()),
        probe,
        interval: module.timeout(),
        module: Arc::from(module),
        fingerprint: Arc::from(""),
        required: true,
        trunk: None,
        edge_group: None,
        sight: None,
    })
}

fn read_document(text: &str, reader: &mut Reader<'_>) -> Option<Plan> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map(|span| span.start);
        let (message, hint) = syntax_words(error.message());
        reader.report(at, message, Some(hint.to_owned()));
    }
    if !errors.is_empty() {
        // What was recovered lacks what could not be read: to judge it would be to invent errors.
        return None;
    }
    let root = Table::root(document.get_ref(), TABLES);
    root.refuse_unknown(reader);

    let profiles = profiles::read(&root, reader);
    let site = read_site(&root, &profiles, reader);
    let modules = modules::read(&root, reader);
    let name = site.as_ref().map_or_else(|| Arc::from(""), |(name, _)| Arc::from(name.as_str()));
    let views = views::read(&root, reader);
    let names = names::read(&root, reader);
    let watched = views.as_ref().map(|views| checks(&name, views, &names)).unwrap_or_default();
    let mut checks = targets::read(&root, &name, &modules, &watched, reader);
    checks.extend(watched);
    let telephony = telephony::read(&root, &checks, reader);
    let webhooks = webhooks::read(&root, reader);
    let web = web::read(&root, reader);
    let is_empty = ["targets", "names", "telephony"].iter().all(|it| root.field(it).is_none());
    if is_empty {
        reader.report(
            None,
            "there is nothing to do: the file has neither [[targets]] nor [[names]] nor [telephony]"
                .to_owned(),
            Some("`branchline config example` prints a file to start from".to_owned()),
        );
    }
    let (site, profile) = site?;
    Some(Plan {
        site,
        profile: profile?,
        checks,
        names,
        views: views?,
        telephony,
        webhooks,
        web: web?,
    })
}

fn read_site(
    root: &Table<'_>,
    profiles: &Profiles,
    reader: &mut Reader<'_>,
) -> Option<(String, Option<Arc<Profile>>)> {
    let Some(site) = root.subtable("site", SITE_KEYS, reader)? else {
        reader.report(
            None,
            "[site] is missing".to_owned(),
            Some("say from where is probed; for example: [site] with name = \"lyon\"".to_owned()),
        );
        return None;
    };
    site.refuse_unknown(reader);
    let name = site.read(&SITE_NAME, reader);
    let profile = profiles::choose(&site, profiles, reader);
    Some((name?, profile))
}

fn read(path: &Path, if_absent: &str) -> Result<String, (String, Option<String>)> {
    let unreadable = |error: io::Error| {
        let problem = format!("cannot be read: {}", regular::io_words(&error));
        let hint = (error.kind() == ErrorKind::NotFound).then(|| if_absent.to_owned());
        (problem, hint)
    };
    let mut bytes = Vec::new();
    // Opening a pipe that nobody writes to would wait for ever.
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if kind.is_dir() {
        return Err(unreadable(ErrorKind::IsADirectory.into()));
    }
    if !kind.is_file() && path != Path::new("/dev/stdin") {
        return Err(("is no regular file".to_owned(), None));
    }
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        let hint = "is this the file that was meant?".to_owned();
        return Err(("is larger than 1 MiB".to_owned(), Some(hint)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count()
            + 1;
        let hint = "save the file in that encoding".to_owned();
        (format!("is not UTF-8 text in line {line}"), Some(hint))
    })
}

fn syntax_words(message: &str) -> (String, &'static str) {
    if message == "duplicate key" {
        return (
            "this key or table stands in the file already".to_owned(),
            "each stands once; only [[targets]] and [[names]] are repeated",
        );
    }
    (
        format!("this is not TOML: {message}"),
        "a value is text in double quotes (durations, too), a whole number, true or false, a list \
         [ … ] or a table { … }",
    )
}

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

const TABLES: &[Known] = &[
    Known::new("site", "[site]"),
    Known::new("profiles", "[profiles.office]"),
    Known::new("modules", "[modules.stun-udp]"),
    Known::new("targets", "[[targets]]"),
    Known::new("views", "[views]"),
    Known::new("names", "[[names]]"),
    Known::new("telephony", "[telephony]"),
    Known::new("web", "[web]"),
    Known::new("webhooks", "[webhooks]"),
];

const SITE_KEYS: &[Known] =
    &[Known::new("name", "name = \"lyon\""), Known::new("profile", "profile = \"sip-phone\"")];

const SITE_NAME: OptionKey<String> =
    OptionKey::new("name", Kind::Text, "the site from which is probed").required();
