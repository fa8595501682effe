//! What a registrar holds and what it answers: digest challenges, and contact bindings that expire.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::digest::{Decision, Guard};
use super::message::{Request, parameter, split_list, uri_of};
use super::{Binding, DOMAIN, USER};

/// How long a binding lives where the client does not say, in seconds.
const DEFAULT_EXPIRES: u64 = 60;
/// How long a binding can live, in seconds.
const LONGEST_EXPIRES: u64 = 3600;
/// How many responses are kept for retransmitted requests.
const RESPONSES: usize = 64;
/// How many contacts one registrar holds.
const CONTACTS: usize = 1024;

/// When an overloaded registrar wants to be asked again, in seconds.
const RETRY_AFTER: u64 = 120;

/// The one table, whatever way a request comes; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Registry(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    guard: Guard,
    is_overloaded: bool,
    /// When each contact of each address-of-record expires.
    contacts: BTreeMap<(String, String), Instant>,
    /// The latest transactions with their responses, oldest first.
    responses: VecDeque<(SocketAddr, String, Vec<u8>)>,
}

impl Registry {
    /// A registrar that knows this password for its one account, if it has time for anyone.
    pub(super) fn new(password: String, is_overloaded: bool) -> io::Result<Self> {
        let guard = Guard::new(USER, DOMAIN, password).map_err(io::Error::other)?;
        let (contacts, responses) = (BTreeMap::new(), VecDeque::new());
        Ok(Self(Arc::new(Mutex::new(State { guard, is_overloaded, contacts, responses }))))
    }

    /// The contacts that it holds now.
    pub(super) fn bindings(&self) -> Vec<Binding> {
        self.state().bindings(Instant::now())
    }

    /// The response to a message; `None` where it deserves none.
    pub(super) fn answer(&self, message: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        self.state().answer(message, from, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bindings(&self, now: Instant) -> Vec<Binding> {
        let live = self.contacts.iter().filter(|(_, until)| **until > now);
        live.map(|((address_of_record, contact), until)| Binding {
            address_of_record: address_of_record.clone(),
            contact: contact.clone(),
            remaining: until.duration_since(now),
        })
        .collect()
    }

    /// The response to a message; a retransmission has the response of its original.
    fn answer(&mut self, bytes: &[u8], from: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let request = Request::read(bytes)?;
        let transaction = request.transaction();
        let is_known = |(peer, known, _): &&(SocketAddr, String, Vec<u8>)| {
            *peer == from && *known == transaction
        };
        if let Some((_, _, response)) = self.responses.iter().find(is_known) {
            return Some(response.clone());
        }
        let response = match request.method {
            "ACK" => return None,
            // RFC 3261 §21.5.4
            _ if self.is_overloaded => {
                let later = format!("Retry-After: {RETRY_AFTER}");
                request.respond("503 Service Unavailable", from, &[later])
            }
            "REGISTER" => self.register(&request, from, now),
            "OPTIONS" => request.respond("200 OK", from, &[allow()]),
            _ => request.respond("405 Method Not Allowed", from, &[allow()]),
        };
        if self.responses.len() == RESPONSES {
            self.responses.pop_front();
        }
        self.responses.push_back((from, transaction, response.clone()));
        Some(response)
    }

    /// RFC 3261 §10.3.
    fn register(&mut self, request: &Request<'_>, from: SocketAddr, now: Instant) -> Vec<u8> {
        let given = request.header("Authorization");
        let is_stale = match self.guard.judge(request.method, request.uri, given) {
            Decision::Granted => {
                return match self.bind(request, now) {
                    Some(()) => request.respond("200 OK", from, &self.listed(request, now)),
                    None => request.respond("400 Bad Contact", from, &[]),
                };
            }
            Decision::Challenged => false,
            Decision::Stale => true,
        };
        let challenge = format!("WWW-Authenticate: {}", self.guard.challenge(is_stale));
        request.respond("401 Unauthorized", from, &[challenge])
    }

    /// Adds, renews and removes what the request's contacts say; `None` when they make no sense.
    ///
    /// A request without any is a query: it changes nothing.
    fn bind(&mut self, request: &Request<'_>, now: Instant) -> Option<()> {
        self.contacts.retain(|_, until| *until > now);
        let owner = request.address_of_record();
        let default = match request.header("Expires") {
            Some(text) => text.parse().ok()?,
            None => DEFAULT_EXPIRES,
        };
        for contact in request.all("Contact").flat_map(split_list) {
            if contact == "*" {
                if default != 0 {
                    return None;
                }
                self.contacts.retain(|(known, _), _| known != owner);
                continue;
            }
            let expires = match parameter(contact, "expires") {
                Some(text) => text.parse().ok()?,
                None => default,
            };
            let key = (owner.to_owned(), uri_of(contact).to_owned());
            if expires == 0 {
                self.contacts.remove(&key);
            } else if self.contacts.len() < CONTACTS {
                let lifetime = Duration::from_secs(expires.min(LONGEST_EXPIRES));
                self.contacts.insert(key, now + lifetime);
            }
        }
        Some(())
    }

    /// The Contact headers of a 200: all that is held for the address-of-record.
    fn listed(&self, request: &Request<'_>, now: Instant) -> Vec<String> {
        let owner = request.address_of_record();
        let held = self.bindings(now).into_iter().filter(|held| held.address_of_record == owner);
        held.map(|held| format!("Contact: <{}>;expires={}", held.contact, held.remaining.as_secs()))
            .collect()
    }
}

fn allow() -> String {
    "Allow: REGISTER, OPTIONS".to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use super::super::digest::tests::authorization;
    use super::{Registry, State};

    const CONTACT: &str = "<sip:1001@127.0.0.1:40112>";
    const OTHER_CONTACT: &str = "<sip:1001@127.0.0.1:40113>";

    /// A client that registers with a fresh transaction for each request.
    struct Client {
        registry: Registry,
        now: Instant,
        sequence: u32,
    }

    impl Client {
        fn new() -> Self {
            let registry = Registry::new("secret".to_owned(), false).unwrap();
            Self { registry, now: Instant::now(), sequence: 0 }
        }

        fn send(&mut self, more: &str) -> String {
            self.sequence += 1;
            let request = format!(
                "REGISTER sip:sip.lyon.example SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 127.0.0.1:40112;branch=z9hG4bK{0};rport\r\n\
                 From: <sip:1001@sip.lyon.example>;tag=1\r\nTo: <sip:1001@sip.lyon.example>\r\n\
                 Call-ID: call\r\nCSeq: {0} REGISTER\r\n{more}Content-Length: 0\r\n\r\n",
                self.sequence
            );
            self.exchange(request.as_bytes()).unwrap()
        }

        fn exchange(&self, bytes: &[u8]) -> Option<String> {
            let from: SocketAddr = "127.0.0.1:40112".parse().unwrap();
            let mut state: std::sync::MutexGuard<'_, State> = self.registry.state();
            let response = state.answer(bytes, from, self.now)?;
            Some(String::from_utf8(response).unwrap())
        }

        fn register(&mut self, password: &str, contact: &str) -> String {
            self.authorized(password, &format!("Contact: {contact}\r\n"))
        }

        fn authorized(&mut self, password: &str, more: &str) -> String {
            let challenge = self.send("");
            let challenge = challenge
                .lines()
                .find_map(|line| line.strip_prefix("WWW-Authenticate: "))
                .unwrap()
                .to_owned();
            let given = authorization(&challenge, "sip:sip.lyon.example", password, "00000001");
            self.send(&format!("Authorization: {given}\r\n{more}"))
        }

        fn held(&self) -> usize {
            self.registry.state().bindings(self.now).len()
        }
    }

    #[test]
    fn a_binding_lives_until_it_is_removed() {
        let mut client = Client::new();

        let registered = client.register("secret", &format!("{CONTACT};expires=60"));
        assert!(registered.starts_with("SIP/2.0 200 OK\r\n"), "{registered}");
        assert!(registered.contains(&format!("Contact: {CONTACT};expires=60\r\n")));
        assert!(registered.contains(";rport=40112;received=127.0.0.1\r\n"));
        assert_eq!(client.held(), 1);

        let removed = client.register("secret", &format!("{CONTACT};expires=0"));
        assert!(removed.starts_with("SIP/2.0 200 OK\r\n"));
        assert!(!removed.contains("Contact"));
        assert_eq!(client.held(), 0);
    }

    // RFC 3261 §10.3: without a Contact, step 6 goes on to the last, which lists every binding.
    #[test]
    fn a_register_without_a_contact_lists_every_binding_and_changes_none() {
        let mut client = Client::new();
        client.register("secret", CONTACT);
        client.now += Duration::from_secs(10);
        client.register("secret", OTHER_CONTACT);

        let listed = client.authorized("secret", "");

        assert!(listed.starts_with("SIP/2.0 200 OK\r\n"), "{listed}");
        assert!(listed.contains(&format!("Contact: {CONTACT};expires=50\r\n")), "{listed}");
        assert!(listed.contains(&format!("Contact: {OTHER_CONTACT};expires=60\r\n")), "{listed}");
        assert_eq!(client.held(), 2);
    }

    #[test]
    fn a_query_while_nothing_is_held_is_a_200_without_contacts() {
        let listed = Client::new().authorized("secret", "");

        assert!(listed.starts_with("SIP/2.0 200 OK\r\n"), "{listed}");
        assert!(!listed.contains("Contact"), "{listed}");
    }

    #[test]
    fn expires_0_removes_the_contact_that_it_names_and_no_other() {
        for removal in [
            format!("Contact: {CONTACT};expires=0\r\n"),
            format!("Contact: {CONTACT}\r\nExpires: 0\r\n"),
        ] {
            let mut client = Client::new();
            client.register("secret", CONTACT);
            client.register("secret", OTHER_CONTACT);

            let left = client.authorized("secret", &removal);

            assert!(left.starts_with("SIP/2.0 200 OK\r\n"), "{left}");
            assert!(!left.contains(CONTACT), "{left}");
            assert!(left.contains(&format!("Contact: {OTHER_CONTACT};")), "{left}");
            assert_eq!(client.held(), 1);
        }
    }

    #[test]
    fn who_is_overloaded_says_when_to_come_back() {
        let mut client = Client::new();
        client.registry.state().is_overloaded = true;

        let refused = client.send("");

        assert!(refused.starts_with("SIP/2.0 503 Service Unavailable\r\n"), "{refused}");
        assert!(refused.contains("\r\nRetry-After: 120\r\n"), "{refused}");
    }

    #[test]
    fn a_binding_expires() {
        let mut client = Client::new();
        client.register("secret", CONTACT);
        assert_eq!(client.held(), 1);

        client.now += Duration::from_secs(61);

        assert_eq!(client.held(), 0);
    }

    #[test]
    fn another_password_binds_nothing() {
        let mut client = Client::new();

        let refused = client.register("guess", CONTACT);

        assert!(refused.starts_with("SIP/2.0 401 Unauthorized\r\n"));
        assert_eq!(client.held(), 0);
    }

    #[test]
    fn a_retransmission_has_the_same_response() {
        let client = Client::new();
        let request = b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\n\
            From: <sip:a@x>\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n";

        assert_eq!(client.exchange(request), client.exchange(request));
    }

    #[test]
    fn what_is_no_request_is_dropped() {
        assert_eq!(Client::new().exchange(b"\0\x01rubbish"), None);
    }
}
