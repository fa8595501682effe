//! The registrar's half of digest authentication: SHA-256 with qop "auth" (RFC 7616, RFC 8760).

use std::collections::{BTreeMap, VecDeque};

use rand::rngs::{StdRng, SysError, SysRng};
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::message::split_list;

/// How many nonces are remembered; older ones are stale.
const NONCES: usize = 64;

/// The one account, and the nonces that were handed out.
#[derive(Debug)]
pub(super) struct Guard {
    username: &'static str,
    realm: &'static str,
    password: String,
    chance: StdRng,
    /// Each nonce with the highest count that came with it, oldest first.
    nonces: VecDeque<(String, u32)>,
}

/// What becomes of a request's credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// They are right.
    Granted,
    /// There are none, or wrong ones.
    Challenged,
    /// They were right, for a nonce that is none of ours, or is used up.
    Stale,
}

impl Guard {
    pub(super) fn new(
        username: &'static str,
        realm: &'static str,
        password: String,
    ) -> Result<Self, SysError> {
        let chance = StdRng::try_from_rng(&mut SysRng)?;
        Ok(Self { username, realm, password, chance, nonces: VecDeque::new() })
    }

    /// A challenge with a fresh nonce, as the value of a WWW-Authenticate header.
    pub(super) fn challenge(&mut self, is_stale: bool) -> String {
        let mut bytes = [0; 16];
        self.chance.fill_bytes(&mut bytes);
        let nonce = hex(&bytes);
        let stale = if is_stale { ", stale=true" } else { "" };
        let challenge = format!(
            "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\"{stale}",
            self.realm
        );
        if self.nonces.len() == NONCES {
            self.nonces.pop_front();
        }
        self.nonces.push_back((nonce, 0));
        challenge
    }

    /// Judges the Authorization header of a request.
    pub(super) fn judge(
        &mut self,
        method: &str,
        uri: &str,
        authorization: Option<&str>,
    ) -> Decision {
        let Some(given) = authorization.and_then(read) else { return Decision::Challenged };
        let part = |name: &str| given.get(name).map_or("", String::as_str);
        let Some(count) = count(part("nc")) else { return Decision::Challenged };
        let is_right = part("username") == self.username
            && part("realm") == self.realm
            && part("uri") == uri
            && part("qop") == "auth"
            && part("algorithm").eq_ignore_ascii_case("SHA-256")
            && !part("cnonce").is_empty()
            && part("response") == self.response(method, uri, &given);
        if !is_right {
            return Decision::Challenged;
        }
        // A count that does not rise is a replay (RFC 7616 §3.4).
        match self.nonces.iter_mut().find(|(nonce, _)| nonce == part("nonce")) {
            Some((_, last)) if count > *last => {
                *last = count;
                Decision::Granted
            }
            _ => Decision::Stale,
        }
    }

    fn response(&self, method: &str, uri: &str, given: &BTreeMap<String, String>) -> String {
        let part = |name: &str| given.get(name).map_or("", String::as_str);
        let secret = hash(&format!("{}:{}:{}", self.username, self.realm, self.password));
        let request = hash(&format!("{method}:{uri}"));
        let (nonce, count, cnonce) = (part("nonce"), part("nc"), part("cnonce"));
        hash(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
    }
}

/// The parameters of `Digest name=value, name="value"`, names in lower case.
fn read(authorization: &str) -> Option<BTreeMap<String, String>> {
    let (scheme, parameters) = authorization.trim().split_once(char::is_whitespace)?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let parameter = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.trim().to_ascii_lowercase(), unquote(value.trim())))
    };
    split_list(parameters).into_iter().map(parameter).collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|character| {
            escaped = *character == '\\' && !escaped;
            !escaped
        })
        .collect()
}

/// The nonce count: eight hexadecimal digits.
fn count(text: &str) -> Option<u32> {
    (text.len() == 8).then(|| u32::from_str_radix(text, 16).ok())?
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Decision, Guard, count, hash, read, unquote};

    /// The credentials that a client would send, computed apart from the code under test.
    pub(in crate::sip) fn authorization(
        challenge: &str,
        uri: &str,
        password: &str,
        nc: &str,
    ) -> String {
        let nonce = read(challenge).unwrap()["nonce"].clone();
        let secret = hash(&format!("1001:sip.lyon.example:{password}"));
        let request = hash(&format!("REGISTER:{uri}"));
        let response = hash(&format!("{secret}:{nonce}:{nc}:abc:auth:{request}"));
        format!(
            "Digest username=\"1001\", realm=\"sip.lyon.example\", nonce=\"{nonce}\", \
             uri=\"{uri}\", algorithm=SHA-256, qop=auth, nc={nc}, cnonce=\"abc\", \
             response=\"{response}\""
        )
    }

    fn guard() -> Guard {
        Guard::new("1001", "sip.lyon.example", "secret".to_owned()).unwrap()
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    // RFC 7616 §3.9.1
    #[test]
    fn the_response_is_that_of_the_rfc() {
        let guard =
            Guard::new("Mufasa", "http-auth@example.org", "Circle of Life".to_owned()).unwrap();
        let given = read(
            "Digest nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth",
        )
        .unwrap();

        assert_eq!(
            guard.response("GET", "/dir/index.html", &given),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_right_password_is_granted_once_for_each_count() {
        let mut guard = guard();
        let challenge = guard.challenge(false);
        let given = authorization(&challenge, "sip:x", "secret", "00000001");
        let next = authorization(&challenge, "sip:x", "secret", "00000002");

        assert_eq!(guard.judge("REGISTER", "sip:x", Some(&given)), Decision::Granted);
        assert_eq!(guard.judge("REGISTER", "sip:x", Some(&given)), Decision::Stale);
        assert_eq!(guard.judge("REGISTER", "sip:x", Some(&next)), Decision::Granted);
    }

    #[test]
    fn anything_else_is_challenged() {
        let mut guard = guard();
        let challenge = guard.challenge(false);
        let wrong = authorization(&challenge, "sip:x", "guess", "00000001");
        let right = authorization(&challenge, "sip:x", "secret", "00000001");

        assert_eq!(guard.judge("REGISTER", "sip:x", None), Decision::Challenged);
        assert_eq!(guard.judge("REGISTER", "sip:x", Some("Basic abc")), Decision::Challenged);
        assert_eq!(guard.judge("REGISTER", "sip:x", Some(&wrong)), Decision::Challenged);
        assert_eq!(guard.judge("REGISTER", "sip:y", Some(&right)), Decision::Challenged);
        assert_eq!(guard.judge("INVITE", "sip:x", Some(&right)), Decision::Challenged);
    }

    #[test]
    fn quotes_and_counts_are_read_as_written() {
        assert_eq!(unquote(r#""a\"b\\c""#), r#"a"b\c"#);
        assert_eq!(unquote("token"), "token");
        assert_eq!(count("0000000a"), Some(10));
        assert_eq!(count("1"), None);
    }
}
