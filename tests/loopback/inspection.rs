//! TLS that is inspected: an authority that somebody installed on this host, and what the program
//! sees of it. The store of the host is read once in a process, so each look is one of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustls::version::TLS13;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, Identity, NAME};
use crate::ping::{LOOPBACKS, tcp_server};

/// A host on which this authority is installed, and no other.
struct Host {
    folder: TempDir,
}

impl Host {
    fn trusting(authority: &Authority) -> Self {
        let host = Self { folder: tempfile::tempdir().expect("there is room") };
        host.write("store.pem", &authority.pem());
        host
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("the folder is ours");
        path
    }

    /// Runs the program there and gives the JSON that it prints.
    async fn run(&self, words: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
        command.args(words).current_dir(self.folder.path());
        command
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", self.folder.path().join("store.pem"));
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.expect("nobody panicked").expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// What a probe sees of a server that proves itself and goes.
    async fn probe(&self, peer: SocketAddr, named: Option<&Authority>) -> Value {
        let peer = peer.to_string();
        let name = format!("server_name={NAME}");
        let mut words = vec!["probe", "stun-binding", &peer, "--json"];
        words.extend(["--option", "transport=tls", "--option", &name]);
        let file = named.map(|it| self.write("named.pem", &it.pem()).display().to_string());
        let file = file.map(|path| format!("ca_file={path}"));
        words.extend(file.iter().flat_map(|option| ["--option", option]));
        self.run(&words).await
    }
}

/// A server that hears one piece and goes.
async fn going(identity: Identity) -> SocketAddr {
    let server: TlsAcceptor = identity.server(&TLS13);
    tcp_server(LOOPBACKS[0], move |stream| {
        let server = server.clone();
        async move {
            if let Ok(mut stream) = server.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn who_vouches_is_the_module_s_own_or_only_this_host() {
    let appliance = Authority::new("an appliance");
    let host = Host::trusting(&appliance);
    let peer = going(appliance.issue(|_| {})).await;

    let by_host = host.probe(peer, None).await;
    let by_module = host.probe(peer, Some(&appliance)).await;

    for (seen, word) in [(&by_host, "host"), (&by_module, "ca_file")] {
        assert_eq!(seen["facts"]["tls_trusted_by"], word, "{seen:#}");
        assert_eq!(seen["facts"]["certificate_names"], serde_json::json!([NAME, "127.0.0.1"]));
        assert_eq!(seen["failure"]["reason"], "closed", "it went: {seen:#}");
    }
}

#[tokio::test]
async fn a_chain_that_the_host_trusts_and_the_module_does_not_is_told_so_with_its_certificate() {
    let (appliance, vendor) = (Authority::new("an appliance"), Authority::new("a vendor"));
    let host = Host::trusting(&appliance);
    let peer = going(appliance.issue(|_| {})).await;

    let seen = host.probe(peer, Some(&vendor)).await;

    assert_eq!(seen["failure"]["reason"], "tls_failed", "{seen:#}");
    let message = seen["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("CN=an appliance") && message.contains("whom this host trusts"));
    let facts = &seen["facts"];
    assert_eq!(facts["tls_trusted_by"], "host");
    assert!(facts["certificate_issuer"].as_str().is_some_and(|it| it.contains("an appliance")));
    assert_eq!(facts["certificate_names"][0], NAME);
    assert!(facts["certificate_expires"].as_str().is_some_and(|it| it.starts_with("2040")));
}

#[tokio::test]
async fn nobody_vouches_for_a_stranger() {
    let host = Host::trusting(&Authority::new("an appliance"));
    let peer = going(Authority::new("a stranger").issue(|_| {})).await;

    for named in [None, Some(Authority::new("a vendor"))] {
        let seen = host.probe(peer, named.as_ref()).await;

        assert_eq!(seen["failure"]["reason"], "tls_failed", "{seen:#}");
        assert_eq!(seen["facts"]["tls_trusted_by"], Value::Null, "{seen:#}");
        assert!(seen["facts"]["certificate_issuer"].is_string(), "{seen:#}");
    }
}

#[tokio::test]
async fn a_check_behind_an_inspecting_appliance_names_it_and_what_expires_soon() {
    let (appliance, vendor) = (Authority::new("an appliance"), Authority::new("a vendor"));
    let host = Host::trusting(&appliance);
    let inspected = going(appliance.issue(|_| {})).await;
    let old = going(vendor.issue(|it| {
        it.not_after = (SystemTime::now() + Duration::from_secs(2 * 86_400)).into();
    }));
    let old = old.await;
    let ca = host.write("vendor.pem", &vendor.pem());
    let module = |name: &str, more: &str| {
        format!(
            "[modules.{name}]\nprobe = \"stun-binding\"\ntransport = \"tls\"\n\
             server_name = \"{NAME}\"\n{more}\n"
        )
    };
    let target = |name: &str, peer: SocketAddr, module: &str| {
        format!(
            "[[targets]]\nname = \"{name}\"\naddress = \"{peer}\"\nmodules = [\"{module}\"]\n\n"
        )
    };
    let config = [
        "[site]\nname = \"lyon\"\n\n".to_owned(),
        module("vendors", &format!("ca_file = \"{}\"\n", ca.display())),
        module("anyones", ""),
        target("relay", inspected, "vendors"),
        target("portal", inspected, "anyones"),
        target("old", old, "vendors"),
    ];
    let config = host.write("branchline.toml", &config.concat()).display().to_string();

    let report = host.run(&["check", "--config", &config, "--format", "json"]).await;

    let findings = report["findings"].as_array().expect("a list");
    let of = |rule: &str, subject: &str| {
        let found = findings.iter().find(|it| it["rule"] == rule && it["subject"] == subject);
        found.unwrap_or_else(|| panic!("no {rule} of {subject}: {report:#}"))
    };
    let blocking = of("tls-intercepted", "relay");
    assert_eq!(blocking["severity"], "blocking");
    assert_eq!(blocking["explains"], serde_json::json!(["certificate-invalid: relay"]));
    assert_eq!(of("tls-intercepted", "portal")["severity"], "warning");
    let expiring = of("certificate-expiring", "old");
    assert_eq!((&expiring["severity"], &expiring["owner"]), (&"blocking".into(), &"vendor".into()));
    assert_eq!(report["verdict"], "no_go");
}
