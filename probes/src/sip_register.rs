//! Probe: can a phone register, and what does the registrar hold afterwards?

mod exchange;

use std::time::Duration;

use crate::chance::Chance;
use crate::digest::Credentials;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::locate::{self, Locator};
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::secret::Secret;
use crate::sip::locate::{FAILOVER, SipLocator};
use crate::target::{Target, Transport};
use crate::wire::sip::AddressOfRecord;

use exchange::RegisterExchange;

/// The final status code of the registration.
pub const STATUS_CODE: FactKey<u64> =
    FactKey::new("status_code", "the final status code of the registration")
        .metric("probe_sip_status_code");
/// How the registrar let us in.
pub const MODE: FactKey<&'static str> = FactKey::new(
    "mode",
    "credentials: registered with a digest; open: registered without; challenge: none to offer",
);
/// The digest algorithm that was used.
pub const ALGORITHM: FactKey<&'static str> =
    FactKey::new("algorithm", "the digest algorithm that was used");
/// How often the nonce had grown stale.
pub const NONCE_RENEWALS: FactKey<u64> =
    FactKey::new("nonce_renewals", "how often the registrar called the nonce stale")
        .metric("probe_sip_nonce_renewals");
/// For how long the registrar granted the binding.
pub const EXPIRES: FactKey<Duration> =
    FactKey::new("expires_seconds", "for how long the registrar granted the binding")
        .metric("probe_sip_expires_seconds");
/// Our contact as the registrar holds it.
pub const CONTACT: FactKey<Foreign> =
    FactKey::new("contact", "our contact as the registrar holds it");
/// How many contact bindings the registrar holds for the address-of-record, ours among them.
pub const BINDINGS: FactKey<u64> =
    FactKey::new("bindings", "contact bindings held for the address-of-record, ours among them")
        .metric("probe_sip_bindings");
/// Whether our contact is gone from the registrar again.
pub const REMOVED: FactKey<bool> =
    FactKey::new("removed", "whether the registrar confirms that our contact is gone")
        .metric("probe_sip_removed");
/// The address from which the registrar received the request.
pub const RECEIVED: FactKey<Foreign> =
    FactKey::new("received", "the address from which the registrar received the request");
/// The port from which the registrar received the request.
pub const RPORT: FactKey<u64> =
    FactKey::new("rport", "the port from which the registrar received the request (RFC 3581)");
/// What the registrar calls itself.
pub const SERVER: FactKey<Foreign> = FactKey::new("server", "what the registrar calls itself");
/// How many requests were sent, removal apart.
pub const TRANSMISSIONS: FactKey<u64> =
    FactKey::new("transmissions", "requests sent to register, repeated ones included")
        .metric("probe_sip_transmissions");
/// How many of [`TRANSMISSIONS`] were repetitions.
pub const RETRANSMISSIONS: FactKey<u64> =
    FactKey::new("retransmissions", "requests sent again because no answer had come")
        .metric("probe_sip_retransmissions");
/// From the first request to its response.
pub const RTT: FactKey<Duration> =
    FactKey::new("rtt_seconds", "round trip of the first request, where it was not repeated")
        .metric("probe_sip_rtt_seconds");
/// Whose clock measured [`RTT`].
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured the round trip: kernel or program");

const ADDRESS_OF_RECORD: OptionKey<String> =
    OptionKey::new("address_of_record", Kind::Text, "whose registration it is: sip:user@domain")
        .required();
const USERNAME: OptionKey<String> =
    OptionKey::new("username", Kind::Text, "the digest user; else the user of address_of_record");
const PASSWORD: OptionKey<Secret> = OptionKey::new(
    "password",
    Kind::Secret,
    "the digest password; without it a challenge is the success",
);
const REALM: OptionKey<String> = OptionKey::new(
    "realm",
    Kind::Text,
    "the only realm that gets the password; else the domain of address_of_record",
);
const BINDING_EXPIRES: OptionKey<Duration> = OptionKey::new(
    "expires",
    Kind::Duration,
    "how long the binding would hold if it could not be removed: at most 60s",
)
.default("60s");
const ALLOW_CLEARTEXT: OptionKey<bool> = OptionKey::new(
    "allow_cleartext",
    Kind::Flag,
    "answer challenges over a transport that others can read",
)
.default("false");
const ALLOW_MD5: OptionKey<bool> =
    OptionKey::new("allow_md5", Kind::Flag, "answer a challenge that offers nothing but MD5")
        .default("false");
const TRANSPORT: OptionKey<&'static str> =
    OptionKey::new("transport", Kind::Word(&["udp"]), "what carries the requests").default("udp");

const PORT: u16 = 5060;
const LONGEST_BINDING: Duration = Duration::from_secs(60);
/// Timer F for the registration, and 8 s to take it back.
const WHOLE_SCHEDULE: Duration = Duration::from_secs(40);
/// Longer texts would push a request beyond a datagram that RFC 3261 §18.1.1 allows.
const LONGEST_TEXT: usize = 128;

/// The probe `sip-register`.
pub struct SipRegister;

impl Probe for SipRegister {
    fn name(&self) -> &'static str {
        "sip-register"
    }

    fn about(&self) -> &'static str {
        "can a phone register, and what does the registrar hold?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.register]
probe = "sip-register"
address_of_record = "sip:probe-lyon@sip.example.com"
password = { credential = "sip-password" }
allow_cleartext = true

[[targets]]
name = "registrar"
address = "sip.example.com:5060"
modules = ["register"]
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const {
            &[
                ADDRESS_OF_RECORD.spec(),
                USERNAME.spec(),
                PASSWORD.spec(),
                REALM.spec(),
                BINDING_EXPIRES.spec(),
                ALLOW_CLEARTEXT.spec(),
                ALLOW_MD5.spec(),
                TRANSPORT.spec(),
                FAILOVER.spec(),
            ]
        }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const {
            &[
                STATUS_CODE.spec(),
                MODE.spec(),
                ALGORITHM.spec(),
                NONCE_RENEWALS.spec(),
                EXPIRES.spec(),
                CONTACT.spec(),
                BINDINGS.spec(),
                REMOVED.spec(),
                RECEIVED.spec(),
                RPORT.spec(),
                SERVER.spec(),
                TRANSMISSIONS.spec(),
                RETRANSMISSIONS.spec(),
                RTT.spec(),
                CLOCK.spec(),
                locate::LOCATED_BY.spec(),
                locate::CANDIDATES.spec(),
                locate::PASSED_OVER.spec(),
            ]
        }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let text = options.require(&ADDRESS_OF_RECORD)?;
        let address_of_record = AddressOfRecord::read(&text).map_err(|bad| BadOption {
            option: ADDRESS_OF_RECORD.spec().name,
            problem: format!("is {bad}"),
            hint: Some(
                "write it as in address_of_record = \"sip:probe-lyon@sip.example.com\"".to_owned(),
            ),
        })?;
        let username = options.read(&USERNAME).unwrap_or_else(|| address_of_record.user().into());
        let realm = options.read(&REALM).unwrap_or_else(|| address_of_record.host().into());
        for (key, text) in [(&ADDRESS_OF_RECORD, &text), (&USERNAME, &username), (&REALM, &realm)] {
            if text.len() > LONGEST_TEXT {
                return Err(BadOption {
                    option: key.spec().name,
                    problem: format!("is longer than {LONGEST_TEXT} bytes"),
                    hint: None,
                });
            }
        }
        let expires = options.require(&BINDING_EXPIRES)?;
        if expires > LONGEST_BINDING || expires.subsec_nanos() != 0 {
            return Err(BadOption {
                option: BINDING_EXPIRES.spec().name,
                problem: "must be whole seconds, 60s or less".to_owned(),
                hint: Some("a binding that outlives a crash must not live long".to_owned()),
            });
        }
        let password = options.read(&PASSWORD);
        if password.is_some() && !options.require(&ALLOW_CLEARTEXT)? {
            return Err(BadOption {
                option: PASSWORD.spec().name,
                problem: "would answer challenges over udp, where others can read the answer \
                          and guess at leisure"
                    .to_owned(),
                hint: Some(
                    "set allow_cleartext = true if the phones of this site do the same, and give \
                     the probe an account of its own"
                        .to_owned(),
                ),
            });
        }
        Ok(Box::new(
            RegisterModule {
                address_of_record,
                credentials: password.map(|password| Credentials { username, password, realm }),
                // At most 60.
                expires: u32::try_from(expires.as_secs()).unwrap_or_default(),
                allow_md5: options.require(&ALLOW_MD5)?,
                fails_over: options.require(&FAILOVER)?,
                timeout: options.read(&TIMEOUT).unwrap_or(self.timeout()),
            }
            .shared(),
        ))
    }
}

/// What every exchange of one module shares.
pub(crate) struct RegisterModule {
    address_of_record: AddressOfRecord,
    credentials: Option<Credentials>,
    expires: u32,
    allow_md5: bool,
    fails_over: bool,
    timeout: Duration,
}

impl RegisterModule {
    fn shared(self) -> SharedModule {
        SharedModule(std::sync::Arc::new(self))
    }
}

struct SharedModule(std::sync::Arc<RegisterModule>);

impl Module for SharedModule {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        PORT
    }

    fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn locator(&self, host: &str, chance: Chance) -> Option<Box<dyn Locator>> {
        Some(Box::new(SipLocator::new(host, Some(self.transport()), false, chance)))
    }

    fn fails_over(&self) -> bool {
        self.0.fails_over
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        let module = std::sync::Arc::clone(&self.0);
        Box::new(RegisterExchange::new(module, target.address, chance))
    }
}
