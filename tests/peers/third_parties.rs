//! The servers and networks of these tests, looked at by clients that are not ours.

mod coturn;
mod nat;
mod router;
mod wire;
