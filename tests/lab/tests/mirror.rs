//! The mirror over real sockets: what it sends back, to whom, and when it does not.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use branchline_lab::mirror::{Limits, Mirror, Network, Settings};

const PATIENCE: Duration = Duration::from_secs(5);
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn mirror(allow: &[&str], limits: Limits) -> Mirror {
    let allow =
        allow.iter().map(|network| network.parse::<Network>().expect("a network")).collect();
    Mirror::start(&Settings { listen: vec![HERE], allow, limits }).expect("loopback is there")
}

fn client(mirror: &Mirror) -> UdpSocket {
    client_from(Ipv4Addr::LOCALHOST, mirror.addresses()[0])
}

fn client_from(ip: Ipv4Addr, mirror: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("loopback is there");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    socket.connect(mirror).expect("a peer");
    socket
}

fn connection(mirror: &Mirror) -> TcpStream {
    let stream = TcpStream::connect(mirror.addresses()[0]).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
}

fn request(method: &str, sequence: u32, body: &str) -> String {
    format!(
        "{method} sip:mirror.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK{sequence};rport\r\n\
         f: <sip:a@10.0.0.7>;tag=1\r\nTo:   <sip:mirror.example>\r\nCall-ID: 1@10.0.0.7\r\n\
         CSeq: {sequence} {method}\r\nContact: <sip:a@10.0.0.7:5060>\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The headers of an answer, and the body that it holds.
fn opened(answer: &[u8]) -> (String, Vec<u8>) {
    let text = std::str::from_utf8(answer).expect("it is text");
    let (headers, body) = text.split_once("\r\n\r\n").expect("a blank line");
    assert!(headers.contains(&format!("\r\nContent-Length: {}", body.len())), "{headers}");
    (headers.to_owned(), STANDARD.decode(body).expect("it is base64"))
}

fn heard(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).expect("an answer");
    buffer.truncate(length);
    buffer
}

/// The next answer of a stream.
fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("it goes on");
        answer.push(byte[0]);
    }
    let headers = String::from_utf8(answer.clone()).expect("it is text");
    let (_, length) = headers.split_once("Content-Length: ").expect("a length");
    let mut body = vec![0; length.trim().parse().expect("a number")];
    stream.read_exact(&mut body).expect("it is whole");
    [answer, body].concat()
}

#[test]
fn a_datagram_comes_back_byte_for_byte() {
    let mirror = mirror(&[], Limits::default());
    let client = client(&mirror);
    let port = client.local_addr().unwrap().port();

    for (sequence, method) in (1..).zip(["REGISTER", "OPTIONS", "INVITE", "MESSAGE"]) {
        // What follows the length is part of what arrived.
        let sent = [request(method, sequence, "v=0\r\n").as_bytes(), b"\r\n\0\xff"].concat();
        client.send(&sent).unwrap();

        let (headers, body) = opened(&heard(&client));

        assert_eq!(body, sent, "{method}");
        assert!(headers.starts_with("SIP/2.0 200 OK\r\n"), "{headers}");
        for line in [
            &format!(
                "Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK{sequence};rport={port};received=127.0.0.1"
            ),
            "From: <sip:a@10.0.0.7>;tag=1",
            "To: <sip:mirror.example>;tag=lab",
            "Call-ID: 1@10.0.0.7",
            &format!("CSeq: {sequence} {method}"),
            "Server: branchline-lab mirror",
            "Content-Type: application/vnd.branchline.mirror",
        ] {
            assert!(headers.lines().any(|it| it == line), "{line}: {headers}");
        }
        assert!(!headers.contains("Contact"), "{headers}");
    }
    assert_eq!(mirror.tally().answered, 4);
}

#[test]
fn a_stream_has_each_message_as_it_was_framed() {
    let mirror = mirror(&[], Limits::default());
    let mut stream = connection(&mirror);
    let (first, second) = (request("OPTIONS", 1, "hi"), request("REGISTER", 2, ""));

    stream.write_all(format!("\r\n\r\n{first}\r\n{second}").as_bytes()).unwrap();

    // RFC 5626 §3.5.1
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    assert_eq!(opened(&read(&mut stream)).1, first.as_bytes());
    assert_eq!(opened(&read(&mut stream)).1, second.as_bytes());
}

#[test]
fn what_is_no_request_has_no_answer() {
    let mirror = mirror(&[], Limits::default());
    let client = client(&mirror);
    let long = request("OPTIONS", 1, &"x".repeat(4096));
    let response =
        request("OPTIONS", 2, "").replace("OPTIONS sip:mirror.example SIP/2.0", "SIP/2.0 200 OK");
    let ack = request("ACK", 3, "");
    for message in [long.as_bytes(), response.as_bytes(), ack.as_bytes(), b"\0rubbish", b""] {
        client.send(message).unwrap();
    }

    client.send(request("OPTIONS", 4, "").as_bytes()).unwrap();

    let (headers, _) = opened(&heard(&client));
    assert!(headers.contains("\r\nCSeq: 4 OPTIONS\r\n"), "{headers}");
    assert_eq!(mirror.tally().unusable, 5);
}

#[test]
fn the_longest_request_has_4096_bytes() {
    let mirror = mirror(&[], Limits::default());
    let (udp, mut tcp) = (client(&mirror), connection(&mirror));
    let padding = 4096 - request("OPTIONS", 1, &"x".repeat(1000)).len() + 1000;
    let longest = request("OPTIONS", 1, &"x".repeat(padding));
    assert_eq!(longest.len(), 4096);

    udp.send(longest.as_bytes()).unwrap();
    tcp.write_all(longest.as_bytes()).unwrap();
    assert_eq!(opened(&heard(&udp)).1, longest.as_bytes());
    assert_eq!(opened(&read(&mut tcp)).1, longest.as_bytes());

    let longer = request("OPTIONS", 1, &"x".repeat(padding + 1));
    tcp.write_all(longer.as_bytes()).unwrap();
    assert_closed(tcp);
}

/// Reads to the end, which must come without another answer.
fn assert_closed(mut stream: TcpStream) {
    match stream.read(&mut [0; 16]) {
        Ok(length) => assert_eq!(length, 0, "it answered"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn only_who_is_allowed_is_answered() {
    let mirror = mirror(&["127.0.0.8"], Limits::default());
    let stranger = client(&mirror);
    stranger.send(request("OPTIONS", 1, "").as_bytes()).unwrap();
    assert_closed(connection(&mirror));

    let friend = client_from(Ipv4Addr::new(127, 0, 0, 8), mirror.addresses()[0]);
    friend.send(request("OPTIONS", 2, "").as_bytes()).unwrap();
    heard(&friend);

    // Datagrams are taken in order: the stranger's was taken before.
    let tally = mirror.tally();
    assert_eq!((tally.answered, tally.strangers), (1, 2));
    assert_eq!(tally.last_stranger, Some(Ipv4Addr::LOCALHOST.into()));
    stranger.set_nonblocking(true).unwrap();
    assert_eq!(stranger.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_flood_has_as_many_answers_as_a_second_allows() {
    let limits = Limits { answers_a_second: 3, ..Limits::default() };
    let mirror = mirror(&["127.0.0.1", "127.0.0.8"], limits);
    let (one, mut other) = (client(&mirror), connection(&mirror));

    for sequence in 1..=3 {
        one.send(request("OPTIONS", sequence, "").as_bytes()).unwrap();
        heard(&one);
    }
    // The pong behind it says that the request was dealt with.
    other.write_all(format!("{}\r\n\r\n", request("OPTIONS", 4, "")).as_bytes()).unwrap();
    let mut pong = [0; 2];
    other.read_exact(&mut pong).unwrap();

    assert_eq!(&pong, b"\r\n", "the limit is one for all");
    assert_eq!((mirror.tally().answered, mirror.tally().too_many), (3, 1));
}

#[test]
fn connections_beyond_the_limit_are_closed_and_seats_are_given_back() {
    let mirror = mirror(&[], Limits { connections: 1, ..Limits::default() });
    let mut first = connection(&mirror);
    first.write_all(request("OPTIONS", 1, "").as_bytes()).unwrap();
    read(&mut first);

    assert_closed(connection(&mirror));

    // Without a length it is no message, which ends the connection.
    first.write_all(b"OPTIONS sip:x SIP/2.0\r\n\r\n").unwrap();
    assert_closed(first);
    let mut next = connection(&mirror);
    next.write_all(request("OPTIONS", 2, "").as_bytes()).unwrap();
    read(&mut next);
}

#[test]
fn a_connection_that_brings_no_whole_message_is_closed() {
    let mirror = mirror(&[], Limits { idle: Duration::from_millis(20), ..Limits::default() });
    let mut stream = connection(&mirror);

    stream.write_all(b"OPTIONS sip:x SIP/2.0\r\n").unwrap();

    assert_closed(stream);
}

#[test]
fn a_mirror_for_others_needs_to_know_for_whom() {
    let open = Settings {
        listen: vec![HERE, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))],
        allow: Vec::new(),
        limits: Limits::default(),
    };

    let error = Mirror::start(&open).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("--allow"), "{error}");
}

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended by itself where the test has not failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_says_where_it_is_and_what_it_did() {
    let mut mirror = Process(
        Command::new(env!("CARGO_BIN_EXE_branchline-lab"))
            .args(["mirror", "--listen", "127.0.0.1:0", "--allow", "127.0.0.0/8"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut stderr = BufReader::new(mirror.0.stderr.take().unwrap());
    let mut first = String::new();
    stderr.read_line(&mut first).unwrap();
    let (_, address) = first.split_once(" on ").expect("it says where");
    let (address, rest) = address.split_once(' ').expect("and for whom");
    assert_eq!(rest, "(UDP and TCP), for 127.0.0.0/8\n");
    let client = client_from(Ipv4Addr::LOCALHOST, address.parse().unwrap());
    client.send(request("OPTIONS", 1, "").as_bytes()).unwrap();
    heard(&client);
    let mut ready = String::new();
    stderr.read_line(&mut ready).unwrap();

    let process = mirror.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());

    assert!(mirror.0.wait().unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("answered 1; no answer to:\n"), "{rest}");
}

#[test]
fn a_network_for_everybody_is_a_wrong_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_branchline-lab"))
        // An address of no host (RFC 5737 §3): nothing listens, whatever becomes of the option.
        .args(["mirror", "--listen", "192.0.2.1:0", "--allow", "0.0.0.0/0"])
        .output()
        .unwrap();

    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("it is too wide"), "{message}");
}
