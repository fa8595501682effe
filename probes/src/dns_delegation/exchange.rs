//! One run of `dns-delegation`: down to the zone, then around its servers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::DelegationModule;
use super::facts::{self, DEPTH, QUERIES, REFUSED_ADDRESSES, RELAYED, SERVERS, TTL, ZONE};
use super::query::{Legs, Patience, Query, Wish};
use super::verdict::{Fate, Lame, Said, none_usable, said};
use super::walk::{Reached, Step, Stuck, Walks};
use super::zones::Place;
use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::moment::Moment;
use crate::observation::{Lead, Phase};
use crate::probe::{Exchange, Input, Output};
use crate::wire::dns::Response;
use crate::wire::dns::delegation::{DomainName, Kind, Reply};

/// What is being asked.
enum Stage {
    /// Which zone holds the name?
    Walking,
    /// Whom does the zone itself name as its servers?
    OwnSet(Reached),
    /// Where are its servers?
    Gathering(DomainName),
    /// What do they say, all of them?
    Round(DomainName),
    Done,
}

pub(super) struct DelegationExchange {
    conversation: Conversation,
    chance: Chance,
    has_random_case: bool,
    legs: Legs,
    walks: Walks,
    queries: Vec<Query>,
    fates: BTreeMap<IpAddr, Fate>,
    /// How many servers answered as a resolver does.
    relayed: u64,
    /// Whether any answered as a nameserver does.
    is_open: bool,
    stage: Stage,
    began: Moment,
}

impl DelegationExchange {
    pub(super) fn begin(
        conversation: Conversation,
        module: &DelegationModule,
        chance: Chance,
    ) -> Self {
        let start = conversation.peer.ip();
        Self {
            conversation,
            chance,
            has_random_case: module.has_random_case,
            legs: Legs::default(),
            walks: Walks::new(module.name.clone(), start),
            queries: Vec::new(),
            fates: BTreeMap::new(),
            relayed: 0,
            is_open: false,
            stage: Stage::Walking,
            began: Moment::START,
        }
    }
}

impl Exchange for DelegationExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        let leg = match input {
            Input::Connected { leg, .. }
            | Input::Secured { leg, .. }
            | Input::Insecure { leg, .. }
            | Input::Sent { leg, .. }
            | Input::Received { leg, .. }
            | Input::Refused { leg, .. }
            | Input::Closed { leg }
            | Input::Failed { leg, .. } => leg,
            Input::Timeout => return,
            Input::Cancelled => return self.finish(Some(Failure::Cancelled)),
        };
        if let Some(query) = self.queries.iter_mut().find(|query| query.has(leg)) {
            query.handle_input(&input, &mut self.legs, &mut self.conversation);
        }
    }

    fn poll_output(&mut self) -> Output {
        loop {
            if matches!(self.stage, Stage::Done) {
                return Output::Done(self.conversation.outcome.clone());
            }
            if let Some(output) = self.legs.poll() {
                return output;
            }
            let Conversation { now, deadline, .. } = self.conversation;
            if now >= deadline {
                let failure = self.queries.first().map(|query| query.at_deadline(now));
                self.finish(Some(failure.unwrap_or(Failure::Internal)));
            } else if self.queries.is_empty() {
                self.advance();
            } else if let Some(output) = self.poll_queries(now, deadline) {
                return output;
            }
        }
    }
}

impl DelegationExchange {
    /// What the questions in flight want; nothing where one of them is over, and there may be news.
    fn poll_queries(&mut self, now: Moment, deadline: Moment) -> Option<Output> {
        let mut wait: Option<(Moment, &'static str)> = None;
        for index in 0..self.queries.len() {
            match self.queries[index].poll(now, deadline, &mut self.legs) {
                Wish::Output(Output::Wait { until, reason }) => {
                    let earlier = wait.filter(|(earliest, _)| *earliest <= until);
                    wait = Some(earlier.unwrap_or((until, reason)));
                }
                Wish::Output(output) => return Some(output),
                Wish::Over(result) => {
                    let query = self.queries.remove(index);
                    self.settle(&query, result);
                    return None;
                }
            }
        }
        // A question that ended in silence on one leg has closed it.
        if let Some(output) = self.legs.poll() {
            return Some(output);
        }
        wait.map(|(until, reason)| Output::Wait { until, reason })
    }

    /// Nothing is in flight: what is next?
    fn advance(&mut self) {
        match &self.stage {
            Stage::Walking => match self.walks.step() {
                Step::Ask { server, name, kind, is_start } => {
                    self.ask(server, &name, kind, is_start);
                }
                Step::Stuck(stuck) => self.give_up(&stuck),
                Step::Idle => self.finish(Some(Failure::Internal)),
            },
            Stage::Gathering(apex) => {
                let apex = apex.clone();
                match self.walks.step() {
                    Step::Ask { server, name, kind, is_start } => {
                        self.ask(server, &name, kind, is_start);
                    }
                    Step::Idle | Step::Stuck(_) if self.walks.begin_next(&apex) => {}
                    Step::Idle | Step::Stuck(_) => self.ask_all(apex),
                }
            }
            Stage::Round(apex) => {
                let apex = apex.clone();
                self.conclude(&apex);
            }
            // Its only question is over, so there is another stage.
            Stage::OwnSet(_) | Stage::Done => self.finish(Some(Failure::Internal)),
        }
    }

    fn ask(&mut self, server: IpAddr, name: &DomainName, kind: Kind, is_start: bool) {
        let patience = if is_start { Patience::Long } else { Patience::Brief };
        let server = SocketAddr::new(server, self.conversation.peer.port());
        let (question, id) = (name.question(kind), self.chance.number());
        let spelled = self.has_random_case.then(|| question.respelled(|| self.chance.flag()));
        self.queries.push(Query::begin(
            (server, question),
            (self.phase(), patience),
            (id, spelled),
            self.conversation.now,
            &mut self.legs,
        ));
    }

    /// Takes in what became of a question.
    fn settle(&mut self, query: &Query, result: Result<Box<Reply>, Failure>) {
        let server = query.server.ip();
        let is_relayed = result.as_deref().is_ok_and(is_of_resolver);
        self.relayed += u64::from(is_relayed);
        // A way on which nameservers do answer is open: a single one that does not is lame.
        self.is_open |= result.is_ok() && !is_relayed;
        if result.is_ok() && self.conversation.outcome.phases.is_empty() {
            // The target itself: however the way goes on, somebody was heard.
            self.conversation.ended(Phase::Request, self.began);
            self.began = self.conversation.now;
        }
        match &self.stage {
            Stage::Walking | Stage::Gathering(_) => {
                let reached = self.walks.hear(server, result.as_deref().map_err(Clone::clone));
                if let Some(reached) = reached {
                    self.conversation.state(&ZONE, Foreign::new(reached.apex.to_string()));
                    self.walks.asked += 1;
                    self.ask(server, &reached.apex, Kind::Ns, false);
                    self.stage = Stage::OwnSet(reached);
                }
            }
            Stage::OwnSet(reached) => {
                let (apex, is_delegated) = (reached.apex.clone(), reached.is_delegated);
                self.learn_own_set(&apex, is_delegated, server, result.ok().as_deref());
                self.stage = Stage::Gathering(apex);
            }
            Stage::Round(apex) => {
                let fate = match result {
                    Ok(reply) => judge(&reply, apex),
                    Err(failure) => Fate::Failed(failure),
                };
                self.fates.insert(server, fate);
            }
            Stage::Done => {}
        }
    }

    /// The zone's own nameservers: to be compared with those of its delegation, or in their place
    /// where the same server has the parent, too, and so made no referral.
    fn learn_own_set(
        &mut self,
        apex: &DomainName,
        is_delegated: bool,
        server: IpAddr,
        reply: Option<&Reply>,
    ) {
        let is_own = |reply: &&Reply| {
            said(reply, apex, apex) == Said::Authority && !reply.nameservers.is_empty()
        };
        let own = reply.filter(is_own);
        if let Some(Reply { nameservers, additional, .. }) = own {
            self.walks.zones.learn(apex, nameservers, additional, apex);
            let zone = self.walks.zones.zone(apex).filter(|_| is_delegated);
            if let Some(zone) = zone.filter(|zone| zone.left_out() == 0) {
                let parent: BTreeSet<_> =
                    zone.nameservers.iter().map(|it| it.name.clone()).collect();
                let child = nameservers.iter().map(|it| it.nameserver.clone()).collect();
                facts::state_difference(&mut self.conversation, &parent, &child);
            }
        }
        self.walks.zones.learn_one(apex, server);
    }

    /// Asks every address of the zone's nameservers at once.
    fn ask_all(&mut self, apex: DomainName) {
        self.conversation.ended(Phase::Delegation, self.began);
        self.began = self.conversation.now;
        let addresses = self.walks.zones.zone(&apex).map(super::zones::Zone::addresses);
        self.stage = Stage::Round(apex.clone());
        for address in addresses.unwrap_or_default() {
            self.walks.asked += 1;
            self.ask(address, &apex, Kind::Soa, false);
        }
    }

    fn conclude(&mut self, apex: &DomainName) {
        let (start, port) = (self.conversation.peer, self.conversation.peer.port());
        if let Some(zone) = self.walks.zones.zone(apex) {
            facts::state_fates(&mut self.conversation, zone, &self.fates);
            facts::state_servers(&mut self.conversation, zone, &self.fates, port);
        }
        let is_served = self.fates.values().any(|fate| matches!(fate, Fate::Authoritative(_)));
        let found = &self.conversation.outcome.facts;
        if let (true, Some(addresses), Some(keeps)) =
            (is_served, found.read(&SERVERS), found.read(&TTL))
        {
            // One that could not be used is looked at again soon: it may be back.
            let is_whole = self.fates.values().all(|fate| matches!(fate, Fate::Authoritative(_)));
            let keeps = if is_whole { keeps } else { keeps.min(KEEPS_PART) };
            self.conversation.outcome.leads_to = Some(Lead { addresses, keeps });
        }
        let failure = (!is_served).then(|| none_usable(self.fates.values(), start, apex, ""));
        self.finish(failure);
    }

    fn give_up(&mut self, stuck: &Stuck) {
        let Stuck { place, fates, within } = stuck;
        if matches!(place, Place::Zone(_)) {
            facts::state_fates(&mut self.conversation, self.walks.zones.at(place), fates);
        }
        let start = self.conversation.peer;
        let failure = none_usable(fates.values(), start, &place.zone(), within);
        self.finish(Some(failure));
    }

    fn phase(&self) -> Phase {
        if let Stage::Round(_) = self.stage { Phase::Authorities } else { Phase::Delegation }
    }

    fn finish(&mut self, failure: Option<Failure>) {
        if matches!(self.stage, Stage::Done) {
            return;
        }
        let phase = self.phase();
        self.conversation.ended(phase, self.began);
        self.conversation.state(&QUERIES, self.walks.asked);
        self.conversation.state(&DEPTH, self.walks.depth);
        self.conversation.state(&RELAYED, if self.is_open { 0 } else { self.relayed });
        let refused = self.walks.zones.refused();
        self.conversation.state(&REFUSED_ADDRESSES, refused);
        if let Some(failure) = failure {
            self.conversation.fail(phase, failure);
        }
        self.stage = Stage::Done;
    }
}

/// Whether a reply to a question without recursion is one that resolvers give: out of a cache, or
/// with an error of their own, and with the offer to ask others (RA).
fn is_of_resolver(reply: &Reply) -> bool {
    let Response { recursion_available, authoritative, rcode, .. } = &reply.response;
    let is_referral = *rcode == 0 && reply.response.answers.is_empty() && reply.soa.is_none();
    *recursion_available && !*authoritative && !is_referral
}

/// What a server of the zone says of its apex.
fn judge(reply: &Reply, apex: &DomainName) -> Fate {
    match (said(reply, apex, apex), &reply.soa) {
        (Said::Authority, Some((owner, serial))) if owner == apex => Fate::Authoritative(*serial),
        (Said::Authority, Some(_)) => Fate::Lame(Lame::OtherZone),
        (Said::Authority | Said::Alias, _) => Fate::Lame(Lame::NoSoa),
        (Said::Lame(lame), _) => Fate::Lame(lame),
        (Said::Referral(_), _) => Fate::Lame(Lame::Sideways),
    }
}

/// How long it holds whom a zone with lame nameservers leads to.
const KEEPS_PART: Duration = Duration::from_secs(60);
