//! TURN and its integrity: stun_codec, stun-types and turn-types.

use branchline_probes::wire::stun::{
    self, Class, Frame, Frames, Integrity, Key, Method, PasswordAlgorithm, Writer, attribute,
    read_channel_data, user_hash, write_channel_data,
};
use bytecodec::{DecodeExt, EncodeExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stun_codec::rfc5389::attributes::{
    MessageIntegrity, Nonce, Realm, Software, Username, XorMappedAddress,
};
use stun_codec::rfc5389::methods::BINDING;
use stun_codec::rfc5766::attributes::{
    ChannelNumber, Data, DontFragment, EvenPort, Lifetime, RequestedTransport, XorPeerAddress,
    XorRelayAddress,
};
use stun_codec::rfc5766::methods::{
    ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, DATA, REFRESH, SEND,
};
use stun_codec::rfc5780::attributes::{ChangeRequest, OtherAddress, ResponseOrigin};
use stun_codec::rfc8656::attributes::{AddressFamily, RequestedAddressFamily};
use stun_codec::{
    Message, MessageClass, MessageDecoder, MessageEncoder, TransactionId, define_attribute_enums,
};
use stun_types::TransportType;
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, MessageIntegrityCredentials, ShortTermCredentials,
};
use turn_types::channel::ChannelData;
use turn_types::tcp::TurnTcpBuffer;
use turn_types::transmit::TransmitBuild;

use super::{ROUNDS, address, transaction};

define_attribute_enums!(
    Attribute,
    AttributeDecoder,
    AttributeEncoder,
    [
        MessageIntegrity,
        Nonce,
        Realm,
        Software,
        Username,
        XorMappedAddress,
        ChannelNumber,
        Data,
        DontFragment,
        EvenPort,
        Lifetime,
        RequestedTransport,
        XorPeerAddress,
        XorRelayAddress,
        ChangeRequest,
        OtherAddress,
        ResponseOrigin,
        RequestedAddressFamily
    ]
);

const USER: &str = "probe-lyon";
const REALM: &str = "example.org";
const NONCE: &str = "f//499k954d6OL34oL9FSTvy64sA";
const PASSWORD: &str = "a password";

fn key() -> Key {
    Key::long_term(PasswordAlgorithm::Md5, Integrity::Sha1, USER, REALM.as_bytes(), PASSWORD)
}

fn decoded(bytes: &[u8]) -> Message<Attribute> {
    let mut decoder = MessageDecoder::<Attribute>::new();
    decoder.decode_from_bytes(bytes).expect("it is whole").expect("it is sound")
}

fn encoded(message: Message<Attribute>) -> Vec<u8> {
    MessageEncoder::new().encode_into_bytes(message).expect("it can be written")
}

/// Ends a request with our credentials.
fn signed(request: Writer) -> Vec<u8> {
    request
        .with(attribute::USERNAME, USER.as_bytes())
        .with(attribute::REALM, REALM.as_bytes())
        .with(attribute::NONCE, NONCE.as_bytes())
        .signed(&key())
        .with_fingerprint()
}

/// Asserts that stun_codec finds our credentials in a request, and them alone.
#[track_caller]
fn assert_signed(request: &Message<Attribute>) {
    let user = request.get_attribute::<Username>().expect("a user");
    let realm = request.get_attribute::<Realm>().expect("a realm");
    let code = request.get_attribute::<MessageIntegrity>().expect("a code");
    assert_eq!((user.name(), realm.text()), (USER, REALM));
    assert_eq!(request.get_attribute::<Nonce>().expect("a nonce").value(), NONCE);
    assert!(code.check_long_term_credential(user, realm, PASSWORD).is_ok());
    assert!(code.check_long_term_credential(user, realm, "another").is_err());
}

#[test]
fn stun_codec_reads_our_allocate_and_our_refresh() {
    let mut chance = StdRng::seed_from_u64(1);
    for _ in 0..ROUNDS {
        let (id, lifetime) = (transaction(&mut chance), chance.random());
        let new = |method| Writer::new(Class::Request, method, &id);
        let allocate = new(Method::Allocate)
            .with(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .with(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
            .with(attribute::DONT_FRAGMENT, &[])
            .with_number(attribute::LIFETIME, lifetime);

        let allocate = decoded(&signed(allocate));
        let refresh = decoded(&signed(new(Method::Refresh).with_number(attribute::LIFETIME, 0)));

        assert_eq!((allocate.class(), allocate.method()), (MessageClass::Request, ALLOCATE));
        assert_eq!(allocate.transaction_id(), TransactionId::new(id));
        assert_eq!(allocate.get_attribute::<RequestedTransport>().unwrap().protocol(), 17);
        let family = allocate.get_attribute::<RequestedAddressFamily>().unwrap();
        assert!(matches!(family.address_family(), AddressFamily::V6));
        assert!(allocate.get_attribute::<DontFragment>().is_some());
        let read = allocate.get_attribute::<Lifetime>().unwrap().lifetime();
        assert_eq!(read.as_secs(), u64::from(lifetime));
        assert_signed(&allocate);
        assert_eq!((refresh.class(), refresh.method()), (MessageClass::Request, REFRESH));
        assert_eq!(refresh.get_attribute::<Lifetime>().unwrap().lifetime().as_secs(), 0);
        assert_signed(&refresh);
    }
}

#[test]
fn stun_codec_reads_our_permissions_channels_and_send_indications() {
    let mut chance = StdRng::seed_from_u64(2);
    for _ in 0..ROUNDS {
        let (id, peer) = (transaction(&mut chance), address(&mut chance));
        let number: u16 = chance.random_range(0x4000..0x5000);
        let new = |class, method| {
            let message = Writer::new(class, method, &id);
            message.with_xor_address(attribute::XOR_PEER_ADDRESS, peer)
        };
        let channel = new(Class::Request, Method::ChannelBind)
            .with_number(attribute::CHANNEL_NUMBER, u32::from(number) << 16);
        let send = new(Class::Indication, Method::Send).with(attribute::DATA, b"to a peer");

        let permission = decoded(&signed(new(Class::Request, Method::CreatePermission)));
        let channel = decoded(&signed(channel));
        let send = decoded(&send.finish());

        assert_eq!(permission.method(), CREATE_PERMISSION);
        assert_eq!(channel.method(), CHANNEL_BIND);
        assert_eq!((send.class(), send.method()), (MessageClass::Indication, SEND));
        for message in [&permission, &channel, &send] {
            assert_eq!(message.get_attribute::<XorPeerAddress>().unwrap().address(), peer);
        }
        assert_signed(&permission);
        assert_signed(&channel);
        assert_eq!(channel.get_attribute::<ChannelNumber>().unwrap().value(), number);
        assert_eq!(send.get_attribute::<Data>().unwrap().data(), b"to a peer");
    }
}

#[test]
fn we_read_and_prove_what_stun_codec_writes() {
    let mut chance = StdRng::seed_from_u64(3);
    let (user, realm) =
        (Username::new(USER.to_owned()).unwrap(), Realm::new(REALM.to_owned()).unwrap());
    for _ in 0..ROUNDS {
        let id = transaction(&mut chance);
        let [relayed, mapped, peer] = [(); 3].map(|()| address(&mut chance));
        let mut allocate =
            Message::new(MessageClass::SuccessResponse, ALLOCATE, TransactionId::new(id));
        allocate.add_attribute(XorRelayAddress::new(relayed));
        allocate.add_attribute(XorMappedAddress::new(mapped));
        allocate.add_attribute(Lifetime::from_u32(600));
        let code =
            MessageIntegrity::new_long_term_credential(&allocate, &user, &realm, PASSWORD).unwrap();
        allocate.add_attribute(code);
        let mut data = Message::new(MessageClass::Indication, DATA, TransactionId::new(id));
        data.add_attribute(XorPeerAddress::new(peer));
        data.add_attribute(Data::new(b"from a peer".to_vec()).unwrap());

        let bytes = encoded(allocate);
        let allocate = stun::read(&bytes).unwrap();
        let data = stun::read(&encoded(data)).unwrap();

        assert!(key().proves(&bytes));
        assert_eq!((allocate.class, allocate.method), (Class::Success, Method::Allocate));
        assert_eq!((allocate.xor_relayed, allocate.xor_mapped), (Some(relayed), Some(mapped)));
        assert_eq!((allocate.lifetime, allocate.has_integrity), (Some(600), true));
        assert_eq!((data.class, data.method), (Class::Indication, Method::Data));
        assert_eq!((data.xor_peer, data.data.as_deref()), (Some(peer), Some(&b"from a peer"[..])));
    }
}

#[test]
fn we_read_the_addresses_of_rfc_5780_that_stun_codec_writes() {
    let mut chance = StdRng::seed_from_u64(4);
    for _ in 0..ROUNDS {
        let (origin, other) = (address(&mut chance), address(&mut chance));
        let id = TransactionId::new(transaction(&mut chance));
        let mut message = Message::new(MessageClass::SuccessResponse, BINDING, id);
        message.add_attribute(ResponseOrigin::new(origin));
        message.add_attribute(OtherAddress::new(other));

        let read = stun::read(&encoded(message)).unwrap();

        assert_eq!((read.response_origin, read.other_address), (Some(origin), Some(other)));
    }
}

fn binding() -> Writer {
    Writer::new(Class::Request, Method::Binding, &[7; 12])
}

// RFC 5780 §7.2: bit 0x4 asks for another address, bit 0x2 for another port.
#[test]
fn stun_codec_is_wrong_about_a_change_request_that_it_reads_and_right_in_what_it_writes() {
    for (ip, port, value) in [(true, true, 6), (true, false, 4), (false, true, 2)] {
        let theirs = decoded(&binding().with_number(attribute::CHANGE_REQUEST, value).finish());
        let theirs = theirs.get_attribute::<ChangeRequest>().unwrap();
        assert_ne!((theirs.ip(), theirs.port()), (ip, port));

        let id = TransactionId::new([7; 12]);
        let mut message = Message::new(MessageClass::Request, BINDING, id);
        message.add_attribute(ChangeRequest::new(ip, port));
        let ours = binding().with_number(attribute::CHANGE_REQUEST, value).finish();
        assert_eq!(encoded(message), ours);
    }
}

// RFC 8489 §14.2: a receiver ignores the first eight bits; it has no leave to alter them.
#[test]
fn stun_codec_is_wrong_about_an_integrity_over_a_reserved_byte_and_we_are_right() {
    for (reserved, is_right) in [(0x00, true), (0xFF, false)] {
        let value = [reserved, 1, 0xA1, 0x47, 0xE1, 0x12, 0xA6, 0x43];
        let key = Key::short_term(Integrity::Sha1, PASSWORD);
        let message = Writer::new(Class::Success, Method::Binding, &[7; 12])
            .with(attribute::XOR_MAPPED_ADDRESS, &value)
            .signed(&key)
            .finish();

        let theirs = decoded(&message);
        let code = theirs.get_attribute::<MessageIntegrity>().unwrap();

        assert_eq!(code.check_short_term_credential(PASSWORD).is_ok(), is_right);
        assert!(key.proves(&message));
        let read = stun::read(&message).unwrap();
        assert_eq!(read.xor_mapped, Some("192.0.2.1:32853".parse().unwrap()));
    }
}

// RFC 8489 §14.6
#[test]
fn stun_codec_knows_nothing_of_sha_256_and_stun_types_proves_it_as_we_do() {
    let message = signed_with_sha256();

    let theirs = decoded(&message);
    let unknown: Vec<u16> = theirs
        .unknown_attributes()
        .map(|it| stun_codec::Attribute::get_type(it).as_u16())
        .collect();

    let missed = [
        attribute::USERHASH,
        attribute::PASSWORD_ALGORITHMS,
        attribute::PASSWORD_ALGORITHM,
        attribute::MESSAGE_INTEGRITY_SHA256,
    ];
    assert_eq!(unknown, missed);
    assert!(theirs.get_attribute::<MessageIntegrity>().is_none());
    let whole = stun_types::message::Message::from_bytes(&message).unwrap();
    let proof = whole.validate_integrity(&credentials(PASSWORD)).unwrap();
    assert_eq!(proof, IntegrityAlgorithm::Sha256);
    assert!(whole.validate_integrity(&credentials("another")).is_err());
}

fn credentials(password: &str) -> MessageIntegrityCredentials {
    let [user, password, realm] = [USER, password, REALM].map(str::to_owned);
    LongTermKeyCredentials::new(user, password, realm).into()
}

/// An Allocate as RFC 8489 §9.2.5 wants it of a server that knows SHA-256.
fn signed_with_sha256() -> Vec<u8> {
    let algorithm = PasswordAlgorithm::Sha256;
    let key = Key::long_term(algorithm, Integrity::Sha256, USER, REALM.as_bytes(), PASSWORD);
    Writer::new(Class::Request, Method::Allocate, &[7; 12])
        .with(attribute::USERHASH, &user_hash(USER, REALM.as_bytes()))
        .with(attribute::REALM, REALM.as_bytes())
        .with(attribute::NONCE, b"obMatJos2AAAC")
        .with(attribute::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0])
        .with(attribute::PASSWORD_ALGORITHM, &[0, 2, 0, 0])
        .signed(&key)
        .finish()
}

#[test]
fn stun_types_proves_every_sha_1_of_ours() {
    let short = Key::short_term(Integrity::Sha1, PASSWORD);
    let mut chance = StdRng::seed_from_u64(5);
    for _ in 0..ROUNDS {
        let software = vec![b'x'; chance.random_range(1..64)];
        let message = |key: &Key| binding().with(0x8022, &software).signed(key).with_fingerprint();
        let (long, short) = (message(&key()), message(&short));

        for (bytes, credentials) in [
            (long, credentials(PASSWORD)),
            (short, ShortTermCredentials::new(PASSWORD.to_owned()).into()),
        ] {
            let whole = stun_types::message::Message::from_bytes(&bytes).unwrap();
            let proof = whole.validate_integrity(&credentials).unwrap();
            assert_eq!(proof, IntegrityAlgorithm::Sha1);
        }
    }
}

// RFC 8489 §14.5: what follows MESSAGE-INTEGRITY is ignored, but MESSAGE-INTEGRITY-SHA256 and
// FINGERPRINT.
#[test]
fn stun_codec_is_wrong_about_what_follows_an_integrity_and_we_are_right() {
    let forged = "6.6.6.6:666".parse().unwrap();
    let message = Writer::new(Class::Success, Method::Binding, &[7; 12])
        .signed(&key())
        .with_xor_address(attribute::XOR_MAPPED_ADDRESS, forged)
        .finish();

    let theirs = decoded(&message);

    assert_eq!(theirs.get_attribute::<XorMappedAddress>().unwrap().address(), forged);
    assert_eq!(stun::read(&message).unwrap().xor_mapped, None);
}

#[test]
fn turn_types_and_we_agree_on_channel_data_in_datagrams() {
    let mut chance = StdRng::seed_from_u64(6);
    for _ in 0..ROUNDS {
        let mut data = vec![0; chance.random_range(0..200)];
        rand::Rng::fill_bytes(&mut chance, &mut data);
        let number = chance.random_range(0x4000..0x5000);
        let ours = write_channel_data(number, &data, false);
        let mut theirs = vec![0; ours.len()];
        ChannelData::new(number, &data).write_into_unchecked(&mut theirs);

        let read = ChannelData::parse(&ours).unwrap();

        assert_eq!((read.id(), read.data()), (number, &data[..]));
        assert_eq!(read_channel_data(&theirs), Some((number, &data[..])));
    }
}

/// What turn-types cuts out of a stream.
fn cut_by_turn_types(stream: &[u8], size: usize) -> Vec<Frame> {
    let peer = super::desk::peer();
    let mut buffer = TurnTcpBuffer::new();
    let mut all = Vec::new();
    for piece in stream.chunks(size) {
        let transmit = TransmitBuild::new(piece, TransportType::Tcp, peer, peer).build();
        all.extend(buffer.incoming_tcp(transmit).map(|it| it.data().to_vec()));
        all.extend(std::iter::from_fn(|| buffer.poll_recv()).map(|it| it.data().to_vec()));
    }
    let frame = |bytes: Vec<u8>| match read_channel_data(&bytes) {
        Some((number, data)) => Frame::Channel { number, data: data.to_vec() },
        None => Frame::Stun(bytes),
    };
    all.into_iter().map(frame).collect()
}

/// What we cut out of it.
fn cut_by_us(stream: &[u8], size: usize) -> Vec<Frame> {
    let mut frames = Frames::new();
    let mut all = Vec::new();
    for piece in stream.chunks(size) {
        frames.push(piece);
        all.extend(std::iter::from_fn(|| frames.pop()).map(|frame| frame.expect("it is sound")));
    }
    all
}

/// A stream of messages and of channel data whose lengths are multiples of `step`.
fn stream(chance: &mut StdRng, step: usize) -> (Vec<u8>, Vec<Frame>) {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    for _ in 0..chance.random_range(1..8) {
        let number = chance.random_range(0x4000..0x5000);
        let data = vec![b'x'; chance.random_range(1..40) * step];
        if chance.random() {
            let message = stun::binding_request(&transaction(chance));
            bytes.extend(&message);
            frames.push(Frame::Stun(message));
        } else {
            bytes.extend(write_channel_data(number, &data, true));
            frames.push(Frame::Channel { number, data });
        }
    }
    (bytes, frames)
}

#[test]
fn turn_types_and_we_cut_a_stream_alike_where_nothing_is_padded() {
    let mut chance = StdRng::seed_from_u64(7);
    for _ in 0..ROUNDS {
        let (bytes, frames) = stream(&mut chance, 4);
        // turn-types wants the first header whole.
        let size = chance.random_range(20..100);

        assert_eq!(cut_by_us(&bytes, size), frames);
        assert_eq!(cut_by_turn_types(&bytes, size), frames);
    }
}

// RFC 8656 §12.5: over TCP and TLS the padding is there, and its length does not tell it.
#[test]
fn turn_types_is_wrong_about_padded_channel_data_on_a_stream_and_we_are_right() {
    let message = stun::binding_request(&[7; 12]);
    let bytes = [write_channel_data(0x4001, b"hello", true), message.clone()].concat();
    let channel = Frame::Channel { number: 0x4001, data: b"hello".to_vec() };

    assert_eq!(cut_by_us(&bytes, 100), [channel.clone(), Frame::Stun(message)]);
    assert_eq!(cut_by_turn_types(&bytes, 100), [channel]);
    let mut chance = StdRng::seed_from_u64(8);
    for _ in 0..ROUNDS {
        let (bytes, frames) = stream(&mut chance, 1);
        assert_eq!(cut_by_us(&bytes, chance.random_range(1..100)), frames);
    }
}
