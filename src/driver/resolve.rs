//! Names to addresses, as this host's resolver sees them now: nothing is cached here.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use branchline_probes::locate::{Naptr, Question, RecordKind, Records, Srv};
use branchline_probes::{Failure, Unresolved};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

/// Every address of `host`, and whether a resolver had to be asked.
pub(super) async fn addresses(
    host: &str,
    port: u16,
    patience: Duration,
) -> Result<(Vec<SocketAddr>, bool), Failure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(address, port)], false));
    }
    let found = both_families(host, patience).await;
    let found = found.map_err(|problem| Failure::Unresolved { host: host.to_owned(), problem })?;
    Ok((found.into_iter().map(|address| SocketAddr::new(address, port)).collect(), true))
}

/// The records that a question is for.
pub(super) async fn records(
    question: &Question,
    patience: Duration,
) -> Result<Records, Unresolved> {
    let Question { name, kind } = question;
    let of_type = async |kind| {
        let lookup = timeout(patience, lookup_type(name, kind)).await;
        lookup.unwrap_or(Err(Unresolved::NoAnswer))
    };
    match kind {
        RecordKind::Addresses => both_families(name, patience).await.map(Records::Addresses),
        RecordKind::Naptr => {
            let data = of_type(RecordType::NAPTR).await?;
            some(data.iter().filter_map(naptr).collect()).map(Records::Naptr)
        }
        RecordKind::Srv => {
            let data = of_type(RecordType::SRV).await?;
            some(data.iter().filter_map(srv).collect()).map(Records::Srv)
        }
    }
}

fn some<T>(records: Vec<T>) -> Result<Vec<T>, Unresolved> {
    if records.is_empty() { Err(Unresolved::NoAddress) } else { Ok(records) }
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else { return None };
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: record.flags.to_vec(),
        services: record.services.to_vec(),
        regexp: record.regexp.to_vec(),
        replacement: record.replacement.to_ascii(),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else { return None };
    let (priority, weight, port) = (record.priority, record.weight, record.port);
    Some(Srv { priority, weight, port, target: record.target.to_ascii() })
}

/// Every address of `host`, of both families.
async fn both_families(host: &str, patience: Duration) -> Result<Vec<IpAddr>, Unresolved> {
    let families = [LookupIpStrategy::Ipv4Only, LookupIpStrategy::Ipv6Only];
    let lookups = families.map(|family| timeout(patience, lookup(host, family)));
    let mut addresses = BTreeSet::new();
    let mut worst = Unresolved::NoAddress;
    for found in futures_util::future::join_all(lookups).await {
        match found.unwrap_or(Err(Unresolved::NoAnswer)) {
            Ok(found) => addresses.extend(found),
            // What went wrong with one family counts only where the other gave nothing either.
            Err(Unresolved::NoAddress) => {}
            Err(Unresolved::ResolverFailed) if worst == Unresolved::NoAnswer => {}
            Err(problem) => worst = problem,
        }
    }
    if addresses.is_empty() {
        return Err(worst);
    }
    Ok(addresses.into_iter().take(MOST_ADDRESSES).collect())
}

async fn lookup_type(name: &str, kind: RecordType) -> Result<Vec<RData>, Unresolved> {
    let resolver = resolver(LookupIpStrategy::default()).map_err(|_| Unresolved::NoAnswer)?;
    let found = resolver.lookup(name, kind).await.map_err(|error| problem(&error))?;
    Ok(found.answers().iter().map(|record| record.data.clone()).collect())
}

async fn lookup(host: &str, family: LookupIpStrategy) -> Result<Vec<IpAddr>, Unresolved> {
    let resolver = resolver(family).map_err(|_| Unresolved::NoAnswer)?;
    let found = resolver.lookup_ip(host).await.map_err(|error| problem(&error))?;
    Ok(found.iter().collect())
}

/// Made anew for each resolution, so that a changed `resolv.conf` counts at once and no answer is
/// older than its question.
fn resolver(family: LookupIpStrategy) -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    builder.options_mut().cache_size = 0;
    builder.options_mut().ip_strategy = family;
    builder.build()
}

fn problem(error: &NetError) -> Unresolved {
    if let NetError::Dns(DnsError::NoRecordsFound(_)) = error {
        Unresolved::NoAddress
    } else if let NetError::Dns(_) = error {
        Unresolved::ResolverFailed
    } else {
        Unresolved::NoAnswer
    }
}

/// A name with more addresses is probed at the first ones only.
const MOST_ADDRESSES: usize = 64;
