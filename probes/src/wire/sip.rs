//! SIP messages (RFC 3261): a request out, a response in.

mod frames;
mod header;
mod request;
mod response;
mod uri;

pub use frames::Frames;
pub use header::{AuthenticationInfo, Challenge, Contact, Via};
pub use request::{Request, branch_parameter};
pub use response::{Malformed, Response};
pub use uri::{AddressOfRecord, BadUri};
