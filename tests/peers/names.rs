//! How names reach a branch: real nameservers from the root down, real resolvers, and the product
//! among them.
//!
//! [`World`] builds it all; [`Host`] names who is in it.

mod clock;
mod delegation;
mod host;
mod lag;
mod named;
mod office;
mod predicted;
mod product;
mod queries;
mod resolvers;
mod scraped;
mod secured;
mod sides;
mod unbound;
mod waiting;
mod waits;
mod walk;
mod watch;
mod world;
mod zones;

use host::Host;
use world::World;
