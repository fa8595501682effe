//! What the probes of SIP share.

pub mod locate;
