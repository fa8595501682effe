//! SIP messages (RFC 3261): a REGISTER out, a response in. And SIP URIs, as the RFC has them and as
//! the vendor's trunk settings take them.

mod header;
mod request;
mod response;
pub mod strict;
mod uri;

pub use header::{Challenge, Contact, Via};
pub use request::Register;
pub use response::{Malformed, Response};
pub use uri::{AddressOfRecord, BadUri, HostPort, Scheme, SipUri, UriHeader, UriParameter};
