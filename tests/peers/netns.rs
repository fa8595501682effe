//! A client, a router and a server, each in a network namespace of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::{is_root, program, run, run_well, text, words};

/// Three namespaces in a row; gone when this value is.
///
/// ```text
/// client 10.77.1.2 ──── 10.77.1.1 router 10.77.2.1 ──── 10.77.2.2 server
///      fd77:1::2         fd77:1::1     fd77:2::1         fd77:2::2
/// ```
pub(crate) struct Network {
    client: String,
    router: String,
    server: String,
}

/// The server's IPv4 address.
pub(crate) const SERVER: &str = "10.77.2.2";

/// The server's IPv6 address.
pub(crate) const SERVER_6: &str = "fd77:2::2";

/// The router's IPv4 address as the client sees it.
pub(crate) const ROUTER: &str = "10.77.1.1";

/// The router's IPv6 address as the client sees it.
pub(crate) const ROUTER_6: &str = "fd77:1::1";

impl Network {
    /// Builds it, with forwarding and routes, and no rule in the router.
    ///
    /// # Panics
    ///
    /// When this user is not root and cannot become root without a password.
    #[track_caller]
    pub(crate) fn new() -> Self {
        program("ip", "iproute2");
        program("nft", "nftables");
        if !is_root() {
            let may = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
            assert!(
                may.is_ok_and(|status| status.success()),
                "network namespaces need root: run these tests as root, or let this user \
                 use sudo without a password"
            );
        }
        sweep();
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let name = |role| format!("branchline-{}-{number}-{role}", std::process::id());
        let network =
            Self { client: name("client"), router: name("router"), server: name("server") };
        network.build();
        network
    }

    fn build(&self) {
        let Self { client, router, server } = self;
        for namespace in [client, router, server] {
            ip(&["netns", "add", namespace]);
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
        }
        for (near, subnet) in [(client, "1"), (server, "2")] {
            let far = format!("to{subnet}");
            #[rustfmt::skip]
            ip(&["link", "add", "eth0", "netns", near, "type", "veth",
                "peer", "name", &far, "netns", router]);
            for (namespace, link, host) in [(near, "eth0", "2"), (router, far.as_str(), "1")] {
                let address = format!("10.77.{subnet}.{host}/24");
                let address_6 = format!("fd77:{subnet}::{host}/64");
                ip(&["-n", namespace, "address", "add", &address, "dev", link]);
                ip(&["-n", namespace, "address", "add", &address_6, "dev", link, "nodad"]);
                ip(&["-n", namespace, "link", "set", link, "up"]);
            }
            let (via, via_6) = (format!("10.77.{subnet}.1"), format!("fd77:{subnet}::1"));
            ip(&["-n", near, "route", "add", "default", "via", &via]);
            ip(&["-n", near, "-6", "route", "add", "default", "via", &via_6]);
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward && \
                       echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
        run_well(&words(&inside(router), &["sh", "-c", forward]));
    }

    /// Gives the router these lines for what it forwards, in the words of nftables.
    #[track_caller]
    pub(crate) fn forbid(&self, rules: &str) {
        let table = format!(
            "table inet branch {{\nchain forward {{\n\
             type filter hook forward priority filter; policy accept;\n{rules}\n}}\n}}\n"
        );
        run_well(&words(&inside(&self.router), &["nft", &table]));
    }

    /// The words that run a command where the client is.
    pub(crate) fn at_client(&self) -> Vec<String> {
        inside(&self.client)
    }

    /// The words that run a command where the server is.
    pub(crate) fn at_server(&self) -> Vec<String> {
        inside(&self.server)
    }
}

impl Drop for Network {
    #[expect(clippy::print_stderr, reason = "a namespace left behind must not go unnoticed")]
    fn drop(&mut self) {
        for namespace in [&self.client, &self.router, &self.server] {
            let gone = run(&words(&as_root(), &["ip", "netns", "delete", namespace]));
            if !gone.status.success() {
                eprintln!("{namespace} stays behind: {}", text(&gone.stderr));
            }
        }
    }
}

/// Removes what a killed run of these tests had no time to remove.
fn sweep() {
    let namespaces = run_well(&words(&as_root(), &["ip", "netns", "list"]));
    for name in namespaces.lines().filter_map(|line| line.split_whitespace().next()) {
        let owner = name.strip_prefix("branchline-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test may have removed it meanwhile: that is as good.
            run(&words(&as_root(), &["ip", "netns", "delete", name]));
        }
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    run_well(words(&as_root(), &["ip"]).args(arguments));
}

fn inside(namespace: &str) -> Vec<String> {
    let mut wrapper = as_root();
    wrapper.extend(["ip", "netns", "exec", namespace].map(str::to_owned));
    wrapper
}

fn as_root() -> Vec<String> {
    if is_root() { Vec::new() } else { ["sudo", "-n"].map(str::to_owned).to_vec() }
}

/// How many networks this process has built: tests of one process run beside each other.
static NETWORKS: AtomicU32 = AtomicU32::new(0);
