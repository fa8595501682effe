//! The running daemon, as systemd, Prometheus and a person with `kill` see it: a real process
//! against the lab, on loopback.

mod conversation;
mod credentials;
mod hostile_clients;
mod intents;
mod notify;
mod pages;
mod process;
mod registrar;
mod reload;
mod rhythm;
mod start;
mod stop;
mod subscription;
mod tenant;
mod wait;
mod webhooks;
