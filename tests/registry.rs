//! What every probe keeps to: nothing here knows one of them, only the list.

#[path = "../probes/tests/desk/mod.rs"]
mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use branchline_probes::{
    Certificate, Exchange, Failure, Foreign, Handshake, Ignored, Kind, Module, Observation,
    OptionSpec, OptionValue, Options, Outcome, PROBES, Probe, Refusal, Secret, Standing, TIMEOUT,
    Transport, TrustedBy, Verdict,
};
use desk::{News, Reply, Run, Wanted, millis};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use toml::{Table, Value};

/// The longest schedule of any RFC: SIP over UDP sends a request eleven times (RFC 3261
/// §17.1.2.2). Each probe's own tests hold its exact schedule.
const MOST_TRANSMISSIONS: usize = 11;
/// Every packet of the hostile test is one of so many.
const PACKETS: usize = 10_000;

/// The first module stanza of a probe's sample.
fn stanza(probe: &dyn Probe) -> Table {
    let sample: Table = probe.sample().parse().expect("the sample is TOML");
    let modules = sample["modules"].as_table().expect("it has modules");
    modules.values().next().expect("it has one").as_table().expect("a table").clone()
}

/// The sample's options over the defaults; a secret is the word "marker".
fn sample_options(probe: &dyn Probe) -> Options {
    let mut options = Options::defaults(probe.options());
    for (key, value) in stanza(probe) {
        // The name of the probe and its timeout are everybody's; the tests set their own.
        if key == "probe" || key == "timeout" {
            continue;
        }
        let spec = spec(probe, &key).expect("a known option");
        options.set(spec, option_value(spec.kind, &value).expect("a value of its kind"));
    }
    options
}

fn spec(probe: &dyn Probe, key: &str) -> Option<&'static OptionSpec> {
    probe.options().iter().find(|spec| spec.name == key)
}

fn option_value(kind: Kind, value: &Value) -> Option<OptionValue> {
    if kind == Kind::Secret {
        let is_reference = value.is_table();
        return is_reference.then(|| OptionValue::Secret(Secret::new("marker".to_owned())));
    }
    if let Some(list) = value.as_array() {
        let texts: Option<Vec<String>> = list.iter().map(text).collect();
        return kind.read(&texts?.join(","));
    }
    kind.read(&text(value)?)
}

fn text(value: &Value) -> Option<String> {
    let number = value.as_integer().map(|it| it.to_string());
    value.as_str().map(str::to_owned).or(number).or(value.as_bool().map(|it| it.to_string()))
}

fn sample_module(probe: &dyn Probe, timeout: Option<Duration>) -> Box<dyn Module> {
    let mut options = sample_options(probe);
    if let Some(timeout) = timeout {
        options.set(&TIMEOUT.spec(), OptionValue::Duration(timeout));
    }
    probe.module(&options).expect("the sample's options are valid")
}

fn begin(probe: &dyn Probe) -> Box<dyn Exchange> {
    desk::begin(&*sample_module(probe, None), 7)
}

/// The verdict on an observation with this outcome.
fn verdict(outcome: &Outcome) -> Verdict {
    let observation = Observation {
        probe: "a-probe",
        module: String::new(),
        target: String::new(),
        site: String::new(),
        address: None,
        transport: Transport::Udp,
        started: std::time::SystemTime::UNIX_EPOCH,
        elapsed: Duration::ZERO,
        outcome: outcome.clone(),
    };
    observation.verdict()
}

fn is_snake_case(name: &str) -> bool {
    is_cased(name, '_')
}

fn is_cased(name: &str, separator: char) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split(separator).all(|part| {
            !part.is_empty()
                && part.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        })
}

#[test]
fn every_probe_has_a_name_of_its_own_in_kebab_case() {
    let names: BTreeSet<_> = PROBES.iter().map(|probe| probe.name()).collect();

    assert_eq!(names.len(), PROBES.len());
    assert!(names.iter().all(|name| is_cased(name, '-') && name.contains('-')), "{names:?}");
}

#[test]
fn every_fact_has_a_name_of_its_own_in_snake_case_and_a_sentence() {
    for probe in PROBES {
        let names: BTreeSet<_> = probe.facts().iter().map(|fact| fact.name).collect();

        assert_eq!(names.len(), probe.facts().len(), "{}", probe.name());
        assert!(names.iter().all(|name| is_snake_case(name)), "{names:?}");
        assert!(probe.facts().iter().all(|fact| !fact.help.is_empty()));
    }
}

// https://prometheus.io/docs/concepts/data_model/, with the underscores of this house.
#[test]
fn every_metric_has_a_valid_name_of_its_own() {
    let mut owners = BTreeMap::new();
    for probe in PROBES {
        let mut series = BTreeSet::new();
        for fact in probe.facts() {
            let Some(metric) = fact.metric else { continue };
            let name = metric.name;
            assert!(is_snake_case(name) && name.starts_with("probe_"), "{name}");
            assert_eq!(metric.word.is_some(), name.ends_with("_info"), "{name}");
            assert!(series.insert((name, metric.labels)), "{name} is declared twice");
            // Probes may share a fact, such as what TLS showed, but not a name.
            let one = (fact.name, fact.help);
            let is_labelled = !metric.labels.is_empty();
            assert!(*owners.entry(name).or_insert(one) == one || is_labelled, "{name} is two");
        }
    }
}

#[test]
fn a_fact_in_seconds_says_so_in_its_metric() {
    for fact in PROBES.iter().flat_map(|probe| probe.facts()) {
        let is_in_seconds = fact.name.ends_with("_seconds");
        assert!(
            fact.metric.is_none_or(|metric| metric.name.ends_with("_seconds") == is_in_seconds),
            "{}",
            fact.name
        );
    }
}

#[test]
fn every_option_has_a_name_of_its_own_and_a_default_of_its_kind() {
    for probe in PROBES {
        let names: BTreeSet<_> = probe.options().iter().map(|option| option.name).collect();
        assert_eq!(names.len(), probe.options().len(), "{}", probe.name());
        assert!(!names.contains("probe") && !names.contains(TIMEOUT.spec().name));

        for option in probe.options() {
            assert!(is_snake_case(option.name) && !option.help.is_empty(), "{}", option.name);
            assert!(!(option.required && option.default.is_some()), "{}", option.name);
            let reads = option.default.is_none_or(|text| option.kind.read(text).is_some());
            assert!(reads, "{}: {:?}", option.name, option.default);
        }
    }
}

// That a key beside them is refused, with the line and the nearest name, is proven by
// tests/config.rs: there is the reader of files.
#[test]
fn the_sample_of_every_probe_is_a_module_and_a_target_that_uses_it() {
    for probe in PROBES {
        let stanza = stanza(*probe);
        assert_eq!(stanza["probe"].as_str(), Some(probe.name()));
        let unknown = stanza.keys().find(|key| {
            !["probe", "timeout"].contains(&key.as_str()) && spec(*probe, key).is_none()
        });
        assert_eq!(unknown, None, "{}", probe.name());

        let module = sample_module(*probe, None);

        assert_eq!(module.timeout(), probe.timeout());
        assert!(module.default_port() > 0);
        let sample: Table = probe.sample().parse().unwrap();
        let used = sample["targets"][0]["modules"][0].as_str().unwrap();
        assert!(sample["modules"].as_table().unwrap().contains_key(used));
    }
}

#[test]
fn given_silence_every_probe_gives_up_within_its_timeout() {
    for probe in PROBES {
        let result = desk::run(begin(*probe).as_mut(), &mut desk::silence());

        assert_eq!(result.label(), "no_response", "{}", probe.name());
        assert_eq!(verdict(&result.outcome), Verdict::Down);
        assert!(result.ended.elapsed() <= probe.timeout(), "{}", probe.name());
    }
}

#[test]
fn given_silence_a_shorter_timeout_is_the_deadline() {
    for probe in PROBES {
        for share in [2, 3, 7] {
            let timeout = probe.timeout() / share;
            let mut exchange = desk::begin(&*sample_module(*probe, Some(timeout)), 7);

            let result = desk::run(exchange.as_mut(), &mut desk::silence());

            assert_eq!(result.label(), "deadline", "{} in {timeout:?}", probe.name());
            assert_eq!(result.ended.elapsed(), timeout, "{}", probe.name());
        }
    }
}

#[test]
fn a_leg_that_never_opens_ends_at_the_timeout() {
    for probe in PROBES {
        let result = desk::run(begin(*probe).as_mut(), &mut |_| Vec::new());

        assert_eq!(result.label(), "deadline", "{}", probe.name());
        assert_eq!((result.ended.elapsed(), result.sent.len()), (probe.timeout(), 0));
    }
}

#[test]
fn no_request_is_sent_more_often_than_its_rfc_says() {
    for probe in PROBES {
        let result = desk::run(begin(*probe).as_mut(), &mut desk::silence());

        let mut copies = BTreeMap::new();
        for (_, _, bytes) in &result.sent {
            *copies.entry(bytes).or_insert(0) += 1;
        }
        assert!(copies.values().all(|&count| count <= MOST_TRANSMISSIONS), "{}", probe.name());
    }
}

#[test]
fn a_refusal_ends_every_exchange_at_once() {
    let refusals = [
        (Refusal::Port, "refused"),
        (Refusal::Reset, "refused"),
        (Refusal::Unreachable { network: false, icmp_type: 3, code: 1 }, "unreachable"),
        (Refusal::Prohibited { icmp_type: 3, code: 13 }, "prohibited"),
    ];
    for probe in PROBES {
        for (refusal, label) in refusals {
            let by = Some("192.0.2.1".parse().unwrap());
            let mut world = |wanted: Wanted<'_>| -> Reply {
                match wanted {
                    Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
                    Wanted::Bytes(..) => vec![(millis(3), News::Refused { by, refusal })],
                }
            };

            let result = desk::run(begin(*probe).as_mut(), &mut world);

            assert_eq!(result.label(), label, "{}", probe.name());
            assert_eq!(result.outcome.failure.as_ref().unwrap().1.by(), by);
            assert_eq!(result.ended.elapsed(), desk::OPENING + millis(3), "{}", probe.name());
        }
    }
}

// I9
#[test]
fn a_fault_of_this_host_says_nothing_of_the_target() {
    for probe in PROBES {
        let result = desk::run(begin(*probe).as_mut(), &mut |_| vec![(millis(1), News::Failed)]);

        assert_eq!(result.label(), "local", "{}", probe.name());
        assert_eq!(verdict(&result.outcome), Verdict::Unknown);
    }
}

#[test]
fn called_off_every_exchange_ends_within_five_seconds() {
    for probe in PROBES {
        for after in [millis(0), millis(1), millis(700)] {
            let mut is_called_off = false;
            let mut world = |wanted: Wanted<'_>| -> Reply {
                let mut reply = Vec::new();
                if matches!(wanted, Wanted::Open(_)) {
                    reply.push((desk::OPENING, News::Connected));
                }
                if !is_called_off {
                    is_called_off = true;
                    reply.push((after, News::Cancelled));
                }
                reply
            };

            let result = desk::run(begin(*probe).as_mut(), &mut world);

            assert_eq!(result.label(), "cancelled", "{} {after:?}", probe.name());
            assert_eq!(verdict(&result.outcome), Verdict::Unknown);
            assert!(result.ended.elapsed() <= after + millis(5_000), "{}", probe.name());
        }
    }
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let trace = |probe: &dyn Probe, seed: u8| {
        let mut chance = StdRng::seed_from_u64(1);
        let module = sample_module(probe, None);
        desk::run(desk::begin(&*module, seed).as_mut(), &mut hostile(&mut chance, 5)).trace
    };
    for probe in PROBES {
        assert_eq!(trace(*probe, 7), trace(*probe, 7), "{}", probe.name());
        assert_ne!(trace(*probe, 7), trace(*probe, 8), "{} has no chance at all", probe.name());
    }
}

#[test]
fn a_packet_from_a_stranger_is_counted_and_changes_nothing() {
    let stranger: SocketAddr = "203.0.113.66:5060".parse().unwrap();
    for probe in PROBES {
        let calm = desk::run(begin(*probe).as_mut(), &mut desk::silence());
        let mut chance = StdRng::seed_from_u64(2);
        let mut world = |wanted: Wanted<'_>| -> Reply {
            match wanted {
                Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
                Wanted::Bytes(_, _, request) => {
                    let answers = plausible(request).into_iter();
                    let noise = mutated(&mut chance, request);
                    let all = answers.chain([request.to_vec(), noise]);
                    let heard = |bytes| News::Heard { from: stranger, bytes };
                    all.map(|bytes| (millis(9), heard(bytes))).collect()
                }
            }
        };

        let Run { mut outcome, sent, .. } = desk::run(begin(*probe).as_mut(), &mut world);

        assert!(outcome.ignored.remove(&Ignored::Stranger) > Some(0), "{}", probe.name());
        assert_eq!(outcome, calm.outcome, "{}", probe.name());
        assert_eq!(sent.len(), calm.sent.len(), "{}", probe.name());
    }
}

// D-DNS-8
#[test]
fn whatever_answers_say_a_certificate_has_to_be_for_the_configured_host() {
    let mut over_tls = 0;
    for probe in PROBES {
        let Some(transport) = spec(*probe, "transport") else { continue };
        let Some(tls) = transport.kind.read("tls") else { continue };
        let mut options = sample_options(*probe);
        options.set(transport, tls);
        let module = probe.module(&options).expect("the sample over TLS is valid");
        let mut chance = StdRng::seed_from_u64(9);
        let mut answers = hostile(&mut chance, 20);
        let mut world = |wanted: Wanted<'_>| -> Reply {
            let is_tls = matches!(wanted, Wanted::Open(leg) if leg.tls.is_some());
            let mut reply = answers(wanted);
            if is_tls {
                reply.push((2 * desk::OPENING, News::Secured(Box::new(handshake()))));
            }
            reply
        };

        let result = desk::run(desk::begin(&*module, 7).as_mut(), &mut world);

        assert!(!result.sent.is_empty(), "{} has heard no answer", probe.name());
        let legs = result.opened.iter().filter_map(|leg| leg.tls.as_ref().map(|tls| (leg, tls)));
        for (leg, tls) in legs {
            over_tls += 1;
            assert_eq!((leg.peer, &*tls.server_name), (desk::peer(), "host.example"));
        }
    }
    assert!(over_tls >= 4, "{over_tls}");
}

// I1
#[test]
fn ten_thousand_hostile_packets_do_not_panic_a_probe_or_keep_it() {
    for probe in PROBES {
        let mut chance = StdRng::seed_from_u64(3);
        let (mut heard, mut ignored) = (0, 0);
        let mut seed = 0_u8;
        while heard < PACKETS {
            let module = sample_module(*probe, None);
            let mut inner = hostile(&mut chance, 100);
            let mut world = |wanted: Wanted<'_>| {
                let reply = inner(wanted);
                heard += reply.len();
                reply
            };

            let result = desk::run(desk::begin(&*module, seed).as_mut(), &mut world);

            assert!(result.ended.elapsed() <= probe.timeout(), "{} seed {seed}", probe.name());
            ignored += result.outcome.ignored.values().sum::<u64>();
            seed = seed.wrapping_add(1);
        }
        // I12: hostility is visible, also where the first plausible answer ends the exchange.
        assert!(ignored > 500, "{} ignored {ignored} of {heard}", probe.name());
    }
}

// I9, I10
#[test]
fn every_label_is_in_the_closed_list_and_speaks_of_one_side() {
    let peer = desk::peer();
    let local = Failure::Local { peer, problem: std::io::ErrorKind::Other };

    assert!(Failure::LABELS.len() <= 24);
    assert!(Failure::LABELS.contains(&local.label()));
    assert_eq!(local.standing(), Standing::Unknown);
    assert_eq!(Failure::Internal.standing(), Standing::Unknown);
}

/// What a server shows whose certificate is for the name that was asked for.
fn handshake() -> Handshake {
    let (now, name) = (desk::STARTED, || Foreign::new("CN=host.example"));
    let names = vec![Foreign::new("host.example")];
    let (subject, issuer) = (name(), name());
    let certificate = Certificate {
        subject,
        issuer,
        names,
        not_before: now,
        not_after: now,
        chain_not_after: now,
    };
    Handshake {
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        certificate,
        trusted_by: TrustedBy::Public,
    }
}

/// A world in which each transmission gets `count` broken answers from the right peer.
fn hostile(chance: &mut StdRng, count: usize) -> impl FnMut(Wanted<'_>) -> Reply {
    move |wanted| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(_, _, request) => (0..count)
            .map(|_| {
                let after = Duration::from_micros(chance.random_range(0..400_000));
                (after, News::answer(mutated(chance, request)))
            })
            .collect(),
    }
}

/// What might pass for an answer to `request`, in each protocol of the corpus.
fn plausible(request: &[u8]) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    // STUN: a success with XOR-MAPPED-ADDRESS under the request's transaction id.
    if let Some(transaction) = request.get(4..20) {
        let attribute = [0, 0x20, 0, 8, 0, 1, 0x32, 0x10, 0xEA, 0x12, 0xD5, 0x47];
        answers.push([&[1, 1, 0, 12], transaction, &attribute].concat());
        let error = [0, 9, 0, 4, 0, 0, 4, 0];
        answers.push([&[1, 0x11, 0, 8], transaction, &error].concat());
    }
    // DNS: the query with QR set, as a datagram and behind the length of a stream.
    for start in [0, 2] {
        let mut bytes = request.to_vec();
        if let Some(flags) = bytes.get_mut(start + 2) {
            *flags |= 0x80;
            answers.push(bytes);
        }
    }
    // SIP: every header of the request below a status line.
    let line_end = request.windows(2).position(|pair| pair == b"\r\n").unwrap_or_default();
    for status in STATUS_LINES {
        answers.push([status.as_bytes(), &request[line_end..]].concat());
    }
    answers
}

const STATUS_LINES: [&str; 7] = [
    "SIP/2.0 100 Trying",
    "SIP/2.0 200 OK",
    "SIP/2.0 200 OK\r\nContact: *, <sip:a@b;c=\"<>\">;expires=99999999999, \"\\",
    "SIP/2.0 302 Moved\r\nContact: <sip:evil.example>",
    "SIP/2.0 401 No\r\nWWW-Authenticate: Digest realm=\"sip.example.com\", nonce=\"n\", \
     algorithm=SHA-256, qop=\"auth\", stale=true",
    "SIP/2.0 401 No\r\nWWW-Authenticate: Digest realm=\"\\\", nonce=, Digest,,,=\"\", Digest x",
    "SIP/2.0 423 Brief\r\nMin-Expires: 240",
];

/// A plausible answer, or the request itself, with a few bytes broken, cut out or doubled.
fn mutated(chance: &mut StdRng, request: &[u8]) -> Vec<u8> {
    let mut corpus = plausible(request);
    corpus.push(request.to_vec());
    let mut bytes = corpus.swap_remove(chance.random_range(0..corpus.len()));
    for _ in 0..chance.random_range(1..5) {
        let at = chance.random_range(0..=bytes.len());
        match chance.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, chance.random()),
            2 => {
                let until = (at + chance.random_range(0..64)).min(bytes.len());
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => {
                let until = (at + chance.random_range(0..8)).min(bytes.len());
                bytes.drain(at..until);
            }
            4 => {
                let mut noise = vec![0; chance.random_range(0..40)];
                chance.fill_bytes(&mut noise);
                bytes.extend(noise);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = *[0, 0xFF, b'\r', b'\n', b'"', b'<', *byte ^ (1 << (at % 8))]
                        .get(chance.random_range(0..7))
                        .expect("one of seven");
                }
            }
        }
    }
    bytes
}
