//! The driver with real sockets: one case for each transport, and one for each way in which the
//! kernel says no.

mod authority;
mod checks;
mod claims;
mod clients;
mod datagrams;
mod ends;
mod forgers;
mod inspection;
mod intents;
mod journal;
mod located;
mod names;
mod nameserver;
mod ping;
mod ports;
mod strangers;
mod streams;
mod tls;
