//! What is told to another program: which events, in which order, and how they are sent.

mod findings;
mod queue;
mod receiver;
mod sending;
mod states;
