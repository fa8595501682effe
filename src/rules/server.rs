//! What the rules about servers share: whether a server itself says that it does not serve.

use branchline_probes::{Failure, Refusal};

use crate::correlation::Case;

/// What the server of this case says of itself, where it says that nobody serves `protocol` there
/// or that it fails (5xx); `name` is what people call it.
pub(super) fn trouble(case: &Case, protocol: &str, name: &str) -> Option<String> {
    let failure = case.failure()?;
    if let Failure::Refused { peer, by, refusal: Refusal::Port | Refusal::Reset } = failure {
        // Another host that answers for the server is a filter, not the server.
        let by_itself = by.is_none_or(|by| by == peer.ip());
        by_itself.then(|| format!("nobody serves {protocol} at {peer}"))
    } else if let Failure::Rejected { peer, code: code @ 500..600, reason } = failure {
        Some(format!("the {name} at {peer} fails: {code} {reason}"))
    } else {
        None
    }
}
