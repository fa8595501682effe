//! STUN messages (RFC 8489): a Binding request out, a response in.

use std::net::SocketAddr;

use stun_types::attribute::{
    AlternateServer, Attribute, AttributeStaticType, AttributeType, ErrorCode, MappedSocketAddr,
    Software, XorMappedAddress,
};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageHeader, MessageType, MessageWrite, MessageWriteExt,
    MessageWriteVec, StunParseError,
};

/// A 96-bit transaction id.
pub type TransactionId = [u8; 12];

/// Why bytes are no STUN response that may be believed.
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
    /// A request or an indication: not for a client.
    Request,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// A message with the attributes that a Binding response can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What kind of message it is.
    pub class: Class,
    /// Whether the method is Binding.
    pub is_binding: bool,
    /// The transaction to which it belongs.
    pub transaction: TransactionId,
    /// XOR-MAPPED-ADDRESS, the reflexive transport address.
    pub xor_mapped: Option<SocketAddr>,
    /// MAPPED-ADDRESS, the same in clear, from older servers.
    pub mapped: Option<SocketAddr>,
    /// ALTERNATE-SERVER.
    pub alternate_server: Option<SocketAddr>,
    /// SOFTWARE, as bytes of the server's choosing.
    pub software: Option<Vec<u8>>,
    /// ERROR-CODE: the code and the server's own words.
    pub error: Option<(u16, Vec<u8>)>,
    /// Whether it holds an attribute that must be understood and is not.
    pub has_unknown_required: bool,
}

/// A Binding request with a FINGERPRINT (RFC 8489 §7).
#[must_use]
pub fn binding_request(transaction: &TransactionId) -> Vec<u8> {
    let id = transaction.iter().fold(0_u128, |id, &byte| id << 8 | u128::from(byte));
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut message = Message::builder(kind, id.into(), MessageWriteVec::new());
    // It fails only where a FINGERPRINT is there already.
    let _ = message.add_fingerprint();
    message.finish()
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
pub fn read_binding(bytes: &[u8]) -> Result<Binding, Malformed> {
    let header = MessageHeader::from_bytes(bytes).map_err(|_| Malformed::NotStun)?;
    if bytes.len() != MessageHeader::LENGTH + usize::from(header.data_length()) {
        return Err(Malformed::NotStun);
    }
    let message = Message::from_bytes(bytes).map_err(malformed)?;
    let transaction = message.transaction_id();
    let id: u128 = transaction.into();
    let xor_mapped = message.attribute::<XorMappedAddress>().ok();
    let mapped =
        first(&message, MAPPED_ADDRESS).and_then(|raw| MappedSocketAddr::from_raw(&raw).ok());
    let alternate = message.attribute::<AlternateServer>().ok();
    Ok(Binding {
        class: match message.class() {
            MessageClass::Request | MessageClass::Indication => Class::Request,
            MessageClass::Success => Class::Success,
            MessageClass::Error => Class::Error,
        },
        is_binding: message.method() == BINDING,
        transaction: std::array::from_fn(|index| id.to_be_bytes()[4 + index]),
        xor_mapped: xor_mapped.map(|attribute| attribute.addr(transaction)),
        mapped: mapped.map(|attribute| attribute.addr()),
        alternate_server: alternate.map(|attribute| attribute.server()),
        software: first(&message, Software::TYPE).map(|raw| raw.value.to_vec()),
        error: error_code(&message),
        has_unknown_required: message.iter_attributes().any(|(_, raw)| {
            raw.get_type().comprehension_required() && !KNOWN.contains(&raw.get_type())
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

type Raw<'a> = stun_types::attribute::RawAttribute<'a>;

fn first<'a>(message: &'a Message<'_>, wanted: AttributeType) -> Option<Raw<'a>> {
    message.iter_attributes().map(|(_, raw)| raw).find(|raw| raw.get_type() == wanted)
}

/// Reads ERROR-CODE by hand: the class and number of a server that pads or misspells its reason
/// are still its answer (RFC 8489 §14.8).
fn error_code(message: &Message<'_>) -> Option<(u16, Vec<u8>)> {
    let raw = first(message, ErrorCode::TYPE)?;
    let [_, _, class, number, reason @ ..] = &*raw.value else { return None };
    Some((u16::from(class & 0b111) * 100 + u16::from(*number), reason.to_vec()))
}

const MAPPED_ADDRESS: AttributeType = AttributeType::new(0x0001);

/// The comprehension-required attributes that a response may hold (RFC 8489 §18.3.1), those of
/// RFC 3489 §11.2 that old servers still send among them.
const KNOWN: &[AttributeType] = &[
    MAPPED_ADDRESS,
    AttributeType::new(0x0004), // SOURCE-ADDRESS
    AttributeType::new(0x0005), // CHANGED-ADDRESS
    AttributeType::new(0x0006), // USERNAME
    AttributeType::new(0x0008), // MESSAGE-INTEGRITY
    AttributeType::new(0x0009), // ERROR-CODE
    AttributeType::new(0x000A), // UNKNOWN-ATTRIBUTES
    AttributeType::new(0x000B), // REFLECTED-FROM
    AttributeType::new(0x0014), // REALM
    AttributeType::new(0x0015), // NONCE
    AttributeType::new(0x001C), // MESSAGE-INTEGRITY-SHA256
    AttributeType::new(0x001D), // PASSWORD-ALGORITHM
    AttributeType::new(0x001E), // USERHASH
    AttributeType::new(0x0020), // XOR-MAPPED-ADDRESS
];
