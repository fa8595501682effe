//! `Contradiction`: we can register where the vendor says that its trunk cannot, and whether the
//! vendor has had the time to notice.

use std::time::{Duration, SystemTime};

use branchline_probes::sip_register::MODE;

use super::{Case, Evidence};
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

impl Evidence {
    /// Every trunk of which we and the vendor say the opposite.
    pub fn contradictions(&self) -> impl Iterator<Item = Contradiction<'_>> {
        let patience = self.patience;
        let linked = self.state.iter().flat_map(|state| {
            let up = self.of("sip-register").filter(|case| has_registered(case));
            up.filter_map(move |case| Some((state, case, case.trunk.as_deref()?)))
        });
        linked.flat_map(move |(state, case, link)| {
            let trunks = state.trunks_of(link).filter(|trunk| is_denied(trunk));
            trunks.filter_map(move |trunk| {
                let tells_from = case.up_since? + patience;
                let is_settled = state.trunks.begun.is_some_and(|begun| begun >= tells_from);
                Some(Contradiction { case, trunk, tells_from, is_settled })
            })
        })
    }
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

/// How long the vendor may take to notice that a registration works.
///
/// A trunk registers when its own interval is over and not when we do. After a refusal a user agent
/// waits half a minute or more by default (RFC 5626 §4.5, appendix A).
pub const PATIENCE: Duration = Duration::from_secs(30);
