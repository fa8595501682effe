//! The cloud by itself, over real sockets: what its servers say, and that it cleans up.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use branchline_lab::{Cloud, RECORD_NAME, SCENARIOS, Scenario};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

const PATIENCE: Duration = Duration::from_secs(5);

fn cloud(scenario: &str) -> Cloud {
    Cloud::start(Scenario::named(scenario).expect("it is listed")).expect("loopback is there")
}

fn query() -> Vec<u8> {
    let name = Name::from_ascii(RECORD_NAME).expect("a name");
    let mut query = Message::query();
    query.add_query(Query::query(name, RecordType::A));
    query.to_vec().expect("it is small")
}

fn over_udp(server: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(server)?;
    socket.send(bytes)?;
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

fn over_tcp(server: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&u16::try_from(bytes.len()).expect("it is small").to_be_bytes())?;
    stream.write_all(bytes)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn http(server: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn response_code(bytes: &[u8]) -> ResponseCode {
    Message::from_vec(bytes).expect("a message").metadata.response_code
}

#[test]
fn every_scenario_starts_and_leaves_no_file() {
    for scenario in SCENARIOS {
        let cloud = Cloud::start(scenario).unwrap();
        let directory = cloud.config().parent().unwrap().to_owned();
        for file in std::fs::read_dir(&directory).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", scenario.name);
        }

        drop(cloud);

        assert!(!directory.exists(), "{}", scenario.name);
    }
}

#[test]
fn a_propagating_record_is_on_one_nameserver() {
    let cloud = cloud("dns-propagating");
    let addresses = cloud.addresses();

    for ask in [over_udp, over_tcp] {
        let primary = ask(addresses.primary, &query()).unwrap();
        let secondary = ask(addresses.secondary, &query()).unwrap();
        let resolver = ask(addresses.resolver, &query()).unwrap();

        assert_eq!(response_code(&primary), ResponseCode::NoError);
        assert_eq!(response_code(&secondary), ResponseCode::NXDomain);
        assert_eq!(response_code(&resolver), ResponseCode::NXDomain);
    }
}

#[test]
fn a_registrar_that_is_down_is_refused_by_its_host() {
    let cloud = cloud("sip-server-down");

    let error = over_udp(cloud.addresses().registrar, b"anyone?").unwrap_err();

    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn the_api_wants_its_credentials() {
    let cloud = cloud("healthy");
    let api = cloud.addresses().api;

    let token = http(
        api,
        "POST /oauth/token HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\
         Authorization: Basic bGFiOndyb25n\r\nContent-Length: 29\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type=client_credentials",
    )
    .unwrap();
    let phones = http(
        api,
        "GET /api/v2/telephony/providers/edges/phones HTTP/1.1\r\nHost: lab\r\n\
         Connection: close\r\n\r\n",
    )
    .unwrap();

    assert!(token.starts_with("HTTP/1.1 401 "), "{token}");
    assert!(token.contains("\"invalid_client\""), "{token}");
    assert!(phones.starts_with("HTTP/1.1 401 "), "{phones}");
    assert!(phones.contains("\"authentication.required\""), "{phones}");
}

#[test]
fn an_api_that_is_unreachable_refuses() {
    let cloud = cloud("api-unreachable");

    let error = TcpStream::connect(cloud.addresses().api).unwrap_err();

    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}
