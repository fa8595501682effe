//! Independent implementations read what we write, and we read what they write; where one of them
//! is known to be wrong, a test says so.

#[path = "../desk/mod.rs"]
mod desk;

mod sip;
mod stun;
mod torture;
mod turn;

use std::net::SocketAddr;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// How often each conversation with an oracle is had, with other values.
const ROUNDS: u64 = 500;

fn transaction(chance: &mut StdRng) -> [u8; 12] {
    let mut id = [0; 12];
    chance.fill_bytes(&mut id);
    id
}

/// Any address, of either family.
fn address(chance: &mut StdRng) -> SocketAddr {
    let port = chance.random();
    if chance.random() {
        SocketAddr::new(chance.random::<u32>().to_be_bytes().into(), port)
    } else {
        SocketAddr::new(chance.random::<u128>().to_be_bytes().into(), port)
    }
}
