//! Checks as the driver runs them: from a target to observations.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use branchline::check::{Check, Whom};
use branchline::driver;
use branchline_probes::{
    BadOption, Chance, Exchange, FactSpec, Failure, Input, Intent, Module, Moment, OptionSpec,
    Options, Output, Phase, Probe, Target, Transport,
};
use tokio_util::sync::CancellationToken;

use crate::ping::{LOOPBACKS, PATIENCE, Ping, closed_udp_port, udp_echo};

/// A probe whose exchanges do what a test wants.
pub(crate) struct Invented {
    pub(crate) begin: fn(SocketAddr) -> Box<dyn Exchange>,
    pub(crate) undo: fn(&Intent) -> Option<Box<dyn Exchange>>,
}

impl Probe for Invented {
    fn name(&self) -> &'static str {
        "invented-probe"
    }

    fn about(&self) -> &'static str {
        "what would an invented probe see?"
    }

    fn sample(&self) -> &'static str {
        ""
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn timeout(&self) -> Duration {
        PATIENCE
    }

    fn facts(&self) -> &'static [FactSpec] {
        &[]
    }

    fn module(&self, _: &Options) -> Result<Box<dyn Module>, BadOption> {
        Ok(Box::new(InventedModule { begin: self.begin, undo: self.undo }))
    }
}

struct InventedModule {
    begin: fn(SocketAddr) -> Box<dyn Exchange>,
    undo: fn(&Intent) -> Option<Box<dyn Exchange>>,
}

impl Module for InventedModule {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        9
    }

    fn timeout(&self) -> Duration {
        PATIENCE
    }

    fn begin(&self, target: &Target, _: Chance) -> Box<dyn Exchange> {
        (self.begin)(target.address)
    }

    fn undo(&self, _: &Target, intent: &Intent, _: Chance) -> Option<Box<dyn Exchange>> {
        (self.undo)(intent)
    }
}

pub(crate) fn check(probe: &'static Invented, host: &str, port: u16) -> Check {
    Check {
        site: "lyon".into(),
        target: "a-target".into(),
        host: host.into(),
        port,
        whom: Whom::Host,
        module_name: "a-module".into(),
        probe,
        module: probe.module(&Options::defaults(&[])).expect("it has no options").into(),
        fingerprint: "".into(),
        interval: PATIENCE,
        required: false,
        trunk: None,
        edge_group: None,
        sight: None,
    }
}

struct Bomb(Ping);

impl Exchange for Bomb {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        assert!(!matches!(input, Input::Connected { .. }), "this panic is part of the test");
        self.0.handle_input(input, now);
    }

    fn poll_output(&mut self) -> Output {
        self.0.poll_output()
    }
}

// I1
#[tokio::test]
async fn a_panic_inside_an_exchange_is_an_internal_failure() {
    static BOMB: Invented = Invented {
        begin: |peer| Box::new(Bomb(Ping::new(Transport::Udp, peer, PATIENCE))),
        undo: |_| None,
    };
    let check = check(&BOMB, "127.0.0.1", closed_udp_port(LOOPBACKS[0]).port());

    let observations = driver::observe(&check, &CancellationToken::new(), None, None).await;

    assert_eq!(observations.len(), 1);
    assert_eq!(observations[0].outcome.failure, Some((Phase::Request, Failure::Internal)));
}

#[tokio::test]
async fn an_observation_names_what_was_observed() {
    static PING: Invented = Invented {
        begin: |peer| Box::new(Ping::new(Transport::Udp, peer, PATIENCE)),
        undo: |_| None,
    };
    let peer = udp_echo(LOOPBACKS[0]).await;
    let check = check(&PING, "127.0.0.1", peer.port());
    let steps = Mutex::new(BTreeMap::new());
    let watcher = |step: driver::Step| {
        steps.lock().expect("nobody panicked").insert(step.what, step.address);
    };

    let observations =
        driver::observe(&check, &CancellationToken::new(), Some(&watcher), None).await;

    let [observation] = &observations[..] else { panic!("{observations:?}") };
    assert_eq!(observation.reference(), format!("a-module@a-target ({peer})"));
    assert_eq!((observation.probe, observation.site.as_str()), ("invented-probe", "lyon"));
    // An address was no name to resolve.
    assert!(observation.outcome.phases.is_empty());
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.get(&format!("send 4 bytes to {peer}")), Some(&Some(peer)));
    assert!(steps.keys().any(|what| what.starts_with("wait for the echo until")));
}
