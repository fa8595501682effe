//! `turn-media` against a relay by hand: what it states is what the way did.

mod hostile;
mod options;
mod refusals;
mod relay;
mod releases;
mod streams;
