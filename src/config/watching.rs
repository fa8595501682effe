//! The checks that show watched names from every side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{OptionValue, Options, PROBES, TIMEOUT};
use tokio::sync::Mutex;

use super::fingerprint;
use super::modules::Declared;
use super::names::Name;
use super::views::{Authoritative, PORT, Server, Site, UDP, Views};
use crate::check::{Check, Whom};
use crate::guide::Guide;
use crate::sight::{Shows, Sight, View, Watched};

/// The checks that show these names from every side.
#[must_use]
pub fn checks(site: &Arc<str>, views: &Views, names: &[Name]) -> Vec<Check> {
    names.iter().flat_map(|name| Watching { site, views, name }.checks()).collect()
}

/// One name on its way to its checks.
struct Watching<'a> {
    site: &'a Arc<str>,
    views: &'a Views,
    name: &'a Name,
}

/// Whom a view asks, and how.
struct Side {
    view: View,
    target: String,
    host: String,
    port: u16,
    whom: Whom,
    server: Option<Server>,
}

impl Watching<'_> {
    fn checks(&self) -> Vec<Check> {
        let guide = self.guide();
        let mut checks = Vec::new();
        for kind in &self.name.types {
            checks.extend(self.sides(guide.as_ref()).into_iter().filter_map(|side| {
                let what = Shows::Record;
                self.check(&side, what, kind, &format!("{} {kind}", self.name.name))
            }));
        }
        for side in self.sides(guide.as_ref()) {
            let label = format!("{} random label", self.name.name);
            checks.extend(self.check(&side, Shows::RandomLabel, "A", &label));
            if side.view == View::Authoritative {
                let label = format!("{} serial", self.name.name);
                checks.extend(self.check(&side, Shows::Serial, "SOA", &label));
            }
        }
        checks.extend(guide.map(|guide| self.delegation(guide)));
        checks
    }

    fn sides(&self, guide: Option<&Arc<Guide>>) -> Vec<Side> {
        let mut sides = match &self.views.site {
            Site::System => vec![Side {
                view: View::Site,
                target: View::Site.label().to_owned(),
                host: "the resolvers of this host".to_owned(),
                port: PORT,
                whom: Whom::Resolvers,
                server: None,
            }],
            Site::Listed(servers) => sides(View::Site, servers),
        };
        sides.extend(self::sides(View::Public, &self.views.public));
        match (&self.views.authoritative, guide) {
            (Authoritative::Listed(servers), _) => {
                sides.extend(self::sides(View::Authoritative, servers));
            }
            (Authoritative::Delegation(_), Some(guide)) => sides.push(Side {
                view: View::Authoritative,
                target: View::Authoritative.label().to_owned(),
                host: format!("the nameservers of {}", self.name.name),
                port: PORT,
                whom: Whom::Led(Arc::clone(guide)),
                server: None,
            }),
            (Authoritative::Delegation(_) | Authoritative::Nobody, _) => {}
        }
        sides
    }

    /// The module and its fingerprint, for one side.
    fn check(&self, side: &Side, shows: Shows, kind: &'static str, label: &str) -> Option<Check> {
        let mut set = vec![
            ("name", OptionValue::Text(self.name.name.clone())),
            ("type", OptionValue::Word(kind)),
            ("recursion", OptionValue::Flag(side.view != View::Authoritative)),
            ("random_label", OptionValue::Flag(shows == Shows::RandomLabel)),
            (TIMEOUT.spec().name, OptionValue::Duration(self.name.timeout)),
        ];
        if let Some(server) = &side.server {
            set.push(("transport", OptionValue::Word(server.transport)));
            if let Some(path) = &server.path {
                set.push(("path", OptionValue::Text(path.clone())));
            }
            if let Some(authorities) =
                self.views.ca_file.as_ref().filter(|_| server.transport != UDP)
            {
                set.push(("ca_file", OptionValue::Certificates(authorities.clone())));
            }
        }
        let Declared { probe, module, fingerprint } = module("dns-query", &set)?;
        let port = match &side.server {
            Some(server) => server.port.unwrap_or_else(|| module.default_port()),
            None => side.port,
        };
        let is_phones = side.view == View::Site && shows == Shows::Record;
        Some(Check {
            site: Arc::clone(self.site),
            target: Arc::from(side.target.as_str()),
            host: Arc::from(side.host.as_str()),
            port,
            whom: side.whom.clone(),
            module_name: Arc::from(label),
            probe,
            module,
            fingerprint,
            interval: self.name.interval,
            required: self.name.required && is_phones,
            trunk: None,
            edge_group: self.name.edge_group.clone(),
            sight: Some(self.sight(side.view, shows, kind)),
        })
    }

    fn sight(&self, view: View, shows: Shows, kind: &'static str) -> Sight {
        let name = Watched {
            name: self.name.name.clone(),
            kind,
            expect: self.name.expect.clone(),
            compare: self.name.compare,
            required: self.name.required,
        };
        Sight { view, shows, name: Arc::new(name) }
    }

    fn guide(&self) -> Option<Arc<Guide>> {
        let Authoritative::Delegation(starts) = &self.views.authoritative else { return None };
        let set = [("name", OptionValue::Text(self.name.name.clone()))];
        let Declared { probe, module, fingerprint } = module("dns-delegation", &set)?;
        Some(Arc::new(Guide {
            host: Arc::from(self.name.name.as_str()),
            probe,
            module,
            fingerprint,
            starts: Arc::clone(starts),
            found: Mutex::new(None),
        }))
    }

    fn delegation(&self, guide: Arc<Guide>) -> Check {
        Check {
            site: Arc::clone(self.site),
            target: Arc::from("root"),
            host: Arc::from("the root nameservers"),
            port: PORT,
            module_name: Arc::from(format!("{} delegation", self.name.name)),
            probe: guide.probe,
            module: Arc::clone(&guide.module),
            fingerprint: Arc::clone(&guide.fingerprint),
            whom: Whom::Guide(guide),
            interval: self.name.interval.max(REWALKED),
            required: false,
            trunk: None,
            edge_group: self.name.edge_group.clone(),
            sight: Some(self.sight(View::Authoritative, Shows::Delegation, "NS")),
        }
    }
}

/// Those that are asked over UDP by their address are one side; each other is one by itself.
fn sides(view: View, servers: &[Server]) -> Vec<Side> {
    let plain: Vec<SocketAddr> = servers.iter().filter_map(Server::plain).collect();
    let listed = (!plain.is_empty()).then(|| Side {
        view,
        target: view.label().to_owned(),
        host: format!("the {} nameservers", view.label()),
        port: PORT,
        whom: Whom::Listed(plain.into()),
        server: None,
    });
    let named = servers.iter().filter(|server| server.plain().is_none()).map(|server| Side {
        view,
        target: format!("{} {}", view.label(), server.text),
        host: server.host.clone(),
        port: server.port.unwrap_or(PORT),
        whom: Whom::Host,
        server: Some(server.clone()),
    });
    listed.into_iter().chain(named).collect()
}

/// A module of a probe that is listed, with these options over the defaults.
fn module(name: &str, set: &[(&str, OptionValue)]) -> Option<Declared> {
    let probe = *PROBES.iter().find(|probe| probe.name() == name)?;
    let mut options = Options::defaults(probe.options());
    let timeout = TIMEOUT.spec();
    for (key, value) in set {
        let spec = probe.options().iter().chain([&timeout]).find(|spec| spec.name == *key)?;
        options.set(spec, value.clone());
    }
    let fingerprint = fingerprint::of(probe, &options);
    let module = probe.module(&options).ok()?;
    Some(Declared { probe, module: Arc::from(module), fingerprint })
}

/// A delegation seldom changes: it is looked at once in five minutes at most.
const REWALKED: Duration = Duration::from_secs(300);
