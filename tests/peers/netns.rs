//! Network namespaces: hosts of a test's own, and the plainest network that is made of them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process::{PATIENCE, is_root, program, run, run_well, run_within, text, words};
use crate::wait::eventually;

/// A handful of namespaces; gone when this value is.
pub(crate) struct Namespaces {
    prefix: String,
    roles: &'static [&'static str],
}

impl Namespaces {
    /// Makes one for each role, with nothing in it but a loopback interface.
    ///
    /// # Panics
    ///
    /// When this user is not root and cannot become root without a password.
    #[track_caller]
    pub(crate) fn new(roles: &'static [&'static str]) -> Self {
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
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("branchline-{}-{number}", std::process::id());
        let namespaces = Self { prefix, roles };
        for role in roles {
            let name = namespaces.name(role);
            as_root(&format!("ip netns add {name} && ip -n {name} link set lo up"));
            // An address is there as soon as it is given: nobody else can have it.
            namespaces.shell(role, "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
        }
        namespaces
    }

    /// The name of a namespace.
    pub(crate) fn name(&self, role: &str) -> String {
        assert!(self.roles.contains(&role), "there is no {role} here");
        format!("{}-{role}", self.prefix)
    }

    /// The words that run a command inside of a namespace.
    pub(crate) fn inside(&self, role: &str) -> Vec<String> {
        let mut wrapper = root();
        wrapper.extend(["ip", "netns", "exec", &self.name(role)].map(str::to_owned));
        wrapper
    }

    /// Runs lines of shell inside of a namespace, each of which must go well.
    #[track_caller]
    pub(crate) fn shell(&self, role: &str, script: &str) {
        run_well(&words(&self.inside(role), &["sh", "-ec", script]));
    }

    /// Joins two namespaces by a cable, each end of which has a name.
    #[track_caller]
    pub(crate) fn join(&self, (near, link): (&str, &str), (far, far_link): (&str, &str)) {
        let (near, far) = (self.name(near), self.name(far));
        as_root(&format!(
            "ip link add {link} netns {near} type veth peer name {far_link} netns {far}"
        ));
    }

    /// Waits until a namespace reaches an address: a link takes its time to come up.
    #[track_caller]
    pub(crate) fn await_path(&self, from: &str, to: &str) {
        let ping = program("ping", "iputils-ping").display().to_string();
        let ping = words(&self.inside(from), &[&ping, "-n", "-q", "-c", "1", "-W", "1", to]);
        eventually(&format!("a path from {from} to {to}"), PATIENCE, || {
            let ping = run_within(Duration::from_secs(3), &ping).output();
            let answer = ping.map_err(|problem| problem.to_string())?;
            if answer.status.success() { Ok(()) } else { Err(text(&answer.stdout)) }
        });
    }
}

impl Drop for Namespaces {
    #[expect(clippy::print_stderr, reason = "a namespace left behind must not go unnoticed")]
    fn drop(&mut self) {
        for role in self.roles {
            let name = self.name(role);
            let gone = run(&words(&root(), &["ip", "netns", "delete", &name]));
            if !gone.status.success() {
                eprintln!("{name} stays behind: {}", text(&gone.stderr));
            }
        }
    }
}

/// Three namespaces in a row; gone when this value is.
///
/// ```text
/// client 10.77.1.2 ──── 10.77.1.1 router 10.77.2.1 ──── 10.77.2.2 server
///      fd77:1::2         fd77:1::1     fd77:2::1         fd77:2::2
/// ```
pub(crate) struct Network {
    namespaces: Namespaces,
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
    #[track_caller]
    pub(crate) fn new() -> Self {
        let namespaces = Namespaces::new(&["client", "router", "server"]);
        for (near, subnet) in [("client", "1"), ("server", "2")] {
            let far = format!("to{subnet}");
            namespaces.join((near, "eth0"), ("router", &far));
            for (role, link, host) in [("router", far.as_str(), "1"), (near, "eth0", "2")] {
                namespaces.shell(
                    role,
                    &format!(
                        "ip address add 10.77.{subnet}.{host}/24 dev {link}\n\
                         ip address add fd77:{subnet}::{host}/64 dev {link} nodad\n\
                         ip link set {link} up"
                    ),
                );
            }
            namespaces.shell(
                near,
                &format!(
                    "ip route add default via 10.77.{subnet}.1\n\
                     ip -6 route add default via fd77:{subnet}::1"
                ),
            );
        }
        namespaces.shell("router", FORWARD);
        for address in [SERVER, SERVER_6] {
            namespaces.await_path("client", address);
        }
        Self { namespaces }
    }

    /// Gives the router these lines for what it forwards, in the words of nftables.
    #[track_caller]
    pub(crate) fn forbid(&self, rules: &str) {
        let table = format!(
            "table inet branch {{\nchain forward {{\n\
             type filter hook forward priority filter; policy accept;\n{rules}\n}}\n}}\n"
        );
        run_well(&words(&self.namespaces.inside("router"), &["nft", &table]));
    }

    /// The words that run a command where the client is.
    pub(crate) fn at_client(&self) -> Vec<String> {
        self.namespaces.inside("client")
    }

    /// The words that run a command where the server is.
    pub(crate) fn at_server(&self) -> Vec<String> {
        self.namespaces.inside("server")
    }
}

/// The words before a command that takes root.
pub(crate) fn root() -> Vec<String> {
    if is_root() { Vec::new() } else { ["sudo", "-n"].map(str::to_owned).to_vec() }
}

/// Makes a router of a namespace.
pub(crate) const FORWARD: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward\n\
                                  echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";

/// Removes what a killed run of these tests had no time to remove.
fn sweep() {
    let namespaces = run_well(&words(&root(), &["ip", "netns", "list"]));
    for name in namespaces.lines().filter_map(|line| line.split_whitespace().next()) {
        let owner = name.strip_prefix("branchline-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test may have removed it meanwhile: that is as good.
            run(&words(&root(), &["ip", "netns", "delete", name]));
        }
    }
}

#[track_caller]
fn as_root(script: &str) {
    run_well(&words(&root(), &["sh", "-ec", script]));
}

/// How many sets of namespaces this process has made: tests of one process run beside each other.
static NAMESPACES: AtomicU32 = AtomicU32::new(0);
