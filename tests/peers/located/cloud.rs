//! A BIND that serves domains, and three Kamailios behind them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::certificates::Authority;
use crate::dig;
use crate::kamailio::Kamailio;
use crate::netns::Namespaces;
use crate::process::{Server, own_copy, program, run, text, words};

/// What a Kamailio does with a REGISTER. Each answers OPTIONS.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    /// It says nothing.
    Nothing,
    /// It answers 503.
    Unavailable,
    /// It answers 403.
    Refuse,
    /// It stores the contact.
    Accept,
}

impl Does {
    fn route(self) -> &'static str {
        match self {
            Self::Nothing => "exit;",
            Self::Unavailable => r#"sl_send_reply("503", "Service Unavailable");"#,
            Self::Refuse => r#"sl_send_reply("403", "Forbidden");"#,
            Self::Accept => r#"if (!save("location")) { sl_reply_error(); }"#,
        }
    }
}

/// An office and a cloud, each in a network namespace of its own; gone when this value is.
///
/// ```text
/// office 198.51.100.1 ──── 198.51.100.53 BIND, 198.51.100.61:5060, .62:5070 and .63:5060 Kamailio
///                          198.51.100.64:5060 and :5061, where somebody listens who is started there
/// ```
pub(super) struct Cloud {
    // First, so that they end before their namespaces do.
    registrars: Vec<Server>,
    nameserver: Server,
    namespaces: Namespaces,
}

/// Where the nameserver is.
pub(super) const NAMESERVER: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 53)), 53);

const REGISTRARS: [(&str, u16); 3] =
    [("198.51.100.61", 5060), ("198.51.100.62", 5070), ("198.51.100.63", 5060)];

impl Cloud {
    /// Starts it, with Kamailios that do this.
    #[track_caller]
    pub(super) fn with(does: [Does; 3]) -> Self {
        let namespaces = Namespaces::new(&["office", "cloud"]);
        namespaces.join(("office", "eth0"), ("cloud", "eth0"));
        namespaces.shell("office", "ip address add 198.51.100.1/24 dev eth0; ip link set eth0 up");
        let others = ["198.51.100.53", EVERY_TRANSPORT];
        let addresses = others.into_iter().chain(REGISTRARS.map(|(ip, _)| ip));
        let links: String =
            addresses.map(|ip| format!("ip address add {ip}/24 dev eth0\n")).collect();
        namespaces.shell("cloud", &format!("{links}ip link set eth0 up"));
        namespaces.await_path("office", "198.51.100.53");
        let (office, inside) = (namespaces.inside("office"), namespaces.inside("cloud"));
        let mut nameserver = start_named(&inside);
        let started = does.iter().zip(REGISTRARS);
        let mut registrars: Vec<Server> =
            started.map(|(does, at)| start_kamailio(&inside, at, *does)).collect();
        nameserver.await_ready(|| {
            let options = ["+tries=1", "+time=1"];
            dig::ask(&office, NAMESERVER, "many.test", "SOA", &options).and_then(|dug| {
                if dug.answers.is_empty() { Err("no zone".to_owned()) } else { Ok(()) }
            })
        });
        let sipsak = program("sipsak", "sipsak").display().to_string();
        for (registrar, (ip, port)) in registrars.iter_mut().zip(REGISTRARS) {
            let options = words(&office, &[&sipsak, "-s", &format!("sip:ready@{ip}:{port}")]);
            registrar.await_ready(|| {
                let asked = run(&options);
                if asked.status.success() { Ok(()) } else { Err(text(&asked.stdout)) }
            });
        }
        Self { registrars, nameserver, namespaces }
    }

    /// The words that run a command in the office, where `/etc/resolv.conf` names the nameserver.
    pub(super) fn at_office(&self) -> Vec<String> {
        let mut wrapper = self.namespaces.inside("office");
        // `ip netns exec` gives each command mounts of its own.
        let script = "printf 'nameserver %s\\n' \"$1\" >\"$0\" && \
                      mount --bind \"$0\" /etc/resolv.conf && shift && exec \"$@\"";
        let file = self.nameserver.folder().join("resolv.conf").display().to_string();
        let address = NAMESERVER.ip().to_string();
        wrapper.extend(["sh", "-ec", script, &file, &address].map(str::to_owned));
        wrapper
    }

    /// Starts the registrar of `naptr.test`, which asks for credentials over UDP, TCP and TLS, with
    /// the authority that vouches for the domain.
    #[track_caller]
    pub(super) fn start_every_transport(&self) -> (Kamailio, Authority) {
        let authority = Authority::new();
        let at = SocketAddr::new(EVERY_TRANSPORT.parse().expect("an address"), 5060);
        let identity = authority.vouch_for(&["naptr.test"]);
        let setup = Kamailio::asking_for("SHA-256").inside(&self.namespaces.inside("cloud"), at);
        (setup.tls(identity).start(), authority)
    }

    /// How many REGISTERs each Kamailio has seen that were no removals.
    pub(super) fn registers(&self) -> BTreeMap<&'static str, usize> {
        let counts = self.registrars.iter().zip(REGISTRARS);
        counts.map(|(it, (ip, _))| (ip, it.log().matches("saw REGISTER for 60").count())).collect()
    }
}

/// Where somebody answers over every transport.
const EVERY_TRANSPORT: &str = "198.51.100.64";

fn start_named(wrapper: &[String]) -> Server {
    let folder = tempfile::tempdir().expect("a folder for named");
    let path = folder.path();
    let mut config = CONFIG.replace("@FOLDER@", &path.display().to_string());
    let server = |label: &str| format!("{label} A 198.51.100.61\n");
    let three = "a A 198.51.100.61\nb A 198.51.100.62\nc A 198.51.100.63\n";
    let many: String =
        (0..60).map(|it| format!("_sip._udp SRV 10 1 5060 a-server-with-a-long-name-{it}\na-server-with-a-long-name-{it} A 198.51.100.61\n")).collect();
    for (zone, records) in [
        (
            "three.test",
            format!(
                "_sip._udp SRV 30 0 5060 c\n_sip._udp SRV 10 0 5060 a\n_sip._udp SRV 20 9 5070 b\n{three}"
            ),
        ),
        (
            "weighted.test",
            format!(
                "_sip._udp SRV 10 25 5070 b\n_sip._udp SRV 10 75 5060 a\n_sip._udp SRV 20 99 5060 c\n{three}"
            ),
        ),
        ("none.test", format!("_sip._udp SRV 0 0 0 .\n{}", server("@"))),
        ("plain.test", server("server")),
        ("alias.test", format!("server CNAME real\n{}", server("real"))),
        ("many.test", many),
        ("naptr.test", NAPTR.to_owned()),
    ] {
        let opening =
            "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 4\n@ NS ns\nns A 198.51.100.53\n";
        fs::write(path.join(zone), opening.to_owned() + &records).expect("the folder is ours");
        config += &format!("zone \"{zone}\" {{ type primary; file \"{zone}\"; }};\n");
    }
    let file = path.join("named.conf");
    fs::write(&file, config).expect("the folder is ours to write to");
    let mut command = Command::new(own_copy(&program("named", "bind9"), path));
    command.args(["-g", "-n", "1", "-c"]).arg(file);
    Server::start_through(wrapper, "named", folder, &command)
}

fn start_kamailio(wrapper: &[String], (ip, port): (&str, u16), does: Does) -> Server {
    let folder = tempfile::tempdir().expect("a folder for Kamailio");
    let path = folder.path().display().to_string();
    let config =
        KAMAILIO.replace("@LISTEN@", &format!("udp:{ip}:{port}")).replace("@DOES@", does.route());
    let file = folder.path().join("kamailio.cfg");
    fs::write(&file, config).expect("the folder is ours to write to");
    let mut command = Command::new(program("kamailio", "kamailio"));
    command.args(["-DD", "-E", "-m", "64", "-M", "8", "-Y", &path, "-w", &path, "-f"]).arg(file);
    Server::start_through(wrapper, "Kamailio", folder, &command)
}

/// By order and preference: TLS, TCP, UDP; the records are not in this order.
const NAPTR: &str = r#"
@ NAPTR 20 60 "s" "SIP+D2U" "" _sip._udp
@ NAPTR 20 50 "s" "SIP+D2T" "" _sip._tcp
@ NAPTR 10 90 "s" "SIPS+D2T" "" _sips._tcp
_sips._tcp SRV 1 0 5061 every
_sip._tcp SRV 1 0 5060 every
_sip._udp SRV 1 0 5060 every
every A 198.51.100.64
"#;

const CONFIG: &str = r#"
options {
    directory "@FOLDER@";
    listen-on { 198.51.100.53; };
    listen-on-v6 { none; };
    pid-file none;
    session-keyfile none;
    lock-file none;
    recursion no;
    notify no;
    minimal-responses yes;
    dnssec-validation no;
    empty-zones-enable no;
};
"#;

const KAMAILIO: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=1
exit_timeout=3
disable_tcp=yes
auto_aliases=no
listen=@LISTEN@

loadmodule "kex.so"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"

modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 5)

request_route {
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    xlog("L_ERR", "saw REGISTER for $hdr(Expires)\n");
    force_rport();
    @DOES@
}
"#;
