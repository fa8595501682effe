//! What a walk down the delegation adds: whom it met, who was silent, and who answered in whose place.

use branchline::diagnosis::{Owner, Severity};
use branchline::sight::View;
use branchline_probes::dns_delegation::RELAYED;
use branchline_probes::{Phase, Unresolved};

use super::site::{Asked, Said, Site, walk_of_name, watched};

const ROOT: &str = "192.0.2.1:53";
const NOT_LED: Said = Said::Unresolved(Unresolved::NotLed);

fn resolver() -> Asked {
    watched(View::Site, "192.0.2.53:53")
}

fn authority() -> Asked {
    watched(View::Authoritative, "192.0.2.31:53")
}

#[test]
fn nobody_is_down_where_somebody_on_the_way_answers_in_their_place() {
    let walk = walk_of_name(ROOT).stating(&RELAYED, 1);
    let site = Site::new()
        .saw(&resolver().with_records(&["A 198.51.100.80"], 60), Said::Works)
        .saw(&authority(), NOT_LED)
        .saw(&walk, Said::Unexpected);

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["dns-intercepted"]);
    let finding = &diagnosis.findings[0];
    assert_eq!((finding.owner, finding.severity), (Owner::SiteNetwork, Severity::Warning));
    assert_eq!(finding.explains, ["dns-resolver-down: authoritative nameservers"]);
    assert_eq!(finding.evidence[0].text, "asked without recursion, 1 answered as a resolver does");
}

#[test]
fn a_walk_that_was_referred_has_met_somebody_beyond_the_site() {
    let site = |answered: &[Phase]| {
        Site::new()
            .saw(&resolver(), Said::Silence(7))
            .saw(&watched(View::Public, "192.0.2.54:53"), Said::Silence(7))
            .saw(&authority(), NOT_LED)
            .saw(&walk_of_name(ROOT).until(answered, Phase::Delegation), Said::Silence(7))
    };

    assert_eq!(site(&[]).found(), ["internet-down"]);
    assert_eq!(site(&[Phase::Request]).judged_by("internet-down"), []);
    let down = site(&[Phase::Request]).judged_by("dns-resolver-down");
    assert_eq!(down.len(), 3, "each resolver, and those to whom the walk led: {down:#?}");
}

#[test]
fn one_silent_authority_of_several_is_the_business_of_those_who_run_the_zone() {
    let answer = |asked: Asked| asked.with_records(&["A 198.51.100.80"], 60);
    let silent = watched(View::Authoritative, "192.0.2.32:53").of_module("other");
    let site = Site::new()
        .saw(&answer(resolver()), Said::Works)
        .saw(&answer(authority()), Said::Works)
        .saw(&silent, Said::Silence(7));

    let finding = site.diagnosis().findings.remove(0);

    assert_eq!(site.found(), ["dns-resolver-down"]);
    assert_eq!((finding.owner, finding.severity), (Owner::Dns, Severity::Warning));
}
