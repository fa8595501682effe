//! `nat-behavior` against simulated NATs, paths that lose and servers that are not what they say.

#[path = "../desk/mod.rs"]
mod desk;
mod lifetimes;
mod servers;
mod words;
mod world;
