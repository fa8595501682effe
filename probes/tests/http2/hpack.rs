//! Header blocks: the examples of RFC 7541 Appendix C, and blocks that are none.

use branchline_probes::wire::http2::hpack::{Decoder, Malformed};

/// A block as the RFC prints it, and the fields that it stands for.
type Example = (&'static str, &'static [(&'static str, &'static str)]);

// RFC 7541 Appendix C.2: each on a connection of its own.
const SINGLE: [Example; 4] = [
    (
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        &[("custom-key", "custom-header")],
    ),
    ("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")]),
    ("1008 7061 7373 776f 7264 0673 6563 7265 74", &[("password", "secret")]),
    ("82", &[(":method", "GET")]),
];

const FIRST_REQUEST: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
const SECOND_REQUEST: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "www.example.com"),
    ("cache-control", "no-cache"),
];
const THIRD_REQUEST: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
];

// RFC 7541 Appendix C.3
const REQUESTS: [Example; 3] = [
    ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST_REQUEST),
    ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND_REQUEST),
    ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD_REQUEST),
];

// RFC 7541 Appendix C.4
const HUFFMAN_REQUESTS: [Example; 3] = [
    ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST_REQUEST),
    ("8286 84be 5886 a8eb 1064 9cbf", SECOND_REQUEST),
    ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD_REQUEST),
];

const FIRST_RESPONSE: &[(&str, &str)] = &[
    (":status", "302"),
    ("cache-control", "private"),
    ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
    ("location", "https://www.example.com"),
];
const SECOND_RESPONSE: &[(&str, &str)] = &[
    (":status", "307"),
    ("cache-control", "private"),
    ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
    ("location", "https://www.example.com"),
];
const THIRD_RESPONSE: &[(&str, &str)] = &[
    (":status", "200"),
    ("cache-control", "private"),
    ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
    ("location", "https://www.example.com"),
    ("content-encoding", "gzip"),
    ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
];

// RFC 7541 Appendix C.5
const RESPONSES: [Example; 3] = [
    (
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
         6c65 2e63 6f6d",
        FIRST_RESPONSE,
    ),
    ("4803 3330 37c1 c0bf", SECOND_RESPONSE),
    (
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
         3d31",
        THIRD_RESPONSE,
    ),
];

// RFC 7541 Appendix C.6
const HUFFMAN_RESPONSES: [Example; 3] = [
    (
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        FIRST_RESPONSE,
    ),
    ("4883 640e ffc1 c0bf", SECOND_RESPONSE),
    (
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        THIRD_RESPONSE,
    ),
];

/// The table size that the examples of Appendix C.5 and C.6 are made for: 256.
const TABLE_OF_256: [u8; 3] = [0x3F, 0xE1, 0x01];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("digits")).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    let fields = decoder.decode(block)?;
    Ok(fields.into_iter().map(|field| (text(field.name), text(field.value))).collect())
}

fn assert_read(decoder: &mut Decoder, examples: &[Example]) {
    for (block, fields) in examples {
        let expected: Vec<_> =
            fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!(decode(decoder, &unhex(block)), Ok(expected), "{block}");
    }
}

/// What comes of a block on a connection of its own.
fn alone(block: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    decode(&mut Decoder::default(), block)
}

// RFC 7541 Appendix C.2
#[test]
fn the_published_fields_are_read() {
    for example in SINGLE {
        assert_read(&mut Decoder::default(), &[example]);
    }
}

// RFC 7541 Appendix C.3, C.4
#[test]
fn the_published_requests_of_one_connection_are_read() {
    assert_read(&mut Decoder::default(), &REQUESTS);
    assert_read(&mut Decoder::default(), &HUFFMAN_REQUESTS);
}

// RFC 7541 Appendix C.5, C.6
#[test]
fn the_published_responses_are_read_though_their_table_evicts() {
    for examples in [RESPONSES, HUFFMAN_RESPONSES] {
        let mut decoder = Decoder::default();
        assert_eq!(decode(&mut decoder, &TABLE_OF_256), Ok(Vec::new()));
        assert_read(&mut decoder, &examples);
    }
}

// RFC 7541 §4.4
#[test]
fn a_table_that_is_too_small_forgets() {
    let mut decoder = Decoder::default();
    assert_read(&mut decoder, &REQUESTS[..1]);

    let found = decoder.decode(&[0x20, 0xBE]);

    assert_eq!(found, Err(Malformed::NoSuchIndex));
}

// RFC 7541 §4.4
#[test]
fn a_field_larger_than_the_table_empties_it_and_is_read() {
    let mut decoder = Decoder::default();
    assert_read(&mut decoder, &REQUESTS[..1]);
    // A table of 56 bytes holds nothing of 57; that of `www.example.com` takes 57.
    let block = [&[0x3F, 56 - 31][..], &unhex("410f 7777 772e 6578 616d 706c 652e 636f 6d")];

    let found = decode(&mut decoder, &block.concat());

    assert_eq!(found, Ok(vec![(":authority".into(), "www.example.com".into())]));
    assert_eq!(decoder.decode(&[0xBE]), Err(Malformed::NoSuchIndex));
}

// RFC 7541 §4.4: the name may be that of the field that goes.
#[test]
fn a_field_that_evicts_the_one_whose_name_it_takes_keeps_the_name() {
    let mut decoder = Decoder::default();
    let first = [&[0x3F, 40 - 31][..], b"\x40\x03abc\x04long"].concat();
    assert!(decoder.decode(&first).is_ok());

    let found = decode(&mut decoder, b"\x7e\x05other\xbe");

    let expected = ("abc".to_string(), "other".to_string());
    assert_eq!(found, Ok(vec![expected.clone(), expected]));
}

// RFC 7541 §4.2, §6.3
#[test]
fn the_table_grows_no_further_than_we_allow_and_changes_before_all_fields() {
    let (at_most, beyond) = ([0x3F, 0xE1, 0x1F], [0x3F, 0xE2, 0x1F]);
    assert_eq!(alone(&at_most), Ok(Vec::new()));
    assert_eq!(alone(&[0x20, 0x3F, 0xE1, 0x1F, 0x82]).map(|fields| fields.len()), Ok(1));
    assert_eq!(alone(&beyond), Err(Malformed::BadTableSize));
    assert_eq!(alone(&[0x82, 0x20]), Err(Malformed::BadTableSize));
}

// RFC 7541 §2.3.3, §6.1
#[test]
fn an_index_points_into_a_table() {
    assert_eq!(alone(&[0x80]), Err(Malformed::NoSuchIndex));
    assert_eq!(alone(&[0xBD]), Ok(vec![("www-authenticate".into(), String::new())]));
    assert_eq!(alone(&[0xBE]), Err(Malformed::NoSuchIndex));
    assert_eq!(alone(&[0x7E, 0]), Err(Malformed::NoSuchIndex));
}

// RFC 7541 §5.1
#[test]
fn a_number_is_read_in_five_octets_and_no_more() {
    // 2^28 - 1 + 127, which is an index into no table, and one octet more.
    assert_eq!(alone(b"\xff\xff\xff\xff\x7f"), Err(Malformed::NoSuchIndex));
    assert_eq!(alone(b"\xff\xff\xff\xff\xff\x00"), Err(Malformed::TooLong));
    // Zeros behind a number do not change it: RFC 7541 §5.1 knows no shortest form.
    assert_eq!(alone(b"\x04\x7f\x80\x00"), Err(Malformed::Truncated));
    let long = [b"\x04\x7f\x81\x00", &[b'x'; 128][..]].concat();
    assert_eq!(alone(&long), Ok(vec![(":path".into(), "x".repeat(128))]));
}

#[test]
fn a_block_that_ends_within_a_field_is_none() {
    for (block, _) in SINGLE.iter().chain(&REQUESTS[..1]).chain(&HUFFMAN_RESPONSES[..1]) {
        let block = unhex(block);
        let whole = Decoder::default().decode(&block).unwrap();
        for length in 1..block.len() {
            match Decoder::default().decode(&block[..length]) {
                Ok(fields) => assert!(whole.starts_with(&fields) && fields.len() < whole.len()),
                Err(malformed) => assert_eq!(malformed, Malformed::Truncated),
            }
        }
    }
}

// RFC 7541 §5.2
#[test]
fn a_huffman_string_ends_in_the_first_bits_of_eos_and_never_holds_it() {
    let path = |string: &[u8]| {
        let length = u8::try_from(string.len()).unwrap();
        alone(&[&[0x04, 0x80 | length], string].concat()).map(|fields| fields[0].1.clone())
    };
    // `0` is 00000, `&` is 11111000 and needs no padding, `a` is 00011.
    assert_eq!(path(&[0b0000_0111]).as_deref(), Ok("0"));
    assert_eq!(path(&[0b1111_1000]).as_deref(), Ok("&"));
    assert_eq!(path(&[]).as_deref(), Ok(""));
    for broken in [
        &[0b0000_0110][..],                     // padded with a zero
        &[0b0000_0000],                         // padded with zeros alone
        &[0b0000_0111, 0xFF],                   // padded with eleven bits
        &[0xFF],                                // padding alone, of eight bits
        &[0b0001_1111, 0xFF, 0xFF, 0xFF, 0xFF], // EOS, and padding behind it
        &[0xFF; 12],
    ] {
        assert_eq!(path(broken), Err(Malformed::BadHuffman), "{broken:02x?}");
    }
}
