//! Why something came to nothing, and the vendor's own name for the attempt.

use branchline_probes::Foreign;

use crate::telephony::{ApiProblem, Part};

/// Why a request came to nothing, and the vendor's own name for the attempt.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) problem: ApiProblem,
    pub(super) correlation: Option<Foreign>,
}

impl From<ApiProblem> for Failed {
    fn from(problem: ApiProblem) -> Self {
        Self { problem, correlation: None }
    }
}

impl Failed {
    /// Why the latest reading of a part came to nothing, if it did.
    pub(super) fn of<T>(part: &Part<T>) -> Option<Self> {
        let problem = part.problem.clone()?;
        Some(Self { problem, correlation: part.correlation.clone() })
    }
}
