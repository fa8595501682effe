//! Whom a locator finds, as the driver asks them: nothing here knows a protocol.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use branchline::check::{Check, Whom};
use branchline::driver;
use branchline_probes::locate::{
    Answer, CANDIDATES, Candidate, Located, Locating, Locator, PASSED_OVER, Question, RecordKind,
    Records,
};
use branchline_probes::{
    Chance, Exchange, Facts, Failure, Foreign, Input, Module, Moment, Observation, Outcome, Output,
    Phase, Target, Transport, Unresolved,
};
use tokio_util::sync::CancellationToken;

use crate::checks::{Invented, check};
use crate::ping::{PATIENCE, Ping};

/// What the exchange with a port ends with.
fn outcome(address: SocketAddr) -> Outcome {
    let rejected = |code| Failure::Rejected { peer: address, code, reason: Foreign::new("No") };
    let waited = Duration::from_secs(1);
    let failure = match address.port() {
        SILENT => Some(Failure::NoResponse { peer: address, transmissions: 7, waited }),
        BUSY => Some(rejected(503)),
        FORBIDS => Some(rejected(403)),
        _ => None,
    };
    let left_behind = address.port() == SILENT;
    let failure = failure.map(|failure| (Phase::Request, failure));
    Outcome { failure, left_behind, ..Outcome::default() }
}

const SILENT: u16 = 1;
const BUSY: u16 = 2;
const FORBIDS: u16 = 3;
const ANSWERS: u16 = 4;

struct Over(Outcome);

impl Exchange for Over {
    fn handle_input(&mut self, _: Input<'_>, _: Moment) {}

    fn poll_output(&mut self) -> Output {
        Output::Done(self.0.clone())
    }
}

/// A locator that does what a test wants, round by round.
struct Script<F>(F);

impl<F: FnMut(Option<Vec<Answer>>) -> Locating + Send> Locator for Script<F> {
    fn poll(&mut self) -> Locating {
        (self.0)(None)
    }

    fn hear(&mut self, answers: Vec<Answer>) {
        let _ = (self.0)(Some(answers));
    }
}

struct Domain {
    begin: fn() -> Box<dyn Locator>,
    fails_over: bool,
    asked: Mutex<Vec<Target>>,
}

impl Module for Domain {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        9
    }

    fn timeout(&self) -> Duration {
        PATIENCE
    }

    fn locator(&self, _: &str, _: Chance) -> Option<Box<dyn Locator>> {
        Some((self.begin)())
    }

    fn fails_over(&self) -> bool {
        self.fails_over
    }

    fn begin(&self, target: &Target, _: Chance) -> Box<dyn Exchange> {
        self.asked.lock().expect("nobody panicked").push(target.clone());
        Box::new(Over(outcome(target.address)))
    }
}

static NOBODY: Invented =
    Invented { begin: |peer| Box::new(Ping::new(Transport::Udp, peer, PATIENCE)), undo: |_| None };

/// Runs a check of a domain that is located so.
async fn observe(
    begin: fn() -> Box<dyn Locator>,
    fails_over: bool,
) -> (Vec<Observation>, Vec<Target>) {
    let module = Arc::new(Domain { begin, fails_over, asked: Mutex::default() });
    let check = Check {
        whom: Whom::Located,
        module: Arc::clone(&module) as Arc<dyn Module>,
        ..check(&NOBODY, "a-domain.test", 9)
    };
    let observations = driver::observe(&check, &CancellationToken::new(), None, None).await;
    let asked = module.asked.lock().expect("nobody panicked").clone();
    (observations, asked)
}

/// A locator that has found these at once.
fn found(candidates: &[(u16, Option<Transport>)]) -> Box<dyn Locator> {
    let candidates = candidates
        .iter()
        .map(|(port, transport)| Candidate {
            address: SocketAddr::from(([127, 0, 0, 1], *port)),
            host: "a-server.test".to_owned(),
            transport: *transport,
        })
        .collect();
    let mut facts = Facts::default();
    facts.state(&CANDIDATES, vec![Foreign::new("a tree")]);
    let located = Located { candidates, facts };
    Box::new(Script(move |_: Option<_>| Locating::Found(located.clone())))
}

fn ports(observations: &[Observation]) -> Vec<u16> {
    observations.iter().filter_map(|it| it.address.map(|it| it.port())).collect()
}

fn passed_over(observation: &Observation) -> Vec<String> {
    let texts = observation.outcome.facts.read(&PASSED_OVER).expect("it is told");
    texts.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn each_candidate_is_asked_over_what_led_there_and_carries_the_tree() {
    let (observations, asked) = observe(
        || found(&[(ANSWERS, Some(Transport::Tls)), (BUSY, None), (SILENT, Some(Transport::Tcp))]),
        false,
    )
    .await;

    assert_eq!(ports(&observations), [ANSWERS, BUSY, SILENT]);
    let transports: Vec<_> = observations.iter().map(|it| it.transport).collect();
    assert_eq!(transports, [Transport::Tls, Transport::Udp, Transport::Tcp]);
    let told: Vec<_> = asked.iter().map(|target| target.transport).collect();
    assert_eq!(told, [Some(Transport::Tls), None, Some(Transport::Tcp)]);
    // D-DNS-8: whatever led there, a certificate has to be for the domain.
    assert!(asked.iter().all(|target| target.host == "a-domain.test"));
    for observation in &observations {
        let tree = observation.outcome.facts.read(&CANDIDATES);
        assert_eq!(tree, Some(vec![Foreign::new("a tree")]));
        assert_eq!(observation.outcome.facts.read(&PASSED_OVER), None);
        assert_eq!(observation.outcome.phases[0].0, Phase::Resolve);
    }
}

#[tokio::test]
async fn a_walk_is_one_observation_that_tells_whom_it_passed_over() {
    let (observations, asked) = observe(
        || found(&[(SILENT, Some(Transport::Tcp)), (BUSY, None), (ANSWERS, None), (FORBIDS, None)]),
        true,
    )
    .await;

    assert_eq!((ports(&observations), asked.len()), (vec![ANSWERS], 3));
    assert_eq!(observations[0].failure(), None);
    assert_eq!(
        passed_over(&observations[0]),
        ["tcp 127.0.0.1:1 no_response", "udp 127.0.0.1:2 rejected 503"]
    );
    // What the silent one may hold is no less there because another one answered.
    assert!(observations[0].outcome.left_behind);
    assert!(observations[0].outcome.facts.read(&CANDIDATES).is_some());
}

#[tokio::test]
async fn a_walk_ends_with_an_answer_with_the_last_or_with_the_fourth() {
    for (begin, end, length) in [
        ((|| found(&[(FORBIDS, None), (ANSWERS, None)])) as fn() -> Box<dyn Locator>, FORBIDS, 1),
        (|| found(&[(BUSY, None), (SILENT, None)]), SILENT, 2),
        (|| found(&[(BUSY, None); 9]), BUSY, 4),
        (|| found(&[(ANSWERS, None)]), ANSWERS, 1),
    ] {
        let (observations, asked) = observe(begin, true).await;

        assert_eq!((ports(&observations), asked.len()), (vec![end], length));
        assert_eq!(passed_over(&observations[0]).len(), length - 1);
    }
}

#[tokio::test]
async fn nobody_found_is_told_with_what_was_seen_on_the_way() {
    let nowhere: fn() -> Box<dyn Locator> = || {
        let mut facts = Facts::default();
        facts.state(&CANDIDATES, vec![Foreign::new("a tree")]);
        let problem = Unresolved::NotOffered;
        Box::new(Script(move |_: Option<_>| Locating::Nowhere { problem, facts: facts.clone() }))
    };
    for fails_over in [false, true] {
        let (observations, asked) = observe(nowhere, fails_over).await;

        let [one] = &observations[..] else { panic!("{observations:?}") };
        let (host, problem) = ("a-domain.test".to_owned(), Unresolved::NotOffered);
        assert_eq!(one.failure(), Some(&Failure::Unresolved { host, problem }));
        assert_eq!((one.address, asked.len()), (None, 0));
        assert!(one.outcome.facts.read(&CANDIDATES).is_some());
    }
}

#[tokio::test]
async fn a_round_of_questions_is_answered_in_its_order() {
    let asks: fn() -> Box<dyn Locator> = || {
        let mut heard = Vec::new();
        Box::new(Script(move |answers: Option<Vec<Answer>>| {
            if let Some(answers) = answers {
                heard = answers;
            }
            let question =
                |name: &str| Question { name: name.to_owned(), kind: RecordKind::Addresses };
            match &heard[..] {
                [] => Locating::Ask(["127.0.0.3", "localhost", "127.0.0.1"].map(question).into()),
                // A name that stands for this host needs no nameserver (RFC 6761 §6.3).
                [third, own, first] => {
                    let ip = |answer: &Answer| match &answer.said {
                        Ok(Records::Addresses(ips)) => ips.clone(),
                        other => panic!("{other:?}"),
                    };
                    assert!(ip(own).contains(&[127, 0, 0, 1].into()), "{own:?}");
                    let ips = [ip(third), ip(first)].concat();
                    let candidates = ips.into_iter().map(|ip| Candidate {
                        address: SocketAddr::new(ip, ANSWERS),
                        host: String::new(),
                        transport: None,
                    });
                    let (candidates, facts) = (candidates.collect(), Facts::default());
                    Locating::Found(Located { candidates, facts })
                }
                other => panic!("{other:?}"),
            }
        }))
    };

    let (observations, _) = observe(asks, false).await;

    let addresses: Vec<_> = observations.iter().filter_map(|it| it.address).collect();
    assert_eq!(
        addresses,
        [SocketAddr::from(([127, 0, 0, 3], ANSWERS)), SocketAddr::from(([127, 0, 0, 1], ANSWERS))]
    );
}

// I1
#[tokio::test]
async fn a_locator_that_panics_or_never_ends_is_no_end_of_the_program() {
    let panics: fn() -> Box<dyn Locator> = || Box::new(Script(|_| panic!("part of the test")));
    let circles: fn() -> Box<dyn Locator> = || {
        let question = Question { name: "127.0.0.1".to_owned(), kind: RecordKind::Addresses };
        Box::new(Script(move |_| Locating::Ask(vec![question.clone()])))
    };

    let (panicked, _) = observe(panics, false).await;
    let (circled, _) = observe(circles, false).await;

    assert_eq!(panicked[0].failure(), Some(&Failure::Internal));
    let (host, problem) = ("a-domain.test".to_owned(), Unresolved::NotLed);
    assert_eq!(circled[0].failure(), Some(&Failure::Unresolved { host, problem }));
}
