//! How often checks run: at their interval, and never two runs of one at once.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

use crate::conversation::family;
use crate::process::{Daemon, stun_configuration};

/// A server that never answers, and whose kernel remembers when it was asked.
struct Silent(UdpSocket);

impl Silent {
    fn bind() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("Linux has it");
        socket.set_nonblocking(true).expect("it is ours");
        Self(socket)
    }

    fn address(&self) -> String {
        self.0.local_addr().expect("it is bound").to_string()
    }

    /// When each client, that is each run, asked for the first time.
    fn runs(&self) -> Vec<Duration> {
        let mut clients = Vec::new();
        let mut runs = Vec::new();
        let mut buffer = [0; 256];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let received = recvmsg::<SockaddrStorage>(
                self.0.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let Ok(message) = received else { return runs };
            let client = message.address.map(|address| address.to_string());
            let stamp = message.cmsgs().expect("there is room").find_map(|it| {
                if let ControlMessageOwned::ScmTimestampns(time) = it { Some(time) } else { None }
            });
            if !clients.contains(&client) {
                clients.push(client);
                runs.push(stamp.expect("it was asked for").into());
            }
        }
    }
}

// F33
#[test]
fn never_two_runs_of_one_check_at_once_and_what_is_skipped_is_counted() {
    let interval = Duration::from_secs(1);
    let servers: Vec<_> = (0..12).map(|_| Silent::bind()).collect();
    let names: Vec<_> = (0..servers.len()).map(|index| format!("silent-{index:02}")).collect();
    let targets: Vec<_> =
        names.iter().zip(&servers).map(|(name, it)| (name.as_str(), it.address())).collect();
    // Each run lasts as long as the interval, and where a run has less delay than the one before
    // it is due while that one still waits.
    let mut daemon = Daemon::start(&stun_configuration("1s", &targets));

    let skipped = daemon.until("skipped runs", |daemon| {
        let skipped = family(&daemon.page("/metrics").body, "branchline_skipped_runs_total");
        if skipped.len() < 6 { Err(format!("{skipped:?}")) } else { Ok(skipped) }
    });

    assert!(skipped.iter().all(|sample| sample.value >= 1.0));
    assert!(skipped.iter().all(|sample| sample.label("module") == "stun"), "{skipped:?}");
    let mut pairs = 0;
    for server in &servers {
        for pair in server.runs().windows(2) {
            let between = pair[1] - pair[0];
            // A run begins a moment before its first packet leaves.
            let tolerance = Duration::from_millis(20);
            assert!(between + tolerance >= interval, "two runs at once: {between:?} apart");
            pairs += 1;
        }
    }
    assert!(pairs >= 6, "{pairs}");
}

#[test]
fn a_target_that_is_refused_is_probed_on_at_its_interval() {
    let mut daemon = Daemon::start(&stun_configuration("1s", &[("relay", "127.0.0.1:9".into())]));

    daemon.until("four exchanges", |daemon| {
        let counts = family(&daemon.page("/metrics").body, "branchline_exchanges_total");
        let count = counts.first().map_or(0.0, |sample| sample.value);
        if count >= 4.0 { Ok(()) } else { Err(format!("{count}")) }
    });

    // I5: the finding appears once.
    let findings: Vec<_> = daemon.lines_with("finding");
    assert!(findings.len() <= 1, "{findings:?}");
    let verdicts = daemon.lines_with("verdict");
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
}
