//! What people write into configurations and settings, held to the grammar of what will go over
//! the wire: addresses, hosts with ports, and SIP URIs.

pub use crate::wire::literal::{v4, v6};
pub use crate::wire::sip::strict::check as check_trunk_uri;
pub use crate::wire::sip::{BadUri, HostPort, SipUri};
