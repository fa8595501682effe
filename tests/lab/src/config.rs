//! The configuration with which `branchline` meets the cloud, and its secret files.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::api::Profile;
use crate::cloud::{Addresses, RECORD_ADDRESS};
use crate::{RECORD_NAME, api, sip, turn};

/// The secrets that the branch holds.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) sip_password: String,
    pub(crate) turn_password: String,
    pub(crate) client_secret: String,
}

/// The API's client, as the branch knows it.
pub(crate) const CLIENT_ID: &str = "lab";

/// Writes the configuration, its secrets and the certificate of the lab's authority into
/// `directory`, and says where the first is.
pub(crate) fn write(
    directory: &Path,
    addresses: &Addresses,
    secrets: &Secrets,
    authority: &str,
    profile: Profile,
) -> io::Result<PathBuf> {
    let files = Files {
        sip_password: directory.join("sip-password"),
        turn_password: directory.join("turn-password"),
        client_secret: directory.join("client-secret"),
        authority: directory.join("relay-ca.pem"),
    };
    write_private(&files.sip_password, &secrets.sip_password)?;
    write_private(&files.turn_password, &secrets.turn_password)?;
    write_private(&files.client_secret, &secrets.client_secret)?;
    write_private(&files.authority, authority)?;
    let config = directory.join("branchline.toml");
    write_private(&config, &text(addresses, &files, profile))?;
    Ok(config)
}

/// What the configuration names.
struct Files {
    sip_password: PathBuf,
    turn_password: PathBuf,
    client_secret: PathBuf,
    authority: PathBuf,
}

/// Writes a file that nobody else can read, at any time.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A target: its name, its address, its modules, and what of the vendor's it belongs to.
type Target<'t> = (&'t str, std::net::SocketAddr, &'t [&'t str], Option<(&'t str, &'t str)>);

fn text(addresses: &Addresses, files: &Files, profile: Profile) -> String {
    let trunk = Some(("trunk", api::TRUNK));
    let targets: [Target<'_>; 5] = [
        ("relay", addresses.relay, &["stun", "turn-udp", "turn-tcp"], None),
        ("relay-voice", addresses.relay, &["voice"], None),
        ("relay-tls", addresses.relay_tls, &["turn-tls"], None),
        ("registrar", addresses.registrar, &["register", "options"], trunk),
        ("registrar-tls", addresses.registrar_tls, &["register-tls"], trunk),
    ];
    let mut text = modules(files);
    for (name, address, modules, link) in targets {
        // A stream of voice is not for every moment.
        let interval = if modules == ["voice"] { "1m" } else { "10s" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[targets]]\nname = \"{name}\"\naddress = \"{address}\"\n\
             modules = {modules:?}\ninterval = \"{interval}\"\n"
        );
        if let Some((key, value)) = link {
            let _ = writeln!(text, "{key} = \"{value}\"");
        }
    }
    let Addresses { api, web, primary, secondary, resolver, .. } = addresses;
    let _ = write!(
        text,
        r#"
[views]
site = ["{resolver}"]
# Nameservers on other ports than 53 are in no delegation.
authoritative = ["{primary}", "{secondary}"]

[[names]]
name = "{RECORD_NAME}"
expect = ["{RECORD_ADDRESS}"]
edge_group = "{group}"
interval = "10s"
timeout = "3s"

[telephony]
profile = "{profile}"
base_url = "http://{api}"
login_url = "http://{api}"
client_id = "{CLIENT_ID}"
client_secret = {{ file = {client} }}
location = "{location}"
interval = "10s"

[web]
listen = ["{web}"]
"#,
        client = quoted(&files.client_secret),
        profile = match profile {
            Profile::Platform => "platform",
            Profile::Guide => "guide",
        },
        location = api::LOCATION,
        group = api::EDGE_GROUP,
    );
    text
}

fn modules(files: &Files) -> String {
    format!(
        r#"# The branch of branchline-lab: everything is on this machine.

[site]
name = "lyon"

[modules.stun]
probe = "stun-binding"
timeout = "3s"

[modules.turn-udp]
probe = "turn-allocation"
username = "{relay_user}"
password = {{ file = {relay_password} }}
timeout = "6s"

[modules.turn-tcp]
probe = "turn-allocation"
transport = "tcp"
username = "{relay_user}"
password = {{ file = {relay_password} }}
timeout = "6s"

[modules.turn-tls]
probe = "turn-allocation"
transport = "tls"
ca_file = {authority}
username = "{relay_user}"
password = {{ file = {relay_password} }}
timeout = "6s"

[modules.voice]
probe = "turn-media"
username = "{relay_user}"
password = {{ file = {relay_password} }}
duration = "3s"
dscp = 0                     # the lab's relay marks nothing
timeout = "12s"

[modules.register]
probe = "sip-register"
address_of_record = "sip:{user}@{domain}"
password = {{ file = {password} }}
allow_cleartext = true
every = "1s"
large = true                 # a request that one packet cannot carry as well
timeout = "10s"

[modules.register-tls]
probe = "sip-register"
transport = "tls"
ca_file = {authority}
address_of_record = "sip:{user}@{domain}"
password = {{ file = {password} }}
every = "1s"
timeout = "6s"

[modules.options]
probe = "sip-options"
timeout = "6s"
"#,
        user = sip::USER,
        domain = sip::DOMAIN,
        password = quoted(&files.sip_password),
        relay_user = turn::USER,
        relay_password = quoted(&files.turn_password),
        authority = quoted(&files.authority),
    )
}

/// A path as a TOML string; Rust quotes what matters in a path as TOML does.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
