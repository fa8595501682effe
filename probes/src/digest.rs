//! Digest authentication (RFC 7616, for SIP RFC 8760): which challenge to answer, and how.

use sha2::{Digest, Sha256, Sha512_256};

use crate::chance::hex;
use crate::secret::Secret;
use crate::wire::sip::Challenge;

/// A hash algorithm of digest authentication, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

impl Hash {
    fn hex(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&md5::Md5::digest(bytes)),
            Self::Sha256 => hex(&Sha256::digest(bytes)),
            Self::Sha512_256 => hex(&Sha512_256::digest(bytes)),
        }
    }
}

/// The words of RFC 7616 §3.3 and RFC 8760 §2.1, each with its hash and whether it is a session
/// variant.
const ALGORITHMS: [(&str, Hash, bool); 6] = [
    ("MD5", Hash::Md5, false),
    ("MD5-sess", Hash::Md5, true),
    ("SHA-256", Hash::Sha256, false),
    ("SHA-256-sess", Hash::Sha256, true),
    ("SHA-512-256", Hash::Sha512_256, false),
    ("SHA-512-256-sess", Hash::Sha512_256, true),
];

/// Whose credentials they are, and for which realm alone.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) realm: String,
}

/// Why no challenge was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Every challenge is for another realm; the first one's.
    Realm(Vec<u8>),
    /// Nothing strong enough is offered; the words of what is.
    Weak(Vec<u8>),
    /// There is no Digest challenge with a nonce, an algorithm and a quality of protection that
    /// RFC 7616 knows.
    Unusable,
}

/// A challenge that was chosen, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    challenge: Challenge,
    word: &'static str,
    hash: Hash,
    is_session: bool,
    qop: Option<&'static str>,
    /// The nonce of the challenge itself: a session's key keeps it (RFC 7616 §3.4.2).
    first_nonce: Vec<u8>,
}

/// Picks the strongest challenge for the realm of the credentials, whatever the order in which
/// they came: RFC 8760 §2.4 lets the client's own policy decide, and an attacker who can reorder
/// must not choose.
pub(crate) fn choose(
    challenges: &[Challenge],
    realm: &str,
    allow_md5: bool,
) -> Result<Chosen, Refusal> {
    let usable: Vec<Chosen> = challenges.iter().filter_map(usable).collect();
    let first = usable.first().ok_or(Refusal::Unusable)?;
    let of_realm = |chosen: &&Chosen| chosen.challenge.realm == realm.as_bytes();
    // Of several that are as strong, the topmost (RFC 8760 §2.4).
    let strength = |chosen: &&Chosen| (chosen.hash, chosen.qop.is_some());
    let Some(strongest) = usable.iter().rev().filter(of_realm).max_by_key(strength) else {
        return Err(Refusal::Realm(first.challenge.realm.clone()));
    };
    if strongest.hash == Hash::Md5 && !allow_md5 {
        return Err(Refusal::Weak(strongest.word.as_bytes().to_vec()));
    }
    Ok(strongest.clone())
}

fn usable(challenge: &Challenge) -> Option<Chosen> {
    let asked = challenge.algorithm.as_deref().unwrap_or(b"MD5");
    let (word, hash, is_session) =
        *ALGORITHMS.iter().find(|(word, ..)| word.as_bytes().eq_ignore_ascii_case(asked))?;
    let qop = match &challenge.qop {
        None => None,
        Some(offers) => {
            let offered = |wanted: &str| {
                let mut offers = offers.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                offers.any(|offer| offer.eq_ignore_ascii_case(wanted.as_bytes()))
            };
            Some(*["auth", "auth-int"].iter().find(|word| offered(word))?)
        }
    };
    let texts = [Some(&challenge.realm), Some(&challenge.nonce), challenge.opaque.as_ref()];
    let is_clean = texts.into_iter().flatten().all(|text| is_quotable(text));
    (is_clean && !challenge.nonce.is_empty()).then(|| Chosen {
        challenge: challenge.clone(),
        word,
        hash,
        is_session,
        qop,
        first_nonce: challenge.nonce.clone(),
    })
}

/// Whether a text, escapes included, can stand between quotes and ends where they do.
fn is_quotable(text: &[u8]) -> bool {
    let mut is_escaped = false;
    for &byte in text {
        match byte {
            0..b' ' | 0x7f => return false,
            _ if is_escaped => is_escaped = false,
            b'"' => return false,
            _ => is_escaped = byte == b'\\',
        }
    }
    !is_escaped
}

/// Our part of the nonces.
#[derive(Clone, Copy)]
pub(crate) struct Cnonces<'a> {
    /// That of this request.
    pub(crate) own: &'a str,
    /// That of the first request that answered the challenge: a session's key keeps it
    /// (RFC 7616 §3.4.2).
    pub(crate) first: &'a str,
}

impl Chosen {
    /// The algorithm's word.
    pub(crate) const fn algorithm(&self) -> &'static str {
        self.word
    }

    /// Whether `other` was harder to guess at.
    pub(crate) fn is_weaker_than(&self, other: &Self) -> bool {
        self.hash < other.hash || (self.qop.is_none() && other.qop.is_some())
    }

    /// Takes the nonce that the server wants next; whether it can be sent.
    pub(crate) fn take_nonce(&mut self, nonce: Vec<u8>) -> bool {
        let next = Challenge { nonce, ..self.challenge.clone() };
        let is_usable = usable(&next).is_some();
        if is_usable {
            self.challenge = next;
        }
        is_usable
    }

    /// The nonce that the server gave.
    pub(crate) fn nonce(&self) -> &[u8] {
        &self.challenge.nonce
    }

    /// The value of Authorization for a request without a body; `count` is how often the nonce
    /// has been used, this time included.
    pub(crate) fn answer(
        &self,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        count: u32,
        Cnonces { own: cnonce, first }: Cnonces<'_>,
    ) -> Vec<u8> {
        let Challenge { realm, nonce, opaque, .. } = &self.challenge;
        let hash = |parts: &[&[u8]]| self.hash.hex(&parts.join(&b':'));
        let password = credentials.password.expose().as_bytes();
        let mut secret = hash(&[credentials.username.as_bytes(), realm, password]);
        if self.is_session {
            secret = hash(&[secret.as_bytes(), &self.first_nonce, first.as_bytes()]);
        }
        let request = match self.qop {
            Some("auth-int") => {
                hash(&[method.as_bytes(), uri.as_bytes(), self.hash.hex(b"").as_bytes()])
            }
            _ => hash(&[method.as_bytes(), uri.as_bytes()]),
        };
        let count = format!("{count:08x}");
        let response = match self.qop {
            Some(qop) => hash(&[
                secret.as_bytes(),
                nonce,
                count.as_bytes(),
                cnonce.as_bytes(),
                qop.as_bytes(),
                request.as_bytes(),
            ]),
            None => hash(&[secret.as_bytes(), nonce, request.as_bytes()]),
        };
        let mut value = b"Digest username=\"".to_vec();
        value.extend(escaped(&credentials.username));
        let mut parameter = |name: &str, text: &[u8]| {
            value.extend_from_slice(format!("\", {name}=\"").as_bytes());
            value.extend_from_slice(text);
        };
        parameter("realm", realm);
        parameter("nonce", nonce);
        parameter("uri", uri.as_bytes());
        if let Some(opaque) = opaque {
            parameter("opaque", opaque);
        }
        if self.is_session || self.qop.is_some() {
            parameter("cnonce", cnonce.as_bytes());
        }
        parameter("response", response.as_bytes());
        value.push(b'"');
        // Left out where the server left it out: some read no algorithm at all.
        if self.challenge.algorithm.is_some() {
            value.extend_from_slice(format!(", algorithm={}", self.word).as_bytes());
        }
        if let Some(qop) = self.qop {
            value.extend_from_slice(format!(", qop={qop}, nc={count}").as_bytes());
        }
        value
    }
}

/// A quoted string's inside (RFC 3261 §25.1).
fn escaped(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().flat_map(|byte| {
        let escape = matches!(byte, b'"' | b'\\').then_some(b'\\');
        escape.into_iter().chain([byte])
    })
}

#[cfg(test)]
mod tests {
    use super::{Challenge, Cnonces, Credentials, Refusal, choose};
    use crate::secret::Secret;

    fn challenge(
        realm: &str,
        algorithm: Option<&str>,
        qop: Option<&str>,
        nonce: &str,
    ) -> Challenge {
        Challenge {
            realm: realm.into(),
            nonce: nonce.into(),
            algorithm: algorithm.map(Into::into),
            qop: qop.map(Into::into),
            ..Challenge::default()
        }
    }

    fn response(
        algorithm: &str,
        (username, password, realm): (&str, &str, &str),
        (uri, nonce, cnonce): (&str, &str, &str),
    ) -> String {
        let credentials = Credentials {
            username: username.into(),
            password: Secret::new(password.into()),
            realm: realm.into(),
        };
        let challenge = challenge(realm, Some(algorithm), Some("auth, auth-int"), nonce);
        let chosen = choose(&[challenge], &credentials.realm, true).expect("it is usable");
        let value =
            chosen.answer(&credentials, "GET", uri, 1, Cnonces { own: cnonce, first: cnonce });
        let value = String::from_utf8(value).expect("it is UTF-8");
        let (_, rest) = value.split_once("response=\"").expect("it has a response");
        rest.split_once('"').expect("it ends").0.to_owned()
    }

    #[test]
    fn section_3_9_1_of_rfc_7616_is_answered_as_published() {
        let who = ("Mufasa", "Circle of Life", "http-auth@example.org");
        let what = (
            "/dir/index.html",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        );

        assert_eq!(response("MD5", who, what), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response("sha-256", who, what),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn section_3_9_2_of_rfc_7616_is_answered_as_erratum_4897_corrects_it() {
        let who = ("J\u{e4}s\u{f8}n Doe", "Secret, or not?", "api@example.org");
        let what = (
            "/doe.json",
            "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        );

        assert_eq!(
            response("SHA-512-256", who, what),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
    }

    // D-SIP-4
    #[test]
    fn the_strongest_algorithm_is_answered_whatever_the_order() {
        let offers = ["MD5", "SHA-256", "SHA-512-256", "X-NEW"]
            .map(|algorithm| challenge("r", Some(algorithm), Some("auth"), "n"));
        let mut reversed = offers.clone();
        reversed.reverse();

        assert_eq!(choose(&offers, "r", true).expect("usable").algorithm(), "SHA-512-256");
        assert_eq!(choose(&reversed, "r", true).expect("usable").algorithm(), "SHA-512-256");
        assert_eq!(choose(&offers[..2], "r", false).expect("usable").algorithm(), "SHA-256");
    }

    // D-SIP-4
    #[test]
    fn md5_alone_is_refused_unless_it_is_allowed() {
        let offers = [challenge("r", None, None, "n")];

        assert_eq!(choose(&offers, "r", false), Err(Refusal::Weak(b"MD5".to_vec())));
        assert!(choose(&offers, "r", true).is_ok());
    }

    // D-SIP-5
    #[test]
    fn another_realm_gets_no_answer() {
        let offers = [challenge("elsewhere", Some("SHA-256"), Some("auth"), "n")];

        assert_eq!(choose(&offers, "home", false), Err(Refusal::Realm(b"elsewhere".to_vec())));
    }

    // D-SIP-6
    #[test]
    fn auth_int_is_used_when_it_is_the_only_offer_and_an_unknown_offer_is_none() {
        let only = choose(&[challenge("r", Some("SHA-256"), Some("auth-int"), "n")], "r", false);
        let unknown = choose(&[challenge("r", Some("SHA-256"), Some("token"), "n")], "r", false);

        assert_eq!(only.expect("usable").qop, Some("auth-int"));
        assert_eq!(unknown, Err(Refusal::Unusable));
    }

    #[test]
    fn quotes_in_a_user_name_stay_inside_their_quotes() {
        let credentials = Credentials {
            username: "a\"b\\c".into(),
            password: Secret::new("p".into()),
            realm: "r".into(),
        };
        let chosen = choose(&[challenge("r", Some("SHA-256"), Some("auth"), "n")], "r", false);

        let value = chosen.expect("usable").answer(
            &credentials,
            "REGISTER",
            "sip:r",
            1,
            Cnonces { own: "c", first: "c" },
        );

        let value = String::from_utf8(value).expect("UTF-8");
        assert!(value.starts_with(r#"Digest username="a\"b\\c", realm="r","#), "{value}");
    }
}
