//! What the answers of several repeats say of a NAT, in the words of RFC 4787.

use std::net::SocketAddr;

use super::track::{Asked, Purpose, Reply};

/// The mapped address is the local one: nothing translates.
pub(super) const NONE: &str = "none";
/// RFC 4787 §4.1, §5.
pub(super) const ENDPOINT_INDEPENDENT: &str = "endpoint_independent";
/// RFC 4787 §4.1, §5.
pub(super) const ADDRESS_DEPENDENT: &str = "address_dependent";
/// RFC 4787 §4.1, §5.
pub(super) const ADDRESS_AND_PORT_DEPENDENT: &str = "address_and_port_dependent";
/// One of the two before: two servers with one address each cannot tell which.
pub(super) const NOT_ENDPOINT_INDEPENDENT: &str = "not_endpoint_independent";
/// Nothing can be said.
pub(super) const INCONCLUSIVE: &str = "inconclusive";
/// The server answered at first, then everything stopped.
pub(super) const BLOCKED: &str = "blocked";

/// With whom mappings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// With the server's other address, which it named (RFC 5780 §4.3, §4.4).
    Rfc5780(SocketAddr),
    /// With another server, which the configuration names.
    TwoServer(SocketAddr),
    /// With nobody.
    Alone,
}

/// What one repeat saw.
#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) method: Method,
    /// The local address of the leg on which the mapping was asked for.
    pub(super) local: Option<SocketAddr>,
    /// Of the mapping's leg.
    pub(super) mapping: Vec<Asked>,
    /// Of the filtering's legs, one after the other.
    pub(super) filtering: Vec<Asked>,
}

impl Repeat {
    /// How the NAT maps, where every answer came. That one did not come says nothing of it.
    pub(super) fn mapping(&self) -> Option<&'static str> {
        let mapped = |purpose| self.mapped(purpose);
        let primary = mapped(Purpose::Primary)?;
        // A binding that changed under our feet would pass for one that depends on the address.
        if mapped(Purpose::PrimaryAgain)? != primary {
            return None;
        }
        let same = if Some(primary) == self.local { NONE } else { ENDPOINT_INDEPENDENT };
        match self.method {
            Method::Alone => (same == NONE).then_some(NONE),
            Method::TwoServer(_) => {
                let other = mapped(Purpose::OtherIp)?;
                Some(if other == primary { same } else { NOT_ENDPOINT_INDEPENDENT })
            }
            Method::Rfc5780(_) => {
                let (other_ip, other) = (mapped(Purpose::OtherIp)?, mapped(Purpose::Other)?);
                match (other_ip == primary, other == other_ip) {
                    (true, true) => Some(same),
                    // RFC 4787 has no word for what depends on the port alone.
                    (true, false) => None,
                    (false, true) => Some(ADDRESS_DEPENDENT),
                    (false, false) => Some(ADDRESS_AND_PORT_DEPENDENT),
                }
            }
        }
    }

    /// What the NAT, or a firewall, lets in. An answer that came is proof; one that did not is
    /// only where nothing else of the repeat was lost, and the server can do what it was asked.
    fn filtering(&self, is_proven: bool) -> Option<&'static str> {
        let reply = |wanted| {
            let mut asked = self.filtering.iter();
            asked.find(|asked| asked.purpose == wanted).map(|asked| &asked.reply)
        };
        let (ip, port) = (reply(Purpose::ChangedIp)?, reply(Purpose::ChangedPort));
        if matches!(ip, Reply::Answered(_)) {
            return Some(ENDPOINT_INDEPENDENT);
        }
        let mapping = self.mapping()?;
        // Where the mapping depends on the address, no leg can show that the server does it.
        let can_show = [NONE, ENDPOINT_INDEPENDENT].contains(&mapping);
        if *ip != Reply::Silent || !self.is_clean() || (can_show && !is_proven) {
            return None;
        }
        match port? {
            Reply::Answered(_) => Some(ADDRESS_DEPENDENT),
            Reply::Silent => Some(ADDRESS_AND_PORT_DEPENDENT),
            Reply::Unheeded | Reply::Rejected(..) | Reply::Broken(..) | Reply::Refused => None,
        }
    }

    /// Whether everything that was due came, and at once.
    pub(super) fn is_clean(&self) -> bool {
        let due = self.filtering.iter().filter(|asked| asked.purpose.is_due());
        let is_whole = due.filter(|asked| asked.answer().is_some()).count() == FILTERING_CONTROLS
            && self.mapped(Purpose::OtherPort).is_some();
        let is_filtered = matches!(self.method, Method::Rfc5780(_));
        (is_whole || !is_filtered) && !self.asked().any(Asked::shows_loss)
    }

    pub(super) fn mapped(&self, wanted: Purpose) -> Option<SocketAddr> {
        let asked = self.mapping.iter().find(|asked| asked.purpose == wanted)?;
        Some(asked.answer()?.mapped)
    }

    fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.mapping.iter().chain(&self.filtering)
    }
}

/// All repeats.
#[derive(Debug)]
pub(super) struct Repeats {
    /// How many are wanted; a word needs the majority of so many.
    wanted: usize,
    done: Vec<Repeat>,
}

impl Repeats {
    pub(super) const fn new(wanted: usize) -> Self {
        Self { wanted, done: Vec::new() }
    }

    pub(super) fn push(&mut self, repeat: Repeat) {
        self.done.push(repeat);
    }

    pub(super) fn clear(&mut self) {
        self.done.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.done.len()
    }

    pub(super) fn last(&self) -> Option<&Repeat> {
        self.done.last()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Repeat> {
        self.done.iter()
    }

    /// Whether another one can help: those that loss has spoilt are made up for, once each.
    pub(super) fn go_on(&self) -> bool {
        let Some(last) = self.done.last() else { return true };
        if self.is_cut_off() || self.done.len() >= 2 * self.wanted {
            return false;
        }
        let filtering = match last.method {
            Method::Rfc5780(_) => self.filtering_word().is_some(),
            Method::TwoServer(_) => true,
            Method::Alone => return self.done.len() < self.wanted,
        };
        let is_settled = self.mapping_word().is_some() && filtering;
        self.done.len() < self.wanted || !(is_settled || self.is_futile())
    }

    /// Whether the other address, or the second server, ever answered.
    pub(super) fn has_company(&self) -> bool {
        self.done.iter().any(|repeat| repeat.mapped(Purpose::OtherIp).is_some())
    }

    /// Whether the server was seen to answer from its other address when asked to.
    pub(super) fn is_proven(&self) -> bool {
        let mut asked = self.done.iter().flat_map(Repeat::asked);
        asked.any(|asked| asked.purpose == Purpose::Proof && asked.answer().is_some())
    }

    /// Whether the server answered at first and then to nothing any more.
    pub(super) fn is_cut_off(&self) -> bool {
        let asked: Vec<_> = self.done.iter().flat_map(Repeat::asked).collect();
        let to_server =
            |asked: &&&Asked| matches!(asked.purpose, Purpose::Primary | Purpose::PrimaryAgain);
        let in_vain = asked
            .iter()
            .rev()
            .filter(to_server)
            .take_while(|asked| matches!(asked.reply, Reply::Silent));
        in_vain.count() >= CUT_OFF_AFTER
    }

    pub(super) fn mapping(&self) -> &'static str {
        self.mapping_word().unwrap_or(INCONCLUSIVE)
    }

    pub(super) fn filtering(&self) -> &'static str {
        let otherwise = if self.is_cut_off() { BLOCKED } else { INCONCLUSIVE };
        self.filtering_word().unwrap_or(otherwise)
    }

    fn mapping_word(&self) -> Option<&'static str> {
        self.majority(self.done.iter().filter_map(Repeat::mapping))
    }

    fn filtering_word(&self) -> Option<&'static str> {
        let is_proven = self.is_proven();
        self.majority(self.done.iter().filter_map(|repeat| repeat.filtering(is_proven)))
    }

    fn majority(&self, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
        let words: Vec<_> = words.collect();
        let count = |wanted: &str| words.iter().filter(|word| **word == wanted).count();
        let has_it = |word: &&&str| {
            let count = count(word);
            count > self.wanted / 2 && count > words.len() / 2
        };
        words.iter().find(has_it).copied()
    }

    /// Whether what is missing will not come: the other address is dead, or the server does not
    /// change its address.
    fn is_futile(&self) -> bool {
        let refuses = |asked: &Asked| {
            let is_change = matches!(asked.purpose, Purpose::ChangedIp | Purpose::ChangedPort);
            let is_heard = !matches!(asked.reply, Reply::Silent | Reply::Refused);
            is_change && is_heard && asked.answer().is_none()
        };
        !self.has_company() || self.done.iter().flat_map(Repeat::asked).any(refuses)
    }
}

/// A Binding before and one after, on each of two legs.
const FILTERING_CONTROLS: usize = 4;
/// So many requests in a row, each sent four times, are not lost one by one: with a fifth of all
/// packets lost each way that happens once in ten million exchanges.
const CUT_OFF_AFTER: usize = 4;
