//! `Report`: one pass over everything, as plain data for every output.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::Observation;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::Diagnosis;
use crate::profile::Profile;
use crate::propagation::{self, Propagation};
use crate::telephony::Snapshot;

/// One pass over everything.
#[derive(Clone, Debug)]
pub struct Report {
    /// The site that was looked at.
    pub site: String,
    /// Whose limits hold.
    pub profile: Arc<Profile>,
    /// When the pass began.
    pub started: SystemTime,
    /// How long it took.
    pub elapsed: Duration,
    /// What it means.
    pub diagnosis: Diagnosis,
    /// What was seen.
    pub observations: Vec<Arc<Observation>>,
    /// What the views of the watched names amount to.
    pub names: Vec<Propagation>,
    /// What was seen beside those names.
    pub listed: Vec<Arc<Observation>>,
    /// What the vendor said; `None` where nobody was asked.
    pub state: Option<Arc<Snapshot>>,
}

impl Report {
    /// The report of a pass that began at `started`, by what is known at its end.
    #[must_use]
    pub fn new(
        site: String,
        started: SystemTime,
        elapsed: Duration,
        evidence: &Evidence,
        diagnosis: Diagnosis,
    ) -> Self {
        let observation = |case: &Case| Arc::clone(&case.observation);
        let by_hand = evidence.cases.iter().filter(|case| case.sight.is_none());
        Self {
            site,
            profile: Arc::clone(&evidence.profile),
            started,
            elapsed,
            diagnosis,
            observations: evidence.cases.iter().map(observation).collect(),
            names: propagation::of(evidence).into_iter().filter(|it| it.is_watched).collect(),
            listed: by_hand.map(observation).collect(),
            state: evidence.state.clone(),
        }
    }
}
