//! Rule `egress-mismatch`: this site leaves by an address that the vendor does not expect.

use std::collections::BTreeSet;
use std::net::IpAddr;

use branchline_probes::Foreign;
use branchline_probes::stun_binding::MAPPED_ADDRESS;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::network::{Network, host_of_uri, is_public, is_same_site};
use crate::telephony::{Phone, Reference, Snapshot};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "egress-mismatch",
    meaning: "This site leaves to the Internet by another address than its phones do, than the vendor lets in, or by several: calls are refused or go one way only.",
    decided_by: "The addresses from which STUN servers see us, beside each other, beside the allow list of this location, beside that of a trunk whose other end stands on site, and beside the public contact addresses of this location's phones. Each family of addresses is compared by itself; of IPv6 the site's prefix of 48 bits. Private and shared addresses say nothing.",
    falsified_by: "One address on all sides.",
    remedy: "Compare the routing of this host with that of the phones: a second uplink, a VPN or a proxy may take a part of the traffic elsewhere.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let seen: Vec<Seen<'_>> = evidence.of("stun-binding").filter_map(Seen::new).collect();
    let mut findings: Vec<Finding> = several(&seen).collect();
    if let Some(state) = &evidence.state {
        findings.extend(locations(state, &seen));
        findings.extend(trunks(evidence, state, &seen));
        findings.extend(contacts(state, &seen));
    }
    findings
}

/// From where a STUN server on the Internet sees us.
#[derive(Clone, Copy)]
struct Seen<'a> {
    case: &'a Case,
    from: IpAddr,
}

impl<'a> Seen<'a> {
    fn new(case: &'a Case) -> Option<Self> {
        let from = case.observation.outcome.facts.read(&MAPPED_ADDRESS)?.ip().to_canonical();
        (case.is_up() && is_public(from)).then_some(Self { case, from })
    }

    fn exhibit(&self) -> Exhibit {
        Exhibit::measured(self.case, format!("sees us as {}", self.from))
    }
}

/// More than one way out of one family.
fn several<'a>(seen: &'a [Seen<'a>]) -> impl Iterator<Item = Finding> + 'a {
    [true, false].into_iter().filter_map(move |is_ipv4| {
        let of_family = || seen.iter().filter(move |it| it.from.is_ipv4() == is_ipv4);
        let first = of_family().next()?.from;
        if of_family().all(|it| is_same_site(first, it.from)) {
            return None;
        }
        let addresses: BTreeSet<IpAddr> = of_family().map(|it| it.from).collect();
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let family = if is_ipv4 { "IPv4" } else { "IPv6" };
        let summary = format!("this site leaves by several {family} addresses: {}", shown.join(", "));
        let step = "Find out which uplink, VPN or address pool sends which server's packets where; a \
                    call whose signalling and media leave by different addresses may be refused, and \
                    an allow list needs all of them.";
        let subject = format!("egress over {family}");
        let finding =
            Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, subject, summary);
        Some(finding.because(of_family().map(Seen::exhibit)).next(step))
    })
}

/// The allow list of the location at which we are.
fn locations(state: &Snapshot, seen: &[Seen<'_>]) -> Vec<Finding> {
    let Some(name) = &state.location else { return Vec::new() };
    let here = state.locations.items.iter().filter(|it| it.reference.is(name));
    here.filter_map(|location| {
        let refused = refused(&location.allowed, seen);
        let is_required = refused.iter().any(|it| it.case.required);
        not_allowed("location", &location.reference, &location.allowed, &refused, is_required)
    })
    .collect()
}

/// The allow lists of trunks whose other end stands on this site, so that its packets leave as ours
/// do. Whose other end is elsewhere is let in by addresses of its own.
fn trunks(evidence: &Evidence, state: &Snapshot, seen: &[Seen<'_>]) -> Vec<Finding> {
    let settings = state.trunk_settings.items.iter();
    settings
        .filter_map(|settings| {
            let is_of = |link: &str| {
                let mut trunks = state.trunks_of(link);
                settings.reference.is(link)
                    || trunks.any(|it| {
                        it.base.as_ref().is_some_and(|base| base.id == settings.reference.id)
                    })
            };
            let ends: Vec<&Case> = evidence
                .cases
                .iter()
                .filter(|case| case.trunk.as_deref().is_some_and(is_of))
                .filter(|case| case.observation.address.is_some_and(|it| !is_public(it.ip())))
                .collect();
            if ends.is_empty() {
                return None;
            }
            let refused = refused(&settings.allowed, seen);
            let is_required = ends.iter().any(|case| case.required);
            not_allowed(
                "trunk settings",
                &settings.reference,
                &settings.allowed,
                &refused,
                is_required,
            )
        })
        .collect()
}

/// From where we are seen and a list does not let us in; nothing where it names nobody of that
/// family, or nobody at all.
fn refused<'a>(allowed: &[Foreign], seen: &[Seen<'a>]) -> Vec<Seen<'a>> {
    let networks: Vec<Network> =
        allowed.iter().filter_map(|text| Network::parse(text.as_str())).collect();
    let is_refused = |it: &&Seen<'a>| {
        let mut of_family =
            networks.iter().filter(|network| network.is_of_family(it.from)).peekable();
        of_family.peek().is_some() && !of_family.any(|network| network.contains(it.from))
    };
    seen.iter().filter(is_refused).copied().collect()
}

fn not_allowed(
    kind: &str,
    thing: &Reference,
    allowed: &[Foreign],
    refused: &[Seen<'_>],
    is_required: bool,
) -> Option<Finding> {
    if refused.is_empty() {
        return None;
    }
    let name = &thing.name;
    let addresses: BTreeSet<IpAddr> = refused.iter().map(|it| it.from).collect();
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    let summary = format!("this site leaves by {shown}, which {kind} {name} does not let in");
    let step = format!(
        "Add {shown} to the allow list of {kind} {name}, if it is the address of this site's uplink; \
         else find out which VPN or second uplink takes the traffic there."
    );
    let first: Vec<&str> = allowed.iter().take(SHOWN).map(Foreign::as_str).collect();
    let more = allowed.len() - first.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let listed =
        Exhibit::of_state(format!("{kind} {name}"), format!("lets in {}{more}", first.join(", ")));
    let severity = Severity::where_required(is_required);
    let finding = Finding::new(&RULE, severity, Owner::Configuration, name, summary);
    let seen = refused.iter().map(Seen::exhibit);
    Some(finding.about(thing).because(seen).because([listed]).next(step))
}

/// Phones of this location that the vendor sees elsewhere than the STUN servers see us.
fn contacts(state: &Snapshot, seen: &[Seen<'_>]) -> Option<Finding> {
    // Of phones of other offices, other addresses are right.
    state.location.as_ref()?;
    let elsewhere: Vec<(&Phone, IpAddr)> = state
        .phones
        .items
        .iter()
        .filter_map(|phone| Some((phone, elsewhere(phone, seen)?)))
        .collect();
    let (_, first) = elsewhere.first()?;
    let of_family = seen.iter().filter(|it| it.from.is_ipv4() == first.is_ipv4());
    let addresses: BTreeSet<IpAddr> = elsewhere.iter().map(|(_, address)| *address).collect();
    let shown: Vec<String> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    let summary = format!(
        "{} of {} phones leave by another address than this host: {}",
        elsewhere.len(),
        state.phones.items.len(),
        shown.join(", ")
    );
    let step = "Compare the default route of the phones' VLAN with that of this host: where they \
                leave by another uplink or a VPN, what is measured here says nothing of their way.";
    let phones = elsewhere.iter().take(SHOWN).map(|(phone, address)| {
        Exhibit::of_state(format!("phone {}", phone.reference.name), format!("contact {address}"))
    });
    Some(
        Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, "phones", summary)
            .because(of_family.map(Seen::exhibit))
            .because(phones)
            .next(step),
    )
}

/// The public contact of a phone, where it has one of a family in which we are seen, and none of
/// that family leads into the same site.
fn elsewhere(phone: &Phone, seen: &[Seen<'_>]) -> Option<IpAddr> {
    let contacts = phone.lines.iter().flat_map(|line| &line.contacts);
    let mut contacts = contacts
        .filter_map(|uri| host_of_uri(uri.as_str()))
        .map(|address| address.to_canonical())
        .filter(|address| is_public(*address));
    contacts.find(|contact| {
        let mut of_family =
            seen.iter().filter(|it| it.from.is_ipv4() == contact.is_ipv4()).peekable();
        of_family.peek().is_some() && !of_family.any(|it| is_same_site(it.from, *contact))
    })
}

/// A report names some; the vendor's administration lists all.
const SHOWN: usize = 5;
