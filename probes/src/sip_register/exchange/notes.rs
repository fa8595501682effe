//! What the answers of a registrar tell, and what they mean where they refuse.

use std::time::Duration;

use super::RegisterExchange;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::sip_register::{BINDINGS, CONTACT, EXPIRES, MODE, RECEIVED, RPORT, SERVER};
use crate::wire::sip::Response;

impl RegisterExchange {
    /// What the answer tells of the way there.
    pub(super) fn note_path(&mut self, response: &Response) {
        if let Some(via) = response.vias().into_iter().next() {
            if let Some(received) = via.received {
                self.conversation.state(&RECEIVED, Foreign::new(received));
            }
            let port = via.rport.and_then(|port| std::str::from_utf8(&port).ok()?.parse().ok());
            if let Some(port) = port.filter(|port| *port <= u64::from(u16::MAX)) {
                self.conversation.state(&RPORT, port);
            }
        }
        if let Some(server) = response.first("server").or(response.first("user-agent")) {
            self.conversation.state(&SERVER, Foreign::new(server));
        }
    }

    /// What the registrar says that it holds.
    ///
    /// # Errors
    ///
    /// A 200 has to list our contact (RFC 3261 §10.3, step 8): whoever says 200 to everything is
    /// no registrar.
    pub(super) fn note_bindings(&mut self, response: &Response) -> Result<(), Failure> {
        let mode = if self.answered.is_some() { "credentials" } else { "open" };
        self.conversation.state(&MODE, mode);
        let contacts = response.contacts();
        self.conversation.state(&BINDINGS, contacts.len() as u64);
        let ours = contacts.iter().find(|contact| self.is_ours(&contact.uri));
        if let Some(contact) = ours {
            self.conversation.state(&CONTACT, Foreign::new(&contact.uri));
        }
        let granted = ours.and_then(|contact| contact.expires).or(response.number("expires"));
        if let Some(granted) = granted {
            self.conversation.state(&EXPIRES, Duration::from_secs(granted.into()));
        }
        if ours.is_some() {
            return Ok(());
        }
        Err(Failure::UnexpectedAnswer {
            peer: self.conversation.peer,
            found: Foreign::new(format!("{} with {} contacts", response.code, contacts.len())),
            expected: "our own contact among them".to_owned(),
        })
    }

    /// The user part holds 64 random bits, so it tells our binding from every other, whatever the
    /// way or the registrar did to the address behind it.
    pub(super) fn is_ours(&self, uri: &[u8]) -> bool {
        let user = self.contact_user.as_bytes();
        uri.windows(user.len()).any(|window| window == user)
    }

    pub(super) fn rejection(&self, response: &Response) -> Failure {
        let peer = self.conversation.peer;
        let reason = Foreign::new(&response.reason);
        Failure::Rejected { peer, code: response.code, reason }
    }

    pub(super) fn no_challenge(&self) -> Failure {
        Failure::Misbehaved {
            peer: self.conversation.peer,
            rule: "RFC 3261 §22.1",
            what: "it asks for credentials without a Digest challenge that can be answered",
        }
    }
}
