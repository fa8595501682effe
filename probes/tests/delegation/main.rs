//! `dns-delegation` in a virtual Internet: the way down, the servers of a zone, and everybody who
//! would lead it astray.

#[path = "../desk/mod.rs"]
mod desk;

mod bounds;
mod claims;
mod direct;
mod fates;
mod floods;
mod forgeries;
mod hostile;
mod ids;
mod mutations;
mod spelling;
mod ways;
mod world;
