//! The product in the branch, with a configuration that watches names from every side.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::agent::{check_inside, configure};

use super::{Host, World};

/// A configuration in a folder of its own.
pub(super) struct Office {
    folder: TempDir,
    config: PathBuf,
}

impl Office {
    /// One with these tables.
    pub(super) fn with(tables: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the configuration");
        let toml = format!("[site]\nname = \"branch\"\n\n{tables}");
        let config = configure(folder.path(), &toml);
        Self { folder, config }
    }

    /// One whose phones use the resolver, and which compares with nobody but the authoritative
    /// nameservers, found from the world's root; with these tables.
    pub(super) fn watching(names: &str) -> Self {
        Self::with(&(views(&[Host::Resolver], &[]) + names))
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// What `branchline check` reports in the branch.
    #[track_caller]
    pub(super) fn check(&self, world: &World) -> Report {
        self.check_inside(&world.branch().at_client())
    }

    /// The same inside of `wrapper`: the words that enter a namespace.
    #[track_caller]
    pub(super) fn check_inside(&self, wrapper: &[String]) -> Report {
        let (code, document) = check_inside(wrapper, self.folder(), &self.config);
        Report { code, document }
    }
}

/// The table `[views]` of a site with these resolvers, whose walks begin at the world's root.
pub(super) fn views(site: &[Host], public: &[Host]) -> String {
    let listed = |key: &str, hosts: &[Host]| {
        let texts: Vec<String> = hosts.iter().map(|it| format!("\"{}\"", it.address())).collect();
        if texts.is_empty() { String::new() } else { format!("{key} = [{}]\n", texts.join(", ")) }
    };
    let (site, public) = (listed("site", site), listed("public", public));
    format!("[views]\n{site}{public}roots = [\"{}\"]\n\n", Host::Root.address())
}

/// A table `[[names]]` with this name, and these lines.
pub(super) fn name(name: &str, lines: &str) -> String {
    format!("[[names]]\nname = \"{name}\"\n{lines}\n")
}

/// What a check reported.
#[derive(Debug)]
pub(super) struct Report {
    /// The exit code.
    pub(super) code: Option<i32>,
    /// The report.
    pub(super) document: Value,
}

impl Report {
    /// What its only watched name amounts to.
    #[track_caller]
    pub(super) fn name(&self) -> &Value {
        let names = self.document["names"].as_array().expect("there is a list of names");
        assert_eq!(names.len(), 1, "{self:#?}");
        &names[0]
    }

    /// In one word.
    #[track_caller]
    pub(super) fn standing(&self) -> &str {
        self.name()["standing"].as_str().unwrap_or_else(|| panic!("no standing in {self:#?}"))
    }

    /// What a server (a [`Host`] or any address) says of it, on port 53.
    #[track_caller]
    pub(super) fn of(&self, server: impl Into<IpAddr>) -> &Value {
        self.at(SocketAddr::new(server.into(), 53))
    }

    /// What a server says of it, on this port.
    #[track_caller]
    pub(super) fn at(&self, address: SocketAddr) -> &Value {
        let all = self.name()["nameservers"].as_array().expect("there is a list of nameservers");
        let found = all.iter().find(|one| one["address"] == address.to_string().as_str());
        found.unwrap_or_else(|| panic!("nobody asked {address}: {self:#?}"))
    }

    /// The same in one word.
    #[track_caller]
    pub(super) fn says(&self, server: impl Into<IpAddr>) -> &str {
        self.of(server)["says"].as_str().expect("it is a word")
    }

    /// The findings of a rule.
    pub(super) fn findings(&self, rule: &str) -> Vec<&Value> {
        let all = self.document["findings"].as_array().expect("there is a list of findings");
        all.iter().filter(|finding| finding["rule"] == rule).collect()
    }

    /// The only finding of a rule.
    #[track_caller]
    pub(super) fn finding(&self, rule: &str) -> &Value {
        let found = self.findings(rule);
        assert_eq!(found.len(), 1, "one {rule}: {self:#?}");
        found[0]
    }

    /// The rules that found something, worst first.
    pub(super) fn rules(&self) -> Vec<&str> {
        let all = self.document["findings"].as_array().expect("there is a list of findings");
        all.iter().filter_map(|finding| finding["rule"].as_str()).collect()
    }

    /// Asserts that every failure is spoken of by some finding.
    #[track_caller]
    pub(super) fn assert_explained(&self) {
        assert_eq!(self.document["unexplained"], serde_json::json!([]), "{self:#?}");
    }
}
