//! BIND, as each of the nameservers and as the resolver that rewrites.

use std::fs;
use std::process::Command;

use crate::process::{Server, own_copy, program, run_well, words};

use super::host::Host;
use super::zones::{self, Ttls};

/// Starts the named of a host inside of `wrapper`: the words that enter its namespace. It may not
/// answer yet.
#[track_caller]
pub(super) fn start(wrapper: &[String], host: Host, ttls: Ttls) -> Server {
    let folder = tempfile::tempdir().expect("a folder for named");
    let path = folder.path();
    let (statement, files) = duty(host, ttls);
    for (name, content) in files {
        fs::write(path.join(name), content).expect("the folder is ours to write to");
    }
    fs::write(path.join(KEY_FILE), KEY).expect("the folder is ours to write to");
    let listen = host.address_4().map_or("none".to_owned(), |address| address.to_string());
    let source = host.address_4().map_or(String::new(), |address| {
        format!("query-source address {address}; transfer-source {address};")
    });
    let config = CONFIG
        .replace("@FOLDER@", &path.display().to_string())
        .replace("@LISTEN@", &listen)
        .replace("@LISTEN_6@", &host.address_6().to_string())
        .replace("@SOURCE@", &source)
        .replace("@RECURSION@", if host == Host::Rewriter { "yes" } else { "no" })
        .replace("@CONTROL@", &host.address().to_string())
        + &statement;
    let file = path.join("named.conf");
    fs::write(&file, config).expect("the folder is ours to write to");
    let mut command = Command::new(own_copy(&program("named", "bind9"), path));
    command.args(["-g", "-n", "1", "-c"]).arg(file);
    Server::start_through(wrapper, "named", folder, &command)
}

/// Tells the named of a host, in the words of `rndc`.
#[track_caller]
pub(super) fn control(wrapper: &[String], host: Host, server: &Server, order: &[&str]) {
    let rndc = program("rndc", "bind9-utils").display().to_string();
    let key = server.folder().join(KEY_FILE).display().to_string();
    let address = host.address().to_string();
    let mut command = words(wrapper, &[&rndc, "-k", &key, "-s", &address]);
    run_well(command.args(order));
}

/// The statements for what a host holds, and the files that they name.
fn duty(host: Host, ttls: Ttls) -> (String, Vec<(&'static str, String)>) {
    let primary = |zone: &str, content: String| {
        let statement = format!(
            "zone \"{zone}\" {{ type primary; file \"zone\"; allow-update {{ any; }}; }};\n"
        );
        (statement, vec![("zone", content)])
    };
    match host {
        Host::Root => primary(".", zones::root()),
        Host::Top => primary("test", zones::top()),
        Host::Other => primary("other.test", zones::other()),
        Host::Six => primary("six.test", zones::six()),
        Host::Primary => primary("lyon.test", zones::lyon(ttls)),
        Host::Second | Host::Third => {
            let statement = format!(
                "zone \"lyon.test\" {{ type secondary; primaries {{ {}; }}; }};\n",
                Host::Primary.address()
            );
            (statement, Vec::new())
        }
        Host::Lame => (String::new(), Vec::new()),
        Host::Rewriter => {
            let statement = "zone \".\" { type hint; file \"hints\"; };\n\
                             zone \".\" { type redirect; file \"rewritten\"; };\n";
            let files = vec![("hints", zones::hints()), ("rewritten", zones::rewritten())];
            (statement.to_owned(), files)
        }
        Host::Resolver | Host::Twin => unreachable!("{host:?} is an unbound"),
    }
}

/// No secondary hears of a change, and none looks for an hour: it transfers when it is told to.
const CONFIG: &str = r#"
include "@FOLDER@/control.key";
options {
    directory "@FOLDER@";
    listen-on { @LISTEN@; };
    listen-on-v6 { @LISTEN_6@; };
    query-source-v6 address @LISTEN_6@;
    @SOURCE@
    pid-file none;
    session-keyfile none;
    lock-file none;
    querylog yes;
    recursion @RECURSION@;
    allow-recursion { any; };
    allow-transfer { any; };
    notify no;
    prefetch 0;
    max-cache-size 16M;
    dnssec-validation no;
    empty-zones-enable no;
};
controls { inet @CONTROL@ port 953 allow { any; } keys { control; }; };
"#;

/// The key by which each named knows who may tell it what to do, in its folder.
const KEY_FILE: &str = "control.key";

const KEY: &str = r#"
key control { algorithm hmac-sha256; secret "YnJhbmNobGluZS10ZXN0LWNvbnRyb2w="; };
"#;
