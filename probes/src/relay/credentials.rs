//! Who we are to a TURN server: a long-term credential, or a secret of which time-limited ones
//! are made (draft-uberti-behave-turn-rest-00).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::{PASSWORD, REALM, SHARED_SECRET, USERNAME};
use crate::options::{BadOption, Options};
use crate::secret::Secret;

/// What a module may log in with.
pub(crate) struct Credentials {
    /// The user; with a shared secret, what stands behind the expiry, if anything.
    username: Option<String>,
    proof: Proof,
    realm: Option<String>,
}

enum Proof {
    Password(Secret),
    SharedSecret(Secret),
}

/// A user and a password that a server knows.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: Secret,
    /// The only realm that gets them.
    pub(crate) realm: Option<String>,
}

impl Credentials {
    /// Reads the options of this room; `None` where none is set.
    ///
    /// # Errors
    ///
    /// [`BadOption`] where they do not make one credential.
    pub(crate) fn read(options: &Options) -> Result<Option<Self>, BadOption> {
        let (username, realm) = (options.read(&USERNAME), options.read(&REALM));
        for (key, text, most) in
            [(&USERNAME, &username, LONGEST_USERNAME), (&REALM, &realm, LONGEST_REALM)]
        {
            if text.as_ref().is_some_and(|text: &String| text.len() > most) {
                let problem = format!("is longer than {most} bytes");
                return Err(BadOption { option: key.spec().name, problem, hint: None });
            }
        }
        let proof = match (options.read(&PASSWORD), options.read(&SHARED_SECRET)) {
            (Some(_), Some(_)) => {
                return Err(BadOption {
                    option: PASSWORD.spec().name,
                    problem: "stands beside shared_secret".to_owned(),
                    hint: Some("a password is the user's own; set one of the two".to_owned()),
                });
            }
            (Some(_), None) if username.is_none() => {
                return Err(BadOption {
                    option: USERNAME.spec().name,
                    problem: "is missing".to_owned(),
                    hint: Some("name the user whose password it is".to_owned()),
                });
            }
            (Some(password), None) => Proof::Password(password),
            (None, Some(secret)) => Proof::SharedSecret(secret),
            (None, None) => {
                let set = [(&USERNAME, username.is_some()), (&REALM, realm.is_some())];
                return match set.into_iter().find(|(_, is_set)| *is_set) {
                    Some((key, _)) => Err(BadOption {
                        option: key.spec().name,
                        problem: "has no meaning without a password or shared_secret".to_owned(),
                        hint: Some("without credentials a challenge is the success".to_owned()),
                    }),
                    None => Ok(None),
                };
            }
        };
        Ok(Some(Self { username, proof, realm }))
    }

    /// Whether only one realm gets them.
    pub(crate) const fn has_realm(&self) -> bool {
        self.realm.is_some()
    }

    /// Whether the user's name changes with time.
    pub(crate) const fn is_time_limited(&self) -> bool {
        matches!(self.proof, Proof::SharedSecret(_))
    }

    /// What to log in with at `now`.
    ///
    /// A time-limited user keeps its name for an hour, so that what an exchange created can be
    /// taken back by another: only the user who made an allocation may refresh it (RFC 8656 §5).
    pub(crate) fn login(&self, now: SystemTime) -> Login {
        let realm = self.realm.clone();
        match &self.proof {
            Proof::Password(password) => {
                let username = self.username.clone().unwrap_or_default();
                Login { username, password: password.clone(), realm }
            }
            Proof::SharedSecret(secret) => {
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let expiry = now - now % SAME_NAME.as_secs() + TIME_TO_LIVE.as_secs();
                let username = match &self.username {
                    Some(user) => format!("{expiry}:{user}"),
                    None => expiry.to_string(),
                };
                let password = Secret::new(STANDARD.encode(code(secret, &username)));
                Login { username, password, realm }
            }
        }
    }

    /// What an exchange logged in with before the name last changed.
    pub(crate) fn earlier_login(&self, now: SystemTime) -> Login {
        self.login(now.checked_sub(SAME_NAME).unwrap_or(UNIX_EPOCH))
    }
}

fn code(secret: &Secret, username: &str) -> Vec<u8> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = <Hmac<Sha1> as Mac>::new_from_slice(secret.expose().as_bytes()) else {
        return Vec::new();
    };
    mac.update(username.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// What draft-uberti-behave-turn-rest-00 recommends.
const TIME_TO_LIVE: Duration = Duration::from_secs(86_400);
/// How long a time-limited user keeps its name.
const SAME_NAME: Duration = Duration::from_secs(3_600);
/// RFC 8489 §14.3: fewer than 509 bytes, of which an expiry takes eleven.
const LONGEST_USERNAME: usize = 497;
/// RFC 8489 §14.9: fewer than 128 characters.
const LONGEST_REALM: usize = 127;
