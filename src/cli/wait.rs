//! `branchline wait`: returns when a name has arrived, or an edge group is ready and its name has.

mod progress;
mod vendor;
mod watch;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, read_duration, show_duration};
use clap::builder::PossibleValuesParser;

use crate::cli::{DEFAULT, Exit, logging, run, say};
use crate::config::{self, Name, Plan, Surroundings, Views};
use crate::driver::KeepsStamping;
use crate::poller;
use crate::propagation;

#[derive(clap::Subcommand)]
pub(super) enum What {
    /// Wait until a name has arrived at every resolver of the site, and wherever else it is seen
    Dns(Dns),
    /// Wait until an edge group is ready by the vendor's API, and its name has arrived
    EdgeGroup(EdgeGroup),
}

#[derive(clap::Args)]
#[command(after_help = "Exit codes:
  0   it has arrived
  2   not within the time
  3   no resolver of the site answers

Example:
  branchline wait dns lyon-edge-group.genesyscloud.com --timeout 90s")]
pub(super) struct Dns {
    /// The name; if `[[names]]` watches it, what is said there holds, too
    name: String,
    /// The type of record [default: that of `[[names]]`, else A]
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(config::TYPES))]
    kind: Option<String>,
    /// An address that the answer may hold; repeat it for others
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    expect: Vec<IpAddr>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
#[command(after_help = "Exit codes:
  0   it is ready and has arrived
  2   not within the time
  3   it is ready, and no resolver of the site answers
  69  the vendor's API cannot be reached
  78  the vendor's API refuses our credentials

Example:
  branchline wait edge-group \"Lyon edges\" --timeout 5m")]
pub(super) struct EdgeGroup {
    /// The edge group, by name or id
    name: String,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    /// When to give up [default: `wait_timeout` of `[views]`, else 90s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// The configuration file [default: /etc/branchline/branchline.toml, if there is one]
    #[arg(long, env = "BRANCHLINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A resolver of the site, instead of those of `[views]` or of this host; repeat it for others
    #[arg(long = "resolver", value_name = "SERVER")]
    resolvers: Vec<String>,
    /// The address of an authoritative nameserver, instead of those that the delegation names
    #[arg(long = "authority", value_name = "SERVER")]
    authorities: Vec<String>,
    /// Print what was seen at the end as JSON
    #[arg(long)]
    json: bool,
}

/// What is waited for.
struct Goal {
    /// The names that are to arrive.
    names: Vec<Name>,
    /// The edge group that is to be ready.
    group: Option<(String, poller::Settings)>,
    site: Arc<str>,
    views: Views,
    timeout: Duration,
    is_json: bool,
}

pub(super) fn run(what: &What) -> Exit {
    logging::to_stderr(false);
    let _stamping = KeepsStamping::begin();
    let goal = match what {
        What::Dns(arguments) => of_name(arguments),
        What::EdgeGroup(arguments) => of_edge_group(arguments),
    };
    match goal {
        Ok(goal) => run::with_runtime(watch::wait(&goal)),
        Err(exit) => exit,
    }
}

fn of_name(arguments: &Dns) -> Result<Goal, Exit> {
    let plan = plan(&arguments.common)?;
    let wanted = arguments.name.trim_end_matches('.').to_ascii_lowercase();
    if let Err(problem) = Name::check(&wanted) {
        let hint = "for example: branchline wait dns lyon-edge-group.genesyscloud.com";
        say::error(format_args!("`{}` {problem}", Foreign::new(&arguments.name)), Some(hint));
        return Err(Exit::Usage);
    }
    let kind = config::TYPES.iter().find(|it| arguments.kind.as_deref() == Some(**it)).copied();
    let declared = plan.iter().flat_map(|plan| &plan.names).find(|name| name.name == wanted);
    let mut name = declared.cloned().unwrap_or_else(|| Name::once(&wanted));
    if let Some(kind) = kind {
        name.types = vec![kind];
        // What is expected of other types is not waited for.
        while let Some(other) = name.misplaced() {
            name.expect.retain(|ip| *ip != other);
        }
    }
    if !arguments.expect.is_empty() {
        name.expect.clone_from(&arguments.expect);
    }
    if let Some(ip) = name.misplaced() {
        let types = name.types.join(" and no ");
        let kind = if ip.is_ipv4() { "A" } else { "AAAA" };
        let hint = format!("add --type {kind}, or expect another address");
        say::error(format_args!("no {types} record can give {ip}"), Some(&hint));
        return Err(Exit::Usage);
    }
    goal(&arguments.common, plan, vec![name], None)
}

fn of_edge_group(arguments: &EdgeGroup) -> Result<Goal, Exit> {
    let Some(plan) = plan(&arguments.common)? else {
        let hint = "name the file with --config; its [telephony] says how the vendor is asked";
        say::error("an edge group is known to the vendor's API alone", Some(hint));
        return Err(Exit::Usage);
    };
    let Some(settings) = plan.telephony.clone() else {
        let hint = "add [telephony], or wait for the name alone: branchline wait dns NAME";
        say::error("the configuration has no [telephony], so nobody can be asked", Some(hint));
        return Err(Exit::Configuration);
    };
    let of_group = |name: &&Name| name.edge_group.as_deref() == Some(arguments.name.as_str());
    let mut names: Vec<Name> = plan.names.iter().filter(of_group).cloned().collect();
    if names.is_empty() {
        let made = Name::of_edge_group(config::TEMPLATE, &arguments.name);
        if is_id(&arguments.name) || Name::check(&made).is_err() {
            let hint = "add [[names]] with the name, and with edge_group as it is given here";
            let shown = Foreign::new(&arguments.name);
            say::error(
                format_args!("`{shown}` does not tell the name of its edge group"),
                Some(hint),
            );
            return Err(Exit::Usage);
        }
        let mut name = Name::once(&made);
        name.edge_group = Some(Arc::from(arguments.name.as_str()));
        names.push(name);
    }
    let group = Some((arguments.name.clone(), settings));
    goal(&arguments.common, Some(plan), names, group)
}

fn goal(
    common: &Common,
    plan: Option<Plan>,
    mut names: Vec<Name>,
    group: Option<(String, poller::Settings)>,
) -> Result<Goal, Exit> {
    let site = plan.as_ref().map_or("here", |plan| plan.site.as_str()).into();
    let mut views = plan.map(|plan| plan.views).unwrap_or_default();
    let replaced = [
        (
            "`--resolver`",
            &common.resolvers,
            Views::with_resolvers as fn(Views, &str, &[String]) -> _,
        ),
        ("`--authority`", &common.authorities, Views::with_authorities),
    ];
    for (option, texts, replace) in replaced {
        if texts.is_empty() {
            continue;
        }
        views = replace(views, option, texts).map_err(|(problem, hint): (String, String)| {
            say::error(problem, Some(&hint));
            Exit::Usage
        })?;
    }
    let timeout = common.timeout.unwrap_or(views.wait_timeout);
    for name in &mut names {
        // What was heard speaks until the end of the wait.
        name.interval = timeout.max(name.timeout) + propagation::LONGEST;
    }
    Ok(Goal { names, group, site, views, timeout, is_json: common.json })
}

/// Whether it is an id of the vendor's (RFC 9562 §4), of which no name is made.
fn is_id(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit())
}

/// The configuration: the file that is named, or the usual one where it is there.
fn plan(common: &Common) -> Result<Option<Plan>, Exit> {
    let path = match &common.config {
        Some(path) => path.as_path(),
        None if Path::new(DEFAULT).exists() => Path::new(DEFAULT),
        None => return Ok(None),
    };
    config::load(path, &Surroundings::of_process())
        .map(Some)
        .map_err(|error| say::config_error(&error))
}

fn duration(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(24 * 3600);
    read_duration(text)
        .filter(|it| *it <= longest)
        .ok_or_else(|| format!("it takes a duration up to {}, such as 90s", show_duration(longest)))
}
