//! What `dig` says of a question, and whether the product says the same.

use std::net::SocketAddr;
use std::time::Duration;

use crate::agent::Probed;
use crate::process::{program, run, text, words};

/// What `dig` said.
#[derive(Debug, Default)]
pub(crate) struct Dug {
    pub(crate) rcode: String,
    pub(crate) flags: Vec<String>,
    /// Each record of the answer: name, TTL, class, type and data.
    pub(crate) answers: Vec<Vec<String>>,
    /// Each record of the authority section, the same way.
    pub(crate) authority: Vec<Vec<String>>,
    /// Each record of the additional section, the same way.
    pub(crate) additional: Vec<Vec<String>>,
}

impl Dug {
    /// Whether the header has a flag, such as `aa`.
    pub(crate) fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|have| have == flag)
    }

    /// The TTL of the first answer, in seconds.
    pub(crate) fn ttl(&self) -> Option<u64> {
        self.answers.first()?.get(1)?.parse().ok()
    }

    /// The data of each record of the answer.
    pub(crate) fn data(&self) -> Vec<String> {
        data(&self.answers)
    }

    fn soa(&self) -> Option<&Vec<String>> {
        self.answers.iter().chain(&self.authority).find(|record| record.get(3).is_some_and(is_soa))
    }

    /// The serial of the zone, where a SOA record is at hand.
    pub(crate) fn serial(&self) -> Option<u64> {
        self.soa()?.get(6)?.parse().ok()
    }

    /// For how many seconds "no" holds: the lesser of the SOA's TTL and its last field
    /// (RFC 2308 §5).
    pub(crate) fn negative_ttl(&self) -> Option<u64> {
        let soa = self.soa()?;
        let (own, minimum): (u64, u64) = (soa.get(1)?.parse().ok()?, soa.get(10)?.parse().ok()?);
        Some(own.min(minimum))
    }
}

/// Asks with `dig`, inside of `wrapper` (the words that enter a namespace), and reads its words.
pub(crate) fn ask(
    wrapper: &[String],
    server: SocketAddr,
    name: &str,
    kind: &str,
    options: &[&str],
) -> Result<Dug, String> {
    let dig = program("dig", "bind9-dnsutils").display().to_string();
    let (address, port) = (format!("@{}", server.ip()), server.port().to_string());
    let mut command = words(wrapper, &[&dig, "-r", &address, "-p", &port, name, kind]);
    command.arg("+time=2").args(options);
    let output = run(&command);
    let said = text(&output.stdout);
    let mut dug = Dug::default();
    let mut section = "";
    for line in said.lines() {
        if let Some((_, rest)) = line.split_once("status: ") {
            rest.split(',').next().unwrap_or_default().clone_into(&mut dug.rcode);
        } else if let Some(rest) = line.strip_prefix(";; flags: ") {
            let flags = rest.split(';').next().unwrap_or_default();
            dug.flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some(name) = line.strip_prefix(";; ") {
            section = name;
        } else if !line.is_empty() && !line.starts_with(';') {
            let record = line.split_whitespace().map(str::to_owned).collect();
            match section {
                "ANSWER SECTION:" => dug.answers.push(record),
                "AUTHORITY SECTION:" => dug.authority.push(record),
                "ADDITIONAL SECTION:" => dug.additional.push(record),
                _ => (),
            }
        }
    }
    if dug.rcode.is_empty() { Err(said + &text(&output.stderr)) } else { Ok(dug) }
}

/// Asserts that the probe and `dig` saw the same code, flags, TTLs, serial and number of records.
#[track_caller]
pub(crate) fn assert_agree(probed: &Probed, dug: &Dug) {
    let both = || format!("{probed:#?}\n{dug:#?}");
    assert_eq!(probed.fact("rcode"), dug.rcode.as_str(), "{}", both());
    assert_eq!(probed.fact("authoritative"), dug.has_flag("aa"), "{}", both());
    assert_eq!(probed.fact("recursion_available"), dug.has_flag("ra"), "{}", both());
    assert_eq!(answers(probed).len(), dug.answers.len(), "{}", both());
    let seconds = |fact: &str| probed.fact(fact).as_f64();
    let as_seconds = |count: u64| Duration::from_secs(count).as_secs_f64();
    if let Some(ttl) = dug.ttl() {
        assert_eq!(seconds("ttl_seconds"), Some(as_seconds(ttl)), "{}", both());
    } else {
        let negative = dug.negative_ttl().map(as_seconds);
        assert_eq!(seconds("negative_ttl_seconds"), negative, "{}", both());
    }
    if let Some(serial) = dug.serial() {
        assert_eq!(probed.fact("serial"), serial, "{}", both());
    }
}

/// The records of the answer, as the probe shows them.
pub(crate) fn answers(probed: &Probed) -> Vec<&str> {
    let list = probed.fact("answers").as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(serde_json::Value::as_str).collect()
}

/// The data of each record of a section.
pub(crate) fn data(section: &[Vec<String>]) -> Vec<String> {
    section.iter().map(|record| record.get(4..).unwrap_or_default().join(" ")).collect()
}

fn is_soa(kind: &String) -> bool {
    kind == "SOA"
}
