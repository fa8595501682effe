//! STUN: stun_codec.

use branchline_probes::wire::stun::{self, Class, Method};
use bytecodec::{DecodeExt, EncodeExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stun_codec::rfc5389::attributes::{
    ErrorCode, Fingerprint, MappedAddress, Software, XorMappedAddress,
};
use stun_codec::rfc5389::{Attribute, methods::BINDING};
use stun_codec::{Message, MessageClass, MessageDecoder, MessageEncoder, TransactionId};

use super::{ROUNDS, address, transaction};

fn decoded(bytes: &[u8]) -> Message<Attribute> {
    let mut decoder = MessageDecoder::<Attribute>::new();
    decoder.decode_from_bytes(bytes).expect("it is whole").expect("it is sound")
}

fn encoded(message: Message<Attribute>) -> Vec<u8> {
    MessageEncoder::new().encode_into_bytes(message).expect("it can be written")
}

#[test]
fn stun_codec_reads_our_binding_request() {
    let mut chance = StdRng::seed_from_u64(1);
    for _ in 0..ROUNDS {
        let id = transaction(&mut chance);

        let read = decoded(&stun::binding_request(&id));

        assert_eq!((read.class(), read.method()), (MessageClass::Request, BINDING));
        assert_eq!(read.transaction_id(), TransactionId::new(id));
        assert!(read.get_attribute::<Fingerprint>().is_some());
        assert_eq!((read.attributes().count(), read.unknown_attributes().count()), (1, 0));
    }
}

#[test]
fn we_read_the_successes_that_stun_codec_writes() {
    let mut chance = StdRng::seed_from_u64(2);
    for _ in 0..ROUNDS {
        let id = transaction(&mut chance);
        let (seen, clear) = (address(&mut chance), address(&mut chance));
        let mut message =
            Message::new(MessageClass::SuccessResponse, BINDING, TransactionId::new(id));
        message.add_attribute(XorMappedAddress::new(seen));
        message.add_attribute(MappedAddress::new(clear));
        message.add_attribute(Software::new("an oracle".to_owned()).unwrap());
        let fingerprint = Fingerprint::new(&message).unwrap();
        message.add_attribute(fingerprint);

        let read = stun::read(&encoded(message)).unwrap();

        assert_eq!((read.class, read.method), (Class::Success, Method::Binding));
        assert_eq!(read.transaction, id);
        assert_eq!((read.xor_mapped, read.mapped), (Some(seen), Some(clear)));
        assert_eq!(read.software.as_deref(), Some(&b"an oracle"[..]));
        assert!(!read.has_unknown_required);
    }
}

#[test]
fn we_read_the_errors_that_stun_codec_writes() {
    for code in [300, 400, 401, 420, 438, 500, 599] {
        let mut message =
            Message::new(MessageClass::ErrorResponse, BINDING, TransactionId::new([7; 12]));
        message.add_attribute(ErrorCode::new(code, "why not".to_owned()).unwrap());

        let read = stun::read(&encoded(message)).unwrap();

        assert_eq!((read.class, read.error), (Class::Error, Some((code, b"why not".to_vec()))));
    }
}
