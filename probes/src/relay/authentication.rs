//! The long-term credential mechanism (RFC 8489 §9.2), as a client sees it.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::credentials::Login;
use crate::failure::{Failure, Weakness};
use crate::foreign::Foreign;
use crate::wire::stun::{Integrity, Key, Message, PasswordAlgorithm, Writer, attribute, user_hash};

/// What is known of a server's demand for credentials, and how it is met.
pub(super) struct Authentication {
    login: Option<Login>,
    session: Option<Session>,
}

/// A challenge that is answered.
struct Session {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    offer: Offer,
    key: Key,
}

/// What a challenge offers beyond RFC 5389.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    /// PASSWORD-ALGORITHMS as it stands, and the first of them that we know.
    algorithms: Option<(Vec<u8>, PasswordAlgorithm)>,
    hides_user: bool,
}

/// How requests are signed, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// With which integrity attribute.
    pub(crate) integrity: Integrity,
    /// With which of the offered algorithms; `None` where none was offered.
    pub(crate) algorithm: Option<PasswordAlgorithm>,
    /// Whether the user's name is hidden.
    pub(crate) hides_user: bool,
}

impl Authentication {
    pub(super) const fn new(login: Option<Login>) -> Self {
        Self { login, session: None }
    }

    pub(super) const fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Whether requests carry credentials.
    pub(super) const fn is_signing(&self) -> bool {
        self.session.is_some()
    }

    pub(super) fn manner(&self) -> Option<Manner> {
        let session = self.session.as_ref()?;
        Some(Manner {
            integrity: session.key.integrity(),
            algorithm: session.offer.algorithms.as_ref().map(|(_, chosen)| *chosen),
            hides_user: session.offer.hides_user,
        })
    }

    /// Ends a request, with credentials where the server asked for them.
    pub(super) fn seal(&self, request: Writer) -> Vec<u8> {
        let (Some(login), Some(session)) = (&self.login, &self.session) else {
            return request.with_fingerprint();
        };
        let request = if session.offer.hides_user {
            request.with(attribute::USERHASH, &user_hash(&login.username, &session.realm))
        } else {
            request.with(attribute::USERNAME, login.username.as_bytes())
        };
        let request =
            request.with(attribute::REALM, &session.realm).with(attribute::NONCE, &session.nonce);
        let request = match &session.offer.algorithms {
            Some((algorithms, chosen)) => request
                .with(attribute::PASSWORD_ALGORITHMS, algorithms)
                .with_number(attribute::PASSWORD_ALGORITHM, u32::from(chosen.number()) << 16),
            None => request,
        };
        request.signed(&session.key).with_fingerprint()
    }

    /// Whether a response comes from who knows our password.
    pub(super) fn proves(&self, response: &[u8]) -> bool {
        self.session.as_ref().is_some_and(|session| session.key.proves(response))
    }

    /// Whether a 401 names a realm other than that in which we logged in.
    pub(super) fn is_of_another_realm(&self, response: &Message) -> bool {
        let session = self.session.as_ref();
        session
            .is_some_and(|session| response.realm.as_ref().is_some_and(|it| *it != session.realm))
    }

    /// Whether a 438 brings another nonce.
    pub(super) fn is_of_another_nonce(&self, response: &Message) -> bool {
        let session = self.session.as_ref();
        session
            .is_some_and(|session| response.nonce.as_ref().is_some_and(|it| *it != session.nonce))
    }

    /// Takes in a 401 or 438, to answer it from now on.
    ///
    /// # Errors
    ///
    /// Why it is not answered; nothing is sent then.
    pub(super) fn answer(&mut self, peer: SocketAddr, challenge: &Message) -> Result<(), Failure> {
        let Some(login) = &self.login else { return Err(Failure::Internal) };
        let misbehaved = |what| Failure::Misbehaved { peer, rule: "RFC 8489 §9.2.4", what };
        let weak = |weakness| Failure::AuthWeak { peer, weakness };
        // A renewal may leave out what has not changed.
        let known = self.session.as_ref().map(|session| &session.realm);
        let realm = challenge.realm.as_ref().or(known);
        let Some((realm, nonce)) = realm.zip(challenge.nonce.as_ref()) else {
            return Err(misbehaved("a challenge without REALM or NONCE"));
        };
        let offers = challenge.password_algorithms.as_ref().map_or(0, Vec::len);
        if realm.len() + nonce.len() + offers > LONGEST_CHALLENGE {
            return Err(misbehaved("a challenge too long to be answered in one datagram"));
        }
        if let Some(expected) = &login.realm
            && expected.as_bytes() != realm
        {
            let (found, expected) = (Foreign::new(realm), expected.clone());
            return Err(Failure::AuthRealm { peer, found, expected });
        }
        let features = security_features(nonce).unwrap_or_default();
        let algorithms = match &challenge.password_algorithms {
            None if features & PASSWORD_ALGORITHMS != 0 => {
                return Err(weak(Weakness::Downgraded));
            }
            None => None,
            Some(list) => match first_known(list) {
                Some(chosen) => Some((list.clone(), chosen)),
                None => {
                    let unknown = Foreign::new("unknown password algorithms");
                    return Err(weak(Weakness::Offered(unknown)));
                }
            },
        };
        let offer = Offer { algorithms, hides_user: features & USERNAME_ANONYMITY != 0 };
        if self.session.as_ref().is_some_and(|session| offer.is_weaker_than(&session.offer)) {
            return Err(weak(Weakness::Downgraded));
        }
        // Only the SHA256 variant is safe from a bid-down (RFC 8489 §9.2.5).
        let (algorithm, integrity) = match &offer.algorithms {
            Some((_, chosen)) => (*chosen, Integrity::Sha256),
            None => (PasswordAlgorithm::Md5, Integrity::Sha1),
        };
        let Login { username, password, .. } = login;
        let key = Key::long_term(algorithm, integrity, username, realm, password.expose());
        self.session = Some(Session { realm: realm.clone(), nonce: nonce.clone(), offer, key });
        Ok(())
    }
}

impl Offer {
    fn is_weaker_than(&self, other: &Self) -> bool {
        let chosen = |offer: &Self| offer.algorithms.as_ref().map(|(_, chosen)| *chosen);
        chosen(self) < chosen(other) || (other.hides_user && !self.hides_user)
    }
}

/// The 24 bits behind the nonce cookie (RFC 8489 §9.2), the first the most significant.
fn security_features(nonce: &[u8]) -> Option<u32> {
    let bits = nonce.strip_prefix(NONCE_COOKIE)?.get(..4)?;
    let bytes = STANDARD.decode(bits).ok()?;
    let [first, second, third] = bytes[..] else { return None };
    Some(u32::from_be_bytes([0, first, second, third]))
}

/// The first algorithm of PASSWORD-ALGORITHMS that we know (RFC 8489 §14.11, §9.2.5).
fn first_known(mut list: &[u8]) -> Option<PasswordAlgorithm> {
    let known = [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256];
    while let [high, low, upper, lower, rest @ ..] = list {
        let number = u16::from_be_bytes([*high, *low]);
        let parameters = usize::from(u16::from_be_bytes([*upper, *lower]));
        let found = known.into_iter().find(|it| it.number() == number);
        // Neither has parameters (RFC 8489 §18.5.1).
        if found.is_some() && parameters == 0 {
            return found;
        }
        list = rest.get(parameters.next_multiple_of(4)..)?;
    }
    None
}

/// RFC 8489 §9.2.
const NONCE_COOKIE: &[u8] = b"obMatJos2";
/// RFC 8489 §18.1: bit 0 of 24, counted from the left.
const PASSWORD_ALGORITHMS: u32 = 1 << 23;
/// RFC 8489 §18.1: bit 1.
const USERNAME_ANONYMITY: u32 = 1 << 22;
/// What of a challenge comes back with each request: with a user of 508 bytes and the rest of the
/// message, it fits into a datagram that is not fragmented.
const LONGEST_CHALLENGE: usize = 800;
