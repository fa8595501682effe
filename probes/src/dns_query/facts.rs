//! What an exchange of `dns-query` can state.

use std::net::IpAddr;
use std::time::Duration;

use crate::fact::{FactKey, FactSpec, Facts};
use crate::foreign::Foreign;

/// The question, as `NAME TYPE`.
pub const QUESTION: FactKey<Foreign> = FactKey::new("question", "what was asked");
/// Whether the name had a label in front that nobody can have created.
pub const RANDOM_LABEL: FactKey<bool> =
    FactKey::new("random_label", "whether a random label stood in front of the name");
/// Whether a response came at all.
pub const QUERY_SUCCEEDED: FactKey<bool> =
    FactKey::new("query_succeeded", "whether the query had a response, whatever it said")
        .metric("probe_dns_query_succeeded");
/// The response code.
pub const RCODE: FactKey<&'static str> = FactKey::new("rcode", "the response code").telling();
/// The answer section.
pub const ANSWERS: FactKey<Vec<Foreign>> =
    FactKey::new("answers", "the records of the answer, CNAMEs included").telling();
/// How many records of the answer are of the type that was asked for.
pub const ANSWER_COUNT: FactKey<u64> =
    FactKey::new("answer_count", "records of the type that was asked for, aliases apart");
/// How many records the answer section has.
pub const ANSWER_RRS: FactKey<u64> =
    FactKey::new("answer_rrs", "records in the answer section").metric("probe_dns_answer_rrs");
/// How many records the authority section has.
pub const AUTHORITY_RRS: FactKey<u64> =
    FactKey::new("authority_rrs", "records in the authority section")
        .metric("probe_dns_authority_rrs");
/// How many records the additional section has.
pub const ADDITIONAL_RRS: FactKey<u64> =
    FactKey::new("additional_rrs", "records in the additional section, EDNS apart")
        .metric("probe_dns_additional_rrs");
/// The question's name and its aliases.
pub const CHAIN: FactKey<Vec<Foreign>> =
    FactKey::new("chain", "the name that was asked for and where its CNAMEs lead, in their order");
/// The smallest TTL of the answer.
pub const TTL: FactKey<Duration> =
    FactKey::new("ttl_seconds", "the smallest TTL in the answer, CNAMEs included")
        .metric("probe_dns_record_ttl_seconds");
/// The longest TTL of the aliases.
pub const ALIAS_TTL: FactKey<Duration> =
    FactKey::new("alias_ttl_seconds", "the longest TTL of the CNAMEs in the answer");
/// The TTL of what was asked for, behind its aliases.
pub const LAST_TTL: FactKey<Duration> =
    FactKey::new("last_ttl_seconds", "the smallest TTL of the records that were asked for");
/// The zone of the SOA record.
pub const ZONE: FactKey<Foreign> = FactKey::new("zone", "the zone whose SOA record came along");
/// The zone's serial number.
pub const SERIAL: FactKey<u64> =
    FactKey::new("serial", "the serial of the zone's SOA record").metric("probe_dns_serial");
/// How often secondaries ask for a newer version.
pub const REFRESH: FactKey<Duration> =
    FactKey::new("refresh_seconds", "how often the zone's secondaries ask for a newer version");
/// How long the absence of an answer may be cached.
pub const NEGATIVE_TTL: FactKey<Duration> =
    FactKey::new("negative_ttl_seconds", "how long resolvers may remember that there is no answer")
        .metric("probe_dns_negative_ttl_seconds");
/// AA.
pub const AUTHORITATIVE: FactKey<bool> =
    FactKey::new("authoritative", "whether the nameserver is authoritative for the name (AA)")
        .metric("probe_dns_authoritative");
/// RA.
pub const RECURSION_AVAILABLE: FactKey<bool> =
    FactKey::new("recursion_available", "whether the nameserver resolves for others (RA)")
        .metric("probe_dns_recursion_available");
/// AD.
pub const AUTHENTIC: FactKey<bool> =
    FactKey::new("authentic", "whether the nameserver vouches for DNSSEC (AD)")
        .metric("probe_dns_authentic_data");
/// TC.
pub const TRUNCATED: FactKey<bool> =
    FactKey::new("truncated", "whether the answer did not fit a datagram and was asked for by TCP")
        .metric("probe_dns_truncated");
/// The nameserver's name for its machine.
pub const NSID: FactKey<Foreign> =
    FactKey::new("nsid", "what the nameserver calls the machine that answered (NSID)");
/// What the response code alone does not say.
pub const EXTENDED_ERRORS: FactKey<Vec<Foreign>> =
    FactKey::new("extended_errors", "what the nameserver adds to its response code (EDE)");
/// From the query to its response.
pub const RTT: FactKey<Duration> =
    FactKey::new("rtt_seconds", "round trip of the query, where none was repeated")
        .metric("probe_dns_rtt_seconds");
/// Whose clock measured [`RTT`].
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured the round trip: kernel or program");
/// How long the transport's handshakes took.
pub const CONNECT: FactKey<Duration> =
    FactKey::new("connect_seconds", "how long the handshakes of TCP and TLS took")
        .labelled("probe_dns_duration_seconds", &[("phase", "connect")]);
/// How long the response took, repetitions included.
pub const REQUEST: FactKey<Duration> =
    FactKey::new("request_seconds", "from the first query to the response")
        .labelled("probe_dns_duration_seconds", &[("phase", "request")]);
/// How many queries were sent.
pub const TRANSMISSIONS: FactKey<u64> =
    FactKey::new("transmissions", "queries sent by the transport that brought the answer")
        .metric("probe_dns_transmissions");

pub(super) const ALL: [FactSpec; 28] = [
    QUESTION.spec(),
    RANDOM_LABEL.spec(),
    QUERY_SUCCEEDED.spec(),
    RCODE.spec(),
    ANSWERS.spec(),
    ANSWER_COUNT.spec(),
    ANSWER_RRS.spec(),
    AUTHORITY_RRS.spec(),
    ADDITIONAL_RRS.spec(),
    CHAIN.spec(),
    TTL.spec(),
    ALIAS_TTL.spec(),
    LAST_TTL.spec(),
    ZONE.spec(),
    SERIAL.spec(),
    REFRESH.spec(),
    NEGATIVE_TTL.spec(),
    AUTHORITATIVE.spec(),
    RECURSION_AVAILABLE.spec(),
    AUTHENTIC.spec(),
    TRUNCATED.spec(),
    NSID.spec(),
    EXTENDED_ERRORS.spec(),
    RTT.spec(),
    CLOCK.spec(),
    CONNECT.spec(),
    REQUEST.spec(),
    TRANSMISSIONS.spec(),
];

/// The addresses of the A and AAAA records among [`ANSWERS`], sorted, each once.
#[must_use]
pub fn addresses(facts: &Facts) -> Vec<IpAddr> {
    let address = |record: &Foreign| {
        let (kind, data) = record.as_str().split_once(' ')?;
        if matches!(kind, "A" | "AAAA") { data.parse().ok() } else { None }
    };
    let mut found: Vec<IpAddr> =
        facts.read(&ANSWERS).unwrap_or_default().iter().filter_map(address).collect();
    found.sort_unstable();
    found.dedup();
    found
}
