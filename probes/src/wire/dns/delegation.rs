//! What a response says of zones: whose they are, who refers to whom, and where those are.

use std::fmt;
use std::net::IpAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::{self as hickory, Name, RData, RecordType};

use super::record::{of_class_in, ttl};
use super::{BadName, Malformed, Question, Response};

/// An absolute domain name in lower case, since two spellings of a name are one (RFC 4343 §3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DomainName(Name);

impl DomainName {
    /// Reads a name as people write it, with or without its last dot.
    ///
    /// # Errors
    ///
    /// [`BadName`] where it is none.
    pub fn new(text: &str) -> Result<Self, BadName> {
        Name::from_ascii(text).map(|name| Self::of(&name)).map_err(|_| BadName)
    }

    /// The name of the root.
    #[must_use]
    pub fn root() -> Self {
        Self(Name::root())
    }

    /// Whether it is the root's.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_root()
    }

    /// The name without its first label; above the root there is only the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.base_name())
    }

    /// Whether it is `zone` itself or stands below it.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        zone.0.zone_of(&self.0)
    }

    /// Whether it stands below `zone`.
    #[must_use]
    pub fn is_below(&self, zone: &Self) -> bool {
        self.is_within(zone) && self != zone
    }

    /// The question for its records of this type. The name may have come from a packet, with bytes
    /// that text has no word for.
    #[must_use]
    pub fn question(&self, kind: Kind) -> Question {
        let kind = match kind {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Ns => RecordType::NS,
            Kind::Soa => RecordType::SOA,
        };
        Question { name: self.0.clone(), kind }
    }

    fn of(name: &Name) -> Self {
        let mut name = name.to_lowercase();
        name.set_fqdn(true);
        Self(name)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.to_ascii();
        formatter.write_str(name.strip_suffix('.').filter(|it| !it.is_empty()).unwrap_or(&name))
    }
}

/// The types that are asked for on the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A zone's nameserver.
    Ns,
    /// The start of a zone.
    Soa,
}

/// A response, as far as delegations go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its header, and its answers as text.
    pub response: Response,
    /// Whether the name that was asked for is an alias.
    pub is_alias: bool,
    /// The apex of the zone that holds the name, and its serial: the owner of an SOA record, be it
    /// the answer or the proof that there is none (RFC 2308 §3). One of a zone to which the name
    /// cannot belong, such as that of an alias's target, is not looked at.
    pub soa: Option<(DomainName, u32)>,
    /// The NS records of the answer section that the name owns.
    pub nameservers: Vec<NsRecord>,
    /// The NS records of the authority section: in a response without an answer, a referral.
    pub referral: Vec<NsRecord>,
    /// The addresses of the answer section that the name owns.
    pub addresses: Vec<AddressRecord>,
    /// The addresses of the additional section: in a referral, glue.
    pub additional: Vec<AddressRecord>,
}

/// "This zone is served by that host."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NsRecord {
    /// The zone.
    pub zone: DomainName,
    /// The host's name.
    pub nameserver: DomainName,
    /// How long this may be cached, in seconds.
    pub ttl: u32,
}

/// "This host is there."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRecord {
    /// The host's name.
    pub host: DomainName,
    /// Its address.
    pub address: IpAddr,
    /// How long this may be cached, in seconds.
    pub ttl: u32,
}

impl Reply {
    /// Reads one whole message as the response to `asked`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where the bytes are not one DNS message of a sensible size.
    pub fn read(bytes: &[u8], asked: &Question) -> Result<Self, Malformed> {
        // It sets the bounds of a message, too.
        let response = super::read_response(bytes, asked)?;
        let message = Message::from_vec(bytes).map_err(|_| Malformed::NotDns)?;
        let name = DomainName::of(&asked.name);
        let owned = || of_class_in(&message.answers).filter(|record| name.0 == record.name);
        let authority = || of_class_in(&message.authorities);
        Ok(Self {
            response,
            is_alias: owned().any(|record| matches!(record.data, RData::CNAME(_))),
            soa: owned().chain(authority()).filter_map(soa).find(|(apex, _)| name.is_within(apex)),
            nameservers: owned().filter_map(ns).collect(),
            referral: authority().filter_map(ns).collect(),
            addresses: owned().filter_map(address).collect(),
            additional: of_class_in(&message.additionals).filter_map(address).collect(),
        })
    }

    /// Whether it is the response to the query for `asked` with this id (RFC 5452 §9.1).
    #[must_use]
    pub fn answers(&self, id: u16, asked: &Question) -> bool {
        let Response { questions, answers, rcode, .. } = &self.response;
        let repeats_ours = questions.as_slice() == std::slice::from_ref(asked);
        // A server that could not read the query, or would not, need not repeat it.
        let is_bare_error = questions.is_empty()
            && answers.is_empty()
            && matches!(
                Response::rcode_word(*rcode),
                "FORMERR" | "SERVFAIL" | "NOTIMP" | "REFUSED"
            );
        self.response.id == id && (repeats_ours || is_bare_error)
    }
}

fn soa(record: &hickory::Record) -> Option<(DomainName, u32)> {
    let RData::SOA(soa) = &record.data else { return None };
    Some((DomainName::of(&record.name), soa.serial))
}

fn ns(record: &hickory::Record) -> Option<NsRecord> {
    let RData::NS(nameserver) = &record.data else { return None };
    Some(NsRecord {
        zone: DomainName::of(&record.name),
        nameserver: DomainName::of(&nameserver.0),
        ttl: ttl(record.ttl),
    })
}

fn address(record: &hickory::Record) -> Option<AddressRecord> {
    let address = record.data.ip_addr()?;
    Some(AddressRecord { host: DomainName::of(&record.name), address, ttl: ttl(record.ttl) })
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;

    use super::{DomainName, Kind};
    use crate::wire::dns::{Asking, query};

    fn name(text: &str) -> DomainName {
        DomainName::new(text).expect("a name")
    }

    #[test]
    fn two_spellings_are_one_name() {
        assert_eq!(name("Example.COM"), name("example.com."));
        assert_eq!(name("Example.COM").to_string(), "example.com");
        assert_eq!(name(".").to_string(), ".");
    }

    #[test]
    fn a_name_is_within_itself_and_below_only_what_is_above_it() {
        let (www, zone) = (name("www.example.com"), name("example.com"));

        assert!(www.is_within(&zone) && zone.is_within(&zone) && zone.is_within(&name(".")));
        assert!(www.is_below(&zone) && !zone.is_below(&zone) && !zone.is_below(&www));
        assert!(!name("www.badexample.com").is_within(&zone));
    }

    #[test]
    fn above_the_root_there_is_only_the_root() {
        assert_eq!(name("www.example.com").parent(), name("example.com"));
        assert_eq!(name("com").parent(), DomainName::root());
        assert_eq!(DomainName::root().parent(), DomainName::root());
    }

    #[test]
    fn a_name_of_odd_bytes_is_asked_for_as_it_is() {
        let odd = Name::from_labels([&b"a.b"[..], b"\x00\xFF \\", b"example"]).expect("a name");

        let question = DomainName::of(&odd).question(Kind::A);

        assert_eq!(
            query(7, &question, Asking { recursion: false, nsid: false })
                .expect("it can be asked for")[12..][..9],
            *b"\x03a.b\x04\x00\xFF \\"
        );
    }
}
