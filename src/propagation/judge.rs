//! The verdict on one question.

use std::net::IpAddr;
use std::time::SystemTime;

use branchline_probes::dns_query::RCODE;
use branchline_probes::{Failure, Observation};

use super::answer::{self, Answer, Records};
use super::edition::{self, Edition};
use super::interception::{self, Why};
use super::serial::is_newer;
use super::{Propagation, Says, Sighting, Standing, expectation};
use crate::correlation::{Case, Evidence};
use crate::sight::{Compare, View};

/// Judges one question, of which the cases stand at `places`.
///
/// `related` is all that is known of the same name.
pub(super) fn of(
    evidence: &Evidence,
    related: &[&Case],
    question: String,
    places: &[usize],
) -> Propagation {
    let cases: Vec<&Case> = places.iter().map(|place| &evidence.cases[*place]).collect();
    let scene = Scene::of(evidence, related, &cases);
    let mut sightings: Vec<Sighting> = places
        .iter()
        .zip(&cases)
        .map(|(place, case)| {
            let says = scene.says(case);
            Sighting {
                case: *place,
                view: answer::view(case),
                target: case.id.target.to_string(),
                name: name(case),
                address: case.observation.address,
                says,
                until: scene.until(case, says),
                ttl: answer::ttl(&case.observation),
                serial: edition::of(related, case).serial(),
                heard: answer::heard(&case.observation),
                records: answer::records(&case.observation),
                reason: case.failure().map(Failure::label),
                rcode: case.observation.outcome.facts.read(&RCODE),
            }
        })
        .collect();
    sightings.sort_by_key(|it| (it.view, it.case));
    let answers: Vec<&Sighting> = sightings.iter().filter(|it| it.says.is_an_answer()).collect();
    let current = answers.iter().filter(|it| it.says == Says::Current).count();
    let share = (!answers.is_empty()).then(|| current as f64 / answers.len() as f64);
    let standing = standing(&answers);
    let by = if standing == Standing::Propagating { by(&answers) } else { None };
    let (since, has_begun_in_view) = scene.since();
    let configured = cases.iter().find_map(|case| case.sight.as_ref()).map(|it| &it.name.expect);
    let is_expected_by_vendor = scene
        .expected
        .iter()
        .any(|it| configured.is_none_or(|configured| !configured.contains(it)));
    Propagation {
        question,
        is_watched: !scene.is_by_module,
        edge_group: cases.iter().find_map(|case| case.edge_group.clone()),
        standing,
        expected: scene.expected,
        is_expected_by_vendor,
        share,
        since,
        has_begun_in_view,
        by,
        sightings,
    }
}

/// What findings call a nameserver: one of several behind a target has its address, too.
fn name(case: &Case) -> String {
    match (&case.sight, case.observation.address) {
        (Some(_), Some(address)) => format!("{} {}", case.id.target, address.ip()),
        (Some(_), None) | (None, _) => case.id.target.to_string(),
    }
}

fn standing(answers: &[&Sighting]) -> Standing {
    let has = |is_it: fn(Says) -> bool| answers.iter().any(|it| is_it(it.says));
    let all = |is_it: fn(Says) -> bool| answers.iter().all(|it| is_it(it.says));
    let is_current = |says| says == Says::Current;
    if answers.is_empty() {
        Standing::Unknown
    } else if all(is_current) {
        Standing::Propagated
    } else if has(|says| matches!(says, Says::MadeUp(_))) {
        Standing::Intercepted
    } else if has(is_current) && has(|says| matches!(says, Says::Stale | Says::Behind)) {
        Standing::Propagating
    } else if !has(is_current) && has(|says| says == Says::Wrong) {
        Standing::WrongAddress
    } else if has(|says| says == Says::Different) {
        Standing::Inconsistent
    } else if all(|says| says == Says::Absent) {
        Standing::NotCreated
    } else {
        Standing::Inconsistent
    }
}

/// When the last older answer will be gone; a resolver may learn the old one again from a
/// nameserver that is behind.
fn by(answers: &[&Sighting]) -> Option<SystemTime> {
    let of = |wanted: Says| answers.iter().filter(move |it| it.says == wanted);
    let latest = |wanted| {
        of(wanted)
            .map(|it| it.until)
            .try_fold(None, |latest, until| until.map(|until| latest.max(Some(until))))
    };
    let (stale, behind) = (latest(Says::Stale)?, latest(Says::Behind)?);
    let again = of(Says::Stale).filter_map(|it| it.ttl).max().unwrap_or_default();
    stale.max(behind.map(|behind| behind + again))
}

/// What is right, and who says what.
struct Scene<'a> {
    related: &'a [&'a Case],
    cases: &'a [&'a Case],
    compare: Compare,
    expected: Vec<IpAddr>,
    /// Whether the modules themselves compare with what is expected.
    is_by_module: bool,
    authorities: Vec<&'a Case>,
    /// What the authoritative nameservers with the newest zone agree on.
    truth: Option<Answer>,
    /// The newest serial.
    newest: Option<u32>,
    /// Whether an authoritative nameserver has changed since serials were asked for.
    has_fresh: bool,
    /// Whether somebody has what is right.
    is_somewhere: bool,
}

impl<'a> Scene<'a> {
    fn of(evidence: &Evidence, related: &'a [&'a Case], cases: &'a [&'a Case]) -> Self {
        let name = cases.iter().find_map(|case| case.sight.as_ref()).map(|sight| &sight.name);
        let speaks = |case: &&&Case| {
            answer::is_authoritative(case)
                && matches!(answer::of(case), Answer::Has(_) | Answer::Absent)
        };
        let authorities: Vec<&Case> = cases.iter().filter(speaks).copied().collect();
        let editions = || authorities.iter().map(|case| edition::of(related, case));
        let newest = editions()
            .filter_map(Edition::serial)
            .reduce(|one, other| if is_newer(other, one) { other } else { one });
        let has_fresh = editions().any(|it| it == Edition::Fresh);
        let mut scene = Self {
            related,
            cases,
            compare: name.map(|name| name.compare).unwrap_or_default(),
            expected: expectation::of(evidence, cases),
            is_by_module: name.is_none(),
            authorities,
            truth: None,
            newest,
            has_fresh,
            is_somewhere: false,
        };
        scene.truth = scene.agreed();
        scene.is_somewhere = cases.iter().any(|case| scene.is_current(case));
        scene
    }

    /// What the newest authoritative nameservers say, where all say the same or one of them says
    /// what is expected.
    fn agreed(&self) -> Option<Answer> {
        let leaders = self.authorities.iter().filter(|case| !self.is_behind(case));
        let answers: Vec<Answer> = leaders.map(|case| answer::of(case)).collect();
        let fits =
            |it: &&Answer| matches!(it, Answer::Has(records) if self.fits(records) == Some(true));
        if let Some(fitting) = answers.iter().find(fits) {
            return Some(fitting.clone());
        }
        let first = answers.first()?;
        let is_same = |other: &Answer| match (first, other) {
            (Answer::Has(one), Answer::Has(other)) => one.is_same(other, self.compare),
            (one, other) => one == other,
        };
        answers.iter().all(is_same).then(|| first.clone())
    }

    /// Whether records are what is expected; `None` where nothing is.
    fn fits(&self, records: &Records) -> Option<bool> {
        if self.is_by_module {
            return Some(!records.is_unexpected);
        }
        let expected = &self.expected;
        // An alias out of the zone has the addresses that another zone gives it.
        (!expected.is_empty() && !records.is_alias_alone).then(|| {
            let found = &records.addresses;
            !found.is_empty()
                && !records.is_cut
                && found.iter().all(|address| expected.contains(address))
        })
    }

    fn is_right(&self, records: &Records) -> bool {
        match (self.fits(records), &self.truth) {
            (Some(fits), _) => fits,
            (None, _) if !self.expected.is_empty() => self.leads_to_what_fits(records),
            (None, Some(Answer::Has(truth))) => truth.is_same(records, self.compare),
            (None, Some(_)) => false,
            // Nobody authoritative can be asked: what there is has to agree.
            (None, None) => self.authorities.is_empty() && self.is_unanimous(records),
        }
    }

    /// Whether this nameserver has what is right. Where neither an expectation nor an authority says
    /// what that is, nobody has it who makes it up for every name.
    fn is_current(&self, case: &Case) -> bool {
        let Answer::Has(records) = answer::of(case) else { return false };
        let is_known = self.fits(&records).is_some() || self.truth.is_some();
        self.is_right(&records) && (is_known || !self.makes_it_up(case) && !records.lead_nowhere())
    }

    fn makes_it_up(&self, case: &Case) -> bool {
        interception::answers_everything(self.related, case)
            && interception::is_what_it_makes_up(self.related, case)
    }

    /// Whether somebody who has what is expected has it behind this alias.
    fn leads_to_what_fits(&self, alias: &Records) -> bool {
        self.cases.iter().any(|case| match answer::of(case) {
            Answer::Has(other) => {
                self.fits(&other) == Some(true) && other.is_same(alias, self.compare)
            }
            Answer::Absent | Answer::Failing | Answer::Silent | Answer::Unknown => false,
        })
    }

    /// Whether all who have anything of their own have this.
    fn is_unanimous(&self, records: &Records) -> bool {
        self.cases.iter().filter(|case| !self.makes_it_up(case)).all(|case| {
            match answer::of(case) {
                Answer::Has(other) => other.lead_nowhere() || records.is_same(&other, self.compare),
                Answer::Absent | Answer::Failing | Answer::Silent | Answer::Unknown => true,
            }
        })
    }

    /// Whether somebody else has a newer version of the zone.
    fn is_behind(&self, case: &Case) -> bool {
        match edition::of(self.related, case) {
            Edition::Fresh => false,
            Edition::Known(serial) => {
                self.has_fresh || self.newest.is_some_and(|newest| is_newer(newest, serial))
            }
            Edition::Untold => self.has_fresh || self.newest.is_some(),
        }
    }

    /// Whether an authoritative nameserver that lacks what is right has the older zone. Where none
    /// that has it tells its serial, the one that lacks it is taken to be older.
    fn is_older(&self, case: &Case) -> bool {
        let mut current = self.authorities.iter().filter(|case| self.is_current(case)).peekable();
        if current.peek().is_none() {
            return self.is_by_module;
        }
        let is_untold = current.all(|it| edition::of(self.related, it) == Edition::Untold);
        (is_untold && !self.has_fresh) || self.is_behind(case)
    }

    fn says(&self, case: &Case) -> Says {
        if answer::is_relayed(case) {
            return Says::MadeUp(Why::Relayed);
        }
        match answer::of(case) {
            Answer::Unknown => Says::Unknown,
            Answer::Silent => Says::Silent,
            Answer::Failing => Says::Failing,
            // Whoever should speak for the zone, and does not, is lame.
            Answer::Has(_) | Answer::Absent
                if answer::view(case) == View::Authoritative && !answer::is_authoritative(case) =>
            {
                Says::Failing
            }
            Answer::Has(_) if self.is_current(case) => Says::Current,
            // Whether it leads to what is expected, nobody has told.
            Answer::Has(records)
                if records.is_alias_alone && !self.expected.is_empty() && !self.is_somewhere =>
            {
                Says::Unknown
            }
            Answer::Has(records) if answer::is_authoritative(case) => self.other(case, &records),
            Answer::Has(records) => self.other_of_resolver(case, &records),
            Answer::Absent if !self.is_somewhere => Says::Absent,
            Answer::Absent if !answer::is_authoritative(case) => Says::Stale,
            Answer::Absent if self.is_older(case) => Says::Behind,
            Answer::Absent => Says::Different,
        }
    }

    /// What an authoritative nameserver says that has other records.
    fn other(&self, case: &Case, records: &Records) -> Says {
        if self.is_somewhere && (self.is_by_module || self.is_behind(case)) {
            Says::Behind
        } else if self.fits(records) == Some(false) && !self.is_somewhere {
            Says::Wrong
        } else {
            Says::Different
        }
    }

    /// What a resolver says that has other records.
    fn other_of_resolver(&self, case: &Case, records: &Records) -> Says {
        let is_old = self.authorities.iter().any(|authority| {
            // The last turn is what it says now.
            authority.turns.iter().rev().skip(1).any(|turn| match answer::of_observation(turn) {
                Answer::Has(earlier) => earlier.is_same(records, self.compare),
                Answer::Absent | Answer::Failing | Answer::Silent | Answer::Unknown => false,
            })
        });
        // RFC 8767 §4: what is served stale has a TTL of its own, and says so.
        let is_old = is_old || answer::is_served_stale(case);
        if !is_old && let Some(why) = self.why_made_up(case) {
            return Says::MadeUp(why);
        }
        let is_denied = self.truth == Some(Answer::Absent);
        if self.is_somewhere || is_old {
            Says::Stale
        } else if self.fits(records) == Some(false) && !is_denied {
            Says::Wrong
        } else {
            Says::Different
        }
    }

    fn why_made_up(&self, case: &Case) -> Option<Why> {
        let has_authority = !self.authorities.is_empty();
        if matches!(answer::of(case), Answer::Has(records) if records.lead_nowhere()) {
            Some(Why::LeadsNowhere)
        } else if self.makes_it_up(case) {
            Some(Why::AnswersEverything)
        } else if has_authority && interception::does_not_count_down(case) {
            Some(Why::DoesNotCountDown)
        } else if interception::outlives_its_ttl(case, &self.authorities) {
            Some(Why::OutlivesItsTtl)
        } else {
            None
        }
    }

    /// Until when an older answer stays.
    fn until(&self, case: &Case, says: Says) -> Option<SystemTime> {
        let heard = answer::heard(&case.observation);
        match says {
            Says::Stale if answer::is_served_stale(case) => None,
            Says::Stale => Some(heard + answer::keeps(&case.observation, self.has_same_way(case))?),
            // It asks for a newer version after this long, counted from when there was one.
            Says::Behind => {
                Some(self.since().0.unwrap_or(heard) + edition::refresh(self.related, case)?)
            }
            Says::Current
            | Says::Absent
            | Says::Wrong
            | Says::Different
            | Says::MadeUp(_)
            | Says::Failing
            | Says::Silent
            | Says::Unknown => None,
        }
    }

    /// Whether the aliases of this answer are those of what is right.
    fn has_same_way(&self, case: &Case) -> bool {
        let facts = &case.observation.outcome.facts;
        let is_same = |records: &Records| records.has_way_of(facts);
        match &self.truth {
            Some(Answer::Has(truth)) => is_same(truth),
            _ => {
                self.cases.iter().filter(|case| self.is_current(case)).any(
                    |case| matches!(answer::of(case), Answer::Has(records) if is_same(&records)),
                )
            }
        }
    }

    /// Since when somebody authoritative is known to have what is right, and whether it was seen
    /// to come.
    fn since(&self) -> (Option<SystemTime>, bool) {
        let has_it = |turn: &Observation| match answer::of_observation(turn) {
            Answer::Has(records) => self.is_right(&records),
            Answer::Absent | Answer::Failing | Answer::Silent | Answer::Unknown => false,
        };
        let first = |case: &Case| {
            // Addresses that take turns are one answer as long as each of them is right.
            let run = case.turns.iter().rev().take_while(|turn| has_it(turn)).count();
            let begins = case.turns.len() - run;
            case.turns.get(begins).map(|turn| (turn.started, begins > 0))
        };
        let found = self.authorities.iter().filter_map(|case| first(case)).min();
        (found.map(|(since, _)| since), found.is_some_and(|(_, is_seen)| is_seen))
    }
}
