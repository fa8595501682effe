//! Why the vendor's API could not be read.

use std::time::Duration;

use branchline_probes::Foreign;

/// Why the vendor's API could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiProblem {
    /// No connection, no TLS, no answer in time.
    #[error("{host} is unreachable: {detail}")]
    Unreachable {
        /// The host that was called.
        host: String,
        /// What the connection failed with.
        detail: String,
    },
    /// The client id or secret was refused.
    #[error("{host} refuses the client credentials: {detail}")]
    Credentials {
        /// The host that was called.
        host: String,
        /// The vendor's error code.
        detail: Foreign,
    },
    /// The client may not read this.
    #[error("the OAuth client lacks the permission to read {path}: {detail}")]
    Permission {
        /// What was to be read.
        path: &'static str,
        /// The vendor's error code or the missing permission.
        detail: Foreign,
    },
    /// The vendor asks for patience, and the patience that we have is over.
    #[error("{path} is throttled for {}", in_words(*retry_after))]
    Throttled {
        /// What was to be read.
        path: &'static str,
        /// How long the vendor asked to wait.
        retry_after: Duration,
    },
    /// The vendor's service failed.
    #[error("{path} answered {status}")]
    Server {
        /// What was to be read.
        path: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// There is no TLS with the host: its certificate or its version of TLS is refused.
    #[error("no TLS with {host}: {detail}")]
    Tls {
        /// The host that was called.
        host: String,
        /// What is wrong with its certificate, or what the handshake failed with.
        detail: String,
    },
    /// The vendor does not have it.
    #[error("{path} is not there")]
    NotFound {
        /// What was to be read.
        path: &'static str,
    },
    /// What was asked conflicts with what the vendor is doing, and did so again.
    #[error("{path} conflicts with another change ({status})")]
    Conflict {
        /// What was to be read.
        path: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The vendor does not understand the request: ours is at fault.
    #[error("{path} refuses the request ({status}): {code}")]
    Request {
        /// What was to be read.
        path: &'static str,
        /// The HTTP status.
        status: u16,
        /// The vendor's error code.
        code: Foreign,
    },
    /// The answer leads to where no token may go.
    #[error("{path} leads elsewhere: {what}")]
    Denied {
        /// What was to be read.
        path: &'static str,
        /// What was not followed.
        what: &'static str,
    },
    /// No site stands at the location to which the reading is narrowed.
    #[error("the vendor has nothing at location `{location}`")]
    NoSuchLocation {
        /// The location, as it is configured.
        location: String,
    },
    /// The answer was not what the API publishes.
    #[error("{path} answered nonsense: {what}")]
    Malformed {
        /// What was to be read.
        path: &'static str,
        /// What was wrong with it.
        what: &'static str,
    },
}

/// Whole seconds, begun ones included.
fn in_words(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

impl ApiProblem {
    /// The value of the label `reason`: one of a small, fixed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Credentials { .. } => "credentials",
            Self::Permission { .. } => "permission",
            Self::Throttled { .. } => "throttled",
            Self::Server { .. } => "server",
            Self::Tls { .. } => "tls",
            Self::NotFound { .. } => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Request { .. } => "request",
            Self::Denied { .. } => "policy_denied",
            Self::NoSuchLocation { .. } => "location",
            Self::Malformed { .. } => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ApiProblem;

    #[test]
    fn how_long_the_vendor_throttles_is_said_in_whole_seconds() {
        let said = |millis| {
            let retry_after = Duration::from_millis(millis);
            ApiProblem::Throttled { path: "/edges", retry_after }.to_string()
        };

        assert_eq!(said(141_668), "/edges is throttled for 2 min 22 s");
        assert_eq!(said(2_000), "/edges is throttled for 2 s");
        assert_eq!(said(120_000), "/edges is throttled for 2 min");
    }
}
