//! What a response says, as facts, and whether it is what the module asks for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::DnsModule;
use super::super::facts::{
    ADDITIONAL_RRS, ALIAS_TTL, ANSWER_COUNT, ANSWER_RRS, ANSWERS, AUTHENTIC, AUTHORITATIVE,
    AUTHORITY_RRS, CHAIN, EXTENDED_ERRORS, LAST_TTL, NEGATIVE_TTL, NSID, QUERY_SUCCEEDED, RCODE,
    RECURSION_AVAILABLE, REFRESH, SERIAL, TTL, ZONE,
};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::wire::dns::{ExtendedError, Response};

/// States everything that the response tells.
pub(super) fn state(response: &Response, conversation: &mut Conversation) {
    conversation.state(&QUERY_SUCCEEDED, true);
    conversation.state(&RCODE, Response::rcode_word(response.rcode));
    conversation.state(&AUTHORITATIVE, response.authoritative);
    conversation.state(&RECURSION_AVAILABLE, response.recursion_available);
    conversation.state(&AUTHENTIC, response.authentic);
    let [answers, authorities, additionals] = response.counts;
    conversation.state(&ANSWER_RRS, answers);
    conversation.state(&AUTHORITY_RRS, authorities);
    conversation.state(&ADDITIONAL_RRS, additionals);
    if let Some(ttl) = response.answers.iter().map(|record| record.ttl).min() {
        conversation.state(&TTL, seconds(ttl));
    }
    let ttls = |is_last: bool| {
        let records = response.answers.iter();
        records.filter(move |it| it.is_of_asked_type == is_last).map(|it| it.ttl)
    };
    if let Some(ttl) = ttls(false).max() {
        conversation.state(&ALIAS_TTL, seconds(ttl));
    }
    if let Some(ttl) = ttls(true).min() {
        conversation.state(&LAST_TTL, seconds(ttl));
    }
    if let Some(soa) = &response.soa {
        conversation.state(&ZONE, Foreign::new(&soa.zone));
        conversation.state(&SERIAL, soa.serial.into());
        conversation.state(&REFRESH, seconds(soa.refresh));
        if !response.has_asked_type() {
            conversation.state(&NEGATIVE_TTL, seconds(soa.negative_ttl));
        }
    }
    let count = response.answers.iter().filter(|record| record.is_of_asked_type).count();
    conversation.state(&ANSWER_COUNT, count as u64);
    let mut answers: Vec<Foreign> =
        response.answers.iter().map(|record| Foreign::new(&record.text)).collect();
    if answers.len() > KEPT {
        // Whatever order they come in, the same ones are kept.
        answers.sort();
        answers.truncate(KEPT);
    }
    conversation.state(&ANSWERS, answers);
    conversation.state(&CHAIN, response.chain.iter().map(Foreign::new).collect());
    if let Some(nsid) = response.nsid.as_ref().filter(|nsid| !nsid.is_empty()) {
        conversation.state(&NSID, Foreign::new(nsid));
    }
    if !response.extended_errors.is_empty() {
        let errors = response.extended_errors.iter().take(SHOWN).map(shown).collect();
        conversation.state(&EXTENDED_ERRORS, errors);
    }
}

/// Whether it is what the module asks for.
pub(super) fn judge(
    response: &Response,
    module: &DnsModule,
    peer: SocketAddr,
) -> Result<(), Failure> {
    const NXDOMAIN: u16 = 3;
    // Nobody can have created the name: that it is not there is what was to be seen.
    if module.has_random_label && matches!(response.rcode, 0 | NXDOMAIN) {
        return made_up(response, module, peer);
    }
    // RFC 2308 §3: whoever is authoritative shows the zone's SOA where there is no such record, too.
    let tells_zone = module.question.is_of_zone() && !module.asking.recursion;
    let is_told = response.authoritative && response.soa.is_some();
    if tells_zone && is_told && matches!(response.rcode, 0 | NXDOMAIN) {
        return Ok(());
    }
    if response.rcode != 0 {
        let reason = Foreign::new(Response::rcode_word(response.rcode));
        return Err(Failure::Rejected { peer, code: response.rcode, reason });
    }
    let unexpected = |found: String, expected: String| {
        Err(Failure::UnexpectedAnswer { peer, found: Foreign::new(found), expected })
    };
    let expect = &module.expect;
    if !response.has_asked_type() {
        let found = match response.answers.last() {
            // Who does not resolve for others may know the alias and not where it leads.
            Some(_) if !module.asking.recursion && expect.is_empty() => return Ok(()),
            Some(alias) => format!("the alias {} alone", alias.text),
            None if response.soa.is_some() => "no data".to_owned(),
            None => "a referral, or nothing".to_owned(),
        };
        return unexpected(found, format!("an answer to {}", module.question));
    }
    let found: Vec<IpAddr> = response.answers.iter().filter_map(|it| it.address).collect();
    if !expect.is_empty() && !found.iter().all(|address| expect.contains(address)) {
        return unexpected(listed(&found), listed(expect));
    }
    Ok(())
}

fn made_up(response: &Response, module: &DnsModule, peer: SocketAddr) -> Result<(), Failure> {
    match response.answers.last() {
        None => Ok(()),
        Some(record) => Err(Failure::UnexpectedAnswer {
            peer,
            found: Foreign::new(&record.text),
            expected: format!("no such name, for a random label under {}", module.question),
        }),
    }
}

fn shown(error: &ExtendedError) -> Foreign {
    let head = format!("{} ({})", error.code, error.purpose());
    if error.text.is_empty() {
        return Foreign::new(head);
    }
    Foreign::new([head.as_bytes(), b": ", &error.text].concat())
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    if texts.is_empty() { "no address".to_owned() } else { texts.join(", ") }
}

const fn seconds(count: u32) -> Duration {
    Duration::from_secs(count as u64)
}

/// How many records an observation keeps.
const KEPT: usize = 64;
/// How many extended errors.
const SHOWN: usize = 32;
