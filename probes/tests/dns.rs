//! `dns-query` against forgers, broken servers and every way to say "no".

mod desk;

use branchline_probes::dns_query::{
    ANSWERS, AUTHORITATIVE, NEGATIVE_TTL, RCODE, RTT, SERIAL, TRANSMISSIONS, TRUNCATED, TTL,
};
use branchline_probes::{Chance, Ignored, OptionValue, Output, Transport};
use desk::{News, Reply, Run, Wanted, begin, begin_with, millis, module, run, silence};

const NAME: &str = "lyon.example.com";
const A: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;
/// Where the question's name stands in every message of ours.
const OWNER: [u8; 2] = [0xC0, 0x0C];

const RESPONSE: u8 = 0x80;
const AUTHORITATIVE_BIT: u8 = 0x04;
const TRUNCATED_BIT: u8 = 0x02;

/// A response, field by field.
struct Answer {
    id: [u8; 2],
    flags: u8,
    rcode: u8,
    question: Vec<u8>,
    answers: Vec<Vec<u8>>,
    authorities: Vec<Vec<u8>>,
}

impl Answer {
    /// What answers `query` with nothing.
    fn to(query: &[u8]) -> Self {
        let name_end = 12 + query[12..].iter().position(|&byte| byte == 0).expect("a name");
        Self {
            id: [query[0], query[1]],
            flags: RESPONSE,
            rcode: 0,
            question: query[12..name_end + 5].to_vec(),
            answers: Vec::new(),
            authorities: Vec::new(),
        }
    }

    fn with(mut self, records: &[Vec<u8>]) -> Self {
        self.answers.extend_from_slice(records);
        self
    }

    fn rcode(mut self, rcode: u8) -> Self {
        self.rcode = rcode;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let questions = u8::from(!self.question.is_empty());
        let count = |records: &[Vec<u8>]| u8::try_from(records.len()).expect("few");
        let counts = [0, questions, 0, count(&self.answers), 0, count(&self.authorities), 0, 0];
        let head = [&self.id[..], &[self.flags, self.rcode], &counts, &self.question];
        [head.concat(), self.answers.concat(), self.authorities.concat()].concat()
    }
}

/// A record; the name is a pointer or labels.
fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("it is short");
    let fixed = [&kind.to_be_bytes()[..], &1_u16.to_be_bytes(), &ttl.to_be_bytes()].concat();
    [owner, &fixed, &length.to_be_bytes(), data].concat()
}

fn a(ttl: u32, address: [u8; 4]) -> Vec<u8> {
    record(&OWNER, A, ttl, &address)
}

fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let mut data = vec![2, b'n', b's', 0, 4, b'h', b'o', b's', b't', 0];
    for number in [2026_u32, 7200, 900, 86_400, minimum] {
        data.extend(number.to_be_bytes());
    }
    record(&OWNER, SOA, ttl, &data)
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("it is short"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// 203.0.113.80 for five minutes.
fn truth(query: &[u8]) -> Vec<u8> {
    Answer::to(query).with(&[a(300, [203, 0, 113, 80])]).bytes()
}

/// What a forger would have us believe.
fn lie(query: &[u8]) -> Answer {
    Answer::to(query).with(&[a(9, [6, 6, 6, 6])])
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("it is short");
    [&length.to_be_bytes(), message].concat()
}

fn options(set: &[(&'static str, OptionValue)]) -> Box<dyn branchline_probes::Module> {
    let name = ("name", OptionValue::Text(NAME.to_owned()));
    module("dns-query", &[&[name], set].concat())
}

/// Datagrams get what `answers` says, one after the other; the stream stays silent.
fn ask(answers: impl FnMut(&[u8]) -> Vec<Vec<u8>>) -> Run {
    ask_with(&[], answers, |_| Vec::new())
}

/// The same for datagrams and, without its framing, for the stream.
fn ask_with(
    set: &[(&'static str, OptionValue)],
    mut datagrams: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
    mut stream: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
) -> Run {
    let mut carriers = Vec::new();
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(leg) => {
                carriers.push((leg.id, leg.transport));
                vec![(desk::OPENING, News::Connected)]
            }
            Wanted::Bytes(leg, bytes) => {
                let is_stream = carriers.contains(&(leg, Transport::Tcp));
                let answers = if is_stream { stream(&bytes[2..]) } else { datagrams(bytes) };
                let answers = answers.into_iter();
                answers.map(|answer| (millis(20), News::answer(answer))).collect()
            }
        }
    };
    run(begin(&*options(set), 7).as_mut(), &mut world)
}

fn addresses(result: &Run) -> Vec<String> {
    let answers = result.outcome.facts.read(&ANSWERS).unwrap_or_default();
    answers.iter().map(|answer| answer.as_str().to_owned()).collect()
}

/// Sends the forgery before the truth and asserts that only the truth was taken.
fn assert_ignored(reason: Ignored, forge: impl Fn(&[u8]) -> Vec<u8>) {
    let result = ask(|query| vec![forge(query), truth(query)]);

    assert_eq!(result.label(), "", "{:?}", result.outcome);
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.ignored(reason), 1, "{:?}", result.outcome.ignored);
}

#[test]
fn the_query_is_as_rfc_1035_and_rfc_6891_write_it() {
    let result = run(begin(&*options(&[]), 7).as_mut(), &mut silence());

    let query = &result.sent[0].2;
    let question = [labels(NAME), vec![0, 1, 0, 1]].concat();
    // RD, one question, one additional record.
    assert_eq!(query[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(query[12..12 + question.len()], question);
    // OPT: root, type 41, payload size 1232.
    assert_eq!(query[12 + question.len()..][..5], [0, 0, 41, 0x04, 0xD0]);
}

#[test]
fn recursion_is_not_desired_where_the_module_says_so() {
    let module = options(&[("recursion", OptionValue::Flag(false))]);

    let result = run(begin(&*module, 7).as_mut(), &mut silence());

    assert_eq!(result.sent[0].2[2], 0);
}

// D-DNS-2 asks for 10⁶ draws; 200 000 keep a debug build within seconds.
#[test]
fn ids_are_uniform_over_seeds() {
    const DRAWS: u32 = 200_000;
    let module = options(&[]);
    let (mut high, mut low) = ([0_u32; 256], [0_u32; 256]);

    for number in 0..DRAWS {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let mut exchange = begin_with(&*module, Chance::from_seed(seed));
        let Output::Open(leg) = exchange.poll_output() else { panic!("it opens no leg") };
        let local = desk::LOCAL.parse().unwrap();
        let connected = branchline_probes::Input::Connected { leg: leg.id, local };
        exchange.handle_input(connected, branchline_probes::Moment::START);
        let Output::Transmit { bytes, .. } = exchange.poll_output() else { panic!("no query") };
        high[usize::from(bytes[0])] += 1;
        low[usize::from(bytes[1])] += 1;
    }

    // 255 degrees of freedom: 99.99 % lie below 347.7, 0.01 % below 177.
    let expected = f64::from(DRAWS) / 256.0;
    for buckets in [high, low] {
        let chi_square: f64 =
            buckets.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!((170.0..350.0).contains(&chi_square), "{chi_square}");
    }
}

#[test]
fn an_answer_tells_its_records_flags_and_smallest_ttl() {
    let result = ask(|query| {
        let mut answer = Answer::to(query).with(&[a(300, [203, 0, 113, 80]), a(60, [1, 2, 3, 4])]);
        answer.flags |= AUTHORITATIVE_BIT;
        vec![answer.bytes()]
    });

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80", "A 1.2.3.4"]);
    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&TTL), Some(millis(60_000)));
    assert_eq!(facts.read(&AUTHORITATIVE), Some(true));
    assert_eq!(facts.read(&TRUNCATED), Some(false));
    assert_eq!(facts.read(&RTT), Some(millis(20)));
    assert_eq!(facts.read(&RCODE), Some("NOERROR"));
}

#[test]
fn the_ttl_of_a_chain_is_that_of_its_shortest_link() {
    let result = ask(|query| {
        let target = labels("edge.example.net");
        let chain =
            [record(&OWNER, CNAME, 30, &target), record(&target, A, 600, &[203, 0, 113, 80])];
        vec![Answer::to(query).with(&chain).bytes()]
    });

    assert_eq!(result.label(), "");
    assert_eq!(result.outcome.facts.read(&TTL), Some(millis(30_000)));
    assert_eq!(addresses(&result), ["CNAME edge.example.net.", "A 203.0.113.80"]);
}

#[test]
fn a_chain_that_ends_nowhere_is_no_data() {
    let result = ask(|query| {
        let link = record(&OWNER, CNAME, 30, &labels("edge.example.net"));
        vec![Answer::to(query).with(&[link]).bytes()]
    });

    assert_eq!(result.label(), "unexpected_answer");
}

#[test]
fn a_record_of_another_name_answers_nothing() {
    let result = ask(|query| {
        let stray = record(&labels("elsewhere.example.net"), A, 600, &[203, 0, 113, 80]);
        vec![Answer::to(query).with(&[stray]).bytes()]
    });

    assert_eq!(result.label(), "unexpected_answer");
    assert_eq!(addresses(&result), [""; 0]);
}

// D-DNS-6
#[test]
fn aliases_that_lead_back_or_lead_on_for_ever_are_no_data() {
    let back = labels("back.example.net");
    let result = ask(|query| {
        let circle = [record(&OWNER, CNAME, 30, &back), record(&back, CNAME, 30, &labels(NAME))];
        vec![Answer::to(query).with(&circle).bytes()]
    });
    assert_eq!(result.label(), "unexpected_answer");

    let result = ask(|query| {
        let name = |hop: usize| labels(&format!("hop{hop}.example.net"));
        let mut chain = vec![record(&OWNER, CNAME, 30, &name(0))];
        chain.extend((0..30).map(|hop| record(&name(hop), CNAME, 30, &name(hop + 1))));
        chain.push(record(&name(30), A, 30, &[203, 0, 113, 80]));
        vec![Answer::to(query).with(&chain).bytes()]
    });
    assert_eq!(result.label(), "unexpected_answer");
}

// RFC 2308 §5
#[test]
fn the_absence_of_a_name_may_be_remembered_for_the_lesser_of_two_ttls() {
    for (ttl, minimum, expected) in [(3_600, 300, 300), (60, 300, 60)] {
        let result = ask(|query| {
            let mut answer = Answer::to(query).rcode(3);
            answer.authorities.push(soa(ttl, minimum));
            vec![answer.bytes()]
        });

        assert_eq!(result.label(), "rejected");
        assert_eq!(result.outcome.facts.read(&RCODE), Some("NXDOMAIN"));
        assert_eq!(result.outcome.facts.read(&NEGATIVE_TTL), Some(millis(expected * 1_000)));
        assert_eq!(result.outcome.facts.read(&SERIAL), Some(2026));
    }
}

#[test]
fn an_address_that_is_not_expected_is_an_unexpected_answer() {
    let expect = OptionValue::Addresses(vec!["203.0.113.80".parse().unwrap()]);
    let set = [("expect", expect)];

    let right = ask_with(&set, |query| vec![truth(query)], |_| Vec::new());
    let wrong = ask_with(&set, |query| vec![lie(query).bytes()], |_| Vec::new());

    assert_eq!(right.label(), "");
    let (_, failure) = wrong.outcome.failure.unwrap();
    assert_eq!(failure.to_string(), "192.0.2.10:5060 answered 6.6.6.6, expected 203.0.113.80");
}

// D-DNS-3
#[test]
fn a_query_sent_back_is_no_answer() {
    assert_ignored(Ignored::Unasked, <[u8]>::to_vec);
}

// D-DNS-3
#[test]
fn an_answer_to_another_kind_of_request_is_ignored() {
    for opcode in [1_u8, 2, 4, 5] {
        assert_ignored(Ignored::Unasked, |query| {
            let mut answer = lie(query);
            answer.flags |= opcode << 3;
            answer.bytes()
        });
    }
}

// D-DNS-3
#[test]
fn an_answer_whose_id_differs_in_any_one_bit_is_ignored() {
    for bit in 0..16 {
        assert_ignored(Ignored::Mismatch, |query| {
            let mut bytes = lie(query).bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
    }
}

// D-DNS-3
#[test]
fn an_answer_to_another_question_is_ignored() {
    let questions = [
        [labels("paris.example.com"), vec![0, 1, 0, 1]].concat(),
        [labels(NAME), vec![0, 28, 0, 1]].concat(),
    ];
    for question in questions {
        assert_ignored(Ignored::Mismatch, |query| {
            Answer { question: question.clone(), ..lie(query) }.bytes()
        });
    }
}

// D-DNS-3
#[test]
fn an_answer_of_another_class_is_ignored() {
    let question = [labels(NAME), vec![0, 1, 0, 3]].concat();
    assert_ignored(Ignored::Unasked, |query| {
        Answer { question: question.clone(), ..lie(query) }.bytes()
    });
}

// D-DNS-3
#[test]
fn an_answer_with_two_questions_is_ignored() {
    assert_ignored(Ignored::Mismatch, |query| {
        let mut answer = lie(query);
        answer.question = [answer.question.clone(), answer.question.clone()].concat();
        let mut bytes = answer.bytes();
        bytes[5] = 2;
        bytes
    });
}

// D-DNS-3
#[test]
fn an_answer_without_a_question_counts_only_for_four_errors() {
    let bare =
        |query: &[u8], rcode| Answer { question: Vec::new(), ..Answer::to(query).rcode(rcode) };
    for (rcode, word) in [(1, "FORMERR"), (2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED")] {
        let result = ask(|query| vec![bare(query, rcode).bytes()]);

        assert_eq!(result.label(), "rejected", "{word}");
        assert_eq!(result.outcome.facts.read(&RCODE), Some(word));
    }
    for rcode in [0, 3, 6, 9] {
        assert_ignored(Ignored::Mismatch, |query| bare(query, rcode).bytes());
    }
    assert_ignored(Ignored::Mismatch, |query| {
        let record = record(&labels(NAME), A, 9, &[6, 6, 6, 6]);
        bare(query, 2).with(&[record]).bytes()
    });
}

// D-DNS-4
#[test]
fn after_a_thousand_wrong_ids_the_truth_is_taken_and_a_stream_was_tried() {
    let result = ask(|query| {
        let forgeries = (1..=1_000_u16).map(|offset| {
            let id = u16::from_be_bytes([query[0], query[1]]).wrapping_add(offset);
            Answer { id: id.to_be_bytes(), ..lie(query) }.bytes()
        });
        forgeries.chain([truth(query)]).collect()
    });

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.ignored(Ignored::Mismatch), 1_000);
    let transports: Vec<_> = result.opened.iter().map(|leg| leg.transport).collect();
    assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
}

// D-DNS-4
#[test]
fn while_a_forger_shouts_the_stream_brings_the_truth() {
    let forge = |query: &[u8]| vec![Answer { id: [!query[0], query[1]], ..lie(query) }.bytes()];

    let result = ask_with(&[], forge, |query| vec![framed(&truth(query))]);

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
}

// D-DNS-5
#[test]
fn garbage_is_ignored_until_the_truth_comes() {
    let garbage: [&[u8]; 4] = [b"", b"x", &[0xFF; 12], &[0xC0; 512]];
    for bytes in garbage {
        assert_ignored(Ignored::Malformed, |_| bytes.to_vec());
    }
    assert_ignored(Ignored::Malformed, |query| {
        let bytes = lie(query).bytes();
        bytes[..bytes.len() - 1].to_vec()
    });
}

// D-DNS-6
#[test]
fn a_truncated_answer_is_asked_for_by_tcp() {
    let cut = |query: &[u8]| {
        let mut answer = Answer::to(query);
        answer.flags |= TRUNCATED_BIT;
        vec![answer.bytes()]
    };

    let result = ask_with(&[], cut, |query| vec![framed(&truth(query))]);

    assert_eq!(result.label(), "");
    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.outcome.facts.read(&TRUNCATED), Some(true));
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(1));
}

// D-DNS-6
#[test]
fn an_answer_in_single_bytes_is_put_together() {
    let drip = |query: &[u8]| framed(&truth(query)).into_iter().map(|byte| vec![byte]).collect();
    let by_tcp = [("transport", OptionValue::Word("tcp"))];

    let result = ask_with(&by_tcp, |_| Vec::new(), drip);

    assert_eq!(addresses(&result), ["A 203.0.113.80"]);
    assert_eq!(result.opened.len(), 1);
}

// D-DNS-6
#[test]
fn names_that_point_in_circles_are_ignored() {
    let answer_at = |query: &[u8]| u8::try_from(Answer::to(query).bytes().len()).expect("short");
    let to_itself = |query: &[u8]| [0xC0, answer_at(query)];
    let forward = |query: &[u8]| [0xC0, answer_at(query) + 2];
    let by_a_label = |query: &[u8]| [&[1, b'a', 0xC0][..], &[answer_at(query)]].concat();
    assert_ignored(Ignored::Malformed, |query| {
        Answer::to(query).with(&[record(&to_itself(query), A, 9, &[6, 6, 6, 6])]).bytes()
    });
    assert_ignored(Ignored::Malformed, |query| {
        let owner = [&forward(query)[..], &to_itself(query)].concat();
        Answer::to(query).with(&[record(&owner, A, 9, &[6, 6, 6, 6])]).bytes()
    });
    assert_ignored(Ignored::Malformed, |query| {
        Answer::to(query).with(&[record(&by_a_label(query), A, 9, &[6, 6, 6, 6])]).bytes()
    });
}

// D-DNS-6, I3
#[test]
fn more_than_512_records_are_ignored_and_512_are_read() {
    let many = |query: &[u8], count: u16| {
        let records = vec![a(300, [203, 0, 113, 80]); usize::from(count - 1)].concat();
        let mut bytes = [Answer::to(query).bytes(), records].concat();
        bytes[6..8].copy_from_slice(&(count - 1).to_be_bytes());
        bytes
    };

    // The question counts, too.
    let most = ask(|query| vec![many(query, 512)]);

    assert_eq!((most.label(), addresses(&most).len()), ("", 32));
    assert_ignored(Ignored::Malformed, |query| many(query, 513));
}

#[test]
fn given_silence_two_queries_leave_five_seconds_apart() {
    let result = run(begin(&*options(&[]), 7).as_mut(), &mut silence());

    assert_eq!(result.schedule(), [0, 5_000]);
    assert_eq!(result.label(), "no_response");
    assert_eq!(result.outcome.facts.read(&TRANSMISSIONS), Some(2));
}

#[test]
fn a_stream_that_is_closed_without_an_answer_breaks_the_protocol() {
    let module = options(&[("transport", OptionValue::Word("tcp"))]);
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => vec![(millis(1), News::Closed)],
    };

    let result = run(begin(&*module, 7).as_mut(), &mut world);

    assert_eq!(result.label(), "misbehaved");
}
