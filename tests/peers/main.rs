//! The product against servers that somebody else wrote: coturn, Kamailio, SIPp, BIND, unbound and
//! the kernel's own router.
//!
//! A server that is not installed fails its tests with a sentence that says what to install; no
//! test is skipped. `tests/run` installs all of them. Every server listens on loopback or inside a
//! network namespace of its own, on a port that was free a moment ago, and ends with its test.

mod agent;
mod alg;
mod bind;
mod branch;
mod certificates;
mod coturn;
mod dig;
mod echo;
mod kamailio;
mod leavings;
mod located;
mod media;
mod names;
mod nat;
mod netns;
mod points;
mod process;
mod router;
mod sipp;
mod stun;
mod stun_binding;
mod stund;
mod third_parties;
mod tls;
mod turn;
mod wire;

#[path = "../daemon/wait.rs"]
#[expect(dead_code, reason = "foreign servers get a patience of their own")]
mod wait;
