//! The branch and everything that its names depend on.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::agent::{Probe, probe};
use crate::branch::{Branch, CLIENT, CLIENT_6, Nat};
use crate::certificates::Authority;
use crate::dig::{self, Dug};
use crate::process::{PATIENCE, Server, program, run_well, words};
use crate::wait::eventually;

use super::host::Host;
use super::named;
use super::queries::{self, Query};
use super::unbound;
use super::watch::Watch;
use super::zones::Ttls;

/// A [`Branch`] without NAT whose cloud holds every [`Host`]: a delegation from the root down to
/// `lyon.test`, and three resolvers that walk it. Gone when this value is.
///
/// ```text
/// .  ─ test ┬ lyon.test   ns1 (primary), ns2, ns3.other.test (secondaries), ns4 (lame)
///           ├ other.test  ns
///           └ six.test    ns (IPv6 only)
/// ```
///
/// A secondary has what the primary had at first until it is told to [transfer](Self::transfer).
/// Each host answers on UDP and TCP 53, over IPv4 and IPv6 ([`Host::Six`]: IPv6 only), the
/// [resolver](Host::Resolver) also over TLS (853) and HTTPS (443, `/dns-query`) as [`RESOLVER`].
pub(crate) struct World {
    // First, so that they end before their namespace does.
    servers: BTreeMap<Host, Server>,
    authority: Authority,
    ttls: Ttls,
    branch: Branch,
}

/// An answer that the resolver and its twin remember since the same second.
#[derive(Debug)]
pub(crate) struct Primed {
    /// When both had it, by the clock of this host, which is theirs.
    pub(crate) at: SystemTime,
    /// What the twin said.
    pub(crate) dug: Dug,
}

impl Primed {
    /// When both forget it: unbound counts in whole seconds of the clock, and 0 is still good.
    pub(crate) fn over(&self) -> SystemTime {
        let ttl = self.dug.ttl().or_else(|| self.dug.negative_ttl()).expect("there is a TTL");
        SystemTime::UNIX_EPOCH + Duration::from_secs(whole_seconds(self.at) + ttl + 1)
    }
}

/// The name in the resolver's certificate.
pub(crate) const RESOLVER: &str = "resolver.test";

impl World {
    /// Builds it with the usual TTLs: 6 s, and 4 s for what is not there.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with(Ttls::default())
    }

    /// Builds it with other TTLs for `lyon.test`.
    #[track_caller]
    pub(crate) fn with(ttls: Ttls) -> Self {
        let branch = Branch::behind(Nat::None);
        let cloud = branch.at_cloud();
        let addresses = Host::ALL.map(|host| {
            let four = host.address_4().map(|four| format!("ip address add {four}/32 dev lo\n"));
            let six = format!("ip address add {}/128 dev lo nodad\n", host.address_6());
            four.unwrap_or_default() + &six
        });
        run_well(&words(&cloud, &["sh", "-ec", &addresses.concat()]));

        let authority = Authority::new();
        let (four, six) = (Host::Resolver.address(), Host::Resolver.address_6());
        let identity = authority.vouch_for(&[RESOLVER, &four.to_string(), &six.to_string()]);
        let start = |host| {
            if [Host::Resolver, Host::Twin].contains(&host) {
                unbound::start(&cloud, host, (host == Host::Resolver).then_some(&identity))
            } else {
                named::start(&cloud, host, ttls)
            }
        };
        // The secondaries come when there is something to transfer.
        let (late, early): (Vec<Host>, Vec<Host>) =
            Host::ALL.iter().partition(|host| Host::SECONDARIES.contains(host));
        let servers = early.into_iter().map(|host| (host, start(host))).collect();
        let mut world = Self { servers, authority, ttls, branch };
        world.await_zone(Host::Primary);
        world.servers.extend(late.iter().map(|&host| (host, start(host))));
        for host in Host::ALL {
            world.await_answer(host);
        }
        for host in late {
            world.await_zone(host);
        }
        world
    }

    /// The branch, its router and what may befall the way to the cloud.
    pub(crate) fn branch(&self) -> &Branch {
        &self.branch
    }

    /// The certificate of the authority that vouches for the resolver, in PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.authority.path()
    }

    /// Begins a `branchline probe dns-query` of a server (a [`Host`] or any address) in the branch.
    pub(crate) fn probe(&self, server: impl Into<IpAddr>, name: &str, kind: &str) -> Probe {
        probe("dns-query", server.into())
            .option("name", name)
            .option("type", kind)
            .inside(&self.branch.at_client())
    }

    /// Asks a server (a [`Host`] or any address) with `dig` in the branch.
    ///
    /// # Panics
    ///
    /// When there is no response.
    #[track_caller]
    pub(crate) fn dig(
        &self,
        server: impl Into<IpAddr>,
        name: &str,
        kind: &str,
        options: &[&str],
    ) -> Dug {
        self.try_dig(server, name, kind, options).unwrap_or_else(|problem| panic!("dig: {problem}"))
    }

    /// The same, where silence is an answer.
    pub(crate) fn try_dig(
        &self,
        server: impl Into<IpAddr>,
        name: &str,
        kind: &str,
        options: &[&str],
    ) -> Result<Dug, String> {
        let server = SocketAddr::new(server.into(), 53);
        dig::ask(&self.branch.at_client(), server, name, kind, options)
    }

    /// The serial of `lyon.test` that a host serves, silenced or not.
    #[track_caller]
    pub(crate) fn serial(&self, host: Host) -> u64 {
        let at = SocketAddr::new(host.address(), 53);
        let dug = dig::ask(&self.branch.at_cloud(), at, LYON, "SOA", &["+norecurse"]);
        let serial = dug.and_then(|dug| dug.serial().ok_or(format!("no serial in {dug:?}")));
        serial.unwrap_or_else(|problem| panic!("{LYON} at {host:?}: {problem}"))
    }

    /// Adds a record of `lyon.test` at the primary, in the words of nsupdate without the class:
    /// `edge1.lyon.test 6 A 10.77.2.80`. Gives the new serial.
    #[track_caller]
    pub(crate) fn publish(&self, record: &str) -> u64 {
        self.update(&format!("update add {record}\n"))
    }

    /// Removes records of `lyon.test` at the primary: `edge.lyon.test`, `edge.lyon.test A`, or one
    /// record with its data. Gives the new serial.
    #[track_caller]
    pub(crate) fn remove(&self, records: &str) -> u64 {
        self.update(&format!("update delete {records}\n"))
    }

    /// Gives a name of `lyon.test` other data at the primary, in one step, with the usual TTL.
    /// Gives the new serial.
    #[track_caller]
    pub(crate) fn replace(&self, name: &str, kind: &str, data: &str) -> u64 {
        let ttl = self.ttls.record;
        self.update(&format!(
            "update delete {name} {kind}\nupdate add {name} {ttl} {kind} {data}\n"
        ))
    }

    /// Has a secondary fetch `lyon.test` from the primary, and waits until it serves it.
    #[track_caller]
    pub(crate) fn transfer(&self, secondary: Host) {
        assert!(Host::SECONDARIES.contains(&secondary), "{secondary:?} transfers nothing");
        let wanted = self.serial(Host::Primary);
        let server = &self.servers[&secondary];
        named::control(&self.branch.at_cloud(), secondary, server, &["retransfer", LYON]);
        eventually(&format!("serial {wanted} at {secondary:?}"), PATIENCE, || {
            let serial = self.serial(secondary);
            if serial == wanted { Ok(()) } else { Err(format!("it has {serial}")) }
        });
    }

    /// Publishes to every nameserver that takes it: each secondary transfers.
    #[track_caller]
    pub(crate) fn transfer_all(&self) {
        for secondary in Host::SECONDARIES {
            self.transfer(secondary);
        }
    }

    /// Makes these nameservers silent, and no others: the branch and the resolvers hear nothing of
    /// them. Updates and transfers go on.
    #[track_caller]
    pub(crate) fn silence(&self, nameservers: &[Host]) {
        let askers = [Host::Resolver, Host::Twin, Host::Rewriter];
        let fours = askers.map(|host| host.address().to_string()).join(", ");
        let sixes = askers.map(|host| host.address_6().to_string()).join(", ");
        let rules = nameservers.iter().map(|host| {
            let four = host.address_4().map(|address| {
                format!("ip daddr {address} ip saddr {{ {CLIENT}, {fours} }} th dport 53 drop\n")
            });
            let six = host.address_6();
            four.unwrap_or_default()
                + &format!("ip6 daddr {six} ip6 saddr {{ {CLIENT_6}, {sixes} }} th dport 53 drop\n")
        });
        let table = format!(
            "add table inet silence\ndelete table inet silence\n\
             table inet silence {{\nchain arriving {{\n\
             type filter hook input priority filter; policy accept;\n\
             meta l4proto != {{ tcp, udp }} accept\n{}}}\n}}",
            rules.collect::<String>()
        );
        run_well(&words(&self.branch.at_cloud(), &["nft", &table]));
    }

    /// From now on the router sends whatever leaves the branch for port 53 to the resolver,
    /// whoever was meant.
    #[track_caller]
    pub(crate) fn intercept(&self) {
        let (four, six) = (Host::Resolver.address(), Host::Resolver.address_6());
        let table = format!(
            "table inet intercept {{\nchain arriving {{\n\
             type nat hook prerouting priority dstnat; iifname != \"branch\" return\n\
             meta nfproto ipv4 meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {four}\n\
             meta nfproto ipv6 meta l4proto {{ tcp, udp }} th dport 53 dnat ip6 to {six}\n}}\n}}"
        );
        run_well(&words(&self.branch.at_router(), &["nft", &table]));
    }

    /// The words that run a command in the branch where `/etc/resolv.conf` names this resolver.
    pub(crate) fn at_client_of(&self, resolver: Host) -> Vec<String> {
        let mut wrapper = self.branch.at_client();
        // `ip netns exec` gives each command mounts of its own.
        let script = "printf 'nameserver %s\\n' \"$1\" >\"$0\" && \
                      mount --bind \"$0\" /etc/resolv.conf && shift && exec \"$@\"";
        let file = self.servers[&resolver].folder().join("resolv.conf").display().to_string();
        let address = resolver.address().to_string();
        wrapper.extend(["sh", "-ec", script, &file, &address].map(str::to_owned));
        wrapper
    }

    /// Has the resolver and its twin remember the answer to the same question since the same
    /// second of the clock: they count in whole seconds, so both forget it at the same moment.
    #[track_caller]
    pub(crate) fn prime(&self, name: &str, kind: &str) -> Primed {
        eventually("a second in which both resolvers were asked", PATIENCE, || {
            if within_second(SystemTime::now()) > Duration::from_millis(500) {
                return Err("half of this second is over".to_owned());
            }
            let began = SystemTime::now();
            self.forget(name);
            // It may take them a while to find out who is silent.
            self.try_dig(Host::Resolver, name, kind, &[])?;
            let dug = self.try_dig(Host::Twin, name, kind, &[])?;
            let at = SystemTime::now();
            let same = whole_seconds(began) == whole_seconds(at);
            if same { Ok(Primed { at, dug }) } else { Err("it took too long".to_owned()) }
        })
    }

    /// Has the resolver and its twin forget a name, and the SOA record of `lyon.test`: as long as
    /// they remember that from another absence, a new one is kept no longer.
    #[track_caller]
    pub(crate) fn forget(&self, name: &str) {
        for host in [Host::Resolver, Host::Twin] {
            let tell = |order: &[&str]| {
                unbound::control(&self.branch.at_cloud(), &self.servers[&host], order);
            };
            tell(&["flush", name]);
            tell(&["flush_type", LYON, "SOA"]);
        }
    }

    /// Begins to ask a server (a [`Host`] or any address) for the addresses of a name, of type
    /// `A` or `AAAA`, every 20 ms.
    #[track_caller]
    pub(crate) fn watch(&self, server: impl Into<IpAddr>, name: &str, kind: &str) -> Watch {
        Watch::begin(&self.branch.at_client(), server.into(), name, kind)
    }

    /// What a host was asked about a name, by anybody, since it is there.
    pub(crate) fn queries(&self, host: Host, name: &str) -> Vec<Query> {
        let all = queries::logged(&self.servers[&host].log());
        all.into_iter().filter(|query| query.name == name).collect()
    }

    /// What a resolver asked about a name of those who hold `lyon.test`: once for each time that
    /// what it remembered was over. Whether it tried the lame one, too, is chance.
    pub(crate) fn fetches(&self, resolver: Host, name: &str) -> Vec<Query> {
        let holders = [Host::Primary, Host::Second, Host::Third];
        let all = holders.iter().flat_map(|&holder| self.queries(holder, name));
        all.filter(|query| query.is_by(resolver)).collect()
    }

    #[track_caller]
    fn update(&self, changes: &str) -> u64 {
        let script = format!("server {}\nzone {LYON}\n{changes}send\n", Host::Primary.address());
        let folder = self.servers[&Host::Primary].folder();
        let file = tempfile::NamedTempFile::new_in(folder).expect("the folder is ours");
        std::fs::write(file.path(), script).expect("the folder is ours to write to");
        let nsupdate = program("nsupdate", "bind9-dnsutils").display().to_string();
        let path = file.path().display().to_string();
        run_well(&words(&self.branch.at_cloud(), &[&nsupdate, &path]));
        self.serial(Host::Primary)
    }

    #[track_caller]
    fn await_answer(&mut self, host: Host) {
        let (client, at) = (self.branch.at_client(), SocketAddr::new(host.address(), 53));
        let server = self.servers.get_mut(&host).expect("it was started");
        server.await_ready(|| {
            dig::ask(&client, at, "version.bind", "TXT", &["-c", "CH", "+tries=1", "+time=1"])
        });
    }

    #[track_caller]
    fn await_zone(&mut self, host: Host) {
        let (client, at) = (self.branch.at_client(), SocketAddr::new(host.address(), 53));
        let server = self.servers.get_mut(&host).expect("it was started");
        server.await_ready(|| {
            let dug = dig::ask(&client, at, LYON, "SOA", &["+tries=1", "+time=1"])?;
            dug.serial().ok_or_else(|| format!("no zone yet: {dug:?}"))
        });
    }
}

fn whole_seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn within_second(at: SystemTime) -> Duration {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_nanos(since.subsec_nanos().into())
}

/// The zone that changes.
const LYON: &str = "lyon.test";
