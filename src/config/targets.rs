//! The tables `[[targets]]`: what is probed, by which modules and how often.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, show_duration};

use super::address::{self, Address};
use super::known::Known;
use super::modules::{self, Declared, LONGEST, Modules};
use super::reader::Reader;
use super::table::Table;
use crate::check::{Check, MOST_IN_SEQUENCE};

/// Reads every `[[targets]]`; `watched` are the checks of the names that are watched, whose
/// identities are taken.
pub(super) fn read(
    root: &Table<'_>,
    site: &Arc<str>,
    modules: &Modules,
    watched: &[Check],
    reader: &mut Reader<'_>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut names = BTreeSet::new();
    for (index, table) in root.list("targets", KEYS, reader).into_iter().enumerate() {
        let table = name_table(table, index, &mut names, reader);
        table.refuse_unknown(reader);
        refuse_taken(&table, watched, reader);
        checks.extend(read_target(&table, site, modules, reader));
    }
    checks
}

/// Finds out what messages call this target, and refuses a name that another one has.
fn name_table<'a>(
    table: Table<'a>,
    index: usize,
    names: &mut BTreeSet<String>,
    reader: &mut Reader<'_>,
) -> Table<'a> {
    let name = table.field("name").and_then(|field| field.value.as_str());
    let Some(name) = name.filter(|name| Kind::Text.read(name).is_some()) else {
        return table.called(format!("target {}", index + 1));
    };
    let table = table.called(format!("target `{}`", Foreign::new(name)));
    if !names.insert(name.to_owned()) {
        let hint = "give each target a name of its own".to_owned();
        table.refuse("name", "is the name of an earlier target", Some(hint), reader);
    }
    table
}

fn read_target(
    table: &Table<'_>,
    site: &Arc<str>,
    modules: &Modules,
    reader: &mut Reader<'_>,
) -> Vec<Check> {
    let name = table.read(&NAME, reader);
    let address = read_address(table, reader);
    let used = read_modules(table, modules, reader);
    let interval = read_interval(table, &used, reader);
    let required = table.read(&REQUIRED, reader);
    let trunk = table.read(&TRUNK, reader).map(Arc::from);
    let edge_group = table.read(&EDGE_GROUP, reader).map(Arc::from);
    let (Some(name), Some(address), Some(interval), Some(required)) =
        (name, address, interval, required)
    else {
        return Vec::new();
    };
    let target: Arc<str> = Arc::from(name);
    let host: Arc<str> = Arc::from(address.host.as_str());
    used.into_iter()
        .map(|(module_name, declared)| Check {
            site: Arc::clone(site),
            target: Arc::clone(&target),
            host: Arc::clone(&host),
            port: address.port.unwrap_or_else(|| declared.module.default_port()),
            whom: address.whom(&*declared.module),
            module_name: Arc::from(module_name),
            probe: declared.probe,
            module: Arc::clone(&declared.module),
            fingerprint: Arc::clone(&declared.fingerprint),
            interval,
            required,
            trunk: trunk.clone(),
            edge_group: edge_group.clone(),
            sight: None,
        })
        .collect()
}

fn read_address(table: &Table<'_>, reader: &mut Reader<'_>) -> Option<Address> {
    let text = table.read(&ADDRESS, reader)?;
    Address::parse(&text)
        .map_err(|problem| {
            let problem = format!("{problem}{}", address::quoted(&text));
            table.refuse("address", &problem, table.hint("address"), reader);
        })
        .ok()
}

/// The modules that are named and well declared.
fn read_modules<'a>(
    table: &Table<'a>,
    modules: &'a Modules,
    reader: &mut Reader<'_>,
) -> Vec<(&'a str, &'a Declared)> {
    if table.field("modules").is_none() {
        table.report_missing("modules", "which modules probe the target", reader);
    }
    let mut used: Vec<(&str, &Declared)> = Vec::new();
    let mut seen = Vec::new();
    for (at, name) in table.texts("modules", "module names", reader).unwrap_or_default() {
        let shown = Foreign::new(name);
        let owner = table.owner();
        if seen.contains(&name) {
            let hint = "name each module once".to_owned();
            reader.report(Some(at), format!("{owner} names module `{shown}` twice"), Some(hint));
            continue;
        }
        seen.push(name);
        match modules.get_key_value(name) {
            Some((name, Some(declared))) => used.push((name, declared)),
            Some((_, None)) => {}
            None => {
                let hint = modules::hint_for_name(name, modules);
                let message = format!("{owner} names an unknown module `{shown}`");
                reader.report(Some(at), message, Some(hint));
            }
        }
    }
    used
}

/// Reports each module of the target that has the identity of a check of a watched name: reports
/// and metrics could not tell the two apart.
fn refuse_taken(table: &Table<'_>, watched: &[Check], reader: &mut Reader<'_>) {
    let Some(target) = table.field("name").and_then(|field| field.value.as_str()) else { return };
    let modules = table.field("modules").and_then(|field| field.value.as_array());
    for item in modules.into_iter().flatten() {
        let Some(module) = item.get_ref().as_str() else { continue };
        let mut others = watched.iter().filter(|it| *it.module_name == *module);
        let Some(sight) =
            others.find(|it| *it.target == *target).and_then(|other| other.sight.as_ref())
        else {
            continue;
        };
        let message = format!(
            "module `{}` of target `{}` has the same name as a check of watched name `{}`",
            Foreign::new(module),
            Foreign::new(target),
            sight.name.name,
        );
        let hint = "give the target or the module another name".to_owned();
        reader.report(Some(item.span().start), message, Some(hint));
    }
}

fn read_interval(
    table: &Table<'_>,
    used: &[(&str, &Declared)],
    reader: &mut Reader<'_>,
) -> Option<Duration> {
    let interval = table.read(&INTERVAL, reader)?;
    if !(SHORTEST..=LONGEST).contains(&interval) {
        let problem = format!("is not between 1s and 24h: {}", show_duration(interval));
        table.refuse("interval", &problem, table.hint("interval"), reader);
        return None;
    }
    let calmest = used.iter().max_by_key(|(_, declared)| declared.module.shortest_interval());
    if let Some((module, declared)) = calmest
        && interval < declared.module.shortest_interval()
    {
        let least = show_duration(declared.module.shortest_interval());
        let problem = format!(
            "is shorter than its module `{}` allows ({} < {least})",
            Foreign::new(module),
            show_duration(interval),
        );
        let hint = format!("set `interval` to {least} or more, or `every` in the module");
        table.refuse("interval", &problem, Some(hint), reader);
        return None;
    }
    let slowest = used.iter().max_by_key(|(_, declared)| longest_run(declared));
    if let Some((module, declared)) = slowest {
        let longest = longest_run(declared);
        if interval < longest {
            let whole = if declared.module.fails_over() {
                format!("{MOST_IN_SEQUENCE} times the timeout, as failover may take,")
            } else {
                "the timeout".to_owned()
            };
            let longest = show_duration(longest);
            let of = if table.field("interval").is_some() { "" } else { ", by default," };
            let problem = format!(
                "is{of} shorter than {whole} of its module `{}` ({} < {longest})",
                Foreign::new(module),
                show_duration(interval),
            );
            let hint = format!("set `interval` to {longest} or more");
            table.refuse("interval", &problem, Some(hint), reader);
            return None;
        }
    }
    Some(interval)
}

/// How long one run of a check may take where the servers are silent.
fn longest_run(declared: &Declared) -> Duration {
    let module = &declared.module;
    module.timeout() * if module.fails_over() { MOST_IN_SEQUENCE } else { 1 }
}

/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);

const KEYS: &[Known] = &[
    Known::new("name", "name = \"relay\""),
    Known::new("address", "address = \"turn.example.net:3478\""),
    Known::new("modules", "modules = [\"stun-udp\"]"),
    Known::new("interval", "interval = \"30s\""),
    Known::new("required", "required = false"),
    Known::new("trunk", "trunk = \"Lyon carrier\""),
    Known::new("edge_group", "edge_group = \"Lyon edges\""),
];

const NAME: OptionKey<String> =
    OptionKey::new("name", Kind::Text, "what reports call the target").required();
const ADDRESS: OptionKey<String> =
    OptionKey::new("address", Kind::Text, "the host, and the port").required();
const INTERVAL: OptionKey<Duration> =
    OptionKey::new("interval", Kind::Duration, "how often it is probed").default("60s");
const REQUIRED: OptionKey<bool> =
    OptionKey::new("required", Kind::Flag, "whether it decides go or no-go").default("true");
const TRUNK: OptionKey<String> =
    OptionKey::new("trunk", Kind::Text, "the vendor's trunk of which this is the other end");
const EDGE_GROUP: OptionKey<String> =
    OptionKey::new("edge_group", Kind::Text, "the vendor's edge group that this serves");
