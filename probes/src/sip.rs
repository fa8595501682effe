//! SIP as a client speaks it, for every probe that does: transactions, what comes back, and what
//! was done to it on the way.

pub(crate) mod agent;
pub(crate) mod echo;
pub mod facts;
pub mod locate;
mod mapping;
mod mirror;
pub(crate) mod notes;
pub(crate) mod settings;
