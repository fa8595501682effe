//! Exchanges that work on one account: one after the other, and no further than a refusal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline::check::{Check, Whom};
use branchline::driver;
use branchline_probes::{
    Chance, Exchange, Input, Module, Moment, Outcome, Output, Target, Transport,
};
use tokio_util::sync::CancellationToken;

use crate::checks::{Invented, check};

static NEVER: Invented =
    Invented { begin: |_| Box::new(Judged { refuses: false }), undo: |_| None };

/// A module for one account, whose exchanges end at once.
struct Account {
    refuses: bool,
}

struct Judged {
    refuses: bool,
}

impl Module for Account {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        9
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn claim(&self) -> Option<&str> {
        Some(if self.refuses { "a refused account" } else { "an account" })
    }

    fn begin(&self, _: &Target, _: Chance) -> Box<dyn Exchange> {
        Box::new(Judged { refuses: self.refuses })
    }
}

impl Exchange for Judged {
    fn handle_input(&mut self, _: Input<'_>, _: Moment) {}

    fn poll_output(&mut self) -> Output {
        Output::Done(Outcome { back_off: self.refuses, ..Outcome::default() })
    }
}

async fn asked(refuses: bool) -> Vec<Option<SocketAddr>> {
    let addresses: Vec<SocketAddr> = (1..=3).map(|last| ([127, 0, 9, last], 9).into()).collect();
    let check = Check {
        whom: Whom::Listed(addresses.into()),
        module: Arc::new(Account { refuses }),
        ..check(&NEVER, "an.account", 9)
    };
    let cancel = CancellationToken::new();
    let observations = driver::observe(&check, &cancel, None, None).await;
    observations.into_iter().map(|observation| observation.address).collect()
}

// D-SIP-7
#[tokio::test]
async fn who_refuses_the_credentials_at_one_address_is_asked_at_no_other() {
    let refused = asked(true).await;
    let granted = asked(false).await;

    assert_eq!(refused, [Some(([127, 0, 9, 1], 9).into())]);
    assert_eq!(granted.len(), 3);
}
