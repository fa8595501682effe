//! Answering challenges: each challenger once, once more when only the nonce was old, and never
//! with less than what was first asked for.

use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::digest::{self, Chosen, Cnonces, Credentials, Refusal};
use crate::failure::{Failure, Weakness};
use crate::foreign::Foreign;
use crate::sip::notes;
use crate::sip_register::{ALGORITHM, ALGORITHMS, NONCE_RENEWALS};
use crate::wire::sip::Response;

/// The credentials of one exchange, in use.
#[derive(Default)]
pub(super) struct Authentication {
    /// By whom they were asked for: the registrar itself, or a proxy before it.
    answered: [Option<Answered>; 2],
}

/// A challenge that was answered.
struct Answered {
    chosen: Chosen,
    /// How often its nonce was used.
    count: u32,
    /// The cnonce of the first use.
    first_cnonce: Option<String>,
    /// How often the nonce was called stale.
    renewals: u64,
}

impl Authentication {
    /// Whether credentials were sent.
    pub(super) fn is_used(&self) -> bool {
        self.answered.iter().any(Option::is_some)
    }

    /// Prepares the answer to a challenge.
    ///
    /// # Errors
    ///
    /// [`Failure`] where it is a refusal, is for somebody else, or is too weak.
    pub(super) fn answer(
        &mut self,
        response: &Response,
        credentials: &Credentials,
        allow_md5: bool,
        conversation: &mut Conversation,
    ) -> Result<(), Failure> {
        let (place, challenges) = (place(response), response.challenges());
        // Who challenges for ever, in turns with others, gets no more than who does so alone.
        let answers: u64 = self.answered.iter().flatten().map(|it| 1 + it.renewals).sum();
        if answers >= MOST_ANSWERS {
            return Err(notes::rejection(conversation, response));
        }
        let renewals = match &self.answered[place] {
            None => 0,
            Some(answered) => {
                // A stale nonce is replaced; the same nonce again is a refusal by another name.
                let is_stale = challenges
                    .iter()
                    .any(|challenge| challenge.stale && challenge.nonce != answered.chosen.nonce());
                if !is_stale || answered.renewals > 0 {
                    return Err(notes::rejection(conversation, response));
                }
                1
            }
        };
        let offered: Vec<Foreign> = challenges
            .iter()
            .map(|challenge| Foreign::new(challenge.algorithm.as_deref().unwrap_or(b"MD5")))
            .collect();
        conversation.state(&ALGORITHMS, offered);
        let chosen = self.choose(response, credentials, allow_md5, conversation)?;
        conversation.state(&ALGORITHM, chosen.algorithm());
        conversation.state(&NONCE_RENEWALS, renewals);
        self.answered[place] = Some(Answered { chosen, count: 0, first_cnonce: None, renewals });
        Ok(())
    }

    /// Takes another nonce while something is taken back: it may have grown old, or the registrar
    /// wants each one only once. Whether there is a new one.
    pub(super) fn renew(
        &mut self,
        response: &Response,
        credentials: &Credentials,
        allow_md5: bool,
        conversation: &Conversation,
    ) -> bool {
        let place = place(response);
        let Ok(chosen) = self.choose(response, credentials, allow_md5, conversation) else {
            return false;
        };
        let known = self.answered[place].as_ref();
        let is_new = known.is_none_or(|it| it.chosen.nonce() != chosen.nonce());
        let renewals = known.map_or(0, |answered| answered.renewals);
        self.answered[place] = Some(Answered { chosen, count: 0, first_cnonce: None, renewals });
        is_new
    }

    /// The server names the nonce that it wants next (RFC 7615 §3).
    pub(super) fn take_next_nonce(&mut self, response: &Response) {
        let next = response.authentication_info().and_then(|info| info.next_nonce);
        let [answered, _] = &mut self.answered;
        if let Some((next, answered)) = next.zip(answered.as_mut())
            && next.len() <= LONGEST_NONCE
            && answered.chosen.take_nonce(next)
        {
            answered.count = 0;
        }
    }

    /// The headers that a request carries.
    pub(super) fn headers(
        &mut self,
        credentials: &Credentials,
        (method, uri): (&str, &str),
        chance: &mut Chance,
    ) -> Vec<(&'static str, Vec<u8>)> {
        let answered = self.answered.iter_mut().zip(NAMES);
        let headers = answered.filter_map(|(answered, name)| {
            let answered = answered.as_mut()?;
            let cnonce = chance.token::<8>();
            answered.count += 1;
            let first = answered.first_cnonce.get_or_insert_with(|| cnonce.clone());
            let cnonces = Cnonces { own: &cnonce, first };
            let value = answered.chosen.answer(credentials, method, uri, answered.count, cnonces);
            Some((name, value))
        });
        headers.collect()
    }

    fn choose(
        &self,
        response: &Response,
        credentials: &Credentials,
        allow_md5: bool,
        conversation: &Conversation,
    ) -> Result<Chosen, Failure> {
        let peer = conversation.peer;
        let challenges = response.challenges();
        let chosen =
            digest::choose(&challenges, &credentials.realm, allow_md5).map_err(|refusal| {
                match refusal {
                    Refusal::Realm(found) => Failure::AuthRealm {
                        peer,
                        found: Foreign::new(found),
                        expected: credentials.realm.clone(),
                    },
                    Refusal::Weak(offered) => {
                        let weakness = Weakness::Offered(Foreign::new(offered));
                        Failure::AuthWeak { peer, weakness }
                    }
                    Refusal::Unusable => no_challenge(conversation),
                }
            })?;
        let earlier = self.answered[place(response)].as_ref();
        if earlier.is_some_and(|earlier| chosen.is_weaker_than(&earlier.chosen)) {
            return Err(Failure::AuthWeak { peer, weakness: Weakness::Downgraded });
        }
        Ok(chosen)
    }
}

/// A demand for credentials that says nothing which could be answered.
pub(super) fn no_challenge(conversation: &Conversation) -> Failure {
    Failure::Misbehaved {
        peer: conversation.peer,
        rule: "RFC 3261 §22.1",
        what: "it asks for credentials without a Digest challenge that can be answered",
    }
}

/// Whose challenge it is: the registrar's comes with 401, a proxy's with 407.
fn place(response: &Response) -> usize {
    usize::from(response.code == 407)
}

/// How many challenges are answered before something is granted: two challengers' own, or one's and
/// the one by which it replaces a nonce that has grown old.
const MOST_ANSWERS: u64 = 2;
/// A longer one would keep the next request out of a datagram; the old one may still do.
const LONGEST_NONCE: usize = 256;
const NAMES: [&str; 2] = ["Authorization", "Proxy-Authorization"];
