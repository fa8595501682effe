//! Datagrams that nobody asked for, on a leg that hears anyone.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::SystemTime;

use branchline::driver;
use branchline_probes::wire::stun::{Class, Method, Writer, attribute, write_channel_data};
use branchline_probes::{Chance, Ignored, Module, OptionValue, Options, PROBES, Target};
use tokio::net::UdpSocket;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::ping::LOOPBACKS;

// D-STUN-8
#[tokio::test]
async fn a_thousand_datagrams_of_strangers_are_heard_and_none_is_answered() {
    for loopback in LOOPBACKS {
        let server = UdpSocket::bind(loopback).await.unwrap();
        let target = target(server.local_addr().unwrap());
        let mut strangers = Vec::new();
        for _ in 0..STRANGERS {
            strangers.push(UdpSocket::bind(loopback).await.unwrap());
        }
        let mut exchange = nat_behavior().begin(&target, Chance::from_seed([8; 32]));
        let (nobody_calls_off, peer) = (CancellationToken::new(), target.address);

        let driven = driver::drive(exchange.as_mut(), peer, &nobody_calls_off, None);
        let outcome = tokio::select! {
            outcome = driven => outcome,
            () = bother(&server, &strangers) => unreachable!("the server has no end"),
        };

        assert_eq!(outcome.failure, None, "the server's own answer came through");
        assert_eq!(
            outcome.ignored.get(&Ignored::Stranger),
            Some(&(DATAGRAMS as u64)),
            "{outcome:?}"
        );
        for stranger in &strangers {
            let answer = stranger.try_recv_from(&mut [0; 2048]).map_err(|it| it.kind());
            assert_eq!(answer, Err(ErrorKind::WouldBlock), "a stranger got an answer");
        }
    }
}

/// Awaits the first request, lets strangers bother who sent it, and answers it only then; from then
/// on it answers at once.
async fn bother(server: &UdpSocket, strangers: &[UdpSocket]) {
    let mut is_first = true;
    loop {
        let mut buffer = [0; 2048];
        let (_, leg) = server.recv_from(&mut buffer).await.expect("the exchange asks");
        let asked: [u8; 12] = buffer[8..20].try_into().expect("a header");
        for number in 0..if is_first { DATAGRAMS } else { 0 } {
            let stranger = &strangers[number % STRANGERS];
            let says = unsolicited(number, asked, stranger.local_addr().expect("it is bound"));
            stranger.send_to(&says, leg).await.expect("loopback is there");
            // The exchange has its turn, so that it hears all of them.
            yield_now().await;
        }
        is_first = false;
        let answer = Writer::new(Class::Success, Method::Binding, &asked)
            .with_xor_address(attribute::XOR_MAPPED_ADDRESS, leg)
            .finish();
        server.send_to(&answer, leg).await.expect("loopback is there");
    }
}

/// What a stranger says: what a server would have to answer, what a client would have to believe,
/// and noise. Some of them know which transaction is under way.
fn unsolicited(number: usize, asked: [u8; 12], from: SocketAddr) -> Vec<u8> {
    let [.., low] = number.to_be_bytes();
    let other = [low; 12];
    match number / STRANGERS % 10 {
        0 => Writer::new(Class::Request, Method::Binding, &other).finish(),
        1 => Writer::new(Class::Request, Method::Binding, &asked).finish(),
        2 => Writer::new(Class::Request, Method::Allocate, &other)
            .with(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .finish(),
        3 => Writer::new(Class::Indication, Method::Binding, &other).finish(),
        4 => Writer::new(Class::Indication, Method::Data, &other)
            .with_xor_address(attribute::XOR_PEER_ADDRESS, from)
            .with(attribute::DATA, b"news")
            .finish(),
        5 => Writer::new(Class::Success, Method::Binding, &asked)
            .with_xor_address(attribute::XOR_MAPPED_ADDRESS, from)
            .with_address(attribute::OTHER_ADDRESS, from)
            .finish(),
        6 => Writer::new(Class::Error, Method::Binding, &asked)
            .with(attribute::ERROR_CODE, b"\0\0\x03\0Try Alternate")
            .with_address(attribute::ALTERNATE_SERVER, from)
            .finish(),
        7 => write_channel_data(0x4000, &[low; 172], false),
        8 => vec![low; 1400],
        _ => vec![low],
    }
}

/// The probe whose legs hear anyone.
fn nat_behavior() -> Box<dyn Module> {
    let probe = PROBES.iter().find(|probe| probe.name() == "nat-behavior").expect("it is listed");
    let mut options = Options::defaults(probe.options());
    for (key, value) in [("repeats", OptionValue::Count(1)), ("hairpin", OptionValue::Flag(false))]
    {
        let spec = probe.options().iter().find(|spec| spec.name == key).expect("an option");
        options.set(spec, value);
    }
    probe.module(&options).expect("the options are valid")
}

fn target(address: SocketAddr) -> Target {
    Target {
        name: "stun".into(),
        site: "lyon".into(),
        host: address.ip().to_string(),
        address,
        transport: None,
        started: SystemTime::UNIX_EPOCH,
    }
}

const DATAGRAMS: usize = 1000;
const STRANGERS: usize = 10;
