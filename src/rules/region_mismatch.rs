//! Rule `region-mismatch`: something is set up for another region than the organisation's.

use branchline_probes::Foreign;

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::{Location, Organization, Reference, Snapshot};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "region-mismatch",
    meaning: "Something is set up for another region than the organisation's: requests and media take a detour, or end where nobody knows this organisation.",
    decided_by: "The region of [telephony], of an edge or of a location is another one than the home region of the organisation, or none of a site's media regions is among those of the organisation. Where the vendor tells no region, nothing is compared.",
    falsified_by: "The same region on both sides.",
    remedy: "Find out which region is meant, and correct the other side.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = &evidence.state else { return Vec::new() };
    let organization = state.organization.items.first();
    let of_ours = organization.and_then(|it| ours(state, it));
    let home = organization.and_then(|it| it.home_region.as_ref());
    // Without a word of the vendor's own, what was configured is the region.
    let expected = home.map(Foreign::as_str).or(state.region);
    let of_things = expected.into_iter().flat_map(|expected| things(evidence, state, expected));
    let of_sites = organization.into_iter().flat_map(|it| sites(state, it));
    of_ours.into_iter().chain(of_things).chain(of_sites).collect()
}

/// The region that is asked.
fn ours(state: &Snapshot, organization: &Organization) -> Option<Finding> {
    let (asked, home) = (state.region?, organization.home_region.as_ref()?.as_str());
    if is_same(asked, home) {
        return None;
    }
    let name = &organization.reference.name;
    let summary = format!("[telephony] asks region {asked}, and {name} lives in {home}");
    let step = format!(
        "Write region = \"{home}\" into [telephony], unless another organisation is meant: then its \
         OAuth client is needed."
    );
    let exhibit = Exhibit::of_state(format!("organisation {name}"), format!("home region {home}"));
    let finding = Finding::new(&RULE, Severity::Warning, Owner::Configuration, name, summary);
    Some(finding.because([exhibit]).next(step))
}

/// Edges and locations of which the vendor tells a region.
fn things(evidence: &Evidence, state: &Snapshot, expected: &str) -> Vec<Finding> {
    let edges = state.edges.items.iter().filter(|edge| evidence.concerns_edge(edge));
    let edges = edges.filter_map(|edge| Some(("edge", &edge.reference, edge.region.as_ref()?)));
    let locations = state.locations.items.iter().filter(|it| is_ours(state, it));
    let locations =
        locations.filter_map(|it| Some(("location", &it.reference, it.region.as_ref()?)));
    edges
        .chain(locations)
        .filter(|(_, _, region)| !is_same(region.as_str(), expected))
        .map(|(kind, thing, region)| elsewhere(kind, thing, region, expected))
        .collect()
}

/// Other offices may well be served by other regions.
fn is_ours(state: &Snapshot, location: &Location) -> bool {
    state.location.as_ref().is_some_and(|name| location.reference.is(name))
}

fn elsewhere(kind: &str, thing: &Reference, region: &Foreign, expected: &str) -> Finding {
    let name = &thing.name;
    let summary = format!("{kind} {name} is of region {region}, the organisation of {expected}");
    let step = format!(
        "If {kind} {name} is not meant to be of region {region}, move it to {expected} in the vendor's \
         administration: its calls and its configuration come from there."
    );
    Finding::new(&RULE, Severity::Warning, Owner::Configuration, name, summary)
        .about(thing)
        .because([Exhibit::of_state(format!("{kind} {name}"), format!("region {region}"))])
        .next(step)
}

/// Sites whose media no region of the organisation handles.
fn sites<'a>(
    state: &'a Snapshot,
    organization: &'a Organization,
) -> impl Iterator<Item = Finding> + 'a {
    let known: Vec<&Foreign> =
        organization.home_region.iter().chain(&organization.media_regions).collect();
    // Who lists no media region has not said which there are.
    let is_listed = !organization.media_regions.is_empty();
    state.sites.items.iter().filter_map(move |site| {
        let is_known =
            |region: &Foreign| known.iter().any(|it| is_same(it.as_str(), region.as_str()));
        if !is_listed || site.media_regions.is_empty() || site.media_regions.iter().any(is_known) {
            return None;
        }
        let name = &site.reference.name;
        let regions: Vec<&str> = site.media_regions.iter().map(Foreign::as_str).collect();
        let regions = regions.join(", ");
        let summary = format!("no media region of site {name} is one of the organisation's");
        let step = format!(
            "Choose for site {name} media regions that the organisation has; it has {}.",
            known.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ")
        );
        let exhibit = Exhibit::of_state(format!("site {name}"), format!("media regions {regions}"));
        let finding = Finding::new(&RULE, Severity::Warning, Owner::Configuration, name, summary);
        Some(finding.about(&site.reference).because([exhibit]).next(step))
    })
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}
