//! Names to addresses, as this host's resolver sees them now: nothing is cached here.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use branchline_probes::{Failure, Unresolved};
use hickory_resolver::TokioResolver;
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
    let resolver = resolver().map_err(|_| unresolved(Unresolved::NoAnswer))?;
    let lookup = match timeout(patience, resolver.lookup_ip(host)).await {
        Ok(Ok(lookup)) => lookup,
        Ok(Err(error)) => return Err(unresolved(problem(&error))),
        Err(_) => return Err(unresolved(Unresolved::NoAnswer)),
    };
    let addresses: BTreeSet<SocketAddr> =
        lookup.iter().map(|address| SocketAddr::new(address, port)).collect();
    if addresses.is_empty() {
        return Err(unresolved(Unresolved::NoAddress));
    }
    Ok((addresses.into_iter().take(MOST_ADDRESSES).collect(), true))
}

/// Made anew for each resolution, so that a changed `resolv.conf` counts at once and no answer is
/// older than its question.
fn resolver() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    builder.options_mut().cache_size = 0;
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
