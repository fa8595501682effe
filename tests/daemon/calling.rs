//! The callback: another program hears what changed, and cannot keep the daemon from ending.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::process::Daemon;
use crate::wait::PATIENCE;

/// One server of HTTP, who is the vendor to a GET and the program that is told to a POST `/told`.
struct Elsewhere {
    origin: String,
    told: mpsc::Receiver<String>,
    is_registered: Arc<AtomicBool>,
}

impl Elsewhere {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let origin = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (outbox, told) = mpsc::channel();
        let is_registered = Arc::new(AtomicBool::new(true));
        let registered = Arc::clone(&is_registered);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (outbox, registered) = (outbox.clone(), Arc::clone(&registered));
                // Whoever hangs up in the middle is gone.
                std::thread::spawn(move || answer(stream, &outbox, &registered).ok());
            }
        });
        Self { origin, told, is_registered }
    }

    /// The next event of this name.
    #[track_caller]
    fn next(&self, name: &str, daemon: &Daemon) -> String {
        let mark = format!("\"event\":\"{name}\"");
        loop {
            let body = self.told.recv_timeout(PATIENCE);
            let body = body.unwrap_or_else(|_| panic!("no {name}: {}", daemon.log()));
            if body.contains(&mark) {
                return body;
            }
        }
    }

    fn configuration(&self) -> String {
        let origin = &self.origin;
        format!(
            "[site]\nname = \"lyon\"\n\n[telephony]\nbase_url = \"{origin}\"\n\
             login_url = \"{origin}\"\nclient_id = \"id\"\nclient_secret = {{ env = \"KEY\" }}\n\
             interval = \"10s\"\nskip = [\"organization\", \"locations\", \"changes\", \"quality\", \
             \"authorities\", \"trunk_settings\", \"edge_metrics\", \"trunk_metrics\"]\n\n[callback]\nurl = \"{origin}/told\"\n\
             secret = {{ env = \"KEY\" }}\n"
        )
    }
}

fn answer(
    mut stream: TcpStream,
    told: &mpsc::Sender<String>,
    is_registered: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? < 3 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let state = is_registered.load(Ordering::SeqCst);
    let reply = if request.starts_with("POST /told ") {
        let _ = told.send(String::from_utf8_lossy(&body).into_owned());
        "{}".to_owned()
    } else if request.contains("/oauth/token") {
        r#"{"access_token":"token","token_type":"bearer","expires_in":86400}"#.to_owned()
    } else if request.contains("/edges/trunks?") {
        page(&format!(
            r#"{{"id":"t-1","name":"Carrier A","state":"active","trunkType":"EXTERNAL",
            "inService":true,"enabled":true,"connectedStatus":{{"connected":true}},
            "edge":{{"id":"e-1","name":"Edge 1"}},"optionsEnabledStatus":"DISABLED",
            "registersEnabledStatus":"ENABLED","registersStatus":[{{
            "proxyAddress":"203.0.113.10","registerState":{state},
            "registerStateTime":"2026-05-15T14:30:02.000Z"}}]}}"#
        ))
    } else {
        page("")
    };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{reply}", reply.len())
}

fn page(entities: &str) -> String {
    let total = usize::from(!entities.is_empty());
    format!(
        r#"{{"entities":[{entities}],"pageNumber":1,"pageSize":100,"pageCount":1,"total":{total}}}"#
    )
}

#[test]
fn a_trunk_that_loses_its_registration_is_told_and_so_is_what_follows_from_it() {
    let elsewhere = Elsewhere::start();
    let mut daemon =
        Daemon::start_with(&elsewhere.configuration(), &[("KEY", "a-key-to-sign-with")]);
    daemon.await_ready();

    elsewhere.is_registered.store(false, Ordering::SeqCst);
    let state = elsewhere.next("telephony:siptrunk:status", &daemon);
    let finding = elsewhere.next("branchline:finding", &daemon);

    let data = r#""data":{"edgeId":"e-1","sipTrunkId":"t-1","status":"unregistered"}"#;
    assert!(state.contains(data), "{state}");
    for word in [r#""rule":"trunk-unregistered""#, r#""subject":"Carrier A""#, r#""present":true"#]
    {
        assert!(finding.contains(word), "{finding}");
    }
    daemon.until("its counters", |daemon| {
        let page = daemon.page("/metrics").body;
        let is_counted = page.contains("branchline_callbacks_total{result=\"delivered\"} 2")
            && page.contains("branchline_callbacks_queued 0");
        is_counted.then_some(()).ok_or(page)
    });
}

// F31
#[test]
fn a_program_that_never_answers_does_not_keep_the_daemon_from_ending() {
    let elsewhere = Elsewhere::start();
    let hung = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    hung.set_nonblocking(true).expect("it is ours");
    let address = hung.local_addr().expect("it is bound");
    let configuration = elsewhere.configuration();
    let told = format!("{}/told", elsewhere.origin);
    let configuration = configuration.replace(&told, &format!("http://{address}/"));
    elsewhere.is_registered.store(false, Ordering::SeqCst);
    let mut daemon = Daemon::start_with(&configuration, &[("KEY", "a-key-to-sign-with")]);
    let _held = daemon
        .until("a finding that is told", |_| hung.accept().map_err(|error| error.to_string()));

    daemon.signal("TERM");

    let ended = daemon.await_end(Duration::from_secs(9));
    assert_eq!(ended.code(), Some(0), "{}", daemon.log());
}
