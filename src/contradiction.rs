//! `Contradiction`: we can register where the vendor says that its trunk cannot, and whether the
//! vendor has had the time to notice.

use std::time::SystemTime;

use branchline_probes::sip_register::MODE;

use crate::correlation::{Case, Evidence};
use crate::telephony::{Registration, State, Trunk};

/// A trunk that the vendor calls down or unregistered, and where we can register ourselves.
#[derive(Clone, Copy, Debug)]
pub struct Contradiction<'a> {
    /// Our own registration.
    pub case: &'a Case,
    /// What the vendor says.
    pub trunk: &'a Trunk,
    /// From when on a reading of the vendor's state says something of a registrar that works.
    pub tells_from: SystemTime,
    /// Whether the vendor was read that late.
    pub is_settled: bool,
}

/// Every trunk of which we and the vendor say the opposite.
pub fn of(evidence: &Evidence) -> impl Iterator<Item = Contradiction<'_>> {
    let linked = evidence.state.iter().flat_map(|state| {
        let up = evidence.of("sip-register").filter(|case| has_registered(case));
        up.filter_map(move |case| Some((state, case, case.trunk.as_deref()?)))
    });
    linked.flat_map(move |(state, case, link)| {
        let trunks = state.trunks_of(link).filter(|trunk| is_denied(trunk));
        trunks.filter_map(move |trunk| {
            let tells_from = case.up_since? + evidence.patience;
            let is_settled = state.trunks.begun.is_some_and(|begun| begun >= tells_from);
            Some(Contradiction { case, trunk, tells_from, is_settled })
        })
    })
}

/// Whether we can register where the vendor says that this trunk cannot, and it was read before it
/// could have noticed: then nothing is to be said of the trunk yet.
#[must_use]
pub fn is_open(evidence: &Evidence, trunk: &Trunk) -> bool {
    of(evidence).any(|it| !it.is_settled && it.trunk.reference.id == trunk.reference.id)
}

/// Whether we have registered; that a registrar asks for an account is no registration.
fn has_registered(case: &Case) -> bool {
    let mode = case.observation.outcome.facts.read(&MODE);
    case.is_up() && matches!(mode, Some("credentials" | "open"))
}

/// What is switched off on purpose is not expected to work.
fn is_denied(trunk: &Trunk) -> bool {
    let is_down = trunk.state == State::Down || trunk.registration == Registration::Unregistered;
    is_down && !trunk.is_switched_off
}
