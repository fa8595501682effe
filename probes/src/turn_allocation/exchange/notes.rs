//! What a TURN exchange writes down.

use super::super::{
    CLOCK, ERROR_CAUSE, ERROR_CODE, FREED, INTEGRITY, LIFETIME, MAPPED_ADDRESS, MODE,
    NONCE_RENEWALS, PASSWORD_ALGORITHM, REALM, RELAYED_ADDRESS, RTT, SOFTWARE, TRANSMISSIONS,
    USERHASH,
};
use super::TurnExchange;
use crate::relay::{self, Answer, Notes};
use crate::wire::stun::{Integrity, PasswordAlgorithm};

impl TurnExchange {
    pub(super) fn note_allocation(&mut self, answer: Answer) {
        let is_open = self.allocation.notes().is_open;
        let conversation = &mut self.conversation;
        conversation.state(&MODE, if is_open { "open" } else { "credentials" });
        if let Some(relayed) = answer.relayed {
            conversation.state(&RELAYED_ADDRESS, relayed);
        }
        if let Some(mapped) = answer.mapped {
            conversation.state(&MAPPED_ADDRESS, mapped);
        }
        if let Some(lifetime) = answer.lifetime {
            conversation.state(&LIFETIME, lifetime);
        }
    }

    pub(super) fn note_error(&mut self, code: u16) {
        self.conversation.state(&ERROR_CODE, u64::from(code));
        self.conversation.state(&ERROR_CAUSE, relay::cause(code));
    }

    /// What is known at the end.
    pub(super) fn note_all(&mut self) {
        let Notes { realm, software, nonce_renewals, transmissions, rtt, .. } =
            self.allocation.notes().clone();
        let conversation = &mut self.conversation;
        if let Some(realm) = realm {
            conversation.state(&REALM, realm);
        }
        if let Some(software) = software {
            conversation.state(&SOFTWARE, software);
        }
        if let Some((rtt, stamp)) = rtt {
            conversation.state(&RTT, rtt);
            conversation.state(&CLOCK, stamp.label());
        }
        let transmissions = transmissions + self.earlier_transmissions;
        if transmissions > 0 {
            conversation.state(&TRANSMISSIONS, transmissions);
        }
        if let Some(manner) = self.allocation.manner() {
            conversation.state(&NONCE_RENEWALS, nonce_renewals);
            let integrity = match manner.integrity {
                Integrity::Sha1 => "sha1",
                Integrity::Sha256 => "sha256",
            };
            conversation.state(&INTEGRITY, integrity);
            if let Some(algorithm) = manner.algorithm {
                let algorithm = match algorithm {
                    PasswordAlgorithm::Md5 => "md5",
                    PasswordAlgorithm::Sha256 => "sha256",
                };
                conversation.state(&PASSWORD_ALGORITHM, algorithm);
            }
            conversation.state(&USERHASH, manner.hides_user);
        }
        let is_left = self.allocation.is_likely_to_hold();
        if self.was_likely_held {
            conversation.state(&FREED, !is_left);
        }
        conversation.outcome.left_behind = is_left;
    }
}
