//! The registrar as a client of another make sees it, over real sockets, whole and broken.

mod client;

use std::io::ErrorKind;
use std::net::TcpStream;

use branchline_lab::{Cloud, Faults, Registrar, SCENARIOS, Scenario};
use client::{Client, Transport};

const EVERY: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls("127.0.0.5")];

/// A healthy cloud but for the registrar.
fn cloud(registrar: Registrar) -> Cloud {
    let healthy = SCENARIOS[0];
    let scenario = Scenario { faults: Faults { registrar, ..healthy.faults }, ..healthy };
    Cloud::start(&scenario).expect("loopback is there")
}

fn contacts(cloud: &Cloud) -> Vec<String> {
    cloud.bindings().into_iter().map(|binding| format!("<{}>", binding.contact)).collect()
}

#[test]
fn a_contact_is_bound_and_removed_over_every_transport() {
    let cloud = cloud(Registrar::Answers);

    for transport in EVERY {
        let mut client = Client::new(&cloud, transport);
        let contact = client.contact();

        let bound = client.register(&format!("Contact: {contact};expires=60\r\n"));
        assert!(bound.starts_with("SIP/2.0 200 OK\r\n"), "{transport:?}: {bound}");
        assert!(bound.contains(&format!("\r\nContact: {contact};expires=")), "{bound}");
        let port = client.address.port();
        assert!(bound.contains(&format!(";rport={port};received=127.0.0.1\r\n")), "{bound}");
        assert_eq!(contacts(&cloud), std::slice::from_ref(&contact), "{transport:?}");

        let removed = client.register(&format!("Contact: {contact};expires=0\r\n"));
        assert!(removed.starts_with("SIP/2.0 200 OK\r\n"), "{transport:?}: {removed}");
        assert_eq!(cloud.bindings(), [], "{transport:?}");
    }
}

// RFC 3261 §10.3
#[test]
fn every_transport_has_the_same_table() {
    let cloud = cloud(Registrar::Answers);
    let mut bound = Vec::new();
    for transport in EVERY {
        let mut client = Client::new(&cloud, transport);
        let contact = client.contact();
        client.register(&format!("Contact: {contact}\r\n"));
        bound.push(contact);
    }

    for transport in EVERY {
        let listed = Client::new(&cloud, transport).register("");

        for contact in &bound {
            assert!(listed.contains(&format!("Contact: {contact};expires=")), "{listed}");
        }
        assert_eq!(contacts(&cloud).len(), bound.len(), "{transport:?}: a query changes nothing");
    }
}

#[test]
fn options_are_answered_over_every_transport() {
    let cloud = cloud(Registrar::Answers);

    for transport in EVERY {
        let mut client = Client::new(&cloud, transport);
        let request = client.request("OPTIONS", "");

        let answer = client.exchange(&request);

        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{transport:?}: {answer}");
    }
}

// RFC 5626 §3.5.1
#[test]
fn a_stream_is_kept_alive_by_two_line_ends() {
    let cloud = cloud(Registrar::Answers);

    for transport in [Transport::Tcp, Transport::Tls("127.0.0.5")] {
        let mut client = Client::new(&cloud, transport);
        client.send(b"\r\n\r\n");
        assert_eq!(client.bytes().unwrap(), *b"\r\n", "{transport:?}");

        let request = client.request("OPTIONS", "");
        let answer = client.exchange(&request);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{transport:?}: {answer}");
    }
}

#[test]
fn requests_that_share_a_segment_are_answered_in_order() {
    let cloud = cloud(Registrar::Answers);
    let mut client = Client::new(&cloud, Transport::Tcp);
    let both = client.request("OPTIONS", "") + &client.request("INFO", "");

    client.send(both.as_bytes());

    assert!(client.receive().unwrap().contains("\r\nCSeq: 1 OPTIONS\r\n"));
    assert!(client.receive().unwrap().contains("\r\nCSeq: 2 INFO\r\n"));
}

#[test]
fn a_stream_without_lengths_is_closed() {
    let cloud = cloud(Registrar::Answers);
    let mut client = Client::new(&cloud, Transport::Tcp);
    let request = client.request("OPTIONS", "").replace("Content-Length: 0\r\n", "");

    client.send(request.as_bytes());

    assert_eq!(client.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

// RFC 5922 §7.1: the certificate names the domain.
#[test]
fn the_registrar_proves_to_be_its_domain() {
    let cloud = cloud(Registrar::Answers);
    let mut client = Client::new(&cloud, Transport::Tls("sip.lyon.example"));
    let request = client.request("OPTIONS", "");

    assert!(client.exchange(&request).starts_with("SIP/2.0 200 OK\r\n"));
}

#[test]
fn a_registrar_that_is_down_refuses_tcp_and_tls() {
    let cloud = cloud(Registrar::Closed);

    for address in [cloud.addresses().registrar, cloud.addresses().registrar_tls] {
        let error = TcpStream::connect(address).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn who_is_silent_over_udp_answers_over_streams() {
    let cloud = cloud(Registrar::Silent);

    for transport in [Transport::Tcp, Transport::Tls("127.0.0.5")] {
        let mut client = Client::new(&cloud, transport);
        let contact = client.contact();

        client.register(&format!("Contact: {contact}\r\n"));

        assert!(contacts(&cloud).contains(&contact), "{transport:?}");
    }
}

#[test]
fn who_is_overloaded_says_so_over_every_transport() {
    let cloud = cloud(Registrar::Overloaded);

    for transport in EVERY {
        for method in ["REGISTER", "OPTIONS"] {
            let mut client = Client::new(&cloud, transport);
            let request = client.request(method, "");

            let answer = client.exchange(&request);

            assert!(answer.starts_with("SIP/2.0 503 "), "{transport:?}: {answer}");
            assert!(answer.contains("\r\nRetry-After: 120\r\n"), "{transport:?}: {answer}");
        }
    }
}

#[test]
fn of_each_request_the_first_transmission_is_lost_over_udp_alone() {
    let cloud = cloud(Registrar::Lossy);
    let mut client = Client::new(&cloud, Transport::Udp);
    let lost = client.request("OPTIONS", "");
    let next = client.request("OPTIONS", "");

    // The answer to the second request comes first, so the one before it had none.
    for request in [&lost, &next, &next, &lost] {
        client.send(request.as_bytes());
    }
    assert!(client.receive().unwrap().contains("\r\nCSeq: 2 OPTIONS\r\n"));
    assert!(client.receive().unwrap().contains("\r\nCSeq: 1 OPTIONS\r\n"));

    let mut client = Client::new(&cloud, Transport::Tcp);
    let request = client.request("OPTIONS", "");
    assert!(client.exchange(&request).starts_with("SIP/2.0 200 OK\r\n"));
}

#[test]
fn large_requests_are_lost_over_udp_alone() {
    let cloud = cloud(Registrar::LargeDropped);
    let padding = format!("Subject: {}\r\n", "x".repeat(1300));

    let mut client = Client::new(&cloud, Transport::Udp);
    let large = client.request("OPTIONS", &padding);
    let small = client.request("OPTIONS", "");
    client.send(large.as_bytes());
    assert!(client.exchange(&small).contains("\r\nCSeq: 2 OPTIONS\r\n"));

    let mut client = Client::new(&cloud, Transport::Tcp);
    let large = client.request("OPTIONS", &padding);
    assert!(client.exchange(&large).contains("\r\nCSeq: 1 OPTIONS\r\n"));
}

#[test]
fn a_gateway_rewrites_via_and_contact_and_restores_neither() {
    let cloud = cloud(Registrar::Rewritten);
    let mut client = Client::new(&cloud, Transport::Udp);
    let contact = client.contact();

    let bound = client.register(&format!("Contact: {contact};expires=60\r\n"));

    assert!(bound.starts_with("SIP/2.0 200 OK\r\n"), "{bound}");
    let held = contacts(&cloud);
    let [outside] = held.as_slice() else { panic!("{held:?}") };
    assert!(outside.starts_with("<sip:1001@127.0.0.6:"), "{outside}");
    assert!(bound.contains(&format!("\r\nContact: {outside};expires=")), "{bound}");
    let address = outside.trim_start_matches("<sip:1001@").trim_end_matches('>');
    assert!(bound.contains(&format!("\r\nVia: SIP/2.0/UDP {address};branch=")), "{bound}");
    assert!(bound.contains(";received=127.0.0.6\r\n"), "{bound}");
    assert!(!bound.contains(&client.address.to_string()), "{bound}");

    client.register(&format!("Contact: {contact};expires=0\r\n"));
    assert_eq!(cloud.bindings(), [], "what is removed is rewritten in the same way");
}

#[test]
fn a_gateway_touches_no_stream() {
    let cloud = cloud(Registrar::Rewritten);
    let mut client = Client::new(&cloud, Transport::Tcp);
    let contact = client.contact();

    client.register(&format!("Contact: {contact}\r\n"));

    assert_eq!(contacts(&cloud), [contact]);
}

#[test]
fn a_gateway_brings_each_client_its_own_responses() {
    let cloud = cloud(Registrar::Rewritten);
    let mut clients = [0, 1].map(|_| Client::new(&cloud, Transport::Udp));

    let bound = clients.each_mut().map(|client| {
        let contact = client.contact();
        client.register(&format!("Contact: {contact}\r\n"))
    });

    assert_eq!(bound[0].matches("\r\nContact: ").count(), 1, "{}", bound[0]);
    assert_eq!(bound[1].matches("\r\nContact: ").count(), 2, "{}", bound[1]);
}
