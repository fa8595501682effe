//! A server that we did not write: the crate h2, over a pipe.

use std::io::Cursor;

use branchline_probes::wire::http2::{Client, Error, ErrorCode, Event, Request, Response};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::REQUEST;

type Body = Cursor<Vec<u8>>;

/// What the server saw of a request.
#[derive(Debug, PartialEq)]
struct Seen {
    head: String,
    body: Vec<u8>,
}

/// How the server answers.
type Answer = fn(&mut Connection<DuplexStream, Body>, SendResponse<Body>, Vec<u8>);

/// Lets the client ask the server: what the server saw, and what the client made of the answer.
fn ask(request: &Request<'_>, builder: &Builder, answer: Answer) -> (Seen, Outcome) {
    let (near, far) = tokio::io::duplex(4096);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (seen, outcome) = tokio::join!(serve(far, builder, answer), exchange(near, request));
        (seen, outcome)
    })
}

type Outcome = Option<Result<Response, Error>>;

async fn exchange(mut stream: DuplexStream, request: &Request<'_>) -> Outcome {
    let (mut client, bytes) = Client::open(request).expect("it can be written");
    let (mut near, mut far) = tokio::io::split(&mut stream);
    let write = async {
        far.write_all(&bytes).await.expect("the server reads");
        far
    };
    let read = async {
        let mut outcome = None;
        let mut replies = Vec::new();
        let mut piece = [0; 1000];
        while outcome.is_none() {
            let length = near.read(&mut piece).await.expect("the server writes");
            if length == 0 {
                break;
            }
            client.push(&piece[..length]);
            while let Some(event) = client.poll() {
                match event {
                    Ok(Event::Reply(bytes)) => replies.extend(bytes),
                    Ok(Event::Response(response)) => outcome = Some(Ok(response)),
                    Err(error) => outcome = Some(Err(error)),
                }
            }
        }
        (outcome, replies)
    };
    let (mut far, (outcome, replies)) = tokio::join!(write, read);
    far.write_all(&[&replies[..], &Client::GOAWAY].concat()).await.ok();
    outcome
}

/// Serves one request; the connection has to end without an error of ours.
async fn serve(stream: DuplexStream, builder: &Builder, answer: Answer) -> Seen {
    let mut connection =
        builder.handshake::<_, Body>(stream).await.expect("our preface is understood");
    let (request, respond) =
        connection.accept().await.expect("a request").expect("a request that is understood");
    let (head, body) = request.into_parts();
    let body = tokio::select! {
        body = read(body) => body,
        other = connection.accept() => panic!("one request is enough: {other:?}"),
    };
    answer(&mut connection, respond, body.clone());
    let end = connection.accept().await;
    if let Some(Err(error)) = &end {
        // We close without waiting for its last words, and it may have ended of its own will.
        assert!(error.is_io() || error.reason() == Some(Reason::ENHANCE_YOUR_CALM), "{error:?}");
    }
    let mut lines = vec![format!("{} {}", head.method, head.uri)];
    lines.extend(
        head.headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("it is text"))),
    );
    Seen { head: lines.join("\n"), body }
}

async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.expect("a body that is understood");
        body.flow_control().release_capacity(part.len()).expect("it was taken");
        whole.extend_from_slice(&part);
    }
    whole
}

fn head(status: u16) -> http::response::Builder {
    http::Response::builder().status(status)
}

/// Gives the body back, in a response with a few fields.
fn echo(_: &mut Connection<DuplexStream, Body>, mut respond: SendResponse<Body>, body: Vec<u8>) {
    let response = head(200)
        .header("content-type", "application/dns-message")
        .header("content-length", body.len())
        .header("cache-control", "max-age=300")
        .header("server", "another make")
        .body(())
        .expect("a response");
    let mut stream = respond.send_response(response, false).expect("it is sent");
    stream.send_data(Cursor::new(body), true).expect("it is sent");
}

fn answer(body: &[u8]) -> Outcome {
    let content_type = Some(b"application/dns-message".to_vec());
    Some(Ok(Response { status: 200, content_type, body: body.to_vec() }))
}

#[test]
fn another_make_reads_our_request_and_we_its_response() {
    let (seen, outcome) = ask(&REQUEST, &Builder::new(), echo);

    let head = "POST https://dns.example.net/dns-query\n\
                accept: application/dns-message\n\
                content-type: application/dns-message\n\
                content-length: 10";
    assert_eq!(seen, Seen { head: head.into(), body: b"a question".to_vec() });
    assert_eq!(outcome, answer(b"a question"));
}

#[test]
fn the_longest_bodies_pass_both_ways_whatever_window_the_server_grants() {
    let body: Vec<u8> = (0..65_535_u32).map(|number| number.to_le_bytes()[0]).collect();
    for window in [65_535, 1 << 20] {
        let mut builder = Builder::new();
        builder.initial_window_size(window).max_frame_size(1 << 20);

        let (seen, outcome) = ask(&Request { body: &body, ..REQUEST }, &builder, echo);

        assert!(seen.body == body, "a window of {window}");
        assert!(outcome == answer(&body), "a window of {window}");
    }
}

#[test]
fn interim_responses_and_trailers_of_another_make_are_understood() {
    let (_, outcome) = ask(&REQUEST, &Builder::new(), |_, mut respond, body| {
        let early = head(103).header("link", "</a>; rel=preload").body(()).expect("a response");
        respond.send_informational(early).expect("it is sent");
        let response = head(404).header("content-type", "text/plain").body(()).expect("one");
        let mut stream = respond.send_response(response, false).expect("it is sent");
        stream.send_data(Cursor::new(body), false).expect("it is sent");
        let trailers = http::HeaderMap::from_iter([(
            http::header::SERVER,
            http::HeaderValue::from_static("another make"),
        )]);
        stream.send_trailers(trailers).expect("it is sent");
    });

    let content_type = Some(b"text/plain".to_vec());
    let body = b"a question".to_vec();
    assert_eq!(outcome, Some(Ok(Response { status: 404, content_type, body })));
}

#[test]
fn a_response_without_a_body_is_whole() {
    let (_, outcome) = ask(&REQUEST, &Builder::new(), |_, mut respond, _| {
        respond.send_response(head(503).body(()).expect("a response"), true).expect("it is sent");
    });

    assert_eq!(outcome, Some(Ok(Response { status: 503, content_type: None, body: Vec::new() })));
}

#[test]
fn a_reset_of_another_make_names_its_reason() {
    let (_, outcome) = ask(&REQUEST, &Builder::new(), |_, mut respond, _| {
        respond.send_reset(Reason::REFUSED_STREAM);
    });

    assert_eq!(outcome, Some(Err(Error::Reset(ErrorCode(7)))));
}

#[test]
fn a_connection_that_another_make_gives_up_names_its_reason() {
    let (_, outcome) = ask(&REQUEST, &Builder::new(), |connection, _respond, _| {
        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    });

    assert_eq!(outcome, Some(Err(Error::GoAway(ErrorCode(0x0B)))));
}

#[test]
fn a_server_that_shuts_down_with_grace_still_answers() {
    let (_, outcome) = ask(&REQUEST, &Builder::new(), |connection, respond, body| {
        connection.graceful_shutdown();
        echo(connection, respond, body);
    });

    assert_eq!(outcome, answer(b"a question"));
}

#[test]
fn a_server_without_a_table_or_with_long_headers_is_read() {
    let (_, outcome) = ask(&REQUEST, Builder::new().header_table_size(0), |_, mut respond, _| {
        // Digits are short in the Huffman code: the block is smaller than what it stands for.
        let response = head(200).header("x-long", "0123456789".repeat(1600)).body(());
        respond.send_response(response.expect("a response"), true).expect("it is sent");
    });

    assert_eq!(outcome, Some(Ok(Response { status: 200, content_type: None, body: Vec::new() })));
}

// RFC 7541 Appendix B
#[test]
fn every_octet_that_a_header_can_hold_is_read_in_the_huffman_code_of_another_make() {
    fn octets() -> Vec<u8> {
        (0x21..=0x7E).chain(0x80..=0xFF).collect()
    }

    let (_, outcome) = ask(&REQUEST, &Builder::new(), |_, mut respond, _| {
        let response = head(200).header("content-type", octets()).body(());
        respond.send_response(response.expect("a response"), true).expect("it is sent");
    });

    let content_type = Some(octets());
    assert_eq!(outcome, Some(Ok(Response { status: 200, content_type, body: Vec::new() })));
}
