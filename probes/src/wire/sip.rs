//! SIP messages (RFC 3261): a request out, a response in. And SIP URIs, as the RFC has them and as
//! the vendor's trunk settings take them.

mod frames;
mod header;
mod request;
mod response;
pub mod strict;
mod uri;

pub use frames::Frames;
pub use header::{AuthenticationInfo, Challenge, Contact, Via};
pub use request::{Request, branch_parameter};
pub use response::{Malformed, Response};
pub use uri::{AddressOfRecord, BadUri, HostPort, Scheme, SipUri, UriHeader, UriParameter};
