//! What a Kamailio is told before it starts.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use super::{Kamailio, LOOPBACK, PASSWORD};
use crate::certificates::Identity;
use crate::process::{
    Server, ask_over_udp_inside, free_port, listens, module_of_kamailio, program,
};

/// A Kamailio that has not been started.
pub(crate) struct Setup {
    algorithm: String,
    wrapper: Vec<String>,
    address: IpAddr,
    /// Over UDP and TCP, and over TLS; free ones where they are not given.
    ports: Option<[u16; 2]>,
    tls: Option<Identity>,
    tls_versions: &'static str,
    parameters: String,
    challenge: String,
    hold: String,
    before_check: String,
    before_save: String,
    before_all: String,
}

impl Setup {
    pub(super) fn asking_for(algorithm: &str) -> Self {
        Self {
            algorithm: algorithm.to_owned(),
            wrapper: Vec::new(),
            address: LOOPBACK,
            ports: None,
            tls: None,
            tls_versions: "TLSv1.2+",
            parameters: String::new(),
            challenge: r#"www_challenge("$td", "1");"#.to_owned(),
            hold: String::new(),
            before_check: String::new(),
            before_save: String::new(),
            before_all: String::new(),
        }
    }

    /// Listens at this address inside of `wrapper` (the words that enter a namespace), on this port
    /// over UDP and TCP, and on the next one over TLS where it has a certificate.
    pub(crate) fn inside(mut self, wrapper: &[String], at: SocketAddr) -> Self {
        self.wrapper = wrapper.to_vec();
        self.address = at.ip();
        self.ports = Some([at.port(), at.port() + 1]);
        self
    }

    /// Answers over TLS, too, with this certificate.
    pub(crate) fn tls(mut self, identity: Identity) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Speaks these versions of TLS, in Kamailio's own spelling.
    pub(crate) fn tls_versions(mut self, versions: &'static str) -> Self {
        self.tls_versions = versions;
        self
    }

    /// Sets a parameter of the module that knows digests.
    pub(crate) fn digest(mut self, name: &str, value: u32) -> Self {
        self.parameters += &format!("modparam(\"auth\", \"{name}\", {value})\n");
        self
    }

    /// Challenges with two headers: first the same challenge with the words `MD5`, which it refuses
    /// when somebody answers it, then its own.
    pub(crate) fn offering_md5_first(mut self) -> Self {
        self.challenge = r#"
    auth_get_www_authenticate("$td", "1", "$var(own)");
    $var(weak) = $(var(own){s.replace,@ALGORITHM@,MD5});
    append_to_reply("$var(weak)");
    append_to_reply("$var(own)");
    sl_send_reply("401", "Unauthorized");"#
            .replace("@ALGORITHM@", &self.algorithm);
        self
    }

    /// Takes its time before it answers any REGISTER.
    pub(crate) fn slow(mut self, milliseconds: u32) -> Self {
        self.hold = sleep(milliseconds);
        self
    }

    /// Takes its time before it looks at the first credentials that it is shown.
    pub(crate) fn slow_to_check(mut self, milliseconds: u32) -> Self {
        self.parameters += "modparam(\"pv\", \"shvset\", \"slept=i:0\")\n";
        self.before_check = format!(
            "if (is_present_hf(\"Authorization\") && $shv(slept) == 0) {{ $shv(slept) = 1; {} }}",
            sleep(milliseconds)
        );
        self
    }

    /// Takes 400 ms before it says that a contact is stored, once it is: less than the 500 ms (T1)
    /// after which a request is repeated.
    pub(crate) fn slow_to_confirm(mut self) -> Self {
        self.before_save = r#"
    if (is_present_hf("Contact") && $(ct{param.value,expires}) != "0") {
        if (!save("location", "0x02")) { sl_reply_error(); exit; }
        usleep("400000");
        # What is stored is answered as if it were asked for: it is not stored a second time.
        remove_hf("Contact");
        msg_apply_changes();
        force_rport();
    }"#
        .to_owned();
        self
    }

    /// Takes its time before it stores a contact.
    pub(crate) fn slow_to_store(mut self, milliseconds: u32) -> Self {
        self.before_save = format!(
            "if (is_present_hf(\"Contact\") && $(ct{{param.value,expires}}) != \"0\") {{ {} }}",
            sleep(milliseconds)
        );
        self
    }

    /// Gives back every request as it came, in base64, and does nothing else with it.
    pub(crate) fn mirror(mut self) -> Self {
        self.before_all = r#"
    set_reply_body("$(mb{s.encode.base64})", "application/vnd.branchline.mirror");
    sl_send_reply("200", "OK");
    exit;"#
            .to_owned();
        self
    }

    /// Stores where it saw a phone in place of where the phone says that it is.
    pub(crate) fn believing_its_eyes(mut self) -> Self {
        self.parameters += "loadmodule \"nathelper.so\"\n";
        self.before_save += "\n    fix_nated_contact();";
        self
    }

    /// Starts it, and waits for its first answer.
    #[track_caller]
    pub(crate) fn start(self) -> Kamailio {
        let kamcmd = program("kamcmd", "kamailio");
        let port = self.ports.map_or_else(|| free_port(LOOPBACK), |[port, _]| port);
        let folder = tempfile::tempdir().expect("a folder for Kamailio");
        let path = folder.path().display().to_string();
        let (tls_port, tls) =
            self.tls_lines(port).map_or((None, String::new()), |(port, lines)| (Some(port), lines));
        let config = CONFIG
            .replace("@BEFORE@", &self.before_all)
            .replace("@CHALLENGE@", &self.challenge)
            .replace("@HOLD@", &self.hold)
            .replace("@CHECK@", &self.before_check)
            .replace("@SAVE@", &self.before_save)
            .replace("@PARAMETERS@", &self.parameters)
            .replace("@TLS@", &tls)
            .replace("@AT@", &format!("{}:{port}", self.address))
            .replace("@FOLDER@", &path)
            .replace("@ALGORITHM@", &self.algorithm)
            .replace("@PASSWORD@", PASSWORD);
        let file = folder.path().join("kamailio.cfg");
        fs::write(&file, config).expect("the folder is ours to write to");
        let mut command = Command::new(program("kamailio", "kamailio"));
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-Y", &path, "-w", &path, "-f"])
            .arg(file);
        let Self { wrapper, address, .. } = self;
        let mut server = Server::start_through(&wrapper, "Kamailio", folder, &command);
        let at = SocketAddr::new(address, port);
        let request = options_request(port);
        server.await_ready(|| ask_over_udp_inside(&wrapper, at, request.as_bytes()));
        for port in [Some(port), tls_port].into_iter().flatten() {
            let at = SocketAddr::new(address, port);
            server.await_ready(|| listens(&wrapper, at));
        }
        Kamailio { address, port, tls_port, server, kamcmd }
    }

    fn tls_lines(&self, other: u16) -> Option<(u16, String)> {
        let Identity { certificate, key } = self.tls.as_ref()?;
        module_of_kamailio("tls.so", "kamailio-tls-modules");
        let free = || std::iter::repeat_with(|| free_port(LOOPBACK)).find(|port| *port != other);
        let port = self.ports.map(|[_, port]| port).or_else(free)?;
        let address = self.address;
        let lines = format!(
            "enable_tls=yes\nlisten=tls:{address}:{port}\nloadmodule \"tls.so\"\n\
             modparam(\"tls\", \"certificate\", \"{}\")\n\
             modparam(\"tls\", \"private_key\", \"{}\")\n\
             modparam(\"tls\", \"tls_method\", \"{}\")\n",
            certificate.display(),
            key.display(),
            self.tls_versions
        );
        Some((port, lines))
    }
}

fn sleep(milliseconds: u32) -> String {
    format!("usleep(\"{}\");", u64::from(milliseconds) * 1000)
}

fn options_request(port: u16) -> String {
    format!(
        "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKready\r\nMax-Forwards: 70\r\n\
         From: <sip:test@branch.test>;tag=ready\r\nTo: <sip:127.0.0.1>\r\n\
         Call-ID: ready@branch.test\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The registrar. A REGISTER is written down before it is answered, so that a test that has its
/// answer finds it in the log. sipsak, which registers the phone, can only do MD5: nobody but the
/// product is asked for anything else.
const CONFIG: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
exit_timeout=3
tcp_children=2
auto_aliases=no
listen=udp:@AT@
listen=tcp:@AT@

loadmodule "kex.so"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "textopsx.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "ctl.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "cfgutils.so"
@TLS@
modparam("ctl", "binrpc", "unix:@FOLDER@/ctl")
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 5)
modparam("auth", "algorithm", "@ALGORITHM@")
@PARAMETERS@
request_route {
    force_rport();@BEFORE@
    if (is_method("OPTIONS")) {
        append_to_reply("Allow: OPTIONS, REGISTER\r\n");
        sl_send_reply("200", "OK");
        exit;
    }
    if (!is_method("REGISTER")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    xlog("L_ERR", "REGISTER arrived $ci|$cs|$proto|$sp|$hdr(Expires)|$(ct{param.value,expires})|$hdr(Authorization)\n");
    @HOLD@
    xlog("L_ERR", "REGISTER answered $ci|$cs\n");
    route(ANSWER);
}

route[ANSWER] {
    if ("@ALGORITHM@" != "MD5" && $ua =~ "^sipsak") { save("location"); return; }
    if (!is_present_hf("Authorization")) { route(CHALLENGE); return; }
    @CHECK@
    $var(code) = pv_www_authenticate("$td", "@PASSWORD@", "0");
    # -4: the nonce has expired; 17 is 1 for qop, and 16 for stale.
    if ($var(code) == -4) { www_challenge("$td", "17"); return; }
    if ($var(code) < 0) { route(CHALLENGE); return; }
    @SAVE@
    if (!save("location")) { sl_reply_error(); }
}

route[CHALLENGE] {
    @CHALLENGE@
    return;
}
"#;
