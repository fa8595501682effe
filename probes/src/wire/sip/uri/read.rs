//! `Reader`: one part of a URI after the other, from left to right, so that the first wrong
//! character is the one that is told.

use std::net::Ipv6Addr;

use super::escape::{first_wrong, normal, words};
use super::host;
use super::{BadUri, Scheme, UriHeader, UriParameter};

/// What of a text is still to be read.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// What is wrong so many bytes further on.
    pub(super) fn bad(&self, further: usize, what: &'static str) -> BadUri {
        BadUri::at(self.text, self.at + further, what)
    }

    pub(super) fn scheme(&mut self) -> Result<Scheme, BadUri> {
        let fits = |scheme: Scheme| {
            let pairs = self.text.bytes().zip(scheme.word().bytes());
            pairs.take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count()
        };
        let found = [Scheme::Sip, Scheme::Sips].into_iter().find(|it| fits(*it) == it.word().len());
        let Some(scheme) = found else {
            let at = fits(Scheme::Sip).max(fits(Scheme::Sips));
            return Err(self.bad(at, "a SIP URI begins with \"sip:\" or \"sips:\""));
        };
        self.at = scheme.word().len();
        Ok(scheme)
    }

    /// `[ user [ ":" password ] "@" ]`: an "@" ends it and stands nowhere else.
    pub(super) fn userinfo(
        &mut self,
        allows_password: bool,
    ) -> Result<(Option<String>, Option<String>), BadUri> {
        let Some(length) = self.rest().find('@') else { return Ok((None, None)) };
        let all = &self.rest()[..length];
        let (user, password) = match first_wrong(all, USER) {
            Some(at) if all.as_bytes()[at] == b':' => (&all[..at], Some(&all[at + 1..])),
            Some(at) => {
                let otherwise = "this character cannot stand in a user";
                return Err(self.bad(at, words(all.as_bytes()[at], otherwise)));
            }
            None => (all, None),
        };
        if user.is_empty() {
            return Err(self.bad(0, "the user is missing"));
        }
        if let Some(password) = password {
            if !allows_password {
                return Err(self.bad(user.len(), "a password does not belong into a URI"));
            }
            if let Some(at) = first_wrong(password, PASSWORD) {
                let otherwise = "this character cannot stand in a password";
                let what = words(password.as_bytes()[at], otherwise);
                return Err(self.bad(user.len() + 1 + at, what));
            }
        }
        self.at += length + 1;
        Ok((Some(user.to_owned()), password.map(str::to_owned)))
    }

    pub(super) fn host(&mut self) -> Result<String, BadUri> {
        let rest = self.rest();
        let bare = &rest[..rest.find([';', '?']).unwrap_or(rest.len())];
        // RFC 5118 §4.2: where the address ended and a port began nobody could tell.
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Err(self.bad(0, "an IPv6 address stands in brackets"));
        }
        let host = &rest[..host::length(rest)];
        host::check(host).map_err(|(at, what)| self.bad(at, what))?;
        self.at += host.len();
        Ok(host.to_owned())
    }

    pub(super) fn port(&mut self) -> Result<Option<u16>, BadUri> {
        let Some(after) = self.rest().strip_prefix(':') else { return Ok(None) };
        self.at += 1;
        let digits = &after[..after.find([';', '?']).unwrap_or(after.len())];
        if let Some(at) = digits.bytes().position(|byte| !byte.is_ascii_digit()) {
            return Err(self.bad(at, words(digits.as_bytes()[at], NO_PORT)));
        }
        let port = digits.parse().ok().filter(|port| *port > 0);
        let port: u16 = port.ok_or_else(|| self.bad(0, NO_PORT))?;
        self.at += digits.len();
        Ok(Some(port))
    }

    /// `uri-parameters = *( ";" uri-parameter )`
    pub(super) fn parameters(&mut self) -> Result<Vec<UriParameter>, BadUri> {
        let mut parameters: Vec<UriParameter> = Vec::new();
        while self.skip(b';') {
            let start = self.at;
            let name = self.some(PARAMETER, "the name of a parameter is missing")?;
            let normal = normal(&name);
            let is_same = |it: &UriParameter| super::normal(&it.name).eq_ignore_ascii_case(&normal);
            if parameters.iter().any(is_same) {
                return Err(BadUri::at(self.text, start, "this parameter stands there already"));
            }
            let value_start = self.at + 1;
            let value = if self.skip(b'=') {
                Some(self.some(PARAMETER, "the value of a parameter is missing")?)
            } else {
                None
            };
            let normal = normal.to_ascii_lowercase();
            check_value(&normal, value.as_deref()).map_err(|(at, what)| {
                let start = if value.is_some() { value_start } else { self.at };
                BadUri::at(self.text, start + at, what)
            })?;
            parameters.push(UriParameter { name, value });
        }
        Ok(parameters)
    }

    /// `headers = "?" header *( "&" header )`
    pub(super) fn headers(&mut self) -> Result<Vec<UriHeader>, BadUri> {
        let mut headers = Vec::new();
        let mut before = b'?';
        while self.skip(before) {
            before = b'&';
            let name = self.some(HEADER, "the name of a header is missing")?;
            if !self.skip(b'=') {
                return Err(self.unexpected("\"=\" and the value of a header are missing"));
            }
            headers.push(UriHeader { name, value: self.any(HEADER) });
        }
        Ok(headers)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), BadUri> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.unexpected(NOT_HERE)) }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.rest().as_bytes().first() == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// All that may stand here; it may be nothing.
    fn any(&mut self, others: &[u8]) -> String {
        let rest = self.rest();
        let all = &rest[..first_wrong(rest, others).unwrap_or(rest.len())];
        self.at += all.len();
        all.to_owned()
    }

    fn some(&mut self, others: &[u8], missing: &'static str) -> Result<String, BadUri> {
        let all = self.any(others);
        if all.is_empty() { Err(self.unexpected(missing)) } else { Ok(all) }
    }

    /// What is wrong with the next character, or with there being none.
    fn unexpected(&self, otherwise: &'static str) -> BadUri {
        let what = self.rest().bytes().next().map_or(otherwise, |byte| words(byte, otherwise));
        self.bad(0, what)
    }
}

/// Where the value of a parameter that RFC 3261 §19.1.1 defines is wrong, and how.
fn check_value(name: &[u8], value: Option<&str>) -> Result<(), (usize, &'static str)> {
    let needed = || value.ok_or((0, "\"=\" and the value of this parameter are missing"));
    match name {
        b"transport" | b"method" | b"user" => {
            let no_token = needed()?.bytes().position(|byte| b"[]/:&$()".contains(&byte));
            no_token.map_or(Ok(()), |at| Err((at, "this character cannot stand in this value")))
        }
        b"maddr" => host::check(needed()?),
        b"ttl" => {
            let value = needed()?;
            let wrong = value.bytes().position(|byte| !byte.is_ascii_digit());
            let is_number = wrong.is_none() && value.len() <= 3 && value.parse::<u8>().is_ok();
            if is_number { Ok(()) } else { Err((wrong.unwrap_or(0), "a ttl is from 0 to 255")) }
        }
        _ => Ok(()),
    }
}

const NO_PORT: &str = "a port is a number from 1 to 65535";
const NOT_HERE: &str = "this character cannot stand here";

/// `user-unreserved`
pub(super) const USER: &[u8] = b"&=+$,;?/";
const PASSWORD: &[u8] = b"&=+$,";
/// `param-unreserved`
const PARAMETER: &[u8] = b"[]/:&+$";
/// `hnv-unreserved`
const HEADER: &[u8] = b"[]/?:+$";
