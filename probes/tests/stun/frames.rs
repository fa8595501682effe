//! STUN and ChannelData on a stream, in pieces of any size, and ChannelData as datagrams.

use branchline_probes::wire::stun::{
    Frame, Frames, Malformed, binding_request, read_channel_data, write_channel_data,
};

use super::vectors::{RESPONSE_IPV4, RESPONSE_IPV6};

/// RFC 8656 §12.4, by hand: channel 0x4001, five bytes, padded as on a stream.
const CHANNEL_DATA: &[u8] = b"\x40\x01\x00\x05hello\0\0\0";

/// Everything that comes out of a stream that brings these pieces.
fn popped<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Frame, Malformed>> {
    let mut frames = Frames::new();
    let mut all = Vec::new();
    for piece in pieces {
        frames.push(piece);
        all.extend(std::iter::from_fn(|| frames.pop()));
    }
    all
}

fn of_three() -> (Vec<u8>, Vec<Result<Frame, Malformed>>) {
    let frames = [
        Ok(Frame::Stun(RESPONSE_IPV4.to_vec())),
        Ok(Frame::Channel { number: 0x4001, data: b"hello".to_vec() }),
        Ok(Frame::Stun(RESPONSE_IPV6.to_vec())),
    ];
    ([RESPONSE_IPV4, CHANNEL_DATA, RESPONSE_IPV6].concat(), frames.to_vec())
}

// RFC 8489 §6.2.2, RFC 8656 §12.5
#[test]
fn a_stream_is_cut_into_its_messages_however_its_pieces_arrive() {
    let (stream, expected) = of_three();
    for size in 1..=stream.len() {
        assert_eq!(popped(stream.chunks(size)), expected, "pieces of {size}");
    }
}

#[test]
fn a_message_is_not_told_before_its_last_byte() {
    for whole in [RESPONSE_IPV4, CHANNEL_DATA] {
        for length in 0..whole.len() {
            assert_eq!(popped([&whole[..length]]), [], "{length} of {}", whole.len());
            let mut frames = Frames::new();
            frames.push(&whole[..length]);
            assert_eq!((frames.pop(), frames.is_partial()), (None, length > 0));
        }
        assert_eq!(popped([whole]).len(), 1);
    }
}

// I12
#[test]
fn what_begins_no_message_ends_the_stream_once_and_for_all() {
    let mut odd_length = RESPONSE_IPV4.to_vec();
    odd_length[3] += 1;
    let mut wrong_cookie = RESPONSE_IPV4.to_vec();
    wrong_cookie[7] ^= 1;
    let strangers: [(&str, &[u8]); 7] = [
        ("a reserved channel", b"\x50\x00\x00\x00"),
        ("TLS", b"\x80\x03\x01\x00"),
        ("all ones", b"\xff"),
        ("SIP", b"SIP/2.0 400 Bad Request\r\n\r\n"),
        ("a length that is no multiple of four", &odd_length),
        ("a wrong magic cookie", &wrong_cookie),
        ("a wrong magic cookie, cut", &wrong_cookie[..8]),
    ];
    for (what, bytes) in strangers {
        let found = popped([RESPONSE_IPV4, bytes, RESPONSE_IPV4]);

        let expected = [Ok(Frame::Stun(RESPONSE_IPV4.to_vec())), Err(Malformed::NotStun)];
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn the_longest_messages_pass() {
    // The greatest length that is a multiple of four, and the greatest of all.
    let mut stun = binding_request(&[7; 12]);
    stun[2..4].copy_from_slice(&65_532_u16.to_be_bytes());
    stun.resize(20 + 65_532, 0);
    let data = vec![b'x'; 65_535];
    let channel = write_channel_data(0x4FFF, &data, true);
    let stream = [&stun[..], &channel, &stun].concat();

    let found = popped(stream.chunks(16_384));

    let expected = [
        Ok(Frame::Stun(stun.clone())),
        Ok(Frame::Channel { number: 0x4FFF, data }),
        Ok(Frame::Stun(stun)),
    ];
    assert!(found == expected);
}

#[test]
fn a_stream_that_nobody_pops_keeps_a_bounded_part() {
    let mut frames = Frames::new();
    for _ in 0..50_000 {
        frames.push(RESPONSE_IPV4);
    }

    let all: Vec<_> = std::iter::from_fn(|| frames.pop()).collect();

    let (last, before) = all.split_last().expect("there are some");
    // Four messages of 20 + 65 535 bytes hold as many whole ones of 80.
    assert_eq!((last, before.len()), (&Err(Malformed::NotStun), 4 * 65_555 / 80));
    assert!(before.iter().all(Result::is_ok));
}

#[test]
fn channel_data_of_a_datagram_may_be_padded_and_need_not_be() {
    for length in 9..=12 {
        let found = read_channel_data(&CHANNEL_DATA[..length]);
        assert_eq!(found, Some((0x4001, &b"hello"[..])), "{length} bytes");
    }
    assert_eq!(read_channel_data(b"\x4F\xFF\x00\x00"), Some((0x4FFF, &b""[..])));
}

#[test]
fn what_is_not_quite_channel_data_is_none() {
    let others: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("three bytes", b"\x40\x01\x00"),
        ("less data than its length says", &CHANNEL_DATA[..8]),
        ("more than padding behind it", b"\x40\x01\x00\x05hello\0\0\0\0"),
        ("a number below all channels", b"\x3F\xFF\x00\x00"),
        ("a reserved number", b"\x50\x00\x00\x00"),
    ];
    for (what, bytes) in others {
        assert_eq!(read_channel_data(bytes), None, "{what}");
    }
}

// RFC 8656 §12.5
#[test]
fn channel_data_is_padded_on_a_stream_and_not_in_a_datagram() {
    assert_eq!(write_channel_data(0x4001, b"hello", true), CHANNEL_DATA);
    assert_eq!(write_channel_data(0x4001, b"hello", false), CHANNEL_DATA[..9]);
    assert_eq!(write_channel_data(0x4001, &vec![0; 70_000], false).len(), 4 + 65_535);
}
