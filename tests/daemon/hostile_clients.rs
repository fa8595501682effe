//! Clients that hold connections, and clients that say too much (D-WEB-3).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::conversation::{connect_from, get, send};
use crate::process::{Daemon, stun_configuration};
use crate::wait::eventually;

/// The time to send a header, and a margin for a busy machine.
const LONGEST_HELD: Duration = Duration::from_secs(10);

fn daemon() -> Daemon {
    Daemon::start(&stun_configuration("60s", &[("relay", "127.0.0.1:1".into())]))
}

/// Whether the server has closed the connection; what it says before is read and dropped.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

// D-WEB-3
#[test]
fn slow_clients_are_not_held_and_nobody_waits_for_them() {
    let daemon = daemon();
    let web = daemon.web();
    let half = format!("GET /metrics HTTP/1.1\r\nHost: {web}\r\nX-Slow: ");
    let whole = format!("GET /-/healthy HTTP/1.1\r\nHost: {web}\r\n\r\n");
    // Half a header, nothing at all, and a question followed by silence.
    let said = [half.as_str(), "", whole.as_str()];
    // As many as are held, of each of two addresses.
    let mut clients: Vec<_> = (0..120)
        .map(|index: usize| {
            let mut stream = connect_from([127, 63, 0, 2 + u8::from(index >= 60)], web).unwrap();
            stream.write_all(said[index % said.len()].as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let mut slowest = Duration::ZERO;

    eventually("the end of every connection", LONGEST_HELD, || {
        let begun = Instant::now();
        let metrics = get(web, "/metrics").map_err(|error| error.to_string())?;
        slowest = slowest.max(begun.elapsed());
        assert_eq!(metrics.status, 200);
        clients.retain_mut(|stream| !is_closed(stream));
        if clients.is_empty() { Ok(()) } else { Err(format!("{} are held", clients.len())) }
    });

    assert!(slowest < Duration::from_secs(1), "a scrape took {slowest:?}");
}

// D-WEB-3
#[test]
fn who_stays_holds_nobody_out_not_even_at_the_scrapers_own_address() {
    let daemon = daemon();
    let web = daemon.web();
    let stays: Vec<_> = (0..200).map(|_| connect_from([127, 0, 0, 1], web).unwrap()).collect();

    let metrics = get(web, "/metrics");

    assert_eq!(metrics.unwrap().status, 200);
    drop((stays, daemon));
}

// D-WEB-3
#[test]
fn one_address_cannot_take_every_place() {
    let daemon = daemon();
    let web = daemon.web();
    let mut clients: Vec<_> = (0..300)
        .map(|_| {
            let stream = connect_from([127, 63, 0, 2], web).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();

    let metrics = get(web, "/metrics");

    assert_eq!(metrics.unwrap().status, 200);
    eventually("the end of what is too much", Duration::from_secs(4), || {
        clients.retain_mut(|stream| !is_closed(stream));
        if clients.len() <= 64 { Ok(()) } else { Err(format!("{} are held", clients.len())) }
    });
    drop(daemon);
}

// D-WEB-3
#[test]
fn a_header_that_is_too_large_is_refused() {
    let daemon = daemon();
    let web = daemon.web();
    let request = |fields: &str| {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n");
        send(web, &format!("{head}{fields}\r\n")).map(|answer| answer.status)
    };

    let one_large_field = request(&format!("X-Large: {}\r\n", "a".repeat(16 << 10)));
    let many_fields = request(&"X-Many: a\r\n".repeat(100));

    for status in [one_large_field, many_fields] {
        // Closing while the client still talks may reach it as a reset.
        let is_refused = status.as_ref().map_or_else(
            |error| error.kind() == ErrorKind::ConnectionReset,
            |status| [400, 431].contains(status),
        );
        assert!(is_refused, "{status:?}");
    }
    assert_eq!(get(web, "/-/healthy").unwrap().status, 200);
}

// I1
#[test]
fn what_is_no_http_does_not_harm() {
    let daemon = daemon();
    let web = daemon.web();

    for nonsense in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}", "PRI * HTTP/2.0\r\n\r\n"]
    {
        // However it is refused.
        let _ = send(web, nonsense);
    }

    assert_eq!(get(web, "/-/healthy").unwrap().status, 200);
}
