//! The tables `[modules.NAME]`: first which probe, then the options that this probe declares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{
    BadOption, Foreign, Kind, Module, OptionKey, OptionSpec, OptionValue, Options, PROBES, Probe,
    TIMEOUT,
};

use super::certificates;
use super::fingerprint;
use super::identity;
use super::known::Known;
use super::reader::{Reader, nearest, suggestion};
use super::secret_source::SecretSource;
use super::table::{Field, Table};

/// A module as it was declared.
pub(super) struct Declared {
    pub(super) probe: &'static dyn Probe,
    pub(super) module: Arc<dyn Module>,
    pub(super) fingerprint: Arc<str>,
}

/// Every module by its name; `None` for one that is declared wrongly, so that a target which uses
/// it is not blamed.
pub(super) type Modules = BTreeMap<String, Option<Declared>>;

/// Reads every `[modules.NAME]`.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Modules {
    let Some(Some(tables)) = root.subtable("modules", &[], reader) else {
        return Modules::new();
    };
    let mut modules = Modules::new();
    for (name, field) in tables.fields() {
        modules.insert(name.to_owned(), read_module(name, &field, reader));
    }
    modules
}

/// The module that `--option KEY=VALUE` words describe.
pub(super) fn from_words(
    probe: &'static dyn Probe,
    words: &[(String, String)],
    reader: &mut Reader<'_>,
) -> Option<Box<dyn Module>> {
    let specs = specs(probe);
    let mut given = Options::default();
    let mut seen = Vec::new();
    for (key, word) in words {
        let shown = Foreign::new(key);
        let Some(spec) = specs.iter().find(|spec| spec.name == key) else {
            let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
            let hint = match nearest(key, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("`branchline probe {} --help` lists its options", probe.name()),
            };
            let message = format!("unknown option `{shown}` of probe `{}`", probe.name());
            reader.report(None, message, Some(hint));
            continue;
        };
        if seen.contains(&spec.name) {
            let hint = Some("give each option once".to_owned());
            reader.report(None, format!("`{shown}` is given twice"), hint);
            continue;
        }
        seen.push(spec.name);
        if let Some(value) = read_word(spec, word, reader) {
            given.set(spec, value);
        }
    }
    let owner = format!("probe `{}`", probe.name());
    for spec in specs.iter().filter(|spec| spec.required && !seen.contains(&spec.name)) {
        let hint = format!("{}; add --option {}=…", spec.help, spec.name);
        reader.report(None, format!("`{}` of {owner} is missing", spec.name), Some(hint));
    }
    if reader.problems() > 0 {
        return None;
    }
    build(probe, &effective(probe, &given))
        .map_err(|bad| {
            let message = format!("`{}` of {owner} {}", bad.option, bad.problem);
            reader.report(None, message, bad.hint);
        })
        .ok()
}

fn read_module(name: &str, field: &Field<'_>, reader: &mut Reader<'_>) -> Option<Declared> {
    let shown = Foreign::new(name);
    let header = format!("[modules.{shown}]");
    if Kind::Text.read(name).is_none() {
        let message = format!("{header} has a name that is not printable text on one line");
        reader.report(Some(field.at), message, Some("for example: [modules.stun-udp]".to_owned()));
        return None;
    }
    let Some(entries) = field.value.as_table() else {
        let message = format!("{header} is a table, not {}", field.found());
        let hint = "for example: [modules.stun-udp] and below it probe = \"stun-binding\"";
        reader.report(Some(field.at), message, Some(hint.to_owned()));
        return None;
    };
    let owner = format!("module `{shown}`");
    let before = reader.problems();
    let table = Table::of(field, entries, header.clone(), owner.clone(), PROBE_KEYS);
    let probe = find_probe(&table.read(&PROBE, reader)?, &table, reader)?;

    let specs = specs(probe);
    let table = Table::of(field, entries, header, owner, known(probe, &specs));
    table.refuse_unknown(reader);
    let mut given = Options::default();
    for spec in &specs {
        match table.field(spec.name) {
            Some(field) => {
                if let Some(value) = field.read(spec.kind, table.hint(spec.name), reader) {
                    given.set(spec, value);
                }
            }
            None if spec.required => table.report_missing(spec.name, spec.help, reader),
            None => {}
        }
    }
    if reader.problems() > before {
        return None;
    }
    let options = effective(probe, &given);
    let module = build(probe, &options)
        .map_err(|bad| table.refuse(bad.option, &bad.problem, bad.hint, reader))
        .ok()?;
    let fingerprint = fingerprint::of(probe, &options);
    Some(Declared { probe, module: Arc::from(module), fingerprint })
}

fn find_probe(
    name: &str,
    table: &Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<&'static dyn Probe> {
    let found = PROBES.iter().copied().find(|probe| probe.name() == name);
    if found.is_none() {
        let names: Vec<_> = PROBES.iter().map(|probe| probe.name()).collect();
        let near = nearest(name, names.iter().copied())
            .map(|near| format!("did you mean `{near}`? "))
            .unwrap_or_default();
        let all: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let problem = format!("is not a probe: \"{}\"", Foreign::new(name));
        let hint = format!("{near}Probes are {}", all.join(", "));
        table.refuse("probe", &problem, Some(hint), reader);
    }
    found
}

fn read_word(spec: &OptionSpec, word: &str, reader: &mut Reader<'_>) -> Option<OptionValue> {
    let name = spec.name;
    if matches!(spec.kind, Kind::Secret | Kind::PrivateKey) {
        let Some(source) = SecretSource::from_word(word) else {
            let message = format!(
                "`{name}` may not be given itself: every user of this host can read a command line"
            );
            let hint = format!("write {name}=credential:NAME, {name}=file:PATH or {name}=env:NAME");
            reader.report(None, message, Some(hint));
            return None;
        };
        let owner = format!("`{name}`");
        return source.read(spec.kind, &owner, None, reader).map(OptionValue::Secret);
    }
    if spec.kind == Kind::Certificates {
        return certificates::read(word, &format!("`{name}`"), None, reader)
            .map(OptionValue::Certificates);
    }
    let value = spec.kind.read(word);
    if value.is_none() {
        // On a command line a list has commas alone.
        let expected = if spec.kind == Kind::Addresses {
            "IP addresses, such as 192.0.2.10,192.0.2.11".to_owned()
        } else {
            spec.kind.expected()
        };
        let message = match spec.kind.problem(word) {
            Some(problem) => format!("`{name}` {problem}"),
            None => format!("`{name}` takes {expected}, not what was given"),
        };
        reader.report(None, message, Some(spec.help.to_owned()));
    }
    value
}

/// What was given over the defaults, the timeout included.
fn effective(probe: &dyn Probe, given: &Options) -> Options {
    let mut options = Options::defaults(probe.options());
    options.set(&TIMEOUT.spec(), OptionValue::Duration(probe.timeout()));
    for spec in specs(probe) {
        if let Some((_, value)) = given.iter().find(|(name, _)| *name == spec.name) {
            options.set(&spec, value.clone());
        }
    }
    options
}

fn build(probe: &dyn Probe, options: &Options) -> Result<Box<dyn Module>, BadOption> {
    let module = probe.module(options)?;
    identity::check(options)?;
    if module.timeout() > LONGEST {
        return Err(BadOption {
            option: TIMEOUT.spec().name,
            problem: "is longer than 24h".to_owned(),
            hint: Some("for example: timeout = \"40s\"".to_owned()),
        });
    }
    Ok(module)
}

/// Every option of a probe: its own, and the timeout that all have.
fn specs(probe: &dyn Probe) -> Vec<OptionSpec> {
    probe.options().iter().copied().chain([TIMEOUT.spec()]).collect()
}

fn known(probe: &dyn Probe, specs: &[OptionSpec]) -> Vec<Known> {
    let options = specs
        .iter()
        .map(|spec| Known { name: spec.name, example: Cow::Owned(example(probe, spec)) });
    PROBE_KEYS.iter().cloned().chain(options).collect()
}

/// How an option is written: as by default, or any value that it takes.
fn example(probe: &dyn Probe, spec: &OptionSpec) -> String {
    let default = spec.default.and_then(|text| spec.kind.read(text)).map(|value| value.show());
    let value = default.unwrap_or_else(|| match spec.kind {
        Kind::Text | Kind::SipUri => sampled(probe, spec.name).unwrap_or("\"…\"").to_owned(),
        Kind::Count => "3".to_owned(),
        Kind::Duration => "\"8s\"".to_owned(),
        Kind::Flag => "true".to_owned(),
        Kind::Word(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
        Kind::Addresses => "[\"192.0.2.10\"]".to_owned(),
        Kind::Endpoint => "\"192.0.2.10:3478\"".to_owned(),
        Kind::Certificates => "\"/etc/ssl/ca.pem\"".to_owned(),
        Kind::Secret | Kind::PrivateKey => "{ credential = \"NAME\" }".to_owned(),
    });
    format!("{} = {value}", spec.name)
}

/// What the probe's own sample sets an option to.
fn sampled(probe: &dyn Probe, name: &str) -> Option<&'static str> {
    // The sample ends with a target, whose keys are not options.
    let module = probe.sample().split("[[targets]]").next()?;
    module.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// ``did you mean `x`?`` for a module's name.
pub(super) fn hint_for_name(name: &str, modules: &Modules) -> String {
    let names: Vec<_> = modules.keys().map(String::as_str).collect();
    suggestion(name, &names, "module")
}

/// The longest interval and timeout: more is a slip of the pen.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

const PROBE_KEYS: &[Known] = &[Known::new("probe", "probe = \"stun-binding\"")];

const PROBE: OptionKey<String> =
    OptionKey::new("probe", Kind::Text, "which probe the module is one of").required();
