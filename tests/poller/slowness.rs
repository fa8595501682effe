//! What the poller does when the vendor takes its time.

use std::time::{Duration, Instant};

use branchline::poller::{Haste, Poller, Settings};
use branchline::telephony::{ApiProblem, Snapshot};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::fake::{Fake, PHONES, healthy};
use crate::problems;

/// Ten times as impatient: a header has 1 s, a body 0.5 s and then 10 KiB a second, all 1.5 s.
const IMPATIENT: Haste = Haste { waits: 1_000, limits: 10, reading: 1 };

/// An API that passes on what `behind` answers, but for the phones: there it writes `head` and then
/// `piece` again and again.
struct Slow {
    url: String,
    server: JoinHandle<()>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Slow {
    async fn before(behind: &Fake, head: &'static str, piece: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let behind = behind.url.trim_start_matches("http://").to_owned();
        let piece = piece.to_owned();
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, behind.clone(), head, piece.clone()));
            }
        });
        Self { url, server }
    }
}

async fn answer(mut connection: TcpStream, behind: String, head: &str, piece: String) {
    // As much of the first line as tells the phones from the rest.
    let told = format!("GET {PHONES}");
    let mut first = vec![0; told.len()];
    if connection.read_exact(&mut first).await.is_err() {
        return;
    }
    if first != told.as_bytes() {
        let mut real = TcpStream::connect(behind).await.expect("the fake listens");
        real.write_all(&first).await.expect("the fake listens");
        let _ = copy_bidirectional(&mut connection, &mut real).await;
        return;
    }
    let _ = connection.write_all(head.as_bytes()).await;
    while connection.write_all(piece.as_bytes()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What became of the phones, and after how long.
async fn phones(head: &'static str, piece: &str) -> (String, Duration) {
    // A connection that serves one request tells by its first line what is asked.
    let behind = Fake::start(|seen| healthy(seen).with("connection", "close")).await;
    let slow = Slow::before(&behind, head, piece).await;
    let settings = Settings { api_url: slow.url.clone(), ..behind.settings() };
    let poller = Poller::hasty(settings, IMPATIENT).expect("a poller");
    let begun = Instant::now();

    let snapshot = poller.read(&Snapshot::default()).await;

    let took = begun.elapsed();
    let [edges, edge_groups, trunks, phones] = problems(&snapshot);
    assert_eq!([edges, edge_groups, trunks], [const { None }; 3], "nobody else is held up");
    let Some(ApiProblem::Unreachable { detail, .. }) = phones else { panic!("{phones:?}") };
    (detail, took)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

// D-API-3, F14
#[tokio::test]
async fn a_header_that_comes_byte_by_byte_is_given_up_after_10_s() {
    let (detail, took) = phones("HTTP/1.1 200 OK\r\nx-slow: ", "a").await;

    assert_eq!(detail, "timeout: no header within 10 s");
    assert!(took >= Duration::from_millis(1000), "{took:?}");
}

// D-API-3, F14
#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_given_up_after_5_s() {
    let (detail, took) = phones(HEAD, "1\r\n \r\n").await;

    assert_eq!(detail, "timeout: a body slower than 1 KiB/s");
    assert!(took >= Duration::from_millis(500), "{took:?}");
}

// D-API-3, F14
#[tokio::test]
async fn a_body_that_is_fast_enough_and_has_no_end_is_given_up_after_15_s() {
    // 1,024 bytes every 20 ms are 50 KiB a second.
    let piece = format!("400\r\n{}\r\n", " ".repeat(1024));

    let (detail, took) = phones(HEAD, &piece).await;

    assert_eq!(detail, "timeout: no complete answer within 15 s");
    assert!(took >= Duration::from_millis(1500), "{took:?}");
}
