//! What exchanges leave with a peer, and how the next process takes it back.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use branchline::check::Check;
use branchline::driver;
use branchline::journal::{Journal, Leftovers};
use branchline_probes::{
    Exchange, Failure, Input, Intent, Leg, Moment, OptionValue, Options, Outcome, Output, PROBES,
    Phase, Secret, TIMEOUT, Transport,
};
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::checks::{Invented, check};
use crate::ping::{LEG, LOOPBACKS, PATIENCE};

/// Opens a leg, notes that it may leave something, asks, and believes what the peer says.
struct Guest {
    leg: Leg,
    says: &'static [u8],
    intends: bool,
    outputs: Vec<Output>,
}

impl Guest {
    fn boxed(leg: Leg, says: &'static [u8], intends: bool) -> Box<dyn Exchange> {
        let outputs = vec![Output::Open(leg.clone())];
        Box::new(Self { leg, says, intends, outputs })
    }
}

fn gone(left_behind: bool) -> Output {
    Output::Done(Outcome { left_behind, ..Outcome::default() })
}

impl Exchange for Guest {
    fn handle_input(&mut self, input: Input<'_>, _: Moment) {
        let peer = self.leg.peer;
        if let Input::Connected { leg, local } = input {
            self.outputs.push(Output::Transmit { leg, to: peer, bytes: self.says.into() });
            if self.intends {
                self.outputs.push(Output::Intend(Intent { leg, local, peer, mark: None }));
            }
        } else if let Input::Received { bytes, .. } = input {
            assert_ne!(bytes, b"bomb", "this panic is part of the test");
            self.outputs = vec![gone(bytes == b"kept")];
        } else if let Input::Failed { problem, .. } = input {
            let failure = Some((Phase::Connect, Failure::Local { peer, problem }));
            self.outputs = vec![Output::Done(Outcome { failure, ..Outcome::default() })];
        }
    }

    fn poll_output(&mut self) -> Output {
        let until = Moment::after(PATIENCE);
        self.outputs.pop().unwrap_or(Output::Wait { until, reason: "the peer's word" })
    }
}

static GUEST: Invented = Invented {
    begin: |peer| Guest::boxed(Leg::new(LEG, Transport::Udp, peer), b"take", true),
    undo: |intent| {
        let leg = Leg::new(intent.leg, Transport::Udp, intent.peer);
        Some(Guest::boxed(leg.from_port(intent.local.port()), b"drop", false))
    },
};

/// A state directory, and a host for guests.
struct House {
    folder: TempDir,
    host: UdpSocket,
}

impl House {
    async fn new() -> Self {
        let host = UdpSocket::bind(LOOPBACKS[0]).await.expect("loopback is there");
        Self { folder: tempfile::tempdir().expect("there is room"), host }
    }

    fn port(&self) -> u16 {
        self.host.local_addr().expect("it is bound").port()
    }

    /// What a process that starts now finds.
    fn next_process(&self) -> (Journal, Leftovers) {
        Journal::open(self.folder.path(), SystemTime::now()).expect("the folder is ours")
    }

    /// Answers one request with this word; what was asked, from which port, and what stood in the
    /// journal then.
    fn answer(self, word: &'static [u8]) -> JoinHandle<(Self, Vec<u8>, u16, String)> {
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            let (length, from) = self.host.recv_from(&mut buffer).await.expect("a guest comes");
            let journal = read(self.folder.path());
            self.host.send_to(word, from).await.expect("loopback takes it");
            (self, buffer[..length].to_vec(), from.port(), journal)
        })
    }
}

fn read(folder: &Path) -> String {
    fs::read_to_string(folder.join("intents")).expect("the journal is there")
}

/// Lets a guest come whose host answers with this word, and then the process end.
async fn visit(word: &'static [u8]) -> (House, u16, String) {
    let house = House::new().await;
    let check = check(&GUEST, "127.0.0.1", house.port());
    let (journal, left) = house.next_process();
    assert_eq!(left, Leftovers::default());
    let host = house.answer(word);

    driver::observe(&check, &CancellationToken::new(), None, Some(&journal)).await;

    let (house, asked, port, journal) = host.await.expect("the host answered");
    assert_eq!(asked, b"take");
    (house, port, journal)
}

// I11
#[tokio::test]
async fn an_intent_is_in_the_file_before_the_peer_hears_of_it() {
    let (house, port, journal) = visit(b"gone").await;

    let line = journal.lines().last().expect("there are lines");
    for word in ["\"open\"", "a-module", "a-target", &format!("127.0.0.1:{port}")] {
        assert!(line.contains(word), "{word}: {journal}");
    }
    assert_eq!(house.next_process().1.intents, []);
}

// F32
#[tokio::test]
async fn what_is_left_behind_is_found_and_taken_back_from_the_same_port() {
    let (house, port, _) = visit(b"kept").await;
    let check = check(&GUEST, "127.0.0.1", house.port());
    let (journal, left) = house.next_process();
    let [key] = &left.intents[..] else { panic!("{left:?}") };
    assert!(key.is_of(&check));
    let host = house.answer(b"gone");

    let outcome = driver::take_back(&check, key, &CancellationToken::new(), &journal).await;

    let (house, asked, undone_from, _) = host.await.expect("the host answered");
    assert_eq!((asked.as_slice(), undone_from), (&b"drop"[..], port));
    assert!(outcome.is_some_and(|outcome| !outcome.left_behind));
    assert_eq!(house.next_process().1.intents, []);
}

// F32
#[tokio::test]
async fn what_could_not_be_taken_back_is_kept_for_the_next_start() {
    let (house, port, _) = visit(b"kept").await;
    let check = check(&GUEST, "127.0.0.1", house.port());
    let (journal, left) = house.next_process();
    let cancel = CancellationToken::new();

    // The host says that it keeps it; then the port is somebody else's.
    let host = house.answer(b"kept");
    driver::take_back(&check, &left.intents[0], &cancel, &journal).await;
    let (house, ..) = host.await.expect("the host answered");
    let _holder = UdpSocket::bind(("127.0.0.1", port)).await.expect("it is free again");
    let outcome = driver::take_back(&check, &left.intents[0], &cancel, &journal).await;

    assert!(matches!(outcome.unwrap().failure, Some((_, Failure::Local { .. }))));
    assert_eq!(house.next_process().1.intents, left.intents);
}

// F32
#[tokio::test]
async fn a_process_that_dies_during_an_exchange_leaves_a_note_of_it() {
    let house = House::new().await;
    let check = check(&GUEST, "127.0.0.1", house.port());
    let (journal, _) = house.next_process();
    let cancel = CancellationToken::new();
    let mut buffer = [0; 64];

    tokio::select! {
        _ = driver::observe(&check, &cancel, None, Some(&journal)) => panic!("nobody answered"),
        heard = house.host.recv(&mut buffer) => assert_eq!(heard.unwrap(), 4),
    }

    let (_, left) = house.next_process();
    assert_eq!((left.intents.len(), left.was_unclean), (1, true));
}

#[tokio::test]
async fn an_exchange_that_panics_leaves_its_note() {
    let (house, ..) = visit(b"bomb").await;

    assert_eq!(house.next_process().1.intents.len(), 1);
}

#[tokio::test]
async fn what_was_never_asked_for_is_not_left() {
    static SHY: Invented = Invented {
        begin: |peer| {
            let intent = Intent { leg: LEG, local: peer, peer, mark: None };
            let outputs = vec![gone(true), Output::Intend(intent)];
            let leg = Leg::new(LEG, Transport::Udp, peer);
            Box::new(Guest { leg, says: b"", intends: false, outputs })
        },
        undo: |_| None,
    };
    let house = House::new().await;
    let check = check(&SHY, "127.0.0.1", house.port());
    let (journal, _) = house.next_process();

    driver::observe(&check, &CancellationToken::new(), None, Some(&journal)).await;

    assert!(read(house.folder.path()).contains("open"));
    assert_eq!(house.next_process().1.intents, []);
}

#[tokio::test]
async fn where_there_is_nothing_to_undo_the_note_is_settled() {
    static HARMLESS: Invented = Invented { begin: GUEST.begin, undo: |_| None };
    let (house, ..) = visit(b"kept").await;
    let check = check(&HARMLESS, "127.0.0.1", house.port());
    let (journal, left) = house.next_process();

    let cancel = CancellationToken::new();
    let outcome = driver::take_back(&check, &left.intents[0], &cancel, &journal).await;

    assert_eq!(outcome, None);
    assert_eq!(house.next_process().1.intents, []);
}

/// A check that gives its password to `host`, and to those who are named besides.
fn relay_check(host: &str, port: u16, alternates: &[IpAddr]) -> Check {
    let probe = PROBES.iter().copied().find(|it| it.name() == "turn-allocation");
    let probe = probe.expect("it is registered");
    let mut options = Options::defaults(probe.options());
    for (name, value) in [
        ("username", OptionValue::Text("probe".to_owned())),
        ("password", OptionValue::Secret(Secret::new("hunter2".to_owned()))),
        ("realm", OptionValue::Text("branch.test".to_owned())),
        ("alternate_servers", OptionValue::Addresses(alternates.to_vec())),
        ("timeout", OptionValue::Duration(Duration::from_millis(500))),
    ] {
        let timeout = TIMEOUT.spec();
        let spec = probe.options().iter().chain([&timeout]).find(|it| it.name == name).copied();
        options.set(&spec.expect("it is an option"), value);
    }
    let module = probe.module(&options).expect("the options are valid").into();
    Check { probe, module, ..check(&GUEST, host, port) }
}

/// How taking back from `peer` ended for a check of `host`, whether the peer heard anything, and
/// how many notes are left.
async fn take_back_from(peer: &UdpSocket, check: &Check) -> (Option<Outcome>, bool, usize) {
    let (folder, now) = (tempfile::tempdir().expect("there is room"), SystemTime::now());
    let (journal, _) = Journal::open(folder.path(), now).expect("the folder is ours");
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let peer_address = peer.local_addr().expect("it is bound");
    let key =
        journal.intend(check, Intent { leg: LEG, local, peer: peer_address, mark: None }, now);
    assert!(key.is_of(check));

    let outcome = driver::take_back(check, &key, &CancellationToken::new(), &journal).await;

    (outcome, peer.try_recv(&mut [0; 64]).is_ok(), journal.open_intents(now))
}

// A name may have moved since, and a journal is a file that can be edited.
#[tokio::test]
async fn who_is_not_the_host_of_the_check_is_sent_nothing() {
    let foreign = UdpSocket::bind("127.0.0.2:0").await.expect("loopback is there");
    let port = foreign.local_addr().unwrap().port();
    let check = relay_check("127.0.0.1", port, &["127.0.0.3".parse().unwrap()]);

    let (outcome, has_heard, open) = take_back_from(&foreign, &check).await;

    assert_eq!((outcome, has_heard, open), (None, false, 0));
}

#[tokio::test]
async fn the_host_of_the_check_and_a_server_that_it_names_are_asked_to_forget() {
    for (address, alternates) in [("127.0.0.1", vec![]), ("127.0.0.2", vec!["127.0.0.2"])] {
        let peer = UdpSocket::bind((address, 0)).await.expect("loopback is there");
        let alternates: Vec<_> = alternates.iter().map(|it| it.parse().unwrap()).collect();
        let check = relay_check("127.0.0.1", peer.local_addr().unwrap().port(), &alternates);

        let (outcome, has_heard, open) = take_back_from(&peer, &check).await;

        let outcome = outcome.expect("there was something to do");
        assert!(has_heard && outcome.left_behind, "{address}: {outcome:?}");
        assert_eq!(open, 1, "it did not answer, so the note is kept");
    }
}

#[tokio::test]
async fn as_long_as_the_host_has_no_address_the_note_is_kept() {
    let foreign = UdpSocket::bind("127.0.0.2:0").await.expect("loopback is there");
    let check = relay_check("relay.invalid", foreign.local_addr().unwrap().port(), &[]);

    let (outcome, has_heard, open) = take_back_from(&foreign, &check).await;

    let failure = outcome.and_then(|outcome| outcome.failure);
    assert!(matches!(failure, Some((Phase::Resolve, _))), "{failure:?}");
    assert_eq!((has_heard, open), (false, 1));
}
