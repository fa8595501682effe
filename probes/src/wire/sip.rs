//! SIP messages (RFC 3261): a REGISTER out, a response in.

mod header;
mod request;
mod response;
mod uri;

pub use header::{AuthenticationInfo, Challenge, Contact, Via};
pub use request::Register;
pub use response::{Malformed, Response};
pub use uri::{AddressOfRecord, BadUri};
