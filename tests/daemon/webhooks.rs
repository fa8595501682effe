//! Webhooks as the daemon takes them: proved, counted, and never believed.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use branchline::signature::sign;
use branchline_probes::Secret;
use tempfile::TempDir;

use crate::conversation::{Answer, connect_from, family, get, send, value};
use crate::process::{Daemon, cloud, stun_configuration};
use crate::wait::pause;

const KEY: &str = "a-secret-of-the-test-alone";
const VARIABLES: &[(&str, &str)] = &[("HOOK_SECRET", KEY)];
const TABLE: &str =
    "\n[webhooks]\nsecrets = [{ env = \"HOOK_SECRET\" }]\nallow = [\"127.0.0.1\"]\n";

fn configuration(table: &str) -> String {
    format!("{}{table}", stun_configuration("60s", &[("relay", "127.0.0.1:9".into())]))
}

fn daemon() -> Daemon {
    Daemon::start_with(&configuration(TABLE), VARIABLES)
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs()
}

fn signed(timestamp: u64, body: &str) -> String {
    let signature = sign(&Secret::new(KEY.to_owned()), timestamp, body.as_bytes());
    format!("X-Branchline-Timestamp: {timestamp}\r\nX-Branchline-Signature: {signature}\r\n")
}

fn request(web: SocketAddr, fields: &str, body: &str) -> String {
    format!(
        "POST /webhooks/trunk-status HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[track_caller]
fn post(web: SocketAddr, fields: &str, body: &str) -> Answer {
    send(web, &request(web, fields, body)).expect("the daemon answers")
}

/// The status, what else the head says but for the date, and the body.
fn told(answer: Answer) -> (u16, Vec<String>, String) {
    let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
    let head = answer.head.lines().filter(|line| !is_date(line)).map(str::to_owned);
    (answer.status, head.collect(), answer.body)
}

/// How many webhooks the daemon counted with this result.
fn counted(daemon: &Daemon, result: &str) -> f64 {
    let results = family(&daemon.page("/metrics").body, "branchline_webhooks_total");
    results.iter().filter(|it| it.label("result") == result).map(|it| it.value).sum()
}

/// The signature as another program makes it.
fn by_openssl(timestamp: u64, body: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", KEY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut input = openssl.stdin.take().expect("it is piped");
    write!(input, "{timestamp}.{body}").expect("it reads");
    drop(input);
    let output = openssl.wait_with_output().expect("it ends");
    let output = String::from_utf8(output.stdout).expect("it is text");
    let digest = output.trim().rsplit("= ").next().expect("it ends with the digest");
    format!("sha256={digest}")
}

/// What curl is answered.
fn by_curl(web: SocketAddr, timestamp: u64, signature: &str, body: &str) -> String {
    let output = Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--noproxy",
            "*",
            "--data-binary",
            body,
        ])
        .args(["-H", &format!("X-Branchline-Timestamp: {timestamp}")])
        .args(["-H", &format!("X-Branchline-Signature: {signature}")])
        .args(["-H", "Content-Type: application/json"])
        .arg(format!("http://{web}/webhooks/trunk-status"))
        .output()
        .expect("curl is installed");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The lab's branch, whose checks come round once in a minute.
fn seldom(text: &str) -> String {
    let (text, _) = text.split_once("[web]").expect("it serves pages");
    let text = text.replace("interval = \"10s\"", "interval = \"60s\"");
    format!("{text}{TABLE}")
}

fn registered(daemon: &Daemon) -> Vec<f64> {
    let trunks = family(&daemon.page("/metrics").body, "branchline_trunk_registered");
    trunks.iter().map(|it| it.value).collect()
}

// D-HOOK-2, D-HOOK-3
#[test]
fn a_webhook_leads_to_a_reading_and_an_early_run_and_sets_no_state() {
    let cloud = cloud("healthy");
    let folder = TempDir::new().expect("there is room");
    let text = seldom(&fs::read_to_string(cloud.config()).expect("the lab wrote it"));
    let state = folder.path().display().to_string();
    let variables = [("HOOK_SECRET", KEY), ("STATE_DIRECTORY", state.as_str())];
    let mut daemon = Daemon::start_with(&text, &variables);
    daemon.await_ready();
    let last_read = |daemon: &Daemon| {
        let read =
            family(&daemon.page("/metrics").body, "branchline_telephony_read_timestamp_seconds");
        read.iter()
            .filter(|it| it.labels.values().any(|it| it == "trunks"))
            .map(|it| it.value)
            .sum()
    };
    let (before, trunks): (f64, _) = (last_read(&daemon), registered(&daemon));
    let verdict = family(&daemon.page("/metrics").body, "branchline_verdict");
    let body = r#"{"id":"evt-1","event":"telephony:siptrunk:status","timestamp":"2026-05-15T14:32:00Z","data":{"edgeId":"e-1","sipTrunkId":"Carrier A","status":"unregistered"}}"#;
    let moment = now();
    let signature = by_openssl(moment, body);

    assert_eq!(by_curl(daemon.web(), moment, &signature, body), "202");
    assert_eq!(by_curl(daemon.web(), moment, &signature, body), "409");

    daemon.until("another reading", |daemon| {
        let read: f64 = last_read(daemon);
        if read > before { Ok(()) } else { Err(format!("{read}")) }
    });
    // Both modules of the registrar, and the one over TLS.
    daemon.until("early runs", |daemon| {
        let early = value(&daemon.page("/metrics").body, "branchline_early_runs_total");
        if early >= 3.0 { Ok(()) } else { Err(format!("{early}")) }
    });
    assert_eq!(registered(&daemon), trunks);
    assert_eq!(family(&daemon.page("/metrics").body, "branchline_verdict"), verdict);
    assert_eq!((counted(&daemon, "accepted"), counted(&daemon, "replay")), (1.0, 1.0));
    let accepted =
        value(&daemon.page("/metrics").body, "branchline_webhook_last_accepted_timestamp_seconds");
    assert!(accepted >= moment as f64 - 1.0, "{accepted}");
    let trail = daemon.until("the trail", |_| {
        let trail = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap_or_default();
        let is_whole = ["\"webhook\"", "\"webhooks_refused\"", "\"early_run\""];
        if is_whole.iter().all(|it| trail.contains(it)) { Ok(trail) } else { Err(trail) }
    });
    assert!(
        trail.contains(r#""peer":"127.0.0.1","id":"evt-1","named":"telephony:siptrunk:status""#),
        "{trail}"
    );
    assert!(
        trail.contains(r#""trunk":"Carrier A","edge":"e-1","claims":"unregistered""#),
        "{trail}"
    );
    assert!(!trail.contains(KEY) && !daemon.log().contains(KEY));
}

// D-HOOK-1
#[test]
fn whatever_is_wrong_with_a_signature_the_answer_is_the_same() {
    let daemon = daemon();
    let web = daemon.web();
    let (body, moment) = (r#"{"data":{"sipTrunkId":"t-1"}}"#, now());
    let right = signed(moment, body);
    let field = |value: &str| {
        format!("X-Branchline-Timestamp: {moment}\r\nX-Branchline-Signature: {value}\r\n")
    };
    let wrong = [
        String::new(),
        format!("X-Branchline-Timestamp: {moment}\r\n"),
        right.lines().nth(1).map(|line| format!("{line}\r\n")).expect("it has a signature"),
        field(""),
        field("sha256=00"),
        field(&format!("sha256={}", "0".repeat(63))),
        field(&format!("sha256={}", "zz".repeat(32))),
        field(&format!("sha256={}", "00".repeat(32))),
        signed(moment, "another body"),
        format!("{right}{}", field("00")),
        signed(moment - 1000, body),
    ];

    let answers: Vec<_> = wrong.iter().map(|fields| told(post(web, fields, body))).collect();

    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|it| *it == answers[0]), "{answers:#?}");
    assert_eq!(post(web, &right, body).status, 202);
}

// D-HOOK-1, D-WEB-4
#[test]
fn what_is_not_for_the_door_is_refused_at_the_door() {
    let mut daemon = daemon();
    let web = daemon.web();
    let large = "a".repeat((256 << 10) + 1);
    let said = format!(
        "POST /webhooks/trunk-status HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n"
    );
    let proof = signed(now(), "another body");
    let in_pieces = format!(
        "POST /webhooks/trunk-status HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n{proof}\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );

    assert_eq!(get(web, "/webhooks/trunk-status").expect("it answers").status, 405);
    assert_eq!(send(web, &said).expect("it answers").status, 413);
    assert_eq!(send(web, &in_pieces).map_or(413, |answer| answer.status), 413);
    let not_json = signed(now(), "not json");
    assert_eq!(post(web, &not_json, "not json").status, 400);
    let stranger = {
        use std::io::Read as _;
        let mut stream = connect_from([127, 63, 0, 2], web).expect("it listens");
        let body = r#"{"data":{"sipTrunkId":"t-1"}}"#;
        let request = request(web, &signed(now(), body), body);
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(stranger.starts_with("HTTP/1.1 403 "), "{stranger}");
    daemon.until("the counts", |daemon| {
        let counts = ["too_large", "body", "address"].map(|result| counted(daemon, result));
        if counts == [2.0, 1.0, 1.0] { Ok(()) } else { Err(format!("{counts:?}")) }
    });
}

#[test]
fn a_reload_opens_and_closes_the_door() {
    let mut daemon = Daemon::start_with(&configuration(""), VARIABLES);
    let web = daemon.web();
    let hear = |body: &str| post(web, &signed(now(), body), body).status;
    assert_eq!(hear(r#"{"data":{"edgeId":"1"}}"#), 404);

    daemon.reload(&configuration(TABLE));

    daemon.until("the door to open", |_| match hear(r#"{"data":{"edgeId":"2"}}"#) {
        202 => Ok(()),
        status => Err(format!("{status}")),
    });
    daemon.reload(&configuration(""));
    daemon.until("the door to close", |_| match hear(r#"{"data":{"edgeId":"3"}}"#) {
        404 => Ok(()),
        status => Err(format!("{status}")),
    });
}

#[test]
fn who_sends_too_many_is_told_when_to_come_again() {
    let daemon = daemon();
    let mut answers = (0..400).map(|_| post(daemon.web(), "", "{}"));

    let refused = answers.find(|answer| answer.status == 429).expect("it is too many");

    let head = refused.head.to_ascii_lowercase();
    assert!(head.contains("\r\nretry-after: 1"), "{head}");
}

/// Sends what nobody signed, over connections that stay, until it is told to stop.
fn flood(web: SocketAddr, stop: &AtomicBool, sent: &AtomicU64) {
    use std::io::Read as _;
    let body = "{\"data\":{\"sipTrunkId\":\"t-1\"}}";
    let one = format!(
        "POST /webhooks/trunk-status HTTP/1.1\r\nHost: {web}\r\nX-Branchline-Timestamp: {}\r\n\
         X-Branchline-Signature: sha256={}\r\nContent-Length: {}\r\n\r\n{body}",
        now(),
        "00".repeat(32),
        body.len()
    );
    let many = one.repeat(EACH);
    let mut buffer = vec![0; 64 << 10];
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = connect_from([127, 0, 0, 1], web) else { continue };
        // A server that is told nothing of use may close at any time.
        while !stop.load(Ordering::Relaxed) && stream.write_all(many.as_bytes()).is_ok() {
            sent.fetch_add(EACH as u64, Ordering::Relaxed);
            if !matches!(stream.read(&mut buffer), Ok(length) if length > 0) {
                break;
            }
            pause();
        }
    }
}

/// Four clients that pause for 20 ms would send 10 000 requests a second; how many they get rid of
/// is the machine's affair, whose two cores the daemon has to share with them.
const EACH: usize = 50;
/// In ten seconds: half of the 10 000 a second, so that a busy machine is no failure. Each client is
/// above its allowance of requests by far, so nearly all are refused before their signature is read.
const FLOOD: u64 = 50_000;

// D-HOOK-4, F57
#[test]
fn a_flood_that_nobody_signed_delays_no_run_and_takes_no_memory() {
    let targets: Vec<_> =
        (0..40).map(|index| (format!("t-{index}"), "127.0.0.1:9".to_owned())).collect();
    let targets: Vec<_> = targets.iter().map(|(name, at)| (name.as_str(), at.clone())).collect();
    let text = format!("{}{TABLE}", stun_configuration("1s", &targets));
    let mut daemon = Daemon::start_with(&text, VARIABLES);
    daemon.await_ready();
    let web = daemon.web();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));

    let runs = thread::scope(|scope| {
        let flooders: Vec<_> = (0..4).map(|_| scope.spawn(|| flood(web, &stop, &sent))).collect();
        let begun = Instant::now();
        let runs = daemon.until("ten seconds of flood", |daemon| {
            let page = daemon.page("/metrics").body;
            let count = value(&page, "branchline_start_delay_seconds_count");
            if begun.elapsed() > Duration::from_secs(10) { Ok(count) } else { Err(String::new()) }
        });
        stop.store(true, Ordering::Relaxed);
        flooders.into_iter().for_each(|it| it.join().expect("it ends"));
        runs
    });

    let page = daemon.page("/metrics").body;
    let buckets = family(&page, "branchline_start_delay_seconds_bucket");
    let in_time: f64 = buckets.iter().filter(|it| it.label("le") == "0.1").map(|it| it.value).sum();
    let all = value(&page, "branchline_start_delay_seconds_count");
    let (sent, peak) = (sent.into_inner(), daemon.peak_memory());
    assert!(sent > FLOOD, "{sent} requests are no flood");
    assert!(runs > 300.0, "{runs} runs");
    assert!(
        in_time >= 0.99 * all,
        "{in_time} of {all} runs began in time, {sent} requests, {buckets:?}"
    );
    // DESIGN §7 allows 12 MB with 100 targets; a debug build and 256 connections come on top.
    assert!(peak < 40 << 20, "{peak} bytes, {sent} requests");
    assert!(counted(&daemon, "rate") > 1_000.0);
    assert!(counted(&daemon, "accepted") < 1.0);
}
