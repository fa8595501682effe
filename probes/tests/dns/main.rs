//! `dns-query` against forgers, broken servers and every way to say "no".

#[path = "../desk/mod.rs"]
mod desk;

mod answers;
mod extras;
mod floods;
mod forgeries;
mod https;
mod mutations;
mod queries;
mod spelling;
mod streams;

use branchline_probes::dns_query::ANSWERS;
use branchline_probes::{Ignored, OptionValue, Transport};
use desk::{News, Reply, Run, Wanted, begin, millis, module, run};

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

/// A record of class IN; the name is a pointer or labels.
fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    record_of_class(1, owner, kind, ttl, data)
}

fn record_of_class(class: u16, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("it is short");
    let fixed = [&kind.to_be_bytes()[..], &class.to_be_bytes(), &ttl.to_be_bytes()].concat();
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
            Wanted::Bytes(leg, _, bytes) => {
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
