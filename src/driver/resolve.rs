//! Names to addresses, as this host's resolver sees them now: nothing is cached here.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use branchline_probes::{Failure, Unresolved};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::{DnsError, NetError};
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
    let unresolved = |problem| Failure::Unresolved { host: host.to_owned(), problem };
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
        return Err(unresolved(worst));
    }
    let addresses = addresses.into_iter().take(MOST_ADDRESSES);
    Ok((addresses.map(|address| SocketAddr::new(address, port)).collect(), true))
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
