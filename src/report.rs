//! `Report`: one pass over everything, as plain data for every output.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::Observation;

use crate::diagnosis::Diagnosis;
use crate::profile::Profile;
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
    /// What the vendor said; `None` where nobody was asked.
    pub state: Option<Arc<Snapshot>>,
}
