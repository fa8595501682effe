//! Bytes of the wire: messages in and out, with no opinion about what they mean.

pub mod dns;
pub mod http2;
pub mod literal;
pub mod sip;
pub mod stun;
