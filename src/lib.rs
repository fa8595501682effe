//! The voice-readiness agent of a branch office.
//!
//! The rooms, top floor first. Each imports only from floors below its own; `tests/layers.rs`
//! holds the table.

pub mod cli;
pub mod daemon;

pub mod config;

pub mod outputs;
pub mod web;

pub mod report;
pub mod rules;

pub mod diagnosis;

pub mod contradiction;
pub mod propagation;

pub mod correlation;
pub mod driver;
pub mod poller;
pub mod schedule;
pub mod webhook;

pub mod journal;

pub mod audit;
pub mod check;
pub mod guide;
pub mod ladder;
pub mod location;
pub mod profile;
pub mod sight;
pub mod signature;
pub mod telephony;
