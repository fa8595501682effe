//! What carries calls: edges, their groups, trunks and phones, each with its load beside it.

use std::collections::BTreeMap;

use super::super::{GREEN, Page, RED, YELLOW, tally};
use super::table::{self, Row, number, text};
use super::{
    FEW, MOST, View, called, called_if, coarse, count, list, milliseconds, percent, word, words,
};
use crate::telephony::{
    Edge, EdgeMetrics, PartName, PartState, Phone, PhoneState, Proxy, Registration, State, Trunk,
    TrunkMetrics,
};

impl View<'_> {
    pub(super) fn edges(&self, page: &mut Page, part: &PartState<'_>) {
        let items = in_order(&self.state.edges.items, |edge| (edge.state, called(&edge.reference)));
        self.heading(page, part, &states(items.iter().map(|edge| edge.state)));
        let columns = [
            text("says"),
            text("group"),
            text("site"),
            number("calls"),
            number("cpu"),
            number("memory"),
            number("disk"),
            number("network"),
            text("running for"),
            text("deployment"),
            text("software"),
            text("region"),
            text("addresses"),
            text("codecs"),
        ];
        let rows: Vec<Row> = items.iter().take(MOST).map(|edge| self.edge(edge)).collect();
        page.rows("edge", &columns, &rows, items.len());
    }

    fn edge(&self, edge: &Edge) -> Row {
        let is_of = |load: &&EdgeMetrics| load.edge.id == edge.reference.id;
        let load = self.state.edge_metrics.items.iter().find(is_of).filter(|_| self.joins_loads());
        let ratio = |of: fn(&EdgeMetrics) -> Option<f64>| percent(load.and_then(of));
        let out =
            (!edge.is_in_service).then(|| "not in service: not paired yet, or retired".to_owned());
        Row {
            state: word(edge.state),
            name: called(&edge.reference),
            cells: vec![
                edge.raw.to_string(),
                called_if(edge.edge_group.as_ref()),
                called_if(edge.site.as_ref()),
                count(edge.conversations),
                ratio(|load| load.processor_ratio),
                ratio(|load| load.memory_ratio),
                ratio(|load| load.disk_ratio),
                ratio(|load| load.network_ratio),
                load.and_then(|load| load.uptime).map(coarse).unwrap_or_default(),
                words(edge.deployment.as_ref()),
                words(edge.software.as_ref()),
                words(edge.region.as_ref()),
                list(&edge.addresses),
                list(&edge.codecs),
            ],
            notes: out.into_iter().collect(),
        }
    }

    /// Whether the load of edges stands beside the edges.
    fn joins_loads(&self) -> bool {
        self.shown.contains(&PartName::EdgeMetrics)
    }

    /// The load of edges that stand nowhere else.
    pub(super) fn edge_metrics(&self, page: &mut Page, part: &PartState<'_>) {
        let edges = self.shown.contains(&PartName::Edges).then_some(&self.state.edges.items);
        let is_told = |load: &&EdgeMetrics| {
            edges.is_some_and(|edges| edges.iter().any(|it| it.reference.id == load.edge.id))
        };
        let items: Vec<_> =
            self.state.edge_metrics.items.iter().filter(|load| !is_told(load)).collect();
        if items.is_empty() {
            return;
        }
        self.heading(page, part, &format!("{} of edges", items.len()));
        let columns = [
            number("cpu"),
            number("memory"),
            number("disk"),
            number("network"),
            text("running for"),
            text("taken"),
        ];
        let row = |load: &&EdgeMetrics| Row {
            name: called(&load.edge),
            cells: vec![
                percent(load.processor_ratio),
                percent(load.memory_ratio),
                percent(load.disk_ratio),
                percent(load.network_ratio),
                load.uptime.map(coarse).unwrap_or_default(),
                self.since(load.taken),
            ],
            ..Row::default()
        };
        let rows: Vec<Row> = items.iter().take(MOST).map(row).collect();
        page.rows("edge", &columns, &rows, items.len());
    }

    pub(super) fn edge_groups(&self, page: &mut Page, part: &PartState<'_>) {
        let groups = &self.state.edge_groups.items;
        let items = in_order(groups, |group| (group.state, called(&group.reference)));
        self.heading(page, part, &states(items.iter().map(|group| group.state)));
        let columns = [text("says"), text("first"), text("second"), text("provisioning")];
        let rows: Vec<Row> = items
            .iter()
            .take(MOST)
            .map(|group| Row {
                state: word(group.state),
                name: called(&group.reference),
                cells: vec![
                    group.raw.to_string(),
                    called_if(group.primary_edge.as_ref()),
                    called_if(group.secondary_edge.as_ref()),
                    words(group.provisioning_url.as_ref()),
                ],
                notes: Vec::new(),
            })
            .collect();
        page.rows("edge group", &columns, &rows, items.len());
    }

    pub(super) fn trunks(&self, page: &mut Page, part: &PartState<'_>) {
        let order = |trunk: &Trunk| {
            let is_well = trunk.registration != Registration::Unregistered;
            let state = if trunk.is_switched_off { State::Up } else { trunk.state };
            ((state, is_well), called(&trunk.reference))
        };
        let mut items: Vec<&Trunk> = self.state.trunks.items.iter().collect();
        items.sort_by_cached_key(|trunk| {
            let ((state, is_well), name) = order(trunk);
            (gravity(state), is_well, name)
        });
        let is_off = |trunk: &&&Trunk| trunk.is_switched_off;
        let off = items.iter().filter(is_off).count();
        let on: Vec<_> = items.iter().filter(|trunk| !is_off(trunk)).collect();
        let mut counts = State::ALL
            .map(|state| (on.iter().filter(|it| it.state == state).count(), state.label()))
            .to_vec();
        counts.push((off, "switched off"));
        self.heading(page, part, &tally(&counts));
        let columns = [
            text("registration"),
            text("kind"),
            text("says"),
            text("edge"),
            text("group"),
            text("settings"),
            number("calls in"),
            number("calls out"),
            number("peak"),
            number("qos mismatches"),
            number("set up"),
            number("jitter"),
            number("used"),
            text("since"),
        ];
        let rows: Vec<Row> = items.iter().take(MOST).map(|trunk| self.trunk(trunk)).collect();
        page.rows("trunk", &columns, &rows, items.len());
    }

    fn trunk(&self, trunk: &Trunk) -> Row {
        let is_joined = self.shown.contains(&PartName::TrunkMetrics);
        let metrics = &self.state.trunk_metrics.items;
        let carried =
            metrics.iter().find(|it| it.trunk.id == trunk.reference.id).filter(|_| is_joined);
        let name = called(&trunk.reference);
        let problem = trunk.problem.as_ref().map(|problem| format!("the vendor says: {problem}"));
        let ailing = trunk.proxies.iter().filter_map(|it| self.ailing(it));
        let base = called_if(trunk.base.as_ref());
        let mut cells = vec![
            registration(trunk.registration).to_owned(),
            trunk.kind.to_string(),
            trunk.raw.to_string(),
            called_if(trunk.edge.as_ref()),
            called_if(trunk.edge_group.as_ref()),
            if base == name { String::new() } else { base },
        ];
        cells.extend(load(carried));
        cells.push(self.since(trunk.connected_since));
        Row {
            state: if trunk.is_switched_off { ("off", "") } else { word(trunk.state) },
            name,
            cells,
            notes: problem.into_iter().chain(ailing).collect(),
        }
    }

    /// What is wrong between a trunk and one of its proxies.
    fn ailing(&self, proxy: &Proxy) -> Option<String> {
        let mut ails = Vec::new();
        if proxy.answers == Some(State::Down) {
            ails.push("does not answer OPTIONS".to_owned());
        }
        if proxy.registration == Registration::Unregistered {
            let since = proxy.registered_at.map(|at| format!(" (last told {})", self.ago(at)));
            ails.push(format!("does not register it{}", since.unwrap_or_default()));
        }
        let problem = proxy.problem.as_ref().map(|problem| format!(": {problem}"));
        if ails.is_empty() {
            problem.as_ref()?;
            ails.push("has a problem".to_owned());
        }
        let ails = ails.join(" and ");
        Some(format!("proxy {} {ails}{}", proxy.address, problem.unwrap_or_default()))
    }

    /// What trunks carried that stand nowhere else.
    pub(super) fn trunk_metrics(&self, page: &mut Page, part: &PartState<'_>) {
        let trunks = self.shown.contains(&PartName::Trunks).then_some(&self.state.trunks.items);
        let is_told = |it: &&TrunkMetrics| {
            trunks.is_some_and(|trunks| trunks.iter().any(|to| to.reference.id == it.trunk.id))
        };
        let items: Vec<_> =
            self.state.trunk_metrics.items.iter().filter(|it| !is_told(it)).collect();
        if items.is_empty() {
            return;
        }
        self.heading(page, part, &format!("{} of trunks", items.len()));
        let columns = [
            number("calls in"),
            number("calls out"),
            number("peak"),
            number("qos mismatches"),
            number("set up"),
            number("jitter"),
            number("used"),
            text("taken"),
        ];
        let row = |it: &&TrunkMetrics| {
            let taken = self.since(it.taken);
            let cells = load(Some(it)).into_iter().chain([taken]).collect();
            Row { name: called(&it.trunk), cells, ..Row::default() }
        };
        let rows: Vec<Row> = items.iter().take(MOST).map(row).collect();
        page.rows("trunk", &columns, &rows, items.len());
    }

    /// Phones: counted by state and by site; one by one only those that are not active, or all
    /// where they are few.
    pub(super) fn phones(&self, page: &mut Page, part: &PartState<'_>) {
        let phones = &self.state.phones.items;
        self.heading(page, part, &phone_states(phones.iter()));
        self.phones_by_site(page);
        let is_few = phones.len() <= FEW;
        let wanted = phones.iter().filter(|it| is_few || it.state != PhoneState::Active);
        let mut items: Vec<&Phone> = wanted.collect();
        items.sort_by_cached_key(|phone| (phone_gravity(phone.state), called(&phone.reference)));
        let columns = [
            text("says"),
            text("site"),
            text("since"),
            text("edge"),
            text("group"),
            text("provisioned"),
            text("hardware"),
            text("model"),
        ];
        let row = |phone: &&Phone| Row {
            state: phone_word(phone.state),
            name: called(&phone.reference),
            cells: vec![
                phone.raw.to_string(),
                called_if(phone.site.as_ref()),
                self.since(phone.since),
                called_if(phone.edge.as_ref()),
                called_if(phone.edge_group.as_ref()),
                self.since(phone.provisioned),
                words(phone.hardware.as_ref()),
                words(phone.model.as_ref()),
            ],
            notes: notes_of(phone),
        };
        let rows: Vec<Row> = items.iter().take(FEW).map(row).collect();
        page.rows("phone", &columns, &rows, items.len());
    }

    fn phones_by_site(&self, page: &mut Page) {
        let mut sites: BTreeMap<String, Vec<&Phone>> = BTreeMap::new();
        for phone in &self.state.phones.items {
            let site = phone.site.as_ref().map_or_else(|| "no site".to_owned(), called);
            sites.entry(site).or_default().push(phone);
        }
        if sites.len() < 2 {
            return;
        }
        let columns = PhoneState::ALL.map(|state| number(state.label()));
        let rows: Vec<Row> = sites
            .iter()
            .take(MOST)
            .map(|(site, phones)| Row {
                name: site.clone(),
                cells: PhoneState::ALL
                    .map(|state| {
                        let count = phones.iter().filter(|phone| phone.state == state).count();
                        if count == 0 { String::new() } else { count.to_string() }
                    })
                    .to_vec(),
                ..Row::default()
            })
            .collect();
        page.rows("site", &columns, &rows, sites.len());
        page.blank();
    }
}

impl Page {
    /// A table of which `all` rows there would be.
    pub(super) fn rows(&mut self, of: &str, columns: &[table::Column], rows: &[Row], all: usize) {
        if !rows.is_empty() {
            table::table(self, of, columns, rows);
            self.more(all, rows.len());
        }
    }
}

/// What is down first, then what is not known, each by name.
fn in_order<T>(items: &[T], key: impl Fn(&T) -> (State, String)) -> Vec<&T> {
    let mut items: Vec<&T> = items.iter().collect();
    items.sort_by_cached_key(|item| {
        let (state, name) = key(item);
        (gravity(state), name)
    });
    items
}

const fn gravity(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Unknown => 1,
        State::Up => 2,
    }
}

const fn phone_gravity(state: PhoneState) -> u8 {
    match state {
        PhoneState::Failed => 0,
        PhoneState::Unknown => 1,
        PhoneState::Pending => 2,
        PhoneState::Provisioning => 3,
        PhoneState::Unassigned => 4,
        PhoneState::Active => 5,
    }
}

const fn phone_word(state: PhoneState) -> (&'static str, &'static str) {
    match state {
        PhoneState::Active => ("active", GREEN),
        PhoneState::Failed => ("FAILED", RED),
        PhoneState::Pending | PhoneState::Provisioning | PhoneState::Unknown => {
            (state.label(), YELLOW)
        }
        PhoneState::Unassigned => (state.label(), ""),
    }
}

/// `2 up, 1 down`.
fn states(states: impl Iterator<Item = State> + Clone) -> String {
    tally(&State::ALL.map(|it| (states.clone().filter(|state| *state == it).count(), it.label())))
}

fn phone_states<'a>(phones: impl Iterator<Item = &'a Phone> + Clone) -> String {
    let count = |state| phones.clone().filter(|phone| phone.state == state).count();
    tally(&PhoneState::ALL.map(|state| (count(state), state.label())))
}

const fn registration(registration: Registration) -> &'static str {
    match registration {
        Registration::Registered => "registered",
        Registration::Unregistered => "UNREGISTERED",
        Registration::NotApplicable => "none",
        Registration::Unknown => "unknown",
    }
}

/// What a trunk carried, in the order of its columns.
fn load(carried: Option<&TrunkMetrics>) -> [String; 7] {
    let number = |of: fn(&TrunkMetrics) -> Option<u64>| count(carried.and_then(of));
    [
        number(|it| it.inbound_calls),
        number(|it| it.outbound_calls),
        number(|it| it.peak_calls),
        number(|it| it.qos_mismatches),
        percent(carried.and_then(|it| it.setup_success_ratio)),
        milliseconds(carried.and_then(|it| it.jitter)),
        percent(carried.and_then(|it| it.utilization_ratio)),
    ]
}

fn notes_of(phone: &Phone) -> Vec<String> {
    let problem = phone.problem.iter().map(|problem| format!("the vendor says: {problem}"));
    let unreachable = phone.lines.iter().filter(|line| line.is_reachable == Some(false)).count();
    let lines = (unreachable > 0)
        .then(|| format!("{unreachable} of {} lines out of the edge's reach", phone.lines.len()));
    problem.chain(lines).collect()
}
