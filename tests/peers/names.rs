//! How names reach a branch: real nameservers from the root down, real resolvers, and the product
//! among them.
//!
//! [`World`] builds it all; [`Host`] names who is in it.

mod delegation;
mod host;
mod lag;
mod named;
mod product;
mod queries;
mod resolvers;
mod unbound;
mod watch;
mod world;
mod zones;

use host::Host;
use world::World;
