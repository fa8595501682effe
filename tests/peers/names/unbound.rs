//! unbound, as the branch's resolver and as its twin.

use std::fs;
use std::process::Command;

use crate::certificates::Identity;
use crate::process::{Server, own_copy, program, run_well, words};

use super::host::Host;
use super::zones;

/// Starts the unbound of a host inside of `wrapper`: the words that enter its namespace. It may
/// not answer yet. With an identity it answers over TLS and HTTPS, too.
#[track_caller]
pub(super) fn start(wrapper: &[String], host: Host, identity: Option<&Identity>) -> Server {
    let folder = tempfile::tempdir().expect("a folder for unbound");
    let path = folder.path();
    let mut lines = String::new();
    for address in [host.address(), host.address_6()] {
        lines += &format!("interface: {address}\noutgoing-interface: {address}\n");
        if identity.is_some() {
            lines += &format!("interface: {address}@853\ninterface: {address}@443\n");
        }
    }
    if let Some(Identity { certificate, key }) = identity {
        lines += &format!(
            "tls-port: 853\nhttps-port: 443\ntls-service-pem: \"{}\"\ntls-service-key: \"{}\"\n",
            certificate.display(),
            key.display()
        );
    }
    let config = CONFIG.replace("@FOLDER@", &path.display().to_string()).replace("@LINES@", &lines);
    fs::write(path.join("hints"), zones::hints()).expect("the folder is ours to write to");
    let file = path.join(CONFIG_FILE);
    fs::write(&file, config).expect("the folder is ours to write to");
    let mut command = Command::new(own_copy(&program("unbound", "unbound"), path));
    command.arg("-d").arg("-c").arg(file);
    Server::start_through(wrapper, "unbound", folder, &command)
}

/// Tells an unbound, in the words of `unbound-control`.
#[track_caller]
pub(super) fn control(wrapper: &[String], server: &Server, order: &[&str]) {
    let control = program("unbound-control", "unbound").display().to_string();
    let config = server.folder().join(CONFIG_FILE).display().to_string();
    run_well(words(wrapper, &[&control, "-c", &config]).args(order));
}

/// A resolver without opinions: no validation, no answer past its time, none fetched before it.
/// A nameserver that is silent is asked again soon.
const CONFIG: &str = r#"
server:
    directory: "@FOLDER@"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    log-queries: yes
    num-threads: 1
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    module-config: "iterator"
    root-hints: "@FOLDER@/hints"
    local-zone: "test." nodefault
    do-not-query-localhost: no
    qname-minimisation: no
    prefetch: no
    serve-expired: no
    cache-min-ttl: 0
    infra-cache-max-rtt: 1000
    @LINES@
remote-control:
    control-enable: yes
    control-interface: "@FOLDER@/control"
    control-use-cert: no
"#;

/// What it is told, in its folder.
const CONFIG_FILE: &str = "unbound.conf";
