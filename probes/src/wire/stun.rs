//! STUN and TURN messages (RFC 8489, RFC 8656, RFC 5780): requests and indications out, responses
//! and indications in.

mod frames;
mod integrity;
mod write;

use std::net::SocketAddr;

use stun_types::attribute::{
    Attribute, AttributeStaticType, AttributeType, ErrorCode, MappedSocketAddr, RawAttribute,
    Software, XorSocketAddr,
};
use stun_types::message::{Message as Whole, MessageClass, MessageHeader, StunParseError};

pub use frames::{CHANNELS, Frame, Frames, read_channel_data, write_channel_data};
pub use integrity::{Integrity, Key, PasswordAlgorithm, user_hash};
pub use write::Writer;

/// A 96-bit transaction id.
pub type TransactionId = [u8; 12];

/// Why bytes are no STUN message that may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not a STUN message, or one whose length or attributes do not add up.
    #[error("not a STUN message")]
    NotStun,
    /// The FINGERPRINT is not that of these bytes.
    #[error("wrong FINGERPRINT")]
    Fingerprint,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A request.
    Request,
    /// A message that is not answered.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// What a message is about (RFC 8489 §18.2, RFC 8656 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Which address do you see?
    Binding,
    /// Relay for me.
    Allocate,
    /// Relay for longer, or no more.
    Refresh,
    /// Send this to a peer.
    Send,
    /// A peer sent this.
    Data,
    /// Let a peer through.
    CreatePermission,
    /// Give a peer a number.
    ChannelBind,
    /// None of these.
    Other(u16),
}

impl Method {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Allocate => 0x003,
            Self::Refresh => 0x004,
            Self::Send => 0x006,
            Self::Data => 0x007,
            Self::CreatePermission => 0x008,
            Self::ChannelBind => 0x009,
            Self::Other(number) => number,
        }
    }

    fn numbered(number: u16) -> Self {
        let named = [
            Self::Binding,
            Self::Allocate,
            Self::Refresh,
            Self::Send,
            Self::Data,
            Self::CreatePermission,
            Self::ChannelBind,
        ];
        named.into_iter().find(|it| it.number() == number).unwrap_or(Self::Other(number))
    }
}

/// A message with the attributes that a client can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind of message it is.
    pub class: Class,
    /// What it is about.
    pub method: Method,
    /// The transaction to which it belongs.
    pub transaction: TransactionId,
    /// XOR-MAPPED-ADDRESS, the reflexive transport address.
    pub xor_mapped: Option<SocketAddr>,
    /// MAPPED-ADDRESS, the same in clear, from older servers.
    pub mapped: Option<SocketAddr>,
    /// RESPONSE-ORIGIN, from where the server says that it answers (RFC 5780 §7.3).
    pub response_origin: Option<SocketAddr>,
    /// OTHER-ADDRESS (RFC 5780 §7.4), or CHANGED-ADDRESS as RFC 3489 §11.2.3 called it.
    pub other_address: Option<SocketAddr>,
    /// ALTERNATE-SERVER.
    pub alternate_server: Option<SocketAddr>,
    /// SOFTWARE, as bytes of the server's choosing.
    pub software: Option<Vec<u8>>,
    /// ERROR-CODE: the code and the server's own words.
    pub error: Option<(u16, Vec<u8>)>,
    /// UNKNOWN-ATTRIBUTES, by number.
    pub unknown_attributes: Vec<u16>,
    /// REALM.
    pub realm: Option<Vec<u8>>,
    /// NONCE.
    pub nonce: Option<Vec<u8>>,
    /// PASSWORD-ALGORITHMS: each with its number and parameters, as they stand.
    pub password_algorithms: Option<Vec<u8>>,
    /// XOR-RELAYED-ADDRESS: a claim of the server's, never a destination.
    pub xor_relayed: Option<SocketAddr>,
    /// LIFETIME, in seconds.
    pub lifetime: Option<u32>,
    /// XOR-PEER-ADDRESS.
    pub xor_peer: Option<SocketAddr>,
    /// DATA.
    pub data: Option<Vec<u8>>,
    /// Whether it has an integrity attribute; [`Key::proves`] says whether it is right.
    pub has_integrity: bool,
    /// Whether it holds an attribute that must be understood and is not.
    pub has_unknown_required: bool,
}

/// A Binding request with a FINGERPRINT (RFC 8489 §7).
#[must_use]
pub fn binding_request(transaction: &TransactionId) -> Vec<u8> {
    Writer::new(Class::Request, Method::Binding, transaction).with_fingerprint()
}

/// Reads one whole message.
///
/// Of attributes that come twice the first counts, and those behind an integrity attribute are
/// not read (RFC 8489 §14.5). An attribute that cannot be read is as good as absent; the message
/// stays readable.
///
/// # Errors
///
/// [`Malformed`] where the bytes are not one STUN message, or a FINGERPRINT is wrong.
pub fn read(bytes: &[u8]) -> Result<Message, Malformed> {
    let header = MessageHeader::from_bytes(bytes).map_err(|_| Malformed::NotStun)?;
    if bytes.len() != MessageHeader::LENGTH + usize::from(header.data_length()) {
        return Err(Malformed::NotStun);
    }
    let whole = Whole::from_bytes(bytes).map_err(malformed)?;
    let id: u128 = whole.transaction_id().into();
    let xored = |wanted| {
        let raw = first(&whole, wanted)?;
        Some(XorSocketAddr::from_raw(&raw).ok()?.addr(whole.transaction_id()))
    };
    let clear = |wanted| Some(MappedSocketAddr::from_raw(&first(&whole, wanted)?).ok()?.addr());
    let value = |wanted| Some(first(&whole, wanted)?.value.to_vec());
    let number = |wanted| {
        let raw = first(&whole, wanted)?;
        Some(u32::from_be_bytes(raw.value.as_ref().try_into().ok()?))
    };
    Ok(Message {
        class: match whole.class() {
            MessageClass::Request => Class::Request,
            MessageClass::Indication => Class::Indication,
            MessageClass::Success => Class::Success,
            MessageClass::Error => Class::Error,
        },
        method: Method::numbered(whole.method().value()),
        transaction: std::array::from_fn(|index| id.to_be_bytes()[4 + index]),
        xor_mapped: xored(attribute::XOR_MAPPED_ADDRESS),
        mapped: clear(attribute::MAPPED_ADDRESS),
        response_origin: clear(attribute::RESPONSE_ORIGIN),
        other_address: clear(attribute::OTHER_ADDRESS)
            .or_else(|| clear(attribute::CHANGED_ADDRESS)),
        alternate_server: clear(attribute::ALTERNATE_SERVER),
        software: value(Software::TYPE.value()),
        error: error_code(&whole),
        unknown_attributes: value(attribute::UNKNOWN_ATTRIBUTES)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect(),
        realm: value(attribute::REALM),
        nonce: value(attribute::NONCE),
        password_algorithms: value(attribute::PASSWORD_ALGORITHMS),
        xor_relayed: xored(attribute::XOR_RELAYED_ADDRESS),
        lifetime: number(attribute::LIFETIME),
        xor_peer: xored(attribute::XOR_PEER_ADDRESS),
        data: value(attribute::DATA),
        has_integrity: whole.has_attribute(attribute::MESSAGE_INTEGRITY.into())
            || whole.has_attribute(attribute::MESSAGE_INTEGRITY_SHA256.into()),
        has_unknown_required: whole.iter_attributes().any(|(_, raw)| {
            let known = attribute::REQUIRED.contains(&raw.get_type().value());
            raw.get_type().comprehension_required() && !known
        }),
    })
}

fn malformed(error: StunParseError) -> Malformed {
    if matches!(error, StunParseError::FingerprintMismatch) {
        Malformed::Fingerprint
    } else {
        Malformed::NotStun
    }
}

fn first<'a>(message: &'a Whole<'_>, wanted: u16) -> Option<RawAttribute<'a>> {
    let wanted = AttributeType::new(wanted);
    message.iter_attributes().map(|(_, raw)| raw).find(|raw| raw.get_type() == wanted)
}

/// Reads ERROR-CODE by hand: the class and number of a server that pads or misspells its reason
/// are still its answer (RFC 8489 §14.8).
fn error_code(message: &Whole<'_>) -> Option<(u16, Vec<u8>)> {
    let raw = first(message, ErrorCode::TYPE.value())?;
    let [_, _, class, number, reason @ ..] = &*raw.value else { return None };
    Some((u16::from(class & 0b111) * 100 + u16::from(*number), reason.to_vec()))
}

/// The numbers of attributes (RFC 8489 §18.3, RFC 8656 §18, RFC 5780 §7, RFC 3489 §11.2).
pub mod attribute {
    /// MAPPED-ADDRESS.
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    /// CHANGE-REQUEST.
    pub const CHANGE_REQUEST: u16 = 0x0003;
    /// SOURCE-ADDRESS of RFC 3489.
    pub const SOURCE_ADDRESS: u16 = 0x0004;
    /// CHANGED-ADDRESS of RFC 3489.
    pub const CHANGED_ADDRESS: u16 = 0x0005;
    /// USERNAME.
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE.
    pub const ERROR_CODE: u16 = 0x0009;
    /// UNKNOWN-ATTRIBUTES.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// REFLECTED-FROM of RFC 3489.
    pub const REFLECTED_FROM: u16 = 0x000B;
    /// CHANNEL-NUMBER.
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    /// LIFETIME.
    pub const LIFETIME: u16 = 0x000D;
    /// XOR-PEER-ADDRESS.
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    /// DATA.
    pub const DATA: u16 = 0x0013;
    /// REALM.
    pub const REALM: u16 = 0x0014;
    /// NONCE.
    pub const NONCE: u16 = 0x0015;
    /// XOR-RELAYED-ADDRESS.
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    /// REQUESTED-ADDRESS-FAMILY.
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    /// EVEN-PORT.
    pub const EVEN_PORT: u16 = 0x0018;
    /// REQUESTED-TRANSPORT.
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// DONT-FRAGMENT.
    pub const DONT_FRAGMENT: u16 = 0x001A;
    /// MESSAGE-INTEGRITY-SHA256.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    /// PASSWORD-ALGORITHM.
    pub const PASSWORD_ALGORITHM: u16 = 0x001D;
    /// USERHASH.
    pub const USERHASH: u16 = 0x001E;
    /// XOR-MAPPED-ADDRESS.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// RESERVATION-TOKEN.
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    /// PADDING.
    pub const PADDING: u16 = 0x0026;
    /// RESPONSE-PORT.
    pub const RESPONSE_PORT: u16 = 0x0027;
    /// ADDRESS-ERROR-CODE.
    pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
    /// PASSWORD-ALGORITHMS.
    pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
    /// ALTERNATE-SERVER.
    pub const ALTERNATE_SERVER: u16 = 0x8023;
    /// RESPONSE-ORIGIN.
    pub const RESPONSE_ORIGIN: u16 = 0x802B;
    /// OTHER-ADDRESS.
    pub const OTHER_ADDRESS: u16 = 0x802C;

    /// Those that must be understood and that are; RFC 3489's among them, which old servers still
    /// send.
    pub(super) const REQUIRED: &[u16] = &[
        MAPPED_ADDRESS,
        CHANGE_REQUEST,
        SOURCE_ADDRESS,
        CHANGED_ADDRESS,
        USERNAME,
        MESSAGE_INTEGRITY,
        ERROR_CODE,
        UNKNOWN_ATTRIBUTES,
        REFLECTED_FROM,
        CHANNEL_NUMBER,
        LIFETIME,
        XOR_PEER_ADDRESS,
        DATA,
        REALM,
        NONCE,
        XOR_RELAYED_ADDRESS,
        REQUESTED_ADDRESS_FAMILY,
        EVEN_PORT,
        REQUESTED_TRANSPORT,
        DONT_FRAGMENT,
        MESSAGE_INTEGRITY_SHA256,
        PASSWORD_ALGORITHM,
        USERHASH,
        XOR_MAPPED_ADDRESS,
        RESERVATION_TOKEN,
        PADDING,
        RESPONSE_PORT,
    ];
}
