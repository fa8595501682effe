//! `branchline-lab mirror`: its options, and what it says.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use branchline_lab::mirror::{Limits, Mirror, Network, Settings, Tally};

use crate::say;

/// A SIP mirror, for a second host under your control.
///
/// It answers every SIP request, over UDP and TCP, with the bytes that arrived. Laid beside what
/// was sent, they show what a router on the way has rewritten. It registers nobody, places no call
/// and keeps nothing.
///
/// Without options it is for this host alone. For a site: `--listen 0.0.0.0:5060 --allow NETWORK`,
/// where NETWORK is the address from which the site is seen outside. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen, over UDP and TCP
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5060")]
    listen: Vec<SocketAddr>,

    /// Who is answered; without it this host alone
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Network>,
}

/// Answers until Ctrl-C or SIGTERM.
pub(crate) fn run(arguments: Arguments) -> io::Result<()> {
    let Arguments { listen, allow } = arguments;
    let is_closed = allow.is_empty();
    let mirror = Mirror::start(&Settings { listen, allow, limits: Limits::default() })?;
    say::note(format_args!(
        "branchline lab: a SIP mirror on {} (UDP and TCP), for {}",
        list(mirror.addresses()),
        list(mirror.allowed())
    ))?;
    if is_closed {
        say::note("  for a site: --listen 0.0.0.0:5060 --allow NETWORK")?;
    }
    mirror.until_interrupted(|| say::note("  Ctrl-C ends it"))?;
    let Tally { answered, strangers, last_stranger, too_many, unusable } = mirror.tally();
    say::note(format_args!("\nanswered {answered}; no answer to:"))?;
    let last = last_stranger.map(|last| format!(", the last of them {last}")).unwrap_or_default();
    say::note(format_args!("  {strangers:>6} from elsewhere{last}"))?;
    say::note(format_args!("  {too_many:>6} beyond 100 a second"))?;
    say::note(format_args!("  {unusable:>6} that were no request, or too long"))
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
