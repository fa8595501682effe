//! The effective plan as text: every default filled in, every secret hidden.

use std::fmt::{Display, Write as _};

use branchline_probes::show_duration;

use super::{Plan, fingerprint, profiles, webhooks};
use crate::check::{Check, Whom};

/// The effective plan in the words of a configuration file, secrets as `"<secret>"`.
///
/// A module that no target uses is not in effect, and not shown.
#[must_use]
pub fn show(plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |line: &dyn Display| {
        let _ = writeln!(text, "{line}");
    };
    line(&"[site]");
    line(&format_args!("name = {:?}", plan.site));
    line(&format_args!("profile = {:?}", plan.profile.name()));
    match plan.profile.base() {
        Some(base) => {
            line(&format_args!("\n[profiles.{}]\nbase = {base:?}", key(plan.profile.name())));
            profiles::lines(&plan.profile).iter().for_each(|limit| line(limit));
        }
        // What is built in cannot be set: it is shown all the same.
        None => profiles::lines(&plan.profile).iter().for_each(|it| line(&format_args!("# {it}"))),
    }
    let by_hand: Vec<Check> =
        plan.checks.iter().filter(|check| check.sight.is_none()).cloned().collect();
    let mut modules: Vec<&Check> = by_hand.iter().collect();
    modules.sort_by(|one, other| one.module_name.cmp(&other.module_name));
    modules.dedup_by(|one, other| one.module_name == other.module_name);
    for check in modules {
        line(&format_args!("\n[modules.{}]", key(&check.module_name)));
        fingerprint::lines(&check.fingerprint).for_each(|option| line(&option));
    }
    for checks in by_hand.chunk_by(|one, other| one.target == other.target) {
        line(&format_args!("\n[[targets]]"));
        target_lines(checks).iter().for_each(|it| line(it));
    }
    if !plan.names.is_empty() {
        line(&"\n[views]");
        plan.views.lines().iter().for_each(|it| line(it));
    }
    for name in &plan.names {
        line(&"\n[[names]]");
        name.lines().iter().for_each(|it| line(it));
    }
    if let Some(telephony) = &plan.telephony {
        line(&format_args!("\n[telephony]\nprofile = \"{}\"", telephony.profile.label()));
        line(&format_args!("base_url = {:?}", telephony.api_url));
        line(&format_args!("login_url = {:?}", telephony.login_url));
        line(&format_args!("client_id = {:?}", telephony.client_id));
        line(&"client_secret = \"<secret>\"");
        if !telephony.scopes.is_empty() {
            line(&format_args!("scopes = {:?}", telephony.scopes));
        }
        if let Some(narrowing) = &telephony.narrowing {
            line(&format_args!("location = {:?}", narrowing.location));
        }
        line(&format_args!("interval = \"{}\"", show_duration(telephony.interval)));
    }
    let subscribe = plan.telephony.as_ref().and_then(|telephony| telephony.subscribe.as_ref());
    if plan.webhooks.is_some() || subscribe.is_some() {
        line(&"\n[webhooks]");
    }
    if let Some(settings) = &plan.webhooks {
        webhooks::lines(settings).iter().for_each(|it| line(it));
    }
    if let Some(url) = subscribe {
        line(&format_args!("subscribe = {url:?}"));
    }
    let listen: Vec<_> = plan.web.listen.iter().map(|address| format!("\"{address}\"")).collect();
    let is_insecure =
        plan.web.listen.iter().any(|address| !address.ip().to_canonical().is_loopback());
    line(&"\n[web]");
    line(&format_args!("listen = [{}]", listen.join(", ")));
    line(&format_args!("insecure_listen = {is_insecure}"));
    text
}

/// The lines of one target, of which these are the checks.
fn target_lines(checks: &[Check]) -> Vec<String> {
    let Some(first) = checks.first() else { return Vec::new() };
    // Where the DNS says which port, one that is written would say something else.
    let is_located = |check: &Check| matches!(check.whom, Whom::Located);
    let is_written = checks.iter().all(|it| it.port == first.port && !is_located(it));
    let address = if is_written {
        let host = if first.host.contains(':') {
            format!("[{}]", first.host)
        } else {
            first.host.to_string()
        };
        format!("address = \"{host}:{}\"", first.port)
    } else {
        let port = |check: &Check| {
            if is_located(check) { "as the DNS says".to_owned() } else { check.port.to_string() }
        };
        let ports: Vec<_> =
            checks.iter().map(|check| format!("{} {}", check.module_name, port(check))).collect();
        format!("address = \"{}\" # default ports: {}", first.host, ports.join(", "))
    };
    let modules: Vec<_> = checks.iter().map(|check| format!("{:?}", check.module_name)).collect();
    let mut lines = vec![
        format!("name = {:?}", first.target),
        address,
        format!("modules = [{}]", modules.join(", ")),
        format!("interval = \"{}\"", show_duration(first.interval)),
        format!("required = {}", first.required),
    ];
    lines.extend(first.trunk.iter().map(|trunk| format!("trunk = {trunk:?}")));
    lines.extend(first.edge_group.iter().map(|group| format!("edge_group = {group:?}")));
    lines
}

fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.bytes().all(is_bare) { name.to_owned() } else { format!("{name:?}") }
}
