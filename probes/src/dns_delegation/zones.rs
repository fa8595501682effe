//! `Zones`: what the way down has told of zones and their nameservers, and who of them may be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::verdict::Fate;
use crate::admission::reaches_as_far;
use crate::foreign::Foreign;
use crate::wire::dns::delegation::{AddressRecord, DomainName, NsRecord};

/// Where a question is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the server that the module was told to begin with.
    Start,
    /// At the servers of this zone.
    Zone(DomainName),
}

impl Place {
    /// The zone whose servers these are. The start was configured and not claimed by anybody: it is
    /// taken at its word as the root is.
    pub(super) fn zone(&self) -> DomainName {
        match self {
            Self::Start => DomainName::root(),
            Self::Zone(zone) => zone.clone(),
        }
    }
}

/// A zone's nameservers, as its delegation names them.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) nameservers: Vec<Nameserver>,
    /// The smallest TTL of the NS records and the addresses, in seconds.
    pub(super) ttl: u32,
    /// Nameservers, and addresses of nameservers, beyond the bounds.
    left_out: BTreeSet<(DomainName, Option<IpAddr>)>,
    /// Who did not answer once: they come last.
    slow: BTreeSet<IpAddr>,
}

#[derive(Clone, Debug)]
pub(super) struct Nameserver {
    pub(super) name: DomainName,
    pub(super) addresses: Vec<IpAddr>,
    /// Whether its name was walked to, in vain.
    is_hopeless: bool,
}

impl Nameserver {
    fn new(name: DomainName) -> Self {
        Self { name, addresses: Vec::new(), is_hopeless: false }
    }
}

impl Zone {
    fn new(records: &[NsRecord]) -> Self {
        let mut names: BTreeSet<DomainName> =
            records.iter().map(|record| record.nameserver.clone()).collect();
        let beyond = names.iter().nth(MOST_NAMESERVERS).cloned();
        let left_out = beyond.map(|first| names.split_off(&first)).unwrap_or_default();
        Self {
            nameservers: names.into_iter().map(Nameserver::new).collect(),
            ttl: records.iter().map(|record| record.ttl).min().unwrap_or_default(),
            left_out: left_out.into_iter().map(|name| (name, None)).collect(),
            slow: BTreeSet::new(),
        }
    }

    /// Its only nameserver has an address and no name.
    fn of_one(address: IpAddr) -> Self {
        let mut nameserver = Nameserver::new(DomainName::root());
        nameserver.addresses.push(address);
        let (left_out, slow) = (BTreeSet::new(), BTreeSet::new());
        Self { nameservers: vec![nameserver], ttl: 0, left_out, slow }
    }

    /// Every address, each once, in the order of the nameservers' names.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for address in self.nameservers.iter().flat_map(|it| &it.addresses) {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        addresses
    }

    /// Every nameserver with each of its addresses.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&DomainName, IpAddr)> {
        self.nameservers
            .iter()
            .flat_map(|it| it.addresses.iter().map(|address| (&it.name, *address)))
    }

    /// Every nameserver of which no address was found.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = &DomainName> {
        let is_left_out = |name| self.left_out.iter().any(|(it, _)| it == name);
        let names = self.nameservers.iter().filter(|it| it.addresses.is_empty());
        names.map(|it| &it.name).filter(move |name| !is_left_out(*name))
    }

    /// How many nameservers, and addresses of nameservers, are beyond the bounds.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.len() as u64
    }

    fn room(&self) -> usize {
        MOST_ADDRESSES.saturating_sub(self.pairs().count())
    }

    /// Whom to ask next: somebody who met no fate yet, of the start's family, which is known to
    /// work, before the other.
    pub(super) fn next_address(
        &self,
        fates: &BTreeMap<IpAddr, Fate>,
        start: IpAddr,
    ) -> Option<IpAddr> {
        let open = self.addresses().into_iter().filter(|address| !fates.contains_key(address));
        let last =
            |address: &IpAddr| (self.slow.contains(address), address.is_ipv4() != start.is_ipv4());
        open.min_by_key(last)
    }

    /// A nameserver whose address is to be found next, unless that is `under_way` already.
    pub(super) fn next_name(&self, under_way: &[DomainName]) -> Option<DomainName> {
        let mut open = self.nameservers.iter().filter(|it| {
            it.addresses.is_empty() && !it.is_hopeless && !under_way.contains(&it.name)
        });
        if self.room() == 0 {
            return None;
        }
        open.next().map(|it| it.name.clone())
    }
}

pub(super) struct Zones {
    start: IpAddr,
    beginning: Zone,
    known: BTreeMap<DomainName, Zone>,
    refused: BTreeSet<Foreign>,
}

impl Zones {
    pub(super) fn new(start: IpAddr) -> Self {
        let (known, refused) = (BTreeMap::new(), BTreeSet::new());
        Self { start, beginning: Zone::of_one(start), known, refused }
    }

    pub(super) fn start(&self) -> IpAddr {
        self.start
    }

    /// Those who serve a place.
    pub(super) fn at(&self, place: &Place) -> &Zone {
        match place {
            Place::Start => &self.beginning,
            Place::Zone(apex) => self.zone(apex).unwrap_or(&self.beginning),
        }
    }

    pub(super) fn zone(&self, apex: &DomainName) -> Option<&Zone> {
        self.known.get(apex)
    }

    /// The deepest zone that may hold `name` and of which somebody can be asked.
    pub(super) fn closest(&self, name: &DomainName) -> Place {
        let mut apex = name.clone();
        loop {
            if self.zone(&apex).is_some_and(|zone| !zone.addresses().is_empty()) {
                return Place::Zone(apex);
            }
            if apex.is_root() {
                return Place::Start;
            }
            apex = apex.parent();
        }
    }

    /// Claimed addresses that are not spoken to.
    pub(super) fn refused(&self) -> Vec<Foreign> {
        self.refused.iter().cloned().collect()
    }

    /// Takes in who serves `apex`, as a server of `bailiwick` says; whether there is room for one
    /// more zone.
    ///
    /// Addresses come from the additional section, the least trustworthy of all (RFC 2181 §5.4.1):
    /// any server could claim an address of any name there. So they are taken only of hosts at or
    /// below the zone for which this server speaks anyway: in it, or below a cut that it makes.
    /// For all others their own zones are asked.
    pub(super) fn learn(
        &mut self,
        apex: &DomainName,
        nameservers: &[NsRecord],
        additional: &[AddressRecord],
        bailiwick: &DomainName,
    ) -> bool {
        let records: Vec<NsRecord> =
            nameservers.iter().filter(|record| record.zone == *apex).cloned().collect();
        if !self.known.contains_key(apex) {
            if self.known.len() >= MOST_ZONES {
                return false;
            }
            self.known.insert(apex.clone(), Zone::new(&records));
        }
        let glue: Vec<&AddressRecord> =
            additional.iter().filter(|record| record.host.is_within(bailiwick)).collect();
        let open: Vec<DomainName> = self.known[apex]
            .nameservers
            .iter()
            .filter(|nameserver| nameserver.addresses.is_empty())
            .map(|nameserver| nameserver.name.clone())
            .collect();
        for name in open {
            let addresses: Vec<_> =
                glue.iter().filter(|record| record.host == name).copied().cloned().collect();
            self.add(apex, &name, &addresses);
        }
        true
    }

    /// `apex` is served by `address`, of which no more is known.
    pub(super) fn learn_one(&mut self, apex: &DomainName, address: IpAddr) {
        self.known.entry(apex.clone()).or_insert_with(|| Zone::of_one(address));
    }

    /// Takes in what the walk to a nameserver of `apex` found: nothing is hopeless.
    pub(super) fn resolve(
        &mut self,
        apex: &DomainName,
        name: &DomainName,
        addresses: &[AddressRecord],
    ) {
        self.add(apex, name, addresses);
        if let Some(nameserver) = nameserver(&mut self.known, apex, name) {
            nameserver.is_hopeless = nameserver.addresses.is_empty();
        }
    }

    /// Somebody of a zone did not answer.
    pub(super) fn was_silent(&mut self, place: &Place, address: IpAddr) {
        if let Place::Zone(apex) = place
            && let Some(zone) = self.known.get_mut(apex)
        {
            zone.slow.insert(address);
        }
    }

    fn add(&mut self, apex: &DomainName, name: &DomainName, records: &[AddressRecord]) {
        let Some(zone) = self.known.get_mut(apex) else { return };
        let mut room = zone.room();
        let Some(nameserver) = zone.nameservers.iter_mut().find(|it| it.name == *name) else {
            return;
        };
        for record in records {
            if nameserver.addresses.contains(&record.address) {
                continue;
            }
            if !reaches_as_far(record.address, self.start) {
                if self.refused.len() < MOST_REFUSED {
                    self.refused.insert(Foreign::new(format!("{name} {}", record.address)));
                }
            } else if room == 0 {
                zone.left_out.insert((name.clone(), Some(record.address)));
            } else {
                room -= 1;
                nameserver.addresses.push(record.address);
                zone.ttl = zone.ttl.min(record.ttl);
            }
        }
    }
}

fn nameserver<'a>(
    known: &'a mut BTreeMap<DomainName, Zone>,
    apex: &DomainName,
    name: &DomainName,
) -> Option<&'a mut Nameserver> {
    let zone = known.get_mut(apex)?;
    zone.nameservers.iter_mut().find(|it| it.name == *name)
}

/// The root has 13, and so many are as many as fit into 512 bytes.
pub(super) const MOST_NAMESERVERS: usize = 13;
/// One of each family for each.
pub(super) const MOST_ADDRESSES: usize = 2 * MOST_NAMESERVERS;
/// Names have few cuts above them: this is for three nameservers in zones of their own, each four
/// cuts deep, and the name itself.
pub(super) const MOST_ZONES: usize = 16;
/// Enough to see who claims them.
const MOST_REFUSED: usize = 32;
