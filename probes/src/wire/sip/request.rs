//! Writing a REGISTER (RFC 3261 §10.2): every value has its place, none can make a new header.

use std::net::SocketAddr;

use super::uri::AddressOfRecord;

/// A REGISTER for one contact of our own.
pub struct Register<'a> {
    /// Whose registration it is.
    pub address_of_record: &'a AddressOfRecord,
    /// The address from which it is sent.
    pub local: SocketAddr,
    /// The user part of the contact URI.
    pub contact_user: &'a str,
    /// How many seconds the binding is to hold; 0 removes it.
    pub expires: u32,
    /// The transaction, without the magic cookie.
    pub branch: &'a str,
    /// Our tag of the dialog that is none.
    pub from_tag: &'a str,
    /// The Call-ID, the same for every REGISTER of one exchange.
    pub call_id: &'a str,
    /// The number of this REGISTER under its Call-ID.
    pub sequence: u32,
    /// Header name and value of the credentials.
    pub authorization: Option<(&'static str, Vec<u8>)>,
}

impl Register<'_> {
    /// The URI of the contact.
    #[must_use]
    pub fn contact_uri(user: &str, local: SocketAddr) -> String {
        format!("sip:{user}@{local}")
    }

    /// The Request-URI, which is the digest's URI, too: the domain of the registrar.
    #[must_use]
    pub fn request_uri(address_of_record: &AddressOfRecord) -> String {
        format!("{}{}", address_of_record.scheme().word(), address_of_record.host())
    }

    /// The branch as it stands in Via, with the magic cookie of RFC 3261 §8.1.1.7.
    #[must_use]
    pub fn branch_parameter(branch: &str) -> String {
        format!("z9hG4bK{branch}")
    }

    /// The bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { address_of_record, local, expires, .. } = self;
        let mut message = format!(
            "REGISTER {} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch={};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <{address_of_record}>;tag={}\r\n\
             To: <{address_of_record}>\r\n\
             Call-ID: {}\r\n\
             CSeq: {} REGISTER\r\n\
             Contact: <{}>;expires={expires}\r\n\
             Expires: {expires}\r\n\
             User-Agent: branchline/{}\r\n",
            Self::request_uri(address_of_record),
            Self::branch_parameter(self.branch),
            self.from_tag,
            self.call_id,
            self.sequence,
            Self::contact_uri(self.contact_user, *local),
            env!("CARGO_PKG_VERSION"),
        )
        .into_bytes();
        if let Some((name, value)) = &self.authorization {
            message.extend_from_slice(name.as_bytes());
            message.extend_from_slice(b": ");
            message.extend_from_slice(value);
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        message
    }
}
